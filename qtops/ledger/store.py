"""The ledger on disk: appending under a lock, reading, rebuilding and checking the views."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from qtops.errors import HostError, QtopsError
from qtops.files import append_line, held
from qtops.files import replace as replace_file
from qtops.ledger import markdown
from qtops.ledger.chain import Fault, Reading, read_chain
from qtops.ledger.entry import (
    Entry,
    canonical,
    chained,
    content_key,
    day_of,
    differences,
    folded,
    is_signature,
)
from qtops.ledger.logscan import LogScan
from qtops.ledger.rules import rollback_faults
from qtops.ledger.yamltext import bodies_of, dump

_HINT: Final = "qtops ledger verify"


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be recorded. Without `operation_id` one is allocated on `day`.

    `again` records although the same operation is there already.
    """

    entry: Entry
    day: str
    operation_id: str = ""
    again: bool = False
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a draft: `recorded`, `already` there, or in `conflict` with its id."""

    status: str
    entry: Entry
    differences: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class StrictRefusalError(QtopsError):
    """Strict mode: a rule is broken, nothing was written."""

    code = "ledger_strict"


class Ledger:
    """One ledger, by the directory that holds `ledger/` and `docs/`."""

    def __init__(self, root: Path, changelog: str = "docs/OPS_CHANGELOG.md") -> None:
        self.root = root
        self.directory = root / "ledger"
        self.log = self.directory / "log.jsonl"
        self.changelog = root / changelog
        self._marker = self.directory / ".views"
        self._lock = self.directory / ".lock"

    def append(self, draft: Draft, *, dry_run: bool = False) -> Outcome:
        """Record, or say that it is there. With `dry_run` nothing is touched, not even the lock."""
        with nullcontext() if dry_run else held(self._lock):
            notes = [] if dry_run else self._set_torn_line_aside()
            with LogScan.of(self.log) as scan:
                outcome = _decide(draft, scan, self._reserved())
            if outcome.status == "recorded" and not dry_run:
                append_line(self.log, canonical(outcome.entry) + b"\n")
                self._update_views(outcome.entry)
        return replace(outcome, notes=notes)

    def reserve(self, day: str, claim: Callable[[str], None]) -> str:
        """The next free id, kept from others by the file in `open/` that `claim` writes for it."""
        with held(self._lock):
            with LogScan.of(self.log) as scan:
                operation_id = scan.next_id(day, self._reserved())
            claim(operation_id)
        return operation_id

    def _reserved(self) -> list[str]:
        """Ids of operations that are open: they will be recorded, and not yet are."""
        return [path.stem for path in (self.directory / "open").glob("OPS-*.json")]

    def add_records(self, make: Callable[[LogScan], Sequence[Mapping[str, Any]]]) -> list[Entry]:
        """Records that are no new operation (signatures, imports), chained and in the views."""
        with held(self._lock):
            self._set_torn_line_aside()
            with LogScan.of(self.log) as scan:
                records = list(make(scan))
                seq, head = scan.tail()
            added = []
            for record in records:
                whole = chained(record, seq, head)
                seq, head = seq + 1, whole["entry_hash"]
                added.append(whole)
            if added:
                append_line(self.log, b"".join(canonical(record) + b"\n" for record in added))
                self._write_views(self.read())
        return added

    def read(self) -> Reading:
        try:
            return read_chain(self.log.read_bytes())
        except FileNotFoundError:
            return Reading()

    def entries(self) -> list[Entry]:
        return folded(self.read().records)

    def render(self, *, dry_run: bool = False) -> list[Path]:
        """Rebuild the views; says which differ. A log that is broken renders nothing."""
        with nullcontext() if dry_run else held(self._lock):
            reading = self.read()
            if reading.faults:
                fault = reading.faults[0]
                raise HostError(f"{self.log}: {fault.where} {fault.text}", hint=_HINT)
            if dry_run:
                return [path for path, _ in self._stale(bodies_of(folded(reading.records)))]
            return self._write_views(reading)

    def view_faults(self, reading: Reading) -> list[Fault]:
        """Each view that is not what the log says, and the first entry that shows it."""
        bodies = bodies_of(folded(reading.records))
        return [self._view_fault(path, wanted, bodies) for path, wanted in self._stale(bodies)]

    def _view_fault(self, path: Path, wanted: str, bodies: Mapping[str, str]) -> Fault:
        if not wanted:
            return Fault(self._name(path), "has no entry in the log")
        if not path.exists():
            return Fault(self._name(path), "is missing")
        text = _read(path)
        for operation_id, body in bodies.items():
            own = f"---\n{body}"
            if own in wanted and own not in text:
                return Fault(self._name(path), f"disagrees with the log at {operation_id}")
        return Fault(self._name(path), "holds what the log does not, or in another order")

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def _set_torn_line_aside(self) -> list[str]:
        """What a writer left unfinished is kept beside the log; it never was an entry."""
        with LogScan.of(self.log) as scan:
            torn = scan.torn
        if not torn:
            return []
        data = self.log.read_bytes()
        aside = self.directory / f"log.torn-at-{len(data) - torn}"
        replace_file(aside, data[-torn:], durable=True)
        with self.log.open("r+b") as stream:
            stream.truncate(len(data) - torn)
        return [f"an unfinished last line was moved to {self._name(aside)}"]

    def _update_views(self, entry: Entry) -> None:
        """One entry more in views that are current; else all of them anew."""
        month = markdown.month_of(entry["operation_id"])
        page = self.directory / f"{month}.yaml"
        if not self._is_current(entry, page):
            self._write_views(self.read())
            return
        addition = "\n" + markdown.block(entry)
        parts = markdown.placed_bytes(self.changelog.read_bytes(), month, addition)
        replace_file(self.changelog, *parts)
        with page.open("ab") as stream:
            stream.write(_encoded("---\n" + dump(entry)))
        replace_file(self._marker, entry["entry_hash"].encode())

    def _is_current(self, entry: Entry, page: Path) -> bool:
        """The views show the log before `entry`; the page of its month may not be there yet."""
        seen = self._marker.read_text() if self._marker.exists() else ""
        if seen != entry["prev_hash"] or not self.changelog.exists():
            return False
        if page.exists():
            return True
        with LogScan.of(self.log) as scan:
            return scan.first_id(page.stem) == str(entry["operation_id"])

    def _write_views(self, reading: Reading) -> list[Path]:
        changed = self._stale(bodies_of(folded(reading.records)))
        for path, text in changed:
            if text:
                replace_file(path, _encoded(text), durable=path == self.changelog)
            else:
                path.unlink()
        self.directory.mkdir(parents=True, exist_ok=True)
        replace_file(self._marker, reading.head.encode())
        return [path for path, _ in changed]

    def _stale(self, bodies: Mapping[str, str]) -> list[tuple[Path, str]]:
        """Views that are not as they should be, with the text they should have; empty: none."""
        months: dict[Path, list[str]] = {}
        for operation_id, body in bodies.items():
            page = self.directory / f"{markdown.month_of(operation_id)}.yaml"
            months.setdefault(page, []).append(f"---\n{body}")
        wanted = {page: "".join(texts) for page, texts in months.items()}
        wanted |= {p: "" for p in self.directory.glob("????-??.yaml") if p not in wanted}
        if bodies or self.changelog.exists():
            wanted[self.changelog] = markdown.rebuilt(_read(self.changelog), bodies)
        return [(p, text) for p, text in wanted.items() if _read(p) != text or not p.exists()]


def _decide(draft: Draft, scan: LogScan, reserved: Sequence[str]) -> Outcome:
    """What the draft becomes in this log; nothing is written."""
    key = content_key(draft.entry)
    if draft.operation_id and (old := scan.find("operation_id", draft.operation_id)):
        found = differences(old, draft.entry)
        return Outcome("conflict" if found else "already", old, differences=found)
    same = None if draft.operation_id or draft.again else scan.find("content_key", key)
    if same is not None:
        return Outcome("already", same)
    operation_id = draft.operation_id or scan.next_id(draft.day, reserved)
    day_of(operation_id)
    warnings = [*draft.entry.get("validation_warnings", []), *_rollback(draft, scan)]
    if warnings and draft.strict:
        raise StrictRefusalError(f"strict: {'; '.join(warnings)}; nothing was written")
    entry = draft.entry | {"operation_id": operation_id, "content_key": key}
    if warnings:
        entry["validation_warnings"] = warnings
    return Outcome("recorded", chained(entry, *scan.tail()), warnings=warnings)


def _rollback(draft: Draft, scan: LogScan) -> list[str]:
    target = str(draft.entry.get("rollback_of") or "")
    known = {}
    if target and scan.find("operation_id", target):
        known[target] = scan.find("rollback_of", target) is not None
    return rollback_faults(draft.entry, known)


def find_entry(entries: Sequence[Entry], operation_id: str) -> Entry:
    """The entry of that id; HostError when there is none."""
    for entry in entries:
        if entry.get("operation_id") == operation_id and not is_signature(entry):
            return entry
    raise HostError(f"{operation_id} is not in the ledger", hint="qtops ledger list")


def _read(path: Path) -> str:
    """With its line ends as they are; empty when there is no such file."""
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return ""


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
