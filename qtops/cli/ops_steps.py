"""`qtops ops step` and `qtops ops rollback`: what an operation does, and how it is undone."""

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from qtops.cli.context import AppContext, current
from qtops.cli.ledger_options import Root, open_ledger
from qtops.cli.operator import said, who_asks
from qtops.cli.ops_journal import (
    LIMIT,
    MARKS,
    By,
    Limit,
    argv_of,
    bench_of,
    chosen,
    payload_of,
    print_attempts,
    print_next,
    print_step,
)
from qtops.cli.options import DryRun, Yes
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Mark, Printer
from qtops.errors import ExitCode, RefusedError, UsageError

if TYPE_CHECKING:
    from qtops.governance.journal import Journal
    from qtops.governance.operation import Operation, Verdict
    from qtops.governance.steps import Request

STEP_SCHEMA = "qtops.ops.step/v1"
ROLLBACK_SCHEMA = "qtops.ops.rollback/v1"
PREFIX = "OPS-"


def register(app: typer.Typer) -> None:
    """Put the commands into the group."""
    app.command("step")(step)
    app.command("rollback")(rollback)


def step(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[ID] [-- COMMAND ARG...]", help="What is run.")
    ] = None,
    *,
    title: Annotated[str, typer.Option(help="What the step is for.")],
    path: Annotated[list[str] | None, typer.Option(help="A path it touches.")] = None,
    service: Annotated[list[str] | None, typer.Option(help="A service it touches.")] = None,
    verify: Annotated[str, typer.Option(help="A command that exits 0 when it worked.")] = "",
    recorded: Annotated[
        bool, typer.Option("--record", help="It was done by hand; run nothing but --verify.")
    ] = False,
    result: Annotated[str, typer.Option(help="With --record: what came of it.")] = "",
    passed: Annotated[
        bool | None, typer.Option("--pass/--fail", help="With --record: whether it worked.")
    ] = None,
    timeout: Limit = LIMIT,
    by: By = None,
    root: Root = None,
    dry_run: DryRun = False,
) -> None:
    """Run one step inside the declared scope, or record one; a failed one is rolled back.

    Checked are --path, --service, every argument that is a path (links followed) and the units
    given to systemctl. What a program does besides is not seen. Nothing is run through a shell.

    Example: qtops ops step --title restart --verify "systemctl is-active quantum-p27"
      -- systemctl restart quantum-p27

    Exit codes: 0 PASS; 2 FAIL; 1 error; 4 outside the scope, or the operation takes no more steps;
    64 usage.
    """
    from qtops.governance.journal import Journal
    from qtops.governance.steps import Request

    env = current()
    given = words or []
    named = given[0] if given and given[0].startswith(PREFIX) else ""
    command = tuple(given[1:] if named else given)
    told, verdict = _by_hand(command, result, recorded=recorded, passed=passed)
    request = Request(
        title=said(title, "--title"),
        by=who_asks(env, by),
        directory=env.host.cwd,
        command=command,
        verify=argv_of(verify, "--verify"),
        paths=tuple(path or ()),
        services=tuple(service or ()),
        result=told,
        verdict=verdict,
    )
    _check_request(env, request)
    journal = Journal(open_ledger(env, root).root)
    name = chosen(journal, named)
    if dry_run:
        _emit_dry_run(env, journal.load(name), request)
    else:
        _emit_step(env, _taken(env, journal, name, request, timeout))


