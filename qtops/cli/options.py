"""What the command modules share: the group they register on, and options that read alike."""

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from qtops.cli.context import current

if TYPE_CHECKING:
    from typer._click import HelpFormatter

DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Print the exact change and change nothing."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

_NO_REWRAP = "\b\n"


def laid_out(text: str) -> str:
    """Help text in which the Example paragraph keeps its line breaks."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(
        _NO_REWRAP + part if part.startswith("Example") else part for part in paragraphs
    )


class HelpCommand(TyperCommand):
    """A command whose docstring is its help: one line of what it answers, Example, Exit codes."""

    def format_help_text(self, ctx: typer.Context, formatter: "HelpFormatter") -> None:  # type: ignore[override]  # typer.Context is the only public name
        self.help = laid_out(self.help or "")
        super().format_help_text(ctx, formatter)

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]  # as above
        """With --sandbox, inside one that lives no longer than the command."""
        env = current()
        if not env.options.sandbox:
            return super().invoke(ctx)
        from qtops.cli.sandbox_session import throwaway

        with throwaway(env, ctx.command_path):
            return super().invoke(ctx)


class HelpGroup(TyperGroup):
    """A group that, without a subcommand, says in one line which there are."""

    def format_help_text(self, ctx: typer.Context, formatter: "HelpFormatter") -> None:  # type: ignore[override]  # as above
        self.help = laid_out(self.help or "")
        super().format_help_text(ctx, formatter)

    def format_commands(self, _ctx: typer.Context, formatter: "HelpFormatter") -> None:  # type: ignore[override]  # as above
        """Each command with its whole first line; Click would cut it."""
        shown = [command for command in self.commands.values() if not command.hidden]
        rows = [(command.name or "", (command.help or "").split("\n\n")[0]) for command in shown]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # as above
        if not args and not self.invoke_without_command and not ctx.resilient_parsing:
            self.missing_command(ctx)
        return super().parse_args(ctx, args)

    def missing_command(self, ctx: typer.Context) -> NoReturn:
        ctx.fail(f"missing command, one of {', '.join(self.commands)}")


class _Group(typer.Typer):
    def command(self, name: str | None = None, **settings: Any) -> Callable[..., Any]:
        return super().command(name, **{"cls": HelpCommand} | settings)


def command_group(cls: type[HelpGroup] = HelpGroup) -> typer.Typer:
    """What a module in `cli/` registers its commands on."""
    return _Group(
        cls=cls,
        rich_markup_mode=None,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
