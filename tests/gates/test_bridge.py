"""What an intent means for a position, and both sides of every boundary of the bridge's table."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.contracts.decision import Deny
from qtops.contracts.facts import Missing, Portfolio, Position
from qtops.contracts.intent import Intent
from qtops.contracts.plan import Plan
from qtops.contracts.universe import Allowlist, Tier
from qtops.contracts.vocabulary import Action, DenyReason, Side
from qtops.gates.bridge import BridgeLimits, Wish, bridge
from tests.strategies import NOW, D, facts, filters, intents, known, positive, worlds

LIMITS = BridgeLimits()
SHORTS = replace(LIMITS, allow_short=True)
GROW = replace(LIMITS, allow_increase=True)
GONE = Missing("absent")
ENTRY = f"{NOW}-0"
BUY, SELL = Side.BUY, Side.SELL


def wish(side=BUY, qty="0.01", **changes):
    entry_id, seen_in = changes.pop("entry_id", ENTRY), changes.pop("seen_in", "")
    size = {"notional_usdt": D(changes.pop("usd"))} if "usd" in changes else {"quantity": D(qty)}
    return Wish(Intent("BTCUSDT", side, **size, **changes), entry_id, seen_in)


def at(amount=0, age_ms=0, mark=0):
    return known(Position(D(amount), mark_price=D(mark)), age_ms)


def account(equity="10000", age_ms=0, **held):
    rows = {s: Position(D(a), mark_price=D(1000)) for s, a in held.items()}
    return known(Portfolio(rows, None if equity is None else D(equity)), age_ms)


def world(amount=0, **changes):
    book = known(D(amount)) if amount else GONE
    base = {
        "position": at(amount),
        "book": book,
        "mark": known(D(1000)),
        "filters": known(filters()),
        "portfolio": account(),
        "allowlist": known(Allowlist(frozenset({"BTCUSDT"}), Tier.ENV)),
        "exec_cooldown": known(None),
    }
    return facts(**(base | changes))


R = DenyReason
ROWS = {
    # age
    "as-old-as-may-be": (wish(timestamp_ms=NOW - 60_000), world(), LIMITS, None),
    "too-old": (wish(timestamp_ms=NOW - 60_001), world(), LIMITS, R.INTENT_STALE),
    "old-entry": (wish(entry_id=f"{NOW - 60_001}-0"), world(), LIMITS, R.INTENT_STALE),
    "young-words-in-an-old-entry": (
        wish(entry_id=f"{NOW - 60_001}-0", timestamp_ms=NOW),
        world(),
        LIMITS,
        R.INTENT_STALE,
    ),
    "a-second-ahead": (wish(timestamp_ms=NOW + 1000), world(), LIMITS, None),
    "from-the-future": (wish(timestamp_ms=NOW + 1001), world(), LIMITS, R.INTENT_STALE),
    "old-close": (wish(SELL, timestamp_ms=NOW - 60_001), world(1), LIMITS, R.INTENT_STALE),
    # what was a plan already
    "duplicate": (wish(seen_in="1-0"), world(), LIMITS, R.DUPLICATE_INTENT),
    # what it means
    "sell-while-flat": (wish(SELL), world(), LIMITS, R.SHORT_NOT_ALLOWED),
    "sell-while-flat-with-leave": (wish(SELL), world(), SHORTS, None),
    "sell-while-long": (wish(SELL), world(1), LIMITS, None),
    "sell-while-short": (wish(SELL), world(-1), SHORTS, R.POSITION_EXISTS),
    "buy-while-long": (wish(), world(1), LIMITS, R.POSITION_EXISTS),
    "buy-while-long-with-leave": (wish(), world(1), GROW, None),
    "buy-while-short": (wish(), world(-1), LIMITS, None),
    "reduce-only-while-flat": (wish(SELL, reduce_only=True), world(), SHORTS, R.NO_POSITION),
    "reduce-only-that-would-add": (
        wish(reduce_only=True),
        world(1),
        GROW,
        R.CLOSE_SIDE_MISMATCH,
    ),
    "reduce-only-against-the-unknown": (
        wish(SELL, reduce_only=True),
        world(position=GONE),
        LIMITS,
        None,
    ),
    "sell-into-the-unknown": (wish(SELL), world(position=GONE), SHORTS, R.NO_EXCHANGE_SNAPSHOT),
    "buy-into-the-unknown": (wish(), world(position=GONE), LIMITS, R.NO_EXCHANGE_SNAPSHOT),
    "snapshot-just-fresh": (wish(), world(position=at(0, 10_000)), LIMITS, None),
    "snapshot-stale": (wish(), world(position=at(0, 10_001)), LIMITS, R.STALE_EXCHANGE_STATE),
    "dust-is-flat-if-so-said": (
        wish(),
        world("0.001"),
        replace(LIMITS, flat_eps=D("0.001")),
        None,
    ),
    "dust-is-a-position": (wish(), world("0.001"), LIMITS, R.POSITION_EXISTS),
    "limit-order": (wish(extra={"type": "limit"}), world(), LIMITS, R.ORDER_TYPE_NOT_ALLOWED),
    # the policy
    "unlisted-open": (
        wish(),
        world(allowlist=known(Allowlist(frozenset({"X"}), Tier.ENV))),
        LIMITS,
        R.SYMBOL_NOT_IN_ALLOWLIST,
    ),
    "unlisted-close": (
        wish(SELL),
        world(1, allowlist=known(Allowlist(frozenset(), Tier.ENV))),
        LIMITS,
        None,
    ),
    "no-policy": (wish(), world(allowlist=GONE), LIMITS, R.ALLOWLIST_UNKNOWN),
    "policy-just-fresh": (
        wish(),
        world(allowlist=known(Allowlist(frozenset({"BTCUSDT"}), Tier.ENV), 3_600_000)),
        LIMITS,
        None,
    ),
    "policy-stale": (
        wish(),
        world(allowlist=known(Allowlist(frozenset({"BTCUSDT"}), Tier.ENV), 3_600_001)),
        LIMITS,
        R.POLICY_STALE,
    ),
    # the book
    "no-book-yet": (wish(), world(book=GONE), LIMITS, None),
    "no-book-and-one-is-demanded": (
        wish(),
        world(book=GONE),
        replace(LIMITS, require_ledger=True),
        R.LEDGER_UNKNOWN,
    ),
    "flat-book-is-a-book": (
        wish(),
        world(book=known(D(0))),
        replace(LIMITS, require_ledger=True),
        None,
    ),
    "unreadable-book": (wish(), world(book=Missing("unreadable: x")), LIMITS, R.LEDGER_UNKNOWN),
    "book-says-long": (
        wish(),
        world(book=known(D(1))),
        LIMITS,
        R.RECONCILE_REQUIRED_SIDE_MISMATCH,
    ),
    "close-against-the-book": (wish(SELL), world(1, book=known(D(-1))), LIMITS, None),
    # churn
    "held-long-enough": (wish(), world(exec_cooldown=known(NOW - 900_000)), LIMITS, None),
    "flip-too-soon": (
        wish(),
        world(exec_cooldown=known(NOW - 899_999)),
        LIMITS,
        R.MIN_HOLD_ACTIVE,
    ),
    "a-close-never-waits": (wish(SELL), world(1, exec_cooldown=known(NOW)), LIMITS, None),
    "last-fill-unknown": (wish(), world(exec_cooldown=GONE), LIMITS, R.COOLDOWN_UNKNOWN),
    # size and exposure; one BTC is 1000
    "at-the-cap": (wish(qty=3), world(), LIMITS, None),
    "above-the-cap": (wish(qty="3.001"), world(), LIMITS, R.NOTIONAL_PER_TRADE_EXCEEDED),
    "a-close-has-no-cap": (wish(SELL, qty=5), world(5), LIMITS, None),
    "no-mark": (wish(), world(mark=GONE), LIMITS, R.MARK_PRICE_UNAVAILABLE),
    "mark-just-fresh": (wish(), world(mark=known(D(1000), 30_000)), LIMITS, None),
    "mark-stale": (wish(), world(mark=known(D(1000), 30_001)), LIMITS, R.MARK_PRICE_UNAVAILABLE),
    "usd-without-mark": (wish(usd=50), world(mark=GONE), LIMITS, R.MARK_PRICE_UNAVAILABLE),
    "usd-close-at-an-old-mark": (
        wish(SELL, usd=50),
        world(1, mark=known(D(1000), 99_000)),
        LIMITS,
        None,
    ),
    "usd-close-at-the-snapshots-mark": (
        wish(SELL, usd=50),
        world(1, mark=GONE, position=at(1, mark=1000)),
        LIMITS,
        None,
    ),
    "usd-close-without-any-price": (
        wish(SELL, usd=50),
        world(1, mark=GONE),
        LIMITS,
        R.MARK_PRICE_UNAVAILABLE,
    ),
    "no-filters": (wish(), world(filters=GONE), LIMITS, R.FILTERS_UNKNOWN),
    "close-without-filters": (wish(SELL), world(1, filters=GONE), LIMITS, None),
    "below-a-step": (wish(qty="0.0009"), world(), LIMITS, R.QUANTITY_BELOW_STEP),
    "at-the-exposure-limit": (wish(qty=2), world(portfolio=account(ETHUSDT=6)), LIMITS, None),
    "above-the-exposure-limit": (
        wish(qty="2.001"),
        world(portfolio=account(ETHUSDT=-6)),
        LIMITS,
        R.EXPOSURE_LIMIT_EXCEEDED,
    ),
    "no-equity": (wish(), world(portfolio=account(None)), LIMITS, R.EQUITY_UNKNOWN),
    "equity-of-nothing": (wish(), world(portfolio=account(0)), LIMITS, R.EQUITY_UNKNOWN),
    "equity-just-fresh": (wish(), world(portfolio=account(age_ms=30_000)), LIMITS, None),
    "equity-stale": (
        wish(),
        world(portfolio=account(age_ms=30_001)),
        LIMITS,
        R.EQUITY_UNKNOWN,
    ),
    "no-equity-and-no-limit": (
        wish(),
        world(portfolio=GONE),
        replace(LIMITS, max_exposure_pct=D(0)),
        None,
    ),
}


@pytest.mark.parametrize(("asked", "read", "limits", "reason"), ROWS.values(), ids=ROWS.keys())
def test_the_table(asked, read, limits, reason):
    answer = bridge(asked, read, NOW, limits)
    assert (answer.reason if isinstance(answer, Deny) else None) == reason


CLOSES = {
    "whole": ("1", Action.FULL_CLOSE_PROPOSED, "1"),
    "more-than-there-is": ("7", Action.FULL_CLOSE_PROPOSED, "1"),
    "most": ("0.751", Action.FULL_CLOSE_PROPOSED, "0.751"),
    "three-quarters": ("0.75", Action.PARTIAL_75, "0.75"),
    "above-half": ("0.501", Action.PARTIAL_75, "0.501"),
    "half": ("0.5", Action.PARTIAL_50, "0.5"),
    "above-a-quarter": ("0.251", Action.PARTIAL_50, "0.251"),
    "a-quarter-unfloored": ("0.2509", Action.PARTIAL_25, "0.25"),
}


@pytest.mark.parametrize(("qty", "action", "quantity"), CLOSES.values(), ids=CLOSES.keys())
@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("said", [None, True, False])
def test_an_order_against_the_position_is_a_close_of_what_it_says(
    qty, action, quantity, side, said
):
    plan = bridge(wish(side, qty, reduce_only=said), world(-side.sign), NOW, LIMITS)
    assert isinstance(plan, Plan)
    assert (plan.reduce_only, plan.action, plan.quantity) == (True, action, D(quantity))


def test_dollars_become_base_units_at_the_mark_and_are_never_rounded_up():
    plan = bridge(wish(usd="59.99"), world(), NOW, LIMITS)
    assert plan.quantity == D("0.059")


def test_what_the_producer_says_besides_is_kept_and_cannot_pass_for_the_plans_own_word():
    extra = {"leverage": "3", "stop_loss": "900", "plan_id": "p1", "kill_score": "1"}
    plan = bridge(wish(source="grid", extra=extra), world(), NOW, LIMITS)
    assert plan.source == "intent_bridge"
    assert plan.kill_score is None
    assert plan.extra == {
        "leverage": "3",
        "stop_loss": "900",
        "intent_plan_id": "p1",
        "intent_kill_score": "1",
        "intent_entry": ENTRY,
        "intent_source": "grid",
    }
    assert replace(Plan.from_fields(plan.to_fields()), digest="") == plan


def test_a_size_in_base_units_gives_the_originals_plan_id():
    from qtops.audits.trace_records import intent_plan_id

    assert wish(qty="0.010").plan_id == intent_plan_id(ENTRY, "BTCUSDT", "BUY", "0.01")
    assert wish(usd="0.01").plan_id != wish(qty="0.01").plan_id


def test_an_intent_is_known_by_its_producers_own_id_or_by_its_entry():
    own = {"signal_id": "s1"}
    assert wish().identity == ENTRY
    assert wish(extra=own).identity == wish(extra=own, entry_id="5-0").identity
    assert wish(extra=own).identity != wish(extra=own, source="other").identity


def fresh(intent):
    return Wish(replace(intent, timestamp_ms=NOW, extra={}), ENTRY)


@given(intent=intents(), read=worlds(), loose=st.booleans())
def test_a_reduce_only_intent_never_becomes_an_open(intent, read, loose):
    limits = replace(LIMITS, allow_short=loose, allow_increase=loose)
    answer = bridge(fresh(replace(intent, reduce_only=True)), read, NOW, limits)
    assert isinstance(answer, Deny) or answer.reduce_only


@given(read=worlds(), side=st.sampled_from(Side), qty=positive)
def test_a_reduction_in_base_units_is_refused_for_nothing_that_is_missing(read, side, qty):
    asked = fresh(Intent("BTCUSDT", side, quantity=qty, reduce_only=True))
    answer = bridge(asked, read, NOW, LIMITS)
    if isinstance(answer, Deny):
        facts_against = {R.NO_POSITION, R.CLOSE_SIDE_MISMATCH, R.QUANTITY_BELOW_STEP}
        assert answer.reason in facts_against


@given(intent=intents(), first=worlds(), then=worlds())
def test_the_same_intent_has_the_same_plan_id_whatever_the_world_is_like(intent, first, then):
    plans = [bridge(fresh(intent), read, NOW, SHORTS) for read in (first, then)]
    ids = {plan.plan_id for plan in plans if isinstance(plan, Plan)}
    assert ids <= {fresh(intent).plan_id}
