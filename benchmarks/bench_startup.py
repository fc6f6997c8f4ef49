"""What a command costs before it does anything. Baseline: `python -c pass` in the same run."""

import os
import statistics
import subprocess
import sys
import time

RUNS = 11
COMMANDS = {
    "qtops --version": ["-m", "qtops", "--version"],
    "qtops --help": ["-m", "qtops", "--help"],
    "qtops config show": ["-m", "qtops", "config", "show"],
    "import redis.asyncio, httpx": ["-c", "import redis.asyncio, httpx"],
}


def once(arguments: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=os.environ
    )
    return (time.perf_counter() - started) * 1000


def main() -> None:
    """Interleaved runs, so that a slow moment of the machine falls on all alike."""
    times: dict[str, list[float]] = {name: [] for name in ("python -c pass", *COMMANDS)}
    for _ in range(RUNS):
        times["python -c pass"].append(once(["-c", "pass"]))
        for name, arguments in COMMANDS.items():
            times[name].append(once(arguments))
    base = statistics.median(times["python -c pass"])
    for name, measured in times.items():
        median = statistics.median(measured)
        print(f"{name:32} {median:7.1f} ms   {median / base:5.1f} x")


if __name__ == "__main__":
    main()
