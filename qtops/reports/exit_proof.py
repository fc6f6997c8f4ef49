"""The exit proof's report, from its JSON payload (`qtops.proofs.exit_payload`), fresh or saved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qtops.errors import DecodeError
from qtops.reports.exit_words import (
    Check,
    Finding,
    checks_of,
    findings_of,
    silent_gates,
    tally,
    verdict_sentence,
)
from qtops.reports.page import plain, render_html, render_markdown
from qtops.reports.timeline import Timeline, decision_state, timeline_of

VERDICT_STATES = {"FILLED": "fine", "REJECTED_EXPECTED": "fine", "FAILED": "broken"}


@dataclass(frozen=True, slots=True)
class Agreement:
    """One field of the order, as our result and as the exchange wrote it; empty: did not say."""

    field: str
    result: str
    exchange: str

    @property
    def differs(self) -> bool:
        """Both said something, and not the same."""
        return bool(self.result and self.exchange) and self.result != self.exchange


@dataclass(frozen=True, slots=True)
class RoundView:
    """A round's data with the words and the layout that go with it."""

    data: Mapping[str, Any]
    state: str
    timeline: Timeline
    decision_states: Sequence[str]
    agreement: Sequence[Agreement]
    silence: str


@dataclass(frozen=True, slots=True)
class ProofView:
    """The payload as the templates see it."""

    data: Mapping[str, Any]
    state: str
    headline: str
    sentence: str
    tally: str
    findings: Sequence[Finding]
    rounds: Sequence[RoundView]
    checks: Sequence[Check]


def exit_proof_markdown(payload: Mapping[str, Any]) -> str:
    """The report as Markdown. Raises DecodeError where the payload lacks something."""
    return render_markdown("exit_proof.md", {"proof": view_of(payload)})


def exit_proof_html(payload: Mapping[str, Any]) -> str:
    """The report as one self-contained page. Raises DecodeError like the Markdown."""
    return render_html("exit_proof.html", {"proof": view_of(payload)})


def view_of(payload: Mapping[str, Any]) -> ProofView:
    """Words and layout for a payload. Raises DecodeError where the payload lacks something."""
    try:
        return _view(plain(payload))
    except KeyError as error:
        field = str(error.args[0])
        raise DecodeError("missing_field", field, f"the payload has no {field!r}") from error


def _view(data: Mapping[str, Any]) -> ProofView:
    proven = data["proven"]
    return ProofView(
        data=data,
        state="fine" if proven else "broken",
        headline="PROVEN" if proven else "NOT PROVEN",
        sentence=verdict_sentence(data),
        tally=tally(data["counts"]),
        findings=findings_of(data),
        rounds=[_round_view(r, data["services"]) for r in data["rounds"]],
        checks=checks_of(data),
    )


def _round_view(data: Mapping[str, Any], services: Mapping[str, bool]) -> RoundView:
    verdict = data["verdict"]
    return RoundView(
        data=data,
        state=VERDICT_STATES.get(verdict, "attention"),
        timeline=timeline_of(data),
        decision_states=[decision_state(d["allow"], verdict) for d in data["permits"]],
        agreement=_agreement(data),
        silence=silent_gates(data, services),
    )


def _agreement(data: Mapping[str, Any]) -> list[Agreement]:
    ours, theirs = _as_reported(data), _as_recorded(data["exchange"])
    rows = [
        Agreement(name, _word(ours.get(name)), _word(theirs.get(name)))
        for name in {**theirs, **ours}
    ]
    return [row for row in rows if row.result or row.exchange]


def _as_reported(data: Mapping[str, Any]) -> dict[str, Any]:
    """The result's side. `details` is free in form, so nothing in it is required."""
    result = data["result"]
    if result is None:
        return {}
    details = result["details"]
    return {
        "order id": data["order_id"],
        "client order id": result["client_order_id"],
        "status": result["order_status"],
        "executed": data["filled_qty"],
        "average price": details.get("average_price"),
        "side": details.get("side"),
        "reduce-only": details.get("reduce_only"),
        "error": result["error"],
    }


def _as_recorded(order: Mapping[str, Any] | None) -> dict[str, Any]:
    """The exchange's side, in the order of the table."""
    if order is None:
        return {}
    return {
        "order id": order["order_id"],
        "client order id": order["client_order_id"],
        "status": order["status"],
        "executed": order["executed_qty"],
        "average price": order["average_price"],
        "side": order["side"],
        "reduce-only": order["reduce_only"],
        "type": order["type"],
        "trades": order["trades"],
        "fees": ", ".join(f"{amount} {asset}" for asset, amount in order["fees"].items()),
        "realised pnl": order["realized_pnl"],
        "updated at": order["time"],
    }


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
