"""The position gate's table: both sides of every boundary."""

from dataclasses import replace

from qtops.contracts.facts import Missing, Position
from qtops.contracts.universe import Allowlist, Tier
from qtops.contracts.vocabulary import Action, DenyReason, Lane, PlanDecision, Side
from qtops.gates.position import PositionLimits
from tests.gates.rows_common import Row, common_rows
from tests.strategies import (
    NOW,
    PRICES,
    D,
    close,
    control,
    facts,
    filters,
    holding,
    known,
    plan,
)

UNIVERSE = (Tier.ACTIVE, Tier.LAST_OK)
LIMITS = PositionLimits()
GROW = replace(LIMITS, allow_increase=True)
RECONCILE = {"decision": PlanDecision.RECONCILE_CLOSE}


BY_HAND = close(lane=Lane.MANUAL)
LANE_OPEN = {"control": control(manual_lane=True)}


def opens(expect, *, order=None, limits=LIMITS, amount=0, **changes):
    return Row(order or plan(), holding(amount, **changes), expect, limits)


def closes(expect, *, amount=10, order=None, limits=LIMITS, **changes):
    return Row(order or close(), holding(amount, **changes), expect, limits)


def seen(amount, age_ms):
    price = PRICES["BTCUSDT"]
    return {"position": known(Position(D(amount), price, price), age_ms)}


def listed(tier, *symbols):
    return known(Allowlist(frozenset(symbols), tier))


def _allowlist_rows():
    other = {"allowlist": listed(Tier.ENV, "ETHUSDT")}
    delisted = {tier: {"allowlist": listed(tier, "ETHUSDT")} for tier in UNIVERSE}
    return {
        "an-unlisted-open": opens(DenyReason.SYMBOL_NOT_IN_ALLOWLIST, **other),
        "an-unlisted-close": closes(DenyReason.SYMBOL_NOT_IN_ALLOWLIST, **other),
        "an-empty-allowlist-admits-none": opens(
            DenyReason.SYMBOL_NOT_IN_ALLOWLIST, allowlist=listed(Tier.ENV)
        ),
        **{
            f"a-listed-open-{tier}": opens("0.002", allowlist=listed(tier, "BTCUSDT"))
            for tier in Tier
        },
        **{
            f"an-open-of-what-the-exchange-does-not-list-{tier}": opens(
                DenyReason.SYMBOL_NOT_IN_ALLOWLIST, **only
            )
            for tier, only in delisted.items()
        },
        **{
            f"a-close-of-what-the-exchange-does-not-list-{tier}": closes("10", **only)
            for tier, only in delisted.items()
        },
    }


def _age_rows():
    stale = DenyReason.STALE_EXCHANGE_STATE
    return {
        "open-on-a-snapshot-at-its-age-limit": opens("0.002", **seen(0, 10_000)),
        "open-on-a-snapshot-one-millisecond-too-old": opens(stale, **seen(0, 10_001)),
        "close-on-a-snapshot-at-its-age-limit": closes("10", **seen(10, 10_000)),
        "close-on-a-snapshot-one-millisecond-too-old": closes(stale, **seen(10, 10_001)),
        "close-on-a-snapshot-from-the-near-future": closes("10", **seen(10, -1_000)),
        "close-on-a-snapshot-from-the-future": closes(stale, **seen(10, -1_001)),
        "close-without-a-snapshot": closes(
            DenyReason.NO_EXCHANGE_SNAPSHOT, position=Missing("absent")
        ),
    }


