"""`qtops ledger`: record a change, look it up."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qtops.cli import ledger_check, ledger_import, ledger_more
from qtops.cli.context import AppContext, current
from qtops.cli.ledger_open import emit_open
from qtops.cli.ledger_options import ManyValues, Root, open_ledger
from qtops.cli.ledger_record import Recording, record
from qtops.cli.options import DryRun, command_group
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Column, Mark, Printer
from qtops.errors import ExitCode, RefusedError, UsageError

if TYPE_CHECKING:
    from qtops.ledger.store import Ledger, Outcome

app = command_group()
ledger_check.register(app)
ledger_import.register(app)
ledger_more.register(app)

SCHEMA = "qtops.ledger.append/v1"
_MARKS = {"recorded": Mark.OK, "already recorded": Mark.OK, "conflict": Mark.FAIL}


@typer.Typer.command(app, "append", cls=ManyValues)
def append(
    *,
    operation: Annotated[str, typer.Option(help="Its name, short.")],
    objective: Annotated[str, typer.Option(help="What it achieves.")],
    risk_class: Annotated[
        str, typer.Option(help="READ_ONLY, LOW_RISK_CONFIG, SERVICE_RESTART or FILESYSTEM_WRITE.")
    ],
    blast_radius: Annotated[str, typer.Option(help="What can break.")],
    changes_summary: Annotated[str, typer.Option(help="What changed, in one line.")],
    operation_id: Annotated[
        str, typer.Option(help="OPS-YYYY-MM-DD-NNN; allocated when left out.")
    ] = "",
    allowed_paths: Annotated[list[str] | None, typer.Option(help="Paths it may touch.")] = None,
    allowed_services: Annotated[
        list[str] | None, typer.Option(help="Services it may touch.")
    ] = None,
    proof_path: Annotated[list[str] | None, typer.Option(help="Files that prove it.")] = None,
    metrics_urls: Annotated[list[str] | None, typer.Option(help="Metrics pages to ask.")] = None,
    metrics_grep: Annotated[
        list[str] | None, typer.Option(help="Patterns of the lines to keep.")
    ] = None,
    redis_cmds: Annotated[list[str] | None, typer.Option(help="Read-only Redis commands.")] = None,
    log_lines: Annotated[
        int, typer.Option(min=0, max=1000, help="Last log lines of each service.")
    ] = 0,
    outcome: Annotated[str, typer.Option(help="SUCCESS, PARTIAL or ROLLBACK.")] = "SUCCESS",
    rollback_of: Annotated[str, typer.Option(help="The operation that is rolled back.")] = "",
    corrects: Annotated[str, typer.Option(help="The entry that this one corrects.")] = "",
    requested_by: Annotated[str, typer.Option(help="Who wanted it.")] = "SELF",
    approved_by: Annotated[str, typer.Option(help="Who approved it.")] = "SELF",
    rollback_ref: Annotated[str, typer.Option(help="How to get back.")] = "",
    notes: Annotated[str, typer.Option(help="Anything else.")] = "",
    strict: Annotated[
        bool, typer.Option("--strict", help="A broken rule stops the entry.")
    ] = False,
    require_approval: Annotated[
        bool, typer.Option("--require-approval", help="Refuse without a second person.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Record although it is there already.")
    ] = False,
    tag: Annotated[
        bool, typer.Option("--tag", help="Put it into an annotated git tag, too.")
    ] = False,
    root: Root = None,
    dry_run: DryRun = False,
) -> None:
    """Record one change with the evidence for it; recording it twice records it once.

    Example: qtops ledger append --operation "P2.7 deploy" --objective "clusters"
      --risk-class SERVICE_RESTART --blast-radius "gating" --changes-summary "0.7 to 0.8"

    Exit codes: 0 recorded, or already recorded; 1 error, or a rule broken with --strict; 2 the id
    is taken by another content; 4 not approved; 64 usage.
    """
    from qtops.ledger.evidence import Wanted
    from qtops.ledger.rules import approval_fault
    from qtops.ledger.tags import check_taggable

    env = current()
    ledger = open_ledger(env, root)
    declared: dict[str, Any] = {
        "operation_name": operation,
        "requested_by": requested_by,
        "approved_by": approved_by,
        "risk_class": _one_of("--risk-class", risk_class, "RISK_CLASSES"),
        "blast_radius": blast_radius,
        "changes_summary": changes_summary,
        "objective": objective,
        "outcome": _one_of("--outcome", outcome, "OUTCOMES"),
        "rollback_of": rollback_of,
        "allowed_paths": allowed_paths or [],
        "allowed_services": _split(allowed_services),
        "notes": notes,
        "rollback_ref": rollback_ref,
        "corrects": corrects,
    }
    _check_id(operation_id, ledger)
    if require_approval and (fault := approval_fault(declared)):
        raise RefusedError(fault, hint="--approved-by NAME, another than --requested-by")
    if tag:
        check_taggable(ledger.root)
    wanted = Wanted(
        cwd=env.host.cwd,
        services=declared["allowed_services"],
        proof_paths=proof_path or (),
        metrics_urls=metrics_urls or (),
        metrics_grep=metrics_grep or (),
        redis_cmds=redis_cmds or (),
        log_lines=log_lines,
    )
    recording = Recording(operation_id, strict=strict, again=again, dry_run=dry_run)
    done = record(env, ledger, declared, wanted, recording)
    wants_tag = tag and done.status != "conflict"
    tagging = ledger_more.tagged(ledger, done.entry, dry_run=dry_run) if wants_tag else None
    _emit(env, done, tagging, dry_run=dry_run)


@app.command("list")
def list_entries(
    *,
    month: Annotated[str, typer.Option(help="Only YYYY-MM.")] = "",
    outcome: Annotated[str, typer.Option(help="Only this outcome.")] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 50,
    only_open: Annotated[
        bool, typer.Option("--open", help="Instead, the operations that have not ended.")
    ] = False,
    root: Root = None,
) -> None:
    """The changes on record, newest first.

    Example: qtops ledger list --month 2026-01

    Exit codes: 0 listed; 1 error; 64 usage.
    """
    env = current()
    if only_open:
        emit_open(env, open_ledger(env, root).root)
        return
    entries = open_ledger(env, root).entries()
    undone = {e["rollback_of"]: e.get("operation_id") for e in entries if e.get("rollback_of")}
    kept = [
        e
        for e in reversed(entries)
        if str(e.get("operation_id")).startswith(f"OPS-{month}")
        and (not outcome or e.get("outcome") == outcome.upper())
    ]
    shown = kept[:limit]
    names = ("operation_id", "operation_name", "risk_class", "outcome", "execution_timestamp")
    rows = [
        {n: e.get(n) for n in names} | {"rolled_back_by": undone.get(e.get("operation_id"))}
        for e in shown
    ]

    def text(out: Printer) -> None:
        out.verdict(None, f"{len(shown)} of {len(entries)} entries")
        columns = [Column("id"), Column("when"), Column("class"), Column("outcome")]
        columns += [Column("operation", shrink=True), Column("rolled back by")]
        out.table(columns, [_row(row) for row in rows])

    payload = {"entries": rows, "count": len(shown), "total": len(entries)}
    emit(env, CommandResult("qtops.ledger.list/v1", "ok", ExitCode.OK, payload, text))


@app.command("show")
def show(operation_id: str, *, root: Root = None) -> None:
    """One entry, whole, as its view has it.

    Example: qtops ledger show OPS-2026-01-27-011

    Exit codes: 0 shown; 1 error, or no such entry; 64 usage.
    """
    from qtops.ledger.entry import ordered
    from qtops.ledger.store import find_entry
    from qtops.ledger.yamltext import dump

    env = current()
    entry = ordered(find_entry(open_ledger(env, root).entries(), operation_id))

    def text(out: Printer) -> None:
        out.verdict(None, operation_id, str(entry.get("outcome", "")))
        for line in dump(entry).splitlines():
            out.line(line)

    payload = {"entry": entry}
    emit(env, CommandResult("qtops.ledger.show/v1", "ok", ExitCode.OK, payload, text))


def _row(row: dict[str, Any]) -> list[str | None]:
    names = ("operation_id", "execution_timestamp", "risk_class", "outcome", "operation_name")
    return [*(row[name] for name in names), row["rolled_back_by"]]


def _one_of(option: str, word: str, table: str) -> str:
    from qtops.ledger import entry

    allowed: Sequence[str] = getattr(entry, table)
    if word not in allowed:
        raise UsageError(f"{option}: {word!r} is not one of {', '.join(allowed)}")
    return word


def _split(names: list[str] | None) -> list[str]:
    """`a,b` and `a b` alike; a service once."""
    parts = (part.strip() for name in names or () for part in name.split(","))
    return list(dict.fromkeys(part for part in parts if part))


def _check_id(operation_id: str, ledger: "Ledger") -> None:
    from qtops.errors import DecodeError
    from qtops.governance.obligations import obligation_path
    from qtops.ledger.entry import day_of

    try:
        if operation_id:
            day_of(operation_id)
    except DecodeError as error:
        raise UsageError(f"--operation-id: {error.message}") from error
    if operation_id and obligation_path(ledger.root, operation_id).exists():
        message = f"{operation_id} belongs to an operation that has not ended"
        raise RefusedError(message, hint=f"qtops ops end {operation_id}")


def _emit(
    env: AppContext, done: "Outcome", tagging: tuple[str, str] | None, *, dry_run: bool
) -> None:
    from qtops.ledger.entry import ordered
    from qtops.ledger.markdown import block

    entry = ordered(done.entry)
    words = {"recorded": "recorded", "already": "already recorded"}.get(done.status, "conflict")
    code = ExitCode.UNHEALTHY if done.status == "conflict" else ExitCode.OK
    status = f"dry run: {words}" if dry_run else words

    def text(out: Printer) -> None:
        out.verdict(_MARKS[words], status, str(entry["operation_id"]))
        for difference in done.differences:
            out.finding(Mark.FAIL, difference)
        if tagging:
            out.line(" ".join(tagging))
        if dry_run and done.status == "recorded":
            for line in block(done.entry).splitlines():
                out.line(line)

    payload = {
        "dry_run": dry_run,
        "operation_id": entry["operation_id"],
        "head": entry["entry_hash"],
        "tag": tagging[1] if tagging else None,
        "differences": done.differences,
        "validation_warnings": done.warnings,
        "entry": entry,
    }
    emit(env, CommandResult(SCHEMA, words.replace(" ", "_"), code, payload, text))
