"""What a command needs from its surroundings. Commands get it from `current()`.

`main` makes one `AppContext` per invocation; nothing in `cli/` reads sys.stdout, the environment
or the clock by any other way, so a test replaces all of them with one `Host`.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from errno import EPIPE
from functools import cached_property
from shutil import get_terminal_size
from typing import TYPE_CHECKING, TextIO

from qtops.cli.host import Host
from qtops.cli.printer import Look, Mark, Printer, visible
from qtops.cli.redaction import Redactor
from qtops.errors import ExitCode, HostError, RefusedError

if TYPE_CHECKING:
    from qtops.cli.progress import Progress
    from qtops.settings.model import Settings


class OutputClosedError(Exception):
    """Whoever read our output went away; there is nobody left to tell."""


@dataclass(frozen=True, slots=True)
class GlobalOptions:
    """The options before the command."""

    profile: str | None = None
    config: str | None = None
    redis: str | None = None
    sandbox: bool = False
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    no_color: bool = False


class AppContext:
    """One invocation of the command line."""

    def __init__(self, host: Host, options: GlobalOptions) -> None:
        self.host = host
        self.options = options
        self.exit_code: int = ExitCode.OK
        self.emitted = False
        self._overrides: dict[str, tuple[str, str]] = {}
        self._settings: Settings | None = None
        self._warned: set[str] = set()
        self._redactor: Redactor | None = None

    @property
    def is_interactive(self) -> bool:
        """A person can be asked: both ends are a terminal and the answer is not for a program."""
        return self.host.stdin.isatty() and self.host.stderr.isatty() and not self.options.json

    def now_ms(self) -> int:
        return self.host.clock.now_ms()

    def settings(self) -> "Settings":
        """The effective settings, read once; what is odd about them goes to stderr once."""
        if self._settings is None:
            from qtops.settings.load import load_settings

            self._settings = load_settings(
                self.host.environ,
                cwd=self.host.cwd,
                home=self.host.home,
                etc_dir=self.host.etc_dir,
                profile=self.options.profile,
                config_path=self.options.config,
                overrides=self._all_overrides(),
            )
            self._redactor = None
            for warning in self._settings.warnings:
                if warning not in self._warned:
                    self._warned.add(warning)
                    self.warn(warning)
        return self._settings

    def override(self, name: str, value: str, origin: str) -> None:
        """Give a setting a value stronger than every file and the environment."""
        self._overrides[name] = (value, origin)
        self._settings = None

    def redact(self, text: str) -> str:
        """`text` with every known or likely secret masked."""
        if self._redactor is None:
            from qtops.settings.secrets import secrets_in

            known = secrets_in(self.host.environ)
            if self._settings is not None:
                known |= self._settings.secret_values()
            self._redactor = Redactor(known)
        return self._redactor(text)

    @cached_property
    def printer(self) -> Printer:
        """Text to stdout; with --json text goes nowhere, stdout belongs to the document."""
        write = _nowhere if self.options.json else self.write_line
        return Printer(write, self._look(self.host.stdout), self.redact)

    @cached_property
    def _notes(self) -> Printer:
        look = replace(self._look(self.host.stderr), quiet=False)
        return Printer(self._write_note, look, self.redact)

    def notice(self, text: str) -> None:
        """A remark on stderr; --quiet drops it."""
        if not self.options.quiet:
            self._notes.verdict(None, text)

    def warn(self, text: str) -> None:
        """Something the operator should know, on stderr, even with --quiet."""
        self._notes.verdict(Mark.WARN, "warning:", text)

    def complain(self, kind: str, text: str) -> None:
        """The one line that says why the command failed."""
        head = f"\x1b[31m{kind}:\x1b[0m" if self._look(self.host.stderr).color else f"{kind}:"
        self._write_note(f"{head} {visible(self.redact(text))}")

    def write_line(self, line: str) -> None:
        """One finished line, already masked, to stdout."""
        with _while_read():
            self.host.stdout.write(f"{line}\n")

    def flush(self) -> None:
        """Hand stdout to whoever reads it."""
        with _while_read():
            self.host.stdout.flush()

    def progress(self, label: str) -> "Progress":
        """A bar on stderr for work over a second; a context manager with `step(done, total)`."""
        from qtops.cli.progress import Progress

        shown = self.host.stderr.isatty() and not self.options.quiet and not self.options.json
        return Progress(self.host.stderr if shown else None, self.host.clock, label)

    def confirm(self, question: str, *, yes: bool) -> None:
        """Go on only with --yes or a typed yes. Without a terminal and without --yes: refused."""
        if yes:
            return
        if self._ask(f"{question} [y/N] ").lower() not in {"y", "yes"}:
            raise RefusedError("not confirmed, nothing was changed", hint="repeat with --yes")

    def confirm_typed(self, question: str, expected: str) -> None:
        """For what cannot be taken back: the operator types the name of the thing. No --yes."""
        if self._ask(f"{question} Type {expected} to go on: ") != expected:
            raise RefusedError("not confirmed, nothing was changed")

    def _ask(self, prompt: str) -> str:
        if not self.is_interactive:
            raise RefusedError(
                "this needs a confirmation and there is no terminal to ask on",
                hint="repeat on a terminal, or with --yes where the command takes it",
            )
        self.host.stderr.write(prompt)
        self.host.stderr.flush()
        return self.host.stdin.readline().strip()

    def _all_overrides(self) -> dict[str, tuple[str, str]]:
        given = {"QTOPS_REDIS_URL": (self.options.redis, "option --redis")}
        chosen = {
            name: (text, origin) for name, (text, origin) in given.items() if text is not None
        }
        return chosen | self._overrides

    def _write_note(self, line: str) -> None:
        """A closed stderr stops nobody: what the command does matters more than its remarks."""
        with suppress(OSError):
            self.host.stderr.write(f"{line}\n")
            self.host.stderr.flush()

    def _look(self, stream: TextIO) -> Look:
        on_terminal = stream.isatty()
        environ = self.host.environ
        plain = self.options.no_color or environ.get("NO_COLOR") or environ.get("TERM") == "dumb"
        return Look(
            utf8=speaks_utf8(stream),
            color=on_terminal and not plain,
            width=get_terminal_size().columns if on_terminal else None,
            quiet=self.options.quiet,
            verbose=self.options.verbose,
        )


def speaks_utf8(stream: TextIO) -> bool:
    """Whether glyphs can be written; a stream that does not say (a test's) takes anything."""
    return (stream.encoding or "utf-8").lower().replace("-", "").startswith("utf")


_CURRENT: ContextVar[AppContext] = ContextVar("qtops_app_context")


def current() -> AppContext:
    """The invocation that is running."""
    return _CURRENT.get()


@contextmanager
def activated(env: AppContext) -> Iterator[AppContext]:
    """Make `env` what `current()` answers, for one invocation."""
    token = _CURRENT.set(env)
    try:
        yield env
    finally:
        _CURRENT.reset(token)


@contextmanager
def _while_read() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == EPIPE:
            raise OutputClosedError from error
        raise HostError(f"cannot write to stdout: {error.strerror}") from error


def _nowhere(_line: str) -> None:
    pass
