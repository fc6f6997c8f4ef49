"""The arithmetic of loss, rates and retention on figures alone."""

from dataclasses import replace

import pytest

from qtops.audits.stream_loss import loss_of, lost_between
from qtops.audits.stream_rates import Trend, flow_of
from qtops.audits.streams import Registry, judge
from qtops.contracts.check import Severity
from qtops.contracts.registry import Names, Service
from qtops.contracts.stream_reading import (
    ConsumerReading,
    Count,
    EntryId,
    GroupReading,
    PendingReading,
    StreamReading,
    StreamSample,
)
from qtops.errors import DecodeError

REGISTRY = Registry(Names("quantum"), {Service.EXECUTOR})
INTENTS = "quantum:stream:trade.intent"
ALIVE = (ConsumerReading("c1", 0, 1_000),)


def stream(**changes):
    """1,000 added, 1,000 held, ids 1-0 to 1000-0."""
    whole = StreamReading(INTENTS, 1_000, EntryId(1, 0), EntryId(1_000, 0), 1_000)
    return replace(whole, **changes)


def group(at=400, **changes):
    """A reader at `at` of 1,000 that has read everything up to there."""
    reader = GroupReading(
        "quantum:group:intent_bridge",
        EntryId(at, 0),
        pending=0,
        entries_read=at,
        lag=1_000 - at,
        unread=Count(1_000 - at),
        consumers=ALIVE,
    )
    return replace(reader, **changes)


def audit(one, *groups, earlier=None, elapsed_ms=10_000):
    now = StreamSample(2_000_000, (replace(one, groups=groups),))
    before = earlier and StreamSample(2_000_000 - elapsed_ms, (earlier,))
    return judge(now, before, REGISTRY)


def found(audited):
    return {f.code: f for f in audited.findings}


# --- loss


def test_the_founding_figures_are_at_least_1_414_751_intents_lost_unread():
    # The stream's entries-added is the sum of the two figures that were written down.
    intents = StreamReading(
        INTENTS, 95_920, EntryId(1_938_383, 0), EntryId(2_034_303, 0), 523_632 + 1_510_671
    )
    execution = GroupReading(
        "quantum:group:execution:trade.intent",
        EntryId(2_034_000, 0),
        pending=0,
        entries_read=523_632,
        lag=1_510_671,
        unread=Count(303),
        consumers=ALIVE,
    )
    audited = audit(intents, execution)
    lost = found(audited)["lost_unread"]
    assert audited.lost >= 1_414_751
    assert lost.severity is Severity.P1
    assert "lag 1,510,671, held 95,920" in lost.what


def test_the_founding_figures_prove_the_loss_even_when_nothing_but_lag_and_length_is_known():
    bare = StreamReading(INTENTS, 95_920, EntryId(1, 0), EntryId(2, 0), entries_added=None)
    execution = group(1, entries_read=None, lag=1_510_671, unread=Count(0, is_least=True))
    assert loss_of(bare, execution).least == 1_414_751
    assert loss_of(bare, execution).unknown


@pytest.mark.parametrize(
    ("one", "reader", "least", "is_exact"),
    [
        (stream(), group(), 0, True),
        (stream(length=100, first_id=EntryId(901, 0)), group(unread=Count(100)), 500, True),
        (stream(length=100, first_id=EntryId(901, 0)), group(950, unread=Count(50)), 0, True),
        (
            # What stays for ever on a server that remembers: read to the end, 600 never seen.
            stream(length=100, first_id=EntryId(901, 0)),
            group(1_000, entries_read=400, lag=600, unread=Count(0)),
            600,
            True,
        ),
        (stream(), group(lag=None, entries_read=None), 0, False),
        (stream(), group(unread=Count(500, is_least=True)), 0, False),
        (
            stream(length=100, first_id=EntryId(901, 0)),
            group(unread=Count(50, is_least=True)),
            500,
            False,
        ),
        (stream(), group(0, entries_read=None), 0, True),
        (
            stream(length=100, first_id=EntryId(901, 0)),
            group(0, entries_read=None, lag=100, unread=Count(100)),
            0,
            False,
        ),
        (stream(length=0, first_id=None), group(unread=Count(0)), 600, True),
    ],
)
def test_lost_is_what_came_after_the_position_and_is_not_held(one, reader, least, is_exact):
    loss = loss_of(one, reader)
    assert (loss.least, not loss.unknown) == (least, is_exact)


def test_between_two_looks_a_group_that_stands_still_proves_its_loss_without_any_count():
    lost_count = group(entries_read=None, lag=None)
    later = stream(
        length=500, first_id=EntryId(601, 0), last_id=EntryId(1_100, 0), entries_added=1_100
    )
    after = replace(lost_count, unread=Count(500))
    assert lost_between(stream(), lost_count, later, after) == 200
    moved = replace(after, last_delivered=EntryId(401, 0))
    assert lost_between(stream(), lost_count, later, moved) == 0
    assert lost_between(later, lost_count, stream(), after) == 0  # made anew: not comparable
    anew = replace(later, last_id=EntryId(999, 0))
    assert lost_between(stream(), lost_count, anew, after) == 0


