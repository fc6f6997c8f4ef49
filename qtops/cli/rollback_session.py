"""Between the commands and the rollback: which system, which journals, the ledger, the reverter."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from qtops.cli.context import AppContext
from qtops.cli.state_directory import state_dir
from qtops.errors import HostError, QtopsError, RefusedError, UsageError

if TYPE_CHECKING:
    from qtops.rollback.journal import Journal, Journals
    from qtops.rollback.steps import AnyStep

_ARM_LIMIT_S: Final = 20.0
_POLL_S: Final = 0.05
_LOG_MODE: Final = 0o600


def open_journals(env: AppContext) -> "Journals":
    """Of this machine and user, by QTOPS_STATE_DIR. Touches nothing."""
    from qtops.rollback.journal import Journals

    return Journals(state_dir(env))


def refuse_throwaway(env: AppContext) -> None:
    """What is undone later needs a system that is still there then."""
    if env.options.sandbox:
        raise UsageError(
            "--sandbox ends with the command, and a rollback has to be undone later",
            hint="qtops sandbox up, then . .qtops/sandbox/env in another shell",
        )


def refuse_open(journals: "Journals") -> None:
    """RefusedError while an earlier rollback is not settled."""
    from qtops.rollback.journal import State

    found = journals.open()
    if found is None:
        return
    name = found.rollback_id
    if found.is_unconfirmed:
        hint = f"qtops rollback confirm {name}, or qtops rollback undo {name}"
        raise RefusedError(f"{name} is not confirmed yet", hint=hint)
    hint = f"qtops rollback undo {name}"
    if found.state is State.APPLYING:
        hint = f"qtops rollback resume {name}, or {hint}"
    raise RefusedError(f"{name} is unfinished ({found.state.value})", hint=hint)


def target(env: AppContext) -> str:
    """The Redis and the namespace that a rollback is about, without a password."""
    settings = env.settings()
    return f"{settings.entry('QTOPS_REDIS_URL').shown} {settings.text('QTOPS_NAMESPACE')}"


def refuse_elsewhere(env: AppContext, journal: "Journal") -> None:
    """RefusedError when the settings are about another system than the rollback was."""
    if journal.redis != target(env):
        raise RefusedError(
            f"{journal.rollback_id} was on {journal.redis}, the settings say {target(env)}",
            hint="qtops config show QTOPS_REDIS_URL",
        )


async def planned(env: AppContext, kind: str) -> "list[AnyStep]":
    """What that kind of rollback would change now."""
    from qtops.rollback.plan import SOFT, plan_dry_run, plan_soft
    from qtops.wiring.rollback import apply_layer, executor, rollback_bench

    settings = env.settings()
    async with rollback_bench(settings) as bench:
        if kind == SOFT:
            return await plan_soft(bench.sight, executor(settings))
        return await plan_dry_run(bench.sight, apply_layer(settings))


async def carried_out(env: AppContext, journal: "Journal", journals: "Journals") -> None:
    """HostError when a step failed and the earlier ones were undone, or could not be."""
    from qtops.rollback.engine import carry_out
    from qtops.wiring.rollback import rollback_bench

    async with rollback_bench(env.settings()) as bench:
        hands = bench.hands(journal.by, f"rollback {journal.rollback_id}")
        await carry_out(journal, journals, hands)


async def taken_back(env: AppContext, journal: "Journal", journals: "Journals", by: str) -> None:
    """HostError when something is still not as it was."""
    from qtops.rollback.engine import take_back
    from qtops.wiring.rollback import rollback_bench

    async with rollback_bench(env.settings()) as bench:
        hands = bench.hands(by, f"undo of rollback {journal.rollback_id}")
        faults = await take_back(journal, journals, hands)
    if faults:
        hint = f"qtops rollback undo {journal.rollback_id}"
        raise HostError(f"not undone: {'; '.join(faults)}", hint=hint)


def recorded(env: AppContext, journal: "Journal", by: str, *, is_undo: bool = False) -> str | None:
    """The id of its entry in the ledger. What stands, stands: a ledger that fails is a warning."""
    from qtops.cli.ledger_options import open_ledger
    from qtops.cli.ledger_record import Recording, record
    from qtops.ledger.evidence import Wanted
    from qtops.rollback.plan import changes
    from qtops.rollback.steps import Restart

    if not journal.ledger_root:
        return None
    services = [step.service for step in journal.steps if isinstance(step, Restart)]
    of = journal.ledger_id if is_undo else ""
    word = "undo of rollback" if is_undo else "rollback"
    values = {
        "operation_name": f"{word} {journal.kind}",
        "requested_by": by,
        "objective": journal.reason or "back to the safe state",
        "risk_class": "SERVICE_RESTART",
        "blast_radius": ", ".join(services) or "the executor's mode",
        "changes_summary": f"{word} {journal.rollback_id}: {'; '.join(changes(journal.steps))}",
        "outcome": "ROLLBACK" if of else "SUCCESS",
        "rollback_of": of,
        "allowed_services": services,
        "rollback_ref": "" if is_undo else f"qtops rollback undo {journal.rollback_id}",
    }
    try:
        ledger = open_ledger(env, Path(journal.ledger_root))
        entry = record(env, ledger, values, Wanted(cwd=env.host.cwd), Recording()).entry
    except (QtopsError, OSError) as error:
        env.warn(f"the change stands, but is not in the ledger: {error}")
        return None
    return str(entry["operation_id"])


def arm(env: AppContext, journal: "Journal", journals: "Journals") -> None:
    """Start the process that takes the rollback back at its deadline; it survives this session.

    Returns once it runs. HostError when it does not; nothing may be changed then.
    """
    journals.disarm(journal.rollback_id)
    log = journals.log(journal.rollback_id)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, _LOG_MODE)
    try:
        process = subprocess.Popen(
            _reverter(env, journal.rollback_id),
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
            cwd=env.host.cwd,
            env=_reverter_environ(env),
        )
    finally:
        os.close(descriptor)
    deadline = time.monotonic() + _ARM_LIMIT_S
    while not journals.is_armed(journal.rollback_id):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            message = "the process that would take it back did not start; nothing was changed"
            raise HostError(message, hint=f"less {log}")
        time.sleep(_POLL_S)


def _reverter(env: AppContext, rollback_id: str) -> list[str]:
    options = [f"--profile={env.options.profile}"] if env.options.profile else []
    if env.options.config:
        options.append(f"--config={env.host.cwd / env.options.config}")
    return [sys.executable, "-P", "-m", "qtops", *options, "rollback", "expire", rollback_id]


def _reverter_environ(env: AppContext) -> dict[str, str]:
    """The Redis by the environment, because a command line shows passwords to everybody."""
    own = {"QTOPS_STATE_DIR": str(state_dir(env))}
    if env.options.redis:
        own["QTOPS_REDIS_URL"] = env.options.redis
    return dict(env.host.environ) | own
