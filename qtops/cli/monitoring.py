"""A command as a monitoring plugin, whose exit codes are its own."""

from collections.abc import Callable
from typing import Final

from qtops.cli.context import AppContext, OutputClosedError
from qtops.errors import UsageError

_UNKNOWN: Final = 3


def as_plugin(env: AppContext, run: Callable[[], None]) -> None:
    """A monitor knows four codes: what stops us from looking is its UNKNOWN, not its WARNING."""
    from qtops.cli.faults import fault_of, one_line

    try:
        run()
    except (UsageError, OutputClosedError):
        raise
    except Exception as error:  # noqa: BLE001  whatever it is, 1 would be a WARNING to a monitor
        line = f"UNKNOWN - {one_line(fault_of(error))}".replace("|", "/")
        env.printer.verdict(None, line)
        env.emitted = True
        env.exit_code = _UNKNOWN
