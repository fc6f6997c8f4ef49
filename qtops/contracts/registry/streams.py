"""Every stream there is, one row each."""

from enum import Enum

from qtops.contracts.registry.rows import GroupSpec, Service, StreamSpec


class Stream(Enum):
    """The streams, by the operators' names."""

    TRADE_INTENT = StreamSpec(
        "trade.intent",
        "Intent",
        (Service.BOTS,),
        (GroupSpec("{namespace}:group:intent_bridge", Service.INTENT_BRIDGE),),
        (Service.AUDITS,),
        100_000,
        "what bots want",
        Service.INTENT_BRIDGE,
    )
    APPLY_PLAN = StreamSpec(
        "apply.plan",
        "Plan",
        (Service.INTENT_BRIDGE, Service.OPERATOR),
        (
            GroupSpec("governor", Service.GOVERNOR),
            GroupSpec("p26_portfolio_gate", Service.PORTFOLIO_GATE),
            GroupSpec("p33", Service.POSITION_GATE),
            GroupSpec("intent_executor", Service.EXECUTOR),
        ),
        (Service.AUDITS,),
        10_000,
        "plans that ask for an order",
        Service.EXECUTOR,
    )
    APPLY_PLAN_MANUAL = StreamSpec(
        "apply.plan.manual",
        "Plan",
        (Service.OPERATOR,),
        (
            GroupSpec("governor", Service.GOVERNOR),
            GroupSpec("p26_portfolio_gate", Service.PORTFOLIO_GATE),
            GroupSpec("p33", Service.POSITION_GATE),
            GroupSpec("intent_executor_manual", Service.EXECUTOR),
        ),
        (Service.AUDITS,),
        10_000,
        "the operator's own plans; read only while the manual lane is open",
        Service.EXECUTOR,
    )
    APPLY_RESULT = StreamSpec(
        "apply.result",
        "Result",
        (Service.EXECUTOR,),
        (),
        (Service.AUDITS,),
        10_000,
        "what became of each plan",
    )
    GATE_DECISION = StreamSpec(
        "gate.decision",
        "DecisionRecord",
        (
            Service.GOVERNOR,
            Service.PORTFOLIO_GATE,
            Service.POSITION_GATE,
            Service.INTENT_BRIDGE,
        ),
        (),
        (Service.EXECUTOR, Service.AUDITS),
        50_000,
        "every decision of every gate and of the intent bridge; wakes the executor",
    )
    CONTROL_AUDIT = StreamSpec(
        "control.audit",
        "ControlChange",
        (Service.OPERATOR,),
        (),
        (Service.AUDITS,),
        10_000,
        "who changed a stop switch, when, why",
    )
    DLQ = StreamSpec(
        "dlq",
        "DeadLetter",
        (Service.EXECUTOR, Service.INTENT_BRIDGE),
        (),
        (Service.AUDITS,),
        10_000,
        "messages nobody could decode, with reason and origin",
    )
