"""Builders for the values that contracts and gates work on: plain ones, and hypothesis strategies.

The plain builders make a calm world in which the default plan passes every gate; a test changes
only what it is about. The strategies make every world, hostile ones included.
"""

from dataclasses import replace
from decimal import Decimal

from hypothesis import strategies as st

from qtops.contracts.decision import DecisionRecord
from qtops.contracts.facts import (
    Clusters,
    ControlState,
    Facts,
    Known,
    Missing,
    Portfolio,
    Position,
    Reservation,
    Reservations,
)
from qtops.contracts.intent import Intent
from qtops.contracts.permit import Permit
from qtops.contracts.plan import FRACTIONS, Plan
from qtops.contracts.result import Result
from qtops.contracts.universe import Allowlist, Tier
from qtops.contracts.venue import Filters, VenueOrder
from qtops.contracts.vocabulary import (
    Action,
    Effect,
    GateName,
    Lane,
    PlanDecision,
    Side,
    TradingState,
)

NOW = 1_770_000_000_000
D = Decimal
SYMBOLS = ("BTCUSDT", "ETHUSDT", "TRXUSDT")
PRICES = {"BTCUSDT": D(50_000), "ETHUSDT": D(2_500), "TRXUSDT": D("0.25")}
SIGMA = {"BTCUSDT": D("0.02"), "ETHUSDT": D("0.03"), "TRXUSDT": D("0.04")}

# --- one calm world -----------------------------------------------------------------------------


def plan(**changes):
    """An open of 0.002 BTC (100 USDT)."""
    base = Plan(
        plan_id="plan-1",
        decision=PlanDecision.EXECUTE,
        symbol="BTCUSDT",
        side=Side.BUY,
        quantity=D("0.002"),
        reduce_only=False,
        source="intent_bridge",
        action=Action.ENTRY_PROPOSED,
        timestamp_ms=NOW,
        digest="d" * 64,
    )
    return replace(base, **changes)


def close(**changes):
    """A full close of a long of 10 BTC."""
    return plan(
        **{
            "side": Side.SELL,
            "quantity": D(10),
            "reduce_only": True,
            "action": Action.FULL_CLOSE_PROPOSED,
            **changes,
        }
    )


def filters(**changes):
    base = Filters(
        symbol="BTCUSDT",
        status="TRADING",
        contract_type="PERPETUAL",
        price_tick=D("0.1"),
        lot_step=D("0.001"),
        lot_min=D("0.001"),
        lot_max=D(1000),
        market_step=D("0.001"),
        market_min=D("0.001"),
        market_max=D(120),
        min_notional=D(5),
        quantity_precision=3,
        price_precision=2,
    )
    return replace(base, **changes)


def control(state=TradingState.ACTIVE, *, epoch=7, mode="TESTNET", manual_lane=False):
    return Known(ControlState(state, epoch, mode, manual_lane), NOW)


def known(value, age_ms=0):
    return Known(value, NOW - age_ms)


def held(**amounts):
    """A portfolio; `BTCUSDT=3` or `BTCUSDT=(3, price)`."""
    positions = {}
    for symbol, said in amounts.items():
        amount, price = said if isinstance(said, tuple) else (said, PRICES.get(symbol, D(1)))
        positions[symbol] = Position(D(amount), D(price), D(price))
    return Portfolio(positions)


def reservation(symbol="ETHUSDT", *, state="issued", plan_id="other", **changes):
    base = Reservation(
        plan_id=plan_id,
        symbol=symbol,
        side=Side.BUY,
        quantity=D("0.04"),
        notional_usdt=D(100),
        state=state,
        expires_at_ms=NOW + 60_000,
    )
    return replace(base, **changes)


def reserved(*reservations, age_ms=0):
    return known(Reservations({r.plan_id: r for r in reservations}, 1), age_ms)


