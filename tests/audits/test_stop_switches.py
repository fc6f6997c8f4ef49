"""The board: what every switch means, what nobody honours, and who set the one that counts."""

import pytest

from qtops.audits.stop_switches import is_halted_on_record, read_board, trading_state
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


READING = {
    "now_ms": NOW_MS,
    "kill": "reduce",
    "epoch": "7",
    "mode": "TESTNET",
    "manual_lane": None,
    "manual_lane_ttl_ms": -2,
    "record": RECORD,
    "legacy": {},
}


def board(environ=None, **changed):
    return read_board(ControlReading(**(READING | changed)), environ or {}, "quantum")


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
    assert rows["quantum:kill"].honoured_by == (*gates, "exit-monitor")
    assert rows["quantum:mode"].honoured_by == ("governor", "executor")
    assert rows["quantum:manual_lane:enabled"].value == "closed"
    assert rows["quantum:rollout"].honoured_by == ("governor",)
    assert len(rows) == 4


ROLLOUTS = {None: ("100", False), "100": ("100", False), "99": ("99", True), "0": ("0", True)}


@pytest.mark.parametrize(("raw", "expected"), ROLLOUTS.items())
def test_the_rollout_says_what_it_still_lets_open(raw, expected):
    row = next(row for row in board(rollout=raw).rows if row.switch == "quantum:rollout")
    pct, is_set = expected
    assert row.does_not_cover == f"reductions, manual plans, opens in {pct} % of the symbols"
    assert row.is_set is is_set


def test_a_rollout_that_cannot_be_read_stops_opens_and_says_so():
    found = board(rollout="most")
    assert found.rows[3].does_not_cover.endswith("opens in 0 % of the symbols")
    assert found.remarks[0].next_command.startswith("qtops rollout set 100")


HALTS = [
    ({"kill": "1", "record": RECORD | {"value": "1"}}, True),
    ({"kill": "1", "record": RECORD | {"value": "1", "epoch": "6"}}, False),
    ({"kill": "1", "record": {}}, False),
    ({"kill": "reduce"}, False),
    ({"kill": None, "epoch": None, "record": {}}, False),
]


@pytest.mark.parametrize(("changed", "expected"), HALTS)
def test_a_halt_counts_as_on_record_only_with_its_own_epoch(changed, expected):
    reading = ControlReading(**(READING | changed))
    assert is_halted_on_record(reading) is expected


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
