"""Every gate against its table, and every check against the question what it is there for."""

import inspect
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import qtops.gates
from qtops.contracts.decision import Allow, Deny
from qtops.contracts.vocabulary import DenyReason, Effect
from qtops.gates import bridge, common
from qtops.gates.base import Gate
from qtops.gates.governor import GOVERNOR, GovernorLimits
from qtops.gates.portfolio import PORTFOLIO_GATE, PortfolioLimits
from qtops.gates.position import POSITION_GATE, PositionLimits
from tests.gates import rows_governor, rows_portfolio, rows_position
from tests.gates.rows_common import said

NOW = 1_770_000_000_000
TABLES = {
    GOVERNOR: (GovernorLimits(), rows_governor.ROWS),
    PORTFOLIO_GATE: (PortfolioLimits(), rows_portfolio.ROWS),
    POSITION_GATE: (PositionLimits(), rows_position.ROWS),
}
CASES = [
    pytest.param(gate, default, row, id=f"{gate.name}-{name}")
    for gate, (default, rows) in TABLES.items()
    for name, row in rows.items()
]


def decide(gate, default, row):
    return gate.decide(row.plan, row.facts, NOW, row.limits or default)


@pytest.mark.parametrize(("gate", "default", "row"), CASES)
def test_the_gate_says_what_its_table_says(gate, default, row):
    decision = decide(gate, default, row)
    assert said(decision) == row.expect, decision
    if isinstance(decision, Allow):
        assert decision.terms.items() >= row.terms.items()


def outcome(gate, default, row):
    try:
        decision = decide(gate, default, row)
    except LookupError as fault:
        return type(fault)
    return said(decision)


# A plan is a close only if its action and reduceOnly agree.
BY_DEFINITION = {("action_agrees", Effect.CLOSE)}
CHECKS = [
    pytest.param(gate, check, effect, id=f"{gate.name}-{check.name}-for-{effect.value}")
    for gate in TABLES
    for check in gate.checks
    for effect in Effect
    if effect in check.applies and (check.name, effect) not in BY_DEFINITION
]


@pytest.mark.parametrize(("gate", "check", "effect"), CHECKS)
def test_every_check_earns_its_place(gate, check, effect):
    default, rows = TABLES[gate]
    lesser = gate.without(check)
    mine = [row for row in rows.values() if row.plan.effect is effect]
    assert any(outcome(lesser, default, row) != row.expect for row in mine)


@pytest.mark.parametrize("effect", Effect)
@pytest.mark.parametrize("gate", TABLES, ids=lambda gate: gate.name)
def test_a_table_lets_every_kind_of_plan_pass(gate, effect):
    _, rows = TABLES[gate]
    mine = [row.expect for row in rows.values() if row.plan.effect is effect]
    assert any(not isinstance(expect, DenyReason) for expect in mine)


def gate_modules():
    for file in sorted(Path(qtops.gates.__file__).parent.glob("*.py")):
        if file.stem != "__init__":
            yield import_module(f"qtops.gates.{file.stem}")


def is_check(function):
    """A rule by its shape: (plan, facts, now_ms, limits) and a denial or nothing."""
    signature = inspect.signature(function)
    names = ["plan", "facts", "now_ms", "limits"]
    return list(signature.parameters) == names and signature.return_annotation == (Deny | None)


def rules_of(module: ModuleType):
    functions = inspect.getmembers(module, inspect.isfunction)
    return {f for _, f in functions if f.__module__ == module.__name__ and is_check(f)}


def in_tables():
    """Every rule that decides: those of the gates, and the bridge's, which has tests of its own."""
    of_gates = {check.rule for gate in TABLES for check in gate.checks}
    return of_gates | {check.rule for check in bridge.CHECKS}


@pytest.mark.parametrize("module", list(gate_modules()), ids=lambda module: module.__name__)
def test_every_gate_module_is_registered(module):
    gates = [value for value in vars(module).values() if isinstance(value, Gate)]
    assert all(gate in TABLES for gate in gates)
    assert rules_of(module) <= in_tables()


def test_the_search_for_checks_finds_them():
    assert common.action_agrees in rules_of(common)
    assert {rule for module in gate_modules() for rule in rules_of(module)} == in_tables()


@pytest.mark.parametrize("gate", TABLES, ids=lambda gate: gate.name)
def test_a_gate_runs_the_common_checks_first(gate):
    assert gate.checks[: len(common.COMMON_CHECKS)] == common.COMMON_CHECKS
    assert len({check.name for check in gate.checks}) == len(gate.checks)


@pytest.mark.parametrize("quantity", ["0", "-1"])
def test_a_gate_never_allows_nothing(quantity):
    row = rows_position.ROWS["a-calm-open"]
    careless = Gate(GOVERNOR.name, GOVERNOR.checks, lambda *_: Allow(Decimal(quantity)))
    decision = careless.decide(row.plan, row.facts, NOW, GovernorLimits())
    assert decision.reason is DenyReason.QUANTITY_BELOW_STEP


def test_a_gate_without_checks_cannot_be_made():
    with pytest.raises(ValueError, match="allow everything"):
        Gate(GOVERNOR.name, (), GOVERNOR.grant)
