"""The stop switches: kill key, epoch, mode, rollout. One spelling on the wire, one meaning."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from qtops.contracts.codec import Fields, parse_int
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


WHOLE_ROLLOUT_PCT: Final = 100


def parse_rollout(raw: str) -> int:
    """Per cent of the symbols, 0 to 100. Anything else raises; callers treat that as 0."""
    word = raw.strip()
    if not (word.isascii() and word.isdecimal() and len(word) <= len("100")):
        raise DecodeError("bad_rollout", "rollout", f"rollout holds {raw[:20]!r}, not 0 to 100")
    pct = int(word)
    if pct > WHOLE_ROLLOUT_PCT:
        raise DecodeError("bad_rollout", "rollout", f"rollout holds {pct}, not 0 to 100")
    return pct


def in_rollout(symbol: str, pct: int) -> bool:
    """Whether the symbol is among the first `pct` per cent. A higher `pct` only adds symbols.

    A hash of the name alone: the same in every process, on every host, after every restart.
    """
    place = int(hashlib.sha256(symbol.encode()).hexdigest()[:8], 16) % WHOLE_ROLLOUT_PCT
    return place < pct


@dataclass(frozen=True, slots=True)
class ControlChange:
    """One entry of `control.audit`: who changed which switch from what to what, when, and why.

    `epoch` is the kill epoch the change began; None for switches that have none.
    """

    switch: str
    value: str
    previous: str
    by: str
    at_ms: int
    reason: str = ""
    epoch: int | None = None

    def to_fields(self) -> dict[str, str]:
        epoch = {"epoch": str(self.epoch)} if self.epoch is not None else {}
        head = {"switch": self.switch, "value": self.value, "previous": self.previous}
        return {**head, **epoch, **self.said()}

    def said(self) -> dict[str, str]:
        """What the operator states, as against what the script finds out when it writes."""
        return {"by": self.by, "at_ms": str(self.at_ms), "reason": self.reason}

    @classmethod
    def from_fields(cls, raw: Mapping[str, str]) -> "ControlChange":
        fields = Fields(raw)
        epoch = fields.take("epoch")
        return cls(
            switch=fields.need("switch"),
            value=fields.need("value"),
            previous=fields.take("previous") or "",
            by=fields.need("by"),
            at_ms=fields.need_int("at_ms"),
            reason=fields.take("reason") or "",
            epoch=parse_int(epoch, "epoch") if epoch else None,
        )


@dataclass(frozen=True, slots=True)
class LegacySwitch:
    """A stop switch of the original that still lies in operators' Redis. Nothing here reads it."""

    name: str
    once_read_by: str


# Source: DOMAIN §2.13. Keys under the namespace, then variables of the environment.
LEGACY_SWITCHES = (
    LegacySwitch("global:kill_switch", "the apply layer, which compared it wrongly"),
    LegacySwitch("governor:halt", "nobody"),
    LegacySwitch("governor:execution", "the governor"),
    LegacySwitch("lockdown", "the exit intent gateway"),
    LegacySwitch("system:mode", "the intent bridge, for entries"),
    LegacySwitch("ess:active", "nobody"),
)
LEGACY_VARIABLES = (
    LegacySwitch("APPLY_KILL_SWITCH", "the apply layer"),
    LegacySwitch("EXIT_EXECUTOR_KILL_SWITCH", "the exit executor"),
    LegacySwitch("ESS_ON", "the emergency stop script"),
)
LEGACY_FLAG = LegacySwitch("ESS_ON", "the emergency stop script")  # a file, set by being there
