"""Puts files where they belong, and takes away only what qtops itself put there unchanged."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from qtops.errors import HostError, RefusedError
from qtops.files import replace

_MARK: Final = "# Written by qtops; sha256 of what follows: "
# JSON knows no comments: there the line is the first field.
_JSON_START: Final = "{\n"
_JSON_MARK: Final = '{\n  "__written_by_qtops_sha256": "'
_MODE: Final = 0o644


@dataclass(frozen=True, slots=True)
class Change:
    """One file: `write`, `keep` (it says so already), or `remove`."""

    path: Path
    act: str
    text: str = ""


def marked(text: str) -> str:
    """The text under a line that tells whether somebody edited it since."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    if text.startswith(_JSON_START):
        return f'{_JSON_MARK}{digest}",\n{text.removeprefix(_JSON_START)}'
    return f"{_MARK}{digest}\n{text}"


def _is_ours(content: str) -> bool:
    if content.startswith(_JSON_MARK):
        text = _JSON_START + content.removeprefix(_JSON_MARK).partition("\n")[2]
    else:
        text = content.partition("\n")[2]
    return content == marked(text)


def plan_writing(folder: Path, files: Mapping[str, str]) -> list[Change]:
    """What `files` (name → text) would change in `folder`.

    Raises:
        RefusedError: a file of that name is there that we did not write, or that was edited.

    """
    changes = []
    for name, text in files.items():
        path, wanted = folder / name, marked(text)
        found = _read(path)
        if found is not None and not _is_ours(found):
            _refuse(path)
        changes.append(Change(path, "keep" if found == wanted else "write", wanted))
    return changes


def plan_removal(folder: Path, names: Sequence[str]) -> list[Change]:
    """Those of `names` that are there. Raises RefusedError like `plan_writing`."""
    changes = []
    for name in names:
        found = _read(folder / name)
        if found is not None and not _is_ours(found):
            _refuse(folder / name)
        if found is not None:
            changes.append(Change(folder / name, "remove"))
    return changes


def _refuse(path: Path) -> None:
    raise RefusedError(
        f"{path} is not as qtops wrote it",
        hint="move the file out of the way, and your change to one of your own (systemctl edit)",
    )


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise HostError(f"{path} cannot be read: {error}", hint=f"ls -l {path}") from error


def carry_out(changes: Sequence[Change]) -> None:
    """Each file whole or as it was. Raises HostError naming the one that failed."""
    for change in changes:
        try:
            if change.act == "write":
                replace(change.path, change.text.encode())
                change.path.chmod(_MODE)
            elif change.act == "remove":
                change.path.unlink()
        except OSError as error:
            hint = "run it as root, or choose another --dest"
            message = f"{change.path} could not be changed: {error.strerror}"
            raise HostError(message, hint=hint) from error
