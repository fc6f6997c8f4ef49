"""Each case built on a real server of each kind, and read as an operator would find it."""

import pytest

from qtops.adapters.stream_counts import StreamCounts
from qtops.adapters.stream_reader import RedisStreamReader
from qtops.audits.permits import Budget
from qtops.audits.streams import Registry, judge, read_streams
from qtops.contracts.registry import Names

INTENTS = "quantum:stream:trade.intent"
BRIDGE = "quantum:group:intent_bridge"
OTHER = "quantum:stream:harvest"


@pytest.fixture
def streams(link):
    return RedisStreamReader(link)


@pytest.fixture
def audit(streams, clock):
    async def run(earlier=None, source=streams):
        sample = await read_streams(source, Budget(clock))
        return judge(sample, earlier, Registry(source.names, ()))

    return run


@pytest.fixture
def look(streams, clock):
    return lambda: read_streams(streams, Budget(clock))


def write(db, count, name=INTENTS):
    pipe = db.pipeline(transaction=False)
    for number in range(count):
        pipe.xadd(name, {"n": number})
    return pipe.execute()


def read(db, count, name=INTENTS, group=BRIDGE, consumer="c1", ack=True):
    taken = db.xreadgroup(group, consumer, {name: ">"}, count=count)
    ids = [entry_id for entry_id, _ in taken[0][1]] if taken else []
    if ack and ids:
        db.xack(name, group, *ids)
    return ids


def seed(db, *, added=100, done=40, ack=True):
    """100 added, 40 read."""
    ids = write(db, added)
    db.xgroup_create(INTENTS, BRIDGE, "0")
    read(db, done, ack=ack)
    return ids


def codes(found):
    return {f.code for f in found.findings}


def only(found):
    [state] = found.groups
    return state


async def test_an_empty_redis_has_no_fault_and_says_what_is_not_there(audit):
    found = await audit()
    assert (found.streams, found.findings, found.partial) == ((), (), ())
    assert INTENTS in found.absent


async def test_backlog_is_not_loss(db, audit):
    seed(db)
    found = await audit()
    state = only(found)
    assert (state.group.lag, state.group.unread.number, state.loss.least) == (60, 60, 0)
    assert not state.loss.unknown
    assert not found.faults


async def test_trimmed_past_the_group_is_loss_that_goes_on(db, audit):
    seed(db)
    db.xtrim(INTENTS, maxlen=30, approximate=False)
    found = await audit()
    state = only(found)
    assert (state.group.unread.number, state.loss.least, state.loss.unknown) == (30, 30, "")
    assert "losing_unread" in codes(found)


async def test_read_to_the_end_the_loss_is_still_known_when_it_was_looked_at_before(
    db, audit, look
):
    seed(db)
    db.xtrim(INTENTS, maxlen=30, approximate=False)
    earlier = await look()
    read(db, 100)
    found = await audit(earlier)
    state = only(found)
    assert (state.group.unread.number, state.loss.least) == (0, 30)
    assert "lost_unread" in codes(found)


async def test_a_phantom_lag_that_stays_for_ever_is_told_from_backlog(db, audit):
    seed(db, added=1_000, done=300)
    db.xtrim(INTENTS, maxlen=100, approximate=False)
    read(db, 1_000)
    state = only(await audit())
    assert state.group.unread.number == 0
    # One kind of server still reports lag 600, the other forgot: both are read right.
    assert state.loss.least == state.group.lag
    assert state.group.lag in (0, 600)


async def test_a_group_at_0_on_a_trimmed_stream_is_unknown(db, audit):
    write(db, 100)
    db.xtrim(INTENTS, maxlen=30, approximate=False)
    db.xgroup_create(INTENTS, BRIDGE, "0")
    found = await audit()
    state = only(found)
    assert (state.group.entries_read, state.group.unread.number) == (None, 30)
    assert state.loss.least == 0
    assert "70 entries went before" in state.loss.unknown
    assert "loss_unknown" in codes(found)


