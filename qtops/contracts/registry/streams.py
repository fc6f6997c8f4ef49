"""Every stream there is, one row each."""

from enum import Enum

from qtops.contracts.registry.rows import GroupSpec, Service, StreamSpec


class Stream(Enum):
    """The streams, by the operators' names."""

    TRADE_INTENT = StreamSpec(
        "trade.intent",
        "Intent",
        (Service.BOTS, Service.INTAKE, Service.PRODUCER),
        (GroupSpec("{namespace}:group:intent_bridge", Service.INTENT_BRIDGE),),
        (Service.AUDITS,),
        100_000,
        "what bots want",
        Service.INTENT_BRIDGE,
    )
    APPLY_PLAN = StreamSpec(
        "apply.plan",
        "Plan",
        (Service.INTENT_BRIDGE, Service.APPLY_LAYER, Service.EXIT_MONITOR, Service.OPERATOR),
        (
            GroupSpec("governor", Service.GOVERNOR),
            GroupSpec("p26_portfolio_gate", Service.PORTFOLIO_GATE),
            GroupSpec("p33", Service.POSITION_GATE),
            GroupSpec("intent_executor", Service.EXECUTOR),
        ),
        (Service.ANALYTICS, Service.AUDITS),
        10_000,
        "plans that ask for an order",
        Service.EXECUTOR,
    )
    APPLY_PLAN_MANUAL = StreamSpec(
        "apply.plan.manual",
        "Plan",
        (Service.OPERATOR, Service.EXIT_MONITOR),
        (
            GroupSpec("governor", Service.GOVERNOR),
            GroupSpec("p26_portfolio_gate", Service.PORTFOLIO_GATE),
            GroupSpec("p33", Service.POSITION_GATE),
            GroupSpec("intent_executor_manual", Service.EXECUTOR),
        ),
        (Service.ANALYTICS, Service.AUDITS),
        10_000,
        "the operator's own plans and forced closes; read only while the manual lane is open",
        Service.EXECUTOR,
    )
    APPLY_RESULT = StreamSpec(
        "apply.result",
        "Result",
        (Service.EXECUTOR,),
        (),
        (
            Service.HARVEST,
            Service.APPLY_LAYER,
            Service.ANALYTICS,
            Service.BREAKERS,
            Service.AUDITS,
        ),
        10_000,
        "what became of each plan",
    )
    EXIT_EVENTS = StreamSpec(
        "exit.events",
        "ExitEvent",
        (Service.EXIT_MONITOR, Service.EXECUTOR),
        (),
        (Service.AUDITS,),
        10_000,
        "the steps of every exit, joined by plan and order",
    )
    GATE_DECISION = StreamSpec(
        "gate.decision",
        "DecisionRecord",
        (
            Service.GOVERNOR,
            Service.PORTFOLIO_GATE,
            Service.POSITION_GATE,
            Service.HEAT_CALIBRATION,
            Service.APPLY_LAYER,
            Service.INTENT_BRIDGE,
        ),
        (),
        (Service.EXECUTOR, Service.ANALYTICS, Service.AUDITS),
        50_000,
        "every decision of every gate and of the intent bridge; wakes the executor",
    )
    GATE_FACTS = StreamSpec(
        "gate.facts",
        "GateFacts",
        (Service.GOVERNOR, Service.PORTFOLIO_GATE, Service.POSITION_GATE),
        (),
        (Service.AUDITS,),
        20_000,
        "what each gate saw when it decided, for `replay`",
    )
    EXCHANGE_EVENTS = StreamSpec(
        "exchange.events",
        "AccountEvent",
        (Service.USER_STREAM,),
        (),
        (
            Service.EXECUTOR,
            Service.SNAPSHOTS,
            Service.RECONCILE,
            Service.BREAKERS,
            Service.ANALYTICS,
            Service.AUDITS,
        ),
        50_000,
        "the exchange's news about orders and the account; they wake readers, and prove nothing",
    )
    HARVEST_PROPOSAL = StreamSpec(
        "harvest.proposal",
        "HarvestProposal",
        (Service.HARVEST,),
        (GroupSpec("p26_heat_gate", Service.HEAT_CALIBRATION),),
        (Service.AUDITS,),
        10_000,
        "closes that the harvest kernel proposes, once for each step and attempt",
        Service.HEAT_CALIBRATION,
    )
    HARVEST_CALIBRATED = StreamSpec(
        "harvest.calibrated",
        "CalibratedProposal",
        (Service.HEAT_CALIBRATION,),
        (GroupSpec("apply_layer", Service.APPLY_LAYER),),
        (Service.AUDITS,),
        10_000,
        "the same closes with the portfolio's heat, and what it would make of them",
        Service.APPLY_LAYER,
    )
    PORTFOLIO_STATE = StreamSpec(
        "portfolio.state",
        "PortfolioState",
        (Service.SNAPSHOTS,),
        (),
        (Service.ANALYTICS, Service.AUDITS),
        20_000,
        "equity, exposure and drawdown, every few seconds and when a position changes",
    )
    CONTROL_AUDIT = StreamSpec(
        "control.audit",
        "ControlChange",
        (Service.OPERATOR, Service.EXIT_MONITOR, Service.BREAKERS),
        (),
        (Service.AUDITS,),
        10_000,
        "who changed a stop switch or asked for a manual close, when, why",
    )
    RECONCILE_EVENTS = StreamSpec(
        "reconcile.events",
        "ReconcileEvent",
        (Service.RECONCILE, Service.OPERATOR),
        (),
        (Service.AUDITS,),
        10_000,
        "book against exchange: every change of a symbol's state, with its evidence",
    )
    DLQ = StreamSpec(
        "dlq",
        "DeadLetter",
        (
            Service.EXECUTOR,
            Service.INTENT_BRIDGE,
            Service.HEAT_CALIBRATION,
            Service.APPLY_LAYER,
        ),
        (),
        (Service.AUDITS,),
        10_000,
        "messages nobody could decode, with reason and origin",
    )
