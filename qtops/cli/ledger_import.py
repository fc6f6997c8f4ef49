"""`qtops ledger import`: entries written by hand, by the original tool, or as a view."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qtops.cli.context import current
from qtops.cli.ledger_options import Root, open_ledger
from qtops.cli.options import DryRun
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Mark, Printer
from qtops.errors import ExitCode

if TYPE_CHECKING:
    from qtops.ledger.blocks import Block
    from qtops.ledger.entry import Entry
    from qtops.ledger.logscan import LogScan


def register(app: typer.Typer) -> None:
    """Put the command of this module on the ledger's group."""
    app.command("import")(import_)


def import_(
    source: Annotated[Path, typer.Argument(help="A Markdown page or YAML stream of entries.")],
    *,
    fix: Annotated[
        bool, typer.Option("--fix", help="Take broken entries too, corrected; says what changed.")
    ] = False,
    root: Root = None,
    dry_run: DryRun = False,
) -> None:
    """Take the entries of another ledger; broken ones are listed with line and reason.

    Example: qtops ledger import docs/OPS_CHANGELOG.md --fix

    Exit codes: 0 all are in the log; 2 broken ones were left out; 1 error; 64 usage.
    """
    from qtops.files import replace
    from qtops.ledger.blocks import order_of, read_source

    env = current()
    ledger = open_ledger(env, root)
    data = (env.host.cwd / source).read_bytes()
    blocks = read_source(data.decode("utf-8", "replace"), fix=fix)
    present = {entry["operation_id"] for entry in ledger.entries()}
    whole = sorted((b for b in blocks if not b.reason and not b.is_template), key=order_of)
    fresh = [b for b in whole if b.operation_id not in present]
    known = [b for b in whole if b.operation_id in present]
    broken = [b for b in blocks if b.reason]
    templates = [b for b in blocks if b.is_template]
    if fresh and not dry_run:
        digest = hashlib.sha256(data).hexdigest()[:12]
        replace(ledger.directory / "imported" / f"{digest}-{source.name}", data, durable=True)
        ledger.add_records(lambda scan: _unknown(scan, fresh, source.name))
    status = "incomplete" if broken else "imported"
    code = ExitCode.UNHEALTHY if broken else ExitCode.OK

    def text(printer: Printer) -> None:
        detail = f"{len(fresh)} new, {len(known)} known, {len(broken)} broken"
        words = f"dry run: {status}" if dry_run else status
        printer.verdict(Mark.WARN if broken else Mark.OK, words, detail)
        for block in broken:
            printer.finding(Mark.FAIL, f"{_place(block)} {block.reason}")
        if broken and not fix:
            printer.hint(f"qtops ledger import {source} --fix")
        for block in whole:
            for change in block.changes:
                printer.finding(Mark.WARN, f"{_place(block)} {change}")
        for block in templates:
            printer.finding(Mark.WARN, f"{_place(block)} is a template, no entry; left out")

    payload = {
        "dry_run": dry_run,
        "imported": [b.operation_id for b in fresh],
        "known": [b.operation_id for b in known],
        "broken": _rows(broken, "reason"),
        "templates": _rows(templates),
        "changes": _rows([b for b in whole if b.changes], "changes"),
    }
    emit(env, CommandResult("qtops.ledger.import/v1", status, code, payload, text))


def _place(block: "Block") -> str:
    return f"line {block.line}: {block.operation_id}"


def _rows(blocks: "Sequence[Block]", *more: str) -> list[dict[str, Any]]:
    names = ("line", "operation_id", *more)
    return [{name: getattr(block, name) for name in names} for block in blocks]


def _unknown(scan: "LogScan", blocks: "list[Block]", source: str) -> "list[Entry]":
    """Those that are still not there, now that the lock is ours."""
    from qtops.ledger.blocks import importable

    return [importable(b, source) for b in blocks if not scan.find("operation_id", b.operation_id)]
