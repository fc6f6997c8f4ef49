"""What a unit would run if it were started now: its entry file, when that came, what it spells."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from qtops.contracts.system_reading import CodeReading, UnitState

MOST_FILES: Final = 60  # of one package
_MOST_BYTES: Final = 512_000
_CONFLICT: Final = re.compile(r"^(?:<{7}|>{7}) .*$", re.MULTILINE)
_NEVER: Final = -1


def read_code(unit: UnitState, namespace: str) -> CodeReading:
    """Never raises: what cannot be read stands in `unread`."""
    unread: list[str] = []
    entry = _entry(unit)
    times: list[tuple[int, str]] = []
    # An installed program is written anew when its package is.
    program = [Path(word) for word in unit.command[:1] if "python" not in word]
    files = [*([entry] if entry else program), *map(Path, unit.environment_files)]
    for path in files:
        times += _when(path, unread)
    if entry:
        times += _checkout(entry)
    changed_ms, changed = max(times, default=(_NEVER, ""))
    text = _text(entry, unread) if entry else ""
    found = _CONFLICT.search(text)
    return CodeReading(
        entry=str(entry) if entry else "",
        changed_ms=None if changed_ms == _NEVER else changed_ms,
        changed=changed,
        conflict_line=text.count("\n", 0, found.start()) + 1 if found else None,
        spelled=frozenset(_spelled(_package(entry, unread), namespace)) if entry else frozenset(),
        unread=tuple(unread),
    )


def _entry(unit: UnitState) -> Path | None:
    """The first file of the command line that lies in the working directory, script or module."""
    root = Path(unit.directory or "/")
    for word in unit.command[1:]:
        module = word.partition(":")[0].replace(".", "/")
        for name in (word, f"{module}.py", f"{module}/__main__.py"):
            path = root / name
            if path.suffix == ".py" and _is_file(path):
                return path
    return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _when(path: Path, unread: list[str]) -> Iterator[tuple[int, str]]:
    try:
        yield path.stat().st_mtime_ns // 1_000_000, str(path)
    except FileNotFoundError:
        return
    except OSError as error:
        unread.append(f"{path} ({error.strerror})")


def _checkout(entry: Path) -> Iterator[tuple[int, str]]:
    """When HEAD of the tree moved last: the reflog's last line says it in seconds."""
    for directory in entry.parents:
        log = directory / ".git" / "logs" / "HEAD"
        try:
            last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-1]
            seconds = last.partition("\t")[0].split()[-2]
            yield int(seconds) * 1000, f"checkout of {directory}"
        except (OSError, IndexError, ValueError):
            continue
        return


def _text(path: Path, unread: list[str]) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES).decode(errors="replace")
    except OSError as error:
        unread.append(f"{path} ({error.strerror})")
        return ""


def _package(entry: Path, unread: list[str]) -> Sequence[str]:
    """The entry file and what lies beside it; a large directory is no package of one service."""
    beside = list(islice(entry.parent.glob("*.py"), MOST_FILES + 1))
    files = [entry] if len(beside) > MOST_FILES else beside
    return [_text(path, unread) for path in files]


def _spelled(texts: Iterable[str], namespace: str) -> Iterator[str]:
    """Names under the namespace in string quotes; one that goes on with a value ends in a colon."""
    name = re.compile(rf"[\"']{re.escape(namespace)}:([a-z][a-z0-9_.:]*)")
    for text in texts:
        yield from name.findall(text)


def code_roots(units: Sequence[UnitState], homes: Sequence[Path]) -> Sequence[Path]:
    """The repositories that units run from, and others of the same name in people's `homes`."""
    trees = dict.fromkeys(tree for unit in units if (tree := _tree(Path(unit.directory or "/"))))
    twins = [home / tree.name for tree in trees for home in homes]
    found = [*trees, *(twin for twin in twins if _is_tree(twin))]
    return list(dict.fromkeys(path.resolve() for path in found))


def _tree(directory: Path) -> Path | None:
    return next((path for path in (directory, *directory.parents) if _is_tree(path)), None)


def _is_tree(path: Path) -> bool:
    try:
        return (path / ".git").exists()
    except OSError:
        return False
