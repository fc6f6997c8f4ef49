"""The governor's table: both sides of every boundary."""

from dataclasses import replace

from qtops.contracts.facts import Missing
from qtops.contracts.vocabulary import Action, DenyReason, GateMode, Lane, Side, TradingState
from qtops.gates.governor import GovernorLimits
from tests.gates.rows_common import Row, common_rows
from tests.strategies import (
    NOW,
    PRICES,
    D,
    close,
    control,
    facts,
    held,
    holding,
    known,
    plan,
    reservation,
    reserved,
)

LIMITS = GovernorLimits()
HOUR, BURST = 3_600_000, 300_000
OTHERS = {f"S{n}USDT": 1 for n in range(10)}


def opens(expect, *, order=None, limits=LIMITS, **changes):
    return Row(order or plan(), facts(**changes), expect, limits)


def history(*ages):
    return {"open_history": known(tuple(NOW - age for age in ages))}


def _cooldown_rows():
    denied = DenyReason.SYMBOL_COOLDOWN
    mine = {"symbol": "BTCUSDT", "quantity": D("0.002")}
    return {
        "cooldown-just-over": opens("0.002", trade_cooldown=known(NOW - 60_000)),
        "cooldown-one-millisecond-left": opens(denied, trade_cooldown=known(NOW - 59_999)),
        "cooldown-written-in-the-future": opens(denied, trade_cooldown=known(NOW + 5)),
        "another-open-of-the-symbol-in-flight": opens(
            denied, reservations=reserved(reservation(**mine))
        ),
        "its-permit-expires-in-a-millisecond": opens(
            denied, reservations=reserved(reservation(**mine, expires_at_ms=NOW + 1))
        ),
        "its-permit-has-just-expired": opens(
            "0.002", reservations=reserved(reservation(**mine, expires_at_ms=NOW))
        ),
        "an-admitted-one-does-not-expire": opens(
            denied, reservations=reserved(reservation(**mine, state="admitted", expires_at_ms=NOW))
        ),
        "filled-at-the-moment-of-the-snapshot": opens(
            denied, reservations=reserved(reservation(**mine, state="filled", filled_at_ms=NOW))
        ),
        "filled-before-the-snapshot": opens(
            "0.002",
            reservations=reserved(reservation(**mine, state="filled", filled_at_ms=NOW - 1)),
        ),
        "the-plans-own-reservation": opens(
            "0.002", reservations=reserved(reservation(**mine, plan_id="plan-1"))
        ),
        "a-close-of-the-symbol-in-flight": opens(
            "0.002",
            reservations=reserved(
                reservation(**mine, state="admitted", side=Side.SELL, reduce_only=True)
            ),
        ),
    }


def _mode_rows():
    dry = {"control": control(mode="dry_run")}
    half = close(action=Action.PARTIAL_50, quantity=D(5))
    return {
        "an-open-in-a-dry-run": opens(DenyReason.MODE_FORBIDS, **dry),
        "a-close-in-a-dry-run": Row(close(), facts(**dry), DenyReason.MODE_FORBIDS),
        "a-half-in-a-dry-run": Row(half, facts(**dry), DenyReason.MODE_FORBIDS),
        "an-open-in-no-mode": opens("0.002", control=control(mode="")),
    }


def _rollout_rows():
    """BTCUSDT stands at place 26; `tests/contracts/test_control.py` pins it."""
    return {
        "an-open-just-inside-the-rollout": opens("0.002", rollout=known(27)),
        "an-open-just-outside-the-rollout": opens(DenyReason.ROLLOUT_EXCLUDED, rollout=known(26)),
        "an-operators-open-outside-the-rollout": opens(
            "0.002",
            order=plan(lane=Lane.MANUAL),
            rollout=known(0),
            control=control(manual_lane=True),
        ),
        "a-close-outside-the-rollout": Row(close(), holding(10, rollout=known(0)), "10", LIMITS),
    }


