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
ONE: Final = Decimal(1)

ALL: Final = ("all",)
RUN: Final = ("services",)
EXCHANGE: Final = ("executor", "snapshots", "market state", "proof")
GOVERNOR: Final = ("governor",)
PORTFOLIO: Final = ("portfolio gate",)
POSITION: Final = ("position gate",)
EXECUTOR: Final = ("executor",)
SNAPSHOTS: Final = ("snapshots",)
MARKET: Final = ("market state",)
SANDBOX: Final = ("sandbox exchange",)
ROLLBACK: Final = ("rollback",)


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
    # governor
    _positive("GOV_MAX_OPEN_POSITIONS", Kind.INTEGER, "10", "Open positions and reservations at once.", GOVERNOR),
    _positive("GOV_MAX_NOTIONAL_PER_TRADE_USDT", Kind.DECIMAL, "200", "Notional of one opening order.", GOVERNOR),
    _positive("GOV_MAX_TOTAL_NOTIONAL_USDT", Kind.DECIMAL, "2000", "Notional of all positions and reservations.", GOVERNOR),
    Setting("GOV_SYMBOL_COOLDOWN_SECONDS", Kind.SECONDS, "60", "Pause between opens of one symbol.", GOVERNOR),
    Setting("GOV_MAX_EXEC_PER_HOUR", Kind.INTEGER, "3", "Opens of one symbol in an hour.", GOVERNOR),
    Setting("GOV_MAX_EXEC_PER_5MIN", Kind.INTEGER, "2", "Opens of one symbol in five minutes.", GOVERNOR),
    _positive("GOV_PERMIT_TTL_SECONDS", Kind.SECONDS, "60", "Life of the governor's permit.", GOVERNOR),
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
    # position gate
    Setting("P33_ALLOWLIST", Kind.NAMES, "BTCUSDT,ETHUSDT,TRXUSDT", "Symbols it permits; empty permits none.", POSITION),
    _positive("P33_STALE_THRESHOLD_SEC", Kind.SECONDS, "10", "Age from which a position snapshot is stale.", POSITION),
    Setting("P33_COOLDOWN_SEC", Kind.SECONDS, "15", "Pause between executions of one symbol.", POSITION),
    Setting("P33_QTY_TOLERANCE_PCT", Kind.DECIMAL, "1.0", "Accepted gap between exchange and book, percent.", POSITION, maximum=Decimal(100)),
    _positive("P33_PERMIT_TTL", Kind.SECONDS, "60", "Life of the position gate's permit.", POSITION),
    Setting("P33_ALLOW_INCREASE", Kind.BOOLEAN, "false", "Whether a held position may grow.", POSITION),
    # executor
    Setting("INTENT_EXECUTOR_SOURCE_ALLOWLIST", Kind.NAMES, "intent_bridge", "Sources whose plans it carries out.", EXECUTOR),
    Setting("INTENT_EXECUTOR_ALLOWLIST", Kind.NAMES, "BTCUSDT,ETHUSDT,TRXUSDT", "Symbols it trades; empty trades none.", EXECUTOR),
    _positive("INTENT_EXECUTOR_PERMIT_WAIT_SECONDS", Kind.SECONDS, "8", "How long it waits for a plan's permits.", EXECUTOR),
    _positive("INTENT_EXECUTOR_PLAN_MAX_AGE_SECONDS", Kind.SECONDS, "60", "Age from which a plan is too old.", EXECUTOR),
    _positive("INTENT_EXECUTOR_MAX_CONCURRENCY", Kind.INTEGER, "16", "Plans it works on at once.", EXECUTOR),
    Setting("INTENT_EXECUTOR_MIN_NOTIONAL_USDT", Kind.DECIMAL, "0", "Least notional of an opening order; 0 leaves it to the exchange.", EXECUTOR),
    Setting("QTOPS_FAILPOINT", Kind.TEXT, "", "Sandbox only: the step at which the executor kills itself.", EXECUTOR),
    # snapshot publisher
    _positive("SNAPSHOT_POSITIONS_SECONDS", Kind.SECONDS, "1", "Pause between readings of the positions.", SNAPSHOTS),
    _positive("SNAPSHOT_EQUITY_SECONDS", Kind.SECONDS, "5", "Pause between readings of the equity, and at most between entries of portfolio.state.", SNAPSHOTS),
    _positive("SNAPSHOT_FILTERS_SECONDS", Kind.SECONDS, "3600", "Pause between readings of the trading rules.", SNAPSHOTS),
    # health
    Setting("QTOPS_HEALTH_PING_URL", Kind.SECRET, "", "Where health reports that it ran, when there is no --ping-url; the path is a secret.", ("health",)),
    Setting("QTOPS_WAIVERS", Kind.TEXT, "", "TOML file with the accepted faults, [[waiver]] tables; empty is none.", ("audits",)),
    # market state
    Setting("MARKET_SYMBOLS", Kind.NAMES, "", "Symbols it reads besides the allowed and the held ones.", MARKET),
    _positive("MARKET_MARKS_SECONDS", Kind.SECONDS, "2", "Pause between readings of the mark prices.", MARKET, aliases=("SNAPSHOT_MARKS_SECONDS",)),
    _positive("MARKET_KLINES_SECONDS", Kind.SECONDS, "5", "Pause between looks for a finished minute: its close is read, and the volatility follows.", MARKET, aliases=("SNAPSHOT_VOLATILITY_SECONDS",)),
    _positive("MARKET_VOLATILITY_HALF_LIFE_MINUTES", Kind.INTEGER, "60", "Age at which a return counts half in the volatility.", MARKET),
    _positive("MARKET_VOLATILITY_MIN_RETURNS", Kind.INTEGER, "30", "Minute returns below which a symbol has no volatility, and opens are blocked.", MARKET, maximum=Decimal(360)),
    # stop switches
    Setting("QTOPS_ESS_FLAG", Kind.TEXT, "", "Where the original's emergency stop script keeps its flag file ESS_ON; /etc/quantum is looked at anyway.", ("kill status",)),
    # metrics
    _port("GOVERNOR", "8044", GOVERNOR),
    _port("POSITION", "8045", POSITION),
    _port("PORTFOLIO", "8047", PORTFOLIO),
    _port("EXECUTOR", "8050", EXECUTOR),
    _port("SNAPSHOTS", "8052", SNAPSHOTS),
    _port("MARKET_STATE", "8054", MARKET),
    # sandbox
    Setting("QTOPS_SANDBOX_API_KEY", Kind.SECRET, "", "API key that the sandbox exchange accepts; empty takes the scenario's.", SANDBOX),
    Setting("QTOPS_SANDBOX_API_SECRET", Kind.SECRET, "", "API secret that goes with it.", SANDBOX),
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
)

# Choosing files and profiles happens before there are settings.
SELECTORS: Final = ("QTOPS_PROFILE", "QTOPS_CONFIG")

# Prefixes of the operators' own variables: never a warning, listed by `config show` when unread.
FAMILIES: Final = ("GOV_", "P26_", "P33_", "INTENT_EXECUTOR_", "SNAPSHOT_", "MARKET_", "BINANCE_")