def facts(**changes):
    """Everything known, fresh, flat and calm."""
    base = Facts(
        control=control(),
        rollout=known(100),
        allowlist=known(Allowlist(frozenset(SYMBOLS), Tier.ENV)),
        filters=known(filters()),
        position=known(Position(D(0))),
        book=known(D(0)),
        mark=known(PRICES["BTCUSDT"]),
        portfolio=known(held()),
        volatility=known(SIGMA),
        clusters=known(Clusters(D(0), {}, ())),  # of the empty book: it covers no other
        budget=known(D(10**9)),
        allocation=known(D(10**9)),
        reservations=reserved(),
        trade_cooldown=known(None),
        exec_cooldown=known(None),
        heat_cooldown=known(None),
        open_history=known(()),
        reconcile_hold=known(""),
    )
    return replace(base, **changes)


def holding(amount, **changes):
    """Facts with a position of that amount, in exchange, book and portfolio."""
    mine = {
        "position": known(Position(D(amount), PRICES["BTCUSDT"], PRICES["BTCUSDT"])),
        "book": known(D(amount)),
        "portfolio": known(held(BTCUSDT=D(amount))),
    }
    return facts(**{**mine, **changes})


def permit(gate, for_plan, **changes):
    """A permit that admits `for_plan` at NOW, in the epoch of `control()`."""
    base = Permit(
        gate=gate,
        plan_id=for_plan.plan_id,
        allow=True,
        symbol=for_plan.symbol,
        quantity=for_plan.quantity,
        plan_digest=for_plan.digest,
        epoch=7,
        issued_at_ms=NOW,
        expires_at_ms=NOW + 60_000,
    )
    return replace(base, **changes)


def permits(for_plan, **changes):
    return {gate: permit(gate, for_plan, **changes) for gate in GateName}


def order(status="FILLED", **changes):
    base = VenueOrder(
        order_id="4711",
        client_order_id="qt-abc",
        symbol="BTCUSDT",
        side=Side.BUY,
        status=status,
        order_type="MARKET",
        reduce_only=False,
        original_quantity=D("0.002"),
        executed_quantity=D("0.002"),
        average_price=None,
        update_time_ms=NOW,
    )
    return replace(base, **changes)


# --- every world --------------------------------------------------------------------------------

printable = st.text(
    st.characters(exclude_categories=("C", "Z"), exclude_characters="{}:"), min_size=1, max_size=20
)
wire_text = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)
times_ms = st.integers(100_000_000_000, 4_000_000_000_000)
symbols = st.sampled_from(SYMBOLS)
amounts = st.decimals("-1000", "1000", places=5, allow_nan=False, allow_infinity=False)
positive = st.decimals("0.00001", "1000000", places=5, allow_nan=False, allow_infinity=False)

PLAN_WORDS = frozenset(
    {
        *("plan_id", "decision", "symbol", "side", "type", "order_type", "qty", "quantity"),
        *("reduceOnly", "reduce_only", "source", "action", "kill_score", "timestamp"),
    }
)


def extras(taken):
    """Fields nobody knows, under names that nobody reads; empty values too."""
    names = wire_text.filter(lambda name: name not in taken)
    return st.dictionaries(names, wire_text | st.just(""), max_size=3)


wire_plans = st.builds(
    Plan,
    plan_id=printable,
    decision=st.sampled_from(PlanDecision),
    symbol=symbols,
    side=st.sampled_from(Side),
    quantity=positive,
    reduce_only=st.booleans(),
    source=printable,
    action=st.sampled_from(Action),
    order_type=st.sampled_from(["MARKET", "STOP_MARKET"]),
    kill_score=st.none() | st.decimals(0, 1, places=4),
    timestamp_ms=st.none() | times_ms,
    extra=extras(PLAN_WORDS),
)

INTENT_WORDS = PLAN_WORDS | {"payload", "position_size_usd", "notional_usd"}


@st.composite
def intents(draw):
    by_quantity = draw(st.booleans())
    size = draw(positive)
    return Intent(
        symbol=draw(symbols),
        side=draw(st.sampled_from(Side)),
        quantity=size if by_quantity else None,
        notional_usdt=None if by_quantity else size,
        reduce_only=draw(st.none() | st.booleans()),
        source=draw(st.just("") | printable),
        timestamp_ms=draw(st.none() | times_ms),
        extra=draw(extras(INTENT_WORDS)),
    )