def _unresolved_rows():
    mine = {"symbol": "BTCUSDT", "state": "unknown", "quantity": D("0.002")}
    return {
        "an-order-of-unknown-outcome": opens(
            DenyReason.UNRESOLVED_ORDER, reservations=reserved(reservation(**mine))
        ),
        "a-close-of-unknown-outcome": opens(
            DenyReason.UNRESOLVED_ORDER,
            reservations=reserved(reservation(**mine, reduce_only=True)),
        ),
        "unknown-long-after-its-expiry": opens(
            DenyReason.UNRESOLVED_ORDER,
            reservations=reserved(reservation(**mine, expires_at_ms=NOW - 10**9)),
        ),
        "unknown-for-another-symbol": opens(
            "0.002", reservations=reserved(reservation(state="unknown"))
        ),
        "an-unknown-order-does-not-hold-a-close": Row(
            close(), holding(10, reservations=reserved(reservation(**mine))), "10", LIMITS
        ),
    }


def _rate_rows():
    hourly, burst = DenyReason.HOURLY_LIMIT_EXCEEDED, DenyReason.BURST_LIMIT_EXCEEDED
    return {
        "third-open-of-the-hour": opens("0.002", **history(HOUR - 1, BURST)),
        "fourth-open-of-the-hour": opens(hourly, **history(HOUR - 1, BURST, BURST)),
        "the-hour-is-over": opens("0.002", **history(HOUR, BURST, BURST)),
        "second-open-in-five-minutes": opens("0.002", **history(BURST - 1)),
        "third-open-in-five-minutes": opens(burst, **history(BURST - 1, 0)),
        "the-five-minutes-are-over": opens("0.002", **history(BURST, 0)),
    }


def _trade_rows():
    denied, unknown = DenyReason.NOTIONAL_PER_TRADE_EXCEEDED, DenyReason.MARK_PRICE_UNAVAILABLE
    mark = PRICES["BTCUSDT"]
    return {
        "trade-at-its-cap": opens("0.004", order=plan(quantity=D("0.004"))),
        "trade-just-over-its-cap": opens(denied, order=plan(quantity=D("0.00400001"))),
        "trade-over-its-cap-by-price": opens(
            denied, order=plan(quantity=D("0.004")), mark=known(D("50000.01"))
        ),
        "mark-at-its-age-limit": opens("0.002", mark=known(mark, 10_000)),
        "mark-one-millisecond-too-old": opens(unknown, mark=known(mark, 10_001)),
        "mark-from-the-near-future": opens("0.002", mark=known(mark, -1_000)),
        "mark-from-the-future": opens(unknown, mark=known(mark, -1_001)),
        "a-mark-of-zero-is-no-price": opens(unknown, mark=known(D(0))),
    }


def _count_rows():
    denied, unknown = DenyReason.MAX_POSITIONS_REACHED, DenyReason.POSITIONS_UNKNOWN
    nine = dict.fromkeys(list(OTHERS)[:9], 1)
    flat = {"ETHUSDT": 0}
    return {
        "tenth-position": opens("0.002", portfolio=known(held(**nine))),
        "eleventh-position": opens(denied, portfolio=known(held(**OTHERS))),
        "more-of-one-of-ten": opens("0.002", portfolio=known(held(**nine, BTCUSDT=D("0.001")))),
        "a-flat-symbol-is-no-position": opens("0.002", portfolio=known(held(**nine, **flat))),
        "a-reservation-takes-the-tenth-place": opens(
            denied, portfolio=known(held(**nine)), reservations=reserved(reservation())
        ),
        "an-expired-one-gives-it-back": opens(
            "0.002",
            portfolio=known(held(**nine)),
            reservations=reserved(reservation(expires_at_ms=NOW)),
        ),
        "a-fill-after-the-snapshot-takes-it": opens(
            denied,
            portfolio=known(held(**nine), 5),
            reservations=reserved(reservation(state="filled", filled_at_ms=NOW - 5)),
        ),
        "a-state-nobody-knows-takes-it": opens(
            denied, portfolio=known(held(**nine)), reservations=reserved(reservation(state="?"))
        ),
        "portfolio-at-its-age-limit": opens("0.002", portfolio=known(held(), 10_000)),
        "portfolio-one-millisecond-too-old": opens(unknown, portfolio=known(held(), 10_001)),
        "portfolio-from-the-near-future": opens("0.002", portfolio=known(held(), -1_000)),
        "portfolio-from-the-future": opens(unknown, portfolio=known(held(), -1_001)),
        "a-limit-of-none-admits-none": opens(denied, limits=replace(LIMITS, max_open_positions=0)),
    }


