"""Files that a command puts somewhere: shown, asked about, written, and what comes next."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qtops.cli.context import AppContext
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Printer
from qtops.errors import ExitCode

if TYPE_CHECKING:
    from qtops.install.placing import Change


def place_files(
    env: AppContext,
    schema: str,
    folder: Path,
    files: Mapping[str, str],
    commands: tuple[Sequence[str], Sequence[str]],
    *,
    remove: bool,
    ask: tuple[bool, bool],
) -> None:
    """Plan, show or ask, carry out, and say what comes next."""
    from qtops.install.placing import carry_out, plan_removal, plan_writing

    dry_run, yes = ask
    before, after = commands
    changes = plan_removal(folder, list(files)) if remove else plan_writing(folder, files)
    pending = [change for change in changes if change.act != "keep"]
    if pending and not dry_run:
        for change in pending if not yes else []:
            env.notice(f"{change.act} {change.path}")
        for command in before:
            env.notice(f"first: {command}")
        env.confirm(f"{len(pending)} files in {folder}. Go on?", yes=yes)
        carry_out(pending)
    _emit(env, schema, changes, after if pending else [], dry_run=dry_run)


def _emit(
    env: AppContext,
    schema: str,
    changes: "Sequence[Change]",
    after: Sequence[str],
    *,
    dry_run: bool,
) -> None:
    acts = {change.act for change in changes} - {"keep"}
    word = (
        "dry run"
        if dry_run
        else {"write": "written", "remove": "removed"}.get(next(iter(acts), ""), "nothing to do")
    )

    def text(out: Printer) -> None:
        out.verdict(None, word, f"{sum(c.act != 'keep' for c in changes)} files")
        for change in changes:
            out.line(f"{change.act}  {change.path}")
            if dry_run and change.act == "write":
                for line in change.text.splitlines():
                    out.line(f"  {line}")
        for command in after:
            out.line(f"next: {command}")

    payload = {
        "dry_run": dry_run,
        "files": [{"path": str(c.path), "act": c.act, "text": c.text} for c in changes],
        "next": list(after),
    }
    status = word.replace(" ", "_")
    emit(env, CommandResult(schema, status, ExitCode.OK, payload, text))