def _open_rows():
    sell = plan(side=Side.SELL)
    return {
        "open-on-a-long": opens(DenyReason.POSITION_EXISTS, amount=1),
        "open-on-a-short": opens(DenyReason.POSITION_EXISTS, order=sell, amount=-1),
        "more-of-a-long-by-leave": opens("0.002", amount=1, limits=GROW),
        "more-of-a-short-by-leave": opens("0.002", order=sell, amount=-1, limits=GROW),
        "buy-against-a-short": opens(DenyReason.WOULD_FLIP, amount=-1),
        "sell-against-a-long": opens(DenyReason.WOULD_FLIP, order=sell, amount=1),
        "against-a-long-even-by-leave": opens(
            DenyReason.WOULD_FLIP, order=sell, amount=1, limits=GROW
        ),
        "against-a-hair-of-a-position": opens(
            DenyReason.WOULD_FLIP, order=sell, amount=D("0.00001"), limits=GROW
        ),
        "an-open-is-floored-to-the-step": opens("0.002", order=plan(quantity=D("0.002999"))),
        "an-open-of-one-step": opens("0.001", order=plan(quantity=D("0.001"))),
        "an-open-below-one-step": opens(
            DenyReason.QUANTITY_BELOW_STEP, order=plan(quantity=D("0.000999"))
        ),
        "the-step-is-the-market-lots": opens(
            "5",
            order=plan(quantity=D("5.9")),
            filters=known(filters(lot_step=D("0.1"), market_step=D(1))),
        ),
        "an-open-does-not-ask-the-book": opens("0.002", book=Missing("absent")),
    }


def _close_rows():
    mismatch = DenyReason.CLOSE_SIDE_MISMATCH
    buy = close(side=Side.BUY)
    return {
        "nothing-to-close": closes(DenyReason.NO_POSITION, amount=0),
        "sell-closes-a-long": closes("10"),
        "buy-closes-a-short": closes("10", order=buy, amount=-10),
        "buy-on-a-long": closes(mismatch, order=buy),
        "sell-on-a-short": closes(mismatch, amount=-10),
        "a-close-is-clamped-to-the-position": closes("10", order=close(quantity=D(11))),
        "a-close-may-be-smaller": closes("9", order=close(quantity=D(9))),
        "the-reference-scenarios-trx": closes(
            "8944",
            amount=17_889,
            order=close(quantity=D("8944.5")),
            filters=known(filters(market_step=D(1))),
        ),
        "the-reference-scenarios-eth": closes(
            "3.339", amount=D("6.678"), order=close(quantity=D("3.339"))
        ),
        "three-quarters": closes("7.5", order=close(action=Action.PARTIAL_75)),
        "a-half": closes("5", order=close(action=Action.PARTIAL_50)),
        "a-quarter": closes("2.5", order=close(action=Action.PARTIAL_25)),
        "a-quarter-in-whole-steps": closes(
            "2",
            order=close(action=Action.PARTIAL_25),
            filters=known(filters(market_step=D(1))),
        ),
        "less-than-one-step": closes(
            DenyReason.QUANTITY_BELOW_STEP,
            amount=D("0.9"),
            book=known(D("0.9")),
            filters=known(filters(market_step=D(1))),
        ),
        "without-rules-the-executor-floors": closes(
            "0.12345",
            amount=D("0.12345"),
            order=close(quantity=D(1)),
            filters=Missing("absent"),
        ),
    }


def _book_rows():
    side = DenyReason.RECONCILE_REQUIRED_SIDE_MISMATCH
    quantity = DenyReason.RECONCILE_REQUIRED_QTY_MISMATCH
    small = D("0.05")
    return {
        "book-on-the-other-side": closes(side, book=known(D("-0.001"))),
        "book-on-the-other-side-of-a-short": closes(
            side, order=close(side=Side.BUY), amount=-10, book=known(D(10))
        ),
        "book-at-the-tolerance": closes("10", book=known(D("9.9"))),
        "book-one-step-beyond": closes(quantity, book=known(D("9.899"))),
        "book-above-at-the-tolerance": closes("10", book=known(D("10.1"))),
        "book-above-one-step-beyond": closes(quantity, book=known(D("10.101"))),
        "a-short-at-the-tolerance": closes(
            "10", order=close(side=Side.BUY), amount=-10, book=known(D("-9.9"))
        ),
        "a-short-one-step-beyond": closes(
            quantity, order=close(side=Side.BUY), amount=-10, book=known(D("-9.899"))
        ),
        "a-small-position-within-one-step": closes("0.05", amount=small, book=known(D("0.049"))),
        "a-small-position-beyond-one-step": closes(
            quantity, amount=small, book=known(D("0.04899"))
        ),
        "an-empty-book": closes(quantity, book=known(D(0))),
        "the-operator-closes-against-the-books-side": closes(
            "10", order=BY_HAND, book=known(D(-10)), **LANE_OPEN
        ),
        "the-operator-closes-against-the-books-quantity": closes(
            "10", order=BY_HAND, book=known(D(5)), **LANE_OPEN
        ),
        "a-reconcile-close-repairs-the-side": closes(
            "10", order=close(**RECONCILE), book=known(D(-10))
        ),
        "a-reconcile-close-repairs-the-quantity": closes(
            "10", order=close(action=Action.RECONCILE_CLOSE), book=known(D(3))
        ),
        "without-rules-only-per-cent-counts": closes(
            quantity, amount=small, book=known(D("0.049")), filters=Missing("absent")
        ),
    }


