"""`dlq`: a message nobody could use, with the reason and where it came from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from qtops.contracts.codec import Fields, parse_json_object, text_of


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """`raw` is the message as it came, so that it can be mended and sent again."""

    stream: str
    entry_id: str
    group: str
    reason: str
    field: str
    message: str
    raw: Mapping[str, str]
    at_ms: int

    def to_fields(self) -> dict[str, str]:
        fields = {
            "stream": self.stream,
            "entry_id": self.entry_id,
            "group": self.group,
            "reason": self.reason,
            "field": self.field,
            "message": self.message,
            "at_ms": str(self.at_ms),
            "raw": json.dumps(dict(self.raw), sort_keys=True),
        }
        return {name: value for name, value in fields.items() if value}

    @classmethod
    def from_fields(cls, raw: Mapping[str, str]) -> "DeadLetter":
        fields = Fields(raw)
        inner = parse_json_object(fields.need("raw"), "raw")
        return cls(
            stream=fields.need("stream"),
            entry_id=fields.need("entry_id"),
            group=fields.need("group"),
            reason=fields.need("reason"),
            field=fields.take("field") or "",
            message=fields.take("message") or "",
            raw={name: text_of(value) for name, value in inner.items()},
            at_ms=fields.need_int("at_ms"),
        )
