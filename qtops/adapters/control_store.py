"""The stop switches in Redis: read as one board, changed by scripts that leave a record."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from redis.exceptions import ResponseError

from qtops.adapters import scripts
from qtops.adapters.fields import flatten
from qtops.adapters.link import RedisLink
from qtops.adapters.paging import scan_pages
from qtops.contracts.claim import Claim, ClaimState
from qtops.contracts.codec import decode_fields
from qtops.contracts.control import (
    KILL_WIRE,
    LEGACY_SWITCHES,
    ControlChange,
    Mode,
    parse_kill,
)
from qtops.contracts.registry import Key, Stream
from qtops.contracts.vocabulary import GateMode, TradingState
from qtops.errors import DecodeError
from qtops.ports import ControlReading, SendingOrder

_KEYS = (
    Key.KILL,
    Key.KILL_EPOCH,
    Key.MODE,
    Key.MANUAL_LANE,
    Key.ROLLOUT,
    Key.BRIDGE_PAUSE,
    Key.EXIT_MODE,
)


class RedisControlStore:
    """Implements `qtops.ports.ControlStore`."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._names = link.names

    async def read(self) -> ControlReading:
        """The switches, the record, the original's switches, how long the leases last."""
        own = [self._names.key(key) for key in _KEYS]
        legacy = [f"{self._names.namespace}:{switch.name}" for switch in LEGACY_SWITCHES]
        now_ms = await self._link.now_ms()  # apart: a cluster's pipeline does not take TIME
        pipe = self._link.client.pipeline(transaction=False)
        pipe.pttl(self._names.key(Key.MANUAL_LANE))
        pipe.pttl(self._names.key(Key.BRIDGE_PAUSE))
        for name in (Key.KILL_RECORD, Key.BREAKER_STATE):
            pipe.hgetall(self._names.key(name))
        for key in (*own, *legacy):
            pipe.get(key)
        with self._link.guard():
            replies = await pipe.execute(raise_on_error=False)
        lane_ttl, pause_ttl, record, breakers, *values = replies
        kill, epoch, mode, lane, rollout, pause, exits, *old = [_text(value) for value in values]
        return ControlReading(
            now_ms=now_ms,
            kill=kill,
            epoch=epoch,
            mode=mode,
            manual_lane=lane,
            manual_lane_ttl_ms=int(lane_ttl),
            record=_record(record),
            legacy={
                switch.name: value
                for switch, value in zip(LEGACY_SWITCHES, old, strict=True)
                if value is not None
            },
            rollout=rollout,
            bridge_pause=pause,
            bridge_pause_ttl_ms=int(pause_ttl),
            exit_mode=exits,
            breakers=_record(breakers),
        )

    async def set_kill(self, state: TradingState, by: str, reason: str) -> ControlChange:
        change = ControlChange("kill", KILL_WIRE[state], "", by, await self._link.now_ms(), reason)
        previous, epoch = await self._kill(change, "", "")
        return _known(change, previous, epoch)

    async def trip(self, kill: str, epoch: str, by: str, reason: str) -> ControlChange | None:
        if not epoch or _state_of(kill) is not TradingState.ACTIVE:
            return None
        value = KILL_WIRE[TradingState.REDUCING]
        change = ControlChange("kill", value, "", by, await self._link.now_ms(), reason)
        previous, new_epoch = await self._kill(change, kill, epoch)
        return None if new_epoch < 0 else _known(change, previous, new_epoch)

    async def _kill(self, change: ControlChange, held: str, epoch: str) -> tuple[str, int]:
        keys = [self._names.key(key) for key in (Key.KILL, Key.KILL_EPOCH, Key.KILL_RECORD)]
        said = change.said()
        previous, new_epoch = await self._apply("kill", keys, change, said, (held, epoch))
        return previous.decode("utf-8", "replace"), int(new_epoch)

    async def set_mode(self, mode: Mode, by: str, reason: str) -> ControlChange:
        change = ControlChange("mode", mode.value, "", by, await self._link.now_ms(), reason)
        return await self._set_word(Key.MODE, change)

    async def set_rollout(self, pct: int, by: str, reason: str) -> ControlChange:
        change = ControlChange("rollout", str(pct), "", by, await self._link.now_ms(), reason)
        return await self._set_word(Key.ROLLOUT, change)

    async def set_exit_mode(self, mode: GateMode, by: str, reason: str) -> ControlChange:
        change = ControlChange("exit mode", mode.value, "", by, await self._link.now_ms(), reason)
        return await self._set_word(Key.EXIT_MODE, change)

    async def _set_word(self, key: Key, change: ControlChange) -> ControlChange:
        said = {"switch": change.switch, **change.said()}
        previous = await self._apply("switch", [self._names.key(key)], change, said)
        return _known(change, previous.decode("utf-8", "replace"), None)

    async def _apply(
        self,
        script: str,
        keys: Sequence[str],
        change: ControlChange,
        said: Mapping[str, str],
        guard: Sequence[str] = (),
    ) -> Any:
        every = [*keys, self._names.stream(Stream.CONTROL_AUDIT)]
        args = [change.value, str(Stream.CONTROL_AUDIT.value.maxlen), *guard, *flatten(said)]
        with self._link.guard():
            return await self._link.client.eval(scripts.source(script), len(every), *every, *args)

    async def sending(self) -> AsyncGenerator[Sequence[SendingOrder], None]:
        prefix = self._names.prefix(Key.CLAIM)
        async for keys in scan_pages(self._link, prefix):
            pipe = self._link.client.pipeline(transaction=False)
            for key in keys:
                pipe.hgetall(key)
            with self._link.guard():
                replies = await pipe.execute(raise_on_error=False) if keys else []
            plans = [key.decode("utf-8", "replace").removeprefix(prefix) for key in keys]
            orders = (_sending(p, raw) for p, raw in zip(plans, replies, strict=True))
            yield [order for order in orders if order is not None]


def _sending(plan_id: str, raw: Any) -> SendingOrder | None:
    """The order of a claim in state `sending`. A claim that cannot be read counts as one."""
    if not raw:
        return None
    try:
        claim = Claim.from_fields(decode_fields(raw))
    except (DecodeError, AttributeError):
        return SendingOrder(plan_id, "", 0)
    if claim.state is not ClaimState.SENDING:
        return None
    return SendingOrder(plan_id, claim.client_order_id, claim.send_deadline_ms)


def _state_of(kill: str) -> TradingState | None:
    try:
        return parse_kill(kill)
    except DecodeError:
        return None


def _known(change: ControlChange, previous: str, epoch: int | None) -> ControlChange:
    return ControlChange(
        change.switch, change.value, previous, change.by, change.at_ms, change.reason, epoch
    )


def _text(reply: Any) -> str | None:
    """A switch's value for people. What is no string is named, not read."""
    if reply is None:
        return None
    if isinstance(reply, ResponseError):
        return "(not a string)" if "WRONGTYPE" in str(reply) else "(unreadable)"
    return str(reply, "utf-8", "replace") if isinstance(reply, bytes) else str(reply)


def _record(reply: Any) -> dict[str, str]:
    try:
        return decode_fields(reply)
    except (DecodeError, AttributeError):
        return {}