def _waiting_rows():
    wait, hold = DenyReason.COOLDOWN_IN_FLIGHT, DenyReason.RECONCILE_HOLD_ACTIVE
    return {
        "cooldown-just-over": closes("10", exec_cooldown=known(NOW - 15_000)),
        "cooldown-one-millisecond-left": closes(wait, exec_cooldown=known(NOW - 14_999)),
        "cooldown-just-over-for-an-open": opens("0.002", exec_cooldown=known(NOW - 15_000)),
        "cooldown-one-millisecond-left-for-an-open": opens(wait, exec_cooldown=known(NOW - 14_999)),
        "a-hold-lets-the-operators-close-through": closes(
            "10", order=BY_HAND, reconcile_hold=known("drift"), **LANE_OPEN
        ),
        "a-hold-stops-the-operators-open": opens(
            hold,
            order=replace(plan(), lane=Lane.MANUAL),
            reconcile_hold=known("drift"),
            **LANE_OPEN,
        ),
        "a-hold-lets-a-close-through": closes("10", reconcile_hold=known("drift")),
        "a-hold-stops-an-open": opens(hold, reconcile_hold=known("drift")),
        "a-hold-lets-its-repair-through": closes(
            "10", order=close(**RECONCILE), reconcile_hold=known("drift")
        ),
    }


def _partial_rows():
    """Every rule that holds for a full close holds for a partial one."""
    half = close(action=Action.PARTIAL_50, quantity=D(5))
    return {
        "half-of-an-unlisted": closes(
            DenyReason.SYMBOL_NOT_IN_ALLOWLIST, order=half, allowlist=listed(Tier.ENV)
        ),
        "half-of-nothing": closes(DenyReason.NO_POSITION, order=half, amount=0),
        "half-on-the-wrong-side": closes(DenyReason.CLOSE_SIDE_MISMATCH, order=half, amount=-10),
        "half-with-the-book-on-the-other-side": closes(
            DenyReason.RECONCILE_REQUIRED_SIDE_MISMATCH, order=half, book=known(D(-10))
        ),
        "half-with-another-quantity-in-the-book": closes(
            DenyReason.RECONCILE_REQUIRED_QTY_MISMATCH, order=half, book=known(D(9))
        ),
        "half-during-the-cooldown": closes(
            DenyReason.COOLDOWN_IN_FLIGHT, order=half, exec_cooldown=known(NOW - 14_999)
        ),
        "half-under-a-hold": closes("5", order=half, reconcile_hold=known("drift")),
    }


def _term_rows():
    return {
        "a-permit-says-what-it-saw": Row(
            close(),
            holding(10, book=known(D("9.95"))),
            "10",
            LIMITS,
            {"exchange_position_amt": "10", "ledger_amt": "9.95"},
        ),
        "an-open-says-what-it-saw": Row(
            plan(), facts(), "0.002", LIMITS, {"exchange_position_amt": "0"}
        ),
    }


ROWS = {
    **common_rows(),
    **_allowlist_rows(),
    **_age_rows(),
    **_open_rows(),
    **_close_rows(),
    **_book_rows(),
    **_waiting_rows(),
    **_partial_rows(),
    **_term_rows(),
}
