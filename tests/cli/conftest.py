"""Runs `main([...])` in-process on a replaced host, with commands that fail in every known way."""

import io
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import pytest
import redis
import typer

from qtops.cli.app import PARTS, Part
from qtops.cli.context import current
from qtops.cli.host import Host
from qtops.cli.main import main
from qtops.cli.options import DryRun, Yes, command_group
from qtops.cli.output import CommandResult, emit, emit_event
from qtops.cli.printer import Column, Mark, Tinted
from qtops.errors import (
    ConfigError,
    DecodeError,
    ExitCode,
    HostError,
    NoProofError,
    OutcomeClass,
    RedisError,
    RefusedError,
    UnhealthyError,
    UsageError,
    VenueError,
)
from qtops.sandbox.redis_server import EmbeddedRedis

NOW_MS = 1_769_477_662_123  # 2026-01-27T01:34:22.123Z


class Stream(io.StringIO):
    """Text in memory that can pass for a terminal of any encoding."""

    def __init__(self, text: str = "", *, tty: bool = False, encoding: str = "utf-8") -> None:
        super().__init__(text)
        self._tty = tty
        self._encoding = encoding

    @property
    def encoding(self):
        return self._encoding

    def isatty(self) -> bool:
        return self._tty


class StubClock:
    def __init__(self) -> None:
        self.monotonic = 0.0

    def now_ms(self) -> int:
        return NOW_MS

    def monotonic_ms(self) -> float:
        return self.monotonic


@dataclass
class Run:
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Stdout as exactly one JSON document."""
        return json.loads(self.out)


@dataclass
class Shell:
    """One fake machine; `shell("config", "show")` runs a command line on it."""

    home: Path
    clock: StubClock

    def __call__(
        self,
        *argv: str,
        environ: dict[str, str] | None = None,
        parts: Sequence[Part] = PARTS,
        stdin: str = "",
        tty: bool = False,
        encoding: str = "utf-8",
    ) -> Run:
        out = Stream(tty=tty, encoding=encoding)
        err = Stream(tty=tty, encoding=encoding)
        host = Host(
            stdin=Stream(stdin, tty=tty),
            stdout=out,
            stderr=err,
            environ=environ or {},
            cwd=self.home / "work",
            home=self.home,
            etc_dir=self.home / "etc",
            root_state=self.home / "state",
            clock=self.clock,
        )
        code = main(argv, host, parts)
        return Run(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def server():
    """A Redis of the test module's own."""
    with EmbeddedRedis() as running:
        yield running


@pytest.fixture
def db(server):
    """That Redis, empty."""
    with redis.Redis(port=server.port) as client:
        client.flushall()
        yield client


@pytest.fixture
def shell(tmp_path):
    for name in ("etc", "work", ".config/qtops"):
        (tmp_path / name).mkdir(parents=True)
    return Shell(tmp_path, StubClock())


@pytest.fixture
def fake(shell, monkeypatch):
    """`fake("works")` runs one of the commands below as `qtops fake works`."""
    module = ModuleType("fake_commands")
    module.app = app
    alone = ModuleType("fake_leaf")
    alone.app = leaf
    monkeypatch.setitem(sys.modules, "fake_commands", module)
    monkeypatch.setitem(sys.modules, "fake_leaf", alone)
    parts = [
        Part("fake", "fake_commands", "Commands that fail."),
        Part("leaf", "fake_leaf", "A word that is a command.", leaf=True),
        Part("nagios", "fake_leaf", "As health.", leaf=True, usage_exit=lambda _: 3),
        Part("broken", "no_such_module", "Its module cannot be imported."),
    ]

    def run(*argv: str, word: str = "fake", before: Sequence[str] = (), **rest: Any) -> Run:
        return shell(*before, word, *argv, parts=parts, **rest)

    return run


app = command_group()
leaf = command_group()

FAULTS = {
    "config": ConfigError("GOV_X is wrong", hint="unset it"),
    "decode": DecodeError("missing_qty", "qty", "qty is missing"),
    "redis": RedisError("Redis at redis://u:hunter2@h refused", hint="qtops health"),
    "venue": VenueError("the exchange is away", outcome=OutcomeClass.UNKNOWN),
    "host": HostError("systemctl failed"),
    "unhealthy": UnhealthyError("no permits"),
    "no-proof": NoProofError("no order id"),
    "refused": RefusedError("mainnet", hint="--allow-mainnet"),
    "usage": UsageError("two symbols"),
    "bug": KeyError("oops"),
    "interrupt": KeyboardInterrupt(),
    "abort": typer.Abort(),
    "file": FileNotFoundError(2, "No such file or directory", "/nope"),
    "disk": OSError(28, "No space left on device"),
    "exit-7": typer.Exit(7),
    "group": ExceptionGroup("tasks", [ValueError("x"), RedisError("Redis is away")]),
    "group-of-bugs": ExceptionGroup("tasks", [ExceptionGroup("inner", [ValueError("x")])]),
    "lines": HostError("first\n  second", hint="a\nb"),
    "escape": HostError("\x1b[31mred\x07"),
}


