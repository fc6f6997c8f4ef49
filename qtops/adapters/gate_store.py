"""What a gate reads and writes in Redis: facts in one round trip, decisions in another."""

from collections.abc import Mapping, Sequence

from qtops.adapters import scripts
from qtops.adapters.fact_reader import FactReader
from qtops.adapters.fields import flatten
from qtops.adapters.link import RedisLink
from qtops.adapters.universe_store import Tiers
from qtops.contracts import snapshot
from qtops.contracts.codec import canonical_json, text_of
from qtops.contracts.facts import Facts
from qtops.contracts.plan import Plan
from qtops.contracts.registry import PERMIT_KEYS, Key, Service, Stream
from qtops.contracts.vocabulary import FactName, GateName
from qtops.ports import Issue


class RedisGateStore:
    """Implements `qtops.ports.GateStore` for one gate."""

    def __init__(
        self,
        link: RedisLink,
        service: Service,
        permit_key: str = "",
        tiers: Tiers | None = None,
    ) -> None:
        """`permit_key` signs permits when it is not empty; `tiers` are for a gate with a list."""
        self._link = link
        self._names = link.names
        self._service = service
        self._permit_key = permit_key
        self._reader = FactReader(link, tiers)

    async def facts(
        self, plans: Sequence[Plan], wanted: frozenset[FactName]
    ) -> tuple[int, list[Facts]]:
        with self._link.guard():
            return await self._reader.read(plans, wanted)

    async def issue(self, issues: Sequence[Issue]) -> list[bool]:
        pipe = self._link.client.pipeline(transaction=False)
        text = scripts.source("issue")
        for issue in issues:
            keys, args = self._issue_call(issue)
            pipe.eval(text, len(keys), *keys, *args)
        with self._link.guard():
            replies = await pipe.execute()
        return [reply == 1 for reply in replies]

    def _issue_call(self, issue: Issue) -> tuple[list[str], list[str]]:
        names, plan_id = self._names, issue.permit.plan_id
        keys = [
            names.key(PERMIT_KEYS[issue.permit.gate], plan_id=plan_id),
            names.stream(Stream.GATE_DECISION),
            names.stream(issue.delivery.stream),
            names.key(Key.RESERVATIONS),
            names.key(Key.RESERVATIONS_VERSION),
            names.key(Key.GOVERNOR_BLOCK, plan_id=plan_id),
        ]
        promise = issue.promise
        args = [
            issue.permit.to_json(self._permit_key),
            str(issue.permit.expires_at_ms - issue.permit.issued_at_ms),
            names.group(issue.delivery.stream, self._service),
            issue.delivery.entry_id,
            str(promise.expected_version) if promise else "",
            snapshot.encode_reservation(promise.reservation) if promise else "",
            str(promise.next_version) if promise else "",
            plan_id,
            str(Stream.GATE_DECISION.value.maxlen),
            _block_record(issue),
            str((Key.GOVERNOR_BLOCK.value.ttl_s or 0) * 1000),
            *flatten(issue.record.to_fields()),
        ]
        return keys, args

    async def prune(self, states: Mapping[str, str]) -> int:
        if not states:
            return 0
        keys = [self._names.key(Key.RESERVATIONS), self._names.key(Key.RESERVATIONS_VERSION)]
        with self._link.guard():
            dropped = await self._link.client.eval(
                scripts.source("prune"), len(keys), *keys, *flatten(states)
            )
        return int(dropped)


def _block_record(issue: Issue) -> str:
    """What the original's operators look for under governor:block when nothing was permitted."""
    if issue.permit.allow or issue.permit.gate is not GateName.GOVERNOR:
        return ""
    record = {
        "reason": issue.permit.reason,
        "timestamp": text_of(issue.permit.issued_at_ms),
        "symbol": issue.permit.symbol,
        "detail": issue.record.detail,
    }
    return canonical_json(record)
