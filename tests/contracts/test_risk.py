"""Cluster states, budgets and targets as stored: a round trip, and what is refused."""

import pytest

from qtops.contracts.facts import Clusters, Known, Missing
from qtops.contracts.risk import (
    Cluster,
    ClusterState,
    SymbolBudget,
    decode_budget,
    decode_clusters,
    decode_target,
)
from qtops.errors import DecodeError
from tests.strategies import NOW, D

SIDES = {"BTCUSDT": "LONG", "ETHUSDT": "SHORT"}
CLUSTERS = (
    Cluster(("BTCUSDT",), D("0.6"), D("0.6"), D(1)),
    Cluster(("ETHUSDT",), D("0.4"), D("0.4"), D(1)),
)
STATE = ClusterState(NOW, SIDES, CLUSTERS, 17).to_fields()
BUDGET = SymbolBudget("BTCUSDT", D("106.8"), D("57.0312"), {"stress": D("0.466")}, "NORMAL", ("a",))


def test_a_state_comes_back():
    found = decode_clusters(STATE)
    assert found == Known(Clusters(D("0.52"), SIDES, (("BTCUSDT",), ("ETHUSDT",))), NOW)
    assert (STATE["clusters_count"], STATE["points"]) == ("2", "17")


def test_a_state_that_is_not_ready_is_missing_even_with_a_number_beside_it():
    fields = ClusterState(NOW, SIDES, why="klines absent").to_fields()
    assert decode_clusters({**fields, "cluster_stress": "0"}) == Missing("not ready: klines absent")


def test_budget_and_target_come_back():
    assert decode_budget(BUDGET.budget_fields(NOW)) == Known(D("106.8"), NOW)
    fields = BUDGET.target_fields(NOW)
    assert decode_target(fields) == Known(D("57.0312"), NOW)
    assert (fields["stress"], fields["reasons"]) == ("0.466", "a")


@pytest.mark.parametrize(
    "broken",
    [
        {"cluster_stress": "1.5"},
        {"cluster_stress": "-0.1"},
        {"cluster_stress": ""},
        {"clusters": "[3]"},
        {"clusters": "not JSON"},
        {"symbols": "[]"},
        {"ready": "perhaps"},
        {"observed_at_ms": ""},
    ],
)
def test_a_state_that_cannot_be_read_is_refused(broken):
    with pytest.raises(DecodeError):
        decode_clusters({**STATE, **broken})


@pytest.mark.parametrize("amount", ["-1", "NaN", "", "much"])
def test_an_amount_that_is_none_is_refused(amount):
    with pytest.raises(DecodeError):
        decode_budget({**BUDGET.budget_fields(NOW), "budget_usdt": amount})
    with pytest.raises(DecodeError):
        decode_target({**BUDGET.target_fields(NOW), "target_usdt": amount})
