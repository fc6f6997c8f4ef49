"""`qtops run SERVICE` as a host of its own, with a short reclaim, that may stop itself at a step.

Run by the tests as a program. SIGSTOP freezes the whole process, as a stalled host would.
"""

import os
import signal
import socket
import sys


def main() -> None:
    host = os.environ["CRASH_HOST"]
    socket.gethostname = lambda: host
    from qtops.services import loop
    from qtops.wiring.services import executor

    loop.RECLAIM_IDLE_MS = int(os.environ["CRASH_IDLE_MS"])
    loop.RECLAIM_EVERY_S = 0.2
    stop_at = os.environ["CRASH_STOP_AT"]
    todo = [stop_at] if stop_at else []

    def stop_once(step: str) -> None:
        if step in todo:
            todo.remove(step)
            os.kill(os.getpid(), signal.SIGSTOP)

    executor._failpoint = lambda settings, venue: stop_once
    from qtops.cli.main import main as qtops

    sys.argv = ["qtops", "--json", "run", os.environ["CRASH_SERVICE"]]
    qtops()


if __name__ == "__main__":
    main()
