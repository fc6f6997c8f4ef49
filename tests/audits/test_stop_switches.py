"""The board: what every switch means, what nobody honours, and who set the one that counts."""

import pytest

from qtops.audits.stop_switches import read_board, trading_state
from qtops.contracts.vocabulary import TradingState
from qtops.ports import ControlReading

NOW_MS = 1_769_477_662_000
RECORD = {
    "value": "reduce",
    "previous": "0",
    "epoch": "7",
    "by": "ops@host",
    "at_ms": str(NOW_MS - 240_000),
    "reason": "latency spike",
}


def board(environ=None, **changed):
    reading = {
        "now_ms": NOW_MS,
        "kill": "reduce",
        "epoch": "7",
        "mode": "TESTNET",
        "manual_lane": None,
        "manual_lane_ttl_ms": -2,
        "record": RECORD,
        "legacy": {},
    }
    return read_board(ControlReading(**(reading | changed)), environ or {}, "quantum")


STATES = {
    "0": (TradingState.ACTIVE, ""),
    " Reduce ": (TradingState.REDUCING, ""),
    "1": (TradingState.HALTED, ""),
    None: (TradingState.HALTED, "not set"),
    "": (TradingState.HALTED, "unreadable: ''"),
    "off": (TradingState.HALTED, "unreadable: 'off'"),
    "(not a string)": (TradingState.HALTED, "unreadable: '(not a string)'"),
}


@pytest.mark.parametrize(("raw", "expected"), STATES.items())
def test_absent_and_unreadable_are_halted(raw, expected):
    assert trading_state(raw) == expected


def test_the_board_says_who_when_and_why():
    found = board()
    assert (found.state, found.by, found.reason) == (
        TradingState.REDUCING,
        "ops@host",
        "latency spike",
    )
    assert (found.since_ms, found.epoch, found.remarks) == (NOW_MS - 240_000, "7", [])


def test_the_switches_that_exist_name_their_readers():
    rows = {row.switch: row for row in board().rows}
    gates = ("governor", "portfolio-gate", "position-gate", "executor")
    assert rows["quantum:kill"].honoured_by == gates
    assert rows["quantum:mode"].honoured_by == ("governor", "executor")
    assert rows["quantum:manual_lane:enabled"].value == "closed"
    assert len(rows) == 3


@pytest.mark.parametrize("changed", [{"kill": "1"}, {"epoch": "8"}, {"kill": None}])
def test_a_change_without_a_record_is_remarked(changed):
    found = board(**changed)
    assert (found.by, found.since_ms) == ("", None)
    assert "behind qtops' back" in found.remarks[0].text


def test_no_record_at_all_is_nobody_and_no_fault():
    found = board(record={})
    assert (found.by, found.remarks) == ("", [])


def test_legacy_switches_stop_nothing_and_say_so():
    legacy = {"ess:active": "1", "lockdown": "false", "system:mode": "LOCKDOWN"}
    found = board(legacy=legacy, environ={"APPLY_KILL_SWITCH": "true", "ESS_ON": "0", "X": "1"})
    rows = {row.switch: row for row in found.rows if not row.honoured_by}
    assert {name: row.is_set for name, row in rows.items()} == {
        "quantum:lockdown": False,
        "quantum:system:mode": True,
        "quantum:ess:active": True,
        "APPLY_KILL_SWITCH": True,
        "ESS_ON": False,
    }
    assert all(row.does_not_cover.startswith("everything") for row in rows.values())
    assert [remark.text.split()[0] for remark in found.remarks] == [
        "quantum:system:mode",
        "quantum:ess:active",
        "APPLY_KILL_SWITCH",
    ]


def test_while_halted_a_legacy_switch_misleads_nobody():
    assert board(kill=None, record={}, legacy={"ess:active": "1"}).remarks == []


def test_a_manual_lane_that_never_closes_is_remarked():
    found = board(manual_lane="1", manual_lane_ttl_ms=-1)
    assert "does not expire" in found.remarks[0].text
    assert board(manual_lane="1", manual_lane_ttl_ms=5000).remarks == []


@pytest.mark.parametrize(
    ("mode", "covers"),
    [
        ("TESTNET", "orders to testnet, sandbox"),
        (None, "orders to testnet, sandbox"),
        ("MAINNET", "orders to mainnet, other"),
        ("DRY_RUN", "orders to no venue"),
        ("banana", "orders to no venue"),
    ],
)
def test_what_the_mode_lets_through(mode, covers):
    row = next(row for row in board(mode=mode).rows if row.switch == "quantum:mode")
    assert row.does_not_cover == covers
