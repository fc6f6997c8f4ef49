"""Settings → the checks of `qtops observe check`, and what `observe export` configures."""

from decimal import Decimal
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from qtops.adapters.monitors import HostMonitors
from qtops.audits.checks import Check
from qtops.audits.monitoring import (
    NAMES,
    Finder,
    Place,
    Wanted,
    judge_datasources,
    judge_exporter,
    judge_grafana,
    judge_units,
)
from qtops.contracts.check import Severity
from qtops.errors import HostError
from qtops.observe.alerts import alerts
from qtops.observe.bundle import bundle
from qtops.settings.model import Settings
from qtops.wiring.services import BUILDERS

# Under the names that Debian and the projects' own packages give them.
UNITS: Final = {
    "Prometheus": ("prometheus",),
    "Grafana": ("grafana-server",),
    "node_exporter": ("prometheus-node-exporter", "node_exporter"),
    "redis_exporter": ("prometheus-redis-exporter", "redis_exporter"),
}
NODE: Final = {"node_load1": "", "node_textfile_scrape_error": "0"}
REDIS: Final = {"redis_up": "1"}
_EXPORTERS: Final = {"node": "QTOPS_NODE_EXPORTER_URL", "redis": "QTOPS_REDIS_EXPORTER_URL"}


def service_addresses(settings: Settings) -> dict[str, str]:
    """`host:port` of the metrics of every service that has a port."""
    host = settings.text("QTOPS_METRICS_HOST")
    if host in {"", "0.0.0.0", "::"}:  # noqa: S104  compared, not bound
        host = "127.0.0.1"
    return {
        service.value: f"{host}:{port}"
        for service in BUILDERS
        if (port := settings.integer(service.metrics_setting))
    }


def export_files(settings: Settings) -> dict[str, str]:
    """What `observe export` writes, by file name."""
    exporters = {job: _address(settings.text(name)) for job, name in _EXPORTERS.items()}
    return bundle(service_addresses(settings), exporters, _snapshot_limit_s(settings))


def _address(url: str) -> str:
    """A bare `host` of an http URL is port 80."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def _snapshot_limit_s(settings: Settings) -> Decimal:
    """From there the position gate refuses."""
    return Decimal(settings.milliseconds("P33_STALE_THRESHOLD_SEC")) / 1000


def checks(settings: Settings) -> list[Check]:
    """Every check there is, in the order in which a person would look."""
    source = HostMonitors()
    ours = frozenset(alert.name for alert in alerts(_snapshot_limit_s(settings)))
    wanted = Wanted(service_addresses(settings), ours, settings.text("QTOPS_PROMETHEUS_URL"))
    finder = Finder(source, wanted)
    grafana = settings.text("QTOPS_GRAFANA_URL").rstrip("/")
    token = settings.secret("QTOPS_GRAFANA_TOKEN").reveal()
    return [
        Check("prometheus.found", finder.judge_found, Severity.P1),
        Check("prometheus.config", finder.judge_config),
        Check("prometheus.targets", finder.judge_targets, Severity.P1),
        Check("prometheus.rules", finder.judge_rules, Severity.P1),
        Check("prometheus.alerts", finder.judge_alerts, Severity.P3),
        Check("prometheus.alertmanager", finder.judge_alertmanagers),
        Check("grafana.health", partial(judge_grafana, source, grafana)),
        Check("grafana.datasources", partial(judge_datasources, source, grafana, token, finder)),
        *(
            Check(f"{name}.metrics", partial(judge_exporter, source, name, url.rstrip("/"), needed))
            for name, url, needed in (
                ("node_exporter", settings.text("QTOPS_NODE_EXPORTER_URL"), NODE),
                ("redis_exporter", settings.text("QTOPS_REDIS_EXPORTER_URL"), REDIS),
            )
        ),
        Check("units.active", partial(judge_units, source, UNITS)),
    ]


async def live_metrics(url: str) -> frozenset[str]:
    """Every metric name that the Prometheus at `url` knows. HostError when it does not say."""
    place = Place(url.rstrip("/"), "as it was asked for")
    finder = Finder(HostMonitors(), Wanted({}, frozenset()))
    try:
        return frozenset(map(str, await finder.ask(place, NAMES)))
    except HostError as error:
        raise HostError(f"{url}: {error.message}", hint="qtops observe check") from error
