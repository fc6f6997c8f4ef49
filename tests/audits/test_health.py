"""Each judge on both sides of each limit, and what adds up to the whole."""

from dataclasses import replace
from decimal import Decimal

import pytest

from qtops.audits.health import (
    Limits,
    judge_heartbeats,
    judge_kill,
    judge_permits,
    judge_redis,
    judge_snapshots,
    judge_streams,
    judge_universe,
)
from qtops.audits.health_host import (
    exchange_away,
    judge_disk,
    judge_exchange,
    judge_obligations,
    judge_units,
    no_systemd,
)
from qtops.contracts.facts import Missing
from qtops.contracts.health import Check, Finding, Health, Status, unseen, worst
from qtops.contracts.registry import Service, Stream
from qtops.contracts.universe import UniverseMeta
from qtops.contracts.vitals import (
    Beat,
    DiskVitals,
    GroupVitals,
    OpenOperation,
    PermitFlow,
    ServerVitals,
)
from qtops.contracts.vocabulary import GateName

OK, WARN, FAIL, UNKNOWN = Status.OK, Status.WARN, Status.FAIL, Status.UNKNOWN
LIMITS = Limits(snapshot_fail_ms=10_000)
NOW = 1_769_477_662_123
SERVER = ServerVitals(Decimal("0.4"), 50, 0, "ok", "ok", "ok")
GROUP = GroupVitals(
    "q:s", Stream.APPLY_PLAN, Service.GOVERNOR, "governor", exists=True, length=5, lag=0
)


def test_the_worst_is_a_seen_fault_before_one_that_may_be_there():
    assert worst([OK, UNKNOWN, WARN, FAIL]) is FAIL
    assert worst([OK, UNKNOWN, WARN]) is WARN
    assert worst([OK, UNKNOWN]) is UNKNOWN
    assert worst([]) is OK
    assert [status.number for status in (OK, WARN, FAIL, UNKNOWN)] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, OK),
        ({"latency_ms": Decimal("49.9")}, OK),
        ({"latency_ms": Decimal(50)}, WARN),
        ({"latency_ms": Decimal("499.9")}, WARN),
        ({"latency_ms": Decimal(500)}, FAIL),
        ({"memory_bytes": 79, "memory_limit_bytes": 100}, OK),
        ({"memory_bytes": 80, "memory_limit_bytes": 100}, WARN),
        ({"memory_bytes": 94, "memory_limit_bytes": 100}, WARN),
        ({"memory_bytes": 95, "memory_limit_bytes": 100}, FAIL),
        ({"memory_bytes": 10**12, "memory_limit_bytes": 0}, OK),
        ({"last_save": "err"}, FAIL),
        ({"last_append": "err"}, FAIL),
        ({"last_rewrite": "err"}, WARN),
    ],
)
def test_redis(changes, status):
    assert judge_redis(replace(SERVER, **changes), LIMITS).status is status


META = UniverseMeta("sandbox", count=12, observed_at_ms=NOW, attempted_at_ms=NOW)


@pytest.mark.parametrize(
    ("meta", "status", "counts"),
    [
        (META, OK, True),
        (replace(META, reason="drop: 12 to 3 symbols"), WARN, True),
        (replace(META, observed_at_ms=NOW - 149_999), OK, True),
        (replace(META, observed_at_ms=NOW - 150_000), WARN, True),
        (replace(META, observed_at_ms=NOW - 300_000), FAIL, True),
        (replace(META, observed_at_ms=None, reason="unreachable"), FAIL, True),
        (Missing("absent"), UNKNOWN, False),
        (Missing("unreadable: x"), UNKNOWN, True),
    ],
)
def test_universe(meta, status, counts):
    check = judge_universe(meta, NOW, LIMITS)
    assert (check.status, check.counts) == (status, counts)


