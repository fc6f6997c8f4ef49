"""The executor's side of a plan in Redis: claim, admission, write-ahead, settlement."""

import json
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from qtops.adapters import scripts
from qtops.adapters.fact_reader import CONTROL_KEYS, decode_control, pairs
from qtops.adapters.fields import flatten
from qtops.adapters.link import RedisLink
from qtops.adapters.universe_store import TIER_KEYS, Tiers
from qtops.contracts import snapshot
from qtops.contracts.claim import Claim
from qtops.contracts.codec import canonical_json, decode_fields
from qtops.contracts.exit_event import ExitEvent
from qtops.contracts.facts import Known, Reservation
from qtops.contracts.permit import Permit
from qtops.contracts.plan import Plan
from qtops.contracts.registry import PERMIT_KEYS, Key, Service, Stream
from qtops.contracts.values import ZERO, fmt_decimal
from qtops.contracts.vocabulary import DenyReason, GateName
from qtops.errors import DecodeError
from qtops.ports import AdmissionReading, ClaimReading, Settlement

CLAIM_TTL_S = Key.CLAIM.value.ttl_s or 0
COOLDOWN_TTL_S = Key.EXEC_COOLDOWN.value.ttl_s or 0
HISTORY_TTL_S = Key.OPEN_HISTORY.value.ttl_s or 0
FIRST_RECORD_WAIT_MS = 2_000  # the file is synced every second


