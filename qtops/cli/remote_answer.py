"""What other hosts answered: one host as if it were this one, several as one table."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from qtops.cli.context import AppContext
from qtops.cli.output import ENVELOPE, CommandResult, emit
from qtops.cli.printer import Cell, Column, Mark, Printer, Tinted, counted, visible
from qtops.cli.spans import span
from qtops.errors import ExitCode

if TYPE_CHECKING:
    from qtops.wiring.remote import Answer, Request, Way

SCHEMA: Final = "qtops.remote/v1"
# What could not be seen outranks what was seen: behind it may stand anything.
WORST_FIRST: Final = (
    ExitCode.INTERRUPTED,
    ExitCode.USAGE,
    ExitCode.ERROR,
    ExitCode.REFUSED,
    ExitCode.UNHEALTHY,
    ExitCode.NO_PROOF,
    ExitCode.OK,
)


def ask(env: AppContext, hosts: Sequence[str], request: "Request", way: "Way") -> None:
    """Run the command line on the hosts and tell what they answered."""
    import asyncio

    from qtops.wiring.remote import Hosts

    there = Hosts(env.settings(), way, env.host.environ)
    if len(hosts) == 1:
        _tell_one(env, asyncio.run(there.ask(hosts, request))[0])
        return
    answers = asyncio.run(there.ask(hosts, replace(request, flags=["--json"])))
    _tell_all(env, request, way, answers)


def worst(codes: Sequence[int]) -> ExitCode:
    """The exit code of several hosts: the first of `WORST_FIRST` that any of them ended with."""
    return next(code for code in WORST_FIRST if code in codes)


def _tell_one(env: AppContext, answer: "Answer") -> None:
    """Its own text and exit code, or its own document with `host` added."""
    if answer.fault is not None:
        raise answer.fault
    _note_tunnel(env, answer)
    for line in answer.stderr.splitlines():
        env.complain(answer.host, line)
    if answer.document is not None:
        added = {"host": answer.host, "via": answer.via}
        payload = {k: v for k, v in answer.document.items() if k not in ENVELOPE} | added
        code = ExitCode(answer.code)
        schema, status = answer.document["schema"], answer.document["status"]
        emit(env, CommandResult(schema, status, code, payload, lambda _: None))
        return
    env.exit_code = answer.code
    for line in answer.stdout.splitlines():
        env.write_line(visible(env.redact(line)))
    env.emitted = True


def _note_tunnel(env: AppContext, answer: "Answer") -> None:
    if answer.via == "redis":
        env.warn(f"{answer.host}: read by this qtops and its settings, through a tunnel to Redis")


def _tell_all(env: AppContext, request: "Request", way: "Way", answers: "Sequence[Answer]") -> None:
    for answer in answers:
        _note_tunnel(env, answer)
    code = worst([answer.code for answer in answers])
    fine = sum(answer.code == ExitCode.OK for answer in answers)
    status = "ok" if code == ExitCode.OK else "degraded"
    payload = {"command": request.words, "hosts": {a.host: _payload(a) for a in answers}}

    def text(out: Printer) -> None:
        is_fine = code == ExitCode.OK
        detail = f"{fine} of {counted(len(answers), 'host')}: qtops {shlex.join(request.words)}"
        out.verdict(Mark.OK if is_fine else Mark.FAIL, status, detail)
        columns = [Column("host"), Column("status"), Column("exit", "right"), Column("via")]
        columns += [Column("took", "right"), Column("says", shrink=True)]
        out.table(columns, [_row(answer) for answer in answers])
        for answer in answers:
            if answer.code != ExitCode.OK:
                mark = Mark.FAIL if answer.fault else Mark.WARN
                out.finding(mark, f"{answer.host}: {_says(answer) or _status(answer)}")
                out.hint(_next(answer, request, way))

    emit(env, CommandResult(SCHEMA, status, code, payload, text))


def _row(answer: "Answer") -> list[Cell]:
    mark = Mark.FAIL if answer.code else Mark.OK
    state = Tinted(_status(answer), mark)
    took = span(answer.took_ms)
    return [answer.host, state, answer.code, answer.via, took, _says(answer) or None]


def _status(answer: "Answer") -> str:
    return "no answer" if answer.document is None else str(answer.document["status"])


def _says(answer: "Answer") -> str:
    """Why there is no verdict; the verdict itself is the status."""
    if answer.fault is not None:
        return answer.fault.message
    error = (answer.document or {}).get("error")
    return str(error.get("message", "")) if isinstance(error, dict) else ""


def _next(answer: "Answer", request: "Request", way: "Way") -> str:
    if answer.fault is not None and answer.fault.hint:
        return answer.fault.hint
    options = ["--host", answer.host]
    options += [] if way.port is None else ["--port", str(way.port)]
    options += [] if way.key is None else ["--key", str(way.key)]
    return shlex.join(["qtops", *request.command, *options, *request.arguments])


def _payload(answer: "Answer") -> dict[str, Any]:
    fault = answer.fault
    told = fault and {"code": fault.code, "message": fault.message, "hint": fault.hint}
    return {
        "status": _status(answer),
        "exit_code": answer.code,
        "via": answer.via,
        "took_ms": answer.took_ms,
        "error": told,
        "document": answer.document,
    }
