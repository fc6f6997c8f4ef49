"""The four ways through the system that operators ask about, and the original's names on them.

Streams that are ours are in `Stream`; the others belong to operators' own services and to the
original system, which nothing here reads or writes: audits look for them.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Hop:
    """One step. `services` are the names of units and heartbeats, ours and the original's.

    `groups` are words in the names of the consumer groups it reads through. Every entry of the
    streams in `answers` is owed one in `writes`. Streams by short name.
    """

    name: str
    services: tuple[str, ...]
    reads: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """One way through the system. `to_exchange`: its last hop places orders."""

    letter: str
    title: str
    hops: tuple[Hop, ...]
    to_exchange: bool = True


_MARKET = Hop(
    "market data",
    ("exchange-stream-bridge", "market-state"),
    writes=("exchange.normalized", "market.tick"),
)
_POSITIONS = Hop("positions", ("position-monitor", "snapshots"), writes=("portfolio.state",))

ROUTES: Final = (
    Route(
        "A",
        "market to order",
        (
            _MARKET,
            Hop(
                "signals",
                ("ai-engine",),
                ("exchange.normalized", "market.tick"),
                writes=("ai.decision.made",),
            ),
            Hop("bots", ("trading-bot",), ("ai.decision.made",), writes=("trade.intent",)),
            Hop(
                "intent bridge",
                ("intent-bridge",),
                ("trade.intent",),
                ("intent_bridge",),
                ("apply.plan",),
            ),
            Hop(
                "gates",
                ("governor", "portfolio-gate", "position-gate", "position-state-brain"),
                ("apply.plan",),
                ("governor", "p26_portfolio_gate", "p33"),
                ("gate.decision",),
                ("apply.plan",),
            ),
            Hop(
                "executor",
                ("executor", "intent-executor"),
                ("apply.plan", "trade.intent"),
                ("intent_executor", "execution"),
                ("apply.result", "trade.execution.res"),
                ("apply.plan",),
            ),
        ),
    ),
    Route(
        "B",
        "position to exit",
        (_POSITIONS, Hop("exits", ("exitbrain-v35", "exit-monitor"), ("portfolio.state",))),
    ),
    Route(
        "C",
        "position to harvest",
        (
            _POSITIONS,
            Hop(
                "proposals",
                ("harvest-proposal", "harvest"),
                ("portfolio.state",),
                writes=("harvest.proposal",),
            ),
            Hop(
                "heat gate",
                ("heat-gate", "portfolio-heat-gate", "heat-calibration"),
                ("harvest.proposal",),
                ("heat_gate", "portfolio_gate"),
                ("harvest.calibrated", "harvest.heat.decision"),
                ("harvest.proposal",),
            ),
            Hop(
                "apply layer",
                ("apply-layer",),
                ("harvest.calibrated", "harvest.heat.decision"),
                ("apply_layer",),
            ),
        ),
    ),
    Route(
        "D",
        "result to insight",
        (
            Hop("results", ("executor", "intent-executor"), writes=("apply.result",)),
            Hop(
                "exit intelligence",
                ("exit-intelligence",),
                ("apply.result",),
                ("exit_intelligence",),
            ),
            Hop(
                "metrics",
                ("metricpack-builder", "analytics"),
                ("apply.result",),
                ("metricpack_builder", "analytics"),
            ),
        ),
        to_exchange=False,
    ),
)

# Spellings of the original that somebody reads or writes beside the right one. Right of each, ours.
MISSPELLED: Final = {
    "ledger:": "position:ledger:",
    "portfolio:state": "state:portfolio",
    "cluster:stress:": "portfolio:cluster_state",
    "marketstate:": "state:market:",
    "market_state:": "state:market:",
    "market:": "state:market:",
    "permit:p32:": "permit:",
    "permit:governor:": "permit:",
}
