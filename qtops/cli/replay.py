"""`qtops replay`: recorded plans through the gates again, under other settings."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qtops.cli.context import AppContext, current
from qtops.cli.options import command_group
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Mark, Printer
from qtops.cli.replay_text import print_replay, replay_payload, summary_text
from qtops.cli.spans import parse_span
from qtops.errors import ConfigError, DecodeError, ExitCode, UsageError

if TYPE_CHECKING:
    from qtops.audits.replay import Rules, Verdict
    from qtops.contracts.gate_facts import GateFacts
    from qtops.contracts.vocabulary import GateName

app = command_group()

SCHEMA = "qtops.replay/v1"


@app.command()
def replay(
    *,
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="FILE|STREAM", help="A recorded file; default: the stream."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A gate's setting; may be repeated."),
    ] = None,
    gate: Annotated[str | None, typer.Option(help="Only this gate's decisions.")] = None,
    symbol: Annotated[str | None, typer.Option(help="Only plans of this symbol.")] = None,
    since: Annotated[str | None, typer.Option(help="How far back (15m, 2h); default all.")] = None,
    record: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write what was read to a new file, too.")
    ] = None,
) -> None:
    """Recorded plans through the gates again: which decisions other settings would change.

    Without --set the settings in force here are compared with those the gates ran under.

    Example: qtops replay --set GOV_MAX_TOTAL_NOTIONAL_USDT=1000

    Exit codes: 0 replayed, whatever changed; 1 error; 64 usage.
    """
    import asyncio

    env = current()
    wanted = _wanted(gate, symbol, since)
    rules = _rules(env, settings or [])
    if record is not None:
        _check_new(env.host.cwd / record)
    run = _Run(wanted, rules, keeps=record is not None)
    origin = source or _streams(env)[0]
    asyncio.run(_read(env, origin, run))
    if record is not None:
        run.write(env.host.cwd / record)
    _emit(env, origin, run)


def _check_new(path: Path) -> None:
    if path.exists():
        raise UsageError(f"--record: {path} is there already")
    if not path.parent.is_dir():
        raise UsageError(f"--record: there is no directory {path.parent}")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which records. `window_ms` 0 is all."""

    gate: str
    symbol: str
    window_ms: int

    def takes(self, record: "GateFacts") -> bool:
        is_gate = not self.gate or record.gate.value == self.gate
        return is_gate and (not self.symbol or record.plan.symbol == self.symbol)


def _wanted(gate: str | None, symbol: str | None, since: str | None) -> _Wanted:
    from qtops.contracts.values import parse_symbol

    try:
        return _Wanted(
            _gate(gate) if gate is not None else "",
            parse_symbol(symbol, "--symbol") if symbol is not None else "",
            parse_span(since, "--since") if since is not None else 0,
        )
    except DecodeError as error:
        raise UsageError(error.message) from error


def _gate(word: str) -> str:
    """A gate by its service's name or its own."""
    from qtops.contracts.registry import GATE_SERVICES

    services = {service.value: gate.value for gate, service in GATE_SERVICES.items()}
    name = services.get(word, word)
    if name not in services.values():
        raise UsageError(f"--gate {word[:40]!r}: give one of {', '.join(services)}")
    return name


def _rules(env: AppContext, assignments: Sequence[str]) -> "dict[GateName, Rules]":
    """Every gate with the limits in force here, changed by what --set says."""
    from qtops.audits.replay import Rules
    from qtops.contracts.vocabulary import GateName
    from qtops.settings.model import closest_hint
    from qtops.wiring.services.gates import gate_config, limit_settings

    known = limit_settings(env.settings())
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise UsageError(f"--set {assignment[:60]!r}: give NAME=VALUE")
        if name not in known:
            hint = closest_hint(name, dict.fromkeys(known))
            raise UsageError(f"--set: {name[:60]} is no setting that a gate decides by", hint=hint)
        env.override(name, value, "option --set")
    try:
        chosen = env.settings()
    except ConfigError as error:  # without --set they were read above
        raise UsageError(error.message, hint=error.hint) from error
    configs = {gate: gate_config(gate, chosen) for gate in GateName}
    return {gate: Rules(config.gate, config.limits) for gate, config in configs.items()}


