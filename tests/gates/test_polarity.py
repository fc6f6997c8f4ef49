"""What a missing, stale or unreadable input does, for every gate, input and kind of order.

The table is written by hand, from SPEC §3: it blocks opens, always; it blocks a reduction only
where the reduction is unverified without it. `-` stands for "goes on".
"""

from dataclasses import replace

import pytest

from qtops.cli.docs_contracts import gates_markdown
from qtops.contracts.decision import Allow
from qtops.contracts.facts import Facts, Known, Missing
from qtops.contracts.vocabulary import Action, DenyReason, Effect, FactName, GateMode
from qtops.gates.governor import GOVERNOR, GovernorLimits
from qtops.gates.portfolio import PORTFOLIO_GATE, PortfolioLimits
from qtops.gates.position import POSITION_GATE, PositionLimits
from tests.strategies import NOW, D, close, holding, plan

ENFORCE = GateMode.ENFORCE
GATES = {
    "governor": (GOVERNOR, GovernorLimits(budget_mode=ENFORCE, allocation_mode=ENFORCE)),
    "portfolio": (PORTFOLIO_GATE, PortfolioLimits()),
    "position": (POSITION_GATE, PositionLimits()),
}

# gate | input | missing or unreadable: open, reduce, close | stale: open, reduce, close; its limit
EXPECTED = """
governor  | control        | control_unknown control_unknown control_unknown |
governor  | rollout        | rollout_unknown - -                             |
governor  | mark           | mark_price_unavailable - -                      | mark_price_unavailable - - 10000
governor  | portfolio      | positions_unknown - -                           | positions_unknown - - 10000
governor  | reservations   | reservations_unknown - -                        |
governor  | trade_cooldown | cooldown_unknown - -                            |
governor  | open_history   | history_unknown - -                             |
governor  | budget         | p28_budget_unknown - -                          | p28_budget_unknown - - 60000
governor  | allocation     | p29_allocation_unknown - -                      | p29_allocation_unknown - - 60000
portfolio | control        | control_unknown control_unknown control_unknown |
portfolio | mark           | fail_closed_portfolio_state - -                 | fail_closed_portfolio_state - - 30000
portfolio | portfolio      | fail_closed_portfolio_state - -                 | fail_closed_portfolio_state - - 30000
portfolio | volatility     | fail_closed_portfolio_state - -                 | fail_closed_portfolio_state - - 1800000
portfolio | clusters       | - - -                                           | - - - 120000
portfolio | heat_cooldown  | - - -                                           |
position  | control        | control_unknown control_unknown control_unknown |
position  | allowlist      | allowlist_unknown - -                           |
position  | filters        | filters_unknown - -                             |
position  | position       | no_exchange_snapshot no_exchange_snapshot no_exchange_snapshot | \
stale_exchange_state stale_exchange_state stale_exchange_state 10000
position  | book           | - - -                                           |
position  | exec_cooldown  | cooldown_unknown - -                            |
position  | reconcile_hold | hold_unknown - -                                |
"""  # noqa: E501  a table reads best in rows


def rows():
    for line in EXPECTED.strip().splitlines():
        gate, fact, missing, stale = (cell.strip() for cell in line.split("|"))
        yield gate, FactName(fact), missing.split(), stale.split()


TABLE = {(gate, fact): (missing, stale) for gate, fact, missing, stale in rows()}
PLANS = {
    Effect.OPEN: plan(),
    Effect.REDUCE: close(action=Action.PARTIAL_50),
    Effect.CLOSE: close(),
}
WHYS = {"missing": Missing("absent"), "unreadable": Missing("unreadable: not JSON")}
INPUTS = tuple(FactName)


def world(effect):
    return holding(0 if effect is Effect.OPEN else 10)


def told(gate, limits, effect, facts):
    decision = gate.decide(PLANS[effect], facts, NOW, limits)
    return "-" if isinstance(decision, Allow) else decision.reason.value


@pytest.mark.parametrize("effect", Effect)
@pytest.mark.parametrize("gate", GATES)
def test_with_every_input_the_plan_passes(gate, effect):
    assert told(*GATES[gate], effect, world(effect)) == "-"


