"""Any exception as what the operator is told: a kind, one line, the next step, the exit code."""

from dataclasses import dataclass
from typing import Final

import typer
from typer.exceptions import TyperException

from qtops.cli.hoist import GLOBAL_ONLY
from qtops.errors import ExitCode, QtopsError

_KINDS: Final = {
    ExitCode.UNHEALTHY: "unhealthy",
    ExitCode.NO_PROOF: "not proven",
    ExitCode.REFUSED: "refused",
    ExitCode.USAGE: "usage",
}
_VERBOSE_HINT = "run with --verbose for the traceback"


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong, ready to be told."""

    kind: str
    code: str
    message: str
    hint: str
    exit_code: int
    is_bug: bool = False


def fault_of(error: BaseException) -> Fault:
    """Usage errors are 64, never Click's 2; what nobody foresaw is a bug and says so."""
    error = _first_cause(error)
    match error:
        case QtopsError():
            kind = _KINDS.get(error.exit_code, "error")
            return Fault(kind, error.code, error.message, error.hint, error.exit_code)
        case TyperException():
            return _usage_fault(error)
        case KeyboardInterrupt() | typer.Abort():
            message = "stopped by the operator"
            return Fault("interrupted", "interrupted", message, "", ExitCode.INTERRUPTED)
        case OSError(strerror=str()):
            what = "" if error.filename is None else f"{error.filename!s}: "
            return Fault("error", "host", f"{what}{error.strerror}", "", ExitCode.ERROR)
        case _:
            message = f"{type(error).__name__}: {error}{_place(error)}"
            return Fault("bug", "bug", message, _VERBOSE_HINT, ExitCode.ERROR, is_bug=True)


def one_line(fault: Fault) -> str:
    """`message; next: hint`, whatever line breaks the parts had."""
    message = " ".join(fault.message.split())
    hint = " ".join(fault.hint.split())
    return f"{message}; next: {hint}" if hint else message


def _usage_fault(error: TyperException) -> Fault:
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "qtops"
    text = " ".join(error.format_message().split()).rstrip(".")
    message = f"{path}: {text[:1].lower()}{text[1:]}"
    option = getattr(error, "option_name", "")
    hint = f"put {option} before the command" if option in GLOBAL_ONLY else f"{path} --help"
    return Fault("usage", "usage", message, hint, ExitCode.USAGE)


def _first_cause(error: BaseException) -> BaseException:
    """Inside a group (a failed TaskGroup) the fault we know how to tell, else its first member."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    leaves = [_first_cause(member) for member in error.exceptions]
    known = [leaf for leaf in leaves if isinstance(leaf, (KeyboardInterrupt, QtopsError))]
    return (known or leaves)[0]


def _place(error: BaseException) -> str:
    """The innermost line of ours the exception passed through."""
    place, trace = "", error.__traceback__
    while trace is not None:
        module = trace.tb_frame.f_globals.get("__name__", "")
        if module.startswith("qtops."):
            place = f" in {module}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
