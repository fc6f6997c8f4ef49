"""The harvest chain: kernel, heat calibration, apply layer."""

from typing import Final

from qtops.contracts.environment import environment_of
from qtops.contracts.registry import Service, Stream
from qtops.contracts.vocabulary import ApplyMode, GateMode
from qtops.settings.model import Settings
from qtops.wiring.services.assembly import Assembly, Builder, Running

SPARE_MS: Final = 60_000  # between a plan's last moment and the next attempt at its intent


def _build_harvest(service: Service, settings: Settings) -> Running:
    from qtops.adapters.harvest_store import RedisHarvestStore
    from qtops.gates.harvest import HarvestLimits
    from qtops.services.harvest import HarvestPace, HarvestService
    from qtops.services.metrics.harvest import HarvestMetrics

    assembly = Assembly(service, settings)
    limits = HarvestLimits(
        stop_pct=settings.decimal("HARVEST_STOP_PCT"),
        cost_bps=settings.decimal("HARVEST_COST_BPS"),
        kill_threshold=settings.decimal("HARVEST_KILL_THRESHOLD"),
        retry_ms=settings.milliseconds("HARVEST_RETRY_SECONDS"),
        retry_most_ms=settings.milliseconds("HARVEST_RETRY_MAX_SECONDS"),
    )
    pace = HarvestPace(
        poll_s=settings.milliseconds("HARVEST_POLL_SECONDS") / 1000,
        max_input_age_ms=settings.milliseconds("HARVEST_MAX_INPUT_AGE_SECONDS"),
    )
    store = RedisHarvestStore(assembly.link)
    metrics = HarvestMetrics(assembly.registry)
    runnable = HarvestService(store, limits, pace, assembly.pulse(), metrics)
    assembly.serve_metrics()
    return Running(service, runnable, assembly.links)


def _build_heat(service: Service, settings: Settings) -> Running:
    from qtops.adapters.harvest_store import RedisHeatStore
    from qtops.gates.heat import HeatLimits
    from qtops.services.heat_calibration import HeatCalibration
    from qtops.services.metrics.harvest import HeatMetrics

    assembly = Assembly(service, settings)
    limits = HeatLimits(
        mode=GateMode(settings.text("HEAT_MODE")),
        heat_min=settings.decimal("HEAT_MIN"),
        heat_max=settings.decimal("HEAT_MAX"),
        hard_kill_score=settings.decimal("HEAT_KS_HARD"),
        max_input_age_ms=settings.milliseconds("HARVEST_MAX_INPUT_AGE_SECONDS"),
    )
    inbox = assembly.inbox(Stream.HARVEST_PROPOSAL)
    store = RedisHeatStore(assembly.link)
    handler = HeatCalibration(store, inbox, limits, HeatMetrics(assembly.registry))
    assembly.serve_metrics()
    return Running(service, assembly.loop(handler, [inbox]), assembly.links)


def _build_apply(service: Service, settings: Settings) -> Running:
    from qtops.adapters.apply_store import RedisApplyStore
    from qtops.gates.apply import ApplyLimits
    from qtops.services.apply_layer import ApplyLayer
    from qtops.services.metrics.harvest import ApplyMetrics

    assembly = Assembly(service, settings)
    limits = ApplyLimits(
        mode=ApplyMode(settings.text("APPLY_MODE")),
        symbols=frozenset(settings.names("APPLY_ALLOWLIST")),
        kill_switch=settings.boolean("APPLY_KILL_SWITCH"),
        environment=environment_of(settings.text("QTOPS_EXCHANGE_URL")),
        max_age_ms=settings.milliseconds("APPLY_PROPOSAL_MAX_AGE_SECONDS"),
        plan_life_ms=settings.milliseconds("INTENT_EXECUTOR_PLAN_MAX_AGE_SECONDS") + SPARE_MS,
    )
    inbox = assembly.inbox(Stream.HARVEST_CALIBRATED)
    store, metrics = RedisApplyStore(assembly.link), ApplyMetrics(assembly.registry)
    handler = ApplyLayer(store, inbox, limits, assembly.clock, metrics)
    assembly.serve_metrics()
    return Running(service, assembly.loop(handler, [inbox]), assembly.links)


BUILDERS: Final[dict[Service, Builder]] = {
    Service.HARVEST: _build_harvest,
    Service.HEAT_CALIBRATION: _build_heat,
    Service.APPLY_LAYER: _build_apply,
}
