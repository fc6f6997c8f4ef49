"""Admission: which permits, now, let a plan become an order; and every way they do not."""

from dataclasses import replace

import pytest

from qtops.contracts.decision import Deny
from qtops.contracts.environment import Environment
from qtops.contracts.facts import Known, Missing
from qtops.contracts.permit import Permit
from qtops.contracts.universe import Allowlist, Tier
from qtops.contracts.vocabulary import DenyReason, GateName, Lane, TradingState
from qtops.gates.admission import (
    AdmissionLimits,
    Admit,
    AwaitPermits,
    admit,
    check_control,
    check_plan,
    error_text,
)
from tests.strategies import NOW, close, control, permit, permits, plan

GOV, P26, P33 = GateName.GOVERNOR, GateName.PORTFOLIO, GateName.POSITION
LIMITS = AdmissionLimits(
    sources=frozenset({"intent_bridge"}),
    symbols=frozenset({"BTCUSDT"}),
    environment=Environment.SANDBOX,
)
HALTED, REDUCING = TradingState.HALTED, TradingState.REDUCING


def told(answer):
    return answer.reason if isinstance(answer, Deny) else answer


PLANS = {
    "good": (plan(), 0, None),
    "at-its-age-limit": (plan(), 60_000, None),
    "one-millisecond-too-old": (plan(), 60_001, DenyReason.PLAN_STALE),
    "an-old-close-is-stale-too": (close(), 60_001, DenyReason.PLAN_STALE),
    "unknown-source": (plan(source="bot"), 0, DenyReason.SOURCE_NOT_ALLOWED),
    "almost-the-source": (plan(source="Intent_Bridge"), 0, DenyReason.SOURCE_NOT_ALLOWED),
    "the-manual-lane-names-no-source": (plan(source="me", lane=Lane.MANUAL), 0, None),
    "unlisted-symbol": (plan(symbol="ETHUSDT"), 0, DenyReason.SYMBOL_NOT_IN_ALLOWLIST),
    "unlisted-symbol-by-hand": (
        plan(symbol="ETHUSDT", lane=Lane.MANUAL),
        0,
        DenyReason.SYMBOL_NOT_IN_ALLOWLIST,
    ),
    **{
        kind.lower().replace("_", "-"): (
            plan(order_type=kind),
            0,
            DenyReason.ORDER_TYPE_NOT_ALLOWED,
        )
        for kind in (
            *("STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"),
            *("TRAILING_STOP_MARKET", "LIMIT", ""),
        )
    },
}


@pytest.mark.parametrize(("asked", "age_ms", "reason"), PLANS.values(), ids=PLANS.keys())
def test_a_plan_is_refused_before_any_permit_is_looked_at(asked, age_ms, reason):
    assert told(check_plan(asked, age_ms, LIMITS)) is reason


UNIVERSES = {
    "listed": (plan(), {"BTCUSDT"}, None),
    "an-open-of-what-is-not-listed": (plan(), {"ETHUSDT"}, DenyReason.SYMBOL_NOT_IN_ALLOWLIST),
    "a-close-of-what-is-not-listed": (close(), {"ETHUSDT"}, None),
    "listed-but-not-the-executors": (
        plan(symbol="ETHUSDT"),
        {"ETHUSDT"},
        DenyReason.SYMBOL_NOT_IN_ALLOWLIST,
    ),
}


@pytest.mark.parametrize(("asked", "listed", "reason"), UNIVERSES.values(), ids=UNIVERSES.keys())
def test_the_universe_narrows_the_executors_list_for_opens_alone(asked, listed, reason):
    universe = Known(Allowlist(frozenset(listed), Tier.ACTIVE), NOW)
    assert told(check_plan(asked, 0, LIMITS, universe)) is reason


