"""`qtops ledger import|sign|tag|export`: from other ledgers, to other places."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qtops.cli.context import AppContext, current
from qtops.cli.ledger_options import Root, open_ledger
from qtops.cli.options import DryRun
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Mark, Printer
from qtops.errors import ExitCode, RefusedError, UsageError

if TYPE_CHECKING:
    from qtops.ledger.blocks import Block
    from qtops.ledger.entry import Entry
    from qtops.ledger.logscan import LogScan


def register(app: typer.Typer) -> None:
    """Put the commands of this module on the ledger's group."""
    app.command("import")(import_)
    app.command("sign")(sign)
    app.command("tag")(tag)
    app.command("export")(export)


def import_(
    source: Annotated[Path, typer.Argument(help="A Markdown page or YAML stream of entries.")],
    *,
    fix: Annotated[
        bool, typer.Option("--fix", help="Take broken entries too, corrected; says what changed.")
    ] = False,
    root: Root = None,
    dry_run: DryRun = False,
) -> None:
    """Take the entries of another ledger; broken ones are listed with line and reason.

    Example: qtops ledger import docs/OPS_CHANGELOG.md --fix

    Exit codes: 0 all are in the log; 2 broken ones were left out; 1 error; 64 usage.
    """
    from qtops.files import replace
    from qtops.ledger.blocks import order_of, read_source

    env = current()
    ledger = open_ledger(env, root)
    data = (env.host.cwd / source).read_bytes()
    blocks = read_source(data.decode("utf-8", "replace"), fix=fix)
    known = {entry["operation_id"] for entry in ledger.entries()}
    whole = sorted((b for b in blocks if not b.reason), key=order_of)
    broken = [b for b in blocks if b.reason]
    fresh = [b for b in whole if b.operation_id not in known]
    if fresh and not dry_run:
        digest = hashlib.sha256(data).hexdigest()[:12]
        replace(ledger.directory / "imported" / f"{digest}-{source.name}", data, durable=True)
        ledger.add_records(lambda scan: _unknown(scan, fresh, source.name))
    status = "incomplete" if broken else "imported"
    code = ExitCode.UNHEALTHY if broken else ExitCode.OK

    def text(printer: Printer) -> None:
        detail = f"{len(fresh)} new, {len(whole) - len(fresh)} known, {len(broken)} broken"
        words = f"dry run: {status}" if dry_run else status
        printer.verdict(Mark.WARN if broken else Mark.OK, words, detail)
        for block in broken:
            what = f"line {block.line}: {block.operation_id} {block.reason}"
            printer.finding(Mark.FAIL, what)
        for block in whole:
            for change in block.changes:
                printer.finding(Mark.WARN, f"line {block.line}: {block.operation_id} {change}")

    payload = {
        "dry_run": dry_run,
        "imported": [b.operation_id for b in fresh],
        "known": [b.operation_id for b in whole if b.operation_id in known],
        "broken": [
            {"line": b.line, "operation_id": b.operation_id, "reason": b.reason} for b in broken
        ],
        "changes": [
            {"line": b.line, "operation_id": b.operation_id, "changes": b.changes}
            for b in whole
            if b.changes
        ],
    }
    emit(env, CommandResult("qtops.ledger.import/v1", status, code, payload, text))


def _unknown(scan: "LogScan", blocks: "list[Block]", source: str) -> "list[Entry]":
    """Those that are still not there, now that the lock is ours."""
    from qtops.ledger.blocks import importable

    return [importable(b, source) for b in blocks if not scan.find("operation_id", b.operation_id)]


