"""What becomes of an entry that nobody could decode."""

from qtops.contracts.dead_letter import DeadLetter
from qtops.errors import DecodeError
from qtops.ports import Delivery


def letter_of(delivery: Delivery, error: DecodeError, group: str, at_ms: int) -> DeadLetter:
    """The entry as it came, with the reason and where it came from."""
    raw = {
        name.decode(errors="replace"): value.decode(errors="replace")
        for name, value in delivery.raw.items()
    }
    return DeadLetter(
        stream=delivery.stream.value.name,
        entry_id=delivery.entry_id,
        group=group,
        reason=error.reason,
        field=error.field,
        message=error.message,
        raw=raw,
        at_ms=at_ms,
    )
