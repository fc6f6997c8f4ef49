"""The three gates, each with the limits that the operator set."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from qtops.contracts.registry import GATE_SERVICES, Service
from qtops.contracts.vocabulary import GateMode, GateName
from qtops.settings.model import Entry, Settings
from qtops.wiring.services.assembly import Assembly, Builder, Running
from qtops.wiring.universe import reader_tiers

if TYPE_CHECKING:
    from qtops.adapters.universe_store import Tiers
    from qtops.gates.portfolio import PortfolioLimits
    from qtops.services.gate_service import GateConfig


def gate_config(gate: GateName, settings: Settings) -> "GateConfig[Any]":
    """A gate with the limits that the operator set."""
    from qtops.gates.governor import GOVERNOR, GovernorLimits
    from qtops.gates.portfolio import PORTFOLIO_GATE
    from qtops.gates.position import POSITION_GATE, PositionLimits
    from qtops.services.gate_service import GateConfig

    s, keeps_facts = settings, settings.boolean("QTOPS_RECORD_FACTS")
    if gate is GateName.GOVERNOR:
        governor = GovernorLimits(
            max_open_positions=s.integer("GOV_MAX_OPEN_POSITIONS"),
            max_notional_per_trade_usdt=s.decimal("GOV_MAX_NOTIONAL_PER_TRADE_USDT"),
            max_total_notional_usdt=s.decimal("GOV_MAX_TOTAL_NOTIONAL_USDT"),
            symbol_cooldown_ms=s.milliseconds("GOV_SYMBOL_COOLDOWN_SECONDS"),
            max_opens_per_hour=s.integer("GOV_MAX_EXEC_PER_HOUR"),
            max_opens_per_5min=s.integer("GOV_MAX_EXEC_PER_5MIN"),
            budget_mode=GateMode(s.text("GOV_P28_MODE")),
            allocation_mode=GateMode(s.text("GOV_P29_MODE")),
            max_budget_age_ms=s.milliseconds("GOV_BUDGET_MAX_AGE_SECONDS"),
        )
        ttl = s.milliseconds("GOV_PERMIT_TTL_SECONDS")
        return GateConfig(
            GOVERNOR, governor, reserves=True, permit_ttl_ms=ttl, keeps_facts=keeps_facts
        )
    if gate is GateName.POSITION:
        position = PositionLimits(
            stale_after_ms=s.milliseconds("P33_STALE_THRESHOLD_SEC"),
            cooldown_ms=s.milliseconds("P33_COOLDOWN_SEC"),
            tolerance_pct=s.decimal("P33_QTY_TOLERANCE_PCT"),
            allow_increase=s.boolean("P33_ALLOW_INCREASE"),
        )
        ttl = s.milliseconds("P33_PERMIT_TTL")
        return GateConfig(POSITION_GATE, position, permit_ttl_ms=ttl, keeps_facts=keeps_facts)
    ttl = s.milliseconds("P26_PERMIT_TTL")
    portfolio = portfolio_limits(settings)
    return GateConfig(PORTFOLIO_GATE, portfolio, permit_ttl_ms=ttl, keeps_facts=keeps_facts)


# What a gate's service is told besides its limits.
_NO_LIMITS: Final = frozenset(
    {"QTOPS_RECORD_FACTS", "GOV_PERMIT_TTL_SECONDS", "P33_PERMIT_TTL", "P26_PERMIT_TTL"}
)


def limit_settings(settings: Settings) -> frozenset[str]:
    """The settings that the limits of the gates come from: those that change a decision."""
    noted = _Noting({entry.setting.name: entry for entry in settings.items()})
    for gate in GateName:
        gate_config(gate, noted)
    return frozenset(noted.read - _NO_LIMITS)


class _Noting(Settings):
    """Remembers what it was asked for."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        super().__init__(entries)
        self.read: set[str] = set()

    def entry(self, name: str) -> Entry:
        self.read.add(name)
        return super().entry(name)


def portfolio_limits(settings: Settings) -> "PortfolioLimits":
    """The portfolio gate's limits; its bounds of heat are the budgets' too."""
    from qtops.gates.portfolio import PortfolioLimits

    s = settings
    return PortfolioLimits(
        mode=GateMode(s.text("P26_MODE")),
        heat_min=s.decimal("P26_H_MIN"),
        heat_max=s.decimal("P26_H_MAX"),
        full_close_min_stress=s.decimal("P26_STRESS_FULLCLOSE_MIN"),
        risk_off_stress=s.decimal("P26_STRESS_RISKOFF"),
        hard_kill_score=s.decimal("P26_KS_HARD"),
        heat_weight=s.decimal("P26_A"),
        concentration_weight=s.decimal("P26_B"),
        correlation_weight=s.decimal("P26_C"),
        cooldown_ms=s.milliseconds("P26_COOLDOWN_SEC"),
        max_input_age_ms=s.milliseconds("P26_MAX_INPUT_AGE_SECONDS"),
        max_clusters_age_ms=2 * s.milliseconds("P27_UPDATE_SEC"),
    )


def _tiers(service: Service, settings: Settings) -> "Tiers | None":
    """Only the position gate asks for an allowlist."""
    return reader_tiers(service, settings) if service is Service.POSITION_GATE else None


def _build_gate(service: Service, settings: Settings) -> Running:
    from qtops.adapters.gate_store import RedisGateStore
    from qtops.services.gate_service import GateService
    from qtops.services.metrics.gates import GateMetrics

    gate = next(g for g, s in GATE_SERVICES.items() if s is service)
    assembly = Assembly(service, settings)
    key = settings.secret("QTOPS_PERMIT_KEY").reveal()
    inboxes = assembly.inboxes()
    handler = GateService(
        gate_config(gate, settings),
        RedisGateStore(assembly.link, service, key, _tiers(service, settings)),
        inboxes,
        assembly.clock,
        GateMetrics(assembly.registry, gate),
    )
    assembly.serve_metrics()
    return Running(service, assembly.loop(handler, inboxes), assembly.links)


BUILDERS: Final[dict[Service, Builder]] = dict.fromkeys(GATE_SERVICES.values(), _build_gate)
