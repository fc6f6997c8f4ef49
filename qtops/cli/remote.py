"""`--remote` for commands that read: the options, and the turn-off before the command runs.

A command becomes readable from elsewhere by its class alone::

    @app.command("streams", cls=ReadsRedis)      # Redis is all it reads: a tunnel will do
    @app.command("show", cls=Reads)              # it looks at the host itself: needs qtops there
"""

from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer
from typer.core import TyperOption
from typer.main import get_command

from qtops.cli.context import AppContext, current
from qtops.cli.hoist import without
from qtops.cli.options import HelpCommand, command_group
from qtops.errors import UsageError

_WORDS = "qtops.remote.words"
_LONGEST_HOST = 255


def _options(
    *,
    remote: Annotated[
        bool, typer.Option("--remote", help="Read on the hosts of QTOPS_REMOTE_HOSTS, by ssh.")
    ] = False,
    host: Annotated[
        list[str] | None,
        typer.Option(metavar="H", help="Read there by ssh; several give one table."),
    ] = None,
    key: Annotated[Path | None, typer.Option(metavar="K", help="Private key for ssh.")] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65_535, metavar="P", help="Port of the ssh server.")
    ] = None,
    via: Annotated[
        str,
        typer.Option(
            metavar="HOW", help="qtops: the one there; redis: ours, through a tunnel; auto."
        ),
    ] = "auto",
) -> None:
    """The options, declared where Typer can read them."""


def _remote_parameters() -> list[TyperOption]:
    declared = command_group()
    declared.command("options")(_options)
    parameters = get_command(declared).params
    own = {"remote", "host", "key", "port", "via"}
    return [p for p in parameters if isinstance(p, TyperOption) and p.name in own]


@cache
def remote_spellings() -> frozenset[str]:
    """Every spelling of the options that a remote command line is sent without."""
    return frozenset(spelling for p in _remote_parameters() for spelling in p.opts)


class Reads(HelpCommand):
    """A command that reads, here or with --remote on other hosts, by the qtops there.

    `by_redis`: the words that a local run through a tunnel to the far Redis gets in addition; None
    when Redis alone does not have the answer. `here_only`: options whose effect belongs to this
    host, by parameter name; with --remote they are refused.
    """

    by_redis: ClassVar[tuple[str, ...] | None] = None
    why_not: ClassVar[str] = "the command looks at the host itself"
    here_only: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.params = [*self.params, *_remote_parameters()]

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # typer.Context is the only public name
        ctx.meta[_WORDS] = without(self, args, remote_spellings())
        return super().parse_args(ctx, args)

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]  # as above
        remote, hosts = ctx.params.pop("remote"), ctx.params.pop("host") or []
        key, port, via = (ctx.params.pop(name) for name in ("key", "port", "via"))
        if not (remote or hosts):
            if key or port or via != "auto":
                raise UsageError("--key, --port and --via are for --remote or --host")
            return super().invoke(ctx)
        self._refuse_local(current(), ctx)
        return self._elsewhere(current(), ctx, hosts, (via, port, key))

    def _refuse_local(self, env: AppContext, ctx: typer.Context) -> None:
        if env.options.redis or env.options.sandbox:
            raise UsageError("--redis and --sandbox are about this host, --remote about another")
        given = [
            name
            for name in sorted(self.here_only)
            if (source := ctx.get_parameter_source(name)) and source.name == "COMMANDLINE"
        ]
        if given:
            spelling = next(p.opts[0] for p in self.params if p.name == given[0])
            raise UsageError(f"{spelling} is for this host, not for --remote")

    def _elsewhere(
        self,
        env: AppContext,
        ctx: typer.Context,
        hosts: list[str],
        way: tuple[str, int | None, Path | str | None],
    ) -> None:
        from qtops.cli.remote_answer import ask
        from qtops.wiring.remote import Request, Via, Way

        via, port, key = way
        if via not in set(Via):
            raise UsageError(f"--via {via[:20]!r}: one of {', '.join(Via)}")
        if key is not None and not Path(key).expanduser().is_file():
            raise UsageError(f"--key {key}: there is no such file")
        path = None if key is None else Path(key).expanduser()
        request = Request(
            command=ctx.command_path.split()[1:],
            arguments=ctx.meta[_WORDS],
            flags=_flags(env),
            here=_here(env),
            by_redis=self.by_redis,
            why_not=self.why_not,
        )
        ask(env, chosen(env, hosts), request, Way(Via(via), port, path))


class ReadsRedis(Reads):
    """A command that reads nothing but Redis: where there is no qtops, a tunnel will do."""

    by_redis: ClassVar[tuple[str, ...] | None] = ()


def chosen(env: AppContext, named: list[str]) -> list[str]:
    """The hosts, each once: those named, else the settings'. ssh must not take one for an option.

    UsageError when there is none, or one that no host can be called.
    """
    hosts = list(dict.fromkeys(named or env.settings().names("QTOPS_REMOTE_HOSTS")))
    if not hosts:
        raise UsageError("--remote without a host", hint="add --host H, or set QTOPS_REMOTE_HOSTS")
    for host in hosts:
        is_word = host.isprintable() and len(host.split()) == 1 and len(host) <= _LONGEST_HOST
        if not is_word or host.startswith("-"):
            raise UsageError(f"--host {host[:40]!r} is no name of a host")
    return hosts


def _flags(env: AppContext) -> list[str]:
    options = env.options
    given = {
        "--json": options.json,
        "--quiet": options.quiet,
        "--verbose": options.verbose,
        "--no-color": options.no_color,
    }
    return [flag for flag, is_on in given.items() if is_on]


def _here(env: AppContext) -> list[str]:
    """The settings of this host that a local run through a tunnel must share."""
    given = (("--profile", env.options.profile), ("--config", env.options.config))
    return [word for flag, value in given if value is not None for word in (flag, value)]
