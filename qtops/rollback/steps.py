"""The steps of a rollback, as data: each can be applied, read back, and undone.

A step is made by looking (`qtops.rollback.plan`) and holds what was and what will be. Applying or
undoing it twice is as once. An undo takes back only what is still as the step left it.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

from qtops.contracts.control import Mode
from qtops.contracts.envfile import effective, with_value
from qtops.contracts.service_state import ACTIVE, ServiceState
from qtops.errors import HostError
from qtops.files import replace
from qtops.ports import ControlStore

START_LIMIT_S: Final = 20.0
SETTLE_S: Final = 1.0
_POLL_S: Final = 0.2


class ServiceControl(Protocol):
    """Whoever starts and stops services. Raises HostError when it cannot."""

    async def restart(self, service: str) -> None:
        """Returns when the service was started again."""
        ...

    async def state(self, service: str) -> ServiceState: ...


class ManualLane(Protocol):
    """The operator's lane, opened and closed by one key."""

    async def close(self) -> None: ...

    async def reopen(self, value: str, expires_at_ms: int) -> None:
        """Unless it is open; at 0 it does not expire."""
        ...


@dataclass(frozen=True, slots=True)
class Hands:
    """What the steps act with, and on whose behalf."""

    control: ControlStore
    lane: ManualLane
    services: ServiceControl
    by: str
    reason: str


class Step(Protocol):
    """One change. `apply`, `undo` and the checks raise QtopsError or OSError."""

    kind: ClassVar[str]

    def lines(self) -> list[str]:
        """The exact change, for people."""
        ...

    def back_lines(self) -> list[str]:
        """The exact change that its undo makes; empty for none."""
        ...

    async def apply(self, hands: Hands) -> None: ...

    async def check(self, hands: Hands) -> None:
        """Read back; HostError when it is not so."""
        ...

    async def undo(self, hands: Hands) -> None: ...


@dataclass(frozen=True, slots=True)
class EnvLine:
    """One value in an environment file; `before` and `after` are SHA-256 of the whole file."""

    kind: ClassVar[str] = "env_line"
    path: str
    name: str
    value: str
    before: str
    after: str
    removed: tuple[str, ...]
    added: str
    shadowed: tuple[int, ...]
    backup: str = ""

    def lines(self) -> list[str]:
        if self.before == self.after:
            return [f"{self.path}: {self.name}={self.value} already"]
        diff = self._diff(self.removed, [self.added])
        diff += [f"  line {line} sets {self.name} too and does not count" for line in self.shadowed]
        return diff

    def back_lines(self) -> list[str]:
        return [] if self.before == self.after else self._diff([self.added], self.removed)

    def _diff(self, removed: Sequence[str], added: Sequence[str]) -> list[str]:
        """The changed lines only; the file may hold secrets."""
        head = [f"--- {self.path}", f"+++ {self.path}"]
        old = [f"-{line.rstrip()}" for line in removed]
        return [*head, *old, *(f"+{line.rstrip()}" for line in added)]

    async def apply(self, _hands: Hands) -> None:
        path = Path(self.path)
        data = _read(self.path)
        if digest(data) == self.after:
            return
        if digest(data) != self.before:
            raise HostError(f"{path} was changed by somebody else meanwhile")
        replace(Path(self.backup), data, durable=True, like=path)
        edited = with_value(text_of(data), self.name, self.value).text
        replace(path, bytes_of(edited), durable=True)

    async def check(self, _hands: Hands) -> None:
        found = effective(text_of(_read(self.path)), self.name)
        if found != self.value:
            raise HostError(f"{self.path}: {self.name} reads back as {found!r}")

    async def undo(self, _hands: Hands) -> None:
        path, backup = self.path, self.backup
        found = digest(_read(path))
        if found == self.before or not _exists(backup):
            return
        if found != self.after:
            hint = f"diff {backup} {path}"
            raise HostError(f"{path} was changed since; it is left as it is", hint=hint)
        data = _read(backup)
        if digest(data) != self.before:
            raise HostError(f"{backup} is not what was backed up")
        replace(Path(path), data, durable=True)


