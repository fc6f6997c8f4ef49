"""The metrics keep the original's names, and docs/operations.md lists exactly what is exported."""

import re
from decimal import Decimal
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from qtops.contracts.decision import Allow, Deny
from qtops.contracts.facts import Facts, Known, Position
from qtops.contracts.registry import Service
from qtops.contracts.vocabulary import DenyReason, GateName
from qtops.services.metrics.breakers import BreakerMetrics
from qtops.services.metrics.executor import ExecutorMetrics
from qtops.services.metrics.feeders import AccountMetrics, UserStreamMetrics
from qtops.services.metrics.gates import GateMetrics
from qtops.services.metrics.harvest import ApplyMetrics, HarvestMetrics, HeatMetrics
from qtops.services.metrics.loop import LoopMetrics
from qtops.services.metrics.polling import PollMetrics
from qtops.services.metrics.risk import BudgetMetrics, ClusterMetrics

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


def exported() -> set[str]:
    names = set()
    for fill in (
        lambda r: LoopMetrics(r, Service.GOVERNOR),
        *(lambda r, g=gate: GateMetrics(r, g) for gate in GateName),
        ExecutorMetrics,
        AccountMetrics,
        *(lambda r, s=s: PollMetrics(r, s) for s in (Service.SNAPSHOTS, Service.MARKET_STATE)),
        HarvestMetrics,
        HeatMetrics,
        ApplyMetrics,
        ClusterMetrics,
        BudgetMetrics,
        UserStreamMetrics,
        BreakerMetrics,
    ):
        registry = CollectorRegistry()
        fill(registry)
        names |= {_sample(family) for family in registry.collect()}
    return names


def _sample(family) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


def test_the_operations_page_lists_every_metric_and_no_other():
    listed = set(re.findall(r"^\| `([a-z0-9_]+)` \|", OPERATIONS.read_text(), re.MULTILINE))
    assert listed == exported()


@pytest.mark.parametrize(
    ("gate", "allowed", "denied"),
    [
        (GateName.GOVERNOR, "quantum_govern_allow_total", "quantum_govern_block_total"),
        (GateName.PORTFOLIO, "p26_permit_issued_total", "p26_permit_refused_total"),
        (GateName.POSITION, "p33_permit_allow_total", "p33_permit_deny_total"),
    ],
)
def test_decisions_are_counted_under_the_originals_names(gate, allowed, denied):
    registry = CollectorRegistry()
    metrics = GateMetrics(registry, gate)
    metrics.observe("BTCUSDT", Allow(Decimal(1)), Facts(), 0.001)
    metrics.observe("BTCUSDT", Deny(DenyReason.NO_POSITION), Facts(), 0.001)
    assert registry.get_sample_value(allowed) == 1
    assert registry.get_sample_value(denied, {"reason": "no_position"}) == 1


def test_the_position_behind_the_last_decision_is_visible():
    registry = CollectorRegistry()
    metrics = GateMetrics(registry, GateName.POSITION)
    facts = Facts(position=Known(Position(Decimal("-2.5")), 0), book=Known(Decimal(-2), 0))
    metrics.observe("ETHUSDT", Allow(Decimal(1)), facts, 0.001)
    text = generate_latest(registry).decode()
    assert 'p33_exchange_position_amt{symbol="ETHUSDT"} -2.5' in text
    assert 'p33_ledger_position_amt{symbol="ETHUSDT"} -2.0' in text


def test_results_are_counted_by_outcome_and_reason_without_the_detail():
    registry = CollectorRegistry()
    metrics = ExecutorMetrics(registry)
    metrics.settled(executed=True, error="", seconds=0.01)
    metrics.settled(executed=False, error="permit_missing:governor", seconds=8)
    assert registry.get_sample_value("intent_executor_processed_total") == 2
    name = "intent_executor_refused_total"
    assert registry.get_sample_value(name, {"reason": "permit_missing"}) == 1
