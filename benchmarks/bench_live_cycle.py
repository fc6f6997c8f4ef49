"""The whole cycle, unattended: market, intents, plans, permits, orders, harvest, exits.

`python -m benchmarks live_cycle --minutes 10`. A run of its own: the others do not wait for it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.live_cycle_figures import Figures, Observer, resources

SETTLES_S = 30


def main(options: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks live_cycle")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--dir", type=Path, help="keep logs and journal here")
    chosen = parser.parse_args(options)
    with tempfile.TemporaryDirectory() as scratch:
        place = chosen.dir or Path(scratch) / "sandbox"
        up = [sys.executable, "-m", "qtops", "--json", "sandbox", "up", "--services", "all"]
        up += ["--scenario", "live-cycle", "--dir", str(place)]
        with subprocess.Popen(up, stdout=subprocess.PIPE, text=True) as sandbox:
            try:
                line = sandbox.stdout.readline() if sandbox.stdout else ""
                _measure(json.loads(line), chosen.minutes)
                _print_warnings(place / "logs")
            finally:
                sandbox.terminate()


def _measure(up: Mapping[str, Any], minutes: float) -> None:
    observer = Observer(up["redis_url"], up["exchange_url"], up["namespace"])
    time.sleep(30)  # the start is no measure of a service
    early = {name: resources(pid) for name, pid in up["pids"].items()}
    time.sleep(max(0.0, minutes * 60 - 30))
    late = {name: resources(pid) for name, pid in up["pids"].items()}
    figures = _at_rest(observer)
    observer.close()
    _print(figures, minutes)
    print(f"\n{'service':20}{'CPU %':>8}{'MiB at 30 s':>14}{'MiB at end':>12}")
    seconds = max(1.0, minutes * 60 - 30)
    for name, (cpu_s, mib) in late.items():
        share = 100 * (cpu_s - early[name][0]) / seconds
        print(f"{name:20}{share:8.1f}{early[name][1]:14.1f}{mib:12.1f}")


def _at_rest(observer: Observer) -> Figures:
    """The services go on meanwhile: a moment is looked for in which nothing is on its way."""
    until = time.monotonic() + SETTLES_S
    while True:
        figures = observer.figures()
        if figures.at_rest or time.monotonic() > until:
            return figures
        time.sleep(0.2)


def _print(figures: Figures, minutes: float) -> None:
    latencies = sorted(figures.latencies_ms)
    print(f"minutes                {minutes:g}")
    print(f"intents                {figures.intents}")
    print(f"plans                  {_counts(figures.plans)}")
    print(f"orders filled          {_counts(figures.filled)}")
    print(f"results without order  {_counts(figures.refused)}")
    print(f"round trips to flat    {figures.round_trips}")
    print(f"partial closes         {figures.partial_closes}")
    print(f"exits by rule          {_counts(figures.exit_rules)}")
    if latencies:
        p50, p99 = (latencies[int((len(latencies) - 1) * share)] for share in (0.5, 0.99))
        print(f"plan to result, ms     p50 {p50}  p99 {p99}  max {latencies[-1]}")
    print(f"stuck plans            {len(figures.stuck)}")
    print(f"results twice          {len(figures.twice)}")
    print(f"claims not done        {len(figures.unfinished_claims)}")
    print(
        f"pending and lag        {sum(figures.pending.values())} in {len(figures.pending)} groups"
    )
    print(f"dead letters           {figures.dead_letters}")
    print(f"held at the end        {_counts(figures.held)}")
    print(f"book against exchange  {figures.book_gaps or 'equal'}")
    print("decisions")
    for (gate, verdict), count in sorted(figures.decisions.items()):
        print(f"  {gate:22}{verdict:34}{count:6}")


def _counts(counts: Mapping[Any, Any]) -> str:
    said = (f"{_name(name)} {count}" for name, count in sorted(counts.items()))
    return ", ".join(said) or "none"


def _name(name: Any) -> str:
    return " ".join(name) if isinstance(name, tuple) else str(name)


def _print_warnings(logs: Path) -> None:
    """Warnings and errors of the services, by event."""
    found: dict[tuple[str, str, str], int] = {}
    for file in sorted(logs.glob("*.log")):
        for line in file.read_text(errors="replace").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict) and entry.get("level") in {"warning", "error", "critical"}:
                key = (file.stem, entry["level"], str(entry.get("event")))
                found[key] = found.get(key, 0) + 1
    print("\nwarnings and errors in the logs")
    for (service, level, event), count in found.items():
        print(f"  {service:20}{level:9}{event:34}{count:6}")
    if not found:
        print("  none")