@dataclass(frozen=True, slots=True)
class LaneClosed:
    """The manual lane's key deleted. `value` is None when it was not there."""

    kind: ClassVar[str] = "manual_lane"
    key: str
    value: str | None
    expires_at_ms: int

    def lines(self) -> list[str]:
        if self.value is None:
            return [f"{self.key}: not set already"]
        return [f"{self.key}: {self.value} → deleted"]

    def back_lines(self) -> list[str]:
        if self.value is None:
            return []
        return [f"{self.key}: deleted → {self.value}, unless it would have expired by now"]

    async def apply(self, hands: Hands) -> None:
        await hands.lane.close()

    async def check(self, hands: Hands) -> None:
        if (await hands.control.read()).manual_lane is not None:
            raise HostError(f"{self.key} is there again; somebody opens the manual lane")

    async def undo(self, hands: Hands) -> None:
        """A lane that would have expired by now stays closed."""
        reading = await hands.control.read()
        is_over = 0 < self.expires_at_ms <= reading.now_ms
        if self.value is not None and not is_over:
            await hands.lane.reopen(self.value, self.expires_at_ms)


@dataclass(frozen=True, slots=True)
class ModeSet:
    """`mode` to DRY_RUN, which admits no venue."""

    kind: ClassVar[str] = "mode"
    key: str
    before: str | None

    def lines(self) -> list[str]:
        if self.before == Mode.DRY_RUN:
            return [f"{self.key}: {Mode.DRY_RUN.value} already"]
        return [f"{self.key}: {self.before or 'not set'} → {Mode.DRY_RUN.value}"]

    def back_lines(self) -> list[str]:
        mode = self._mode_before()
        return [f"{self.key}: {Mode.DRY_RUN.value} → {mode.value}"] if mode else []

    def _mode_before(self) -> Mode | None:
        """Not set admits what TESTNET admits; a word that is no mode admits nothing, as now."""
        word = (self.before or Mode.TESTNET.value).strip().upper()
        return Mode(word) if word in set(Mode) - {Mode.DRY_RUN} else None

    async def apply(self, hands: Hands) -> None:
        if (await hands.control.read()).mode != Mode.DRY_RUN:
            await hands.control.set_mode(Mode.DRY_RUN, hands.by, hands.reason)

    async def check(self, hands: Hands) -> None:
        found = (await hands.control.read()).mode
        if found != Mode.DRY_RUN:
            raise HostError(f"{self.key} reads back as {found or 'not set'}")

    async def undo(self, hands: Hands) -> None:
        is_ours = (await hands.control.read()).mode == Mode.DRY_RUN
        if is_ours and (mode := self._mode_before()):
            await hands.control.set_mode(mode, hands.by, hands.reason)


@dataclass(frozen=True, slots=True)
class Restart:
    """A service in a new life. Its undo is another restart, after everything else is undone."""

    kind: ClassVar[str] = "restart"
    service: str
    word: str
    life: str

    def lines(self) -> list[str]:
        return [f"restart {self.service} (now {self.word})"]

    def back_lines(self) -> list[str]:
        return [f"restart {self.service}"]

    async def apply(self, hands: Hands) -> None:
        await hands.services.restart(self.service)

    async def check(self, hands: Hands) -> None:
        """Active in another life than before, and still so after `SETTLE_S`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_LIMIT_S
        found = await hands.services.state(self.service)
        while found.word != ACTIVE and loop.time() < deadline:
            await asyncio.sleep(_POLL_S)
            found = await hands.services.state(self.service)
        await asyncio.sleep(SETTLE_S)
        settled = await hands.services.state(self.service)
        if settled.word != ACTIVE or settled.life != found.life:
            raise HostError(f"{self.service} is {settled.word} after its restart")
        if self.life and settled.life == self.life:
            raise HostError(f"{self.service} was not restarted: it is still {self.life}")

    async def undo(self, hands: Hands) -> None:
        before = await hands.services.state(self.service)
        await hands.services.restart(self.service)
        await Restart(self.service, before.word, before.life).check(hands)


AnyStep = EnvLine | LaneClosed | ModeSet | Restart
_KINDS: Final[dict[str, Callable[..., AnyStep]]] = {
    kind.kind: kind for kind in (EnvLine, LaneClosed, ModeSet, Restart)
}


def to_fields(step: AnyStep) -> dict[str, Any]:
    """For the journal."""
    return {"kind": step.kind, **asdict(step)}


def from_fields(fields: dict[str, Any]) -> AnyStep:
    """The step that `to_fields` wrote. Raises KeyError or TypeError for anything else."""
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items() if k != "kind"}
    return _KINDS[fields["kind"]](**values)


def digest(data: bytes) -> str:
    """SHA-256, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def text_of(data: bytes) -> str:
    """Bytes that are no UTF-8 survive."""
    return data.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    """The reverse of `text_of`."""
    return text.encode("utf-8", "surrogateescape")


def _read(path: str) -> bytes:
    return Path(path).read_bytes()


def _exists(path: str) -> bool:
    return Path(path).exists()
