"""The portfolio gate's table. With one symbol stress = 0.6 * (sigma - 0.05) / 0.30 + 0.4."""

from dataclasses import replace

from qtops.contracts.facts import Clusters, Missing
from qtops.contracts.vocabulary import Action, DenyReason, GateMode, Lane, PlanDecision
from qtops.gates.portfolio import PortfolioLimits
from tests.gates.rows_common import Row, common_rows
from tests.strategies import NOW, SIGMA, D, close, control, facts, held, holding, known, plan

SHADOW = PortfolioLimits()
ENFORCE = PortfolioLimits(mode=GateMode.ENFORCE, risk_off_stress=D("0.70"))
CLOSED = DenyReason.FAIL_CLOSED_PORTFOLIO_STATE
FULL, P75, P50, P25 = (
    Action.FULL_CLOSE_PROPOSED,
    Action.PARTIAL_75,
    Action.PARTIAL_50,
    Action.PARTIAL_25,
)


def sigma(btc, **others):
    return {"volatility": known({**SIGMA, "BTCUSDT": D(btc), **others})}


def opens(expect, *, order=None, limits=ENFORCE, **changes):
    return Row(order or plan(), facts(**changes), expect, limits)


def closes(final, fraction, reason, *, action=FULL, limits=ENFORCE, order=None, **changes):
    terms = {"final_action": final.value, "fraction": fraction, "gate_reason": reason}
    order = order or close(action=action)
    return Row(order, holding(10, **changes), "10", limits, terms)


def _open_rows():
    gap = {"volatility": known({"ETHUSDT": D("0.03")})}
    return {
        "no-volatility-for-the-plans-symbol": opens(CLOSED, **gap),
        "no-volatility-for-a-held-symbol": opens(CLOSED, portfolio=known(held(XRPUSDT=1))),
        "no-volatility-for-a-flat-symbol": opens("0.002", portfolio=known(held(XRPUSDT=0))),
        "no-price-for-a-held-symbol": opens(CLOSED, portfolio=known(held(ETHUSDT=(1, 0)))),
        "the-same-in-shadow": opens(CLOSED, limits=SHADOW, **gap),
        "stress-just-below-risk-off": opens("0.002", **sigma("0.1999")),
        "stress-at-risk-off": opens(DenyReason.PORTFOLIO_RISK_OFF, **sigma("0.20")),
        "stress-at-risk-off-in-shadow": opens(
            "0.002", limits=replace(SHADOW, risk_off_stress=D("0.70")), **sigma("0.20")
        ),
        "the-trade-is-part-of-the-portfolio": opens(
            "0.002", portfolio=known(held(ETHUSDT=D("-0.04"))), **sigma("0.20")
        ),
        "a-hedge-that-is-not-one-after-the-trade": opens(
            DenyReason.PORTFOLIO_RISK_OFF,
            portfolio=known(held(ETHUSDT=D("-0.0001"))),
            **sigma("0.21"),
        ),
        "a-trade-that-balances-the-book": opens(
            "0.002",
            limits=replace(ENFORCE, risk_off_stress=D("0.31")),
            portfolio=known(held(BTCUSDT=D("0.002"), ETHUSDT=D("-0.08"))),
            **sigma("0.20", ETHUSDT=D("0.20")),
        ),
        "portfolio-at-its-age-limit": opens("0.002", portfolio=known(held(), 30_000)),
        "portfolio-one-millisecond-too-old": opens(CLOSED, portfolio=known(held(), 30_001)),
        "volatility-at-its-age-limit": opens("0.002", volatility=known(SIGMA, 1_800_000)),
        "volatility-one-millisecond-too-old": opens(CLOSED, volatility=known(SIGMA, 1_800_001)),
        "mark-at-its-age-limit": opens("0.002", mark=known(D(50_000), 30_000)),
        "mark-one-millisecond-too-old": opens(CLOSED, mark=known(D(50_000), 30_001)),
        "an-open-says-its-numbers": Row(
            plan(),
            facts(**sigma("0.125")),
            "0.002",
            ENFORCE,
            {
                "stress": "0.55",
                "heat": "0.25",
                "concentration": "1",
                "correlation": "1",
                "final_action": "ENTRY_PROPOSED",
                "fraction": "1",
                "mode": "enforce",
            },
        ),
    }


def _policy_rows():
    cold, hard = "forbid_full_close_portfolio_cold", "forbid_full_close_portfolio_cold_ks_hard"
    return {
        "a-full-close-at-the-threshold": closes(FULL, "1", "pass", **sigma("0.125")),
        "a-full-close-just-below-it": closes(P50, "0.5", cold, **sigma("0.1249")),
        "a-full-close-in-the-cold-with-a-hard-kill-score": closes(
            P75, "0.75", hard, order=close(kill_score=D("0.85")), **sigma("0.05")
        ),
        "a-kill-score-just-below-hard": closes(
            P50, "0.5", cold, order=close(kill_score=D("0.8499")), **sigma("0.05")
        ),
        "a-partial-close-in-the-cold": closes(P75, "0.75", "pass", action=P75, **sigma("0.05")),
        "a-quarter-in-the-heat-is-hurried": closes(
            P75, "0.75", "riskoff_accelerate", action=P25, **sigma("0.20")
        ),
        "a-half-in-the-heat-is-hurried": closes(
            P75, "0.75", "riskoff_accelerate", action=P50, **sigma("0.20")
        ),
        "a-half-just-below-risk-off": closes(P50, "0.5", "pass", action=P50, **sigma("0.1999")),
        "a-full-close-in-the-heat": closes(FULL, "1", "pass", **sigma("0.35")),
    }


