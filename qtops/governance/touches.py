"""What a command names that it would touch, and what of it lies outside a declaration.

Arguments are looked at, not what the program does with them: a script is trusted as far as its
name. A path is compared after its links are followed.
"""

import os
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from qtops.contracts.vocabulary import RiskClass
from qtops.governance.declaration import Declaration
from qtops.governance.scope import forbidden, is_within

HARMLESS: Final = frozenset({"/dev/null", "/dev/stdin", "/dev/stdout", "/dev/stderr"})
READING_VERBS: Final = frozenset(
    {
        *("cat", "get-default", "help", "show", "show-environment", "status"),
        *("is-active", "is-enabled", "is-failed", "is-system-running", "list-dependencies"),
        *("list-jobs", "list-sockets", "list-timers", "list-unit-files", "list-units"),
    }
)
_TAKES_VALUE: Final = frozenset({"-H", "-M", "-P", "-n", "-o", "-p", "-s", "-t"})
_MANAGERS: Final = frozenset({"systemctl", "service"})


@dataclass(frozen=True, slots=True)
class Touches:
    """Absolute paths with links followed, unit names, and the verbs given to systemctl."""

    paths: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()


def touches_of(command: Sequence[str], directory: Path) -> Touches:
    """What the words of a command name, those of a script given as one word too."""
    words = list(_flat(command))
    named = [path for word in words[1:] for path in _paths(word, directory)]
    services: list[str] = []
    verbs: list[str] = []
    for number, word in enumerate(words):
        program = Path(word).name
        if program in _MANAGERS:
            verb, units = _asked_of_manager(program, words[number + 1 :])
            verbs += [verb] if verb else []
            services += units
    return Touches(_once(named), _once(services), _once(verbs))


def declared_touches(paths: Iterable[str], services: Iterable[str], directory: Path) -> Touches:
    """What the operator says that a step touches."""
    real = (os.path.realpath(directory / path) for path in paths)
    return Touches(_once(real), _once(services))


def touch_faults(touches: Touches, declaration: Declaration) -> list[str]:
    """Every touch that the declaration does not cover, or its risk class forbids."""
    risk = RiskClass(declaration.risk_class)
    allowed = [os.path.realpath(path) for path in declaration.allowed_paths]
    faults = []
    for path in touches.paths:
        if not is_within(path, allowed):
            faults.append(f"path {path} is outside the declared paths")
        elif risk.writes and (reason := forbidden(path)):
            faults.append(f"path {path}: {reason}")
    units = {_unit(name) for name in declaration.allowed_services}
    faults += [
        f"service {name} is outside the declared services"
        for name in touches.services
        if _unit(name) not in units
    ]
    if not risk.writes:
        changing = (verb for verb in touches.verbs if verb not in READING_VERBS)
        faults += [f"{risk} forbids systemctl {verb}" for verb in changing]
    return faults


def _flat(words: Iterable[str]) -> Iterable[str]:
    """Each word, and the words inside one that holds blanks (`sh -c "…"`)."""
    for word in words:
        yield word
        if len(word.split()) > 1:
            yield from _inner(word)


def _inner(script: str) -> list[str]:
    """As a shell would split it, or at everything a shell could split at when it is no script."""
    lexer = shlex.shlex(script.replace("`", " "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        return list(lexer)
    except ValueError:
        return re.split(r"[\s;|&()<>'\"`]+", script)


def _paths(word: str, directory: Path) -> list[str]:
    """The path that a word is or that an option holds (`--to=/x`, `of=/x`, `-C/x`)."""
    candidates = {word, word.partition("=")[2]}
    if word.startswith("-") and "/" in word:
        candidates.add(word[word.index("/") :])
    real = (os.path.realpath(directory / one) for one in candidates if _is_path(one, directory))
    return sorted(path for path in real if path not in HARMLESS)


def _is_path(word: str, directory: Path) -> bool:
    """Absolute, there already, or to be made in a directory that is there."""
    if not word or "://" in word or word in HARMLESS:
        return False
    if word == ".." or word.startswith(("/", "../")):
        return True
    place = directory / word
    return os.path.lexists(place) or ("/" in word and place.parent.is_dir())


def _asked_of_manager(program: str, words: Sequence[str]) -> tuple[str, list[str]]:
    """(verb, units) up to the end or to what ends a command in a shell."""
    plain: list[str] = []
    is_value = False
    for word in words:
        if word and all(letter in ";|&()<>" for letter in word):
            break
        if is_value or word.startswith("-"):
            is_value = not is_value and word in _TAKES_VALUE
        else:
            plain.append(word)
    if program == "service":
        return (plain[1] if len(plain) > 1 else ""), plain[:1]
    return (plain[0] if plain else ""), plain[1:]


def _unit(name: str) -> str:
    return name.removesuffix(".service")


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
