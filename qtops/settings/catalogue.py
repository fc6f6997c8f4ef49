"""Every setting qtops reads, one record each. To add one, add a line.

A setting that nothing reads is not declared. Names are the operators' own where they had one.
"""

# ruff: noqa: E501  one setting, one line

from decimal import Decimal
from typing import Any, Final

from qtops.settings.model import Kind, Setting

REDIS_SCHEMES: Final = (
    "redis",
    "rediss",
    "unix",
    "redis+sentinel",
    "rediss+sentinel",
    "redis+cluster",
    "rediss+cluster",
)
HTTP_SCHEMES: Final = ("https", "http")
STREAM_SCHEMES: Final = ("wss", "ws")
ONE: Final = Decimal(1)

ALL: Final = ("all",)
RUN: Final = ("services",)
EXCHANGE: Final = (
    *("executor", "snapshots", "market state", "universe", "user stream", "reconcile", "breakers"),
    "proof",
)
GOVERNOR: Final = ("governor",)
PORTFOLIO: Final = ("portfolio gate",)
CLUSTERS: Final = ("clusters",)
RISK_BUDGET: Final = ("risk budget",)
POSITION: Final = ("position gate",)
EXECUTOR: Final = ("executor",)
SNAPSHOTS: Final = ("snapshots",)
MARKET: Final = ("market state",)
UNIVERSE: Final = ("universe",)
RECONCILE: Final = ("reconcile",)
BREAKERS: Final = ("breakers",)
USER_STREAM: Final = ("user stream",)
EXIT_MONITOR: Final = ("exit monitor",)
BRIDGE: Final = ("intent bridge",)
INTAKE: Final = ("intake",)
ANALYTICS: Final = ("analytics",)
PRODUCER: Final = ("producer",)
SANDBOX: Final = ("sandbox exchange",)
HARVEST: Final = ("harvest",)
HEAT: Final = ("heat calibration",)
APPLY: Final = ("apply layer",)
ROLLBACK: Final = ("rollback",)
REMOTE: Final = ("--remote",)
OBSERVE: Final = ("observe",)


def _ratio(name: str, default: str, text: str) -> Setting:
    return Setting(name, Kind.DECIMAL, default, text, PORTFOLIO, maximum=ONE)


def _positive(
    name: str, kind: Kind, default: str, text: str, readers: tuple[str, ...], **more: Any
) -> Setting:
    least = ONE if kind in {Kind.INTEGER, Kind.MILLISECONDS} else Decimal("0.001")
    return Setting(name, kind, default, text, readers, minimum=least, **more)


def _port(service: str, default: str, reader: tuple[str, ...]) -> Setting:
    text = f"Port of the metrics: {reader[0]}; 0 is off."
    return Setting(f"QTOPS_METRICS_PORT_{service}", Kind.PORT, default, text, reader)


