"""One change into the ledger, from a command: checked, masked, with the evidence for it.

`ledger append` and every command that changes something go through `record`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from qtops.cli.context import AppContext
from qtops.cli.ledger_options import policy_of
from qtops.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from qtops.ledger.evidence import Collected, Wanted
    from qtops.ledger.store import Ledger, Outcome


_NOBODY: Final = {"requested_by": "SELF", "approved_by": "SELF"}


@dataclass(frozen=True, slots=True)
class Recording:
    """How to record: under which id, and whether a broken rule or a repetition stops it."""

    operation_id: str = ""
    strict: bool = False
    again: bool = False
    dry_run: bool = False


def record(
    env: AppContext,
    ledger: "Ledger",
    values: Mapping[str, Any],
    wanted: "Wanted",
    how: Recording,
) -> "Outcome":
    """The entry with its evidence, in the log; `values` are the declared fields of an entry.

    Who is not named is SELF, as on an operator's own entry. What the ledger has to remark on it
    goes to stderr.

    Raises UsageError for an empty or unreadable field, RefusedError when strict and the policy
    wants another approver, StrictRefusalError for any other broken rule. Nothing is written then.
    """
    from qtops.ledger.store import Draft

    declared = _declared(env, _NOBODY | dict(values))
    is_strict = how.strict or env.settings().boolean("STRICT_LEDGER")
    entry = _with_evidence(env, declared, wanted, strict=is_strict)
    day = entry["execution_timestamp"][:10]
    draft = Draft(entry, day, how.operation_id, again=how.again, strict=is_strict)
    done = ledger.append(draft, dry_run=how.dry_run)
    for remark in (*done.warnings, *done.notes):
        env.warn(remark)
    return done


def _declared(env: AppContext, values: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is empty, and without secrets; what was masked is said."""
    kept = {name: value for name, value in values.items() if value}
    for name in ("operation_name", "objective", "blast_radius", "changes_summary"):
        if name not in kept:
            raise UsageError(f"{name} is empty")
    try:
        repr(kept).encode()
        for value in kept.values():
            "".join(value).encode()
    except UnicodeEncodeError as error:
        raise UsageError("a text is not valid UTF-8") from error
    masked = {name: _masked(value, env.redact) for name, value in kept.items()}
    if changed := [name for name in kept if masked[name] != kept[name]]:
        env.warn(f"what looks like a secret was masked in {', '.join(changed)}")
    return masked


def _masked(value: Any, redact: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {name: _masked(item, redact) for name, item in value.items()}
    if isinstance(value, list):
        return [_masked(item, redact) for item in value]
    return redact(value) if isinstance(value, str) else value


def _with_evidence(
    env: AppContext, declared: dict[str, Any], wanted: "Wanted", *, strict: bool
) -> dict[str, Any]:
    import asyncio

    from qtops.contracts.codec import fmt_instant
    from qtops.ledger.rules import evidence_faults, policy_faults

    found = asyncio.run(_collect(env, wanted))
    now = fmt_instant(env.now_ms())[:19] + "Z"
    entry = declared | {"approval_timestamp": now, "execution_timestamp": now}
    entry |= _masked(found.fields, env.redact)
    if found.failures:
        entry["evidence_failures"] = _masked(found.failures, env.redact)
    exceptions = policy_faults(entry, policy_of(env))
    if exceptions and strict:
        raise RefusedError(f"{exceptions[0]}; nothing was written", hint="--approved-by NAME")
    if warnings := evidence_faults(entry) + exceptions:
        entry["validation_warnings"] = warnings
    return entry


async def _collect(env: AppContext, wanted: "Wanted") -> "Collected":
    from qtops.ledger.evidence import collect

    if not wanted.redis_cmds:
        return await collect(wanted, None)
    from qtops.wiring.ledger import ledger_redis

    async with ledger_redis(env.settings()) as redis:
        return await collect(wanted, redis)
