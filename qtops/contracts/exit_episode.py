"""`exit:episodes`: what the exit monitor remembers of one position while it lasts."""

from dataclasses import dataclass
from decimal import Decimal

from qtops.contracts.codec import Fields, canonical_json, parse_json_object, text_of
from qtops.contracts.values import fmt_decimal


@dataclass(frozen=True, slots=True)
class Episode:
    """One position from when it was first seen until it is gone or has changed its side.

    `best` is the best mark since then, or since the entry price last changed. `plan_id` is the
    last exit that was published, empty before the first. `withheld` is the last `RULE:LEVEL` that
    was held back, so that it is written down once. Times are the Redis server's UTC ms.
    """

    started_ms: int
    side: str
    entry: Decimal
    best: Decimal
    attempts: int = 0
    plan_id: str = ""
    published_ms: int = 0
    withheld: str = ""

    def to_json(self) -> str:
        return canonical_json(
            {
                "started_ms": str(self.started_ms),
                "side": self.side,
                "entry": fmt_decimal(self.entry),
                "best": fmt_decimal(self.best),
                "attempts": str(self.attempts),
                "plan_id": self.plan_id,
                "published_ms": str(self.published_ms),
                "withheld": self.withheld,
            }
        )

    @classmethod
    def from_json(cls, raw: str) -> "Episode":
        """Strict. Raises DecodeError naming the field."""
        body = parse_json_object(raw, "episode")
        fields = Fields({name: text_of(value) for name, value in body.items()})
        return cls(
            started_ms=fields.need_int("started_ms"),
            side=fields.need("side"),
            entry=fields.need_decimal("entry"),
            best=fields.need_decimal("best"),
            attempts=fields.need_int("attempts"),
            plan_id=fields.take("plan_id") or "",
            published_ms=fields.need_int("published_ms"),
            withheld=fields.take("withheld") or "",
        )
