"""The intent bridge as a service: intents → plans, or refusals in writing; and its pause."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from qtops.contracts.codec import decode_fields, fmt_bool
from qtops.contracts.dead_letter import DeadLetter
from qtops.contracts.decision import DecisionRecord, Deny
from qtops.contracts.facts import Facts
from qtops.contracts.intent import Intent
from qtops.contracts.plan import Plan
from qtops.contracts.vocabulary import DenyReason, Effect, Feeder
from qtops.errors import DecodeError
from qtops.gates.bridge import FACTS, BridgeLimits, Wish, bridge
from qtops.ports import Clock, Delivery, Inbox
from qtops.ports.bridge import Bridged, BridgeStore, Written
from qtops.ports.sources import AllowlistSource
from qtops.services.metrics.feeders import BridgeMetrics

PAUSE_POLL_S = 0.2
RETRIES = 10


class PausableInbox:
    """An inbox that hands out nothing while the lease is held: intents wait in the stream.

    What was read in the moment the lease was taken is held, unacknowledged, until it is gone.
    Intents that wait longer than their maximum age are refused as stale, by design: a signal from
    before a pause is not one for after it.
    """

    def __init__(self, inbox: Inbox, store: BridgeStore, metrics: BridgeMetrics) -> None:
        self._inbox = inbox
        self._store = store
        self._metrics = metrics
        self._held: list[Delivery] = []
        self.stream = inbox.stream

    @property
    def trimmed_unread(self) -> int:
        return self._inbox.trimmed_unread

    @trimmed_unread.setter
    def trimmed_unread(self, count: int) -> None:
        self._inbox.trimmed_unread = count

    async def _paused(self) -> bool:
        paused = await self._store.paused()
        self._metrics.paused(paused=paused)
        return paused

    def hold(self, delivery: Delivery) -> None:
        """Hand this one out again, once the lease is gone."""
        self._held.append(delivery)

    async def ensure_groups(self) -> None:
        await self._inbox.ensure_groups()

    async def own_pending(self, count: int) -> list[Delivery]:
        return [] if await self._paused() else await self._inbox.own_pending(count)

    async def read(self, count: int, block_ms: int) -> list[Delivery]:
        if await self._paused():
            await asyncio.sleep(PAUSE_POLL_S)
            return []
        if self._held:
            held, self._held = self._held, []
            return held
        return await self._inbox.read(count, block_ms)

    async def claim_stale(self, min_idle_ms: int, count: int) -> list[Delivery]:
        return [] if await self._paused() else await self._inbox.claim_stale(min_idle_ms, count)

    async def acknowledge(self, delivery: Delivery) -> None:
        await self._inbox.acknowledge(delivery)

    async def dead_letter(self, delivery: Delivery, letter: DeadLetter, result: None) -> None:
        await self._inbox.dead_letter(delivery, letter, result)


@dataclass(frozen=True, slots=True)
class BridgeConfig:
    """The operator's limits, the policy, and the group that dead letters name."""

    limits: BridgeLimits
    policy: AllowlistSource
    group: str


