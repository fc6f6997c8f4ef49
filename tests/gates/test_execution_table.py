"""The execution protocol: its rules one by one, and a proof over all paths of any length."""

from dataclasses import dataclass, replace

import pytest

from qtops.contracts.claim import Claim, ClaimState
from qtops.errors import OutcomeClass
from qtops.gates.execution import (
    CLOCK_BOUND_MS,
    LOOKUP_BACKOFF_MS,
    MAX_RESENDS,
    SECOND_LOOK_MS,
    TRANSITIONS,
    Acknowledge,
    Admitted,
    Answered,
    AwaitAdmission,
    Execution,
    Lookup,
    LookupFailed,
    Mark,
    Marked,
    NotFound,
    Phase,
    Prepare,
    Prepared,
    Refused,
    Send,
    SendFailed,
    Settle,
    start,
    step,
)
from tests.strategies import order

DEADLINE = 10_000
FENCE = DEADLINE + CLOCK_BOUND_MS
FILLED, NEW = order("FILLED"), order("NEW")
NOT_EXECUTED = (OutcomeClass.RETRY, OutcomeClass.RESYNC)
REFUSED = (OutcomeClass.FINAL, OutcomeClass.HALT, OutcomeClass.ALREADY)

EVENTS = (
    Admitted(),
    Refused("reason"),
    Prepared(),
    Marked(DEADLINE),
    Answered(FILLED),
    Answered(NEW),
    *(SendFailed(outcome, "code", 7) for outcome in OutcomeClass),
    NotFound(FENCE - 1, fresh=True),
    NotFound(FENCE, fresh=True),
    NotFound(FENCE - 1, fresh=False),
    NotFound(FENCE, fresh=False),
    LookupFailed("code"),
)
ANSWERS = {
    AwaitAdmission: (Admitted, Refused),
    Prepare: (Prepared, Refused),
    Mark: (Marked, Refused),
    Send: (Answered, SendFailed),
    Lookup: (Answered, NotFound, LookupFailed),
}


def claim(state, deadline_ms=DEADLINE):
    return Claim(state, "qt-1", 1, "host:1", "d", deadline_ms)


def run(*events, begin=None):
    """The last command after these events, and the state."""
    state, command = begin or start(None, suspicious=False)
    for event in events:
        state, command = step(state, event)
    return state, command


SENT = (Admitted(), Prepared(), Marked(DEADLINE))
UNKNOWN = SendFailed(OutcomeClass.UNKNOWN, "timeout")
ABSENT = NotFound(FENCE, fresh=True)


# --- the steps ------------------------------------------------------------------------------------


def test_a_plan_nobody_touched_waits_for_its_permits():
    assert start(None, suspicious=False)[1] == AwaitAdmission()


def test_the_plain_path_is_admit_prepare_mark_send_settle():
    state, command = start(None, suspicious=False)
    commands = [command]
    for event in (*SENT, Answered(FILLED)):
        state, command = step(state, event)
        commands.append(command)
    assert commands == [AwaitAdmission(), Prepare(), Mark(), Send(), Settle(FILLED)]


@pytest.mark.parametrize("before", [(), SENT[:1], SENT[:2]], ids=["permits", "sizing", "marking"])
def test_a_refusal_before_the_send_settles_with_its_reason(before):
    assert run(*before, Refused("no_position"))[1] == Settle(None, "no_position")


def test_an_order_that_still_works_is_looked_up_until_it_is_final():
    state, command = run(*SENT, Answered(NEW))
    assert command == Lookup(LOOKUP_BACKOFF_MS[0], early=True)
    state, command = step(state, Answered(order("PARTIALLY_FILLED")))
    assert command == Lookup(LOOKUP_BACKOFF_MS[1], early=True)
    assert step(state, Answered(FILLED))[1] == Settle(FILLED)


@pytest.mark.parametrize(
    "status", ["FILLED", "CANCELED", "REJECTED", "EXPIRED", "EXPIRED_IN_MATCH"]
)
def test_every_final_status_settles(status):
    final = order(status)
    assert run(*SENT, Answered(final))[1] == Settle(final)


@pytest.mark.parametrize("outcome", REFUSED, ids=lambda outcome: outcome.value)
def test_a_final_refusal_settles(outcome):
    assert run(*SENT, SendFailed(outcome, "-2019"))[1] == Settle(None, "-2019")


# --- recovery -------------------------------------------------------------------------------------


