"""`ledger append` at 100 and at 10,000 entries, views included, beside the original's shape.

Run: .venv/bin/python -m benchmarks.bench_ledger
The baseline is `ledger_baseline.py`. `command` is a whole process, `inside` one call in a process
that runs already. Then appends in parallel: how many of them each keeps.
"""

import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

from benchmarks import ledger_baseline as baseline
from qtops.ledger.entry import GENESIS, canonical, chained, content_key
from qtops.ledger.store import Draft, Ledger

SIZES = (100, 10_000)
PER_DAY = 10
ROUNDS = 15
LIMIT = 1.5
PARALLEL = (20, 50)
BASELINE = Path(baseline.__file__)
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


def words_for(root: Path, name: str) -> list[str]:
    words = ["--operation", name, "--objective", "o", "--risk-class", "READ_ONLY"]
    words += ["--blast-radius", "none", "--changes-summary", "s", "--root", str(root)]
    return [sys.executable, "-m", "qtops", "ledger", "append", *words]


def baseline_words(page: Path, name: str) -> list[str]:
    return [sys.executable, str(BASELINE), str(page), name]


def command(words: Callable[[Path, str], list[str]], place: Path, n: int) -> None:
    subprocess.run(words(place, f"cmd {n}"), check=True, capture_output=True, cwd=place.parent)


def measured(size: int) -> dict[str, float]:
    """Ours and the baseline on the same page, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "ours"
        ledger = filled(root, size)
        page = Path(folder) / "page.md"
        shutil.copyfile(ledger.changelog, page)
        day = last_day(size)
        now = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC)
        ledger.append(draft("warm", day))
        return {
            "inside, ours": median_ms(lambda n: ledger.append(draft(f"new {n}", day))),
            "inside, baseline": median_ms(lambda n: baseline.append(page, f"new {n}", now)),
            "command, ours": median_ms(partial(command, words_for, root)),
            "command, baseline": median_ms(partial(command, baseline_words, page)),
        }


def kept_of(count: int) -> dict[str, tuple[int, int]]:
    """(entries, distinct ids) that so many parallel appends leave."""
    with tempfile.TemporaryDirectory() as folder:
        root, page = Path(folder) / "ours", Path(folder) / "page.md"
        root.mkdir()
        page.write_text("# Operations changelog\n")
        at_once([words_for(root, f"op {n}") for n in range(count)])
        at_once([baseline_words(page, f"op {n}") for n in range(count)])
        pages = {"ours": root / "docs/OPS_CHANGELOG.md", "baseline": page}
        kept = {who: ids_in(path.read_text()) for who, path in pages.items()}
        assert len(Ledger(root).entries()) == len(kept["ours"])
        return {who: (len(ids), len(set(ids))) for who, ids in kept.items()}


def ids_in(page: str) -> list[str]:
    return re.findall(r"^operation_id: (.*)", page, re.MULTILINE)


def at_once(commands: Sequence[Sequence[str]]) -> None:
    running = [subprocess.Popen(words, stdout=subprocess.DEVNULL) for words in commands]
    assert [process.wait() for process in running] == [0] * len(commands)


def main() -> None:
    small, large = (measured(size) for size in SIZES)
    print(f"{'ms, median of ' + str(ROUNDS):<28}{SIZES[0]:>10}{SIZES[1]:>10}{'ratio':>8}")
    for name, few in small.items():
        many = large[name]
        print(f"{name:<28}{few:>10.1f}{many:>10.1f}{many / few:>8.2f}")
    for how in ("inside", "command"):
        ratio = large[f"{how}, baseline"] / large[f"{how}, ours"]
        print(f"baseline / ours at {SIZES[1]}, {how}: {ratio:.2f}")
    for count in PARALLEL:
        for who, (entries, ids) in kept_of(count).items():
            print(f"{count} appends at once, {who}: {entries} entries, {ids} ids kept")
            assert who == "baseline" or entries == ids == count
    ratio = large["command, ours"] / small["command, ours"]
    print(f"append, whole command, {SIZES[1]} to {SIZES[0]}: {ratio:.2f} (limit {LIMIT})")
    assert ratio <= LIMIT, ratio


if __name__ == "__main__":
    main()
