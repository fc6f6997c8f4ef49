"""The first line of a report says what happened and, if it is not proven, why."""

import pytest

from qtops.reports.exit_words import checks_of, findings_of, verdict_sentence
from tests.reports import samples as s

GIVE = {
    "proven": (
        s.proven,
        (
            "2 exits filled, 1 negative control refused as expected; "
            "the exchange agrees with every result"
        ),
    ),
    "one exit and no control": (
        lambda: s.payload(s.short_round()),
        "1 exit filled; the exchange agrees with every result",
    ),
    "a gate is silent and its service too": (
        s.governor_silent,
        (
            "round 2 (ETHUSDT) failed at the permits: no decision from governor; "
            "the service governor has no heartbeat"
        ),
    ),
    "a gate is silent although its service lives": (
        lambda: s.payload(s.silent_governor_round(1)),
        (
            "round 1 (ETHUSDT) failed at the permits: no decision from governor; "
            "the service governor has a heartbeat"
        ),
    ),
    "a gate refused": (
        lambda: s.payload(s.denied_round()),
        (
            "round 1 (TRXUSDT) failed at the position gate (p33): "
            "p33_permit_denied:stale_exchange_state"
        ),
    ),
    "the exchange disagrees": (
        lambda: s.payload(s.disagreeing_round(), s.eth_round()),
        "round 1 (TRXUSDT) failed at the exchange: result and exchange disagree",
    ),
    "no result": (
        lambda: s.payload(s.lost_round(), silent=("executor",)),
        (
            "round 2 (ETHUSDT) failed at the result: no result arrived in time; "
            "the service executor has no heartbeat"
        ),
    ),
    "no result from a living executor": (
        lambda: s.payload(s.lost_round()),
        "round 2 (ETHUSDT) failed at the result: no result arrived in time",
    ),
    "two failed": (
        lambda: s.payload(s.disagreeing_round(), s.lost_round()),
        (
            "round 1 (TRXUSDT) failed at the exchange: result and exchange disagree "
            "(1 more round failed)"
        ),
    ),
    "the bridge stays paused": (
        lambda: s.payload(s.trx_round(), resumed=False),
        "every round ended as expected, but the intent bridge was not resumed",
    ),
    "nothing but controls": (
        lambda: s.payload(s.control_round()),
        (
            "no exit was filled, and only a filled exit proves that exits work "
            "(0 exits filled, 1 negative control refused as expected)"
        ),
    ),
}


@pytest.mark.parametrize(("build", "sentence"), GIVE.values(), ids=GIVE)
def test_the_verdict_is_one_sentence_with_the_first_reason(build, sentence):
    assert verdict_sentence(build()) == sentence


def test_a_service_that_nobody_looked_at_is_not_called_silent():
    payload = s.governor_silent()
    payload["services"] = {}
    assert verdict_sentence(payload).endswith("nobody looked for the heartbeat of governor")


def test_a_proven_proof_finds_nothing():
    assert findings_of(s.proven()) == []


def test_every_finding_names_its_next_command_and_the_worst_comes_first():
    rounds = (s.silent_governor_round(1), s.lost_round(2))
    payload = s.payload(*rounds, asked=5, silent=("governor",), resumed=False)
    found = findings_of(payload)
    assert [f.state for f in found] == ["broken"] * 4 + ["attention"]
    assert [f.command for f in found] == [
        f"qtops audit permits --plan-id exit_hardproof_ETHUSDT_R1_{s.STAMP}",
        f"qtops audit permits --plan-id exit_hardproof_ETHUSDT_R2_{s.STAMP}",
        "qtops run governor",
        "qtops kill status",
        "qtops config show INTENT_EXECUTOR_ALLOWLIST",
    ]
    assert found[-1].text == "2 of 5 rounds were run: no more symbols are allowed"


def test_each_round_can_be_checked_without_the_report():
    filled, refused, failed = checks_of(
        s.payload(s.trx_round(), s.control_round(2), s.lost_round(3))
    )
    assert filled.claim == "Round 1: must find order 633416228 (exit 0)"
    assert filled.command == f"qtops proof order-id --plan-id exit_hardproof_TRXUSDT_R1_{s.STAMP}"
    assert refused.claim == "Round 2: must find no executed order (exit 3)"
    assert failed.command == f"qtops audit permits --plan-id exit_hardproof_ETHUSDT_R3_{s.STAMP}"


def test_a_command_survives_a_hostile_plan_id():
    payload = s.payload(s.trx_round(), s.lost_round())
    for finished in payload["rounds"]:
        finished["plan_id"] = "x'; rm -rf / #"
    commands = [c.command for c in checks_of(payload)] + [findings_of(payload)[0].command]
    assert all(c.endswith(""" 'x'"'"'; rm -rf / #'""") for c in commands)