def test_an_unknown_outcome_is_looked_up_and_never_guessed():
    assert isinstance(run(*SENT, UNKNOWN)[1], Lookup)


def test_found_after_an_unknown_outcome_settles_with_what_the_exchange_says():
    assert run(*SENT, UNKNOWN, Answered(FILLED))[1] == Settle(FILLED)


@pytest.mark.parametrize("fresh", [True, False], ids=["fresh", "expired"])
def test_not_found_before_the_fence_waits_at_most_until_the_fence(fresh):
    state, command = run(*SENT, UNKNOWN, NotFound(FENCE - 150, fresh=fresh))
    assert command == Lookup(100, early=True)
    assert step(state, NotFound(FENCE - 50, fresh=fresh))[1] == Lookup(50, early=True)


def test_not_found_at_the_fence_is_looked_up_again_a_moment_later():
    assert run(*SENT, UNKNOWN, ABSENT)[1] == Lookup(SECOND_LOOK_MS)


def test_not_found_twice_after_the_fence_is_sent_again_while_fresh():
    assert run(*SENT, UNKNOWN, ABSENT, ABSENT)[1] == Prepare()
    again = (Prepared(), Marked(DEADLINE + 20_000))
    assert run(*SENT, UNKNOWN, ABSENT, ABSENT, *again)[1] == Send()


def test_the_second_send_has_its_own_fence():
    again = (Prepared(), Marked(DEADLINE + 20_000), UNKNOWN)
    late = NotFound(FENCE + 19_999, fresh=True)
    state, command = run(*SENT, UNKNOWN, ABSENT, ABSENT, *again, late)
    assert command == Lookup(1, early=True)
    assert not state.absent_after_fence


def test_not_found_twice_after_the_fence_and_no_longer_fresh_was_not_sent():
    expired = NotFound(FENCE, fresh=False)
    command = run(*SENT, UNKNOWN, expired, expired)[1]
    assert command == Settle(None, "not_sent_expired:timeout")


def test_one_not_found_before_the_fence_counts_for_nothing():
    early = NotFound(FENCE - 1, fresh=True)
    assert run(*SENT, UNKNOWN, early, early, early, ABSENT)[1] == Lookup(SECOND_LOOK_MS)


def test_a_failed_lookup_proves_nothing_and_is_repeated_more_slowly():
    state, command = run(*SENT, UNKNOWN)
    waits = []
    for _ in range(len(LOOKUP_BACKOFF_MS) + 2):
        state, command = step(state, LookupFailed("timeout"))
        waits.append(command.after_ms)
    assert waits == [*LOOKUP_BACKOFF_MS, LOOKUP_BACKOFF_MS[-1], LOOKUP_BACKOFF_MS[-1]]
    assert state.phase is Phase.SENT


def test_a_failed_lookup_between_two_that_find_nothing_changes_nothing():
    assert run(*SENT, UNKNOWN, ABSENT, LookupFailed("x"), ABSENT)[1] == Prepare()


def test_an_order_once_seen_is_never_sent_again_even_if_it_is_not_found_later():
    state, command = run(*SENT, Answered(NEW))
    for _ in range(20):
        state, command = step(state, ABSENT)
        assert isinstance(command, Lookup)
    assert step(state, Answered(FILLED))[1] == Settle(FILLED)


@pytest.mark.parametrize("outcome", NOT_EXECUTED, ids=lambda outcome: outcome.value)
def test_what_was_not_executed_waits_as_told_and_is_sent_again(outcome):
    failed = SendFailed(outcome, "-1021", wait_ms=1_234)
    state, command = run(*SENT, failed)
    assert command == Lookup(1_234)
    assert step(state, NotFound(1, fresh=True))[1] == Prepare()
    assert step(state, NotFound(1, fresh=False))[1] == Settle(None, "not_sent_expired:-1021")


@pytest.mark.parametrize("outcome", NOT_EXECUTED, ids=lambda outcome: outcome.value)
def test_what_is_never_executed_is_given_up_after_so_many_tries(outcome):
    failed = SendFailed(outcome, "429")
    state, command = run(*SENT, failed)
    for _ in range(MAX_RESENDS - 1):
        for event in (NotFound(1, fresh=True), Prepared(), Marked(DEADLINE), failed):
            state, command = step(state, event)
        assert isinstance(command, Lookup)
    for event in (NotFound(1, fresh=True), Prepared(), Marked(DEADLINE), failed):
        state, command = step(state, event)
    assert command == Settle(None, "429")