@pytest.mark.parametrize("effect", Effect)
@pytest.mark.parametrize("state", WHYS)
@pytest.mark.parametrize("fact", INPUTS)
@pytest.mark.parametrize("gate", GATES)
def test_an_input_that_cannot_be_had(gate, fact, state, effect):
    expected = TABLE.get((gate, fact), (["-"] * 3, []))[0]
    facts = replace(world(effect), **{fact.value: WHYS[state]})
    assert told(*GATES[gate], effect, facts) == expected[list(Effect).index(effect)]


@pytest.mark.parametrize("effect", Effect)
@pytest.mark.parametrize("fact", INPUTS)
@pytest.mark.parametrize("gate", GATES)
def test_an_input_that_is_too_old(gate, fact, effect):
    stale = TABLE.get((gate, fact), ([], []))[1]
    calm = world(effect)

    def aged(age_ms):
        value = getattr(calm, fact.value).value
        facts = replace(calm, **{fact.value: Known(value, NOW - age_ms)})
        return told(*GATES[gate], effect, facts)

    if not stale:
        assert aged(10**12) == "-", "age has no meaning for it"
        return
    *expected, limit = stale
    assert aged(int(limit)) == "-"
    assert aged(int(limit) + 1) == expected[list(Effect).index(effect)]


@pytest.mark.parametrize("gate", GATES)
def test_a_gate_asks_for_the_inputs_of_the_table_and_no_others(gate):
    assert GATES[gate][0].facts == {fact for name, fact in TABLE if name == gate}


@pytest.mark.parametrize("gate", GATES)
def test_with_only_what_it_asks_for_a_gate_decides_all_the_same(gate):
    for effect in Effect:
        wanted = {fact.value for fact in GATES[gate][0].facts}
        calm = world(effect)
        asked = Facts(**{name: getattr(calm, name) for name in wanted})
        assert told(*GATES[gate], effect, asked) == "-"


@pytest.mark.parametrize("effect", [Effect.REDUCE, Effect.CLOSE])
def test_a_reduction_needs_the_switches_and_the_position_and_nothing_else(effect):
    calm = world(effect)
    bare = Facts(control=calm.control, position=calm.position)
    for gate, limits in GATES.values():
        assert told(gate, limits, effect, bare) == "-"


def test_what_a_reduction_may_do_without_inputs_is_still_bounded_by_the_position():
    calm = world(Effect.CLOSE)
    bare = Facts(control=calm.control, position=calm.position)
    decision = POSITION_GATE.decide(close(quantity=D(11)), bare, NOW, PositionLimits())
    assert decision.quantity == D(10)


@pytest.mark.parametrize("gate", GATES)
def test_the_gates_own_account_of_its_polarity_is_the_table(gate):
    gate_object = GATES[gate][0]
    account = {(f, e): r for f, e, r, _ in gate_object.polarity() if r is not None}
    expected = {
        (fact, effect): DenyReason(word)
        for (name, fact), (missing, _) in TABLE.items()
        if name == gate
        for effect, word in zip(Effect, missing, strict=True)
        if word != "-"
    }
    assert account == expected
    aged = {f for f, _, _, has_age in gate_object.polarity() if has_age}
    assert aged == {fact for (name, fact), (_, stale) in TABLE.items() if name == gate and stale}


def test_the_documented_table_is_this_one():
    page = gates_markdown()
    for gate, fact, missing, stale in rows():
        section = page.split(f"## {GATES[gate][0].name.value}\n")[1].split("\n## ")[0]
        for state, words in (("missing", missing), ("stale", stale[:3])):
            documented = [
                row for row in section.splitlines() if row.startswith(f"| `{fact.value}`")
            ]
            found = [row for row in documented if f"| {state} |" in row]
            assert len(found) == bool(words)
            cells = found[0].split(" | ")[2:] if found else []
            for cell, word in zip(cells, words, strict=True):
                assert (f"deny `{word}`" in cell) == (word != "-")
