"""Correlations of 50 symbols over 360 minutes, against the same written in plain Python.

Run: .venv/bin/python -m benchmarks clusters
The baseline aligns by time with dictionaries and works out Pearson's formula pair by pair. Both
take the same prices in the same run, gaps included, and must agree to five places; the machine is
shared, so trust processor time and the ratio.
"""

import math
import random
import time
from itertools import combinations

from qtops.contracts.market import INTERVAL_MS, Kline
from qtops.contracts.values import parse_decimal
from qtops.services.correlation import correlations

SYMBOLS, MINUTES, RUNS, MIN_POINTS = 50, 360, 5, 10
Series = dict[str, list[Kline]]


def prices() -> Series:
    """A common market and noise; one minute in a hundred is missing."""
    rng = random.Random(7)
    market = [rng.gauss(0, 0.001) for _ in range(MINUTES + 1)]
    found: Series = {}
    for n in range(SYMBOLS):
        price, rows = 100.0, []
        for minute, step in enumerate(market):
            price *= math.exp(step + rng.gauss(0, 0.0005))
            if rng.random() > 0.01:
                rows.append(Kline(minute * INTERVAL_MS, parse_decimal(f"{price:.6f}")))
        found[f"S{n}USDT"] = rows
    return found


def plain(series: Series) -> dict[frozenset[str], float]:
    returns = {}
    for name, rows in series.items():
        logs = {row.open_time_ms: math.log(row.close) for row in rows}
        returns[name] = {
            t: v - logs[t - INTERVAL_MS] for t, v in logs.items() if t - INTERVAL_MS in logs
        }
    found = {}
    for a, b in combinations(series, 2):
        common = returns[a].keys() & returns[b].keys()
        xs, ys = [returns[a][t] for t in common], [returns[b][t] for t in common]
        mx, my = math.fsum(xs) / len(xs), math.fsum(ys) / len(ys)
        top = sum((x - mx) * (y - my) for x, y in zip(xs, ys, strict=True))
        square = sum((x - mx) ** 2 for x in xs) * sum((y - my) ** 2 for y in ys)
        found[frozenset((a, b))] = top / math.sqrt(square)
    return found


def main() -> None:
    series = prices()
    ours, theirs = [], []
    for _ in range(RUNS):
        start = time.process_time()
        fast = correlations(series, MIN_POINTS).values
        middle = time.process_time()
        slow = plain(series)
        ours.append(middle - start)
        theirs.append(time.process_time() - middle)
    if any(abs(float(fast[pair]) - value) > 1e-5 for pair, value in slow.items()):
        raise SystemExit("the two do not agree")
    fast_ms, slow_ms = min(ours) * 1000, min(theirs) * 1000
    print(f"{SYMBOLS} symbols x {MINUTES} minutes, {len(slow)} pairs, best of {RUNS}, cpu")
    print(f"numpy         {fast_ms:8.1f} ms")
    print(f"plain Python  {slow_ms:8.1f} ms   {slow_ms / fast_ms:.0f} times as long")


if __name__ == "__main__":
    main()
