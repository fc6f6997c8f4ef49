"""The quantity to send: a reduction is bounded by the position, an open never grows."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.contracts.decision import Deny
from qtops.contracts.vocabulary import DenyReason, GateName, Side
from qtops.gates.sizing import SendFacts, order_quantity
from tests.strategies import D, amounts, close, filters, permits, plan, positive

P26, P33 = GateName.PORTFOLIO, GateName.POSITION


def leave(asked, safe=None, fraction=None):
    """Permits for `asked` with that safe quantity and that fraction."""
    granted = permits(asked)
    if safe is not None:
        granted[P33] = replace(granted[P33], quantity=D(safe))
    if fraction is not None:
        granted[P26] = replace(granted[P26], terms={"fraction": fraction})
    return granted


def send(amount=None, mark=50_000, **rules):
    price = None if mark is None else D(mark)
    return SendFacts(None if amount is None else D(amount), filters(**rules), price)


def told(asked, granted, facts, **more):
    answer = order_quantity(asked, granted, facts, **more)
    return answer.reason if isinstance(answer, Deny) else answer


TRX = {"market_step": D(1), "market_min": D(1), "market_max": D(10**7)}
long_close, short_close = close(), close(side=Side.BUY)
REDUCTIONS = {
    "all-of-it": (long_close, leave(long_close), send(10), D(10)),
    "a-short": (short_close, leave(short_close), send(-10), D(10)),
    "the-position-shrank-meanwhile": (long_close, leave(long_close), send(4), D(4)),
    "the-position-grew-meanwhile": (long_close, leave(long_close), send(40), D(10)),
    "the-plan-asks-less": (close(quantity=D(3)), leave(long_close), send(10), D(3)),
    "the-position-gate-allows-less": (long_close, leave(long_close, safe=7), send(10), D(7)),
    "the-portfolio-gate-allows-half": (
        long_close,
        leave(long_close, fraction="0.5"),
        send(10),
        D(5),
    ),
    "half-of-what-is-left": (long_close, leave(long_close, fraction="0.5"), send(4), D(2)),
    "without-a-fraction": (long_close, leave(long_close, fraction=""), send(10), D(10)),
    "floored-to-the-step": (
        close(quantity=D("8944.5")),
        leave(close(quantity=D("8944.5"))),
        send(17_889, **TRX),
        D(8944),
    ),
    "a-quarter-floored": (
        long_close,
        leave(long_close, fraction="0.25"),
        send(10, **TRX),
        D(2),
    ),
    "the-largest-market-order": (
        close(quantity=D(500)),
        leave(close(quantity=D(500))),
        send(500),
        D(120),
    ),
    "the-largest-market-order-in-whole-steps": (
        close(quantity=D(500)),
        leave(close(quantity=D(500))),
        send(500, market_step=D(7)),
        D(119),
    ),
    "below-the-minimum-notional-is-fine": (
        close(quantity=D("0.001")),
        leave(close(quantity=D("0.001"))),
        send("0.001", min_notional=D(10**9)),
        D("0.001"),
    ),
    "without-a-mark-is-fine": (long_close, leave(long_close), send(10, mark=None), D(10)),
    "unread-position": (
        long_close,
        leave(long_close),
        send(None),
        DenyReason.NO_EXCHANGE_SNAPSHOT,
    ),
    "flat-meanwhile": (long_close, leave(long_close), send(0), DenyReason.NO_POSITION),
    "flipped-meanwhile": (
        long_close,
        leave(long_close),
        send(-10),
        DenyReason.CLOSE_SIDE_MISMATCH,
    ),
    "flipped-meanwhile-from-short": (
        short_close,
        leave(short_close),
        send(10),
        DenyReason.CLOSE_SIDE_MISMATCH,
    ),
    "less-than-a-step": (
        long_close,
        leave(long_close),
        send("0.9", **TRX),
        DenyReason.QUANTITY_BELOW_STEP,
    ),
    "safe-quantity-of-zero": (
        long_close,
        leave(long_close, safe=0),
        send(10),
        DenyReason.QUANTITY_BELOW_STEP,
    ),
    "fraction-above-one": (
        long_close,
        leave(long_close, fraction="1.5"),
        send(10),
        DenyReason.PERMIT_UNREADABLE,
    ),
    "fraction-below-zero": (
        long_close,
        leave(long_close, fraction="-0.5"),
        send(10),
        DenyReason.PERMIT_UNREADABLE,
    ),
    "fraction-of-no-number": (
        long_close,
        leave(long_close, fraction="half"),
        send(10),
        DenyReason.PERMIT_UNREADABLE,
    ),
}


@pytest.mark.parametrize(
    ("asked", "granted", "facts", "expected"), REDUCTIONS.values(), ids=REDUCTIONS.keys()
)
def test_a_reduction_is_bounded_by_everything(asked, granted, facts, expected):
    assert told(asked, granted, facts) == expected


def opening(quantity):
    asked = plan(quantity=D(quantity))
    return asked, leave(asked)


OPENS = {
    "as-asked": (*opening("0.002"), send(0), D("0.002")),
    "floored": (*opening("0.0029"), send(0), D("0.002")),
    "the-position-gate-allows-less": (
        plan(),
        leave(plan(), safe="0.001"),
        send(0),
        D("0.001"),
    ),
    "the-position-gate-allows-more": (plan(), leave(plan(), safe=9), send(0), D("0.002")),
    "the-position-is-not-asked": (*opening("0.002"), send(None), D("0.002")),
    "at-the-minimum": (*opening("0.001"), send(0), D("0.001")),
    "below-a-step": (*opening("0.0009"), send(0), DenyReason.MIN_QUANTITY),
    "below-the-minimum-quantity": (
        *opening("0.002"),
        send(0, market_min=D("0.003")),
        DenyReason.MIN_QUANTITY,
    ),
    "at-the-maximum": (*opening(120), send(0), D(120)),
    "above-the-maximum": (*opening("120.001"), send(0), DenyReason.MAX_QUANTITY),
    "at-the-minimum-notional": (*opening("0.002"), send(0, min_notional=D(100)), D("0.002")),
    "below-the-minimum-notional": (
        *opening("0.002"),
        send(0, min_notional=D("100.01")),
        DenyReason.MIN_NOTIONAL,
    ),
    "below-it-only-after-flooring": (
        *opening("0.0029"),
        send(0, min_notional=D("100.01")),
        DenyReason.MIN_NOTIONAL,
    ),
    "without-a-mark": (
        *opening("0.002"),
        send(0, mark=None),
        DenyReason.MARK_PRICE_UNAVAILABLE,
    ),
}


@pytest.mark.parametrize(
    ("asked", "granted", "facts", "expected"), OPENS.values(), ids=OPENS.keys()
)
def test_an_open_is_floored_and_then_checked(asked, granted, facts, expected):
    assert told(asked, granted, facts) == expected


@pytest.mark.parametrize(
    ("own", "expected"),
    [("100", D("0.002")), ("100.01", DenyReason.MIN_NOTIONAL)],
    ids=["at-our-own-minimum", "below-our-own-minimum"],
)
def test_our_own_minimum_notional_counts_when_it_is_higher(own, expected):
    asked, granted = opening("0.002")
    assert told(asked, granted, send(0), min_notional_usdt=D(own)) == expected


steps = st.sampled_from(["0.001", "1", "0.1", "3"]).map(D)


@given(
    quantity=positive,
    safe=positive,
    amount=amounts,
    side=st.sampled_from(Side),
    fraction=st.decimals(0, 1, places=2),
    step=steps,
)
def test_a_reduction_never_exceeds_the_position_and_never_flips_it(
    quantity, safe, amount, side, fraction, step
):
    asked = close(quantity=quantity, side=side)
    granted = leave(asked, safe=safe, fraction=str(fraction))
    answer = order_quantity(asked, granted, send(amount, market_step=step))
    if isinstance(answer, Deny):
        return
    assert 0 < answer <= min(quantity, safe, abs(amount) * fraction)
    assert answer % step == 0
    assert (amount + side.sign * answer) * amount >= 0


@given(quantity=positive, safe=positive, step=steps, minimum=positive)
def test_an_open_never_grows(quantity, safe, step, minimum):
    asked = plan(quantity=quantity)
    facts = send(0, market_step=step, min_notional=minimum, market_max=D(10**6))
    answer = order_quantity(asked, leave(asked, safe=safe), facts)
    if isinstance(answer, Deny):
        return
    assert 0 < answer <= min(quantity, safe)
    assert answer % step == 0
    assert answer * D(50_000) >= minimum