@pytest.mark.parametrize(
    ("ttl_ms", "status"),
    [(15_000, OK), (5_001, OK), (5_000, WARN), (1, WARN), (None, FAIL), (-1, FAIL)],
)
def test_a_heartbeat_ages_and_one_that_never_expires_is_none(ttl_ms, status):
    check = judge_heartbeats((Beat(Service.EXECUTOR, ttl_ms),), LIMITS)
    assert check.status is status
    assert all(finding.fix == "qtops run executor" for finding in check.findings)
    age = None if ttl_ms is None or ttl_ms < 0 else 15_000 - ttl_ms
    assert [figure.value for figure in check.figures] == [age]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, OK),
        ({"lag": 99}, OK),
        ({"lag": 100}, WARN),
        ({"lag": 999}, WARN),
        ({"lag": 1000}, FAIL),
        ({"lag": None}, UNKNOWN),
        ({"pending": 1, "oldest_pending_age_ms": 59_999}, OK),
        ({"pending": 1, "oldest_pending_age_ms": 60_000}, WARN),
        ({"pending": 1, "oldest_pending_age_ms": 299_999}, WARN),
        ({"pending": 1, "oldest_pending_age_ms": 300_000}, FAIL),
        ({"exists": False}, FAIL),
        ({"exists": False, "length": 0}, OK),
    ],
)
def test_a_consumer_group(changes, status):
    assert judge_streams((replace(GROUP, **changes),), LIMITS).status is status


def test_an_unknown_lag_is_no_zero():
    check = judge_streams((replace(GROUP, lag=None),), LIMITS)
    assert next(f.value for f in check.figures if f.name == "lag_entries") is None


def flow(plans, **decisions):
    names = {"governor": GateName.GOVERNOR, "p26": GateName.PORTFOLIO, "p33": GateName.POSITION}
    return PermitFlow(NOW - 900_000, plans, {names[g]: found for g, found in decisions.items()})


def test_no_plan_is_idle_and_fine():
    check = judge_permits(flow({}), NOW, LIMITS)
    assert (check.status, check.summary) == (OK, "idle, 0 plans in 15 min")


def test_plans_that_every_gate_decided_are_fine():
    at = NOW - 60_000
    decided = {"p1": at + 2}
    check = judge_permits(flow({"p1": at}, governor=decided, p26=decided, p33=decided), NOW, LIMITS)
    assert (check.status, check.summary) == (OK, "1 plan in 15 min, every gate answers")


@pytest.mark.parametrize(("age_ms", "status"), [(9_999, OK), (10_000, FAIL)])
def test_a_gate_has_the_grace_to_answer(age_ms, status):
    at = {"p1": NOW - age_ms}
    check = judge_permits(flow(at, governor=at, p33=at), NOW, LIMITS)
    assert check.status is status


def test_a_silent_gate_fails_however_many_the_others_decided():
    plans = {f"p{n}": NOW - 94_000 + n for n in range(12)}
    check = judge_permits(flow(plans, governor=plans, p33=plans), NOW, LIMITS)
    [finding] = check.findings
    assert finding.status is FAIL
    assert finding.what == "portfolio gate silent for 94 s, 12 plans waiting"
    assert finding.fix == "qtops audit permits"
    assert check.summary == "12 plans in 15 min, not every gate answers"


def test_a_gate_that_went_on_after_one_it_missed_is_a_warning():
    plans = {"p1": NOW - 60_000, "p2": NOW - 30_000}
    late = {"p2": NOW - 29_000}
    check = judge_permits(flow(plans, governor=late, p26=plans, p33=plans), NOW, LIMITS)
    [finding] = check.findings
    assert finding.status is WARN
    assert finding.what == "governor left 1 plan undecided, the oldest for 60 s"


def test_a_gate_that_decided_only_before_the_plan_is_silent():
    plans = {"p1": NOW - 60_000, "p2": NOW - 30_000}
    early = {"p1": NOW - 59_000}
    check = judge_permits(flow(plans, governor=plans, p26=plans, p33=early), NOW, LIMITS)
    assert [finding.what for finding in check.findings] == [
        "position gate silent for 30 s, 1 plan waiting"
    ]


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        ("0", OK),
        ("reduce", WARN),
        ("1", WARN),
        (None, FAIL),
        ("banana", FAIL),
        (Missing("unreadable: WRONGTYPE"), UNKNOWN),
    ],
)
def test_an_operators_stop_is_a_warning_and_a_lost_switch_a_failure(raw, status):
    assert judge_kill(raw).status is status


@pytest.mark.parametrize(
    ("at_ms", "status"),
    [
        (NOW - 4_999, OK),
        (NOW - 5_000, WARN),
        (NOW - 9_999, WARN),
        (NOW - 10_000, FAIL),
        (NOW + 5_000, OK),
        (Missing("absent"), FAIL),
        (Missing("unreadable: x"), UNKNOWN),
    ],
)
def test_snapshots_warn_half_way_to_where_the_gate_refuses(at_ms, status):
    assert judge_snapshots(at_ms, NOW, LIMITS).status is status


