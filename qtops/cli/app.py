'''The command tree: which module answers which word.

How to add a command
--------------------
1. Write `qtops/cli/<group>.py`; import only typer, qtops.errors and qtops.cli.* at the top,
   everything heavy inside the command. Options after the `*` keep the linter content::

        from typing import Annotated
        import typer
        from qtops.cli.context import current
        from qtops.cli.options import command_group
        from qtops.cli.output import CommandResult, emit
        from qtops.cli.printer import Mark, Printer
        from qtops.errors import ExitCode

        app = command_group()

        @app.command("status")
        def status(window: Annotated[str, typer.Option(help="How far back.")] = "15m") -> None:
            """What is on and what is off.

            Example: qtops kill status

            Exit codes: 0 nothing is stopped; 2 something is; 1 error.
            """
            env = current()
            board = read_board(env.settings(), window)   # ends in a value, not in output

            def text(out: Printer) -> None:
                out.verdict(Mark.OK, "active", "no switch is set")

            emit(env, CommandResult("qtops.kill.status/v1", "active", ExitCode.OK, board, text))

2. Add one line to `PARTS` below. `leaf=True` when the module's only command *is* the word
   (`qtops health`), else the word is a group (`qtops kill status`).
3. `qtops plumbing docs` and commit `docs/cli.md`.

A command returns None (or an ExitCode) and lets faults fly as `QtopsError`; `main` maps them.
'''

from collections.abc import Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

from qtops.cli.context import GlobalOptions, current
from qtops.cli.hoist import Command
from qtops.cli.options import HelpGroup

if TYPE_CHECKING:
    from typer._click import HelpFormatter


@dataclass(frozen=True, slots=True)
class Part:
    """One word after `qtops`. `help` is one line of what it answers.

    `usage_exit` may give a usage error of this word another exit code than 64 (Nagios wants 3); it
    is asked with the command line.
    """

    name: str
    module: str
    help: str
    leaf: bool = False
    hidden: bool = False
    usage_exit: Callable[[Sequence[str]], int | None] | None = None


def _monitored(arguments: Sequence[str]) -> int | None:
    """What a usage error is to a monitor: its UNKNOWN."""
    words = " ".join(arguments).replace("--format=", "--format ")
    return 3 if "--format nagios" in words else None


PARTS: tuple[Part, ...] = (
    Part(
        "health",
        "qtops.cli.health",
        "One fast pass over everything that must live.",
        leaf=True,
        usage_exit=_monitored,
    ),
    Part("top", "qtops.cli.top", "The gates at work, live in a terminal.", leaf=True),
    Part("proof", "qtops.cli.proof", "Evidence, checked against the exchange."),
    Part(
        "run", "qtops.cli.run", "Services in the foreground: gates, executor, snapshots.", leaf=True
    ),
    Part("audit", "qtops.cli.audit", "Checks that only read: the whole system, or a part of it."),
    Part("trace", "qtops.cli.trace", "Why there was a trade, or none: hop by hop.", leaf=True),
    Part(
        "replay", "qtops.cli.replay", "What the gates would decide under other settings.", leaf=True
    ),
    Part(
        "analytics", "qtops.cli.analytics", "Decisions, execution quality, attribution.", leaf=True
    ),
    Part("kill", "qtops.cli.kill", "The stop switch, and the board of every switch there is."),
    Part("mode", "qtops.cli.mode", "Which kind of venue orders may go to at all."),
    Part("reconcile", "qtops.cli.reconcile", "Our books against the exchange, symbol by symbol."),
    Part("rollback", "qtops.cli.rollback", "Back to the safe state, and back from there."),
    Part("rollout", "qtops.cli.rollout", "Which share of the symbols automated plans may open."),
    Part("sandbox", "qtops.cli.sandbox", "The whole system on this machine, with play money."),
    Part(
        "drill", "qtops.cli.drill", "Whether the stop stops, under load and faults, in a sandbox."
    ),
    Part("ledger", "qtops.cli.ledger", "What was changed, by whom, on what evidence."),
    Part("ops", "qtops.cli.ops", "Work with a declared scope, step by step, undone when it fails."),
    Part("prompt", "qtops.cli.prompt", "An operation's prompt: filled, checked, its schema."),
    Part("runbook", "qtops.cli.runbook", "An operation's page to work through."),
    Part("report", "qtops.cli.report", "Evidence to keep: saved JSON as Markdown or one page."),
    Part("install", "qtops.cli.install", "Units, a health timer, a line for cron, completion."),
    Part("observe", "qtops.cli.observe", "Prometheus, Grafana, exporters: looked at, configured."),
    Part("config", "qtops.cli.config", "Which settings are in force and where each came from."),
    Part("plumbing", "qtops.cli.plumbing", "For developers of qtops: generated docs.", hidden=True),
)


