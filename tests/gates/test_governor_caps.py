"""The caps hold after every step of every interleaving: open + reserved never exceeds them.

The model is what the services do around the pure rule: a decision that allows reserves in the same
step (compare-and-swap), an executor admits, the exchange fills, a snapshot catches up when it
likes. The rule sees the last snapshot; the invariant is asserted on what is really there.
"""

from dataclasses import dataclass, field, replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qtops.contracts.decision import Allow, Deny
from qtops.contracts.facts import ControlState, Facts, Known, Portfolio, Position, Reservations
from qtops.contracts.vocabulary import DenyReason, Side, TradingState
from qtops.gates.governor import GOVERNOR, GovernorLimits
from tests.strategies import D, plan, reservation

PRICES = {"A1USDT": D(10), "B1USDT": D(20), "C1USDT": D(5)}
LIMITS = GovernorLimits(
    max_open_positions=2,
    max_notional_per_trade_usdt=D(200),
    max_total_notional_usdt=D(350),
    symbol_cooldown_ms=0,
    max_opens_per_hour=1_000,
    max_opens_per_5min=1_000,
    max_input_age_ms=10**9,
)
PERMIT_MS = 60_000


@dataclass
class World:
    """What is really there, what the last snapshot shows, and what has been promised."""

    now_ms: int = 1_000_000
    real: dict = field(default_factory=dict)
    shown: dict = field(default_factory=dict)
    shown_at_ms: int = 999_999
    book: dict = field(default_factory=dict)
    plans: int = 0

    def facts(self, symbol):
        positions = {s: Position(q, PRICES[s], PRICES[s]) for s, q in self.shown.items() if q}
        return Facts(
            control=Known(ControlState(TradingState.ACTIVE, 0, "", manual_lane=False), self.now_ms),
            rollout=Known(100, self.now_ms),
            mark=Known(PRICES[symbol], self.now_ms),
            portfolio=Known(Portfolio(positions), self.shown_at_ms),
            reservations=Known(Reservations(dict(self.book), 1), self.now_ms),
            trade_cooldown=Known(None, self.now_ms),
            open_history=Known((), self.now_ms),
        )

    def decide(self, symbol, side, notional):
        self.plans += 1
        quantity = notional / PRICES[symbol]
        asked = plan(plan_id=f"p{self.plans}", symbol=symbol, side=side, quantity=quantity)
        decision = GOVERNOR.decide(asked, self.facts(symbol), self.now_ms, LIMITS)
        if isinstance(decision, Allow):
            self.book[asked.plan_id] = reservation(
                symbol,
                plan_id=asked.plan_id,
                side=side,
                quantity=quantity,
                notional_usdt=notional,
                expires_at_ms=self.now_ms + PERMIT_MS,
            )
        return decision

    def pick(self, n, *states):
        mine = [r for r in self.book.values() if r.state in states]
        return mine[n % len(mine)] if mine else None

    def admit(self, n):
        found = self.pick(n, "issued")
        if found and self.now_ms < found.expires_at_ms:
            self.book[found.plan_id] = replace(found, state="admitted")

    def fill(self, n):
        found = self.pick(n, "admitted", "unknown")
        if found:
            change = found.side.sign * found.quantity
            self.real[found.symbol] = self.real.get(found.symbol, D(0)) + change
            self.book[found.plan_id] = replace(found, state="filled", filled_at_ms=self.now_ms)

    def reject(self, n):
        found = self.pick(n, "issued", "admitted", "unknown")
        if found:
            del self.book[found.plan_id]

    def lose_sight(self, n):
        found = self.pick(n, "admitted")
        if found:
            self.book[found.plan_id] = replace(found, state="unknown")

    def close(self, n):
        held = [s for s, q in self.real.items() if q]
        if held:
            self.real[held[n % len(held)]] = D(0)

    def snapshot(self):
        self.shown = dict(self.real)
        self.shown_at_ms = self.now_ms

    def pass_time(self, ms):
        self.now_ms += ms

    def in_flight(self):
        """Promises that can still become positions."""
        return [
            r
            for r in self.book.values()
            if r.state in {"admitted", "unknown"}
            or (r.state == "issued" and self.now_ms < r.expires_at_ms)
        ]

    def check(self):
        flying = self.in_flight()
        symbols = {s for s, q in self.real.items() if q} | {r.symbol for r in flying}
        assert len(symbols) <= LIMITS.max_open_positions
        assert sum(self.worst(s, flying) for s in symbols) <= LIMITS.max_total_notional_usdt

    def worst(self, symbol, flying):
        """The largest absolute position that any subset of what is in flight can lead to."""
        reach = {self.real.get(symbol, D(0))}
        for r in flying:
            if r.symbol == symbol:
                reach |= {q + r.side.sign * r.quantity for q in reach}
        return max(abs(q) for q in reach) * PRICES[symbol]