@pytest.mark.parametrize(
    ("offset_ms", "status"),
    [(0, OK), (999, OK), (-999, OK), (1000, WARN), (-2499, WARN), (2500, FAIL), (-2500, FAIL)],
)
def test_clock_skew_counts_both_ways(offset_ms, status):
    assert judge_exchange(offset_ms, LIMITS).status is status


def test_an_exchange_that_does_not_answer_is_a_failure_with_what_was_seen():
    check = exchange_away("GET /fapi/v1/time: no answer (ReadTimeout)")
    assert check.status is FAIL
    assert check.findings[0].what == "exchange: GET /fapi/v1/time: no answer (ReadTimeout)"


@pytest.mark.parametrize(
    ("space", "inodes", "status"),
    [
        ("0.1001", None, OK),
        ("0.10", None, WARN),
        ("0.0501", None, WARN),
        ("0.05", None, FAIL),
        ("0.9", "0.05", FAIL),
        ("0.9", "0.2", OK),
        ("0", "0.9", FAIL),
    ],
)
def test_the_scarcer_of_bytes_and_inodes_decides(space, inodes, status):
    disk = DiskVitals("/", 10**9, Decimal(space), Decimal(inodes) if inodes else None)
    assert judge_disk([disk], LIMITS).status is status


def test_full_inodes_are_named_as_such():
    [finding] = judge_disk([DiskVitals("/", 9, Decimal("0.9"), Decimal("0.01"))], LIMITS).findings
    assert finding.what == "/ has 1.0% of its inodes free"


def test_a_failed_unit_leads_to_its_log():
    assert judge_units([]).status is OK
    [finding] = judge_units(["quantum-governor.service"]).findings
    assert finding.status is FAIL
    assert finding.fix == "journalctl -u quantum-governor.service -n 50"


def test_an_open_operation_is_a_warning_with_its_age():
    open_since = OpenOperation("OPS-2026-01-27-001", "restart", NOW - 7_200_000, "qtops ops end X")
    torn = OpenOperation("OPS-2026-01-27-002", "unreadable file x", 0, "cat x")
    check = judge_obligations([open_since, torn], NOW)
    assert check.status is WARN
    assert [finding.what for finding in check.findings] == [
        "operation OPS-2026-01-27-001 is open for 2 h: restart",
        "operation OPS-2026-01-27-002 is open: unreadable file x",
    ]
    assert judge_obligations([], NOW).status is OK


@pytest.mark.parametrize(
    "check",
    [
        judge_redis(Missing("refused"), LIMITS),
        judge_heartbeats(Missing("refused"), LIMITS),
        judge_streams(Missing("refused"), LIMITS),
        judge_permits(Missing("refused"), NOW, LIMITS),
        judge_kill(Missing("refused")),
        judge_snapshots(Missing("refused"), NOW, LIMITS),
    ],
    ids=lambda check: check.name,
)
def test_what_could_not_be_read_is_unknown_with_its_reason(check):
    assert check.status is UNKNOWN
    assert check.findings[0].what == f"{check.name} unknown: refused"


def test_a_machine_without_systemd_lowers_the_coverage_and_nothing_else():
    whole = Health((Check("kill", "ACTIVE"), no_systemd()))
    assert (whole.status, whole.seen) == (OK, 1)
    assert whole.headline == "1 of 2 checks healthy"


def test_nothing_that_counts_is_unknown_and_not_healthy():
    alone = Health((no_systemd(),))
    assert alone.status is UNKNOWN
    assert alone.headline == "units unknown: systemd is not the init here"


def test_a_source_that_should_be_there_and_is_not_makes_the_whole_unknown():
    whole = Health((Check("kill", "ACTIVE"), unseen("disk", "stale handle")))
    assert (whole.status, whole.headline) == (UNKNOWN, "disk unknown: stale handle")


def test_the_headline_is_the_worst_in_words_and_how_many_more():
    warned = Check("disk", "", (Finding(WARN, "little space"),))
    failed = Check("permits", "", (Finding(FAIL, "governor silent"), Finding(WARN, "x")))
    whole = Health((warned, failed, no_systemd()))
    assert (whole.status, whole.headline) == (FAIL, "governor silent (+2 more)")
    assert [f.what for _, f in whole.findings][:3] == ["governor silent", "little space", "x"]
