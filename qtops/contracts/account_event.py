"""`exchange.events`: what the exchange's user data stream told us. News, never evidence.

An event may be late, doubled, lost or forged; so it only makes a reader ask the exchange sooner.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from qtops.contracts.codec import Fields, canonical_json, parse_int, parse_json_object, text_of
from qtops.contracts.values import fmt_decimal, parse_decimal, parse_symbol
from qtops.contracts.vocabulary import Side
from qtops.errors import DecodeError


class EventKind(StrEnum):
    """CONNECTED is our own: the stream begins (again), and what came before it may be missing."""

    ORDER = "order"
    ACCOUNT = "account"
    CONNECTED = "connected"


@dataclass(frozen=True, slots=True)
class Fill:
    """The fill that an order event is about. The fee is in `commission_asset`."""

    trade_id: str
    quantity: Decimal
    price: Decimal
    commission: Decimal
    commission_asset: str
    realized_pnl: Decimal


@dataclass(frozen=True, slots=True)
class OrderChange:
    """An order after one change. `execution` is the venue's word: NEW, TRADE, CANCELED, …"""

    symbol: str
    order_id: str
    client_order_id: str
    side: Side
    status: str
    execution: str
    executed_quantity: Decimal
    average_price: Decimal | None
    fill: Fill | None = None


@dataclass(frozen=True, slots=True)
class AccountChange:
    """Wallets by asset and signed positions by symbol, those that changed only."""

    reason: str
    balances: Mapping[str, Decimal]
    positions: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class AccountEvent:
    """One entry. Times are the exchange's UTC ms; `gap_from_ms` of CONNECTED is 0 when unknown."""

    kind: EventKind
    event_ms: int
    transaction_ms: int
    order: OrderChange | None = None
    account: AccountChange | None = None
    gap_from_ms: int = 0
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """The same for every copy of one event, however often the exchange sends it."""
        if (order := self.order) is not None:
            executed = fmt_decimal(order.executed_quantity)
            trade = order.fill.trade_id if order.fill else ""
            parts = (order.symbol, order.order_id, order.execution, order.status, executed, trade)
            return "/".join(parts)
        return f"{self.kind}/{self.transaction_ms}/{canonical_json(self.to_fields())}"

    def to_fields(self) -> dict[str, str]:
        fields = {
            "kind": self.kind.value,
            "event_ms": str(self.event_ms),
            "transaction_ms": str(self.transaction_ms),
            **(_order_fields(self.order) if self.order else {}),
            **(_account_fields(self.account) if self.account else {}),
            "gap_from_ms": str(self.gap_from_ms) if self.kind is EventKind.CONNECTED else "",
            "extra": json.dumps(dict(self.extra), sort_keys=True) if self.extra else "",
        }
        return {name: value for name, value in fields.items() if value}

    @classmethod
    def from_fields(cls, raw: Mapping[str, str]) -> "AccountEvent":
        fields = Fields(raw)
        kind = fields.need_word(EventKind, "kind")
        extra = fields.take("extra")
        return cls(
            kind=kind,
            event_ms=fields.need_int("event_ms"),
            transaction_ms=fields.need_int("transaction_ms"),
            order=_order_from(fields) if kind is EventKind.ORDER else None,
            account=_account_from(fields) if kind is EventKind.ACCOUNT else None,
            gap_from_ms=parse_int(fields.take("gap_from_ms") or "0", "gap_from_ms"),
            extra={k: text_of(v) for k, v in parse_json_object(extra, "extra").items()}
            if extra
            else {},
        )


def _order_fields(order: OrderChange) -> dict[str, str]:
    price = order.average_price
    fields = {
        "symbol": order.symbol,
        "order_id": order.order_id,
        "client_order_id": order.client_order_id,
        "side": order.side.value,
        "status": order.status,
        "execution": order.execution,
        "executed_quantity": fmt_decimal(order.executed_quantity),
        "average_price": "" if price is None else fmt_decimal(price),
    }
    if (fill := order.fill) is not None:
        fields |= {
            "trade_id": fill.trade_id,
            "last_quantity": fmt_decimal(fill.quantity),
            "last_price": fmt_decimal(fill.price),
            "commission": fmt_decimal(fill.commission),
            "commission_asset": fill.commission_asset,
            "realized_pnl": fmt_decimal(fill.realized_pnl),
        }
    return fields


def _order_from(fields: Fields) -> OrderChange:
    price, trade_id = fields.take("average_price"), fields.take("trade_id")
    return OrderChange(
        symbol=parse_symbol(fields.need("symbol")),
        order_id=fields.need("order_id"),
        client_order_id=fields.need("client_order_id"),
        side=fields.need_word(Side, "side"),
        status=fields.need("status"),
        execution=fields.need("execution"),
        executed_quantity=fields.need_decimal("executed_quantity"),
        average_price=parse_decimal(price, "average_price") if price else None,
        fill=_fill_from(trade_id, fields) if trade_id else None,
    )


def _fill_from(trade_id: str, fields: Fields) -> Fill:
    return Fill(
        trade_id=trade_id,
        quantity=fields.need_decimal("last_quantity"),
        price=fields.need_decimal("last_price"),
        commission=fields.need_decimal("commission"),
        commission_asset=fields.take("commission_asset") or "",
        realized_pnl=fields.need_decimal("realized_pnl"),
    )


def _account_fields(account: AccountChange) -> dict[str, str]:
    return {
        "reason": account.reason,
        "balances": canonical_json({k: fmt_decimal(v) for k, v in account.balances.items()}),
        "positions": canonical_json({k: fmt_decimal(v) for k, v in account.positions.items()}),
    }


def _account_from(fields: Fields) -> AccountChange:
    return AccountChange(
        reason=fields.need("reason"),
        balances=_amounts(fields.need("balances"), "balances"),
        positions=_amounts(fields.need("positions"), "positions"),
    )


def _amounts(raw: str, name: str) -> dict[str, Decimal]:
    amounts = parse_json_object(raw, name)
    if not all(isinstance(amount, str) for amount in amounts.values()):
        raise DecodeError(f"bad_{name}", name, f"{name}: amounts must be text")
    return {key: parse_decimal(amount, name) for key, amount in amounts.items()}