async def test_deletion_ahead_of_the_group_is_an_unknown_lag_and_a_known_loss(db, audit):
    ids = seed(db)
    db.xdel(INTENTS, *ids[50:55])
    found = await audit()
    state = only(found)
    assert (state.group.lag, state.group.unread.number, state.loss.least) == (None, 55, 5)
    assert {"loss_unknown", "lost_unread"} <= codes(found)
    assert any("XDEL" in finding.meaning for finding in found.findings)


async def test_deletion_behind_the_group_is_no_loss(db, audit):
    ids = seed(db)
    db.xdel(INTENTS, *ids[:10])
    state = only(await audit())
    assert (state.group.unread.number, state.loss.least, state.loss.unknown) == (60, 0, "")


@pytest.mark.parametrize("position", ["$", "middle"])
async def test_a_position_that_was_set_is_an_unknown_loss(db, audit, position):
    ids = seed(db)
    db.xgroup_setid(INTENTS, BRIDGE, "$" if position == "$" else ids[69])
    found = await audit()
    state = only(found)
    assert state.group.entries_read is None
    assert state.loss.least == 0
    assert "loss_unknown" in codes(found)
    assert state.group.unread.number == (0 if position == "$" else 30)


async def test_loss_between_two_looks_is_proved_where_the_server_lost_count(db, audit, look):
    ids = seed(db)
    db.xgroup_setid(INTENTS, BRIDGE, ids[69])
    earlier = await look()
    write(db, 5)
    db.xtrim(INTENTS, maxlen=15, approximate=False)
    found = await audit(earlier)
    assert only(found).lost_since == 20
    assert "losing_unread" in codes(found)


async def test_a_stream_made_anew_leaves_the_group_ahead_and_it_never_reads(db, audit):
    db.xadd(INTENTS, {"n": 1}, id="5-0")
    db.xgroup_create(INTENTS, BRIDGE, "9999999999999-0")
    found = await audit()
    assert "position_ahead" in codes(found)
    assert read(db, 10) == []
    [finding] = [f for f in found.findings if f.code == "position_ahead"]
    db.execute_command(*finding.next_command.split()[1:])
    assert len(read(db, 10)) == 1
    assert "position_ahead" not in codes(await audit())


async def test_pending_entries_that_no_longer_exist_are_ghosts(db, audit):
    ids = seed(db, done=40, ack=False)
    db.xdel(INTENTS, ids[35])
    db.xtrim(INTENTS, minid=ids[20], approximate=False)
    found = await audit()
    state = only(found)
    assert (state.group.pending, state.group.ghosts.number) == (40, 21)
    assert not state.group.ghosts.is_least
    assert "ghost_pending" in codes(found)


async def test_every_entry_gone_makes_every_pending_entry_a_ghost(db, audit):
    seed(db, done=40, ack=False)
    db.xtrim(INTENTS, maxlen=0, approximate=False)
    state = only(await audit())
    assert (state.group.ghosts.number, state.loss.least) == (40, 60)


async def test_consumers_that_stopped_asking_are_dead(db, audit, monkeypatch):
    seed(db, done=40, ack=False)
    found = await audit()
    [consumer] = only(found).group.consumers
    assert (consumer.name, consumer.pending) == ("c1", 40)
    assert "orphaned_pending" not in codes(found)
    # Nobody waits five minutes in a test.
    monkeypatch.setattr("qtops.audits.stream_findings.DEAD_AFTER_MS", -1)
    found = await audit()
    assert {"orphaned_pending", "nobody_reads"} <= codes(found)
    assert only(found).group.oldest.consumer == "c1"


async def test_counts_stop_at_their_limit_and_say_so(db, link, audit):
    ids = seed(db, added=3_500, done=10)
    db.xreadgroup(BRIDGE, "c1", {INTENTS: ">"}, count=1_200)
    db.xdel(INTENTS, *ids[10:1_110])
    limited = RedisStreamReader(link, most_counted=1_000)
    found = await audit(source=limited)
    state = only(found)
    assert (state.group.unread.number, state.group.unread.is_least) == (1_000, True)
    assert (state.group.ghosts.number, state.group.ghosts.is_least) == (1_000, True)
    assert found.partial == (
        f"unread of {BRIDGE} in {INTENTS}",
        f"ghosts of {BRIDGE} in {INTENTS}",
    )
    whole = only(await audit())
    assert (whole.group.unread.number, whole.group.ghosts.number) == (2_290, 1_100)


