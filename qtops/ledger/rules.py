"""Which entries are acceptable: rollbacks, evidence behind a success, who may approve."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qtops.ledger.entry import OPERATION_ID


@dataclass(frozen=True, slots=True)
class Policy:
    """What the configuration demands. `approval` holds risk classes that need a second person."""

    approval: frozenset[str] = frozenset()


def rollback_faults(entry: Mapping[str, Any], known: Mapping[str, bool]) -> list[str]:
    """`known` says of the named operation whether it is already rolled back; absent: no entry."""
    target = str(entry.get("rollback_of") or "")
    if entry["outcome"] != "ROLLBACK":
        return [f"rollback_of is given, but the outcome is {entry['outcome']}"] if target else []
    if not target:
        return ["outcome ROLLBACK requires --rollback-of"]
    if not OPERATION_ID.fullmatch(target):
        return [f"rollback_of {target!r} is not in the format OPS-YYYY-MM-DD-NNN"]
    if target not in known:
        return [f"rollback_of {target} names no entry of this ledger"]
    return [f"{target} is already rolled back"] if known[target] else []


def evidence_faults(entry: Mapping[str, Any]) -> list[str]:
    """A SUCCESS rests on evidence that was had, from services that run."""
    if entry["outcome"] != "SUCCESS":
        return []
    host = entry.get("hostname", "?")
    status = entry.get("services_status") or {}
    faults = [
        f"outcome SUCCESS, but {name} is {state} on {host}"
        for name, state in status.items()
        if state != "active"
    ]
    failures: Sequence[str] = entry.get("evidence_failures") or ()
    return faults + [f"outcome SUCCESS, but evidence failed on {host}: {text}" for text in failures]


def approval_fault(entry: Mapping[str, Any]) -> str:
    """Empty when somebody else than the requester approved."""
    requester, approver = str(entry["requested_by"]), str(entry["approved_by"])
    if approver.casefold() in {"", "self"}:
        return f"{entry['risk_class']}: nobody but the requester approved it"
    if approver.casefold() == requester.casefold():
        return f"{entry['risk_class']}: {approver} both requested and approved it"
    return ""


def policy_faults(entry: Mapping[str, Any], policy: Policy) -> list[str]:
    """Exceptions to the policy; the caller records or refuses them."""
    if entry["risk_class"] not in policy.approval:
        return []
    fault = approval_fault(entry)
    return [f"policy: {fault}"] if fault else []