def _total_rows():
    denied = DenyReason.TOTAL_NOTIONAL_EXCEEDED
    over = D("0.76004")  # 1900.10 USDT; with the plan's 100 one tenth above the cap
    return {
        "total-at-its-cap": opens("0.002", portfolio=known(held(ETHUSDT=D("0.76")))),
        "total-just-over-its-cap": opens(denied, portfolio=known(held(ETHUSDT=over))),
        "a-short-counts-like-a-long": opens(denied, portfolio=known(held(ETHUSDT=-over))),
        "more-of-the-same-long": opens(denied, portfolio=known(held(BTCUSDT=D("0.03801")))),
        "against-a-long-within-the-cap": opens(
            "0.002", order=plan(side=Side.SELL), portfolio=known(held(BTCUSDT=D("0.04")))
        ),
        "a-held-long-offsets-nothing": opens(
            denied,
            order=plan(side=Side.SELL, quantity=D("0.004")),
            limits=replace(LIMITS, max_total_notional_usdt=D(199)),
            portfolio=known(held(BTCUSDT=D("0.003"))),
        ),
        "the-plans-symbol-at-the-newest-mark": opens(
            denied,
            portfolio=known(held(BTCUSDT=(D("0.038"), 10_000))),
            mark=known(D(50_001)),
        ),
        "a-reservation-at-the-cap": opens(
            "0.002", reservations=reserved(reservation(notional_usdt=D(1900)))
        ),
        "a-reservation-over-the-cap": opens(
            denied, reservations=reserved(reservation(notional_usdt=D("1900.01")))
        ),
        "reservation-and-position-of-one-symbol-add-up": opens(
            denied,
            portfolio=known(held(ETHUSDT=D("0.4"))),
            reservations=reserved(reservation(quantity=D("0.3605"), notional_usdt=D("901.25"))),
        ),
        "a-reservation-at-a-higher-price-than-the-snapshots": opens(
            denied,
            portfolio=known(held(ETHUSDT=D("0.38"))),
            reservations=reserved(reservation(quantity=D("0.38"), notional_usdt=D(988))),
        ),
        "the-same-at-the-snapshots-price": opens(
            "0.002",
            portfolio=known(held(ETHUSDT=D("0.38"))),
            reservations=reserved(reservation(quantity=D("0.38"), notional_usdt=D(950))),
        ),
        "a-buy-and-a-sell-of-one-symbol-do-not-add-up": opens(
            "0.002",
            portfolio=known(held(ETHUSDT=D("0.4"))),
            reservations=reserved(
                reservation(side=Side.SELL, quantity=D("0.3605"), notional_usdt=D("901.25"))
            ),
        ),
        "a-reserved-close-adds-nothing": opens(
            "0.002",
            portfolio=known(held(ETHUSDT=D("0.76"))),
            reservations=reserved(reservation(reduce_only=True, side=Side.SELL)),
        ),
        "a-position-without-a-price": opens(
            DenyReason.POSITIONS_UNKNOWN, portfolio=known(held(ETHUSDT=(1, 0)))
        ),
    }


