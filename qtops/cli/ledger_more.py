"""`qtops ledger sign|tag|export`: a ledger's entries in other hands and places."""

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
    from qtops.ledger.entry import Entry
    from qtops.ledger.store import Ledger


def register(app: typer.Typer) -> None:
    """Put the commands of this module on the ledger's group."""
    app.command("sign")(sign)
    app.command("tag")(tag)
    app.command("export")(export)


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

    env = current()
    ledger = open_ledger(env, root)
    entry = find_entry(ledger.entries(), operation_id)
    status, name = tagged(ledger, entry, dry_run=dry_run)
    payload = {"dry_run": dry_run, "operation_id": operation_id, "tag": name}
    _emit_done(env, "qtops.ledger.tag/v1", status, name, payload)


def tagged(ledger: "Ledger", entry: "Entry", *, dry_run: bool) -> tuple[str, str]:
    """(`tagged`, `already tagged` or `would tag`, the tag's name)."""
    from qtops.ledger.tags import heads, tag_name
    from qtops.ledger.tags import tag as make_tag

    name = tag_name(str(entry["operation_id"]))
    if dry_run:
        return ("already tagged" if name in heads(ledger.root) else "would tag"), name
    return ("tagged" if make_tag(ledger.root, entry) else "already tagged"), name


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
    from qtops.ledger.entry import canonical, folded
    from qtops.ledger.markdown import rebuilt
    from qtops.ledger.yamltext import bodies_of, dump

    env = current()
    ledger = open_ledger(env, root)
    if form not in {"jsonl", "yaml", "md"}:
        raise UsageError(f"--format: {form!r} is not one of jsonl, yaml, md")
    records = ledger.read().records
    entries = folded(records)
    texts = {
        "jsonl": lambda: "".join(canonical(record).decode() + "\n" for record in records),
        "yaml": lambda: "".join("---\n" + dump(entry) for entry in entries),
        "md": lambda: rebuilt("", bodies_of(entries)),
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
