"""Events of the user data stream as the venue prints them: numbers without padding."""

from collections.abc import Iterable

from qtops.contracts.values import fmt_decimal
from qtops.sandbox.exchange.core.engine import Engine
from qtops.sandbox.exchange.core.news import AccountNews, News, OrderNews
from qtops.sandbox.exchange.core.orders import Order, Trade
from qtops.sandbox.exchange.core.positions import Position
from qtops.sandbox.exchange.rest.wire import Json, cash, padded
from qtops.sandbox.exchange.rest.wire_account import ASSET


class StreamWire:
    """Prints what one engine's account is told."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def events(self, news: Iterable[News], sent_ms: int) -> list[Json]:
        """In the venue's order: the short TRADE_LITE of every fill, then all else as it happened.

        For one MARKET fill that is TRADE_LITE, the order as NEW, the account, the order as filled.
        """
        lite, events = [], []
        for item in news:
            if isinstance(item, AccountNews):
                events.append(self._account(item, sent_ms))
                continue
            if item.trade is not None:
                lite.append(self._lite(item.order, item.trade, sent_ms))
            events.append(self._order(item, sent_ms))
        return [*lite, *events]

    def _lite(self, order: Order, trade: Trade, sent_ms: int) -> Json:
        places = self._engine.instruments[order.symbol].price_precision
        return {
            "e": "TRADE_LITE",
            "E": sent_ms,
            "T": trade.time_ms,
            "s": order.symbol,
            "q": fmt_decimal(order.quantity),
            "p": padded(order.price, places),
            "m": trade.is_maker,
            "c": order.client_id,
            "S": order.side,
            "L": padded(trade.price, places),
            "l": fmt_decimal(trade.quantity),
            "t": trade.trade_id,
            "i": order.order_id,
        }

    def _order(self, news: OrderNews, sent_ms: int) -> Json:
        order = news.order
        body = {
            "s": order.symbol,
            "c": order.client_id,
            "S": order.side,
            "o": order.kind,
            "f": order.time_in_force,
            "q": fmt_decimal(order.quantity),
            "p": fmt_decimal(order.price),
            "ap": self._average(order),
            "sp": "0",
            "x": news.execution,
            "X": order.status,
            "i": order.order_id,
            **self._fill(order, news.trade),
            "T": news.time_ms,
            "b": "0",
            "a": "0",
            "R": order.reduce_only,
            "wt": "CONTRACT_PRICE",
            "ot": order.kind,
            "ps": order.position_side,
            "cp": False,
            "pP": False,
            "si": 0,
            "ss": 0,
            "V": order.self_trade_mode,
            "pm": order.price_match,
            "gtd": order.good_till_ms,
            "er": "0",
        }
        return {"e": "ORDER_TRADE_UPDATE", "T": news.time_ms, "E": sent_ms, "o": body}

    def _average(self, order: Order) -> str:
        places = self._engine.instruments[order.symbol].price_precision + 1
        return fmt_decimal(round(order.average_price, places))

    def _fill(self, order: Order, trade: Trade | None) -> Json:
        """The last fill; zeros where the event is about something else."""
        quote = self._engine.instruments[order.symbol].quote
        filled = fmt_decimal(order.executed)
        if trade is None:
            nothing = dict.fromkeys(("l", "L", "n", "rp"), "0")
            return {**nothing, "z": filled, "N": quote, "t": 0, "m": False}
        return {
            "l": fmt_decimal(trade.quantity),
            "z": filled,
            "L": fmt_decimal(trade.price),
            "n": fmt_decimal(trade.commission),
            "N": quote,
            "t": trade.trade_id,
            "m": trade.is_maker,
            "rp": fmt_decimal(trade.realized),
        }

    def _account(self, news: AccountNews, sent_ms: int) -> Json:
        wallet, change = cash(news.wallet), fmt_decimal(news.change)
        positions = [] if news.position is None else [self._position(news.position)]
        body = {
            "B": [{"a": ASSET, "wb": wallet, "cw": wallet, "bc": change}],
            "P": positions,
            "m": news.reason,
        }
        return {"e": "ACCOUNT_UPDATE", "T": news.time_ms, "E": sent_ms, "a": body}

    def _position(self, position: Position) -> Json:
        record = self._engine.state.symbols[position.symbol]
        rules = self._engine.instruments[position.symbol]
        return {
            "s": position.symbol,
            "pa": fmt_decimal(position.amount),
            "ep": fmt_decimal(position.entry),
            "cr": fmt_decimal(position.earned),
            "up": fmt_decimal(self._engine.margin.unrealized(position)),
            "mt": "isolated" if record.is_isolated else "cross",
            "iw": fmt_decimal(self._engine.margin.isolated_wallet(position)),
            "ps": position.side,
            "ma": ASSET,
            "bep": fmt_decimal(round(position.break_even(rules.taker_rate), 12)),
        }
