"""Runs every benchmark, or those named, one after the other."""

import sys
from importlib import import_module

BENCHMARKS = ("startup", "plan_to_result", "audit_permits", "trace", "ledger", "clusters")


def main(names: list[str]) -> int:
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        print(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
        return 64
    for name in names or BENCHMARKS:
        print(f"\n== {name}")
        import_module(f"benchmarks.bench_{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
