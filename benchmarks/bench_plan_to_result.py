"""Plan → permits → order → result, over real Redis and the sandbox exchange.

Baseline, measured in the same run: the bare HTTP order, and what the original's polling of the
permit every 200 ms would cost at best.
"""

import json
import os
import re
import statistics
import subprocess
import sys

PLANS = 40
POLL_MS = 200


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def main() -> None:
    inner = [sys.executable, "-m", "benchmarks.plan_to_result_inner", str(PLANS)]
    command = [sys.executable, "-m", "qtops", "sandbox", "run", "--", *inner]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ)
    match = re.search(r"^\{.*\}$", done.stdout, re.MULTILINE)
    measured = json.loads(match.group(0)) if match else {}
    order = statistics.median(measured["order_ms"])
    print(f"{'bare order over HTTP':32} {order:7.2f} ms    1.0 x")
    for name in ("permits_ms", "result_ms"):
        values = measured[name]
        median = statistics.median(values)
        label = f"plan to {name.removesuffix('_ms')}, p50 / p95"
        print(
            f"{label:32} {median:7.2f} / {percentile(values, 0.95):.2f} ms  {median / order:5.1f} x"
        )
    polled = POLL_MS / 2 + order
    ratio = polled / statistics.median(measured["result_ms"])
    print(f"polling each {POLL_MS} ms, expected    {polled:7.2f} ms  {ratio:5.1f} x slower")
    print(f"burst of {PLANS} plans: {measured['burst_per_s']:.0f} results/s")


if __name__ == "__main__":
    main()
