"""Which entries are acceptable: rollbacks, evidence behind a success, who may approve."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from qtops.ledger.entry import OPERATION_ID, RISK_CLASSES

_CLASS_NAME: Final = re.compile(r"[A-Za-z]+(?:_[A-Za-z]+)*")


@dataclass(frozen=True, slots=True)
class Policy:
    """What the configuration demands. `approval` holds risk classes that need a second person."""

    approval: frozenset[str] = frozenset()

    def wants_approval(self, risk_class: str) -> bool:
        """By the strictest of several (`SERVICE_RESTART + FILESYSTEM_WRITE`, in older ledgers).

        A class that nobody knows counts as the strictest there is.
        """
        named = {name.upper() for name in _CLASS_NAME.findall(risk_class)}
        known = named & set(RISK_CLASSES)
        is_unclear = not known or named != known
        return bool(known & self.approval) or bool(self.approval and is_unclear)


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
    if not policy.wants_approval(str(entry["risk_class"])):
        return []
    fault = approval_fault(entry)
    return [f"policy: {fault}"] if fault else []