MANUAL = {"lane": Lane.MANUAL}
CONTROLS = {
    "active": (plan(), control(), None),
    "halted-open": (plan(), control(HALTED), DenyReason.KILL_SWITCH_ACTIVE),
    "halted-close": (close(), control(HALTED), DenyReason.KILL_SWITCH_ACTIVE),
    "halted-operators-close": (close(**MANUAL), control(HALTED, manual_lane=True), None),
    "halted-operators-close-with-the-lane-shut": (
        close(**MANUAL),
        control(HALTED),
        DenyReason.MANUAL_LANE_DISABLED,
    ),
    "halted-operators-open": (
        plan(**MANUAL),
        control(HALTED, manual_lane=True),
        DenyReason.KILL_SWITCH_ACTIVE,
    ),
    "reducing-open": (plan(), control(REDUCING), DenyReason.REDUCING_ONLY),
    "reducing-close": (close(), control(REDUCING), None),
    "lane-shut": (plan(**MANUAL), control(), DenyReason.MANUAL_LANE_DISABLED),
    "lane-open": (plan(**MANUAL), control(manual_lane=True), None),
    "unreadable-open": (plan(), Missing("unreadable"), DenyReason.KILL_SWITCH_ACTIVE),
    "unreadable-close": (close(), Missing("absent"), DenyReason.KILL_SWITCH_ACTIVE),
    "unreadable-operators-close": (
        close(**MANUAL),
        Missing("absent"),
        DenyReason.KILL_SWITCH_ACTIVE,
    ),
    "dry-run-open": (plan(), control(mode="DRY_RUN"), DenyReason.MODE_FORBIDS),
    "dry-run-close": (close(), control(mode="DRY_RUN"), DenyReason.MODE_FORBIDS),
}


@pytest.mark.parametrize(("asked", "state", "reason"), CONTROLS.values(), ids=CONTROLS.keys())
def test_the_stop_switches_hold_at_the_executor_too(asked, state, reason):
    assert told(check_control(asked, state, LIMITS)) is reason
    answer = admit(asked, permits(asked), state, NOW, LIMITS)
    assert told(answer) is reason if reason else isinstance(answer, Admit)


VENUES = {
    ("", Environment.SANDBOX): True,
    ("TESTNET", Environment.TESTNET): True,
    ("TESTNET", Environment.MAINNET): False,
    ("", Environment.MAINNET): False,
    ("", Environment.OTHER): False,
    ("MAINNET", Environment.MAINNET): True,
    ("MAINNET", Environment.SANDBOX): False,
    ("MAINNET", Environment.TESTNET): False,
    ("DRY_RUN", Environment.SANDBOX): False,
    ("nonsense", Environment.SANDBOX): False,
}


@pytest.mark.parametrize(
    ("mode", "venue", "admitted"),
    [(*pair, admitted) for pair, admitted in VENUES.items()],
    ids=[f"{mode or 'not-set'}-on-{venue.value}" for mode, venue in VENUES],
)
def test_an_order_goes_only_to_the_venue_that_the_mode_names(mode, venue, admitted):
    limits = replace(LIMITS, environment=venue)
    answer = check_control(plan(), control(mode=mode), limits)
    assert told(answer) is (None if admitted else DenyReason.MODE_FORBIDS)


# --- permits --------------------------------------------------------------------------------------


def with_permit(gate, **changes):
    asked = plan()
    return {**permits(asked), gate: permit(gate, asked, **changes)}


def test_all_permits_admit():
    answer = admit(plan(), permits(plan()), control(), NOW, LIMITS)
    assert answer == Admit(permits(plan()))


@pytest.mark.parametrize("gate", GateName)
def test_silence_of_a_gate_is_waited_for(gate):
    held = {name: p for name, p in permits(plan()).items() if name is not gate}
    assert admit(plan(), held, control(), NOW, LIMITS) == AwaitPermits((gate,))
    assert admit(plan(), {**held, gate: None}, control(), NOW, LIMITS) == AwaitPermits((gate,))


def test_all_silent_gates_are_named():
    assert admit(plan(), {}, control(), NOW, LIMITS) == AwaitPermits((GOV, P26, P33))


@pytest.mark.parametrize("gate", GateName)
def test_a_refusal_ends_the_wait_for_the_others(gate):
    only = {gate: permit(gate, plan(), allow=False, reason="no_position")}
    answer = admit(plan(), only, control(), NOW, LIMITS)
    assert told(answer) is DenyReason.PERMIT_DENIED