class IntentBridge:
    """Implements `qtops.services.loop.Handler` over `trade.intent`."""

    def __init__(
        self,
        config: BridgeConfig,
        store: BridgeStore,
        inbox: PausableInbox,
        clock: Clock,
        metrics: BridgeMetrics,
    ) -> None:
        self._config = config
        self._store = store
        self._inbox = inbox
        self._clock = clock
        self._metrics = metrics
        self._log = structlog.get_logger("qtops.intent_bridge")

    async def handle(self, deliveries: Sequence[Delivery]) -> None:
        """Decide every intent of the batch: one pass for most, another where a marker moved."""
        todo: list[tuple[Delivery, Intent]] = []
        for delivery in deliveries:
            try:
                intent = Intent.from_fields(decode_fields(delivery.raw))
            except DecodeError as error:
                await self._bury(delivery, error)
            else:
                todo.append((delivery, intent))
        for _ in range(RETRIES):
            if not todo:
                return
            todo = await self._decide(todo)

    async def drain(self) -> None:
        """Nothing is in hand between batches."""

    async def _decide(
        self, todo: Sequence[tuple[Delivery, Intent]]
    ) -> list[tuple[Delivery, Intent]]:
        wishes = [Wish(intent, delivery.entry_id) for delivery, intent in todo]
        seen = await self._store.seen([wish.identity for wish in wishes])
        allowlist = await self._config.policy.allowlist()
        now_us, facts = await self._store.facts([wish.intent for wish in wishes], FACTS)
        outcomes: list[Bridged] = []
        again: list[tuple[Delivery, Intent]] = []
        for (delivery, _), bare, seen_in, read in zip(todo, wishes, seen, facts, strict=True):
            if seen_in == delivery.entry_id:  # its own plan is out; the record says so
                await self._inbox.acknowledge(delivery)
                continue
            wish = replace(bare, seen_in=seen_in)
            answer = self._judge(wish, replace(read, allowlist=allowlist), now_us // 1000)
            outcomes.append(_outcome(delivery, wish, answer, now_us))
        if not outcomes:
            return again
        by_entry = {delivery.entry_id: (delivery, intent) for delivery, intent in todo}
        for outcome, written in zip(outcomes, await self._store.write(outcomes), strict=True):
            if written is Written.MOVED:
                again.append(by_entry[outcome.delivery.entry_id])
            elif written is Written.PAUSED:
                self._inbox.hold(outcome.delivery)
            elif written is Written.DONE:
                self._report(outcome)
        return again

    def _judge(self, wish: Wish, facts: Facts, now_ms: int) -> Plan | Deny:
        """A bug refuses, in writing; the traceback goes to the log."""
        try:
            return bridge(wish, facts, now_ms, self._config.limits)
        except Exception as error:  # noqa: BLE001  one intent must not stop the others
            self._log.exception("intent.failed", entry=wish.entry_id)
            return Deny(DenyReason.EVALUATION_ERROR, type(error).__name__)

    async def _bury(self, delivery: Delivery, error: DecodeError) -> None:
        self._log.warning("intent.undecodable", entry=delivery.entry_id, reason=error.reason)
        raw = {
            name.decode(errors="replace"): value.decode(errors="replace")
            for name, value in delivery.raw.items()
        }
        letter = DeadLetter(
            stream=delivery.stream.value.name,
            entry_id=delivery.entry_id,
            group=self._config.group,
            reason=error.reason,
            field=error.field,
            message=error.message,
            raw=raw,
            at_ms=self._clock.now_ms(),
        )
        await self._inbox.dead_letter(delivery, letter, None)
        self._metrics.undecodable()

    def _report(self, outcome: Bridged) -> None:
        record = outcome.record
        seconds = (record.decided_at_ms - outcome.delivery.entry_ms) / 1000
        self._metrics.decided(record.reason, seconds)
        self._log.info(
            "intent.decided",
            entry=outcome.delivery.entry_id,
            plan_id=record.plan_id,
            symbol=record.symbol,
            allow=record.allow,
            reason=record.reason,
            detail=record.detail,
        )


def _outcome(delivery: Delivery, wish: Wish, answer: Plan | Deny, now_us: int) -> Bridged:
    """The record names the entry, so that a trace finds the intent of a plan and of a refusal."""
    intent = wish.intent
    plan = answer if isinstance(answer, Plan) else None
    unplanned = Effect.REDUCE.value if intent.reduce_only else ""
    record = DecisionRecord(
        plan_id=wish.plan_id,
        gate=Feeder.INTENT_BRIDGE.value,
        allow=plan is not None,
        reason="" if isinstance(answer, Plan) else answer.reason.value,
        symbol=intent.symbol,
        side=intent.side.value,
        effect=plan.effect.value if plan else unplanned,
        decided_at_ms=now_us // 1000,
        detail="" if isinstance(answer, Plan) else answer.detail,
        quantity=plan.quantity if plan else None,
        terms={"intent_entry": wish.entry_id, "reduce_only": fmt_bool(bool(intent.reduce_only))},
        decided_at_us=now_us,
    )
    return Bridged(delivery, wish.identity, wish.seen_in, record, plan)