def test_a_loss_that_the_server_forgets_at_the_next_read_is_kept_from_the_first_look():
    cut = stream(length=100, first_id=EntryId(901, 0))
    before = replace(cut, groups=(group(unread=Count(100)),))
    caught_up = group(1_000, unread=Count(0))
    audited = audit(cut, caught_up, earlier=before)
    assert audited.lost == 500
    assert found(audited)["lost_unread"].severity is Severity.P1
    [state] = audited.groups
    assert state.flow.out_per_s == pytest.approx(10.0)  # 100 were read, 500 only counted as read


# --- rates


def looks(added, at_before, at_after):
    """Flow over 10 s: `added` came, the reader went from one position to the other."""
    later = stream(length=1_000 + added, last_id=EntryId(1_000 + added, 0))
    later = replace(later, entries_added=1_000 + added)
    after = group(at_after, unread=Count(1_000 + added - at_after))
    return flow_of(stream(), group(at_before), later, after, 10.0)


@pytest.mark.parametrize(
    ("added", "before", "after", "trend", "drain_s"),
    [
        (100, 400, 600, Trend.DRAINING, 50.0),
        (100, 400, 450, Trend.GROWING, None),
        (100, 400, 400, Trend.GROWING, None),
        (0, 400, 400, Trend.STANDING, None),
        (0, 1_000, 1_000, Trend.DRAINED, None),
        (100, 1_000, 1_090, Trend.DRAINED, None),
        (100, 1_000, 1_000, Trend.GROWING, None),
    ],
)
def test_rates_say_when_the_backlog_is_gone(added, before, after, trend, drain_s):
    flow = looks(added, before, after)
    assert (flow.trend, flow.drain_s) == (trend, drain_s)
    assert (flow.in_per_s, flow.out_per_s) == (added / 10, (after - before) / 10)


def test_rates_of_a_stream_made_anew_or_of_an_uncounted_group_are_unknown():
    small = stream(length=1, last_id=EntryId(5, 0), entries_added=1)
    assert flow_of(stream(), group(), small, group(), 10.0) is None
    uncounted = group(500, entries_read=None)
    assert flow_of(stream(), group(entries_read=None), stream(), uncounted, 10.0) is None


# --- findings


@pytest.mark.parametrize(
    ("one", "reader", "code", "severity"),
    [
        (stream(), group(2_000, unread=Count(0), lag=0), "position_ahead", Severity.P0),
        (
            stream(length=100, first_id=EntryId(901, 0)),
            group(unread=Count(100)),
            "losing_unread",
            Severity.P0,
        ),
        (stream(), group(pending=5, ghosts=Count(5)), "ghost_pending", Severity.P1),
        (
            stream(),
            group(pending=5, consumers=(*ALIVE, ConsumerReading("c0", 5, 300_001))),
            "dead_consumers",
            Severity.P2,
        ),
        (
            stream(),
            group(pending=5, consumers=(ConsumerReading("c0", 5, 300_001),)),
            "orphaned_pending",
            Severity.P1,
        ),
        (
            stream(),
            group(pending=1, oldest=PendingReading(EntryId(9, 0), "c1", 300_001, 7)),
            "stuck_pending",
            Severity.P2,
        ),
        (stream(), group(consumers=()), "nobody_reads", Severity.P1),
        (stream(), group(name="someone"), "undeclared_group", Severity.P2),
        (
            stream(length=80_000, entries_added=80_000, last_id=EntryId(80_000, 0)),
            group(0, lag=80_000, entries_read=0, unread=Count(80_000)),
            "near_retention",
            Severity.P1,
        ),
        (
            stream(length=99_000, entries_added=99_000, last_id=EntryId(99_000, 0)),
            group(5, lag=98_995, unread=Count(10_000, is_least=True)),
            "near_retention",
            Severity.P1,
        ),
        (stream(), group(lag=None, entries_read=None), "loss_unknown", Severity.P3),
    ],
)
def test_each_fault_is_found_ranked_and_explained(one, reader, code, severity):
    finding = found(audit(one, reader))[code]
    assert finding.severity is severity
    assert finding.meaning
    assert finding.next_command.startswith(("qtops ", "redis-cli "))