# --- starting again -------------------------------------------------------------------------------


def test_a_settled_plan_is_only_acknowledged():
    assert start(claim(ClaimState.DONE), suspicious=True)[1] == Acknowledge()


def test_a_plan_delivered_before_is_looked_up_before_its_first_send():
    begin = start(None, suspicious=True)
    assert begin[1] == Lookup()
    assert run(NotFound(0, fresh=True), begin=begin)[1] == AwaitAdmission()
    assert run(NotFound(0, fresh=False), begin=begin)[1] == Settle(None, "not_sent_expired")
    assert run(Answered(FILLED), begin=begin)[1] == Settle(FILLED)


def test_after_a_redis_restart_the_first_send_waits_for_the_fence_and_looks_twice():
    begin = start(None, suspicious=True, fence_ms=FENCE)
    early = NotFound(FENCE - 400, fresh=True)
    assert run(early, begin=begin)[1] == Lookup(400)
    assert run(early, ABSENT, begin=begin)[1] == Lookup(SECOND_LOOK_MS)
    assert run(early, ABSENT, ABSENT, begin=begin)[1] == AwaitAdmission()


def test_a_claimed_plan_goes_on_without_new_permits():
    begin = start(claim(ClaimState.CLAIMED), suspicious=True)
    assert begin[1] == Lookup()
    assert run(NotFound(0, fresh=True), begin=begin)[1] == Prepare()


def test_after_a_redis_restart_a_claimed_plan_may_have_been_sent():
    begin = start(claim(ClaimState.CLAIMED), suspicious=True, fence_ms=FENCE)
    assert run(NotFound(FENCE - 1, fresh=True), begin=begin)[1] == Lookup(1)
    assert run(ABSENT, begin=begin)[1] == Lookup(SECOND_LOOK_MS)
    assert run(ABSENT, ABSENT, begin=begin)[1] == Prepare()


def test_a_sending_plan_may_have_been_sent_until_its_own_fence():
    begin = start(claim(ClaimState.SENDING), suspicious=True)
    assert begin[1] == Lookup()
    assert run(NotFound(FENCE - 1, fresh=True), begin=begin)[1] == Lookup(1, early=True)
    assert run(ABSENT, ABSENT, begin=begin)[1] == Prepare()


def test_after_a_redis_restart_the_later_of_two_fences_counts():
    for own, other in ((DEADLINE, FENCE + 5), (DEADLINE + 5, 1)):
        begin = start(claim(ClaimState.SENDING, own), suspicious=True, fence_ms=other)
        assert run(NotFound(FENCE + 4, fresh=True), begin=begin)[1] == Lookup(1, early=True)


@pytest.mark.parametrize(
    "events",
    [
        (UNKNOWN, ABSENT),
        (UNKNOWN, ABSENT, LookupFailed("x")),
        (SendFailed(OutcomeClass.RETRY, "-1003", wait_ms=1_234),),
    ],
    ids=["second-look", "failed-second-look", "asked-to-wait"],
)
def test_a_wait_that_is_part_of_the_proof_is_never_cut_short_by_news(events):
    command = run(*SENT, *events)[1]
    assert command.after_ms > 0
    assert not command.early


# --- what does not fit ----------------------------------------------------------------------------


@pytest.mark.parametrize("event", EVENTS, ids=repr)
@pytest.mark.parametrize("phase", Phase)
def test_an_event_that_does_not_fit_the_phase_raises(phase, event):
    if (phase, type(event)) in TRANSITIONS:
        step(Execution(phase, attempt=1), event)
    else:
        with pytest.raises(ValueError, match=f"{type(event).__name__} cannot happen"):
            step(Execution(phase), event)


def test_nothing_happens_after_the_end():
    assert not [phase for phase, _ in TRANSITIONS if phase is Phase.DONE]


# --- all paths ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Witness:
    """What the history amounts to, kept apart from the machine's own memory."""

    at_large: bool = False  # a request of ours may be, or come to be, an order
    looks: int = 0  # lookups at or after the fence that found nothing, since that request
    seen: bool = False

    def after(self, event):
        if isinstance(event, Answered):
            return replace(self, seen=True)
        if isinstance(event, SendFailed) and event.outcome is not OutcomeClass.UNKNOWN:
            return replace(self, at_large=False)
        if isinstance(event, NotFound) and event.now_ms >= FENCE:
            looks = min(self.looks + 1, 2)
            return replace(self, looks=looks, at_large=self.at_large and looks < 2)
        return self


