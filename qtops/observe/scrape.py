"""A Prometheus configuration that reads our services and the two exporters beside them."""

from collections.abc import Mapping
from typing import Any, Final

JOB: Final = "qtops"
RULES_FILE: Final = "qtops-alerts.yml"
CONFIG_FILE: Final = "prometheus.yml"


def prometheus_config(
    services: Mapping[str, str], exporters: Mapping[str, str], interval: str = "15s"
) -> dict[str, Any]:
    """`services` and `exporters` are `host:port` by name.

    A metric of ours that has a `service` label keeps it: it is the same as the target's.
    """
    ours = [{"targets": [at], "labels": {"service": name}} for name, at in services.items()]
    jobs: list[dict[str, Any]] = [{"job_name": JOB, "honor_labels": True, "static_configs": ours}]
    jobs += [
        {"job_name": name, "static_configs": [{"targets": [at]}]} for name, at in exporters.items()
    ]
    return {
        "global": {"scrape_interval": interval, "evaluation_interval": interval},
        "rule_files": [RULES_FILE],
        "scrape_configs": jobs,
    }
