"""A proof on disk: data, reports, extras, and the hashes that cover them all."""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from qtops.errors import HostError
from qtops.reports.exit_proof import exit_proof_html, exit_proof_markdown
from qtops.reports.page import plain

SUMS = "SHA256SUMS"
FILE_MODE = 0o644
DIRECTORY_MODE = 0o755
_OTHER_PLACE = "name another directory with --out"
# No path, no hidden file, nothing that sha256sum would have to escape.
_EXTRA_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
NOTHING: Mapping[str, str | bytes] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Artifacts:
    """Where everything is. `sums` is written last: where it exists, the set is complete."""

    directory: Path
    summary: Path
    rounds: tuple[Path, ...]
    markdown: Path
    html: Path
    extra: tuple[Path, ...]
    sums: Path


def write_artifacts(
    directory: Path, payload: Mapping[str, Any], extra: Mapping[str, str | bytes] = NOTHING
) -> Artifacts:
    """Write the whole set. Everything is rendered before the first file is touched.

    Raises:
        HostError: the directory holds something already, or cannot be written.
        DecodeError: the payload is incomplete.
        ValueError: a name in `extra` is no plain file name, or one of ours.

    """
    files = _contents(payload)
    _check_names(extra, files)
    count = len(payload["rounds"])
    files |= {name: _bytes(content) for name, content in extra.items()}
    try:
        _claim(directory)
        for name, content in files.items():
            _replace(directory / name, content)
        _replace(directory / SUMS, _sums(files))
        _sync(directory)
    except OSError as error:
        raise _unwritable(directory, error) from error
    return Artifacts(
        directory=directory,
        summary=directory / "summary.json",
        rounds=tuple(directory / f"round-{n}.json" for n in range(1, count + 1)),
        markdown=directory / "report.md",
        html=directory / "report.html",
        extra=tuple(directory / name for name in extra),
        sums=directory / SUMS,
    )


def refuse_unwritable(directory: Path) -> None:
    """Say now what `write_artifacts` would only say once the evidence is there.

    Raises:
        HostError: the directory holds something already, or nothing can be written there.

    """
    _refuse_used(directory)
    try:
        place = next(path for path in (directory, *directory.parents) if path.exists())
        with tempfile.NamedTemporaryFile(dir=place):
            pass
    except OSError as error:
        raise _unwritable(directory, error) from error


def _contents(payload: Mapping[str, Any]) -> dict[str, bytes]:
    markdown, html = exit_proof_markdown(payload), exit_proof_html(payload)
    rounds = enumerate(payload["rounds"], start=1)
    return {
        "summary.json": _json(payload),
        **{f"round-{n}.json": _json(finished) for n, finished in rounds},
        "report.md": markdown.encode(),
        "report.html": html.encode(),
    }


def _json(value: Any) -> bytes:
    return (json.dumps(plain(value), indent=2) + "\n").encode()


def _bytes(content: str | bytes) -> bytes:
    return content if isinstance(content, bytes) else content.encode(errors="backslashreplace")


def _check_names(extra: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    for name in extra:
        if name in ours or name == SUMS or not _EXTRA_NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot be the name of an extra artifact")


def _sums(files: Mapping[str, bytes]) -> bytes:
    """As sha256sum prints and checks it."""
    return "".join(
        f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items()
    ).encode()


def _claim(directory: Path) -> None:
    """Take a new or an empty directory; evidence is never overwritten."""
    _refuse_used(directory)
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(DIRECTORY_MODE)


def _refuse_used(directory: Path) -> None:
    if directory.is_dir() and any(directory.iterdir()):
        raise HostError(f"{directory} is not empty", hint=_OTHER_PLACE)


def _unwritable(directory: Path, error: OSError) -> HostError:
    return HostError(f"cannot write {directory}: {error.strerror or error}", hint=_OTHER_PLACE)


def _replace(path: Path, content: bytes) -> None:
    """The file appears whole or not at all."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    unfinished = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), FILE_MODE)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
