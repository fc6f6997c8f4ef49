"""`qtops observe dashboards`: files of Grafana dashboards, judged and mended."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qtops.cli.check_output import CheckOptions, Form, Format, Out, emit_report, refuse_two_formats
from qtops.cli.context import AppContext, current
from qtops.cli.options import DryRun, Yes, command_group
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Mark, Printer, counted
from qtops.errors import ExitCode, HostError, UsageError

if TYPE_CHECKING:
    from qtops.observe.document import Document

app = command_group()

FIX_SCHEMA = "qtops.observe.dashboards.fix/v1"
_LARGEST_BYTES = 10_000_000

Paths = Annotated[
    list[Path], typer.Argument(metavar="PATH…", help="Files, or directories of them.")
]


@app.command("lint")
def lint_command(
    paths: Paths,
    *,
    prometheus: Annotated[
        str, typer.Option(metavar="URL", help="Ask it which metrics there are.")
    ] = "",
    form: Form = Format.TEXT,
    out: Out = None,
) -> None:
    """What is wrong with dashboards, before Grafana reads them.

    Wrapped JSON, uids that are missing or shared, ids, datasources, panels without queries, metrics
    that nobody exports. Without --prometheus only metrics with a prefix of ours can be judged.

    Example: qtops observe dashboards lint /var/lib/grafana/dashboards

    Exit codes: 0 nothing to say; 2 at least one fault; 1 error; 64 usage.
    """
    import asyncio

    from qtops.contracts.check import CheckReport
    from qtops.observe.lint import lint

    env = current()
    options = CheckOptions(form=form, out=out)
    refuse_two_formats(env, options)
    live = None
    if prometheus:
        from qtops.wiring.observe import live_metrics

        live = asyncio.run(live_metrics(prometheus))
    results = lint(list(_documents(env, paths).values()), live)
    report = CheckReport(tuple(results), env.now_ms())
    emit_report(env, "observe dashboards lint", report, options)


@app.command("fix")
def fix_command(
    paths: Paths,
    *,
    datasource: Annotated[
        str, typer.Option(metavar="UID", help="The datasource to write; default a variable.")
    ] = "",
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Unwrap, give each its own uid, set the datasource; the rest of a file is kept.

    Example: qtops observe dashboards fix ./dashboards --dry-run

    Exit codes: 0 mended, or nothing to mend; 1 error; 4 not confirmed; 64 usage.
    """
    from qtops.observe.mend import mend

    env = current()
    documents = _documents(env, paths)
    by_name = {document.name: (path, document) for path, document in documents.items()}
    changed = mend(list(documents.values()), datasource)
    diffs = {name: _diff(by_name[name][1], text) for name, text in changed.items()}
    if changed and not dry_run:
        if not yes:
            for lines in diffs.values():
                for line in lines:
                    env.notice(line)
        env.confirm(f"{counted(len(changed), 'file')} to change. Go on?", yes=yes)
        _write({by_name[name][0]: text for name, text in changed.items()})
    _emit(env, diffs, is_dry=dry_run)


def _documents(env: AppContext, paths: Sequence[Path]) -> "dict[Path, Document]":
    """Every dashboard file by its path, each once, named as the operator would name it."""
    from qtops.observe.document import read_document

    found = {}
    for named in paths:
        for path in _files(env.host.cwd / named.expanduser()):
            resolved = path.resolve()
            name = str(path.relative_to(env.host.cwd)) if _is_below(env, path) else str(path)
            if resolved not in found:
                found[resolved] = read_document(name, _read(path))
    if not found:
        raise UsageError("there is no .json file in what was named")
    return found


def _is_below(env: AppContext, path: Path) -> bool:
    return path.is_relative_to(env.host.cwd)


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(path.rglob("*.json"))
    elif path.is_file():
        yield path
    else:
        raise UsageError(f"{path} is neither a file nor a directory")


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise HostError(f"{path} is larger than {_LARGEST_BYTES:,} bytes")
        with path.open(encoding="utf-8", newline="") as stream:
            return stream.read()
    except (OSError, UnicodeDecodeError) as error:
        raise HostError(f"{path} cannot be read: {error}", hint=f"ls -l {path}") from error


def _diff(document: "Document", text: str) -> list[str]:
    from difflib import unified_diff

    before, after = document.text.splitlines(), text.splitlines()
    name = document.name
    return list(unified_diff(before, after, name, f"{name} (mended)", lineterm=""))


def _write(texts: Mapping[Path, str]) -> None:
    """Each file whole or as it was."""
    from qtops.files import replace

    for path, text in texts.items():
        try:
            replace(path, text.encode())
        except OSError as error:
            message = f"{path} could not be changed: {error.strerror}"
            raise HostError(message, hint="the files named before it are mended") from error


def _emit(env: AppContext, diffs: Mapping[str, Sequence[str]], *, is_dry: bool) -> None:
    word = "nothing to mend" if not diffs else "dry run" if is_dry else "mended"

    def text(out: Printer) -> None:
        out.verdict(Mark.OK, word, counted(len(diffs), "file"))
        for name, lines in diffs.items():
            for line in lines if is_dry else [name]:
                out.line(line)

    payload = {
        "dry_run": is_dry,
        "files": [{"path": name, "diff": list(lines)} for name, lines in diffs.items()],
    }
    emit(env, CommandResult(FIX_SCHEMA, word.replace(" ", "_"), ExitCode.OK, payload, text))
