"""The stop switches: what is not understood never means go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.contracts.control import KILL_WIRE, mode_admits, parse_kill
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