class LazyCommands(MutableMapping[str, Any]):
    """Commands by name; a module is imported when its word is first used."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = {part.name: part for part in parts}
        self._loaded: dict[str, Command] = {}

    def __getitem__(self, name: str) -> Command:
        if name not in self._loaded:
            self._loaded[name] = _load(self.parts[name])
        return self._loaded[name]

    def __setitem__(self, name: str, command: Command) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self.parts[name]

    def __contains__(self, name: object) -> bool:
        return name in self.parts

    def __iter__(self) -> Iterator[str]:
        return iter(self.parts)

    def __len__(self) -> int:
        return len(self.parts)


def _load(part: Part) -> Command:
    app = import_module(part.module).app
    command = get_command(app) if part.leaf else get_group(app)
    command.name = part.name
    command.short_help = part.help
    command.help = command.help or part.help
    command.hidden = part.hidden
    return command  # type: ignore[return-value]  # typer's own classes; get_command says the base


class Root(HelpGroup):
    """The root lists its words from `PARTS`, so that --help imports none of them."""

    def list_commands(self, _ctx: typer.Context) -> list[str]:  # type: ignore[override]  # typer.Context is the only public name
        return list(self.commands)

    def format_commands(self, _ctx: typer.Context, formatter: "HelpFormatter") -> None:  # type: ignore[override]  # as above
        if isinstance(self.commands, LazyCommands):
            shown = [part for part in self.commands.parts.values() if not part.hidden]
            with formatter.section("Commands"):
                formatter.write_dl([(part.name, part.help) for part in shown])

    def missing_command(self, ctx: typer.Context) -> NoReturn:
        """`qtops` alone is how one meets it: the whole help, on stderr, before the error."""
        if not current().options.json:
            typer.echo(ctx.get_help(), err=True)
        ctx.fail("missing command")


def build_root(parts: Sequence[Part] = PARTS) -> TyperGroup:
    """The whole tree, nothing of it imported yet."""
    app = typer.Typer(
        cls=Root,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(root)
    group = get_command(app)
    if not isinstance(group, TyperGroup):
        raise TypeError("the root is not a group")
    group.commands = LazyCommands(parts)
    return group


def _say_version(wanted: bool) -> None:  # noqa: FBT001  typer passes the value so
    if not wanted:
        return
    from qtops import __version__
    from qtops.cli.output import CommandResult, emit
    from qtops.errors import ExitCode

    payload = {"version": __version__}
    line = f"qtops {__version__}"
    emit(
        current(),
        CommandResult(
            "qtops.version/v1",
            "ok",
            ExitCode.OK,
            payload,
            lambda out: out.verdict(None, line),
        ),
    )
    raise typer.Exit


def root(
    *,
    profile: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Use [profile.NAME] of the settings files."),
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Read this settings file instead of the usual ones."),
    ] = None,
    redis: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Redis to use; stronger than every other source."),
    ] = None,
    sandbox: Annotated[
        bool,
        typer.Option("--sandbox", help="Run this one command against a throw-away sandbox."),
    ] = False,
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version and exit.",
            is_eager=True,
            callback=_say_version,
        ),
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Exactly one JSON document on stdout."),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the verdict line.")] = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="Wide detail, and the traceback of a fault."),
    ] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colour on a terminal.")] = False,
) -> None:
    """Operations toolkit and trading gates for automated trading on Binance USD-M futures.

    --json, --quiet, --verbose and --no-color may also stand after the command.

    Example: qtops --sandbox proof exit --rounds 3

    Exit codes: 0 done or healthy; 1 error; 2 degraded or missing; 3 no proof found; 4 refused by a
    safety rule; 64 usage; 130 interrupted.
    """
    env = current()
    env.options = GlobalOptions(
        profile=profile,
        config=config,
        redis=redis,
        sandbox=sandbox,
        json=as_json,
        quiet=quiet,
        verbose=verbose,
        no_color=no_color,
    )
