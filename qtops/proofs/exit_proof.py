"""The exit hard proof: real plans through the real gates, checked against the exchange itself."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from qtops.contracts.codec import fmt_instant
from qtops.contracts.decision import DecisionRecord
from qtops.contracts.environment import Environment
from qtops.contracts.plan import Plan, client_order_id
from qtops.contracts.registry import Service
from qtops.contracts.result import Result
from qtops.contracts.values import ZERO
from qtops.contracts.venue import VenueOrder, VenueTrade
from qtops.errors import NoProofError, RefusedError, UsageError
from qtops.ports import Venue
from qtops.proofs.rounds import (
    Round,
    RoundEvidence,
    RoundSpec,
    Verdict,
    judge,
    plan_of,
    plan_rounds,
    timeline,
)

LEASE_S = 15
GATES = (Service.GOVERNOR, Service.PORTFOLIO_GATE, Service.POSITION_GATE, Service.EXECUTOR)


class Bench(Protocol):
    """The system under proof, as seen through Redis."""

    async def now_us(self) -> int: ...

    async def alive(self, services: Sequence[Service]) -> dict[str, bool]:
        """Which of these have a heartbeat."""
        ...

    async def pause_bridge(self, holder: str, ttl_s: int) -> None:
        """Take or renew the lease; another holder's raises RefusedError."""
        ...

    async def resume_bridge(self, holder: str) -> bool:
        """Give the lease back; True when none is left."""
        ...

    async def publish(self, plan: Plan) -> tuple[str, int]:
        """(entry id, Redis server µs just before)."""
        ...

    async def result_of(self, plan_id: str, since_id: str, timeout_s: float) -> Result | None:
        """Wait for the plan's result among entries after `since_id`."""
        ...

    async def decisions_of(self, plan_id: str, since_id: str) -> list[DecisionRecord]: ...

    async def window(self, since_us: int, until_us: int) -> list[dict[str, Any]]:
        """Everything the streams recorded in between, for the artifacts."""
        ...


@dataclass(frozen=True, slots=True)
class ProofRequest:
    """What the operator asked for. `fraction` of each position; `timeout_s` for each result.

    `named` says that the operator chose the symbols: one that the exchange does not trade is then
    a mistake, and no mere entry of a long allowlist.
    """

    rounds: int
    allowed: tuple[str, ...]
    fraction: Decimal
    namespace: str
    environment: Environment
    allow_mainnet: bool = False
    timeout_s: float = 30.0
    named: bool = False


@dataclass(slots=True)
class ExitProof:
    """A finished proof. `resumed` is read back, not assumed."""

    stamp: str
    request: ProofRequest
    started_us: int
    rounds: list[Round] = field(default_factory=list)
    services: Mapping[str, bool] = field(default_factory=dict)
    resumed: bool = False
    finished_us: int = 0
    events: Sequence[Mapping[str, Any]] = ()

    @property
    def proven(self) -> bool:
        """Every round as expected, at least one real exit among them, and the bridge resumed."""
        verdicts = [r.judgement.verdict for r in self.rounds]
        return self.resumed and Verdict.FILLED in verdicts and Verdict.FAILED not in verdicts


Observer = Callable[[int, int], None]


async def prove_exits(
    request: ProofRequest, bench: Bench, venue: Venue, on_round: Observer = lambda *_: None
) -> ExitProof:
    """Run the rounds. Whatever happens in between, the bridge's lease is given back.

    Raises:
        RefusedError: mainnet without leave, or another proof is running.
        NoProofError: there is no position to prove an exit with.
        UsageError: the exchange does not trade a symbol that was named.

    """
    specs = await specs_of(request, venue)
    started_us = await bench.now_us()
    services = await bench.alive(GATES)
    proof = ExitProof(stamp_of(started_us), request, started_us, services=services)
    async with _bridge_paused(bench, proof):
        for spec in specs:
            on_round(spec.number, len(specs))
            proof.rounds.append(await _run_round(spec, proof, bench, venue))
    proof.finished_us = await bench.now_us()
    proof.events = await bench.window(proof.started_us, proof.finished_us)
    return proof


