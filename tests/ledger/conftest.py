"""Entries and logs as the ledger writes them."""

from qtops.ledger.entry import GENESIS, canonical, chained, content_key


def entry(n=1, **fields):
    made = {
        "operation_id": f"OPS-2026-01-27-{n:03d}",
        "operation_name": "x",
        "execution_timestamp": "2026-01-27T06:15:30Z",
        "risk_class": "READ_ONLY",
        "outcome": "SUCCESS",
    } | fields
    return made | {"content_key": content_key(made)}


def log_of(entries):
    head, lines = GENESIS, []
    for seq, item in enumerate(entries):
        record = chained(item, seq, head)
        head = record["entry_hash"]
        lines.append(canonical(record) + b"\n")
    return lines
