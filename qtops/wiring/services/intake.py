"""The intake of signals, off unless the operator set a token."""

from typing import Final

from qtops.contracts.registry import Service
from qtops.errors import ConfigError
from qtops.settings.model import Settings
from qtops.wiring.services.assembly import Assembly, Builder, Running, long_enough


def _build_intake(service: Service, settings: Settings) -> Running:
    from qtops.adapters.intent_log import RedisIntentLog
    from qtops.services.intake import Intake, IntakeConfig
    from qtops.services.metrics.intake import IntakeMetrics
    from qtops.services.web import Address

    token = settings.secret("QTOPS_INTAKE_TOKEN").reveal()
    if not token:
        raise ConfigError(
            "QTOPS_INTAKE_TOKEN is not set; the intake is off without it",
            hint="set it to what `openssl rand -hex 32` prints",
        )
    token = long_enough("QTOPS_INTAKE_TOKEN", token)
    assembly = Assembly(service, settings)
    host, port = settings.text("QTOPS_INTAKE_HOST"), settings.integer("QTOPS_INTAKE_PORT")
    config = IntakeConfig(
        address=Address(host, port, "QTOPS_INTAKE_PORT"),
        token=token,
        per_minute=settings.integer("QTOPS_INTAKE_PER_MINUTE"),
        burst=settings.integer("QTOPS_INTAKE_BURST"),
    )
    log, metrics = RedisIntentLog(assembly.link), IntakeMetrics(assembly.registry)
    runnable = Intake(config, log, assembly.pulse(), assembly.clock, metrics)
    assembly.serve_metrics()
    return Running(service, runnable, assembly.links)


BUILDERS: Final[dict[Service, Builder]] = {Service.INTAKE: _build_intake}
