"""An exit proof in sentences: the verdict, what needs attention, and how to check it."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from qtops.contracts.registry import Service
from qtops.contracts.vocabulary import GateName
from qtops.gates.admission import SHORT

SERVICE_OF = {
    SHORT[GateName.GOVERNOR]: Service.GOVERNOR.value,
    SHORT[GateName.PORTFOLIO]: Service.PORTFOLIO_GATE.value,
    SHORT[GateName.POSITION]: Service.POSITION_GATE.value,
}
STEPS = {
    "permits": "the permits",
    "result": "the result",
    "exchange": "the exchange",
    "gates": "the gates",
    "executor": "the executor",
    "governor": "the governor",
    "p26": "the portfolio gate (p26)",
    "p33": "the position gate (p33)",
}
# Steps at which a silent service may be the cause.
WAITING = ("permits", "result")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that needs attention, and the command that leads on."""

    state: str
    text: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """A command that tests a claim of the report, and what it must answer."""

    claim: str
    command: str


def verdict_sentence(payload: Mapping[str, Any]) -> str:
    """Why it is proven, or the first reason why it is not."""
    counts = payload["counts"]
    failed = [r for r in payload["rounds"] if r["verdict"] == "FAILED"]
    if payload["proven"]:
        return f"{tally(counts)}; the exchange agrees with every result"
    if failed:
        more = len(failed) - 1
        others = f" ({more} more {_plural(more, 'round')} failed)" if more else ""
        return failure_sentence(failed[0], payload["services"]) + others
    if not payload["bridge_resumed"]:
        return "every round ended as expected, but the intent bridge was not resumed"
    return f"no exit was filled, and only a filled exit proves that exits work ({tally(counts)})"


def tally(counts: Mapping[str, int]) -> str:
    """How the rounds ended."""
    filled, refused, failed = counts["FILLED"], counts["REJECTED_EXPECTED"], counts["FAILED"]
    parts = [f"{filled} {_plural(filled, 'exit')} filled"]
    if refused:
        parts.append(f"{refused} negative {_plural(refused, 'control')} refused as expected")
    if failed:
        parts.append(f"{failed} {_plural(failed, 'round')} failed")
    return ", ".join(parts)


def failure_sentence(finished: Mapping[str, Any], services: Mapping[str, bool]) -> str:
    """Which round failed at which step and why; who was silent, where that may be the cause."""
    step = finished["failed_step"]
    where = STEPS.get(step, step)
    head = f"round {finished['round']} ({finished['symbol']}) failed at {where}"
    silence = silent_gates(finished, services) if step in WAITING else ""
    if step == "result" and services.get(Service.EXECUTOR.value) is False:
        silence = "; ".join(filter(None, [silence, "the service executor has no heartbeat"]))
    reason = "" if step == "permits" and silence else finished["reason"]
    return f"{head}: {'; '.join(filter(None, [reason, silence]))}"


def silent_gates(finished: Mapping[str, Any], services: Mapping[str, bool]) -> str:
    """The gates that said nothing about the plan, each with the heartbeat of its service."""
    missing = finished["missing_permits"]
    if not missing:
        return ""
    pulses = "; ".join(_pulse(SERVICE_OF.get(gate, gate), services) for gate in missing)
    return f"no decision from {', '.join(missing)}; {pulses}"


def findings_of(payload: Mapping[str, Any]) -> list[Finding]:
    """What is not as it should be, worst first."""
    return sorted(_findings(payload), key=lambda f: f.state != "broken")


def checks_of(payload: Mapping[str, Any]) -> list[Check]:
    """Commands that verify the report without trusting it."""
    return [_check(r) for r in payload["rounds"]]


def _findings(payload: Mapping[str, Any]) -> Iterator[Finding]:
    services = payload["services"]
    for finished in payload["rounds"]:
        if finished["verdict"] == "FAILED":
            command = f"qtops audit permits --plan-id {shlex.quote(finished['plan_id'])}"
            text = f"round {finished['round']} ({finished['symbol']}): {finished['reason']}"
            yield Finding("broken", text, command)
    for name, alive in services.items():
        if not alive:
            text = f"the service {name} has no heartbeat"
            yield Finding("broken", text, f"qtops run {shlex.quote(name)}")
    if not payload["bridge_resumed"]:
        text = "the intent bridge was still paused at the end; the lease lapses by itself"
        yield Finding("broken", text, "qtops kill status")
    run, asked = payload["rounds_run"], payload["rounds_requested"]
    if run < asked:
        text = f"{run} of {asked} rounds were run: no more symbols are allowed"
        yield Finding("attention", text, "qtops config show INTENT_EXECUTOR_ALLOWLIST")


def _check(finished: Mapping[str, Any]) -> Check:
    number, plan_id = finished["round"], shlex.quote(finished["plan_id"])
    if finished["verdict"] == "FAILED":
        claim = f"Round {number}: shows which gates permitted the plan, refused it or fell silent"
        return Check(claim, f"qtops audit permits --plan-id {plan_id}")
    command = f"qtops proof order-id --plan-id {plan_id}"
    if finished["order_id"]:
        return Check(f"Round {number}: must find order {finished['order_id']} (exit 0)", command)
    return Check(f"Round {number}: must find no executed order (exit 3)", command)


def _pulse(service: str, services: Mapping[str, bool]) -> str:
    alive = services.get(service)
    if alive is None:
        return f"nobody looked for the heartbeat of {service}"
    return f"the service {service} {'has a' if alive else 'has no'} heartbeat"


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"
