"""`ledger append` at 100 and at 10,000 entries, views included, against rewriting everything.

Run: .venv/bin/python benchmarks/bench_ledger.py
The baseline has the original tool's shape: read the page, search it, write it whole (and, unlike
it, rebuild the month's YAML). Command is the whole process; inside is Ledger.append alone.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from functools import partial
from pathlib import Path

from qtops.ledger.entry import GENESIS, canonical, chained, content_key
from qtops.ledger.markdown import rebuilt
from qtops.ledger.store import Draft, Ledger

SIZES = (100, 10_000)
PER_DAY = 10
ROUNDS = 15
LIMIT = 1.5
START = date(2023, 1, 1)  # all of it lies before today


def draft(name: str, day: str) -> Draft:
    entry = {
        "operation_name": name,
        "requested_by": "SELF",
        "approved_by": "SELF",
        "execution_timestamp": f"{day}T06:15:30Z",
        "hostname": "bench",
        "risk_class": "SERVICE_RESTART",
        "blast_radius": "portfolio gating only",
        "changes_summary": "a line of what changed",
        "objective": "what it was for",
        "outcome": "PARTIAL",
        "notes": "n" * 200,
    }
    return Draft(entry, day)


def filled(root: Path, count: int) -> Ledger:
    ledger = Ledger(root)
    ledger.directory.mkdir(parents=True)
    head, lines = GENESIS, []
    for n in range(count):
        day = START + timedelta(days=n // PER_DAY)
        entry = draft(f"op {n}", str(day)).entry
        entry["operation_id"] = f"OPS-{day}-{n % PER_DAY + 1:03d}"
        entry["content_key"] = content_key(entry)
        record = chained(entry, n, head)
        head = record["entry_hash"]
        lines.append(canonical(record) + b"\n")
    ledger.log.write_bytes(b"".join(lines))
    ledger.render()
    return ledger


def last_day(count: int) -> str:
    return str(START + timedelta(days=(count - 1) // PER_DAY))


def median_ms(action) -> float:
    times = []
    for n in range(ROUNDS):
        start = time.perf_counter()
        action(n)
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


def inside(ledger: Ledger, day: str, n: int) -> None:
    ledger.append(draft(f"new {n}", day))


def command(ledger: Ledger, n: int) -> None:
    words = ["--operation", f"cmd {n}", "--objective", "o", "--risk-class", "READ_ONLY"]
    words += ["--blast-radius", "none", "--changes-summary", "s", "--root", str(ledger.root)]
    call = [sys.executable, "-m", "qtops", "ledger", "append", *words]
    subprocess.run(call, check=True, capture_output=True, cwd=ledger.root)


def rewrite(ledger: Ledger) -> None:
    """The naive way: parse the whole log, render the whole page, write it."""
    page = rebuilt(ledger.changelog.read_text(), ledger.entries())
    ledger.changelog.write_text(page)


def main() -> None:
    results: dict[str, list[float]] = {"command": [], "inside": [], "rewrite": []}
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            ledger = filled(Path(folder), size)
            day = last_day(size)
            ledger.append(draft("warm", day))
            results["inside"].append(median_ms(partial(inside, ledger, day)))
            results["command"].append(median_ms(partial(command, ledger)))
            start = time.perf_counter()
            rewrite(ledger)
            results["rewrite"].append((time.perf_counter() - start) * 1000)
    print(f"{'ms, median':<28}{SIZES[0]:>10}{SIZES[1]:>10}{'ratio':>8}")
    for name, (small, large) in results.items():
        print(f"{name:<28}{small:>10.1f}{large:>10.1f}{large / small:>8.2f}")
    ratio = results["command"][1] / results["command"][0]
    print(f"append, whole command: {ratio:.2f} (limit {LIMIT})")
    print(f"rewrite / inside at {SIZES[1]}: {results['rewrite'][1] / results['inside'][1]:.0f}x")
    assert ratio <= LIMIT, ratio


if __name__ == "__main__":
    main()