FAULTS = {
    "denied": ({"allow": False}, DenyReason.PERMIT_DENIED),
    "for-another-plan": ({"plan_id": "plan-2"}, DenyReason.PERMIT_OTHER_PLAN),
    "for-an-edited-plan": ({"plan_digest": "e" * 64}, DenyReason.PERMIT_OTHER_PLAN),
    "expired": ({"expires_at_ms": NOW}, DenyReason.PERMIT_EXPIRED),
    "of-an-earlier-epoch": ({"epoch": 6}, DenyReason.KILL_EPOCH_CHANGED),
    "of-a-later-epoch": ({"epoch": 8}, DenyReason.KILL_EPOCH_CHANGED),
    "without-an-epoch": ({"epoch": -1}, DenyReason.KILL_EPOCH_CHANGED),
}


@pytest.mark.parametrize("gate", GateName)
@pytest.mark.parametrize(("changes", "reason"), FAULTS.values(), ids=FAULTS.keys())
def test_one_bad_permit_refuses_the_plan(gate, changes, reason):
    answer = admit(plan(), with_permit(gate, **changes), control(), NOW, LIMITS)
    assert told(answer) is reason


@pytest.mark.parametrize("gate", GateName)
def test_one_unsigned_permit_refuses_the_plan_when_a_key_is_configured(gate):
    limits = replace(LIMITS, permit_key="k")
    signed = {
        name: Permit.from_text(p.to_json("" if name is gate else "k"), name, p.plan_id)
        for name, p in permits(plan()).items()
    }
    answer = admit(plan(), signed, control(), NOW, limits)
    assert told(answer) is DenyReason.PERMIT_FORGED
    signed[gate] = Permit.from_text(permits(plan())[gate].to_json("k"), gate, "plan-1")
    assert isinstance(admit(plan(), signed, control(), NOW, limits), Admit)


def test_the_last_millisecond_of_a_permit_admits():
    held = with_permit(P33, expires_at_ms=NOW + 1)
    assert isinstance(admit(plan(), held, control(), NOW, LIMITS), Admit)


@pytest.mark.parametrize("gate", GateName)
def test_an_unreadable_permit_is_a_refusal(gate):
    held = {**permits(plan()), gate: Deny(DenyReason.PERMIT_UNREADABLE, "bad json")}
    answer = admit(plan(), held, control(), NOW, LIMITS)
    assert told(answer) is DenyReason.PERMIT_UNREADABLE


def test_a_kill_between_issue_and_admission_voids_every_permit():
    answer = admit(plan(), permits(plan()), control(epoch=8), NOW, LIMITS)
    assert told(answer) is DenyReason.KILL_EPOCH_CHANGED


def test_only_required_gates_are_asked():
    limits = replace(LIMITS, required=(P33,))
    only = {P33: permit(P33, plan()), GOV: permit(GOV, plan(), allow=False)}
    assert admit(plan(), only, control(), NOW, limits) == Admit({P33: only[P33]})


@pytest.mark.parametrize("required", [(), (GOV,), (GOV, P26)], ids=["none", "one", "two"])
def test_the_position_gate_cannot_be_left_out(required):
    with pytest.raises(ValueError, match="position"):
        replace(LIMITS, required=required)


TEXTS = {
    "of-a-gate": (
        Deny(DenyReason.PERMIT_DENIED, "p33_permit_denied:no_position"),
        "p33_permit_denied:no_position",
    ),
    "with-detail": (Deny(DenyReason.PLAN_STALE, "9 ms"), "plan_stale:9 ms"),
    "without-detail": (Deny(DenyReason.MANUAL_LANE_DISABLED), "manual_lane_disabled"),
    "of-a-symbol": (
        Deny(DenyReason.SYMBOL_NOT_IN_ALLOWLIST, "XRPUSDT"),
        "symbol_not_in_allowlist:XRPUSDT",
    ),
}


@pytest.mark.parametrize(("denial", "text"), TEXTS.values(), ids=TEXTS.keys())
def test_a_refusal_reads_as_operators_know_it(denial, text):
    assert error_text(denial) == text


@pytest.mark.parametrize(
    ("gate", "text"),
    [
        (GOV, "governor_permit_denied:symbol_cooldown"),
        (P26, "p26_permit_denied:symbol_cooldown"),
        (P33, "p33_permit_denied:symbol_cooldown"),
    ],
    ids=["governor", "portfolio", "position"],
)
def test_a_gates_denial_keeps_the_gates_short_name(gate, text):
    held = with_permit(gate, allow=False, reason="symbol_cooldown")
    assert error_text(admit(plan(), held, control(), NOW, LIMITS)) == text