number = st.integers(0, 3)
steps = st.one_of(
    st.tuples(
        st.just("decide"),
        st.sampled_from(sorted(PRICES)),
        st.sampled_from(Side),
        st.sampled_from([D(50), D(100), D(200)]),
    ),
    st.tuples(st.sampled_from(["admit", "fill", "reject", "lose_sight", "close"]), number),
    st.tuples(st.just("admit"), number),
    st.tuples(st.just("fill"), number),
    st.tuples(st.just("snapshot")),
    st.tuples(st.just("pass_time"), st.sampled_from([0, 1, PERMIT_MS - 1, PERMIT_MS])),
)


@given(path=st.lists(steps, max_size=30))
@settings(max_examples=200)
def test_open_and_reserved_never_exceed_the_caps(path):
    world = World()
    for name, *args in path:
        getattr(world, name)(*args)
        world.check()


@pytest.mark.parametrize("seed", range(3))
def test_the_caps_hold_on_long_walks(seed):
    """Plans and fills come in droves here; this is what finds a stale long offsetting a sell."""
    rnd = Random(seed)
    often = ["decide"] * 5 + ["admit", "fill"] * 3
    names = [*often, "close", "snapshot", "reject", "lose_sight", "pass_time"]
    for _ in range(200):
        world = World()
        for name in rnd.choices(names, k=60):
            if name == "decide":
                amount = rnd.choice([D(50), D(100), D(200)])
                world.decide(rnd.choice(sorted(PRICES)), rnd.choice(list(Side)), amount)
            elif name == "pass_time":
                world.pass_time(rnd.choice([0, 1, PERMIT_MS - 1, PERMIT_MS]))
            elif name == "snapshot":
                world.snapshot()
            else:
                getattr(world, name)(rnd.randrange(4))
            world.check()


def test_ten_plans_at_once_and_a_cap_of_two_symbols():
    world = World()
    decisions = [world.decide(symbol, Side.BUY, D(50)) for symbol in sorted(PRICES) * 4]
    allowed = [d for d in decisions if isinstance(d, Allow)]
    assert len(allowed) == LIMITS.max_open_positions
    reasons = {d.reason for d in decisions if isinstance(d, Deny)}
    assert reasons == {DenyReason.MAX_POSITIONS_REACHED, DenyReason.SYMBOL_COOLDOWN}


@pytest.mark.parametrize("state", ["issued", "admitted", "unknown", "filled"])
def test_each_state_of_a_promise_holds_its_place_until_the_snapshot_shows_it(state):
    world = World()
    world.decide("A1USDT", Side.BUY, D(100))
    world.decide("B1USDT", Side.BUY, D(100))
    if state != "issued":
        world.admit(0)
    if state == "unknown":
        world.lose_sight(0)
    if state == "filled":
        world.fill(0)
    assert world.decide("C1USDT", Side.BUY, D(50)).reason is DenyReason.MAX_POSITIONS_REACHED
    world.pass_time(PERMIT_MS)  # what was only issued is free again
    world.snapshot()
    world.pass_time(1)
    assert isinstance(world.decide("C1USDT", Side.BUY, D(50)), Allow)
    last = world.decide("B1USDT", Side.BUY, D(50))
    if state == "issued":
        assert isinstance(last, Allow)
    else:
        assert last.reason is DenyReason.MAX_POSITIONS_REACHED
    world.check()


def test_a_close_that_the_snapshot_has_not_seen_frees_no_room_for_the_other_side():
    world = World(real={"A1USDT": D(10), "B1USDT": D(10)}, shown={"A1USDT": D(10), "B1USDT": D(10)})
    world.close(0)
    denied = world.decide("A1USDT", Side.SELL, D(200))
    assert denied.reason is DenyReason.TOTAL_NOTIONAL_EXCEEDED
    assert isinstance(world.decide("A1USDT", Side.SELL, D(100)), Allow)
    world.check()


def test_the_model_can_reach_the_caps():
    world = World()
    for symbol, notional in (("A1USDT", D(200)), ("B1USDT", D(100))):
        assert isinstance(world.decide(symbol, Side.BUY, notional), Allow)
        world.admit(0)
        world.fill(0)
    world.pass_time(1)
    world.snapshot()
    world.pass_time(1)
    assert isinstance(world.decide("A1USDT", Side.BUY, D(50)), Allow)
    denied = world.decide("B1USDT", Side.BUY, D(50))
    assert denied.reason is DenyReason.TOTAL_NOTIONAL_EXCEEDED
    world.check()