@dataclass(slots=True)
class _Run:
    """Judges records as they come, so that no more than the verdicts are held."""

    wanted: _Wanted
    rules: "dict[GateName, Rules]"
    keeps: bool
    verdicts: "list[Verdict]" = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)

    def take(self, where: str, fields: Mapping[str, str], oldest_ms: int = 0) -> None:
        from qtops.audits.replay import judge
        from qtops.contracts.codec import canonical_json
        from qtops.contracts.gate_facts import GateFacts

        try:
            record = GateFacts.from_fields(fields)
            if record.now_ms < oldest_ms or not self.wanted.takes(record):
                return
        except DecodeError as error:
            self.unreadable.append(f"{where}: {error.message}")
            return
        self.verdicts.append(judge(record, self.rules[record.gate]))
        if self.keeps:
            self.lines.append(canonical_json(dict(fields)).encode() + b"\n")

    def write(self, path: Path) -> None:
        from qtops import files

        files.replace(path, *reversed(self.lines))


async def _read(env: AppContext, source: str, run: _Run) -> None:
    path = env.host.cwd / source
    if path.is_file():
        window_ms = run.wanted.window_ms
        oldest_ms = env.now_ms() - window_ms if window_ms else 0
        for where, fields in _lines(path, run):
            run.take(where, fields, oldest_ms)
        return
    if source not in (names := _streams(env)):
        raise UsageError(f"--from {source}: there is no such file, and the stream is {names[0]}")
    async for where, fields in _entries(env, run):
        run.take(where, fields)


def _streams(env: AppContext) -> tuple[str, str]:
    """The stream, by its short name and by its name in Redis."""
    from qtops.contracts.registry import Names, Stream

    names = Names(env.settings().text("QTOPS_NAMESPACE"))
    return Stream.GATE_FACTS.value.name, names.stream(Stream.GATE_FACTS)


def _lines(path: Path, run: _Run) -> Iterator[tuple[str, Mapping[str, str]]]:
    from qtops.contracts.codec import parse_json_object, text_of

    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            where = f"line {number}"
            try:
                document = parse_json_object(line.decode(), "record")
                yield where, {name: text_of(value) for name, value in document.items()}
            except (DecodeError, UnicodeDecodeError) as error:
                run.unreadable.append(f"{where}: {error}")


async def _entries(env: AppContext, run: _Run) -> AsyncIterator[tuple[str, Mapping[str, str]]]:
    """The stream's entries, newest first."""
    from qtops.contracts.codec import decode_fields
    from qtops.contracts.registry import Stream
    from qtops.wiring.operator import permit_source

    async with permit_source(env.settings()) as reader:
        window_ms = run.wanted.window_ms
        start_ms = await reader.now_ms() - window_ms if window_ms else 0
        async for page in reader.since(Stream.GATE_FACTS, start_ms):
            for entry_id, raw in page:
                try:
                    fields = decode_fields(raw)
                except DecodeError as error:
                    run.unreadable.append(f"{entry_id.decode()}: {error.message}")
                    continue
                yield entry_id.decode(), fields


def _emit(env: AppContext, source: str, run: _Run) -> None:
    from qtops.audits.replay import summary

    found = summary(run.verdicts)
    status = "flips" if found.flips else "changed" if found.changed else "unchanged"
    status = status if found.read else "empty"
    is_whole = not found.not_reproducible and not run.unreadable

    def text(out: Printer) -> None:
        mark = Mark.OK if found.read and is_whole else Mark.WARN
        out.verdict(mark, status, summary_text(found), source)
        print_replay(out, found, run.unreadable)

    payload = replay_payload(found, run.unreadable)
    emit(env, CommandResult(SCHEMA, status, ExitCode.OK, payload, text))