# fmt: off
SETTINGS: Final[tuple[Setting, ...]] = (
    # where things are
    Setting("QTOPS_REDIS_URL", Kind.URL, "redis://127.0.0.1:6379/0", "Redis; wins over REDIS_HOST and its kin.", ALL, choices=REDIS_SCHEMES),
    Setting("REDIS_HOST", Kind.TEXT, "127.0.0.1", "Redis host, when there is no QTOPS_REDIS_URL.", ALL),
    Setting("REDIS_PORT", Kind.PORT, "6379", "Redis port, when there is no QTOPS_REDIS_URL.", ALL, minimum=ONE),
    Setting("REDIS_DB", Kind.INTEGER, "0", "Redis database, when there is no QTOPS_REDIS_URL.", ALL),
    Setting("REDIS_PASSWORD", Kind.SECRET, "", "Redis password, when there is no QTOPS_REDIS_URL.", ALL),
    Setting("QTOPS_NAMESPACE", Kind.TEXT, "quantum", "First part of every Redis name; one each for several accounts.", ALL),
    Setting("QTOPS_EXCHANGE_URL", Kind.URL, "", "Futures REST API; empty follows BINANCE_USE_TESTNET.", EXCHANGE, choices=HTTP_SCHEMES),
    Setting("QTOPS_EXCHANGE_STREAM_URL", Kind.URL, "", "WebSocket host of the user data stream; empty follows the REST API.", USER_STREAM, choices=STREAM_SCHEMES),
    Setting("BINANCE_USE_TESTNET", Kind.BOOLEAN, "true", "Play money (yes) or mainnet (no).", EXCHANGE),
    Setting("BINANCE_TESTNET_API_KEY", Kind.SECRET, "", "Testnet API key.", EXCHANGE, aliases=("BINANCE_TESTNET_KEY",)),
    Setting("BINANCE_TESTNET_API_SECRET", Kind.SECRET, "", "Testnet API secret.", EXCHANGE, aliases=("BINANCE_TESTNET_SECRET",)),
    Setting("BINANCE_API_KEY", Kind.SECRET, "", "Mainnet API key.", EXCHANGE),
    Setting("BINANCE_API_SECRET", Kind.SECRET, "", "Mainnet API secret.", EXCHANGE),
    Setting("QTOPS_RECV_WINDOW_MS", Kind.MILLISECONDS, "5000", "How long a signed request stays valid.", EXCHANGE, minimum=ONE, maximum=Decimal(60000)),
    Setting("QTOPS_PERMIT_KEY", Kind.SECRET, "", "HMAC key of the permits; empty leaves them unsigned.", ("gates", "executor")),
    Setting("QTOPS_METRICS_HOST", Kind.TEXT, "127.0.0.1", "Address the metrics listen on.", RUN),
    Setting("QTOPS_LOG_FORMAT", Kind.CHOICE, "auto", "Log lines: auto is text on a terminal, else JSON.", RUN, choices=("auto", "json", "text")),
    Setting("QTOPS_LOG_LEVEL", Kind.CHOICE, "info", "The least severe log line written.", RUN, choices=("debug", "info", "warning", "error")),
    Setting("QTOPS_RECORD_FACTS", Kind.BOOLEAN, "true", "Whether gates keep what they saw in gate.facts, for `replay`.", ("gates",)),
    # governor
    _positive("GOV_MAX_OPEN_POSITIONS", Kind.INTEGER, "10", "Open positions and reservations at once.", GOVERNOR),
    _positive("GOV_MAX_NOTIONAL_PER_TRADE_USDT", Kind.DECIMAL, "200", "Notional of one opening order.", GOVERNOR),
    _positive("GOV_MAX_TOTAL_NOTIONAL_USDT", Kind.DECIMAL, "2000", "Notional of all positions and reservations.", GOVERNOR),
    Setting("GOV_SYMBOL_COOLDOWN_SECONDS", Kind.SECONDS, "60", "Pause between opens of one symbol.", GOVERNOR),
    Setting("GOV_MAX_EXEC_PER_HOUR", Kind.INTEGER, "3", "Opens of one symbol in an hour.", GOVERNOR),
    Setting("GOV_MAX_EXEC_PER_5MIN", Kind.INTEGER, "2", "Opens of one symbol in five minutes.", GOVERNOR),
    _positive("GOV_PERMIT_TTL_SECONDS", Kind.SECONDS, "60", "Life of the governor's permit.", GOVERNOR),
    Setting("GOV_P28_MODE", Kind.CHOICE, "shadow", "Risk budgets: shadow records what it would deny; enforce denies.", GOVERNOR, choices=("shadow", "enforce")),
    Setting("GOV_P29_MODE", Kind.CHOICE, "shadow", "Allocation targets: shadow records what it would deny; enforce denies.", GOVERNOR, choices=("shadow", "enforce")),
    _positive("GOV_BUDGET_MAX_AGE_SECONDS", Kind.SECONDS, "60", "Age from which a budget or target is stale.", GOVERNOR),
    # portfolio gate
    Setting("P26_MODE", Kind.CHOICE, "shadow", "shadow records what it would have changed; enforce changes it.", PORTFOLIO, choices=("shadow", "enforce")),
    _ratio("P26_H_MIN", "0.05", "Raw heat that counts as 0."),
    _ratio("P26_H_MAX", "0.35", "Raw heat that counts as 1."),
    _ratio("P26_STRESS_FULLCLOSE_MIN", "0.55", "Stress below which a full close is halved."),
    _ratio("P26_STRESS_RISKOFF", "0.80", "Stress from which partial closes grow."),
    _ratio("P26_KS_HARD", "0.85", "Kill score from which a cold full close is 75 %."),
    _ratio("P26_A", "0.60", "Weight of heat in stress."),
    _ratio("P26_B", "0.25", "Weight of concentration in stress."),
    _ratio("P26_C", "0.15", "Weight of correlation in stress."),
    _positive("P26_PERMIT_TTL", Kind.SECONDS, "60", "Life of the portfolio gate's permit.", PORTFOLIO),
    Setting("P26_COOLDOWN_SEC", Kind.SECONDS, "60", "Pause between closes of one symbol.", PORTFOLIO),
    _positive("P26_MAX_INPUT_AGE_SECONDS", Kind.SECONDS, "30", "Age from which portfolio state is stale.", PORTFOLIO),
    # clusters
    _positive("P27_UPDATE_SEC", Kind.SECONDS, "60", "Pause between measurements; the portfolio gate and the budgets accept twice that age.", ("clusters", "portfolio gate", "risk budget")),
    Setting("P27_LOOKBACK", Kind.INTEGER, "360", "Minutes of returns that are correlated.", CLUSTERS, minimum=Decimal(3)),
    Setting("P27_MIN_POINTS", Kind.INTEGER, "10", "Returns that a pair must have in common.", CLUSTERS, minimum=Decimal(3)),
    Setting("P27_CLUSTER_CORR_MIN", Kind.DECIMAL, "0.70", "Correlation from which two positions are one cluster.", CLUSTERS, maximum=ONE),
    _positive("P27_MAX_KLINE_AGE_SEC", Kind.SECONDS, "300", "Age of the newest minute from which prices are stale.", CLUSTERS),
    # risk budget
    _positive("P28_UPDATE_SEC", Kind.SECONDS, "10", "Pause between computations of the budgets.", RISK_BUDGET),
    Setting("P28_BUDGET_PCT", Kind.DECIMAL, "0.02", "Share of equity that one symbol may hold at no stress, as a fraction.", RISK_BUDGET, maximum=ONE),
    Setting("P28_MIN_BUDGET_USDT", Kind.DECIMAL, "0", "Least budget of a symbol; it never lifts one above its share of equity.", RISK_BUDGET),
    _positive("P28_MAX_BUDGET_USDT", Kind.DECIMAL, "10000", "Largest budget of a symbol.", RISK_BUDGET),
    Setting("P28_VOL_LOW", Kind.DECIMAL, "0.005", "Daily volatility below which the regime is LOW.", RISK_BUDGET),
    Setting("P28_VOL_HIGH", Kind.DECIMAL, "0.02", "Daily volatility above which it is HIGH.", RISK_BUDGET),
    Setting("P28_VOL_EXTREME", Kind.DECIMAL, "0.03", "Daily volatility above which it is EXTREME.", RISK_BUDGET),
    Setting("P29_SYMBOL_CAP", Kind.DECIMAL, "0.40", "Largest share of all budgets that one symbol's target takes.", RISK_BUDGET, maximum=ONE),
    Setting("P29_CLUSTER_CAP", Kind.DECIMAL, "0.60", "Largest share of all budgets that one cluster's targets take.", RISK_BUDGET, maximum=ONE),
    # position gate
    Setting("P33_ALLOWLIST", Kind.NAMES, "BTCUSDT,ETHUSDT,TRXUSDT", "Symbols it permits; empty permits none.", POSITION),
    _positive("P33_STALE_THRESHOLD_SEC", Kind.SECONDS, "10", "Age from which a position snapshot is stale.", POSITION),
    Setting("P33_COOLDOWN_SEC", Kind.SECONDS, "15", "Pause between executions of one symbol.", POSITION),
    Setting("P33_QTY_TOLERANCE_PCT", Kind.DECIMAL, "1.0", "Accepted gap between exchange and book, percent.", POSITION, maximum=Decimal(100)),
    _positive("P33_PERMIT_TTL", Kind.SECONDS, "60", "Life of the position gate's permit.", POSITION),
    Setting("P33_ALLOW_INCREASE", Kind.BOOLEAN, "false", "Whether a held position may grow.", POSITION),
    # reconcile
    Setting("P34_ALLOWLIST", Kind.NAMES, "", "Symbols it watches besides those the executor trades or the account holds.", RECONCILE),
    _positive("P34_LOOP_SEC", Kind.SECONDS, "2", "Pause between looks at the account.", RECONCILE),
    _positive("P34_FRESHNESS_SEC", Kind.SECONDS, "10", "An answer of the exchange that took longer says nothing.", RECONCILE),
    _positive("P34_CONFIRM_SEC", Kind.SECONDS, "5", "How long a difference must stand before it counts.", RECONCILE),
    Setting("P34_EVIDENCE_SEC", Kind.SECONDS, "300", "How long it may stay unexplained before an operator is asked.", RECONCILE),
    _positive("P34_HOLD_TTL_SEC", Kind.SECONDS, "300", "Life of a hold that is not renewed.", RECONCILE),
    # the breakers
    Setting("BREAKER_ERRORS", Kind.INTEGER, "5", "Equal errors of the exchange on orders, within the window, that trip; 0 is off.", BREAKERS),
    _positive("BREAKER_ERRORS_SECONDS", Kind.SECONDS, "600", "That window.", BREAKERS),
    Setting("BREAKER_BURST", Kind.INTEGER, "20", "Opening orders within the window that trip; 0 is off.", BREAKERS),
    _positive("BREAKER_BURST_SECONDS", Kind.SECONDS, "60", "That window.", BREAKERS),
    Setting("BREAKER_DAILY_LOSS_PCT", Kind.DECIMAL, "2.5", "Realised loss and fees of a UTC day, per cent of the equity before, that trip; 0 is off.", BREAKERS, maximum=Decimal(100)),
    Setting("BREAKER_DRAWDOWN_PCT", Kind.DECIMAL, "8", "Fall of equity from its peak since armed, per cent, that trips; 0 is off.", BREAKERS, maximum=Decimal(100)),
    Setting("BREAKER_LOSSES", Kind.INTEGER, "3", "Losing closes in a row that trip; 0 is off.", BREAKERS),
    Setting("BREAKER_SKEW_MS", Kind.MILLISECONDS, "1000", "Distance between the exchange's clock and Redis' that trips; 0 is off.", BREAKERS),
    Setting("BREAKER_STALE_SECONDS", Kind.SECONDS, "60", "Silence of positions, equity or marks that trips; 0 is off.", BREAKERS),
    Setting("BREAKER_FOREIGN", Kind.CHOICE, "opens", "Orders of unknown origin that trip: all (trip), those that may open (opens), none (alert).", BREAKERS, choices=("trip", "opens", "alert")),
    _positive("BREAKER_SECONDS", Kind.SECONDS, "1", "Pause between looks at all breakers.", BREAKERS),
    _positive("BREAKER_SWEEP_SECONDS", Kind.SECONDS, "15", "Pause between looks at the orders of symbols where nothing seems to happen.", BREAKERS),
    Setting("QTOPS_ALERT_URL", Kind.SECRET, "", "Where a trip is posted (URL/fail, as healthchecks.io takes it); empty is nowhere.", BREAKERS),
    # executor
    Setting("INTENT_EXECUTOR_SOURCE_ALLOWLIST", Kind.NAMES, "intent_bridge", "Sources whose plans it carries out.", EXECUTOR),
    Setting("INTENT_EXECUTOR_ALLOWLIST", Kind.NAMES, "BTCUSDT,ETHUSDT,TRXUSDT", "Symbols it trades; empty trades none.", EXECUTOR),
    _positive("INTENT_EXECUTOR_PERMIT_WAIT_SECONDS", Kind.SECONDS, "8", "How long it waits for a plan's permits.", EXECUTOR),
    _positive("INTENT_EXECUTOR_PLAN_MAX_AGE_SECONDS", Kind.SECONDS, "60", "Age from which a plan is too old.", (*EXECUTOR, *EXIT_MONITOR)),
    _positive("INTENT_EXECUTOR_MAX_CONCURRENCY", Kind.INTEGER, "16", "Plans it works on at once.", EXECUTOR),
    Setting("INTENT_EXECUTOR_MIN_NOTIONAL_USDT", Kind.DECIMAL, "0", "Least notional of an opening order; 0 leaves it to the exchange.", EXECUTOR),
    Setting("QTOPS_FAILPOINT", Kind.TEXT, "", "Sandbox only: the step at which the executor kills itself.", EXECUTOR),
    # intent bridge
    Setting("INTENT_BRIDGE_ALLOWLIST", Kind.NAMES, "BTCUSDT,ETHUSDT,TRXUSDT", "Symbols it opens; empty opens none.", BRIDGE),
    _positive("INTENT_BRIDGE_POLICY_MAX_AGE_SECONDS", Kind.SECONDS, "3600", "Age from which the allowlist is stale.", BRIDGE),
    _positive("INTENT_BRIDGE_MAX_AGE_SECONDS", Kind.SECONDS, "60", "Age from which an intent is too old.", BRIDGE),
    Setting("INTENT_BRIDGE_ALLOW_SHORT", Kind.BOOLEAN, "false", "Whether a SELL while flat opens a short.", BRIDGE),
    Setting("INTENT_BRIDGE_REQUIRE_LEDGER_FOR_OPEN", Kind.BOOLEAN, "false", "Whether an open needs a book of the symbol, even if flat.", BRIDGE),
    Setting("INTENT_BRIDGE_FLAT_EPS", Kind.DECIMAL, "0", "Position, in base units, up to which a symbol is flat.", BRIDGE),
    _positive("QT_MAX_NOTIONAL_USD", Kind.DECIMAL, "3000", "Notional of one open, in USD.", BRIDGE),
    Setting("MAX_EXPOSURE_PCT", Kind.DECIMAL, "80", "Gross exposure after an open, percent of equity; 0 is no limit.", BRIDGE),
    Setting("MIN_HOLD_SECONDS", Kind.SECONDS, "900", "Pause between a symbol's last fill and its next open.", BRIDGE, maximum=Decimal(3600)),
    # intake
    Setting("QTOPS_INTAKE_TOKEN", Kind.SECRET, "", "What a signal must bring, at least 16 characters; without it the intake does not start.", INTAKE),
    Setting("QTOPS_INTAKE_HOST", Kind.TEXT, "127.0.0.1", "Address the intake listens on.", INTAKE),
    Setting("QTOPS_INTAKE_PORT", Kind.PORT, "8070", "Port of the intake; 0 takes a free one.", INTAKE),
    _positive("QTOPS_INTAKE_PER_MINUTE", Kind.INTEGER, "120", "Signals it takes in a minute, in the long run.", INTAKE),
    _positive("QTOPS_INTAKE_BURST", Kind.INTEGER, "30", "Signals it takes at once.", INTAKE),
    # reference producer
    Setting("PRODUCER_SYMBOLS", Kind.NAMES, "", "Symbols it watches; empty makes no intents.", PRODUCER),
    _positive("PRODUCER_SECONDS", Kind.SECONDS, "5", "Pause between looks at the marks; each is a sample.", PRODUCER),
    _positive("PRODUCER_LOOKBACK", Kind.INTEGER, "20", "Samples of the channel whose breakout it follows.", PRODUCER),
    _positive("PRODUCER_COOLDOWN_SECONDS", Kind.SECONDS, "60", "Pause between intents of one symbol.", PRODUCER),
    _positive("PRODUCER_MAX_INPUT_AGE_SECONDS", Kind.SECONDS, "10", "Age from which a mark is stale, and its channel begun anew.", PRODUCER),
    _positive("PRODUCER_NOTIONAL_USDT", Kind.DECIMAL, "50", "Size of an intent.", PRODUCER),
    # snapshot publisher
    _positive("SNAPSHOT_POSITIONS_SECONDS", Kind.SECONDS, "1", "Pause between readings of the positions.", SNAPSHOTS),
    _positive("SNAPSHOT_EQUITY_SECONDS", Kind.SECONDS, "5", "Pause between readings of the equity, and at most between entries of portfolio.state.", SNAPSHOTS),
    _positive("SNAPSHOT_FILTERS_SECONDS", Kind.SECONDS, "3600", "Pause between readings of the trading rules.", SNAPSHOTS),
    # health
    Setting("QTOPS_EXPECTED_SERVICES", Kind.NAMES, "", "Services besides those the gates need that must beat, as `run list` names them.", ("health",)),
    Setting("QTOPS_HEALTH_SILENCE", Kind.NAMES, "", "Streams that must speak and after how many seconds silence is an alarm: trade.intent=600.", ("health",)),
    Setting("QTOPS_HEALTH_PING_URL", Kind.SECRET, "", "Where health reports that it ran, when there is no --ping-url; the path is a secret.", ("health",)),
    # observe
    Setting("QTOPS_PROMETHEUS_URL", Kind.URL, "", "Prometheus; empty looks where it listens.", OBSERVE, choices=HTTP_SCHEMES),
    Setting("QTOPS_GRAFANA_URL", Kind.URL, "http://127.0.0.1:3000", "Grafana.", OBSERVE, choices=HTTP_SCHEMES),
    Setting("QTOPS_GRAFANA_TOKEN", Kind.SECRET, "", "Grafana service account token, to see its datasources.", OBSERVE),
    Setting("QTOPS_NODE_EXPORTER_URL", Kind.URL, "http://127.0.0.1:9100", "node_exporter.", OBSERVE, choices=HTTP_SCHEMES),
    Setting("QTOPS_REDIS_EXPORTER_URL", Kind.URL, "http://127.0.0.1:9121", "redis_exporter.", OBSERVE, choices=HTTP_SCHEMES),
    Setting("QTOPS_WAIVERS", Kind.TEXT, "", "TOML file with the accepted faults, [[waiver]] tables; empty is none.", ("audits",)),
    # market state
    Setting("MARKET_SYMBOLS", Kind.NAMES, "", "Symbols it reads besides the allowed and the held ones.", MARKET),
    _positive("MARKET_MARKS_SECONDS", Kind.SECONDS, "2", "Pause between readings of the mark prices.", MARKET, aliases=("SNAPSHOT_MARKS_SECONDS",)),
    _positive("MARKET_KLINES_SECONDS", Kind.SECONDS, "5", "Pause between looks for a finished minute: its close is read, and the volatility follows.", MARKET, aliases=("SNAPSHOT_VOLATILITY_SECONDS",)),
    _positive("MARKET_VOLATILITY_HALF_LIFE_MINUTES", Kind.INTEGER, "60", "Age at which a return counts half in the volatility.", MARKET),
    _positive("MARKET_VOLATILITY_MIN_RETURNS", Kind.INTEGER, "30", "Minute returns below which a symbol has no volatility, and opens are blocked.", MARKET, maximum=Decimal(360)),
    # harvest
    _positive("HARVEST_POLL_SECONDS", Kind.SECONDS, "10", "Pause between looks at the positions.", HARVEST),
    Setting("HARVEST_STOP_PCT", Kind.DECIMAL, "0.02", "Risk of a position, as a share of its entry price: one R.", HARVEST, minimum=Decimal("0.0001"), maximum=ONE),
    Setting("HARVEST_COST_BPS", Kind.DECIMAL, "10", "Cost of getting out, in basis points of the entry price.", HARVEST, maximum=Decimal(1000)),
    Setting("HARVEST_KILL_THRESHOLD", Kind.DECIMAL, "0.6", "Kill score from which a full close is proposed.", HARVEST, minimum=Decimal("0.5"), maximum=ONE),
    Setting("HARVEST_RETRY_SECONDS", Kind.SECONDS, "300", "First pause before a close that came to nothing is proposed again; it doubles.", HARVEST, minimum=Decimal(180)),
    Setting("HARVEST_RETRY_MAX_SECONDS", Kind.SECONDS, "900", "Longest such pause.", HARVEST, minimum=Decimal(180)),
    _positive("HARVEST_MAX_INPUT_AGE_SECONDS", Kind.SECONDS, "30", "Age from which portfolio state is stale.", (*HARVEST, *HEAT)),
    # heat calibration
    Setting("HEAT_MODE", Kind.CHOICE, "shadow", "shadow records what it would make of a full close; enforce does it.", HEAT, choices=("shadow", "enforce")),
    Setting("HEAT_MIN", Kind.DECIMAL, "0.25", "Heat below which a full close becomes 25 %.", HEAT),
    Setting("HEAT_MAX", Kind.DECIMAL, "0.65", "Heat below which a full close becomes 75 %; from there it passes.", HEAT),
    Setting("HEAT_KS_HARD", Kind.DECIMAL, "0.85", "Kill score from which a full close passes whatever the heat.", HEAT, maximum=ONE),
    # apply layer
    Setting("APPLY_MODE", Kind.CHOICE, "dry_run", "dry_run writes plans that ask for no order; testnet asks, on a test venue only.", APPLY, choices=("dry_run", "testnet")),
    Setting("APPLY_ALLOWLIST", Kind.NAMES, "BTCUSDT", "Symbols it makes plans for; empty is none.", APPLY),
    Setting("APPLY_KILL_SWITCH", Kind.BOOLEAN, "false", "Whether it is stopped by hand.", APPLY),
    Setting("APPLY_PROPOSAL_MAX_AGE_SECONDS", Kind.SECONDS, "60", "Age from which a proposal is too old.", APPLY, minimum=ONE, maximum=Decimal(60)),
    # universe
    _positive("UNIVERSE_REFRESH_SEC", Kind.SECONDS, "60", "Pause between readings of the exchange's list; unread for three of them it is no longer active.", UNIVERSE),
    _positive("UNIVERSE_MAX", Kind.INTEGER, "800", "Most symbols a list may have; a longer one is refused.", UNIVERSE),
    _positive("UNIVERSE_MAX_AGE", Kind.SECONDS, "300", "Age from which a reader leaves the universe for its own list.", ("position gate", "executor", "health", "proof")),
    # exit monitor
    Setting("EXIT_MODE", Kind.CHOICE, "shadow", "shadow records the exits it would have published; enforce publishes them.", EXIT_MONITOR, choices=("shadow", "enforce")),
    Setting("EXIT_LIVE_ROLLOUT_PCT", Kind.INTEGER, "100", "Per cent of the symbols whose exits it publishes.", EXIT_MONITOR, maximum=Decimal(100)),
    _positive("EXIT_TP_PCT", Kind.DECIMAL, "2.5", "Take profit, per cent of the entry price.", EXIT_MONITOR),
    _positive("EXIT_SL_PCT", Kind.DECIMAL, "1.5", "Stop loss, per cent of the entry price.", EXIT_MONITOR),
    _positive("EXIT_TRAILING_PCT", Kind.DECIMAL, "1.5", "Trailing stop, per cent of the best mark; waits for a profit.", EXIT_MONITOR),
    _positive("EXIT_MAX_INPUT_AGE_SECONDS", Kind.SECONDS, "10", "Age from which positions and marks fire no rule.", EXIT_MONITOR),
    _positive("EXIT_RETRY_SECONDS", Kind.SECONDS, "30", "Pause after an exit that did not execute; doubles each time.", EXIT_MONITOR),
    _positive("EXIT_MONITOR_SECONDS", Kind.SECONDS, "1", "Pause between looks at the positions.", EXIT_MONITOR),
    Setting("QTOPS_EXIT_HTTP_PORT", Kind.PORT, "8007", "Loopback port of /health, /positions and manual closes; 0 is off.", EXIT_MONITOR),
    Setting("EXIT_MONITOR_MANUAL_CLOSE_ENABLED", Kind.BOOLEAN, "false", "Whether a position can be closed over HTTP; needs the token too.", EXIT_MONITOR),
    Setting("EXIT_MONITOR_MANUAL_CLOSE_TOKEN", Kind.SECRET, "", "What a manual close must bring as X-Exit-Token, at least 16 characters.", EXIT_MONITOR),
    # stop switches
    Setting("QTOPS_ESS_FLAG", Kind.TEXT, "", "Where the original's emergency stop script keeps its flag file ESS_ON; /etc/quantum is looked at anyway.", ("kill status",)),
    # metrics
    _port("GOVERNOR", "8044", GOVERNOR),
    _port("POSITION", "8045", POSITION),
    _port("RECONCILE", "8046", RECONCILE),
    _port("BREAKERS", "8060", BREAKERS),
    _port("PORTFOLIO", "8047", PORTFOLIO),
    _port("CLUSTERS", "8048", CLUSTERS),
    _port("RISK_BUDGET", "8049", RISK_BUDGET),
    _port("EXECUTOR", "8050", EXECUTOR),
    _port("SNAPSHOTS", "8052", SNAPSHOTS),
    _port("MARKET_STATE", "8054", MARKET),
    _port("APPLY_LAYER", "8043", APPLY),
    _port("HARVEST", "8053", HARVEST),
    _port("HEAT_CALIBRATION", "8056", HEAT),
    _port("UNIVERSE", "8057", UNIVERSE),
    _port("USER_STREAM", "8058", USER_STREAM),
    _port("EXIT_MONITOR", "8055", EXIT_MONITOR),
    _port("INTENT_BRIDGE", "8059", BRIDGE),
    _port("INTAKE", "8071", INTAKE),
    _port("ANALYTICS", "8061", ANALYTICS),
    _port("PRODUCER", "8062", PRODUCER),
    # sandbox
    Setting("QTOPS_SANDBOX_API_KEY", Kind.SECRET, "", "API key that the sandbox exchange accepts; empty takes the scenario's.", SANDBOX),
    Setting("QTOPS_SANDBOX_API_SECRET", Kind.SECRET, "", "API secret that goes with it.", SANDBOX),
    # other hosts
    Setting("QTOPS_REMOTE_HOSTS", Kind.NAMES, "", "Hosts that --remote means when no --host is given.", REMOTE),
    Setting("QTOPS_REMOTE_QTOPS", Kind.TEXT, "qtops", "The qtops of the other host; a full path where its PATH lacks it.", REMOTE),
    Setting("QTOPS_REMOTE_REDIS", Kind.URL, "redis://127.0.0.1:6379/0", "Its Redis, seen from there, for the tunnel where there is no qtops.", REMOTE, choices=("redis",)),
    Setting("QTOPS_REMOTE_SSH_CONFIG", Kind.TEXT, "", "ssh configuration to use instead of the user's own (ssh -F).", REMOTE),
    Setting("QTOPS_REMOTE_CONNECT_SECONDS", Kind.SECONDS, "10", "How long a host may take to let us in.", REMOTE, minimum=ONE, maximum=Decimal(300)),
    # rollback
    Setting("QTOPS_STATE_DIR", Kind.TEXT, "", "Journals of rollbacks; empty is ~/.local/state/qtops, for root /var/lib/qtops.", ROLLBACK),
    Setting("QTOPS_SERVICE_CONTROL", Kind.CHOICE, "systemd", "Who restarts services: systemd, the sandbox, or the two commands.", ROLLBACK, choices=("systemd", "sandbox", "command")),
    Setting("QTOPS_SERVICE_RESTART_COMMAND", Kind.TEXT, "", "With `command`: restarts {service}, as in docker restart {service}.", ROLLBACK),
    Setting("QTOPS_SERVICE_STATUS_COMMAND", Kind.TEXT, "", "With `command`: ends with 0 while {service} runs.", ROLLBACK),
    Setting("QTOPS_EXECUTOR_UNIT", Kind.TEXT, "quantum-intent-executor", "The executor, as the service control calls it.", ROLLBACK),
    Setting("QTOPS_EXECUTOR_ENV_FILE", Kind.TEXT, "/etc/quantum/intent-executor.env", "Environment file of the executor.", ROLLBACK),
    Setting("QTOPS_APPLY_UNIT", Kind.TEXT, "", "An apply layer of its own, as the service control calls it; empty is none.", ROLLBACK),
    Setting("QTOPS_APPLY_ENV_FILE", Kind.TEXT, "", "Environment file of the apply layer; empty is none.", ROLLBACK),
    Setting("QTOPS_SANDBOX_DIR", Kind.TEXT, "", "Directory of the running sandbox; DIR/env sets it.", ROLLBACK),
    # ledger
    Setting("STRICT_LEDGER", Kind.BOOLEAN, "false", "A ledger rule that is broken stops the entry.", ("ledger",)),
    Setting("QTOPS_LEDGER_ROOT", Kind.TEXT, "", "Directory with ledger/ and docs/; empty is the repository around the working directory.", ("ledger",)),
    Setting("QTOPS_LEDGER_POLICY", Kind.NAMES, "", "Risk classes that need an approver other than the requester.", ("ledger",)),
    Setting("QTOPS_LEDGER_ALLOWED_SIGNERS", Kind.TEXT, "", "Allowed-signers file of ssh-keygen, for `ledger verify`.", ("ledger",)),
)
# fmt: on

