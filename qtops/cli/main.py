"""One invocation: from arguments to an exit code. Every exception ends here.

Exit codes and what each exception becomes: `qtops.cli.faults`. With --json a failure is exactly
one document on stdout; the line on stderr is the same with and without.
"""

import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import replace
from itertools import takewhile
from typing import TextIO

import typer
from typer.core import TyperGroup

from qtops.cli.app import PARTS, Part, build_root
from qtops.cli.context import AppContext, GlobalOptions, OutputClosedError, activated
from qtops.cli.faults import Fault, fault_of, one_line
from qtops.cli.hoist import Hoisted, hoist
from qtops.cli.host import Host
from qtops.cli.output import emit_done, emit_error
from qtops.errors import ExitCode, HostError

PROGRAM = "qtops"
COMPLETION = "_QTOPS_COMPLETE"


def main(
    argv: Sequence[str] | None = None,
    host: Host | None = None,
    parts: Sequence[Part] = PARTS,
) -> int:
    """Run one command line and return its exit code. Never raises, never exits."""
    arguments = sys.argv[1:] if argv is None else argv
    env = AppContext(host or Host.of_process(), GlobalOptions(json="--json" in arguments))
    with activated(env), redirect_stdout(env.host.stdout), redirect_stderr(env.host.stderr):
        return _Invocation(env, parts).run(arguments)


class _Invocation:
    def __init__(self, env: AppContext, parts: Sequence[Part]) -> None:
        self._env = env
        self._parts = parts
        self._hoisted = Hoisted()
        self._arguments: list[str] = []

    def run(self, arguments: Sequence[str]) -> int:
        try:
            self._arguments = list(arguments)
            code = self._dispatch()
        except OutputClosedError:
            code = self._env.exit_code if self._env.emitted else ExitCode.ERROR
        except SystemExit as leave:
            code = leave.code if isinstance(leave.code, int) else int(leave.code is not None)
        except BaseException as error:  # noqa: BLE001  the last line of defence maps everything
            code = self._tell(error)
        return self._settle(int(code))

    def _dispatch(self) -> int:
        root = build_root(self._parts)
        if COMPLETION in self._env.host.environ:
            root.main([], prog_name=PROGRAM, standalone_mode=False)
            return ExitCode.OK
        self._hoisted = hoist(root, self._arguments)
        self._env.options = GlobalOptions(
            json=self._hoisted.has("json"),
            quiet=self._hoisted.has("quiet"),
            verbose=self._hoisted.has("verbose"),
            no_color=self._hoisted.has("no_color"),
        )
        try:
            return self._invoke(root)
        except typer.Exit as leave:
            return leave.exit_code

    def _invoke(self, root: TyperGroup) -> int:
        """Parse and call. Not `root.main`: that hides interrupts and broken pipes as numbers."""
        with root.make_context(PROGRAM, self._hoisted.arguments) as context:
            outcome = root.invoke(context)
        if isinstance(outcome, ExitCode):
            self._env.exit_code = outcome
        elif outcome is not None:
            raise TypeError(f"the command returned {outcome!r} instead of None or an ExitCode")
        emit_done(self._env)
        return self._env.exit_code

    def _tell(self, error: BaseException) -> int:
        """Say what failed: one line on stderr, a document on stdout with --json."""
        fault = fault_of(error)
        code = self._usage_exit(fault)
        before_dashes = takewhile("--".__ne__, self._arguments)
        if fault.exit_code == ExitCode.USAGE and "--json" in before_dashes:
            # a program that asked for JSON gets JSON, even where `--count --json` is a wrong value
            self._env.options = replace(self._env.options, json=True)
        if fault.exit_code == ExitCode.USAGE and not fault.hint:
            fault = replace(fault, hint=" ".join([PROGRAM, *self._hoisted.path, "--help"]))
        detail = {"code": fault.code, "message": fault.message, "hint": fault.hint}
        self._trace(fault, error)
        self._env.complain(fault.kind, one_line(fault))
        with suppress(HostError, OutputClosedError):
            emit_error(self._env, detail, code)
        return code

    def _trace(self, fault: Fault, error: BaseException) -> None:
        if self._env.options.verbose and fault.exit_code not in {
            ExitCode.USAGE,
            ExitCode.INTERRUPTED,
        }:
            import traceback

            lines = "".join(traceback.format_exception(error))
            with suppress(OSError):
                self._env.host.stderr.write(self._env.redact(lines))

    def _usage_exit(self, fault: Fault) -> int:
        if fault.exit_code == ExitCode.USAGE:
            for part in self._parts:
                if part.usage_exit and part.name in self._hoisted.path[:1]:
                    return part.usage_exit(self._hoisted.arguments) or fault.exit_code
        return fault.exit_code

    def _settle(self, code: int) -> int:
        """Flush; what cannot be written any more is dropped, so that the interpreter exits as told.

        A reader that left (`| head`) is no fault: the verdict's code stands. A full disk is one.
        """
        try:
            self._env.flush()
        except OutputClosedError:
            _discard(self._env.host.stdout)
        except HostError as error:
            _discard(self._env.host.stdout)
            code = code or self._tell(error)
        try:
            self._env.host.stderr.flush()
        except OSError:
            _discard(self._env.host.stderr)
        return code


def _discard(stream: TextIO) -> None:
    """Let the stream's last bytes go nowhere instead of failing again at exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
