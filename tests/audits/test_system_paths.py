"""Where a path breaks first, and what is only idle."""

from itertools import pairwise

import pytest

from qtops.audits.system_paths import Signs, judge_paths, trace_paths
from qtops.contracts.check import Verdict
from qtops.contracts.facts import Missing
from qtops.contracts.path_report import HopState
from qtops.contracts.system_reading import CodeReading, UnitReading, UnitState
from qtops.reports.flow import flow_of

NOW_MS = 10_000_000
NO_UNITS = Missing("systemd is not the init here")
GATES = frozenset({"governor", "portfolio-gate", "position-gate"})


def signs(units=NO_UNITS, faults=(), beating=frozenset(), **ages_s):
    newest = {name.replace("_", "."): NOW_MS - age * 1000 for name, age in ages_s.items()}
    return Signs(NOW_MS, units, newest, faults, frozenset(beating))


def path(letter, one):
    return next(path for path in trace_paths(one) if path.letter == letter)


def states(letter, one):
    return {hop.name: hop.state.value for hop in path(letter, one).hops}


def unit(name, active="active", **code):
    return UnitReading(UnitState(f"qtops-{name}.service", "loaded", active), CodeReading(**code))


def test_nothing_at_all_is_unknown_and_no_pass():
    assert {result.verdict for result in judge_paths(trace_paths(signs()))} == {Verdict.UNKNOWN}


A = {
    "everything flows": (
        signs(beating={"executor"}, apply_plan=5, gate_decision=5, apply_result=5),
        "working",
        "working",
    ),
    "idle": (signs(beating=GATES | {"executor"}), "working", "working"),
    "idle for an hour": (signs(apply_plan=4000, gate_decision=4000), "idle", "absent"),
    "plans without decision": (
        signs(beating=GATES, apply_plan=120, gate_decision=4000),
        "broken",
        "absent",
    ),
    "the answer may still come": (
        signs(beating=GATES, apply_plan=30, gate_decision=4000),
        "idle",
        "absent",
    ),
    "plans, and no sign of gates": (signs(apply_plan=120), "absent", "absent"),
    "the executor does not answer": (
        signs(beating={"executor"}, apply_plan=120, gate_decision=5, apply_result=800),
        "working",
        "working",
    ),
    "nor did it in the window": (
        signs(beating={"executor"}, apply_plan=120, gate_decision=5, apply_result=1000),
        "working",
        "broken",
    ),
}


@pytest.mark.parametrize(("one", "gates", "executor"), A.values(), ids=A)
def test_gates_and_executor_owe_an_answer(one, gates, executor):
    found = states("A", one)
    assert (found["gates"], found["executor"]) == (gates, executor)


def test_a_proposer_owes_none():
    assert states("C", signs(beating={"harvest"}, portfolio_state=1))["proposals"] == "working"


def test_a_group_that_strands_its_input_breaks_its_own_hop_only():
    faults = [("apply.plan", "quantum:x:intent_executor", "7 lost unread")]
    found = states("A", signs(faults=faults, beating=GATES | {"executor"}))
    assert (found["gates"], found["executor"]) == ("working", "broken")


def test_the_first_broken_hop_decides_and_leads_on():
    units = [unit("harvest", "failed", conflict_line=3), unit("apply-layer", "failed")]
    found = path("C", signs(units, portfolio_state=1))
    broken = [hop.name for hop in found.hops if hop.state is HopState.BROKEN]
    assert broken == ["proposals", "apply layer"]
    [result] = [r for r in judge_paths([found]) if r.check == "paths.C"]
    assert "first at proposals" in result.title
    assert "merge-conflict markers" in result.title
    assert result.fix == "journalctl -u qtops-harvest.service -n 50"


def test_an_active_unit_alone_is_unknown():
    found = path("B", signs([unit("exit-monitor")], portfolio_state=1))
    assert [hop.state.value for hop in found.hops] == ["working", "unknown"]
    [result] = judge_paths([found])
    assert (result.verdict, result.title) == (
        Verdict.UNKNOWN,
        "nothing is broken, and nothing shows that exits works",
    )


def test_the_drawing_has_a_box_a_hop_and_nothing_overlaps():
    paths = trace_paths(signs(beating=GATES))
    flow = flow_of(paths)
    assert [len(lane.boxes) for lane in flow.lanes] == [len(path.hops) for path in paths]
    for lane in flow.lanes:
        xs = [box.x for box in lane.boxes]
        assert all(right - left > flow.box for left, right in pairwise(xs))
        assert xs[-1] + flow.box < flow.exchange_x
    assert flow_of([]) is None
