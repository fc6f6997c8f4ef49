"""The harvest kernel's and heat calibration's side of Redis."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from redis.exceptions import WatchError

from qtops.adapters.fact_reader import pairs, read_hash, read_text
from qtops.adapters.link import RedisLink
from qtops.adapters.plan_fates import plan_fates
from qtops.contracts import snapshot
from qtops.contracts.decision import DecisionRecord
from qtops.contracts.episode import Episode
from qtops.contracts.facts import Fact, Known
from qtops.contracts.harvest import CalibratedProposal
from qtops.contracts.market import Kline, decode_klines
from qtops.contracts.registry import Key, Service, Stream
from qtops.errors import DecodeError, RedisError
from qtops.gates.heat import HeatFacts
from qtops.ports import Delivery
from qtops.ports.harvest import Harvested, HarvestReading


class RedisHarvestStore:
    """Implements `qtops.ports.harvest.HarvestStore`."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._names = link.names
        self._read: Mapping[bytes, bytes] = {}  # the episodes as last read

    async def read(self) -> HarvestReading:
        pipe = self._link.client.pipeline(transaction=False)
        pipe.time()
        pipe.hgetall(self._names.key(Key.PORTFOLIO))
        pipe.hgetall(self._names.key(Key.HARVEST_EPISODES))
        with self._link.guard():
            (seconds, micros), whole, records = await pipe.execute(raise_on_error=False)
            now_ms = int(seconds) * 1000 + int(micros) // 1000
            portfolio = read_hash(whole, snapshot.decode_portfolio)
            self._read = _raw(records)
            episodes, unreadable = _episodes(self._read)
            held = portfolio.value.positions if isinstance(portfolio, Known) else ()
            klines = await self._klines(sorted(held), now_ms)
            steps = (step for e in episodes.values() for step in e.steps.values())
            fates = await plan_fates(self._link, [s.plan_id for s in steps if not s.done])
        return HarvestReading(now_ms, portfolio, episodes, unreadable, klines, fates)

    async def _klines(
        self, symbols: Sequence[str], now_ms: int
    ) -> Mapping[str, Fact[Sequence[Kline]]]:
        if not symbols:
            return {}
        pipe = self._link.client.pipeline(transaction=False)
        for symbol in symbols:
            pipe.get(self._names.key(Key.KLINES, symbol=symbol))
        replies = await pipe.execute(raise_on_error=False)

        def decode(text: str) -> Known[Sequence[Kline]]:
            return Known(decode_klines(text), now_ms)

        return {s: read_text(reply, decode) for s, reply in zip(symbols, replies, strict=True)}

    async def write(self, harvested: Sequence[Harvested], flat: Collection[str]) -> bool:
        if not harvested and not flat:
            return True
        episodes = self._names.key(Key.HARVEST_EPISODES)
        with self._link.guard():
            async with self._link.client.pipeline(transaction=True) as pipe:
                await pipe.watch(episodes)
                if await pipe.hgetall(episodes) != self._read:
                    return False
                pipe.multi()
                for item in harvested:
                    self._put(pipe, item)
                for symbol in flat:
                    pipe.hdel(episodes, symbol)
                    pipe.delete(self._names.key(Key.HARVEST_PROPOSAL, symbol=symbol))
                try:
                    await pipe.execute()
                except WatchError:
                    return False
        return True

    def _put(self, pipe: Any, item: Harvested) -> None:
        symbol, fields = item.proposal.symbol, item.proposal.to_fields()
        name = self._names.key(Key.HARVEST_PROPOSAL, symbol=symbol)
        pipe.delete(name)
        pipe.hset(name, mapping=fields)
        pipe.expire(name, Key.HARVEST_PROPOSAL.value.ttl_s)
        pipe.hset(self._names.key(Key.HARVEST_EPISODES), symbol, item.episode.to_json())
        if item.publish:
            _append(pipe, self._link, Stream.HARVEST_PROPOSAL, fields)


def _raw(records: Any) -> dict[bytes, bytes]:
    try:
        return pairs(records)
    except DecodeError as error:
        raise RedisError(
            f"the harvest episodes cannot be read: {error.message}",
            hint="delete it only if every held position may count as new",
        ) from None


def _episodes(records: Mapping[bytes, bytes]) -> tuple[dict[str, Episode], dict[str, str]]:
    episodes, unreadable = {}, {}
    for name, text in records.items():
        symbol = name.decode(errors="replace")
        try:
            episodes[symbol] = Episode.from_json(symbol, text.decode(errors="replace"))
        except DecodeError as error:
            unreadable[symbol] = error.message
    return episodes, unreadable


def _append(pipe: Any, link: RedisLink, stream: Stream, fields: Mapping[str, str]) -> None:
    pipe.xadd(link.names.stream(stream), fields, maxlen=stream.value.maxlen, approximate=True)


class RedisHeatStore:
    """Implements `qtops.ports.harvest.HeatStore`."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._names = link.names

    async def facts(self) -> HeatFacts:
        pipe = self._link.client.pipeline(transaction=False)
        pipe.time()
        pipe.hgetall(self._names.key(Key.PORTFOLIO))
        pipe.hgetall(self._names.key(Key.VOLATILITY))
        with self._link.guard():
            (seconds, micros), whole, sigma = await pipe.execute(raise_on_error=False)
        return HeatFacts(
            now_ms=int(seconds) * 1000 + int(micros) // 1000,
            portfolio=read_hash(whole, snapshot.decode_portfolio),
            volatility=read_hash(sigma, snapshot.decode_volatility),
        )

    async def pass_on(
        self, delivery: Delivery, calibrated: CalibratedProposal, record: DecisionRecord
    ) -> None:
        pipe = self._link.client.pipeline(transaction=True)
        _append(pipe, self._link, Stream.HARVEST_CALIBRATED, calibrated.to_fields())
        _append(pipe, self._link, Stream.GATE_DECISION, record.to_fields())
        group = self._names.group(delivery.stream, Service.HEAT_CALIBRATION)
        pipe.xack(self._names.stream(delivery.stream), group, delivery.entry_id)
        with self._link.guard():
            await pipe.execute()
