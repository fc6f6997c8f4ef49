"""The exit monitor, with the rules that the operator set."""

from typing import Final

from qtops.contracts.registry import Service
from qtops.settings.model import Settings
from qtops.wiring.services.assembly import Assembly, Builder, Running, long_enough


def _build_exit_monitor(service: Service, settings: Settings) -> Running:
    from qtops.adapters.exit_store import RedisExitStore
    from qtops.contracts.vocabulary import GateMode
    from qtops.gates.exit_rules import ExitLimits
    from qtops.services.exit_monitor import ExitConfig, ExitMonitor
    from qtops.services.metrics.exits import ExitMetrics

    assembly = Assembly(service, settings)
    config = ExitConfig(
        limits=ExitLimits(
            take_profit_pct=settings.decimal("EXIT_TP_PCT"),
            stop_loss_pct=settings.decimal("EXIT_SL_PCT"),
            trailing_pct=settings.decimal("EXIT_TRAILING_PCT"),
            max_age_ms=settings.milliseconds("EXIT_MAX_INPUT_AGE_SECONDS"),
        ),
        mode=GateMode(settings.text("EXIT_MODE")),
        rollout_pct=settings.integer("EXIT_LIVE_ROLLOUT_PCT"),
        namespace=settings.text("QTOPS_NAMESPACE"),
        every_s=settings.milliseconds("EXIT_MONITOR_SECONDS") / 1000,
        retry_ms=settings.milliseconds("EXIT_RETRY_SECONDS"),
        plan_life_ms=settings.milliseconds("INTENT_EXECUTOR_PLAN_MAX_AGE_SECONDS"),
    )
    store, metrics = RedisExitStore(assembly.link), ExitMetrics(assembly.registry)
    monitor = ExitMonitor(config, store, assembly.pulse(), assembly.clock, metrics)
    assembly.serve_metrics()
    port = settings.integer("QTOPS_EXIT_HTTP_PORT")
    if not port:
        return Running(service, monitor, assembly.links)
    from qtops.services.exit_door import ExitDoor
    from qtops.services.web import Address, Beside

    door = ExitDoor(config, monitor, store, assembly.clock, metrics, _close_token(settings))
    address = Address("127.0.0.1", port, "QTOPS_EXIT_HTTP_PORT")
    return Running(service, Beside(monitor, door.app(), address), assembly.links)


def _close_token(settings: Settings) -> str:
    """Empty while manual closes are off: they need the switch and the token."""
    token = settings.secret("EXIT_MONITOR_MANUAL_CLOSE_TOKEN").reveal()
    if not token or not settings.boolean("EXIT_MONITOR_MANUAL_CLOSE_ENABLED"):
        return ""
    return long_enough("EXIT_MONITOR_MANUAL_CLOSE_TOKEN", token)


BUILDERS: Final[dict[Service, Builder]] = {Service.EXIT_MONITOR: _build_exit_monitor}