async def test_two_looks_give_rates(db, audit, look):
    seed(db)
    earlier = await look()
    write(db, 20)
    read(db, 50)
    found = await audit(earlier)
    flow = only(found).flow
    seconds = found.elapsed_ms / 1000
    assert round(flow.in_per_s * seconds) == 20
    assert round(flow.out_per_s * seconds) == 50


async def test_every_stream_of_the_namespace_is_found_and_no_other_key(db, audit):
    write(db, 1, OTHER)
    write(db, 1, "other:stream:trade.intent")
    db.set("quantum:stream:text", "1")
    db.hset("quantum:stream:hash", "a", "1")
    db.xadd(b"quantum:stream:\xff\n", {"a": 1})
    found = await audit()
    assert {state.stream.name for state in found.streams} == {OTHER, "quantum:stream:\\xff\n"}
    assert codes(found) == {"no_producer"}


async def test_a_declared_name_of_another_type_is_a_fault(db, audit):
    db.set(INTENTS, "1")
    found = await audit()
    assert codes(found) == {"wrong_type"}
    assert "is a string" in found.findings[0].what


async def test_a_name_that_is_read_and_never_written_is_a_fault(db, audit):
    db.xgroup_create("quantum:stream:trade.intnet", BRIDGE, "0", mkstream=True)
    assert codes(await audit()) == {"never_written"}


async def test_groups_of_a_declared_stream_that_nobody_wrote_are_fine(db, audit):
    db.xgroup_create(INTENTS, BRIDGE, "0", mkstream=True)
    found = await audit()
    assert found.findings == ()
    assert only(found).loss.unknown == ""


async def test_when_the_time_is_up_the_rest_is_named_and_not_called_absent(db, streams, ticking):
    seed(db)
    sample = await read_streams(streams, Budget(ticking(1_000), 500))
    assert f"stream {INTENTS}" in sample.partial
    found = judge(sample, None, Registry(Names("quantum"), ()))
    assert (found.streams, found.absent) == ((), ())


async def test_the_audit_asks_for_nothing_that_changes_or_blocks(db, audit):
    seed(db, ack=False)
    position = db.xinfo_groups(INTENTS)
    db.config_resetstat()
    await audit()
    asked = {name.removeprefix("cmdstat_") for name in db.info("commandstats")}
    assert asked <= {
        "time", "scan", "multi", "exec", "xinfo|stream", "xinfo|groups", "xinfo|consumers",
        "xpending", "xrange", "type", "client|setinfo", "client|setname", "hello", "info",
        "config|resetstat", "ping",
    }  # fmt: skip
    assert {"multi", "exec"} <= asked  # the figures that are compared are of one moment
    assert db.xinfo_groups(INTENTS) == position


async def test_trimmed_past_the_group_while_counting_is_a_lower_bound_and_no_invented_loss(
    db, link, streams
):
    ids = seed(db)
    stale = await streams.read(INTENTS.encode())
    db.xtrim(INTENTS, maxlen=30, approximate=False)
    counts = StreamCounts(link, INTENTS.encode(), stale, 1_000)
    counted = await counts.unread(stale.groups[0].last_delivered)
    assert (counted.number, counted.is_least) == (30, True)
    db.xdel(INTENTS, ids[-1])
    counted = await counts.unread(type(stale.last_id).parse(ids[-11]))
    assert (counted.number, counted.is_least) == (9, False)


async def test_an_entry_acknowledged_and_deleted_while_we_look_is_no_ghost(db, link, streams):
    ids = seed(db, ack=False)

    class Overtaken(StreamCounts):
        async def _held(self, doubtful):
            held = await super()._held(doubtful)
            db.xack(INTENTS, BRIDGE, ids[5])
            return held

    db.xdel(INTENTS, ids[5], ids[6])
    stale = await streams.read(INTENTS.encode())
    assert stale.groups[0].ghosts.number == 2
    counts = Overtaken(link, INTENTS.encode(), stale, 1_000)
    assert (await counts.ghosts(BRIDGE.encode(), 40)).number == 1
