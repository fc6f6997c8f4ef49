"""The stop switches: kill key, epoch, mode. One spelling on the wire, one meaning."""

from enum import StrEnum

from qtops.contracts.environment import Environment
from qtops.contracts.vocabulary import TradingState
from qtops.errors import DecodeError

KILL_VALUES = {
    "0": TradingState.ACTIVE,
    "reduce": TradingState.REDUCING,
    "1": TradingState.HALTED,
}
KILL_WIRE = {state: wire for wire, state in KILL_VALUES.items()}


class Mode(StrEnum):
    """`quantum:mode`: which kind of venue orders may go to at all."""

    TESTNET = "TESTNET"
    MAINNET = "MAINNET"
    DRY_RUN = "DRY_RUN"


def parse_kill(raw: str) -> TradingState:
    """The trading state. Anything unknown raises; callers treat that as HALTED."""
    state = KILL_VALUES.get(raw.strip().lower())
    if state is None:
        raise DecodeError("bad_kill", "kill", f"kill switch holds {raw[:20]!r}, not 0, reduce or 1")
    return state


def mode_admits(mode: str, environment: Environment) -> bool:
    """Whether orders may go to this venue. An absent mode admits test venues only."""
    word = mode.strip().upper()
    if word == Mode.DRY_RUN:
        return False
    test_venue = environment in {Environment.TESTNET, Environment.SANDBOX}
    if word in {Mode.TESTNET, ""}:
        return test_venue
    if word == Mode.MAINNET:
        return not test_venue
    return False
