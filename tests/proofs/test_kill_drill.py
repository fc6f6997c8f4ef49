"""How a kill under load is judged: by the exchange's own list of orders."""

from decimal import Decimal

import pytest

from qtops.contracts.drill import Landed
from qtops.ports import SendingOrder
from qtops.proofs.flatten import ClosingOrder, Flattening
from qtops.proofs.kill_drill import DrillRound, load_plans

KILLED_US, SWEPT_US = 1_000_000, 1_005_000
NAMED = [SendingOrder("p", "qt-named", 9_000)]
OURS = ClosingOrder("BTCUSDT", "qt-ours", "1", "FILLED", Decimal(1), Decimal(1))
EARLY = Landed("qt-early", "BTCUSDT", 999)


def seen(*landed, flat=True, published=None, error=""):
    return DrillRound(
        "none",
        acknowledged_us=KILLED_US,
        swept_us=SWEPT_US,
        named=NAMED,
        published={"qt-early": 900_000, **(published or {})},
        landed=list(landed),
        flattening=Flattening(orders={"qt-ours": OURS}, flat=flat, error=error),
    )


ROUNDS = {
    "the load before the kill": ([EARLY], "held"),
    "our own close afterwards": ([EARLY, Landed("qt-ours", "BTCUSDT", 2_000)], "held"),
    "one that was named and lands late": ([EARLY, Landed("qt-named", "X", 1_900)], "held"),
    "one that landed before the search ended": ([EARLY, Landed("qt-x", "X", 1_005)], "held"),
    "one that nobody named": (
        [EARLY, Landed("qt-x", "X", 1_006)],
        "1 orders admitted after the kill",
    ),
    "nothing to stop": ([Landed("qt-ours", "X", 2_000)], "no load: nothing was stopped"),
}


@pytest.mark.parametrize("case", ROUNDS)
def test_an_order_after_the_kill_must_have_been_named(case):
    landed, verdict = ROUNDS[case]
    assert seen(*landed).verdict == verdict


def test_an_order_of_a_plan_published_after_the_kill_is_never_excused():
    named = seen(EARLY, Landed("qt-named", "X", 999), published={"qt-named": KILLED_US + 1})
    assert named.admitted_after == ["qt-named"]
    before = seen(EARLY, Landed("qt-named", "X", 999), published={"qt-named": KILLED_US})
    assert before.verdict == "held"


def test_a_round_that_is_not_flat_does_not_hold():
    assert seen(EARLY, flat=False).verdict == "not flat"
    assert seen(EARLY, flat=False, error="silence").verdict == "flat is unknown"


def test_the_load_opens_and_closes_and_no_plan_has_the_id_of_another():
    plans = [plan for _, plan in zip(range(8), load_plans("s"), strict=False)]
    assert len({plan.plan_id for plan in plans}) == 8
    assert [plan.reduce_only for plan in plans[:4]] == [True, False, True, True]