def beginnings():
    clean, sent = Witness(), Witness(at_large=True)
    yield start(None, suspicious=False), clean
    yield start(None, suspicious=True), clean
    yield start(None, suspicious=True, fence_ms=FENCE), sent
    yield start(claim(ClaimState.CLAIMED), suspicious=True), clean
    yield start(claim(ClaimState.CLAIMED), suspicious=True, fence_ms=FENCE), sent
    yield start(claim(ClaimState.SENDING), suspicious=True), sent
    yield start(claim(ClaimState.SENDING, 0), suspicious=True, fence_ms=FENCE), sent
    yield start(claim(ClaimState.DONE), suspicious=True), clean


def same(state):
    """States that differ in nothing that a transition looks at are one state."""
    failures = min(state.failures, len(LOOKUP_BACKOFF_MS))
    attempt = min(state.attempt, MAX_RESENDS + 1)
    return replace(state, failures=failures, attempt=attempt, last_code="")


def explore(answers):
    """Every reachable (state, command kind, witness) and the edges between them."""
    edges, waiting = {}, []
    for (state, command), witness in beginnings():
        waiting.append((same(state), command, witness))
    while waiting:
        state, command, witness = waiting.pop()
        node = (state, type(command), witness)
        if node in edges:
            continue
        edges[node] = []
        for event in EVENTS if state.phase is not Phase.DONE else ():
            if not answers(command, event):
                continue
            after, then = step(state, event)
            told = witness.after(event)
            check(event, then, told)
            told = replace(told, at_large=True, looks=0) if isinstance(then, Send) else told
            following = (same(after), then, told)
            edges[node].append((following[0], type(then), told))
            waiting.append(following)
    return edges


def check(event, then, witness):
    if isinstance(then, Send):
        assert isinstance(event, Marked), "sent without the write-ahead"
        assert not witness.at_large, "sent while an earlier request may be an order"
        assert not witness.seen, "sent although the exchange has shown the order"
    if isinstance(then, Settle):
        if then.order is None:
            assert then.error
            assert not witness.at_large, "settled as not executed while it may be"
            assert not witness.seen, "settled as not executed although it was seen"
        else:
            assert then.order.is_final
    assert not isinstance(then, Acknowledge)


def fits(command, event):
    return isinstance(event, ANSWERS.get(type(command), ()))


ENDS = (Settle, Acknowledge)


def test_over_all_paths_no_order_can_be_placed_twice_or_denied_falsely():
    edges = explore(fits)
    ends = {node for node in edges if node[1] in ENDS}
    assert {node[0].phase for node in ends} == {Phase.DONE}
    assert all((node[0].phase is Phase.DONE) == (node[1] in ENDS) for node in edges)
    assert all(not edges[node] for node in ends), "something follows the end"
    assert len(edges) > 100


def test_over_all_paths_the_end_can_be_reached():
    edges = explore(fits)
    reaching = {node for node in edges if node[1] in ENDS}
    grown = True
    while grown:
        more = {n for n, out in edges.items() if n not in reaching and reaching & set(out)}
        reaching |= more
        grown = bool(more)
    assert reaching == edges.keys()


def test_every_answer_to_every_command_is_a_transition():
    for state, kind, _ in explore(fits):
        for event in EVENTS:
            if isinstance(event, ANSWERS.get(kind, ())):
                step(state, event)


def test_every_transition_is_reached():
    reached = {(node[0].phase, node[1]) for node in explore(fits)}
    used = {
        (phase, event)
        for phase, event in TRANSITIONS
        for reached_phase, command in reached
        if phase is reached_phase and event in ANSWERS.get(command, ())
    }
    assert used == TRANSITIONS.keys()


def test_even_events_that_nobody_asked_for_place_no_order_after_one_was_seen():
    edges = {}
    waiting = [(same(state), False) for (state, _), _ in beginnings()]
    while waiting:
        node = waiting.pop()
        if node in edges:
            continue
        edges[node] = True
        state, seen = node
        for event in EVENTS:
            if (state.phase, type(event)) in TRANSITIONS:
                after, then = step(state, event)
                now_seen = seen or isinstance(event, Answered)
                assert not (isinstance(then, Send) and now_seen)
                assert not isinstance(then, Send) or isinstance(event, Marked)
                waiting.append((same(after), now_seen))
    assert len(edges) > 50
