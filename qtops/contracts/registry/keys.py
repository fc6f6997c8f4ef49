"""Every key there is, one row each."""

from enum import Enum
from typing import Final

from qtops.contracts.registry.rows import KeySpec, Service
from qtops.contracts.vocabulary import GateName

PERMIT_TTL_S: Final = 60
HEARTBEAT_TTL_S: Final = 15

_GATES = (Service.GOVERNOR, Service.PORTFOLIO_GATE, Service.POSITION_GATE)
_ALL_GATES_AND_EXECUTOR = (*_GATES, Service.EXECUTOR)


class Key(Enum):
    """The keys. A permit family's prefix is what `audit permits` classifies by."""

    PERMIT_GOVERNOR = KeySpec(
        "permit:{plan_id}",
        "string (JSON)",
        Service.GOVERNOR,
        (Service.EXECUTOR, Service.AUDITS),
        PERMIT_TTL_S,
        "the governor's permit or denial",
    )
    PERMIT_PORTFOLIO = KeySpec(
        "permit:p26:{plan_id}",
        "string (JSON)",
        Service.PORTFOLIO_GATE,
        (Service.EXECUTOR, Service.AUDITS),
        PERMIT_TTL_S,
        "the portfolio gate's permit: final action and allowed fraction",
    )
    PERMIT_POSITION = KeySpec(
        "permit:p33:{plan_id}",
        "string (JSON)",
        Service.POSITION_GATE,
        (Service.EXECUTOR, Service.AUDITS),
        PERMIT_TTL_S,
        "the position gate's permit: safe quantity",
    )
    GOVERNOR_BLOCK = KeySpec(
        "governor:block:{plan_id}",
        "string (JSON)",
        Service.GOVERNOR,
        (Service.AUDITS,),
        3600,
        "why the governor refused, kept for an hour",
    )
    RESERVATIONS = KeySpec(
        "governor:reservations",
        "hash plan_id → JSON",
        Service.GOVERNOR,
        (Service.GOVERNOR, Service.EXECUTOR, Service.RECONCILE),
        None,
        "capacity promised to plans, each record with its own expiry; the executor's admission "
        "and settlement scripts move them on",
    )
    RESERVATIONS_VERSION = KeySpec(
        "governor:reservations:version",
        "string (integer)",
        Service.GOVERNOR,
        (Service.GOVERNOR,),
        None,
        "another number with every change of the reservations; what compare-and-swap compares",
    )
    OPEN_HISTORY = KeySpec(
        "governor:exec:{symbol}",
        "sorted set plan_id → ms",
        Service.EXECUTOR,
        (Service.GOVERNOR,),
        86_400,
        "filled opens of the last day, for the hourly and burst limits",
    )
    TRADE_COOLDOWN = KeySpec(
        "governor:last_exec:{symbol}",
        "string (ms)",
        Service.EXECUTOR,
        (Service.GOVERNOR,),
        3600,
        "when the symbol was last opened",
    )
    EXEC_COOLDOWN = KeySpec(
        "cooldown:last_exec_ts:{symbol}",
        "string (ms)",
        Service.EXECUTOR,
        (Service.POSITION_GATE, Service.INTENT_BRIDGE),
        3600,
        "when the symbol last had an order filled",
    )
    HEAT_COOLDOWN = KeySpec(
        "p26:cooldown:{symbol}",
        "string (ms)",
        Service.EXECUTOR,
        (Service.PORTFOLIO_GATE,),
        3600,
        "when the symbol last had a proposed close filled",
    )
    POSITION = KeySpec(
        "state:positions:{symbol}",
        "hash",
        Service.SNAPSHOTS,
        (
            Service.POSITION_GATE,
            Service.EXECUTOR,
            Service.APPLY_LAYER,
            Service.INTENT_BRIDGE,
            Service.AUDITS,
        ),
        3600,
        "the exchange's position; flat is written as zero",
    )
    PORTFOLIO = KeySpec(
        "state:portfolio",
        "hash",
        Service.SNAPSHOTS,
        (
            Service.GOVERNOR,
            Service.PORTFOLIO_GATE,
            Service.MARKET_STATE,
            Service.HARVEST,
            Service.HEAT_CALIBRATION,
            Service.CLUSTERS,
            Service.RISK_BUDGET,
            Service.EXIT_MONITOR,
            Service.INTENT_BRIDGE,
            Service.BREAKERS,
            Service.AUDITS,
        ),
        3600,
        "all positions at one moment, exposure, equity, its peak and the drawdown from it",
    )
    PEAK_EQUITY = KeySpec(
        "account:peak_equity:{environment}",
        "hash",
        Service.SNAPSHOTS,
        (Service.SNAPSHOTS,),
        None,
        "the highest equity seen; it must outlive restarts, and only the operator deletes it",
    )
    MARKET = KeySpec(
        "state:market:{symbol}",
        "hash",
        Service.MARKET_STATE,
        (
            Service.GOVERNOR,
            Service.PORTFOLIO_GATE,
            Service.EXECUTOR,
            Service.EXIT_MONITOR,
            Service.INTENT_BRIDGE,
            Service.PRODUCER,
            Service.BREAKERS,
        ),
        3600,
        "the exchange's mark price",
    )
    VOLATILITY = KeySpec(
        "state:volatility",
        "hash symbol → decimal",
        Service.MARKET_STATE,
        (Service.PORTFOLIO_GATE, Service.HEAT_CALIBRATION, Service.RISK_BUDGET),
        3600,
        "daily standard deviation of log returns: EWMA over the minute closes",
    )
    KLINES = KeySpec(
        "state:klines:{symbol}",
        "string (JSON)",
        Service.MARKET_STATE,
        (Service.MARKET_STATE, Service.CLUSTERS, Service.HARVEST, Service.AUDITS),
        3600,
        "closing prices of the last six hours, by minute",
    )
    CLUSTER_STATE = KeySpec(
        "portfolio:cluster_state",
        "hash",
        Service.CLUSTERS,
        (Service.PORTFOLIO_GATE, Service.RISK_BUDGET, Service.AUDITS),
        300,
        "stress of correlated positions",
    )
    BUDGET = KeySpec(
        "portfolio:budget:{symbol}",
        "hash",
        Service.RISK_BUDGET,
        (Service.GOVERNOR, Service.AUDITS),
        300,
        "what the symbol may hold, USDT, and the stress it came from",
    )
    ALLOCATION = KeySpec(
        "allocation:target:{symbol}",
        "hash",
        Service.RISK_BUDGET,
        (Service.GOVERNOR, Service.AUDITS),
        300,
        "the budget after regime, drawdown and the caps per symbol and cluster, USDT",
    )
    HARVEST_PROPOSAL = KeySpec(
        "harvest:proposal:{symbol}",
        "hash",
        Service.HARVEST,
        (Service.AUDITS,),
        120,
        "what the harvest kernel makes of the position now, HOLD included",
    )
    HARVEST_EPISODES = KeySpec(
        "harvest:episodes",
        "hash symbol → JSON",
        Service.HARVEST,
        (Service.HARVEST,),
        None,
        "each held position since it was first seen, and its steps so far; gone once it is flat",
    )
    APPLY_INTENTS = KeySpec(
        "apply:intents:{symbol}",
        "hash trace_id → JSON",
        Service.APPLY_LAYER,
        (Service.APPLY_LAYER,),
        2_592_000,
        "the last plan made for each intent: what dedupes the next",
    )
    FILTERS = KeySpec(
        "exchange:filters",
        "hash symbol → JSON",
        Service.SNAPSHOTS,
        (Service.POSITION_GATE, Service.RECONCILE, Service.INTENT_BRIDGE),
        86_400,
        "lot steps and minimums from exchangeInfo",
    )
    BOOK = KeySpec(
        "position:ledger:{symbol}",
        "hash",
        Service.EXECUTOR,
        (Service.POSITION_GATE, Service.RECONCILE, Service.INTENT_BRIDGE, Service.AUDITS),
        None,
        "our book: the position as our own fills add up; it must outlive restarts. A repair by "
        "reconcile, or an operator's, compares its version",
    )
    EXIT_EPISODES = KeySpec(
        "exit:episodes",
        "hash symbol → JSON",
        Service.EXIT_MONITOR,
        (Service.EXIT_MONITOR, Service.AUDITS),
        None,
        "each position from first seen to gone: best mark, exits tried; must outlive restarts",
    )
    EXIT_MODE = KeySpec(
        "exit:mode",
        "string",
        Service.OPERATOR,
        (Service.EXIT_MONITOR,),
        None,
        "shadow or enforce, for the exit monitor; absent is its setting EXIT_MODE",
    )
    UNIVERSE_ACTIVE = KeySpec(
        "cfg:universe:active",
        "string (JSON)",
        Service.UNIVERSE,
        (Service.INTENT_BRIDGE, Service.POSITION_GATE, Service.EXECUTOR, Service.AUDITS),
        None,
        "tradable symbols as last read; it must outlive the exchange's absence",
    )
    UNIVERSE_LAST_OK = KeySpec(
        "cfg:universe:last_ok",
        "string (JSON)",
        Service.UNIVERSE,
        (Service.INTENT_BRIDGE, Service.POSITION_GATE, Service.EXECUTOR, Service.AUDITS),
        None,
        "the last list that passed validation; what a service boots from",
    )
    UNIVERSE_META = KeySpec(
        "cfg:universe:meta",
        "hash",
        Service.UNIVERSE,
        (Service.AUDITS,),
        None,
        "when and how the universe was read; `stale=1` while it is not",
    )
    KILL = KeySpec(
        "kill",
        "string",
        Service.OPERATOR,
        (*_ALL_GATES_AND_EXECUTOR, Service.EXIT_MONITOR, Service.BREAKERS),
        None,
        "0 ACTIVE, reduce REDUCING, 1 HALTED; absent is HALTED. Breakers turn 0 into reduce, "
        "through the operator's script, nothing else",
    )
    KILL_EPOCH = KeySpec(
        "kill:epoch",
        "string (integer)",
        Service.OPERATOR,
        (*_ALL_GATES_AND_EXECUTOR, Service.BREAKERS),
        None,
        "bumped by every change of the kill switch; voids every permit out",
    )
    KILL_RECORD = KeySpec(
        "kill:record",
        "hash",
        Service.OPERATOR,
        (Service.BREAKERS, Service.AUDITS),
        None,
        "who set the kill switch last, when, why",
    )
    BREAKER_STATE = KeySpec(
        "breaker:state",
        "hash",
        Service.BREAKERS,
        (Service.BREAKERS, Service.AUDITS),
        None,
        "each breaker's last look, since when all are armed, the peak of equity since then",
    )
    MODE = KeySpec(
        "mode",
        "string",
        Service.OPERATOR,
        (Service.GOVERNOR, Service.EXECUTOR),
        None,
        "TESTNET, MAINNET or DRY_RUN; absent admits test venues only",
    )
    ROLLOUT = KeySpec(
        "rollout",
        "string (integer)",
        Service.OPERATOR,
        (Service.GOVERNOR,),
        None,
        "per cent of the symbols that automated plans may open, 0 to 100; absent is 100",
    )
    MANUAL_LANE = KeySpec(
        "manual_lane:enabled",
        "string",
        Service.OPERATOR,
        _ALL_GATES_AND_EXECUTOR,
        900,
        "`1` while the operator's lane is open, by hand or for a forced close; always expires",
    )
    BRIDGE_PAUSE = KeySpec(
        "intent_bridge:pause",
        "string",
        Service.OPERATOR,
        (Service.INTENT_BRIDGE,),
        15,
        "lease that quiets the bridge; lapses when its holder dies",
    )
    INTENT_SEEN = KeySpec(
        "intent_bridge:seen:{intent_id}",
        "string (entry id)",
        Service.INTENT_BRIDGE,
        (Service.INTENT_BRIDGE,),
        86_400,
        "the intent became a plan: which entry of trade.intent it was",
    )
    RECONCILE_HOLD = KeySpec(
        "reconcile:hold:{symbol}",
        "hash",
        Service.RECONCILE,
        (Service.POSITION_GATE, Service.AUDITS),
        300,
        "book and exchange disagree on this symbol: owner, reason, since, expiry",
    )
    RECONCILE_STATE = KeySpec(
        "reconcile:state:{symbol}",
        "hash",
        Service.RECONCILE,
        (Service.RECONCILE, Service.AUDITS),
        None,
        "how book and exchange stand, and when they last agreed; that must outlive restarts",
    )
    CLAIM = KeySpec(
        "exec:claim:{plan_id}",
        "hash",
        Service.EXECUTOR,
        (
            Service.EXECUTOR,
            Service.HARVEST,
            Service.APPLY_LAYER,
            Service.EXIT_MONITOR,
            Service.BREAKERS,
            Service.AUDITS,
        ),
        86_400,
        "how far the executor got with a plan",
    )
    SERVER_RUN = KeySpec(
        "exec:server_run",
        "hash",
        Service.EXECUTOR,
        (Service.EXECUTOR,),
        None,
        "the Redis run_id the executor last saw, and since when",
    )
    RATE_BUDGET = KeySpec(
        "exchange:weight:{key_id}",
        "hash",
        Service.EXECUTOR,
        (
            Service.EXECUTOR,
            Service.SNAPSHOTS,
            Service.MARKET_STATE,
            Service.RECONCILE,
            Service.BREAKERS,
        ),
        120,
        "used request weight and orders of one API key, from response headers",
    )
    DECISION_COUNTS = KeySpec(
        "p35:decision:counts:{window}",
        "hash",
        Service.ANALYTICS,
        (Service.AUDITS,),
        300,
        "decisions of the window: allow, deny, and both for each gate",
    )
    TOP_REASONS = KeySpec(
        "p35:reason:top:{window}",
        "sorted set reason → denials",
        Service.ANALYTICS,
        (Service.AUDITS,),
        300,
        "the window's 50 most frequent reasons of denial",
    )
    ANALYTICS_EXECUTION = KeySpec(
        "analytics:execution:{symbol}",
        "hash",
        Service.ANALYTICS,
        (Service.ANALYTICS, Service.AUDITS),
        None,
        "executions of a symbol: number, slippage and latency of the newest; sums since the start",
    )
    ANALYTICS_ATTRIBUTION = KeySpec(
        "analytics:attribution:{symbol}:{source}",
        "hash",
        Service.ANALYTICS,
        (Service.ANALYTICS, Service.AUDITS),
        None,
        "fills, turnover, realised profit and fees by symbol and source; sums since the start",
    )
    ANALYTICS_ORIGIN = KeySpec(
        "analytics:origin:{client_order_id}",
        "string (JSON)",
        Service.ANALYTICS,
        (Service.ANALYTICS,),
        86_400,
        "an order's source, and when its plan was published",
    )
    ANALYTICS_MARK = KeySpec(
        "analytics:mark:{client_order_id}",
        "string (decimal)",
        Service.ANALYTICS,
        (Service.ANALYTICS,),
        86_400,
        "the mark that the governor allowed the order's plan at, USDT",
    )
    ANALYTICS_STATE = KeySpec(
        "analytics:state",
        "string (JSON)",
        Service.ANALYTICS,
        (Service.ANALYTICS, Service.AUDITS),
        None,
        "the last entry counted of each stream, and the decisions of the hour; outlives restarts",
    )
    HEARTBEAT = KeySpec(
        "heartbeat:{service}",
        "hash",
        Service.EVERY,
        (Service.AUDITS,),
        HEARTBEAT_TTL_S,
        "written by each service itself; its absence is its death",
    )


PERMIT_KEYS = {
    GateName.GOVERNOR: Key.PERMIT_GOVERNOR,
    GateName.PORTFOLIO: Key.PERMIT_PORTFOLIO,
    GateName.POSITION: Key.PERMIT_POSITION,
}
GATE_SERVICES = {
    GateName.GOVERNOR: Service.GOVERNOR,
    GateName.PORTFOLIO: Service.PORTFOLIO_GATE,
    GateName.POSITION: Service.POSITION_GATE,
}
