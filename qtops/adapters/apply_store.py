"""The apply layer's side of Redis: what it knows of an intent, and one script that writes."""

from qtops.adapters import scripts
from qtops.adapters.fact_reader import read_hash
from qtops.adapters.fields import flatten
from qtops.adapters.link import RedisLink
from qtops.adapters.plan_fates import plan_fates
from qtops.contracts import snapshot
from qtops.contracts.codec import Fields, canonical_json, parse_json_object, text_of
from qtops.contracts.decision import DecisionRecord
from qtops.contracts.episode import PlanFate
from qtops.contracts.harvest import CalibratedProposal
from qtops.contracts.registry import Key, Service, Stream
from qtops.errors import DecodeError
from qtops.gates.apply import ApplyFacts, Earlier, Verdict
from qtops.ports import Delivery


class RedisApplyStore:
    """Implements `qtops.ports.harvest.ApplyStore`."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._names = link.names

    async def facts(self, calibrated: CalibratedProposal) -> ApplyFacts:
        proposal = calibrated.proposal
        pipe = self._link.client.pipeline(transaction=False)
        pipe.time()
        pipe.hgetall(self._names.key(Key.POSITION, symbol=proposal.symbol))
        pipe.hget(self._names.key(Key.APPLY_INTENTS, symbol=proposal.symbol), proposal.trace_id)
        with self._link.guard():
            (seconds, micros), position, marker = await pipe.execute(raise_on_error=False)
            earlier = await self._earlier(marker) if isinstance(marker, bytes) else None
        return ApplyFacts(
            now_ms=int(seconds) * 1000 + int(micros) // 1000,
            position=read_hash(position, snapshot.decode_position),
            earlier=earlier,
        )

    async def _earlier(self, marker: bytes) -> Earlier:
        try:
            record = parse_json_object(marker.decode(errors="replace"), "intent")
            fields = Fields({name: text_of(value) for name, value in record.items()})
            plan_id, made_at_ms = fields.need("plan_id"), fields.need_int("made_at_ms")
        except DecodeError:
            return Earlier("an unreadable record", 0, PlanFate.EXECUTED, marker)
        fates = await plan_fates(self._link, [plan_id])
        return Earlier(plan_id, made_at_ms, fates[plan_id], marker)

    async def apply(
        self,
        delivery: Delivery,
        calibrated: CalibratedProposal,
        facts: ApplyFacts,
        verdict: Verdict,
        record: DecisionRecord | None,
    ) -> bool:
        names, proposal, earlier = self._names, calibrated.proposal, facts.earlier
        keys = [
            names.stream(delivery.stream),
            names.stream(Stream.APPLY_PLAN),
            names.stream(Stream.GATE_DECISION),
            names.key(Key.APPLY_INTENTS, symbol=proposal.symbol),
        ]
        plan = flatten(verdict.plan.to_fields()) if verdict.plan is not None else []
        args: list[str | bytes] = [
            names.group(delivery.stream, Service.APPLY_LAYER),
            delivery.entry_id,
            proposal.trace_id,
            earlier.marker if earlier is not None else b"",
            _marker(proposal.plan_id, facts.now_ms),
            str(Key.APPLY_INTENTS.value.ttl_s),
            str(Stream.APPLY_PLAN.value.maxlen),
            str(Stream.GATE_DECISION.value.maxlen),
            str(len(plan)),
            *plan,
            *(flatten(record.to_fields()) if record is not None else ()),
        ]
        with self._link.guard():
            done = await self._link.client.eval(scripts.source("apply"), len(keys), *keys, *args)
        return bool(done)


def _marker(plan_id: str, made_at_ms: int) -> str:
    return canonical_json({"made_at_ms": str(made_at_ms), "plan_id": plan_id})
