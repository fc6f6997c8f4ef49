"""`qtops ops`: work with a declared scope, from its beginning to its entry in the ledger."""

from typing import TYPE_CHECKING, Annotated

import typer

from qtops.cli import ops_end, ops_status, ops_steps
from qtops.cli.context import AppContext, current
from qtops.cli.declaration_options import (
    AllowedPaths,
    AllowedServices,
    ApprovedBy,
    BlastRadius,
    ChangesSummary,
    Notes,
    Objective,
    Operation,
    RequestedBy,
    RiskClassName,
    RollbackStrategy,
    Source,
    declaration_of,
)
from qtops.cli.ledger_options import ManyValues, Root, open_ledger, policy_of
from qtops.cli.operator import said, who_asks
from qtops.cli.ops_journal import By, argv_of, payload_of
from qtops.cli.options import DryRun, command_group
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Mark, Printer
from qtops.errors import ExitCode, RefusedError, UsageError

if TYPE_CHECKING:
    from qtops.governance.declaration import Declaration
    from qtops.governance.operation import Operation as Record
    from qtops.ledger.store import Ledger

app = command_group()

SCHEMA = "qtops.ops.begin/v1"


@typer.Typer.command(app, "begin", cls=ManyValues)
def begin(
    *,
    source: Source = None,
    operation: Operation = None,
    objective: Objective = None,
    risk_class: RiskClassName = None,
    blast_radius: BlastRadius = None,
    rollback_strategy: RollbackStrategy = None,
    changes_summary: ChangesSummary = None,
    allowed_paths: AllowedPaths = None,
    allowed_services: AllowedServices = None,
    requested_by: RequestedBy = None,
    approved_by: ApprovedBy = None,
    notes: Notes = None,
    rollback_cmd: Annotated[
        list[str] | None,
        typer.Option(help="A command that undoes it, run here, without a shell, in this order."),
    ] = None,
    exception: Annotated[
        str, typer.Option(help="Why it goes on without the approval that policy wants.")
    ] = "",
    by: By = None,
    root: Root = None,
    dry_run: DryRun = False,
) -> None:
    """Declare an operation and get its id; it stays an open obligation until `ops end`.

    Example: qtops ops begin --from p27.yaml --rollback-cmd "cp -p /srv/q/p27.bak /srv/q/p27.env"

    Exit codes: 0 open; 1 error; 4 not approved, or a rollback outside the scope; 64 usage.
    """
    env = current()
    given = {
        "operation": operation,
        "objective": objective,
        "risk_class": risk_class,
        "blast_radius": blast_radius,
        "rollback_strategy": rollback_strategy,
        "changes_summary": changes_summary,
        "allowed_paths": allowed_paths,
        "allowed_services": allowed_services,
        "requested_by": requested_by,
        "approved_by": approved_by,
        "notes": notes,
    }
    env.settings()  # what the settings call secret is known only once they are read
    declaration = declaration_of(env, source, given)
    if not declaration.changes_summary:
        raise UsageError("changes_summary is missing: the ledger entry needs it")
    why = _exception(env, declaration, said(exception, "--exception"))
    commands = _rollback(env, declaration, rollback_cmd or [])
    opened = _new(env, declaration, commands, why, who_asks(env, by))
    ledger = open_ledger(env, root)
    if not dry_run:
        opened = _open(ledger, opened)
    _emit_begin(env, opened, dry_run=dry_run)


ops_steps.register(app)
ops_end.register(app)
ops_status.register(app)


def _exception(env: AppContext, declaration: "Declaration", exception: str) -> str:
    """Empty when policy is content; else the reason to go on, RefusedError without one."""
    from dataclasses import asdict

    from qtops.ledger.rules import policy_faults

    faults = policy_faults(asdict(declaration), policy_of(env))
    if not faults:
        return ""
    if env.settings().boolean("STRICT_LEDGER"):
        message = f"{faults[0]}; STRICT_LEDGER takes no exception"
        raise RefusedError(message, hint="--approved-by NAME")
    if not exception:
        raise RefusedError(faults[0], hint='--approved-by NAME, or --exception "why"')
    return env.redact(exception)


def _rollback(
    env: AppContext, declaration: "Declaration", texts: list[str]
) -> tuple[tuple[str, ...], ...]:
    """Commands that can be run, stay inside the scope, and hold no secret: they are kept."""
    from qtops.governance.commands import need_program
    from qtops.governance.touches import touch_faults, touches_of

    commands = tuple(argv_of(text, "--rollback-cmd") for text in texts)
    for command in commands:
        need_program(command, env.host.cwd, "--rollback-cmd")
        if any(env.redact(word) != word for word in command):
            raise UsageError("--rollback-cmd holds what looks like a secret; put it in a file")
        if faults := touch_faults(touches_of(command, env.host.cwd), declaration):
            raise RefusedError(f"--rollback-cmd: {'; '.join(faults)}", hint="widen the declaration")
    return commands


def _new(
    env: AppContext,
    declaration: "Declaration",
    commands: tuple[tuple[str, ...], ...],
    exception: str,
    by: str,
) -> "Record":
    from qtops.governance.operation import Operation as Record
    from qtops.governance.prompt import declared

    said = {name: _masked(env, value) for name, value in declared(declaration).items()}
    if said != declared(declaration):
        env.warn("what looks like a secret was masked in the declaration")
    return Record(
        operation_id="",
        declaration=said,
        opened_at_ms=env.now_ms(),
        by=by,
        directory=str(env.host.cwd),
        rollback=commands,
        exception=exception,
    )


def _masked(env: AppContext, value: str | list[str]) -> str | list[str]:
    return list(map(env.redact, value)) if isinstance(value, list) else env.redact(value)


def _open(ledger: "Ledger", operation: "Record") -> "Record":
    """Under an id that nobody else gets, from the moment the file is there."""
    from dataclasses import replace

    from qtops.contracts.codec import fmt_instant
    from qtops.governance.journal import Journal

    journal = Journal(ledger.root)
    day = fmt_instant(operation.opened_at_ms)[:10]
    name = ledger.reserve(day, lambda name: journal.save(replace(operation, operation_id=name)))
    return replace(operation, operation_id=name)


def _emit_begin(env: AppContext, operation: "Record", *, dry_run: bool) -> None:
    import shlex

    def text(out: Printer) -> None:
        words = "dry run: would open" if dry_run else "open"
        out.verdict(Mark.OK, words, operation.operation_id or "an id is allocated when it opens")
        for name, value in operation.declaration.items():
            shown = ", ".join(value) if isinstance(value, list | tuple) else value
            out.line(f"{name}: {shown or 'none'}")
        for command in operation.rollback:
            out.line(f"rollback: {shlex.join(command)}")
        if operation.exception:
            out.finding(Mark.WARN, f"exception to the approval policy: {operation.exception}")
        if not operation.rollback:
            out.finding(Mark.WARN, "no --rollback-cmd: a step that fails is not undone by itself")
        if operation.operation_id:
            out.hint(f"qtops ops step {operation.operation_id} --title TITLE -- COMMAND")

    payload = {"dry_run": dry_run, "operation_id": operation.operation_id or None}
    status = "dry_run" if dry_run else "open"
    payload |= payload_of(operation) | ({"next": []} if dry_run else {})
    emit(env, CommandResult(SCHEMA, status, ExitCode.OK, payload, text))
