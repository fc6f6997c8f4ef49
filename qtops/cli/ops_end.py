"""`qtops ops end`: the report, the entry in the ledger, and the obligation is discharged."""

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qtops.cli.context import AppContext, current
from qtops.cli.ledger_options import Root, open_ledger
from qtops.cli.ledger_record import Recording, record
from qtops.cli.operator import said
from qtops.cli.ops_journal import chosen, print_attempts, print_step
from qtops.cli.options import DryRun
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Mark, Printer
from qtops.errors import ExitCode, UnhealthyError

if TYPE_CHECKING:
    from qtops.governance.operation import Operation
    from qtops.ledger.evidence import Wanted
    from qtops.ledger.store import Ledger

SCHEMA = "qtops.ops.end/v1"


def register(app: typer.Typer) -> None:
    """Put the command into the group."""
    app.command("end")(end)


@dataclass(frozen=True, slots=True)
class _Ending:
    """What the end of an operation says."""

    outcome: str
    why: str
    report: Path
    entry: dict[str, Any]
    warnings: list[str]


def end(
    operation_id: Annotated[str, typer.Argument(metavar="[ID]")] = "",
    *,
    partial: Annotated[
        str, typer.Option(help="Why it is not a success although its steps passed.")
    ] = "",
    root: Root = None,
    dry_run: DryRun = False,
) -> None:
    """Write the report and the ledger entry, and close the operation.

    SUCCESS when every step passed; PARTIAL when one failed or was interrupted, rolled back or not,
    when there was none, or with --partial.

    Example: qtops ops end OPS-2026-01-27-011

    Exit codes: 0 recorded as SUCCESS; 2 recorded as PARTIAL; 1 error, or a rule broken with
    STRICT_LEDGER; 4 not approved with STRICT_LEDGER; 64 usage.
    """
    from qtops.governance.journal import Journal

    env = current()
    ledger = open_ledger(env, root)
    journal = Journal(ledger.root)
    name = chosen(journal, operation_id)
    why = env.redact(said(partial, "--partial"))
    with nullcontext() if dry_run else journal.held(name):
        operation = journal.load(name)
        ending = _ending(env, ledger, operation, why, dry_run=dry_run)
        if not dry_run:
            journal.file_away(operation)
    _emit(env, operation, ending, dry_run=dry_run)


def _ending(
    env: AppContext, ledger: "Ledger", operation: "Operation", partial: str, *, dry_run: bool
) -> _Ending:
    """Recorded; once only, also when the first try was cut off after the entry was written."""
    from qtops.governance.journal import Journal
    from qtops.governance.operation import outcome_of
    from qtops.governance.report import report

    name = operation.operation_id
    journal = Journal(ledger.root)
    page = journal.report_path(name)
    if old := next((e for e in ledger.entries() if e.get("operation_id") == name), None):
        if old.get("operation_name") != operation.declaration["operation"]:
            raise UnhealthyError(f"{name} is in the ledger as another operation", hint=_show(name))
        return _Ending(str(old["outcome"]), "recorded before", page, old, [])
    outcome, why = outcome_of(operation, partial)
    if not dry_run:
        journal.put_report(name, report(operation, partial))
    wanted = _wanted(env, operation, None if dry_run else page)
    values = _values(operation, outcome, why)
    done = record(env, ledger, values, wanted, Recording(name, dry_run=dry_run))
    return _Ending(outcome, why, page, done.entry, done.warnings)


def _values(operation: "Operation", outcome: str, why: str) -> dict[str, Any]:
    """The declared fields of the entry; what went wrong, and on whose word, is in the notes."""
    said = operation.declaration
    notes = [said["notes"], why]
    if operation.exception:
        notes.append(f"exception to the approval policy: {operation.exception}")
    names = ("requested_by", "approved_by", "risk_class", "blast_radius", "changes_summary")
    return {name: said[name] for name in (*names, "objective")} | {
        "operation_name": said["operation"],
        "outcome": outcome,
        "allowed_paths": list(said["allowed_paths"]),
        "allowed_services": list(said["allowed_services"]),
        "rollback_ref": said["rollback_strategy"],
        "notes": "; ".join(note for note in notes if note),
    }


def _wanted(env: AppContext, operation: "Operation", page: Path | None) -> "Wanted":
    from qtops.ledger.evidence import Wanted

    cwd = env.host.cwd
    proof = page.relative_to(cwd) if page and page.is_relative_to(cwd) else page
    services = list(operation.declaration["allowed_services"])
    return Wanted(cwd=cwd, services=services, proof_paths=[str(proof)] if proof else [])


def _show(name: str) -> str:
    return f"qtops ledger show {name}"


def _emit(env: AppContext, operation: "Operation", ending: _Ending, *, dry_run: bool) -> None:
    name = operation.operation_id
    is_success = ending.outcome == "SUCCESS"

    def text(out: Printer) -> None:
        words = f"dry run: would record {ending.outcome}" if dry_run else ending.outcome
        out.verdict(Mark.OK if is_success else Mark.WARN, words, name, ending.why)
        for step in operation.steps:
            print_step(out, step)
        print_attempts(out, operation)
        out.line(f"report {ending.report}")
        if not dry_run:
            out.hint(_show(name))

    payload = {
        "dry_run": dry_run,
        "operation_id": name,
        "outcome": ending.outcome,
        "why": ending.why,
        "report": ending.report,
        "validation_warnings": ending.warnings,
        "entry": ending.entry,
    }
    status = "dry_run" if dry_run else ending.outcome.lower()
    code = ExitCode.OK if is_success or dry_run else ExitCode.UNHEALTHY
    emit(env, CommandResult(SCHEMA, status, code, payload, text))
