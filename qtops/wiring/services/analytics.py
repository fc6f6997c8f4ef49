"""Analytics: reads what the others wrote."""

from typing import Final

from qtops.contracts.registry import Service
from qtops.settings.model import Settings
from qtops.wiring.services.assembly import Assembly, Builder, Running

_EVERY_S: Final = 1.0


def _build_analytics(service: Service, settings: Settings) -> Running:
    from qtops.adapters.analytics_store import RedisAnalyticsStore
    from qtops.services.analytics import Analytics
    from qtops.services.metrics.analytics import AnalyticsMetrics
    from qtops.services.periodic import PeriodicService

    assembly = Assembly(service, settings)
    analytics = Analytics(RedisAnalyticsStore(assembly.link), AnalyticsMetrics(assembly.registry))
    runnable = PeriodicService(analytics.count, _EVERY_S, assembly.pulse(), assembly.clock)
    assembly.serve_metrics()
    return Running(service, runnable, assembly.links)


BUILDERS: Final[dict[Service, Builder]] = {Service.ANALYTICS: _build_analytics}