RESULT_WORDS = frozenset(
    {
        *("event_type", "plan_id", "symbol", "executed", "source", "timestamp", "ts", "details"),
        *("side", "qty", "quantity", "filled_qty", "order_id", "orderId", "client_order_id"),
        *("order_status", "error"),
    }
)
results = st.builds(
    Result,
    plan_id=printable,
    symbol=symbols,
    executed=st.booleans(),
    source=printable,
    timestamp_ms=times_ms,
    side=st.sampled_from(["", "BUY", "SELL"]),
    requested_quantity=st.none() | positive,
    filled_quantity=st.just(D(0)) | positive,
    order_id=st.just("") | st.integers(1, 10**12).map(str),
    client_order_id=st.just("") | printable,
    order_status=st.sampled_from(["", "FILLED", "EXPIRED"]),
    error=st.just("") | wire_text,
    details=st.dictionaries(
        wire_text.filter(lambda name: name not in RESULT_WORDS), wire_text, max_size=3
    ),
)

PERMIT_WORDS = frozenset(
    {
        *("plan_id", "gate", "allow", "granted", "permit", "symbol", "reason", "quantity"),
        *("computed_qty", "safe_qty", "safe_close_qty", "plan_digest", "epoch", "issued_at_ms"),
        *("created_at", "expires_at_ms", "sig"),
    }
)
permits_of_any_gate = st.builds(
    Permit,
    gate=st.sampled_from(GateName),
    plan_id=printable,
    allow=st.booleans(),
    symbol=symbols,
    reason=st.just("") | wire_text,
    quantity=st.just(D(0)) | positive,
    plan_digest=st.text("0123456789abcdef", min_size=64, max_size=64),
    epoch=st.integers(0, 10**6),
    issued_at_ms=st.integers(0, 10**13),
    expires_at_ms=st.integers(0, 10**13),
    terms=extras(PERMIT_WORDS),
)

records = st.builds(
    DecisionRecord,
    plan_id=printable,
    gate=st.sampled_from([gate.value for gate in GateName]),
    allow=st.booleans(),
    reason=st.just("") | wire_text,
    symbol=symbols,
    side=st.sampled_from(["BUY", "SELL"]),
    effect=st.sampled_from([effect.value for effect in Effect]),
    decided_at_ms=times_ms,
    detail=st.just("") | wire_text,
    quantity=st.none() | positive,
    terms=st.dictionaries(wire_text, wire_text, max_size=3),
    decided_at_us=st.just(0) | times_ms.map(lambda ms: ms * 1000),
)

OPEN_ACTIONS = (Action.ENTRY_PROPOSED,)
CLOSE_ACTIONS = tuple(FRACTIONS)


@st.composite
def gate_plans(draw, effects=tuple(Effect), *, coherent=True, lanes=tuple(Lane)):
    """A plan as gates see it; `coherent`: action and reduce_only fit each other."""
    reduces = draw(st.sampled_from(effects)) is not Effect.OPEN
    fitting = CLOSE_ACTIONS if reduces else OPEN_ACTIONS
    decisions = list(PlanDecision) if not coherent else [PlanDecision.EXECUTE]
    return plan(
        symbol=draw(symbols),
        side=draw(st.sampled_from(Side)),
        quantity=draw(st.sampled_from([D("0.001"), D("0.002"), D("0.0045"), D(1)]) | positive),
        reduce_only=reduces,
        action=draw(st.sampled_from(fitting if coherent else list(Action))),
        decision=draw(st.sampled_from(decisions)),
        order_type="MARKET" if coherent else draw(st.sampled_from(["MARKET", "STOP_MARKET"])),
        kill_score=draw(st.none() | st.decimals(0, 1, places=2)),
        lane=draw(st.sampled_from(lanes)),
    )


AGES_MS = (0, 1, 9_999, 10_000, 10_001, 30_001, 1_800_001, -1_000, -1_001)
WHYS = ("absent", "unreadable: not JSON", "not requested")


