"""What the founding report of 29 January 2026 wrote down: units, streams, groups, ports, files."""

from dataclasses import dataclass, field

UNITS_IN_ALL = 56
FAILED = ("apply-layer", "contract-check", "ess-trigger", "risk-proposal")
# Unit → its package under microservices/; an empty one runs something else.
NAMED = {
    "ai-engine": "ai_engine",
    "trading_bot": "trading_bot",
    "intent-executor": "intent_executor",
    "intent-bridge": "intent_bridge",
    "exitbrain-v35": "position_monitor",
    "governor": "governor",
    "harvest-proposal": "harvest_proposal",
    "heat-gate": "heat_gate",
    "portfolio-heat-gate": "portfolio_heat_gate",
    "apply-layer": "apply_layer",
    "position-monitor": "position_monitor",
    "exit-intelligence": "exit_intelligence",
    "metricpack-builder": "metricpack_builder",
    "exchange-stream-bridge": "exchange_stream_bridge",
    "portfolio-risk-governor": "portfolio_risk_governor",
    "rl-agent": "rl_agent",
    "rl-monitor": "rl_monitor",
    "rl-trainer": "rl_trainer",
    "contract-check": "",
    "ess-trigger": "",
    "risk-proposal": "risk_proposal",
}
ONESHOT = ("contract-check", "ess-trigger")
CONFLICT = "<<<<<<< Updated upstream"
LOGS = {
    "apply-layer": (
        '  File "/home/qt/quantum_trader/microservices/apply_layer/main.py", line 1',
        f"    {CONFLICT}",
        "    ^^",
        "SyntaxError: invalid syntax",
        "quantum-apply-layer.service: Main process exited, code=exited, status=1/FAILURE",
    ),
    "heat-gate": (
        "[WARNING] SOLUSDT: FAIL-OPEN (missing_inputs) → out=FULL_CLOSE_PROPOSED",
        "[WARNING] BTCUSDT: FAIL-OPEN (missing_inputs) → out=FULL_CLOSE_PROPOSED",
    ),
    "trading_bot": ("[TRADING-BOT] Published trade.intent for COMPUSDT (id=1769718915183-0)",),
}
# What each package spells; the heat gate and the bridge read keys that nobody writes.
CODE = {
    "heat_gate": 'state = r.hgetall("quantum:portfolio:state")\n',
    "intent_bridge": 'book = r.hgetall(f"quantum:ledger:{symbol}")\n',
    "trading_bot": 'r.xadd("quantum:stream:trade.intent", intent)\n',
}


@dataclass(frozen=True)
class Group:
    """`behind`: entries after its position; `pending` were delivered before it."""

    name: str
    consumers: int
    pending: int = 0
    behind: int = 0
    entries_read: int | None = None


@dataclass(frozen=True)
class Stream:
    """`age_s` is the newest entry's, `step_ms` the pause between two."""

    length: int
    groups: tuple[Group, ...] = ()
    age_s: int = 5
    step_ms: int = 3600
    added: int | None = None


LAG = 1_510_671
ENTRIES_READ = 523_632
STREAMS = {
    "trade.intent": Stream(
        95_920,
        (
            Group(
                "quantum:group:execution:trade.intent", 42, behind=303, entries_read=ENTRIES_READ
            ),
            Group("quantum:group:intent_bridge", 11, pending=7_996),
        ),
        added=ENTRIES_READ + LAG,
    ),
    "apply.result": Stream(
        10_046,
        (Group("exit_intelligence", 1, pending=481), Group("metricpack_builder", 1)),
        age_s=4_000,
    ),
    "harvest.proposal": Stream(
        28,
        (
            Group("heat_gate", 1, behind=3),
            Group("p26_heat_gate", 4),
            Group("p26_portfolio_gate", 6),
        ),
        age_s=300,
    ),
    "ai.decision.made": Stream(10_002),
    "trade.execution.res": Stream(22_513),
    "exitbrain.pnl": Stream(1),
    "exchange.normalized": Stream(50, step_ms=100),
    "market.tick": Stream(50, step_ms=100),
    "portfolio.state": Stream(50, step_ms=100),
    "harvest.calibrated": Stream(20, age_s=4_000),
}


@dataclass(frozen=True)
class Port:
    port: int
    pid: int
    process: str
    unit: str = ""
    address: str = "127.0.0.1"
    is_visible: bool = field(default=True)


PORTS = (
    Port(8001, 623393, "uvicorn", "quantum-ai-engine.service"),
    Port(8006, 3097974, "uvicorn", "quantum-trading_bot.service"),
    Port(8000, 907845, "python3", "quantum-dashboard-api.service", "0.0.0.0"),
    Port(8003, 907850, "python3", "quantum-unnamed-1.service"),
    Port(8005, 2665194, "python3", "quantum-unnamed-2.service"),
    Port(8007, 907846, "python3", "quantum-exit-monitor.service", "0.0.0.0"),
    Port(80, 1050, "nginx", "nginx.service", "0.0.0.0"),
    Port(3000, 1200, "grafana", "grafana-server.service"),
    Port(9091, 1300, "prometheus", "prometheus.service"),
    Port(5432, 1400, "postgres", is_visible=False),
)
ENV_FILES = 75
PRIVATE_ENV = (
    "exitbrain-control.env",
    "exitbrain-v35.env",
    "position-monitor.env",
    "alert.env",
    "testnet.env",
)
CONTROL_ENV = "EXIT_EXECUTOR_MODE=LIVE\nEXIT_EXECUTOR_KILL_SWITCH=false\nEXIT_LIVE_ROLLOUT_PCT=10\n"
# Eight references to exchange keys in 75 files of which five are private.
KEY_ENV = f"BINANCE_TESTNET_API_SECRET={'aB3' * 21}x\n"
COMMITS_APART = 30
