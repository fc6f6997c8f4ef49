"""The system under proof, through Redis: publish a plan, wait for its result, read decisions."""

from collections.abc import Sequence
from typing import Any

from qtops.adapters.link import RedisLink
from qtops.contracts.codec import decode_fields, fmt_instant
from qtops.contracts.decision import DecisionRecord
from qtops.contracts.plan import Plan
from qtops.contracts.registry import Key, Service, Stream
from qtops.contracts.result import Result
from qtops.errors import DecodeError, RefusedError

PAGE = 1000
WINDOW_STREAMS = (
    Stream.APPLY_PLAN,
    Stream.GATE_DECISION,
    Stream.APPLY_RESULT,
    Stream.DLQ,
    Stream.CONTROL_AUDIT,
)


class RedisBench:
    """Implements `qtops.proofs.exit_proof.Bench`. `blocking` waits for results."""

    def __init__(self, link: RedisLink, blocking: RedisLink) -> None:
        self._link = link
        self._blocking = blocking
        self._names = link.names

    async def now_us(self) -> int:
        return await self._link.now_us()

    async def alive(self, services: Sequence[Service]) -> dict[str, bool]:
        pipe = self._link.client.pipeline(transaction=False)
        for service in services:
            pipe.exists(self._names.key(Key.HEARTBEAT, service=service.value))
        with self._link.guard():
            found = await pipe.execute()
        return {s.value: bool(n) for s, n in zip(services, found, strict=True)}

    async def pause_bridge(self, holder: str, ttl_s: int) -> None:
        key = self._names.key(Key.BRIDGE_PAUSE)
        with self._link.guard():
            if await self._link.client.set(key, holder, nx=True, ex=ttl_s):
                return
            held_by = await self._link.client.get(key)
            if held_by is not None and held_by.decode() != holder:
                raise RefusedError(
                    f"the intent bridge is already paused by {held_by.decode()}",
                    hint=f"wait; the lease lapses within {ttl_s} s of its holder's end",
                )
            await self._link.client.set(key, holder, ex=ttl_s)

    async def resume_bridge(self, holder: str) -> bool:
        key = self._names.key(Key.BRIDGE_PAUSE)
        with self._link.guard():
            held_by = await self._link.client.get(key)
            if held_by is not None and held_by.decode() == holder:
                await self._link.client.delete(key)
            return not await self._link.client.exists(key)

    async def publish(self, plan: Plan) -> tuple[str, int]:
        stream = Stream.APPLY_PLAN
        fields: dict[Any, Any] = {**plan.to_fields()}
        pipe = self._link.client.pipeline(transaction=True)
        pipe.time()
        name = self._names.stream(stream)
        pipe.xadd(name, fields, maxlen=stream.value.maxlen, approximate=True)
        with self._link.guard():
            (seconds, micros), entry_id = await pipe.execute()
        return entry_id.decode(), int(seconds) * 1_000_000 + int(micros)

    async def result_of(self, plan_id: str, since_id: str, timeout_s: float) -> Result | None:
        # Both ids come from the same server's clock, so a result is never older than its plan.
        name = self._names.stream(Stream.APPLY_RESULT)
        last: str | bytes = _just_before(since_id)
        deadline_us = await self.now_us() + int(timeout_s * 1_000_000)
        while True:
            left_ms = (deadline_us - await self.now_us()) // 1000
            if left_ms <= 0:
                return None
            with self._blocking.guard():
                reply = await self._blocking.client.xread(
                    {name: last}, count=PAGE, block=min(left_ms, 5_000)
                )
            for entry_id, raw in reply[0][1] if reply else ():
                last = entry_id
                if raw.get(b"plan_id") == plan_id.encode():
                    return Result.from_fields(decode_fields(raw))

    async def decisions_of(self, plan_id: str, since_id: str) -> list[DecisionRecord]:
        name = self._names.stream(Stream.GATE_DECISION)
        found: list[DecisionRecord] = []
        start = _just_before(since_id)
        while True:
            with self._link.guard():
                page = await self._link.client.xrange(name, min=f"({start}", count=PAGE)
            for _, raw in page:
                if raw.get(b"plan_id") == plan_id.encode():
                    try:
                        found.append(DecisionRecord.from_fields(decode_fields(raw)))
                    except DecodeError:
                        continue  # not one of ours
            if len(page) < PAGE:
                return found
            start = page[-1][0].decode()

    async def window(self, since_us: int, until_us: int) -> list[dict[str, Any]]:
        """Every entry of the streams a plan passes through, in the order of time."""
        entries: list[tuple[int, int, dict[str, Any]]] = []
        for stream in WINDOW_STREAMS:
            name = self._names.stream(stream)
            first, last = str(since_us // 1000), f"{until_us // 1000}-18446744073709551615"
            while True:
                with self._link.guard():
                    page = await self._link.client.xrange(name, first, last, count=PAGE)
                entries += [_event(name, entry_id, raw) for entry_id, raw in page]
                if len(page) < PAGE:
                    break
                first = f"({page[-1][0].decode()}"
        return [event for _, _, event in sorted(entries, key=lambda row: row[:2])]

    async def aclose(self) -> None:
        await self._link.aclose()
        await self._blocking.aclose()


def _event(name: str, entry_id: bytes, raw: dict[bytes, bytes]) -> tuple[int, int, dict[str, Any]]:
    milliseconds, _, sequence = entry_id.decode().partition("-")
    fields = {k.decode(errors="replace"): v.decode(errors="replace") for k, v in raw.items()}
    event = {
        "at": fmt_instant(int(milliseconds)),
        "stream": name,
        "id": entry_id.decode(),
        "fields": fields,
    }
    return int(milliseconds), int(sequence), event


def _just_before(entry_id: str) -> str:
    """An id before everything of the same millisecond."""
    return f"{int(entry_id.partition('-')[0]) - 1}-0"
