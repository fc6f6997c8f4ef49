"""The exit monitor's look at Redis; what follows from it, in one transaction."""

from typing import Any

from redis.exceptions import ResponseError, WatchError

from qtops.adapters.fact_reader import CONTROL_KEYS, decode_control, read_hash
from qtops.adapters.link import RedisLink
from qtops.contracts import snapshot
from qtops.contracts.codec import decode_fields, parse_word
from qtops.contracts.control import ControlChange
from qtops.contracts.exit_episode import Episode
from qtops.contracts.facts import Known
from qtops.contracts.registry import Key, Stream
from qtops.contracts.vocabulary import GateMode, Lane
from qtops.errors import DecodeError
from qtops.ports.exits import ExitCommit, ExitView, ManualClose

IN_HAND = "unreadable"  # a claim that cannot be read counts as one at work


class RedisExitStore:
    """Implements `qtops.ports.exits.ExitStore` and `ManualCloseStore`."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._names = link.names
        self._key = link.names.key(Key.EXIT_EPISODES)

    async def look(self) -> ExitView:
        pipe = self._link.client.pipeline(transaction=False)
        pipe.time()
        pipe.hgetall(self._key)
        pipe.hgetall(self._names.key(Key.PORTFOLIO))
        for key in CONTROL_KEYS:
            pipe.get(self._names.key(key))
        with self._link.guard():
            (seconds, micros), raw, whole, *control = await pipe.execute()
            word = await self._word()
        now_ms = int(seconds) * 1000 + int(micros) // 1000
        portfolio = read_hash(whole, snapshot.decode_portfolio)
        episodes = _episodes(raw)
        held = sorted(portfolio.value.positions) if isinstance(portfolio, Known) else []
        plans = sorted({episode.plan_id for episode in episodes.values() if episode.plan_id})
        for symbol in held:
            pipe.hgetall(self._names.key(Key.MARKET, symbol=symbol))
        for plan_id in plans:
            pipe.hget(self._names.key(Key.CLAIM, plan_id=plan_id), "state")
        with self._link.guard():
            replies = await pipe.execute(raise_on_error=False)
        marks, claims = replies[: len(held)], replies[len(held) :]
        return ExitView(
            now_ms=now_ms,
            portfolio=portfolio,
            control=decode_control(control, now_ms),
            marks={
                symbol: read_hash(reply, snapshot.decode_mark)
                for symbol, reply in zip(held, marks, strict=True)
            },
            episodes=episodes,
            claims={
                plan_id: _state(reply)
                for plan_id, reply in zip(plans, claims, strict=True)
                if reply is not None
            },
            raw=raw,
            mode=_mode(word),
        )

    async def _word(self) -> Any:
        try:
            return await self._link.client.get(self._names.key(Key.EXIT_MODE))
        except ResponseError:  # not a string
            return None

    async def commit(self, view: ExitView, commit: ExitCommit) -> bool:
        wanted: dict[Any, Any] = {
            symbol.encode(): episode.to_json().encode()
            for symbol, episode in commit.episodes.items()
        }
        if wanted == view.raw and not commit.events:
            return True
        with self._link.guard():
            async with self._link.client.pipeline(transaction=True) as pipe:
                await pipe.watch(self._key)
                if await pipe.hgetall(self._key) != view.raw:
                    return False
                pipe.multi()
                pipe.delete(self._key)
                if wanted:
                    pipe.hset(self._key, mapping=wanted)
                for plan in commit.plans:
                    self._add(pipe, Stream.APPLY_PLAN, plan.to_fields())
                for event in commit.events:
                    self._add(pipe, Stream.EXIT_EVENTS, event.to_fields())
                try:
                    await pipe.execute()
                except WatchError:
                    return False
        return True

    async def publish(self, close: ManualClose) -> None:
        is_manual = close.plan.lane is Lane.MANUAL
        pipe = self._link.client.pipeline(transaction=True)
        if close.lane_ms:
            lane = self._names.key(Key.MANUAL_LANE)
            # What an operator holds open is not shortened; what holds no 1 is not open.
            pipe.set(lane, "1", nx=close.lane_is_open, px=close.lane_ms)
        for change in close.records:
            self._add(pipe, Stream.CONTROL_AUDIT, change.to_fields())
        self._add(pipe, Stream.EXIT_EVENTS, close.event.to_fields())
        stream = Stream.APPLY_PLAN_MANUAL if is_manual else Stream.APPLY_PLAN
        self._add(pipe, stream, close.plan.to_fields())
        with self._link.guard():
            await pipe.execute()

    async def record(self, change: ControlChange) -> None:
        with self._link.guard():
            async with self._link.client.pipeline(transaction=True) as pipe:
                self._add(pipe, Stream.CONTROL_AUDIT, change.to_fields())
                await pipe.execute()

    def _add(self, pipe: Any, stream: Stream, fields: dict[str, str]) -> None:
        pipe.xadd(self._names.stream(stream), fields, maxlen=stream.value.maxlen, approximate=True)


def _episodes(raw: dict[bytes, bytes]) -> dict[str, Episode]:
    found: dict[str, Episode] = {}
    for symbol, text in raw.items():
        try:
            fields = decode_fields({symbol: text})
            found |= {name: Episode.from_json(body) for name, body in fields.items()}
        except DecodeError:
            continue  # it begins anew
    return found


def _mode(reply: Any) -> GateMode | None:
    """A word that cannot be read is no reason to stop closing positions, nor to begin."""
    try:
        return parse_word(GateMode, decode_fields({b"mode": reply})["mode"], "mode")
    except (DecodeError, AttributeError):
        return None


def _state(reply: Any) -> str:
    return reply.decode("utf-8", "replace") if isinstance(reply, bytes) else IN_HAND