def sign(
    operation_id: str,
    *,
    key: Annotated[Path, typer.Option("--key", help="SSH key, private or (by the agent) public.")],
    identity: Annotated[str, typer.Option("--identity", help="As in the allowed-signers file.")],
    require_approval: Annotated[
        bool, typer.Option("--require-approval", help="Refuse the requester's own signature.")
    ] = False,
    root: Root = None,
    dry_run: DryRun = False,
) -> None:
    """Sign an entry's hash; the signature becomes a line of the log.

    Example: qtops ledger sign OPS-2026-01-27-011 --key ~/.ssh/id_ed25519 --identity ann@ops

    Exit codes: 0 signed, or already signed; 1 error; 4 the requester signs alone; 64 usage.
    """
    from qtops.contracts.codec import fmt_instant
    from qtops.ledger.signing import sign as sign_hash
    from qtops.ledger.store import find_entry

    env = current()
    ledger = open_ledger(env, root)
    entry = find_entry(ledger.entries(), operation_id)
    if require_approval and identity.casefold() == str(entry.get("requested_by")).casefold():
        raise RefusedError(f"{identity} requested {operation_id} and cannot approve it")
    is_there = any(s["identity"] == identity for s in entry.get("signatures", ()))
    status = "already signed" if is_there else "would sign" if dry_run else "signed"
    if status == "signed":
        record = {
            "signature_of": operation_id,
            "identity": identity,
            "signed_at": fmt_instant(env.now_ms())[:19] + "Z",
            "signature": sign_hash(entry["entry_hash"], env.host.cwd / key.expanduser()),
        }
        ledger.add_records(lambda _: [record])
    payload = {"dry_run": dry_run, "operation_id": operation_id, "identity": identity}
    _emit_done(env, "qtops.ledger.sign/v1", status, f"{operation_id} by {identity}", payload)


def tag(operation_id: str, *, root: Root = None, dry_run: DryRun = False) -> None:
    """Put an entry into an annotated git tag at HEAD; `verify` holds the log against it.

    Example: qtops ledger tag OPS-2026-01-27-011

    Exit codes: 0 tagged, or already tagged; 1 error; 64 usage.
    """
    from qtops.ledger.store import find_entry
    from qtops.ledger.tags import heads, tag_name
    from qtops.ledger.tags import tag as make_tag

    env = current()
    ledger = open_ledger(env, root)
    entry = find_entry(ledger.entries(), operation_id)
    name = tag_name(operation_id)
    if dry_run:
        status = "already tagged" if name in heads(ledger.root) else "would tag"
    else:
        status = "tagged" if make_tag(ledger.root, entry) else "already tagged"
    payload = {"dry_run": dry_run, "operation_id": operation_id, "tag": name}
    _emit_done(env, "qtops.ledger.tag/v1", status, name, payload)


def _emit_done(
    env: AppContext, schema: str, status: str, detail: str, payload: dict[str, Any]
) -> None:
    def text(printer: Printer) -> None:
        printer.verdict(None if payload["dry_run"] else Mark.OK, status, detail)

    emit(env, CommandResult(schema, status.replace(" ", "_"), ExitCode.OK, payload, text))


def export(
    *,
    form: Annotated[str, typer.Option("--format", help="jsonl, yaml or md.")] = "jsonl",
    out: Annotated[Path, typer.Option("--out", help="The file to write.")],
    root: Root = None,
    dry_run: DryRun = False,
) -> None:
    """All entries in one file: the log itself, one YAML stream, or one page.

    Example: qtops ledger export --format yaml --out ledger.yaml

    Exit codes: 0 written; 1 error; 64 usage.
    """
    from qtops.files import replace
    from qtops.ledger.entry import canonical
    from qtops.ledger.markdown import rebuilt
    from qtops.ledger.yamltext import dump

    env = current()
    ledger = open_ledger(env, root)
    if form not in {"jsonl", "yaml", "md"}:
        raise UsageError(f"--format: {form!r} is not one of jsonl, yaml, md")
    records, entries = ledger.read().records, ledger.entries()
    texts = {
        "jsonl": lambda: "".join(canonical(record).decode() + "\n" for record in records),
        "yaml": lambda: "".join("---\n" + dump(entry) for entry in entries),
        "md": lambda: rebuilt("", entries),
    }
    path = env.host.cwd / out
    data = texts[form]().encode()
    if not dry_run:
        replace(path, data, durable=True)
    status = "dry run" if dry_run else "written"

    def text(printer: Printer) -> None:
        printer.verdict(
            None if dry_run else Mark.OK,
            status,
            f"{len(entries)} entries, {len(data)} bytes: {path}",
        )

    payload = {"dry_run": dry_run, "path": path, "entries": len(entries), "bytes": len(data)}
    emit(
        env,
        CommandResult(
            "qtops.ledger.export/v1", status.replace(" ", "_"), ExitCode.OK, payload, text
        ),
    )