BY_NAME: Final = {setting.name: setting for setting in SETTINGS}
BY_ALIAS: Final = {alias: setting for setting in SETTINGS for alias in setting.aliases}
BY_TOML_KEY: Final = {setting.toml_key: setting for setting in SETTINGS}

# The first of each pair must be below the second.
ORDERED: Final = (
    ("P26_H_MIN", "P26_H_MAX"),
    ("P26_STRESS_FULLCLOSE_MIN", "P26_STRESS_RISKOFF"),
    ("HEAT_MIN", "HEAT_MAX"),
    ("UNIVERSE_REFRESH_SEC", "UNIVERSE_MAX_AGE"),
    ("P28_VOL_LOW", "P28_VOL_HIGH"),
    ("P28_VOL_HIGH", "P28_VOL_EXTREME"),
)

# Choosing files and profiles happens before there are settings.
SELECTORS: Final = ("QTOPS_PROFILE", "QTOPS_CONFIG")

# Prefixes of the operators' own variables: never a warning, listed by `config show` when unread.
FAMILIES: Final = (
    "GOV_",
    "P26_",
    "P33_",
    "INTENT_EXECUTOR_",
    "SNAPSHOT_",
    "MARKET_",
    "BINANCE_",
    "HARVEST_",
    "HEAT_",
    "APPLY_",
    "UNIVERSE_",
    "P27_",
    "P28_",
    "P29_",
    "P34_",
    "EXIT_",
    "INTENT_BRIDGE_",
    "PRODUCER_",
    "BINANCE_",
)