def readings(values):
    """Known at any age, boundaries included, or missing for any reason."""
    fresh = st.builds(Known, values, st.just(NOW))
    aged = st.builds(Known, values, st.sampled_from(AGES_MS).map(lambda age: NOW - age))
    return fresh | fresh | aged | st.builds(Missing, st.sampled_from(WHYS))


_prices = st.sampled_from([D(0), D("0.25"), D(50_000)]) | positive
_positions = st.builds(Position, amounts, positive, _prices)
_stamps = st.none() | st.integers(-70_000, 1_000).map(lambda delta: NOW + delta)
_reservations = st.builds(
    reservation,
    symbols,
    state=st.sampled_from(["issued", "admitted", "unknown", "filled", "garbage"]),
    plan_id=st.sampled_from(["plan-1", "a", "b", "c"]),
    side=st.sampled_from(Side),
    quantity=positive,
    notional_usdt=positive,
    expires_at_ms=st.integers(NOW - 1, NOW + 1),
    filled_at_ms=st.integers(NOW - 1, NOW + 1),
    reduce_only=st.booleans(),
)
_steps = st.sampled_from([D("0.001"), D(1), D("0.1"), D("0.00001")])


_limits_usdt = st.sampled_from([D(0), D(100), D(10**9)]) | positive


def worlds(read=readings):
    """Facts; with `read=fresh` everything is known and fresh."""
    return st.builds(
        Facts,
        control=read(
            st.builds(
                ControlState,
                st.sampled_from(TradingState),
                st.integers(0, 9),
                st.sampled_from(["", "TESTNET", "MAINNET", "DRY_RUN"]),
                st.booleans(),
            )
        ),
        allowlist=read(
            st.builds(Allowlist, st.frozensets(symbols), st.sampled_from(Tier), st.just(""))
        ),
        filters=read(st.builds(filters, market_step=_steps)),
        position=read(_positions | st.just(Position(D(0)))),
        book=read(amounts),
        mark=read(_prices),
        portfolio=read(st.builds(Portfolio, st.dictionaries(symbols, _positions))),
        volatility=read(st.dictionaries(symbols, st.decimals(0, 1, places=3))),
        clusters=read(
            st.builds(
                Clusters,
                st.decimals(0, 1, places=3),
                st.dictionaries(symbols, st.sampled_from(["LONG", "SHORT"])),
                st.just(()),
            )
        ),
        budget=read(_limits_usdt),
        allocation=read(_limits_usdt),
        reservations=read(
            st.lists(_reservations, max_size=3).map(
                lambda some: Reservations({r.plan_id: r for r in some}, 1)
            )
        ),
        trade_cooldown=read(_stamps),
        exec_cooldown=read(_stamps),
        heat_cooldown=read(_stamps),
        open_history=read(st.lists(st.integers(NOW - 4_000_000, NOW), max_size=4).map(tuple)),
        reconcile_hold=read(st.sampled_from(["", "reconcile: drift"])),
    )


def fresh(values):
    return st.builds(Known, values, st.just(NOW))


def calm_worlds():
    """Worlds in which plans do pass now and then: active, listed, no cooldown, book in step."""

    def build(position, step, portfolio, sigma, history, mark):
        return facts(
            position=known(position),
            book=known(position.amount),
            filters=known(filters(market_step=step)),
            portfolio=known(portfolio),
            volatility=known(sigma),
            open_history=known(tuple(history)),
            mark=known(mark),
        )

    small = st.decimals("-1", "1", places=3)
    modest = st.builds(Position, small, positive, st.sampled_from([D(10), D(900)]))
    return st.builds(
        build,
        st.builds(Position, amounts) | st.just(Position(D(0))),
        _steps,
        st.builds(Portfolio, st.dictionaries(symbols, modest)),
        st.fixed_dictionaries({s: st.decimals(0, "0.5", places=3) for s in SYMBOLS}),
        st.lists(st.integers(NOW - 4_000_000, NOW), max_size=3),
        st.sampled_from([D(1), D(100), D(50_000)]),
    )
