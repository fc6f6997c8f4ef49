"""`qtops ops`: work with a declared scope, from its beginning to its entry in the ledger."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qtops.cli import ops_end, ops_status, ops_steps
from qtops.cli.context import AppContext, current
from qtops.cli.ledger_options import ManyValues, Root, open_ledger, policy_of
from qtops.cli.operator import said, who_asks
from qtops.cli.ops_journal import (
    By,
    argv_of,
    declaration_file,
    payload_of,
)
from qtops.cli.options import DryRun, command_group
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Mark, Printer
from qtops.errors import ExitCode, RefusedError, UsageError

if TYPE_CHECKING:
    from qtops.governance.declaration import Declaration
    from qtops.governance.operation import Operation
    from qtops.ledger.store import Ledger

app = command_group()

SCHEMA = "qtops.ops.begin/v1"
Text = str | None


@typer.Typer.command(app, "begin", cls=ManyValues)
def begin(
    *,
    source: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="The declaration, as YAML.")
    ] = None,
    operation: Annotated[Text, typer.Option(help="Its name, short.")] = None,
    objective: Annotated[Text, typer.Option(help="What it achieves.")] = None,
    risk_class: Annotated[
        Text, typer.Option(help="READ_ONLY, LOW_RISK_CONFIG, SERVICE_RESTART or FILESYSTEM_WRITE.")
    ] = None,
    blast_radius: Annotated[Text, typer.Option(help="What can break.")] = None,
    rollback_strategy: Annotated[Text, typer.Option(help="How to get back.")] = None,
    changes_summary: Annotated[Text, typer.Option(help="What changes, in one line.")] = None,
    allowed_paths: Annotated[
        list[str] | None, typer.Option(help="Absolute paths it may touch, and below.")
    ] = None,
    allowed_services: Annotated[
        list[str] | None, typer.Option(help="Services it may touch.")
    ] = None,
    requested_by: Annotated[Text, typer.Option(help="Who wants it.")] = None,
    approved_by: Annotated[Text, typer.Option(help="Who approved it.")] = None,
    notes: Annotated[Text, typer.Option(help="Anything else.")] = None,
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

    Options are stronger than the fields of --from.

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
    declaration = _declared(env, source, given)
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


def _declared(env: AppContext, source: Path | None, given: dict[str, Any]) -> "Declaration":
    """File and options together; what looks like a secret is masked, and said."""
    from qtops.governance.declaration import declaration_from

    raw = declaration_file(env.host.cwd / source) if source else {}
    raw |= {name: value for name, value in given.items() if value is not None}
    declaration = declaration_from({name: _masked(env, value) for name, value in raw.items()})
    if not declaration.changes_summary:
        raise UsageError("changes_summary is missing: the ledger entry needs it")
    return declaration


def _masked(env: AppContext, value: Any) -> Any:
    if isinstance(value, list):
        return [_masked(env, item) for item in value]
    return env.redact(value) if isinstance(value, str) else value


def _exception(env: AppContext, declaration: "Declaration", exception: str) -> str:
    """Empty when policy is content; else the reason to go on, RefusedError without one."""
    from dataclasses import asdict

    from qtops.ledger.rules import policy_faults

    faults = policy_faults(asdict(declaration), policy_of(env))
    if not faults:
        return ""
    if env.settings().boolean("STRICT_LEDGER"):
        raise RefusedError(
            f"{faults[0]}; STRICT_LEDGER takes no exception", hint="--approved-by NAME"
        )
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
) -> "Operation":
    from dataclasses import asdict

    from qtops.governance.operation import Operation

    return Operation(
        operation_id="",
        declaration=asdict(declaration),
        opened_at_ms=env.now_ms(),
        by=by,
        directory=str(env.host.cwd),
        rollback=commands,
        exception=exception,
    )


def _open(ledger: "Ledger", operation: "Operation") -> "Operation":
    """Under an id that nobody else gets, from the moment the file is there."""
    from dataclasses import replace

    from qtops.contracts.codec import fmt_instant
    from qtops.governance.journal import Journal

    journal = Journal(ledger.root)
    day = fmt_instant(operation.opened_at_ms)[:10]
    name = ledger.reserve(day, lambda name: journal.save(replace(operation, operation_id=name)))
    return replace(operation, operation_id=name)


def _emit_begin(env: AppContext, operation: "Operation", *, dry_run: bool) -> None:
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
    payload |= payload_of(operation) if operation.operation_id else {}
    emit(env, CommandResult(SCHEMA, status, ExitCode.OK, payload, text))