def _budget_rows():
    """The plan adds 100 USDT to what is held and reserved."""
    p28, p29 = DenyReason.P28_BUDGET_VIOLATION, DenyReason.P29_ALLOCATION_CAP
    no28, no29 = DenyReason.P28_BUDGET_UNKNOWN, DenyReason.P29_ALLOCATION_UNKNOWN
    gone = Missing("absent")
    by28 = {"limits": replace(LIMITS, budget_mode=GateMode.ENFORCE)}
    by29 = {"limits": replace(LIMITS, allocation_mode=GateMode.ENFORCE)}
    long = {"portfolio": known(held(BTCUSDT=D("0.002")))}
    short = {"portfolio": known(held(BTCUSDT=D("-0.006")))}
    sold = reservation("BTCUSDT", side=Side.SELL, quantity=D("0.006"), reduce_only=True)
    return {
        "at-its-budget": opens("0.002", budget=known(D(100)), **by28),
        "just-over-its-budget": opens(p28, budget=known(D("99.99")), **by28),
        "the-position-counts-in-its-budget": opens(p28, budget=known(D("199.99")), **long, **by28),
        "position-and-plan-at-its-budget": opens("0.002", budget=known(D(200)), **long, **by28),
        "a-larger-short-is-the-worst-case": opens(p28, budget=known(D("299.99")), **short, **by28),
        "a-position-elsewhere-does-not-count": opens(
            "0.002", budget=known(D(100)), portfolio=known(held(ETHUSDT=D("0.1"))), **by28
        ),
        "a-reservation-elsewhere-does-not-count": opens(
            "0.002", budget=known(D(100)), reservations=reserved(reservation()), **by28
        ),
        "a-close-in-flight-frees-nothing": opens(
            "0.002", budget=known(D(100)), reservations=reserved(sold), **by28
        ),
        "a-budget-of-zero": opens(p28, budget=known(D(0)), **by28),
        "no-budget": opens(no28, budget=gone, **by28),
        "a-budget-at-its-age-limit": opens("0.002", budget=known(D(100), 60_000), **by28),
        "a-budget-one-millisecond-too-old": opens(no28, budget=known(D(100), 60_001), **by28),
        "a-target-is-not-asked-for-the-budget": opens("0.002", allocation=gone, **by28),
        "at-its-target": opens("0.002", allocation=known(D(100)), **by29),
        "just-over-its-target": opens(p29, allocation=known(D("99.99")), **by29),
        "no-target": opens(no29, allocation=gone, **by29),
        "a-target-at-its-age-limit": opens("0.002", allocation=known(D(100), 60_000), **by29),
        "a-target-one-millisecond-too-old": opens(no29, allocation=known(D(100), 60_001), **by29),
        "a-budget-is-not-asked-for-the-target": opens("0.002", budget=gone, **by29),
        "shadow-says-what-the-budget-forbids": Row(
            plan(),
            facts(budget=known(D("99.99")), allocation=known(D(100), 60_001)),
            "0.002",
            LIMITS,
            {
                "p28_would_deny": "p28_budget_violation: 100.00 > 99.99 USDT",
                "p29_would_deny": "p29_allocation_unknown: "
                "allocation is 60001 ms old, limit 60000 ms",
            },
        ),
        "shadow-says-that-there-is-no-budget": Row(
            plan(),
            facts(budget=gone),
            "0.002",
            LIMITS,
            {"p28_would_deny": "p28_budget_unknown: budget absent"},
        ),
        "a-close-needs-no-budget": Row(
            close(), holding(10, budget=gone, allocation=gone), "10", by28["limits"]
        ),
    }


def _bypass_rows():
    full = {
        "portfolio": known(held(**OTHERS, BTCUSDT=10)),
        "trade_cooldown": known(NOW),
        **history(0, 0, 0, 0),
        "control": control(TradingState.REDUCING),
    }
    return {
        "closes-bypass-every-cap": Row(close(), holding(10, **full), "10", LIMITS),
        "a-close-says-its-notional": Row(
            close(), holding(10), "10", LIMITS, {"computed_notional": "500000"}
        ),
        "an-open-says-its-notional": Row(
            plan(), facts(), "0.002", LIMITS, {"computed_notional": "100", "decision": "EXECUTE"}
        ),
    }


ROWS = {
    **common_rows(),
    **_cooldown_rows(),
    **_mode_rows(),
    **_rollout_rows(),
    **_unresolved_rows(),
    **_rate_rows(),
    **_trade_rows(),
    **_count_rows(),
    **_total_rows(),
    **_budget_rows(),
    **_bypass_rows(),
}
