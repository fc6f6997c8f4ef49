"""The intent bridge's side of Redis: facts in one round trip, outcomes in another."""

from collections.abc import Sequence

from qtops.adapters import scripts
from qtops.adapters.fact_reader import FactReader
from qtops.adapters.fields import flatten
from qtops.adapters.link import RedisLink
from qtops.contracts.facts import Facts
from qtops.contracts.intent import Intent
from qtops.contracts.registry import Key, Service, Stream
from qtops.contracts.vocabulary import FactName
from qtops.ports.bridge import Bridged, Written


class RedisBridgeStore:
    """Implements `qtops.ports.bridge.BridgeStore`."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._names = link.names
        self._reader = FactReader(link)

    async def paused(self) -> bool:
        with self._link.guard():
            return bool(await self._link.client.exists(self._names.key(Key.BRIDGE_PAUSE)))

    async def seen(self, identities: Sequence[str]) -> list[str]:
        pipe = self._link.client.pipeline(transaction=False)
        for identity in identities:
            pipe.get(self._names.key(Key.INTENT_SEEN, intent_id=identity))
        with self._link.guard():
            found = await pipe.execute()
        return [entry.decode() if entry else "" for entry in found]

    async def facts(
        self, intents: Sequence[Intent], wanted: frozenset[FactName]
    ) -> tuple[int, list[Facts]]:
        with self._link.guard():
            return await self._reader.read(intents, wanted)

    async def write(self, outcomes: Sequence[Bridged]) -> list[Written]:
        pipe = self._link.client.pipeline(transaction=False)
        text = scripts.source("bridge")
        for outcome in outcomes:
            keys, args = self._call(outcome)
            pipe.eval(text, len(keys), *keys, *args)
        with self._link.guard():
            answers = await pipe.execute()
        return [Written(answer.decode()) for answer in answers]

    def _call(self, outcome: Bridged) -> tuple[list[str], list[str]]:
        names, delivery = self._names, outcome.delivery
        keys = [
            names.key(Key.BRIDGE_PAUSE),
            names.key(Key.INTENT_SEEN, intent_id=outcome.identity),
            names.stream(delivery.stream),
            names.stream(Stream.GATE_DECISION),
            names.stream(Stream.APPLY_PLAN),
        ]
        record = flatten(outcome.record.to_fields())
        args = [
            names.group(delivery.stream, Service.INTENT_BRIDGE),
            delivery.entry_id,
            outcome.seen_in,
            str(Key.INTENT_SEEN.value.ttl_s),
            str(Stream.GATE_DECISION.value.maxlen),
            str(Stream.APPLY_PLAN.value.maxlen),
            str(len(record)),
            *record,
            *(flatten(outcome.plan.to_fields()) if outcome.plan else ()),
        ]
        return keys, args
