"""`breaker:state`: what each automatic breaker last saw, and since when it is armed."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from qtops.contracts.codec import (
    Fields,
    canonical_json,
    parse_int,
    parse_json_object,
    parse_word,
    text_of,
)
from qtops.contracts.values import fmt_decimal

OWNER: Final = "breakers@"  # how the name begins that a breaker signs the kill record with


class Breaker(StrEnum):
    """The breakers, in the order in which the first that trips is named."""

    LAST_HOP = "last_hop"
    ERRORS = "error_budget"
    BURST = "burst"
    DAILY_LOSS = "daily_loss"
    DRAWDOWN = "drawdown"
    LOSSES = "consecutive_losses"
    CLOCK = "clock_skew"
    STALE = "stale_data"


class BreakerStatus(StrEnum):
    """UNSEEN: armed, but what it judges cannot be read. OVER: it would trip if trading were on."""

    OFF = "off"
    ARMED = "armed"
    UNSEEN = "unseen"
    OVER = "over"
    TRIPPED = "tripped"


@dataclass(frozen=True, slots=True)
class Look:
    """One breaker's last look. `value` and `limit` are for people; `detail` names the cause."""

    breaker: Breaker
    status: BreakerStatus
    value: str = ""
    limit: str = ""
    detail: str = ""
    since_ms: int = 0

    def to_json(self) -> str:
        return canonical_json(
            {
                "status": self.status.value,
                "value": self.value,
                "limit": self.limit,
                "detail": self.detail,
                "since_ms": self.since_ms,
            }
        )

    @classmethod
    def from_json(cls, breaker: Breaker, raw: str) -> "Look":
        body = {name: text_of(v) for name, v in parse_json_object(raw, breaker.value).items()}
        return cls(
            breaker=breaker,
            status=parse_word(BreakerStatus, body.get("status", ""), "status"),
            value=body.get("value", ""),
            limit=body.get("limit", ""),
            detail=body.get("detail", ""),
            since_ms=parse_int(body.get("since_ms") or "0", "since_ms"),
        )


@dataclass(frozen=True, slots=True)
class BreakerState:
    """The whole hash. Windows begin at `armed_at_ms`, which belongs to one kill epoch.

    `peak_equity_usdt` is the highest equity seen since then; None before the first.
    """

    epoch: str
    armed_at_ms: int
    at_ms: int
    peak_equity_usdt: Decimal | None = None
    looks: tuple[Look, ...] = ()

    def to_fields(self) -> dict[str, str]:
        peak = self.peak_equity_usdt
        return {
            "epoch": self.epoch,
            "armed_at_ms": str(self.armed_at_ms),
            "at_ms": str(self.at_ms),
            **({} if peak is None else {"peak_equity_usdt": fmt_decimal(peak)}),
            **{look.breaker.value: look.to_json() for look in self.looks},
        }

    @classmethod
    def from_fields(cls, raw: Mapping[str, str]) -> "BreakerState":
        fields = Fields(raw)
        return cls(
            epoch=fields.take("epoch") or "",
            armed_at_ms=fields.need_int("armed_at_ms"),
            at_ms=fields.need_int("at_ms"),
            peak_equity_usdt=fields.optional_decimal("peak_equity_usdt"),
            looks=tuple(Look.from_json(b, raw[b.value]) for b in Breaker if raw.get(b.value)),
        )


def tripped_breaker(record: Mapping[str, str]) -> str:
    """The breaker that the kill record names, empty when an operator set the switch."""
    if not record.get("by", "").startswith(OWNER):
        return ""
    return record.get("reason", "").partition(":")[0]