@pytest.mark.parametrize(
    ("one", "reader"),
    [
        (stream(), group()),
        (stream(), group(1_000)),
        (stream(), group(pending=5, consumers=(ConsumerReading("c0", 5, 300_000),))),
        (
            stream(),
            group(pending=1, oldest=PendingReading(EntryId(9, 0), "c1", 300_000, 7)),
        ),
        (
            stream(length=79_999, entries_added=79_999, last_id=EntryId(79_999, 0)),
            group(0, lag=79_999, entries_read=0, unread=Count(79_999)),
        ),
        (stream(length=100, first_id=EntryId(901, 0)), group(900, unread=Count(100))),
        (
            stream(length=99_000, entries_added=99_000, last_id=EntryId(99_000, 0)),
            group(79_000, lag=20_000, unread=Count(10_000, is_least=True)),
        ),
    ],
)
def test_a_group_that_works_has_no_finding(one, reader):
    assert audit(one, reader).findings == ()


def test_a_growing_backlog_says_when_it_loses_entries():
    before = replace(stream(), groups=(group(),))
    later = stream(length=1_100, last_id=EntryId(1_100, 0), entries_added=1_100)
    audited = audit(later, group(450, unread=Count(650)), earlier=before)
    finding = found(audited)["backlog_grows"]
    assert "10.0 entries/s come, 5.0 are read; 650 unread" in finding.what
    assert "loses unread entries in 19,870 s" in finding.meaning


def test_the_stream_and_not_the_group_is_at_fault_where_nobody_declared_it():
    strange = StreamReading("quantum:stream:mistyped")
    audited = audit(strange, group(0, unread=Count(0), lag=0, entries_read=None))
    assert found(audited)["never_written"].severity is Severity.P2
    written = stream(name="quantum:stream:harvest", length=1)
    finding = found(audit(written))["no_producer"]
    assert finding.severity is Severity.P3
    assert "quantum:stream:harvest" in finding.what
    assert not audit(written).faults


def test_a_declared_group_is_missed_only_where_entries_wait():
    assert found(audit(stream()))["group_missing"].group == "quantum:group:intent_bridge"
    empty = stream(length=0, first_id=None)
    assert audit(empty).findings == ()
    assert audit(empty).streams[0].waiting == ("quantum:group:intent_bridge",)


def test_an_undeclared_stream_that_is_drained_by_deletion_is_not_near_its_retention():
    queue = stream(
        name="quantum:stream:queue",
        length=2,
        first_id=EntryId(999, 0),
        last_deleted=EntryId(998, 0),
    )
    audited = audit(queue, group(998, name="workers", unread=Count(2)))
    assert "near_retention" not in found(audited)
    trimmed = replace(queue, last_deleted=EntryId(0, 0))
    audited = audit(trimmed, group(998, name="workers", unread=Count(2)))
    assert "near_retention" in found(audited)


def test_findings_come_worst_first():
    audited = audit(
        stream(length=100, first_id=EntryId(901, 0)),
        group(1_000, name="b", unread=Count(0), entries_read=None, lag=None),
        group(unread=Count(100), pending=5, ghosts=Count(5)),
    )
    severities = [f.severity for f in audited.findings]
    assert severities == sorted(severities)
    assert severities[0] is Severity.P0


@pytest.mark.parametrize("text", ["", "1", "-1-1", "1-", "a-b", "1-2-3", "1 -2"])
def test_what_is_no_id_is_refused(text):
    with pytest.raises(DecodeError):
        EntryId.parse(text)


def test_ids_compare_as_numbers():
    assert EntryId.parse(b"9-10") > EntryId.parse("9-9") > EntryId.parse("1-99")
    assert str(EntryId.parse("1769477662123-4")) == "1769477662123-4"


def test_the_remedy_starts_a_reader_that_can_be_started_and_else_shows_who_reads():
    plans = "quantum:stream:apply.plan"
    waiting = found(audit(stream(name=plans)))["group_missing"]
    commands = {f.group: f.next_command for f in audit(stream(name=plans)).findings}
    assert waiting.severity is Severity.P2
    assert commands["intent_executor"] == "qtops run executor"
    assert commands["p33"] == f"redis-cli XINFO GROUPS {plans}"
    strange = found(audit(stream(name=plans), group(name="x")))["undeclared_group"]
    assert strange.next_command == f"redis-cli XINFO CONSUMERS {plans} x"


def test_an_entry_that_two_groups_lost_is_counted_once():
    cut = stream(length=100, first_id=EntryId(901, 0))
    both = audit(cut, group(unread=Count(100)), group(300, name="b", unread=Count(100)))
    assert [state.lost for state in both.groups] == [500, 600]
    assert both.lost == 600


def test_what_is_said_once_is_not_said_again_in_other_words():
    cut = stream(length=90_000, first_id=EntryId(10_001, 0), last_id=EntryId(100_000, 0))
    cut = replace(cut, entries_added=100_000)
    losing = audit(cut, group(5_000, entries_read=5_000, lag=95_000, unread=Count(90_000)))
    assert set(found(losing)) == {"losing_unread"}
    bounded = audit(stream(), group(unread=Count(500, is_least=True)))
    assert bounded.findings == ()
