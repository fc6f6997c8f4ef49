"""The exit monitor's HTTP: what it sees, and an operator's own close. On loopback only."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from qtops.contracts.codec import parse_bool
from qtops.contracts.control import ControlChange
from qtops.contracts.exit_event import ExitEvent, ExitStep
from qtops.contracts.facts import Known, Missing, Portfolio, Position
from qtops.contracts.plan import client_order_id
from qtops.contracts.values import ZERO, fmt_decimal, parse_symbol
from qtops.contracts.vocabulary import Lane, TradingState
from qtops.errors import DecodeError, RedisError
from qtops.gates.exit_rules import Held, better, distances, usable_mark
from qtops.ports import Clock
from qtops.ports.exits import ExitView, ManualClose, ManualCloseStore
from qtops.services.exit_monitor import ExitConfig, ExitMonitor, close_plan
from qtops.services.metrics.exits import ExitMetrics
from qtops.services.web import Guard, RateLimit, RefusedCallError, application, refusal

BLIND_AFTER_MS: Final = 15_000
CLOSES_PER_MINUTE: Final = 10
LANE_MS: Final = 20_000  # permits are awaited for 8 s; then the plan is denied anyway
LONGEST_REASON: Final = 200
MANUAL: Final = "manual"


@dataclass(frozen=True, slots=True)
class Asked:
    """A manual close as it was asked for."""

    symbol: str
    reason: str
    force: bool


class ExitDoor:
    """Answers for one exit monitor. Without a token there is no manual close."""

    def __init__(
        self,
        config: ExitConfig,
        monitor: ExitMonitor,
        store: ManualCloseStore,
        clock: Clock,
        metrics: ExitMetrics,
        token: str = "",
    ) -> None:
        self._config = config
        self._monitor = monitor
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._token = token
        calls = RateLimit(CLOSES_PER_MINUTE, CLOSES_PER_MINUTE)
        self._guard = Guard(token, calls, clock, "X-Exit-Token")
        self._flooded = False
        self._log = structlog.get_logger("qtops.exit_door")

    def app(self) -> Starlette:
        routes = [Route("/health", self._health), Route("/positions", self._positions)]
        if self._token:
            routes.append(Route("/manual-close/{symbol}", self._manual_close, methods=["POST"]))
        return application(routes)

    async def _health(self, _request: Request) -> Response:
        """200 while it looks at the positions, else 503."""
        looks, errors, age_ms = self._monitor.sight
        good = age_ms is not None and age_ms <= BLIND_AFTER_MS
        payload: dict[str, Any] = {
            "status": "ok" if good else "unhealthy",
            "mode": self._monitor.mode.value,
            "looks": looks,
            "errors": errors,
            "last_look_age_ms": age_ms,
            "manual_close": bool(self._token),
        }
        return JSONResponse(payload, 200 if good else 503)

    async def _positions(self, _request: Request) -> Response:
        """What the rules would be asked about now. Unknown is null, never zero."""
        try:
            view = await self._store.look()
        except RedisError:
            return refusal(503, "redis_unavailable")
        portfolio = view.portfolio
        if isinstance(portfolio, Missing):
            return refusal(503, "positions_unknown", portfolio.why)
        held = {s: p for s, p in portfolio.value.positions.items() if p.amount != ZERO}
        return JSONResponse(
            {
                "at_ms": view.now_ms,
                "age_ms": view.now_ms - portfolio.observed_at_ms,
                "positions": {s: self._row(view, s, p) for s, p in sorted(held.items())},
            }
        )

    def _row(self, view: ExitView, symbol: str, position: Position) -> dict[str, Any]:
        found = usable_mark(view.marks[symbol], view.now_ms, self._config.limits)
        mark = found if isinstance(found, Decimal) else None
        episode = view.episodes.get(symbol)
        left: dict[str, str | None] = {}
        if mark is not None:
            start = episode.best if episode is not None else mark
            held = Held(position, better(position.amount, start, mark))
            rules = distances(held, mark, self._config.limits)
            left = {rule.value: _text(away and round(away, 4)) for rule, away in rules.items()}
        return {
            "amount": fmt_decimal(position.amount),
            "entry": fmt_decimal(position.entry_price),
            "mark": _text(mark),
            "why_no_mark": None if mark is not None else found,
            "best": None if episode is None else fmt_decimal(episode.best),
            "pct_to": left,
            "since_ms": None if episode is None else episode.started_ms,
            "attempts": 0 if episode is None else episode.attempts,
            "last_plan_id": None if episode is None else episode.plan_id or None,
            "last_published_ms": None if episode is None else episode.published_ms or None,
            "withheld": None if episode is None else episode.withheld or None,
        }

    async def _manual_close(self, request: Request) -> Response:
        try:
            return await self._answer(request)
        except RedisError as error:
            self._log.warning("redis.unavailable", error=error.message)
            return refusal(503, "redis_unavailable", "it may or may not have been published")

    async def _answer(self, request: Request) -> Response:
        """Whatever becomes of the call, it is written down."""
        said = str(request.path_params["symbol"])[:40]
        why = request.query_params.get("reason", "").strip()
        try:
            self._guard.admit(request.headers.get("x-exit-token", ""))
            self._flooded = False
            return await self._close(_asked(said, why, request.query_params.get("force", "false")))
        except RefusedCallError as refused:
            self._log.warning("manual_close.refused", reason=refused.reason)
            # Calls beyond the pace are written down once: they must not wash away the record.
            repeated, self._flooded = self._flooded, refused.reason == "rate_limited"
            if not (repeated and self._flooded):
                await self._record(said, why, refused.reason)
            return refused.answer

    async def _record(self, symbol: str, why: str, reason: str) -> None:
        now_ms = self._clock.now_ms()
        await self._store.record(self._change(symbol, f"refused:{reason}", why, now_ms))

    def _change(self, symbol: str, value: str, why: str, at_ms: int) -> ControlChange:
        """One entry of `control.audit`. A token that was typed into the wrong place is masked."""
        safe = [text.replace(self._token, "***") for text in (f"manual_close:{symbol}", why)]
        by = "exit-monitor http"
        return ControlChange(safe[0], value, "", by, at_ms, safe[1][:LONGEST_REASON])

    async def _close(self, asked: Asked) -> Response:
        view = await self._store.look()
        amount = _amount(view, asked, self._config.limits.max_age_ms)
        control = view.control.value if isinstance(view.control, Known) else None
        halted = control is None or control.trading_state is TradingState.HALTED
        if halted and not asked.force:
            raise RefusedCallError(409, "halted", "the kill switch holds it back; force=true")
        plan_id = f"{MANUAL}-{asked.symbol}-{view.now_ms}"
        change = self._change(asked.symbol, plan_id, asked.reason, view.now_ms)
        event = ExitEvent(
            step=ExitStep.EXIT_PUBLISH,
            plan_id=plan_id,
            client_order_id=client_order_id(self._config.namespace, plan_id),
            symbol=asked.symbol,
            at_ms=view.now_ms,
            details={"rule": MANUAL, "amount": fmt_decimal(amount), "reason": change.reason},
        )
        lane = Lane.MANUAL if asked.force else Lane.AUTOMATED
        is_open = control is not None and control.manual_lane
        records = [change]
        if asked.force and not is_open:
            opened = f"1 for {LANE_MS // 1000} s"
            by = change.by
            records.append(ControlChange("manual_lane", opened, "", by, view.now_ms, change.reason))
        plan = close_plan(event, amount, change.reason, lane)
        lane_ms = LANE_MS if asked.force else 0
        await self._store.publish(ManualClose(plan, event, records, lane_ms, is_open))
        self._metrics.published(MANUAL)
        self._log.info(event.marker, symbol=event.symbol, plan_id=plan_id, forced=asked.force)
        told = {"plan_id": plan_id, "client_order_id": event.client_order_id}
        size = {"side": plan.side.value, "qty": fmt_decimal(plan.quantity)}
        answer = {"status": "accepted", "symbol": asked.symbol, **told, **size}
        return JSONResponse({**answer, "lane": lane.value}, 202)


def _asked(symbol: str, reason: str, force: str) -> Asked:
    if not 0 < len(reason) <= LONGEST_REASON or not reason.isprintable():
        message = f"reason=…, 1 to {LONGEST_REASON} printable characters"
        raise RefusedCallError(400, "no_reason", message)
    try:
        return Asked(parse_symbol(symbol), reason, parse_bool(force, "force"))
    except DecodeError as error:
        raise RefusedCallError(400, error.reason, error.message, field=error.field) from error


def _amount(view: ExitView, asked: Asked, max_age_ms: int) -> Decimal:
    """The signed size of the position; one that is not known is not closed at a guess."""
    portfolio = view.portfolio
    hint = "qtops kill on --flatten asks the exchange itself"
    if isinstance(portfolio, Missing):
        raise RefusedCallError(503, "positions_unknown", f"{portfolio.why}; {hint}")
    age_ms = view.now_ms - portfolio.observed_at_ms
    if age_ms > max_age_ms:
        raise RefusedCallError(503, "positions_stale", f"{age_ms} ms old; {hint}")
    amount = _held(portfolio.value, asked.symbol)
    if amount == ZERO:
        raise RefusedCallError(409, "no_position", f"{asked.symbol} is flat")
    return amount


def _held(portfolio: Portfolio, symbol: str) -> Decimal:
    """A symbol that is not in the whole portfolio is flat."""
    position = portfolio.positions.get(symbol)
    return ZERO if position is None else position.amount


def _text(value: Decimal | None) -> str | None:
    return None if value is None else fmt_decimal(value)
