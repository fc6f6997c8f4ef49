"""How an operation goes on: a step is written down before it runs, and a failed one is undone."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from qtops.governance.declaration import Declaration, declaration_from
from qtops.governance.operation import (
    Argv,
    Operation,
    Ran,
    Refusal,
    State,
    Step,
    Verdict,
)
from qtops.governance.touches import declared_touches, touch_faults, touches_of


@dataclass(frozen=True, slots=True)
class Bench:
    """What a step needs from outside. `save` makes the operation durable before it returns."""

    now_ms: Callable[[], int]
    mask: Callable[[str], str]
    save: Callable[[Operation], None]
    run: Callable[[Argv, Path], Ran]


@dataclass(frozen=True, slots=True)
class Request:
    """A step somebody wants. Without `command` it was done by hand, with what came of it."""

    title: str
    by: str
    directory: Path
    command: Argv = ()
    verify: Argv = ()
    paths: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    result: str = ""
    verdict: Verdict = Verdict.STARTED


def declaration_of(operation: Operation) -> Declaration:
    """As it was declared; DeclarationError when somebody edited it into nonsense."""
    return declaration_from(operation.declaration)


def scope_faults_of(request: Request, declaration: Declaration) -> list[str]:
    """Why the step would leave the declared scope: what it says and what its commands name."""
    said = declared_touches(request.paths, request.services, request.directory)
    named = [touches_of(words, request.directory) for words in (request.command, request.verify)]
    faults = [fault for one in (said, *named) for fault in touch_faults(one, declaration)]
    return list(dict.fromkeys(faults))


def refused(operation: Operation, request: Request, reasons: list[str], bench: Bench) -> None:
    """The refusal, on the operation's record."""
    refusal = Refusal(
        at_ms=bench.now_ms(),
        by=request.by,
        title=bench.mask(request.title),
        command=tuple(map(bench.mask, request.command)),
        reasons=tuple(map(bench.mask, reasons)),
    )
    bench.save(replace(operation, refusals=(*operation.refusals, refusal)))


def take_step(operation: Operation, request: Request, bench: Bench) -> Operation:
    """The step taken and verified; when it failed, the declared rollback run as well."""
    step = Step(
        number=len(operation.steps) + 1,
        title=bench.mask(request.title),
        by=request.by,
        started_at_ms=bench.now_ms(),
        command=tuple(map(bench.mask, request.command)),
        paths=tuple(map(bench.mask, request.paths)),
        services=request.services,
    )
    bench.save(replace(operation, steps=(*operation.steps, step)))
    done = _performed(step, request, bench)
    operation = replace(operation, steps=(*operation.steps, done))
    bench.save(operation)
    if done.verdict is Verdict.FAIL and operation.rollback:
        return roll_back(operation, bench)
    return operation


def roll_back(operation: Operation, bench: Bench) -> Operation:
    """The declared commands in order, each on record; the first that fails ends it."""
    earlier = operation.attempts
    attempt: tuple[Ran, ...] = ()
    operation = replace(operation, attempts=(*earlier, attempt))
    bench.save(operation)
    for command in operation.rollback:
        attempt = (*attempt, bench.run(command, Path(operation.directory)))
        operation = replace(operation, attempts=(*earlier, attempt))
        bench.save(operation)
        if not attempt[-1].passed:
            break
    return operation


def next_commands(operation: Operation) -> list[str]:
    """What leads on from here."""
    name = operation.operation_id
    is_settled = operation.state in {State.OPEN, State.ROLLED_BACK}
    undo = [] if is_settled or not operation.rollback else [f"qtops ops rollback {name}"]
    return [*undo, f"qtops ops end {name}"]


def _performed(step: Step, request: Request, bench: Bench) -> Step:
    run = bench.run(request.command, request.directory) if request.command else None
    verdict = request.verdict if run is None else _verdict(run)
    result = bench.mask(request.result) if run is None else run.result
    verification = None
    if verdict is Verdict.PASS and request.verify:
        verification = bench.run(request.verify, request.directory)
        verdict = _verdict(verification)
    return replace(
        step,
        run=run,
        verification=verification,
        verdict=verdict,
        result=result,
        ended_at_ms=bench.now_ms(),
    )


def _verdict(ran: Ran) -> Verdict:
    return Verdict.PASS if ran.passed else Verdict.FAIL
