"""Runs every benchmark, or those named, one after the other."""

import sys
from importlib import import_module

BENCHMARKS = ("startup", "plan_to_result", "audit_permits", "trace", "ledger", "clusters")


# Takes minutes and options: by its name only.
LONG = "live_cycle"


def main(names: list[str]) -> int:
    if names[:1] == [LONG]:
        import_module(f"benchmarks.bench_{LONG}").main(names[1:])
        return 0
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        print(
            f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join((*BENCHMARKS, LONG))}"
        )
        return 64
    for name in names or BENCHMARKS:
        print(f"\n== {name}")
        import_module(f"benchmarks.bench_{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
