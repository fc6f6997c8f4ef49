"""The stop switches: what is not understood never means go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.contracts.control import (
    KILL_WIRE,
    in_rollout,
    mode_admits,
    parse_kill,
    parse_rollout,
)
from qtops.contracts.environment import Environment
from qtops.contracts.vocabulary import TradingState
from qtops.errors import DecodeError

MAINNET, TESTNET, SANDBOX, OTHER = (
    Environment.MAINNET,
    Environment.TESTNET,
    Environment.SANDBOX,
    Environment.OTHER,
)


@pytest.mark.parametrize(
    ("raw", "state"),
    [
        ("0", TradingState.ACTIVE),
        ("reduce", TradingState.REDUCING),
        ("REDUCE", TradingState.REDUCING),
        ("1", TradingState.HALTED),
        (" 1\n", TradingState.HALTED),
    ],
)
def test_the_kill_switch_has_three_spellings(raw, state):
    assert parse_kill(raw) is state


@given(state=st.sampled_from(TradingState))
def test_every_trading_state_can_be_written_and_read(state):
    assert parse_kill(KILL_WIRE[state]) is state


@given(raw=st.text(max_size=8))
def test_any_other_kill_switch_raises(raw):
    if raw.strip().lower() in KILL_WIRE.values():
        return
    with pytest.raises(DecodeError) as fault:
        parse_kill(raw)
    assert fault.value.reason == "bad_kill"


ADMITTED = {
    "": {TESTNET, SANDBOX},
    "TESTNET": {TESTNET, SANDBOX},
    "testnet ": {TESTNET, SANDBOX},
    "MAINNET": {MAINNET, OTHER},
    "DRY_RUN": set(),
    "LIVE": set(),
    "1": set(),
}


@pytest.mark.parametrize("environment", Environment)
@pytest.mark.parametrize("mode", ADMITTED, ids=lambda mode: mode.strip() or "not-set")
def test_a_mode_admits_its_venues_and_no_others(mode, environment):
    assert mode_admits(mode, environment) is (environment in ADMITTED[mode])


# By hand: printf BTCUSDT | sha256sum | cut -c1-8, as a number, modulo 100.
PLACES = {"BTCUSDT": 26, "ETHUSDT": 86, "TRXUSDT": 61, "SOLUSDT": 46, "XRPUSDT": 18}


@pytest.mark.parametrize(("symbol", "place"), PLACES.items())
def test_a_symbols_place_in_the_rollout_never_changes(symbol, place):
    assert not in_rollout(symbol, place)
    assert in_rollout(symbol, place + 1)


@given(symbol=st.text(max_size=12), low=st.integers(0, 100), more=st.integers(0, 100))
def test_a_wider_rollout_only_adds_symbols(symbol, low, more):
    if in_rollout(symbol, low):
        assert in_rollout(symbol, min(low + more, 100))
    assert not in_rollout(symbol, 0)
    assert in_rollout(symbol, 100)


@pytest.mark.parametrize(("raw", "pct"), [("0", 0), (" 25\n", 25), ("100", 100), ("007", 7)])
def test_a_rollout_is_a_whole_percentage(raw, pct):
    assert parse_rollout(raw) == pct


@pytest.mark.parametrize("raw", ["", "101", "-1", "2.5", "all", "٣", "1e2", "0100"])
def test_any_other_rollout_raises(raw):
    with pytest.raises(DecodeError) as fault:
        parse_rollout(raw)
    assert fault.value.reason == "bad_rollout"