async def specs_of(request: ProofRequest, venue: Venue) -> list[RoundSpec]:
    """The rounds that the request comes to, with the exchange's positions as they are now."""
    refuse_real_money(request)
    await venue.sync_clock()
    filters = await venue.filters()
    unknown = [symbol for symbol in request.allowed if symbol not in filters]
    if unknown and request.named:
        raise UsageError(f"--symbols: the exchange does not trade {', '.join(unknown)}")
    positions = await venue.positions()
    specs = plan_rounds(positions, filters, request.allowed, request.rounds, request.fraction)
    if all(spec.negative_control for spec in specs):
        allowed = ", ".join(request.allowed) or "an empty list of symbols"
        raise NoProofError(
            f"no open position in {allowed}: nothing to prove an exit with",
            hint="open a position through the gates, or name other symbols with --symbols",
        )
    return specs


def stamp_of(started_us: int) -> str:
    """UTC to the microsecond of the Redis server: part of the plan ids, so no two proofs share one.

    Plans of the same id are one plan to the executor, and the holder of the lease has it too.
    """
    digits = fmt_instant(started_us // 1000)[:19].translate(str.maketrans("T", "_", "-:"))
    return f"{digits}_{started_us % 1_000_000:06d}"


def refuse_real_money(request: ProofRequest) -> None:
    """Anything but a testnet or the sandbox needs the operator's explicit leave."""
    if not (request.environment.is_play_money or request.allow_mainnet):
        raise RefusedError(
            f"the exchange is {request.environment.value}, not a testnet or sandbox",
            hint="--allow-mainnet sends real orders; it asks for a typed confirmation",
        )


@contextlib.asynccontextmanager
async def _bridge_paused(bench: Bench, proof: ExitProof) -> AsyncIterator[None]:
    """Hold the lease, renewing it; if this process dies, it lapses by itself."""
    holder = f"exit-proof:{proof.stamp}"
    await bench.pause_bridge(holder, LEASE_S)

    async def renew() -> None:
        while True:
            await asyncio.sleep(LEASE_S / 3)
            await bench.pause_bridge(holder, LEASE_S)

    renewal = asyncio.create_task(renew())
    try:
        yield
        if renewal.done():
            renewal.result()  # the lease was lost on the way: the rounds do not count
    finally:
        renewal.cancel()
        await asyncio.gather(renewal, return_exceptions=True)
        proof.resumed = await asyncio.shield(bench.resume_bridge(holder))


async def _run_round(spec: RoundSpec, proof: ExitProof, bench: Bench, venue: Venue) -> Round:
    request = proof.request
    plan = plan_of(spec, proof.stamp)
    before = await _position(venue, spec.symbol)
    entry_id, published_us = await bench.publish(plan)
    result = await bench.result_of(plan.plan_id, entry_id, request.timeout_s)
    decisions = await bench.decisions_of(plan.plan_id, entry_id)
    order, trades = await _ask_exchange(venue, plan, request.namespace)
    seen = RoundEvidence(
        plan=plan,
        entry_id=entry_id,
        published_us=published_us,
        result=result,
        decisions=decisions,
        order=order,
        trades=trades,
        position_before=before,
        position_after=await _position(venue, spec.symbol),
    )
    return Round(spec, seen, judge(spec, seen), timeline(seen))


async def _position(venue: Venue, symbol: str) -> Decimal:
    rows = await venue.positions(symbol)
    return next((row.amount for row in rows if row.symbol == symbol), ZERO)


async def _ask_exchange(
    venue: Venue, plan: Plan, namespace: str
) -> tuple[VenueOrder | None, list[VenueTrade]]:
    """The order by our own id, which nobody can have told us, and its fills."""
    order = await venue.find_order(plan.symbol, client_order_id(namespace, plan.plan_id))
    if order is None:
        return None, []
    return order, await venue.trades(plan.symbol, order.order_id)
