"""`qtops report p04c`: the proof report of the exit side."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qtops.cli.context import current
from qtops.cli.spans import parse_span
from qtops.errors import ExitCode

if TYPE_CHECKING:
    from qtops.cli.proof_chain import ChainReading


def register(app: typer.Typer) -> None:
    """Add `report p04c`."""
    app.command("p04c")(p04c)


def p04c(
    *,
    since: Annotated[str, typer.Option(help="How far back.")] = "1h",
    out: Annotated[Path | None, typer.Option(help="File to write; default stdout.")] = None,
) -> ExitCode:
    """The proof report of the exit side: every exit of the window and its four steps.

    Example: qtops report p04c --since 1h --out P0.4C_PROOF_REPORT.md

    Exit codes: 0 every chain is complete; 3 none, or one is not; 1 error; 64 usage.
    """
    import asyncio

    from qtops.cli.document_output import Document, hand_over, masked
    from qtops.cli.proof_chain import payload_of, read_chains
    from qtops.proofs.exit_chain import ChainFilter
    from qtops.reports.exit_chain import markdown_of

    env = current()
    window_ms = parse_span(since, "--since")
    reading: ChainReading = asyncio.run(read_chains(env, ChainFilter(), window_ms))
    payload = payload_of(reading)
    text = masked(env, markdown_of(payload))
    hand_over(env, Document("qtops.report.p04c/v1", text, payload), out, dry_run=False)
    return ExitCode.OK if reading.is_proven else ExitCode.NO_PROOF
