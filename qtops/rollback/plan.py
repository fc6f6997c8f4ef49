"""What a rollback would change, found by looking; nothing is changed here."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from qtops.contracts.envfile import with_value
from qtops.errors import HostError
from qtops.ports import ControlStore
from qtops.rollback.steps import (
    AnyStep,
    EnvLine,
    LaneClosed,
    ModeSet,
    Restart,
    ServiceControl,
    bytes_of,
    digest,
    text_of,
)

SOFT: Final = "soft"
DRY_RUN: Final = "dry-run"
SOURCES: Final = ("INTENT_EXECUTOR_SOURCE_ALLOWLIST", "intent_bridge")
APPLY_MODE: Final = ("APPLY_MODE", "dry_run")


@dataclass(frozen=True, slots=True)
class Part:
    """A service and its environment file; either may be empty."""

    service: str
    env_file: str


@dataclass(frozen=True, slots=True)
class Sight:
    """What a plan is made from."""

    control: ControlStore
    services: ServiceControl
    lane_key: str
    mode_key: str


async def plan_soft(sight: Sight, executor: Part) -> list[AnyStep]:
    """The source allowlist back, the manual lane closed, the executor restarted."""
    reading = await sight.control.read()
    ttl_ms = reading.manual_lane_ttl_ms
    expires_at_ms = reading.now_ms + ttl_ms if ttl_ms > 0 else 0
    line = env_line(executor.env_file, *SOURCES)
    lane = LaneClosed(sight.lane_key, reading.manual_lane, expires_at_ms)
    return [line, lane, await _restart(sight, executor.service)]


async def plan_dry_run(sight: Sight, apply_layer: Part) -> list[AnyStep]:
    """The mode first: it stops orders at once. Then an apply layer of its own, where there is one.

    A file without a service is read by whoever starts next.
    """
    steps: list[AnyStep] = [ModeSet(sight.mode_key, (await sight.control.read()).mode)]
    if apply_layer.env_file:
        steps.append(env_line(apply_layer.env_file, *APPLY_MODE))
    if apply_layer.service:
        steps.append(await _restart(sight, apply_layer.service))
    return steps


async def _restart(sight: Sight, service: str) -> Restart:
    state = await sight.services.state(service)
    return Restart(service, state.word, state.life)


def env_line(file: str, name: str, value: str) -> EnvLine:
    """The change of one line. A link is followed, so that it stays a link."""
    try:
        path = Path(file).resolve(strict=True)
        data = path.read_bytes()
    except OSError as error:
        hint = "qtops config show, and set QTOPS_EXECUTOR_ENV_FILE or QTOPS_APPLY_ENV_FILE"
        raise HostError(f"{file}: {error.strerror}", hint=hint) from error
    edit = with_value(text_of(data), name, value)
    after = digest(bytes_of(edit.text))
    return EnvLine(
        str(path), name, value, digest(data), after, edit.removed, edit.added, edit.shadowed
    )


def with_backups(steps: Sequence[AnyStep], rollback_id: str) -> list[AnyStep]:
    """The same, each file with a name for its backup, beside it."""
    return [_with_backup(step, rollback_id) for step in steps]


def _with_backup(step: AnyStep, rollback_id: str) -> AnyStep:
    if not isinstance(step, EnvLine):
        return step
    return replace(step, backup=f"{step.path}.{rollback_id}.bak")


def changes(steps: Sequence[AnyStep]) -> list[str]:
    """All of it, for people."""
    return [line for step in steps for line in step.lines()]