def _ladder_rows():
    down, hot = "cooldown_downgrade", sigma("0.15")
    left, over = {"heat_cooldown": known(NOW - 59_999)}, {"heat_cooldown": known(NOW - 60_000)}
    return {
        "cooldown-just-over": closes(FULL, "1", "pass", **over, **hot),
        "cooldown-takes-full-to-three-quarters": closes(P75, "0.75", down, **left, **hot),
        "cooldown-takes-three-quarters-to-a-half": closes(
            P50, "0.5", down, action=P75, **left, **hot
        ),
        "cooldown-takes-a-half-to-a-quarter": closes(P25, "0.25", down, action=P50, **left, **hot),
        "cooldown-never-denies-a-close": closes(P25, "0.25", down, action=P25, **left, **hot),
        "cooldown-comes-on-top-of-the-cold": closes(P25, "0.25", down, **left, **sigma("0.05")),
    }


def _cluster_rows():
    """Heat 0.5 and concentration 1 leave 0.55; clusters of 0.2 add 0.03 where the proxy adds 0.15.

    The plan makes a long of 0.002 BTC one of 0.004.
    """
    mine = {"portfolio": known(held(BTCUSDT=D("0.002"))), **sigma("0.20")}
    limits = replace(ENFORCE, risk_off_stress=D("0.581"))
    off = DenyReason.PORTFOLIO_RISK_OFF

    def measured(age_ms=0, **sides):
        return {"clusters": known(Clusters(D("0.2"), sides or {"BTCUSDT": "LONG"}, ()), age_ms)}

    def more(expect, **changes):
        return opens(expect, limits=limits, **{**mine, **changes})

    from_proxy, from_clusters = {"correlation_from": "proxy"}, {"correlation_from": "clusters"}
    return {
        "measured-clusters-replace-the-proxy": Row(
            plan(),
            facts(**{**mine, **measured()}),
            "0.002",
            limits,
            {"stress": "0.58", "correlation": "0.2", **from_clusters},
        ),
        "clusters-at-their-age-limit": more("0.002", **measured(120_000)),
        "clusters-one-millisecond-too-old": more(off, **measured(120_001)),
        "clusters-that-are-not-ready": more(off, clusters=Missing("not ready: no klines")),
        "clusters-of-another-book": more(off, **measured(ETHUSDT="LONG")),
        "clusters-of-the-other-side": more(off, **measured(BTCUSDT="SHORT")),
        "clusters-that-saw-more-than-is-held": more(
            "0.002", **measured(BTCUSDT="LONG", ETHUSDT="SHORT")
        ),
        "an-open-of-a-symbol-that-was-not-measured": more(
            off,
            portfolio=known(held(ETHUSDT=D("0.04"))),
            **sigma("0.20", ETHUSDT=D("0.20")),
            **measured(ETHUSDT="LONG"),
        ),
        "a-close-by-the-clusters": Row(
            close(),
            holding(10, **sigma("0.20"), **measured()),
            "10",
            replace(ENFORCE, full_close_min_stress=D("0.59")),
            {"final_action": "PARTIAL_50", "stress": "0.58", **from_clusters},
        ),
        "a-close-by-the-proxy": Row(
            close(),
            holding(10, **sigma("0.20")),
            "10",
            replace(ENFORCE, full_close_min_stress=D("0.59")),
            {"final_action": "FULL_CLOSE_PROPOSED", "stress": "0.7", **from_proxy},
        ),
    }


def _passing_rows():
    cold = sigma("0.05")
    passes = "pass_operator"
    gone = Missing("absent")
    lane = {"control": control(manual_lane=True)}
    return {
        "shadow-changes-nothing": Row(
            close(),
            holding(10, **cold),
            "10",
            SHADOW,
            {
                "mode": "shadow",
                "final_action": "FULL_CLOSE_PROPOSED",
                "calibrated_action": "PARTIAL_50",
                "fraction": "1",
            },
        ),
        "the-operators-own-close": closes(
            FULL, "1", passes, order=close(lane=Lane.MANUAL), **lane, **cold
        ),
        "a-reconcile-close-is-left-alone": closes(
            FULL, "1", passes, order=close(decision=PlanDecision.RECONCILE_CLOSE), **cold
        ),
        "a-reconcile-action-is-left-alone": closes(
            Action.RECONCILE_CLOSE, "1", passes, action=Action.RECONCILE_CLOSE, **cold
        ),
        "no-portfolio": closes(FULL, "1", "pass_input_missing: portfolio absent", portfolio=gone),
        "no-volatility": closes(
            FULL, "1", "pass_input_missing: volatility absent", volatility=gone
        ),
        "no-cooldown-reading": closes(
            FULL, "1", "pass_input_missing: heat_cooldown absent", heat_cooldown=gone
        ),
        "volatility-of-other-symbols": closes(
            FULL,
            "1",
            "pass_input_missing: no volatility for BTCUSDT",
            volatility=known({"ETHUSDT": D("0.03")}),
        ),
        "a-position-without-a-price": closes(
            FULL,
            "1",
            "pass_input_missing: no mark price for BTCUSDT",
            portfolio=known(held(BTCUSDT=(10, 0))),
        ),
    }


ROWS = {
    **common_rows(),
    **_open_rows(),
    **_policy_rows(),
    **_ladder_rows(),
    **_cluster_rows(),
    **_passing_rows(),
}