@app.command("works")
def works(
    *,
    count: Annotated[int, typer.Option("--count", "-n")] = 1,
    notes: str = "",
) -> None:
    """Works."""
    payload = {"count": count, "notes": notes}

    def text(out):
        out.verdict(Mark.OK, "operational", "3 of 3 sources", "redis://h  0.2 s")
        out.line(f"count {count} notes {notes}")
        out.detail("wide detail")
        out.table(
            [Column("source"), Column("live", "right"), Column("plan", shrink=True)],
            [["governor", 15, "x" * 70], [Tinted("p33", Mark.FAIL), None, "short"]],
        )
        out.finding(Mark.WARN, "1 permit without expiry", "qtops audit permits")

    emit(current(), CommandResult("qtops.fake/v1", "operational", ExitCode.OK, payload, text))


@app.command("fails")
def fails(kind: str) -> None:
    """Raises."""
    raise FAULTS[kind]


@app.command("unhealthy")
def unhealthy(*, after: str = "") -> None:
    """Ends with a verdict that is not OK, and maybe fails afterwards."""
    emit(
        current(),
        CommandResult(
            "qtops.fake/v1",
            "degraded",
            ExitCode.UNHEALTHY,
            {},
            lambda out: out.verdict(Mark.FAIL, "degraded"),
        ),
    )
    if after:
        raise FAULTS[after]


@app.command("returns")
def returns(kind: str):
    """Returns what it should not."""
    return {"exit": typer.Exit(7), "int": 2, "text": "x", "code": ExitCode.NO_PROOF}[kind]


@app.command("silent")
def silent() -> None:
    """Says nothing."""


@app.command("twice")
def twice() -> None:
    """Emits two results."""
    unhealthy()
    unhealthy()


@app.command("events")
def events() -> None:
    """Emits lines."""
    for number in (1, 2):
        emit_event(
            current(),
            "qtops.event/v1",
            {"n": number},
            lambda out, number=number: out.verdict(None, f"event {number}"),
        )


@app.command("bad-json")
def bad_json(kind: str) -> None:
    """Emits what cannot be a document."""
    payload = {"object": {"x": object()}, "nan": {"x": float("nan")}, "clash": {"status": "x"}}
    emit(current(), CommandResult("qtops.fake/v1", "ok", ExitCode.OK, payload[kind], print))


@app.command("stray")
def stray() -> None:
    """Prints outside its result."""
    current().printer.line("stray")


@app.command("leaks")
def leaks(text: str) -> None:
    """Puts a text everywhere a text can go."""
    env = current()
    env.notice(text)
    env.warn(text)
    payload = {"text": text, "nested": [{text: text}]}
    emit(
        env,
        CommandResult("qtops.fake/v1", text, ExitCode.OK, payload, lambda out: leak(out, text)),
    )
    raise HostError(text, hint=text)


def leak(out, text: str) -> None:
    out.verdict(Mark.OK, text, text, text)
    out.line(text)
    out.hint(text)
    out.finding(Mark.WARN, text, text)
    out.table([Column("a")], [[text], [Tinted(text, Mark.OK)]])


@app.command("asks")
def asks(*, yes: Yes = False, dry_run: DryRun = False, typed: str = "") -> None:
    """Asks."""
    env = current()
    if typed:
        env.confirm_typed("Mainnet.", typed)
    else:
        env.confirm("Go on?", yes=yes)
    env.write_line("done")


@app.command("slow")
def slow(*, steps: int = 3) -> None:
    """Shows progress."""
    env = current()
    with env.progress("reading") as progress:
        for step in range(steps):
            env.host.clock.monotonic += 600
            progress.step(step + 1, steps)


@app.command("needs")
def needs(symbol: str, *, side: Annotated[str, typer.Option()]) -> None:
    """Has a required argument and option."""


@app.command("passes", context_settings={"allow_interspersed_args": False})
def passes(words: list[str]) -> None:
    """Hands its words to another program."""
    current().write_line(" ".join(words))


@leaf.command()
def alone(*, number: int = 0) -> None:
    """A command that is a word."""
    current().write_line(f"alone {number}")
