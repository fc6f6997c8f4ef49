"""What can be seen from outside at the moment of an operation, each question with its own limit.

A question that could not be answered is a failure on the record, never an empty answer.
"""

import asyncio
import hashlib
import re
import shlex
import socket
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import urlsplit

LIMIT_S: Final = 5.0
LINES_PER_PATTERN: Final = 10
LINES_IN_ALL: Final = 30
MAX_BYTES: Final = 1_000_000
SHORT_SHA: Final = 16
T = TypeVar("T")


class RedisQuestions(Protocol):
    """Read-only commands; the server's own flag decides which they are."""

    async def ask(self, words: Sequence[str]) -> list[str]:
        """The reply, one text a line. Raises QtopsError for a failure or a command that writes."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be collected, and where."""

    cwd: Path
    services: Sequence[str] = ()
    proof_paths: Sequence[str] = ()
    metrics_urls: Sequence[str] = ()
    metrics_grep: Sequence[str] = ()
    redis_cmds: Sequence[str] = ()
    log_lines: int = 0
    limit_s: float = LIMIT_S


@dataclass(slots=True)
class Collected:
    """The fields for the entry, and what failed."""

    fields: dict[str, Any] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


class _EvidenceError(Exception):
    pass


async def collect(wanted: Wanted, redis: RedisQuestions | None) -> Collected:
    """All at once. The host is the one this runs on, and the entry says so."""
    found = Collected({"hostname": socket.gethostname()})
    ask = _Asker(wanted.limit_s, found.failures)
    cwd = wanted.cwd
    head = asyncio.gather(
        ask("git commit", _run(cwd, "git", "rev-parse", "--short=8", "HEAD")),
        ask("git branch", _run(cwd, "git", "rev-parse", "--abbrev-ref", "HEAD")),
    )
    states = asyncio.gather(*(ask(f"state of {s}", _state(s)) for s in wanted.services))
    logs = asyncio.gather(*(ask(f"log of {s}", _log(s, wanted.log_lines)) for s in _logged(wanted)))
    proofs = asyncio.gather(
        *(ask(f"proof {p}", asyncio.to_thread(_proof, cwd / p)) for p in wanted.proof_paths)
    )
    metrics = asyncio.gather(
        *(ask(f"metrics {u}", _metrics(u, wanted)) for u in wanted.metrics_urls)
    )
    replies = asyncio.gather(*(ask(f"redis {c}", _redis(c, redis)) for c in wanted.redis_cmds))
    commit, branch = await head
    found.fields |= {"git_commit": commit or "unknown", "git_branch": branch or "unknown"}
    if wanted.services:
        found.fields["services_status"] = {
            name: state or "unknown"
            for name, state in zip(wanted.services, await states, strict=True)
        }
    if wanted.log_lines and wanted.services:
        found.fields["service_logs"] = {
            name: text or "" for name, text in zip(wanted.services, await logs, strict=True)
        }
    _put_proofs(found, wanted.proof_paths, await proofs)
    for name, texts in (("metrics_snapshot", await metrics), ("redis_snapshot", await replies)):
        if whole := "".join(text for text in texts if text):
            found.fields[name] = whole
    return found


def _logged(wanted: Wanted) -> Sequence[str]:
    return wanted.services if wanted.log_lines else ()


def _put_proofs(
    found: Collected, paths: Sequence[str], proofs: Sequence[dict[str, Any] | None]
) -> None:
    """The first proof as operators know it; all of them with whole digests, and their paths."""
    had = {path: proof for path, proof in zip(paths, proofs, strict=True) if proof}
    if had:
        first = next(iter(had.values()))
        found.fields["proof_file"] = first | {"sha256": first["sha256"][:SHORT_SHA]}
        found.fields["proof_files"] = had


class _Asker:
    """Runs one question under the limit and writes down why it failed."""

    def __init__(self, limit_s: float, failures: list[str]) -> None:
        self._limit_s = limit_s
        self._failures = failures

    async def __call__(self, what: str, question: Awaitable[T]) -> T | None:
        from qtops.errors import QtopsError

        try:
            async with asyncio.timeout(self._limit_s):
                return await question
        except TimeoutError:
            self._failures.append(f"{what}: no answer in {self._limit_s:g} s")
        except QtopsError as error:
            self._failures.append(_line(what, error.message))
        except (_EvidenceError, OSError, ValueError) as error:
            self._failures.append(_line(what, str(error)))
        return None


async def _run(cwd: Path | None, *words: str) -> str:
    code, out, err = await _process(cwd, *words)
    if code:
        raise _EvidenceError(f"{words[0]} exited {code}: {err.strip()[:200] or out.strip()[:200]}")
    return out.strip()


async def _process(cwd: Path | None, *words: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *words,
        cwd=cwd,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, out.decode(errors="replace"), err.decode(errors="replace")


async def _state(service: str) -> str:
    """Systemd's own word; a service it does not know is a failure, not `inactive`."""
    code, out, err = await _process(None, "systemctl", "is-active", "--", service)
    word = out.strip()
    if not word:
        raise _EvidenceError(f"systemctl exited {code}: {err.strip()[:200]}")
    return word


async def _log(service: str, lines: int) -> str:
    text = await _run(
        None,
        "journalctl",
        "--no-pager",
        "--quiet",
        "-o",
        "short-iso",
        "-n",
        str(lines),
        "-u",
        service,
    )
    return f"{text}\n" if text else ""


def _proof(path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    status = path.stat()
    mtime = datetime.fromtimestamp(int(status.st_mtime), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"sha256": digest, "size_bytes": status.st_size, "mtime_utc": mtime}


async def _metrics(url: str, wanted: Wanted) -> str:
    import httpx

    if urlsplit(url).scheme not in {"http", "https"}:
        raise _EvidenceError("only http and https are asked")
    patterns = [re.compile(pattern) for pattern in wanted.metrics_grep]
    try:
        async with httpx.AsyncClient(timeout=wanted.limit_s, trust_env=False) as client:
            response = await client.get(url)
            response.raise_for_status()
    except httpx.HTTPError as error:
        raise _EvidenceError(str(error) or type(error).__name__) from error
    lines = response.text[:MAX_BYTES].splitlines()
    grep = f" | grep {wanted.metrics_grep[0]!r}" if patterns else ""
    return "".join(f"{line}\n" for line in (f"# {url}{grep}", *_matching(lines, patterns)))


def _matching(lines: Sequence[str], patterns: Sequence[re.Pattern[str]]) -> list[str]:
    """Lines of any pattern, comments left out, in the page's order."""
    counts = [0] * len(patterns)
    kept: list[str] = []
    for line in lines:
        if line.startswith("#") or len(kept) >= LINES_IN_ALL:
            continue
        hit = next((i for i, pattern in enumerate(patterns) if pattern.search(line)), None)
        if hit is None and patterns:
            continue
        if hit is not None:
            counts[hit] += 1
            if counts[hit] > LINES_PER_PATTERN:
                continue
        kept.append(line)
    return kept


async def _redis(command: str, redis: RedisQuestions | None) -> str:
    words = shlex.split(command)
    if not words:
        raise _EvidenceError("an empty command")
    if redis is None:
        raise _EvidenceError("no Redis is configured")
    reply = await redis.ask(words)
    return "".join(f"{line}\n" for line in (f"# redis-cli {command}", *reply))


def _line(what: str, why: str) -> str:
    return f"{what}: {' '.join(why.split())}"
