"""The reference producer. It is no part of a system that trades: a test venue, or it refuses."""

from typing import Final

from qtops.contracts.environment import environment_of
from qtops.contracts.registry import Service
from qtops.errors import RefusedError
from qtops.settings.model import Settings
from qtops.wiring.services.assembly import Assembly, Builder, Running


def _build_producer(service: Service, settings: Settings) -> Running:
    from qtops.adapters.producer_store import RedisProducerStore
    from qtops.gates.producer import ProducerLimits
    from qtops.services.metrics.producer import ProducerMetrics
    from qtops.services.periodic import PeriodicService
    from qtops.services.producer import Producer

    environment = environment_of(settings.text("QTOPS_EXCHANGE_URL"))
    if not environment.is_play_money:
        raise RefusedError(
            f"the producer is an example and runs on test venues only, this one is {environment}",
            hint="a bot of your own writes trade.intent; see docs/live-cycle.md",
        )
    assembly = Assembly(service, settings)
    limits = ProducerLimits(
        lookback=settings.integer("PRODUCER_LOOKBACK"),
        cooldown_ms=settings.milliseconds("PRODUCER_COOLDOWN_SECONDS"),
        max_age_ms=settings.milliseconds("PRODUCER_MAX_INPUT_AGE_SECONDS"),
        notional_usdt=settings.decimal("PRODUCER_NOTIONAL_USDT"),
    )
    store, metrics = RedisProducerStore(assembly.link), ProducerMetrics(assembly.registry)
    producer = Producer(store, settings.names("PRODUCER_SYMBOLS"), limits, metrics)
    every_s = settings.milliseconds("PRODUCER_SECONDS") / 1000
    runnable = PeriodicService(producer.look, every_s, assembly.pulse(), assembly.clock)
    assembly.serve_metrics()
    return Running(service, runnable, assembly.links)


BUILDERS: Final[dict[Service, Builder]] = {Service.PRODUCER: _build_producer}