def rollback(
    operation_id: Annotated[str, typer.Argument(metavar="[ID]")] = "",
    *,
    timeout: Limit = LIMIT,
    root: Root = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Run the declared rollback of an open operation. Asks first.

    Example: qtops ops rollback OPS-2026-01-27-011 --yes

    Exit codes: 0 rolled back; 2 a command of it failed; 1 error; 4 not confirmed, nothing declared,
    or done already; 64 usage.
    """
    from qtops.governance.journal import Journal
    from qtops.governance.steps import roll_back

    env = current()
    journal = Journal(open_ledger(env, root).root)
    name = chosen(journal, operation_id)
    operation = journal.load(name)
    _check_rollback(operation)
    if dry_run:
        _emit_rollback(env, operation, dry_run=True)
        return
    commands = "; ".join(map(shlex.join, operation.rollback))
    env.confirm(f"Run in {operation.directory}: {commands}?", yes=yes)
    with journal.held(name) as lock:
        operation = journal.load(name)
        _check_rollback(operation)
        operation = roll_back(operation, bench_of(env, journal, lock, timeout))
    _emit_rollback(env, operation, dry_run=False)


def _check_request(env: AppContext, request: "Request") -> None:
    """UsageError for a step without a title, or with a command that is no program."""
    from qtops.governance.commands import need_program

    if not request.title:
        raise UsageError("--title is empty")
    if request.command:
        need_program(request.command, env.host.cwd, "step")
    if request.verify:
        need_program(request.verify, env.host.cwd, "--verify")


def _by_hand(
    command: tuple[str, ...], result: str, *, recorded: bool, passed: bool | None
) -> tuple[str, "Verdict"]:
    """What somebody says of a step that was not run here; nothing for one that is."""
    from qtops.governance.operation import Verdict

    if recorded:
        if command:
            raise UsageError("--record: a step done by hand has no command")
        if passed is None or not said(result, "--result"):
            raise UsageError("--record needs --result and --pass or --fail")
        return said(result, "--result"), Verdict.PASS if passed else Verdict.FAIL
    if not command:
        raise UsageError("a step needs -- COMMAND, or --record for what was done by hand")
    if result or passed is not None:
        raise UsageError("--result, --pass and --fail belong to --record")
    return "", Verdict.STARTED


def _taken(
    env: AppContext, journal: "Journal", name: str, request: "Request", timeout: str
) -> "Operation":
    """The operation after the step; RefusedError, on its record, when the step leaves its scope."""
    from qtops.governance.steps import declaration_of, refused, scope_faults_of, take_step

    with journal.held(name) as lock:
        operation = journal.load(name)
        _check_open(operation)
        bench = bench_of(env, journal, lock, timeout)
        if faults := scope_faults_of(request, declaration_of(operation)):
            refused(operation, request, faults, bench)
            raise _refusal(operation, faults)
        return take_step(operation, request, bench)


def _check_open(operation: "Operation") -> None:
    from qtops.governance.operation import State
    from qtops.governance.steps import next_commands

    if operation.state is not State.OPEN:
        message = f"{operation.operation_id} is {operation.state.value} and takes no more steps"
        raise RefusedError(message, hint=next_commands(operation)[0])


def _check_rollback(operation: "Operation") -> None:
    from qtops.governance.operation import State

    name = operation.operation_id
    if not operation.rollback:
        strategy = operation.declaration["rollback_strategy"] or "none"
        message = f"{name} declared no rollback command; its strategy: {strategy}"
        raise RefusedError(message, hint=f'by hand, then qtops ops end {name} --partial "how"')
    if operation.state is State.ROLLED_BACK:
        raise RefusedError(f"{name} is rolled back already", hint=f"qtops ops end {name}")


def _refusal(operation: "Operation", faults: list[str]) -> RefusedError:
    hint = f"qtops ops status {operation.operation_id}"
    return RefusedError(f"{'; '.join(faults)}; nothing was run", hint=hint)


def _emit_dry_run(env: AppContext, operation: "Operation", request: "Request") -> None:
    from qtops.governance.steps import declaration_of, scope_faults_of

    _check_open(operation)
    if faults := scope_faults_of(request, declaration_of(operation)):
        raise _refusal(operation, faults)
    number = len(operation.steps) + 1

    def text(out: Printer) -> None:
        out.verdict(None, "dry run", f"step {number} of {operation.operation_id} would be taken")
        out.line(f"{request.title}: {shlex.join(request.command) or request.result}")
        if request.verify:
            out.line(f"verified by {shlex.join(request.verify)}")
        for command in operation.rollback:
            out.line(f"if it fails: {shlex.join(command)}")

    payload = {"dry_run": True, "number": number, "request": request}
    emit(env, CommandResult(STEP_SCHEMA, "dry_run", ExitCode.OK, payload, text))


def _emit_step(env: AppContext, operation: "Operation") -> None:
    from qtops.governance.operation import Verdict

    last = operation.steps[-1]
    is_pass = last.verdict is Verdict.PASS

    def text(out: Printer) -> None:
        state = "" if is_pass else f", {operation.state.value.replace('_', ' ')}"
        where = f"step {last.number} of {operation.operation_id}"
        out.verdict(Mark.OK if is_pass else Mark.FAIL, f"{last.verdict}{state}", where)
        print_step(out, last)
        print_attempts(out, operation)
        print_next(out, operation)

    code = ExitCode.OK if is_pass else ExitCode.UNHEALTHY
    payload = payload_of(operation) | {"dry_run": False}
    emit(env, CommandResult(STEP_SCHEMA, last.verdict.lower(), code, payload, text))


def _emit_rollback(env: AppContext, operation: "Operation", *, dry_run: bool) -> None:
    state = operation.state.value
    name = operation.operation_id

    def text(out: Printer) -> None:
        if dry_run:
            out.verdict(None, "dry run", f"{name} would be rolled back in {operation.directory}")
            for command in operation.rollback:
                out.line(shlex.join(command))
            return
        out.verdict(Mark.OK if state == "rolled_back" else MARKS[state], state, name)
        print_attempts(out, operation)
        print_next(out, operation)

    is_done = dry_run or state == "rolled_back"
    payload = payload_of(operation) | {"dry_run": dry_run}
    status = "dry_run" if dry_run else state
    code = ExitCode.OK if is_done else ExitCode.UNHEALTHY
    emit(env, CommandResult(ROLLBACK_SCHEMA, status, code, payload, text))
