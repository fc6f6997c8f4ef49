"""Output options may stand anywhere before `--`; this moves them to the front.

`qtops audit permits --json` becomes `qtops --json audit permits`. The walk follows the command
tree, so a word that is the value of another option (`--notes --json`) stays where it is, and so
does everything after `--` and everything a command passes through unparsed. Short flags may be
bundled (`-qv`, `-vn 5`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from typer.core import TyperCommand, TyperGroup

Command = TyperCommand | TyperGroup

OUTPUT_OPTIONS: Final = {
    "--json": "json",
    "--quiet": "quiet",
    "-q": "quiet",
    "--verbose": "verbose",
    "-v": "verbose",
    "--no-color": "no_color",
}
GLOBAL_ONLY: Final = frozenset({"--profile", "--config", "--redis", "--sandbox", "--version"})


@dataclass(slots=True)
class Hoisted:
    """`flags` belong before the command, `rest` is the command line without them."""

    flags: list[str] = field(default_factory=list)
    rest: list[str] = field(default_factory=list)
    path: list[str] = field(default_factory=list)

    @property
    def arguments(self) -> list[str]:
        return [*self.flags, *self.rest]

    def has(self, name: str) -> bool:
        """Whether the output option of that parameter name was given."""
        return any(OUTPUT_OPTIONS[flag] == name for flag in self.flags)


def hoist(root: Command, arguments: Sequence[str]) -> Hoisted:
    """Split the output options from the rest of the command line."""
    return _Walk(root).over(list(arguments))


class _Walk:
    """One pass over the command line, with the command that would parse the next word."""

    def __init__(self, root: Command) -> None:
        self._found = Hoisted()
        self._enter(root)

    def over(self, words: list[str]) -> Hoisted:
        while words:
            word = words.pop(0)
            if word == "--":
                self._found.rest += [word, *words]
                break
            if word in OUTPUT_OPTIONS:
                self._found.flags.append(word)
            elif word.startswith("-") and word != "-":
                values = self._option(word)
                self._found.rest += words[:values]
                del words[:values]
            elif not self._positional(word):
                self._found.rest += words
                break
        return self._found

    def _enter(self, command: Command | None) -> None:
        self._command = command
        self._values = _value_counts(command) if command else {}

    def _option(self, word: str) -> int:
        """Keep an option word; returns how many of the next words are its values."""
        if word.startswith("--"):
            self._found.rest.append(word)
            return 0 if "=" in word else self._values.get(word, 0)
        return self._bundle(word)

    def _bundle(self, word: str) -> int:
        flags, kept = [], "-"
        for index, letter in enumerate(word[1:], start=1):
            option = f"-{letter}"
            if option in OUTPUT_OPTIONS:
                flags.append(option)
            elif self._values.get(option):
                kept += word[index:]
                self._keep_bundle(flags, kept)
                return self._values[option] if word[index:] == letter else 0
            elif option in self._values:
                kept += letter
            else:
                self._keep_bundle([], word)
                return 0
        self._keep_bundle(flags, kept)
        return 0

    def _keep_bundle(self, flags: list[str], kept: str) -> None:
        self._found.flags += flags
        if kept != "-":
            self._found.rest.append(kept)

    def _positional(self, word: str) -> bool:
        """Keep a word; False when the command takes all that follows as it is."""
        self._found.rest.append(word)
        if isinstance(self._command, TyperGroup):
            self._found.path.append(word)
            self._enter(_subcommand(self._command, word))
            return True
        return self._command is None or bool(
            self._command.context_settings.get("allow_interspersed_args", True),
        )


def _subcommand(group: TyperGroup, name: str) -> Command | None:
    command = group.commands.get(name)
    return command if isinstance(command, (TyperCommand, TyperGroup)) else None


def _value_counts(command: Command) -> dict[str, int]:
    """Each spelling of each option, with how many words it takes as values."""
    counts = {}
    for parameter in command.params:
        if parameter.param_type_name == "option":
            is_flag = getattr(parameter, "is_flag", False) or getattr(parameter, "count", False)
            for spelling in (*parameter.opts, *parameter.secondary_opts):
                counts[spelling] = 0 if is_flag else parameter.nargs
    return counts


def without(command: Command, words: Sequence[str], dropped: frozenset[str]) -> list[str]:
    """A command's own words without the options of these spellings and their values."""
    left = list(words)
    kept: list[str] = []
    values = _value_counts(command)
    while left:
        word = left.pop(0)
        if word == "--":
            return [*kept, word, *left]
        count = 0 if "=" in word else values.get(word, 0)
        taken, left = [word, *left[:count]], left[count:]
        if word.partition("=")[0] not in dropped:
            kept += taken
    return kept
