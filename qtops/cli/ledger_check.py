"""`qtops ledger verify|render`: the log against itself, its views, its tags and signatures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qtops.cli.context import AppContext, current
from qtops.cli.ledger_options import Root, open_ledger, policy_of
from qtops.cli.options import DryRun
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Mark, Printer
from qtops.errors import ExitCode

if TYPE_CHECKING:
    from qtops.ledger.chain import Fault, Reading
    from qtops.ledger.entry import Entry
    from qtops.ledger.store import Ledger


def register(app: typer.Typer) -> None:
    """Put the commands of this module on the ledger's group."""
    app.command("verify")(verify)
    app.command("render")(render)


def verify(
    *,
    expect_head: Annotated[
        str, typer.Option(help="A head that was noted before; must still be in the log.")
    ] = "",
    allowed_signers: Annotated[
        Path | None, typer.Option(help="Allowed-signers file of ssh-keygen; checks signatures.")
    ] = None,
    require_approval: Annotated[
        bool,
        typer.Option("--require-approval", help="Each entry needs a second person's signature."),
    ] = False,
    root: Root = None,
) -> None:
    """Whether every entry is as it was written, and every view as the log says.

    Example: qtops ledger verify --expect-head 3f2a…

    Exit codes: 0 nothing was changed; 2 something was; 1 error; 64 usage.
    """
    from qtops.ledger.entry import folded

    env = current()
    ledger = open_ledger(env, root)
    reading = ledger.read()
    faults = list(reading.faults) + _head_faults(reading, expect_head)
    if not reading.faults:
        faults += ledger.view_faults(reading)
    faults += _tag_faults(ledger, reading)
    entries = folded(reading.records)
    faults += _signature_faults(env, entries, allowed_signers, everyone=require_approval)
    code = ExitCode.UNHEALTHY if faults else ExitCode.OK
    status = "altered" if faults else "intact"

    def text(out: Printer) -> None:
        if faults:
            first = faults[0]
            out.verdict(Mark.FAIL, status, f"first: {first.where} {first.text}")
        else:
            out.verdict(Mark.OK, status, f"{len(entries)} entries, head {reading.head}")
        for fault in faults:
            out.finding(Mark.FAIL, f"{fault.where} {fault.text}")

    payload = {
        "entries": len(entries),
        "head": reading.head,
        "faults": faults,
        "first": faults[0] if faults else None,
    }
    emit(env, CommandResult("qtops.ledger.verify/v1", status, code, payload, text))


def render(*, root: Root = None, dry_run: DryRun = False) -> None:
    """Rebuild the views from the log; text outside the entries stays as it is.

    Example: qtops ledger render

    Exit codes: 0 the views are current; 1 error, or the log is broken; 64 usage.
    """
    env = current()
    changed = open_ledger(env, root).render(dry_run=dry_run)
    status = "current" if not changed else "would change" if dry_run else "rendered"

    def text(out: Printer) -> None:
        out.verdict(None if dry_run else Mark.OK, status)
        for path in changed:
            out.line(str(path))

    payload = {"dry_run": dry_run, "changed": changed}
    result = CommandResult(
        "qtops.ledger.render/v1", status.replace(" ", "_"), ExitCode.OK, payload, text
    )
    emit(env, result)


def _head_faults(reading: "Reading", expected: str) -> "list[Fault]":
    from qtops.ledger.chain import check_head

    fault = check_head(reading.records, expected, "--expect-head") if expected else None
    return [fault] if fault else []


def _tag_faults(ledger: "Ledger", reading: "Reading") -> "list[Fault]":
    """Tags that people made without a hash say nothing about the log."""
    from qtops.ledger.chain import check_head
    from qtops.ledger.tags import heads

    recorded = {name: head for name, head in heads(ledger.root).items() if head}
    found = (check_head(reading.records, head, f"tag {n}") for n, head in recorded.items())
    return [fault for fault in found if fault]


def _signature_faults(
    env: AppContext, entries: "Sequence[Entry]", allowed: Path | None, *, everyone: bool
) -> "list[Fault]":
    from qtops.errors import UsageError
    from qtops.ledger.entry import RISK_CLASSES
    from qtops.ledger.rules import Policy
    from qtops.ledger.signing import signature_faults

    named = str(allowed or "") or env.settings().text("QTOPS_LEDGER_ALLOWED_SIGNERS")
    if named:
        policy = Policy(frozenset(RISK_CLASSES)) if everyone else policy_of(env)
        return signature_faults(entries, env.host.cwd / Path(named).expanduser(), policy)
    if everyone:
        raise UsageError("--require-approval needs --allowed-signers FILE")
    if any("signatures" in entry for entry in entries):
        env.notice("signatures were not checked: no --allowed-signers")
    return []
