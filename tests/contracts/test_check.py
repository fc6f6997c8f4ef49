"""The published score: what a pass, a warning, a failure and not knowing are worth."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.contracts.check import (
    CheckReport,
    CheckResult,
    Score,
    Severity,
    Standing,
    Verdict,
    Waiver,
    score_of,
)

WAIVER = Waiver("*", "*", "ann", "known", date(2026, 12, 31))


def result(verdict, severity=Severity.P1, waiver=None, check="env.permissions"):
    return CheckResult(check, "x.env", verdict, severity, "title", waiver=waiver)


results = st.lists(
    st.builds(result, st.sampled_from(Verdict), st.sampled_from(Severity)), max_size=12
)


@pytest.mark.parametrize(
    ("verdicts", "score"),
    [
        ([], Score(None, 0)),
        ([(Verdict.UNKNOWN, Severity.P0)], Score(None, 0)),
        ([(Verdict.PASS, Severity.P3)], Score(100, 100)),
        ([(Verdict.WARN, Severity.P0)], Score(50, 100)),
        ([(Verdict.FAIL, Severity.P0)], Score(0, 100)),
        ([(Verdict.PASS, Severity.P0), (Verdict.FAIL, Severity.P1)], Score(66, 100)),
        ([(Verdict.PASS, Severity.P2), (Verdict.UNKNOWN, Severity.P0)], Score(100, 20)),
    ],
)
def test_the_score_by_hand(verdicts, score):
    assert score_of(result(*pair) for pair in verdicts) == score


@given(results)
def test_not_knowing_more_never_raises_the_coverage_nor_changes_the_value(found):
    before, after = score_of(found), score_of([*found, result(Verdict.UNKNOWN)])
    assert after.value == before.value
    assert after.coverage <= before.coverage


@given(results)
def test_a_waiver_hides_nothing_from_the_score(found):
    waived = [result(r.verdict, r.severity, WAIVER) for r in found]
    assert score_of(waived) == score_of(found)


def standing(*found):
    return CheckReport(found, at_ms=0).standing


def test_the_standing_follows_the_gravest_fault_that_nobody_accepted():
    ok = result(Verdict.PASS)
    assert standing(ok) is Standing.HEALTHY
    assert standing(ok, result(Verdict.FAIL, Severity.P0)) is Standing.CRITICAL
    assert standing(ok, result(Verdict.WARN, Severity.P0)) is Standing.DEGRADED
    assert standing(ok, result(Verdict.FAIL, Severity.P3)) is Standing.HEALTHY
    assert standing(ok, result(Verdict.FAIL, Severity.P0, WAIVER)) is Standing.HEALTHY


def test_nothing_good_is_said_of_what_was_hardly_seen():
    assert standing() is Standing.UNKNOWN
    unknown = result(Verdict.UNKNOWN)
    assert standing(result(Verdict.PASS), unknown) is Standing.HEALTHY
    assert standing(result(Verdict.PASS), unknown, unknown) is Standing.UNKNOWN


def test_findings_come_unwaived_and_gravest_first():
    grave, mild = result(Verdict.FAIL, Severity.P0), result(Verdict.WARN, Severity.P2)
    waived = result(Verdict.FAIL, Severity.P0, WAIVER)
    report = CheckReport((mild, waived, result(Verdict.PASS), grave), at_ms=0)
    assert report.findings == [grave, mild, waived]
    assert report.counts()[Verdict.FAIL] == 2


def test_each_component_has_its_own_score():
    report = CheckReport((result(Verdict.FAIL), result(Verdict.PASS, check="host.disk")), at_ms=0)
    assert report.components == {"env": Score(0, 100), "host": Score(100, 100)}
