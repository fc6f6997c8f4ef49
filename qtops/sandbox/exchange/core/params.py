"""Request parameters as Binance reads them, each kind with its documented refusal."""

import json
import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from qtops.sandbox.exchange.core.errors import missing, missing_both, refuse

DECIMAL = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
_DECIMAL = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?")
_INTEGER = re.compile(r"[0-9]{1,19}")
_FLAGS = {"true": True, "false": False}


def merge(query: str, body: str) -> dict[str, str]:
    """Both parts as one mapping; where a name is in both, the query wins."""
    return {**_parse(body), **_parse(query)}


def _parse(raw: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in parse_qsl(raw, keep_blank_values=True):
        if name in found:
            raise refuse(-1101, name)
        found[name] = value
    return found


class Params:
    """Typed access. A mandatory parameter that is absent or empty is -1102."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def __contains__(self, name: str) -> bool:
        return bool(self._values.get(name))

    def text(self, name: str) -> str:
        value = self._values.get(name, "")
        if not value:
            raise missing(name)
        return value

    def optional(self, name: str) -> str | None:
        return self._values.get(name) or None

    def decimal(self, name: str) -> Decimal:
        return self._decimal(name, self.text(name))

    def integer(self, name: str) -> int:
        return self._integer(name, self.text(name))

    def optional_integer(self, name: str) -> int | None:
        return self._integer(name, self._values[name]) if name in self else None

    def flag(self, name: str) -> bool:
        value = _FLAGS.get(self.text(name).lower())
        if value is None:
            raise refuse(-1130, name)
        return value

    def choice(self, name: str, allowed: Collection[str], code: int) -> str:
        """One of `allowed`, else that code's refusal."""
        value = self.text(name)
        if value not in allowed:
            raise refuse(code, name)
        return value

    def optional_choice(self, name: str, allowed: Collection[str], code: int) -> str | None:
        return self.choice(name, allowed, code) if name in self else None

    def limit(self, default: int, maximum: int) -> int:
        """A row limit; beyond the maximum is -1130."""
        value = self.optional_integer("limit")
        if value is None:
            return default
        if not 1 <= value <= maximum:
            raise refuse(-1130, "limit")
        return value

    def window(self) -> tuple[int | None, int | None]:
        """The times startTime and endTime; the wrong way round is -1023."""
        start, end = self.optional_integer("startTime"), self.optional_integer("endTime")
        if start is not None and end is not None and start > end:
            raise refuse(-1023)
        return start, end

    def order_reference(self) -> tuple[int | None, str | None]:
        """By orderId or origClientOrderId: one of them is needed, the number wins."""
        order_id, client_id = self.optional_integer("orderId"), self.optional("origClientOrderId")
        if order_id is None and client_id is None:
            raise missing_both("orderId", "origClientOrderId")
        return order_id, client_id

    def json_list(self, name: str) -> list[Any]:
        """A JSON array; malformed is -1130."""
        try:
            value = json.loads(self.text(name), parse_float=str, parse_constant=str)
        except (ValueError, RecursionError) as error:
            raise refuse(-1130, name) from error
        if not isinstance(value, list):
            raise refuse(-1130, name)
        return value

    @staticmethod
    def _decimal(name: str, raw: str) -> Decimal:
        if not _DECIMAL.fullmatch(raw):
            raise refuse(-1100, name, DECIMAL)
        return Decimal(raw)

    @staticmethod
    def _integer(name: str, raw: str) -> int:
        if not _INTEGER.fullmatch(raw):
            raise refuse(-1100, name, "^[0-9]{1,19}$")
        return int(raw)