class RedisPlanStore:
    """Implements `qtops.ports.PlanStore`. `owner` names this process in claims."""

    def __init__(self, link: RedisLink, owner: str, universe: Tiers) -> None:
        self._link = link
        self._names = link.names
        self._owner = owner
        self._universe = universe

    async def _run(self, name: str, keys: Sequence[str], args: Sequence[str]) -> Any:
        with self._link.guard():
            return await self._link.client.eval(scripts.source(name), len(keys), *keys, *args)

    def _claim_key(self, plan_id: str) -> str:
        return self._names.key(Key.CLAIM, plan_id=plan_id)

    async def claim(self, plan_id: str) -> ClaimReading:
        pipe = self._link.client.pipeline(transaction=False)
        pipe.time()
        pipe.hgetall(self._claim_key(plan_id))
        pipe.info("server")
        pipe.hgetall(self._names.key(Key.SERVER_RUN))
        for key in TIER_KEYS:
            pipe.get(self._names.key(key))
        with self._link.guard():
            (seconds, micros), raw, info, seen, active, last_ok = _checked(
                await pipe.execute(raise_on_error=False)
            )
        now_us = int(seconds) * 1_000_000 + int(micros)
        claim = Claim.from_fields(decode_fields(raw)) if raw else None
        run_id = str(info["run_id"])
        restarted_ms = await self._restarted_ms(run_id, decode_fields(seen), now_us)
        universe = self._universe.choose(active, last_ok, now_us // 1000)
        return ClaimReading(now_us, claim, run_id, restarted_ms, universe)

    async def _restarted_ms(self, run_id: str, seen: dict[str, str], now_us: int) -> int:
        """When the server last came up with another run id than the one on record, in ms."""
        if seen.get("run_id") == run_id:
            return int(seen.get("since_ms") or 0)
        # An empty record is a first start; data from before would have carried it along.
        since_ms = now_us // 1000 if seen else 0
        pipe = self._link.client.pipeline(transaction=False)
        record = {"run_id": run_id, "since_ms": str(since_ms)}
        pipe.hset(self._names.key(Key.SERVER_RUN), mapping=record)
        if not seen:
            # If this first record were lost with the file's last second, the restart that lost it
            # would look like another first start. An error means: no append-only file to wait for.
            pipe.execute_command("WAITAOF", 1, 0, FIRST_RECORD_WAIT_MS)
        with self._link.guard():
            await pipe.execute(raise_on_error=bool(seen))
        return since_ms

    async def take_over(self, plan_id: str, claim: Claim) -> bool:
        args = [claim.owner, str(claim.attempt), self._owner]
        return bool(await self._run("take_over", [self._claim_key(plan_id)], args))

    def _reading_keys(self, plan_id: str) -> list[str]:
        control = [self._names.key(key) for key in CONTROL_KEYS]
        return control + [self._names.key(PERMIT_KEYS[g], plan_id=plan_id) for g in GateName]

    async def admission(self, plan: Plan) -> AdmissionReading:
        pipe = self._link.client.pipeline(transaction=False)
        pipe.time()
        for key in self._reading_keys(plan.plan_id):
            pipe.get(key)
        with self._link.guard():
            (seconds, micros), *values = await pipe.execute(raise_on_error=False)
        now_us = int(seconds) * 1_000_000 + int(micros)
        control, permits = values[: len(CONTROL_KEYS)], values[len(CONTROL_KEYS) :]
        return AdmissionReading(
            now_us=now_us,
            control=decode_control(control, now_us // 1000),
            permits={
                gate: _permit(raw, gate, plan.plan_id)
                for gate, raw in zip(GateName, permits, strict=True)
            },
            raw=tuple(v if isinstance(v, bytes) else None for v in values),
        )

    async def admit(
        self, plan: Plan, reading: AdmissionReading, client_order_id: str, run_id: str
    ) -> str:
        keys = [
            self._claim_key(plan.plan_id),
            self._names.key(Key.RESERVATIONS),
            self._names.key(Key.RESERVATIONS_VERSION),
            *self._reading_keys(plan.plan_id),
        ]
        epoch = reading.control.value.epoch if isinstance(reading.control, Known) else -1
        # The governor's permit for an open *is* its reservation: if that expired or was lost, the
        # capacity may be someone else's by now.
        promised = not plan.reduce_only and reading.permits.get(GateName.GOVERNOR) is not None
        args: list[Any] = [
            plan.plan_id,
            client_order_id,
            self._owner,
            plan.digest,
            str(epoch),
            str(CLAIM_TTL_S),
            str(len(CONTROL_KEYS)),
            "" if promised else snapshot.encode_reservation(_reservation(plan)),
            _kept(reading),
            run_id,
            *(b"+" + value if value is not None else b"-" for value in reading.raw),
        ]
        return _word(await self._run("admit", keys, args))

    async def mark_sending(
        self,
        plan: Plan,
        deadline_ms: int,
        quantity: Decimal,
        run_id: str,
        event: ExitEvent | None = None,
    ) -> str:
        keys = [
            self._claim_key(plan.plan_id),
            self._names.key(Key.KILL_EPOCH),
            self._names.stream(Stream.EXIT_EVENTS),
        ]
        fields = flatten(event.to_fields()) if event is not None else []
        maxlen = str(Stream.EXIT_EVENTS.value.maxlen)
        args = [self._owner, str(deadline_ms), fmt_decimal(quantity), run_id, maxlen, *fields]
        return _word(await self._run("mark_sending", keys, args))

    async def mark_unknown(self, plan: Plan, now_ms: int) -> None:
        keys = [
            self._claim_key(plan.plan_id),
            self._names.key(Key.RESERVATIONS),
            self._names.key(Key.RESERVATIONS_VERSION),
        ]
        fallback = snapshot.encode_reservation(_reservation(plan))
        await self._run("mark_unknown", keys, [self._owner, plan.plan_id, fallback, str(now_ms)])

    async def book(self, symbol: str) -> tuple[Decimal | None, int]:
        with self._link.guard():
            raw = await self._link.client.hgetall(self._names.key(Key.BOOK, symbol=symbol))
        if not raw:
            return None, 0
        try:
            return snapshot.decode_book(decode_fields(pairs(raw)))
        except DecodeError:
            version = raw.get(b"version", b"0")
            return None, int(version) if version.isdigit() else 0

    async def snapshot_position(self, symbol: str) -> tuple[Decimal, int] | None:
        pipe = self._link.client.pipeline(transaction=False)
        pipe.time()
        pipe.hgetall(self._names.key(Key.POSITION, symbol=symbol))
        with self._link.guard():
            (seconds, micros), raw = await pipe.execute()
        try:
            position = snapshot.decode_position(decode_fields(pairs(raw)))
        except DecodeError:
            return None
        now_ms = int(seconds) * 1000 + int(micros) // 1000
        return position.value.amount, now_ms - position.observed_at_ms

    async def mark_price(self, symbol: str) -> Decimal | None:
        with self._link.guard():
            raw = await self._link.client.hgetall(self._names.key(Key.MARKET, symbol=symbol))
        try:
            return snapshot.decode_mark(decode_fields(pairs(raw))).value
        except DecodeError:
            return None

    async def settle(self, settlement: Settlement) -> str:
        keys, args = self._settle_call(settlement)
        answer: bytes = await self._run("settle", keys, args)
        return answer.decode()

    def _settle_call(self, s: Settlement) -> tuple[list[str], list[str]]:
        plan, names, symbol = s.plan, self._names, s.plan.symbol
        keys = [
            self._claim_key(plan.plan_id),
            names.stream(Stream.APPLY_RESULT),
            names.stream(s.delivery.stream),
            names.key(Key.RESERVATIONS),
            names.key(Key.RESERVATIONS_VERSION),
            names.key(Key.BOOK, symbol=symbol),
            names.key(Key.EXEC_COOLDOWN, symbol=symbol),
            names.key(Key.TRADE_COOLDOWN, symbol=symbol),
            names.key(Key.OPEN_HISTORY, symbol=symbol),
            names.key(Key.HEAT_COOLDOWN, symbol=symbol),
            names.stream(Stream.EXIT_EVENTS),
        ]
        effect = ("reduce" if plan.reduce_only else "open") if s.filled else ""
        amount = s.book_amount
        args = [
            self._owner,
            names.group(s.delivery.stream, Service.EXECUTOR),
            s.delivery.entry_id,
            plan.plan_id,
            str(s.book_read_ms),
            str(CLAIM_TTL_S),
            str(Stream.APPLY_RESULT.value.maxlen),
            effect,
            fmt_decimal(amount) if amount is not None else "",
            str(s.expected_book_version),
            _lasting_reservation(s),
            s.result.order_id,
            snapshot.side_of(amount) if amount is not None else "",
            str(COOLDOWN_TTL_S),
            str(HISTORY_TTL_S),
            plan.digest,
            s.run_id,
            symbol,
            str(Stream.EXIT_EVENTS.value.maxlen),
            json.dumps([flatten(event.to_fields()) for event in s.exit_events]),
            *flatten(s.result.to_fields()),
        ]
        return keys, args


def _word(answer: bytes) -> str:
    """A script's answer; empty for ok."""
    return "" if answer == b"ok" else answer.decode()


def _checked(replies: list[Any]) -> list[Any]:
    """Replies of a pipeline in which only the lists of the universe may be of another type."""
    for reply in replies[: -len(TIER_KEYS)]:
        if isinstance(reply, Exception):
            raise reply
    return replies


def _permit(raw: Any, gate: GateName, plan_id: str) -> Permit | DenyReason | None:
    if raw is None:
        return None
    if not isinstance(raw, bytes):
        return DenyReason.PERMIT_UNREADABLE  # not a string: no gate of ours wrote it
    try:
        return Permit.from_text(raw.decode(), gate, plan_id)
    except (DecodeError, UnicodeDecodeError, ValueError):
        return DenyReason.PERMIT_UNREADABLE


def _kept(reading: AdmissionReading) -> str:
    """The permits of an admission as the claim keeps them."""
    permits = {g.value: p.to_json() for g, p in reading.permits.items() if isinstance(p, Permit)}
    return canonical_json(permits)


def _reservation(plan: Plan) -> Reservation:
    """What in-flight work on a plan without a governor's reservation holds: a reduction."""
    return Reservation(
        plan_id=plan.plan_id,
        symbol=plan.symbol,
        side=plan.side,
        quantity=plan.quantity,
        notional_usdt=ZERO,
        state="admitted",
        expires_at_ms=0,
        reduce_only=plan.reduce_only,
    )


def _lasting_reservation(s: Settlement) -> str:
    """A filled open keeps its capacity until a snapshot taken after the fill shows it.

    The script says when that was.
    """
    if not s.filled or s.plan.reduce_only:
        return ""
    notional = s.result.details.get("notional_usdt", "0")
    record = replace(
        _reservation(s.plan),
        state="filled",
        quantity=s.result.filled_quantity,
        notional_usdt=Decimal(str(notional)),
    )
    return snapshot.encode_reservation(record)
