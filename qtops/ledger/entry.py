"""What an entry is: its fields in order, its id, its canonical bytes and its hash."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import rfc8785

from qtops.contracts.vocabulary import RiskClass
from qtops.errors import DecodeError

Entry = dict[str, Any]

DECLARED: Final = (
    "operation_name",
    "requested_by",
    "approved_by",
    "git_commit",
    "git_branch",
    "hostname",
    "risk_class",
    "blast_radius",
    "changes_summary",
    "objective",
    "outcome",
    "rollback_of",
    "corrects",
    "allowed_paths",
    "allowed_services",
    "rollback_ref",
    "notes",
)
CHAIN: Final = ("seq", "prev_hash", "content_key", "entry_hash")
FIELDS: Final = (
    "operation_id",
    "operation_name",
    "requested_by",
    "approved_by",
    "approval_timestamp",
    "execution_timestamp",
    "git_commit",
    "git_branch",
    "hostname",
    "risk_class",
    "blast_radius",
    "changes_summary",
    "objective",
    "outcome",
    "rollback_of",
    "allowed_paths",
    "allowed_services",
    "services_status",
    "proof_file",
    "metrics_snapshot",
    "redis_snapshot",
    "notes",
    "rollback_ref",
    "corrects",
    "proof_files",
    "service_logs",
    "evidence_failures",
    "validation_warnings",
)
REQUIRED: Final = ("operation_id", "operation_name", "execution_timestamp", "risk_class", "outcome")
LISTS: Final = frozenset(
    {"allowed_paths", "allowed_services", "evidence_failures", "validation_warnings"}
)
MAPPINGS: Final = frozenset({"services_status", "proof_file", "proof_files", "service_logs"})
TIMES: Final = frozenset({"approval_timestamp", "execution_timestamp", "mtime_utc"})
INTEGERS: Final = frozenset({"seq", "size_bytes"})
RISK_CLASSES: Final = tuple(risk.value for risk in RiskClass)
OUTCOMES: Final = ("SUCCESS", "PARTIAL", "ROLLBACK")
OPERATION_ID: Final = re.compile(r"OPS-(\d{4}-\d{2}-\d{2})-(\d{3}|[1-9]\d{3,})", re.ASCII)
TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
GENESIS: Final = "0" * 64


def day_of(operation_id: str) -> str:
    """`2026-01-27` of an id; DecodeError when it is none."""
    match = OPERATION_ID.fullmatch(operation_id)
    if match is None:
        message = f"{operation_id[:60]!r} is no operation id OPS-YYYY-MM-DD-NNN"
        raise DecodeError("bad_id", "operation_id", message)
    return match[1]


def next_id(day: str, used: Iterable[str]) -> str:
    """One above the highest number of the day; from 1000 on it has four digits."""
    numbers = [int(m[2]) for m in map(OPERATION_ID.fullmatch, used) if m and m[1] == day]
    return f"OPS-{day}-{max(numbers, default=0) + 1:03d}"


def ordered(entry: Mapping[str, Any]) -> Entry:
    """The fields in the view's order: known ones, then others by name, the chain last."""
    known = [name for name in FIELDS if name in entry]
    ends = [name for name in (*CHAIN, "signatures") if name in entry]
    others = sorted(entry.keys() - set(known) - set(ends))
    return {name: _inner(entry, name) for name in (*known, *others, *ends)}


def _inner(entry: Mapping[str, Any], name: str) -> Any:
    """Mappings lose their order in canonical JSON; this is how people read them."""
    value = entry[name]
    if name == "proof_file" and isinstance(value, dict):
        return _proof(value)
    if name == "proof_files" and isinstance(value, dict):
        return {path: _proof(value[path]) for path in sorted(value)}
    if name in {"services_status", "service_logs"} and isinstance(value, dict):
        services = [s for s in entry.get("allowed_services", ()) if s in value]
        return {key: value[key] for key in (*services, *sorted(value.keys() - set(services)))}
    return value


def _proof(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    wanted = ("sha256", "size_bytes", "mtime_utc")
    names = (*wanted, *sorted(value.keys() - set(wanted)))
    return {name: value[name] for name in names if name in value}


def canonical(record: Mapping[str, Any]) -> bytes:
    """RFC 8785. Texts that are not Unicode and numbers that are not whole are refused."""
    try:
        return rfc8785.dumps(dict(record))
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise DecodeError(
            "not_canonical", "entry", f"the entry has no canonical form: {error}"
        ) from error


def hash_of(record: Mapping[str, Any]) -> str:
    """RFC 6962 leaf hash of everything but the hash itself."""
    body = {name: value for name, value in record.items() if name != "entry_hash"}
    return hashlib.sha256(b"\0" + canonical(body)).hexdigest()


def content_key(entry: Mapping[str, Any]) -> str:
    """What makes two entries the same operation: all that was declared, the commit and the host."""
    body = {name: entry[name] for name in DECLARED if entry.get(name)}
    return hashlib.sha256(b"\1" + canonical(body)).hexdigest()


def chained(record: Mapping[str, Any], seq: int, prev_hash: str) -> Entry:
    """The record as it goes into the log."""
    whole = dict(record) | {"seq": seq, "prev_hash": prev_hash}
    return whole | {"entry_hash": hash_of(whole)}


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The declared fields in which two entries differ, each with both values."""
    return [
        f"{name}: recorded {old.get(name)!r}, given {new.get(name)!r}"
        for name in DECLARED
        if (old.get(name) or None) != (new.get(name) or None)
    ]


def is_signature(record: Mapping[str, Any]) -> bool:
    """A line of the log that signs an entry, not an entry."""
    return "signature_of" in record


def folded(records: Iterable[Mapping[str, Any]]) -> list[Entry]:
    """The entries, each with the signatures that later lines gave it."""
    entries: list[Entry] = []
    by_id: dict[str, Entry] = {}
    for record in records:
        if not is_signature(record):
            entry = dict(record)
            entries.append(entry)
            by_id.setdefault(str(entry.get("operation_id")), entry)
        elif target := by_id.get(str(record["signature_of"])):
            names = ("identity", "signed_at", "signature")
            target.setdefault("signatures", []).append({n: record[n] for n in names if n in record})
    return entries
