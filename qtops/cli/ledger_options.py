"""What the ledger's commands share: options with several values, and which ledger it is."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qtops.cli.context import AppContext
from qtops.cli.options import HelpCommand
from qtops.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from qtops.ledger.rules import Policy
    from qtops.ledger.store import Ledger

Root = Annotated[
    Path | None, typer.Option("--root", metavar="DIR", help="Directory with ledger/ and docs/.")
]


class ManyValues(HelpCommand):
    """`--allowed-services a b` is `--allowed-services a --allowed-services b`; `_` is `-`."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # typer.Context is the only public name
        options = {o: p for p in self.params for o in p.opts if o.startswith("--")}
        words: list[str] = []
        repeated, is_value = "", False
        for number, word in enumerate(args):
            if word == "--":
                words += args[number:]
                break
            if is_value:
                words.append(word)
                is_value = False
            elif word.startswith("--"):
                name, equals, value = word.partition("=")
                name = _spelling(name, options)
                words.append(name + equals + value)
                parameter = options.get(name)
                is_value = not equals and _takes_value(parameter)
                repeated = name if getattr(parameter, "multiple", False) else ""
            elif repeated:
                words += [repeated, word]
            else:
                words.append(word)
        return super().parse_args(ctx, words)


def _spelling(name: str, options: dict[str, Any]) -> str:
    dashed = name.replace("_", "-")
    return dashed if dashed in options else name


def _takes_value(parameter: Any) -> bool:
    return parameter is not None and not getattr(parameter, "is_flag", False)


def ledger_root(env: AppContext, root: Path | None) -> Path:
    """`--root`, the setting, or the nearest directory above that has a ledger or a repository."""
    named = str(root or "") or env.settings().text("QTOPS_LEDGER_ROOT")
    if named:
        directory = env.host.cwd / Path(named).expanduser()
        if not directory.is_dir():
            raise UsageError(f"--root: {directory} is no directory")
        return directory
    above = [env.host.cwd, *env.host.cwd.parents]
    marks = ("ledger/log.jsonl", ".git")
    found = (place for place in above if any((place / mark).exists() for mark in marks))
    return next(found, env.host.cwd)


def open_ledger(env: AppContext, root: Path | None) -> "Ledger":
    """The ledger of `ledger_root`."""
    from qtops.ledger.store import Ledger

    return Ledger(ledger_root(env, root))


def policy_of(env: AppContext) -> "Policy":
    """The risk classes that the configuration wants approved by a second person.

    `ledger.policy` in a settings file, or QTOPS_LEDGER_POLICY. Raises ConfigError.
    """
    from qtops.ledger.entry import RISK_CLASSES
    from qtops.ledger.rules import Policy

    classes = env.settings().names("QTOPS_LEDGER_POLICY")
    if unknown := set(classes) - set(RISK_CLASSES):
        text = f"QTOPS_LEDGER_POLICY names {', '.join(sorted(unknown))}, which is no risk class"
        raise ConfigError(text, hint=f"one of {', '.join(RISK_CLASSES)}")
    return Policy(frozenset(classes))
