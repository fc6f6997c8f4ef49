"""`qtops report FILE`: a saved JSON document as Markdown or as one page."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from qtops.cli.context import AppContext, current
from qtops.cli.options import HelpGroup, command_group
from qtops.cli.report_p04c import register
from qtops.errors import DecodeError, UsageError

SCHEMA = "qtops.report/v1"
RENDER = "render"
MOST_BYTES = 50_000_000


class ReportGroup(HelpGroup):
    """A first word that is no command is the file to render: `qtops report FILE`."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # typer.Context is the only public name
        is_named = bool(args) and args[0] in {*self.commands, *ctx.help_option_names}
        return super().parse_args(ctx, args if is_named or not args else [RENDER, *args])


app = command_group(ReportGroup)
register(app)


@app.callback()
def report() -> None:
    """Saved JSON as pages. `qtops report FILE` is short for `qtops report render FILE`.

    Example: qtops report health.json --out health.html
    """


class Format(StrEnum):
    """What a document is rendered to."""

    MARKDOWN = "markdown"
    HTML = "html"


@app.command(RENDER)
def render(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Saved JSON; - is stdin.")],
    *,
    form: Annotated[
        Format | None,
        typer.Option("--format", help="Default: by the name of --out, else markdown."),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Default: stdout.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be written, write nothing.")
    ] = False,
) -> None:
    """Any document that --json wrote, as Markdown or as one page without scripts or network.

    Example: qtops report render health.json --out health.html

    Exit codes: 0 rendered or written; 1 error, or no document of qtops; 64 usage.
    """
    from hashlib import sha256

    from qtops.cli.document_output import Document, hand_over
    from qtops.cli.output import jsonable
    from qtops.reports.saved import Origin, saved_html, saved_markdown

    env = current()
    data = _read(env, file)
    env.settings()  # what is secret is known only once they are read
    document: dict[str, Any] = jsonable(_parsed(str(file), data), env.redact)
    chosen = form or (Format.HTML if out and out.suffix in {".html", ".htm"} else Format.MARKDOWN)
    write = saved_html if chosen is Format.HTML else saved_markdown
    text = write(document, Origin(str(file), sha256(data).hexdigest()))
    payload = {"format": chosen, "source": str(file), "source_schema": document.get("schema")}
    done = Document(SCHEMA, text, payload | {"report": text})
    hand_over(env, done, out, dry_run=dry_run)


def _read(env: AppContext, file: Path) -> bytes:
    """Raises UsageError where there is no such file."""
    if str(file) == "-":
        return env.host.stdin.read().encode()
    path = env.host.cwd / file.expanduser()
    if not path.exists():
        hint = f"qtops report FILE, or qtops report {RENDER} FILE"
        raise UsageError(f"there is no file {file}", hint=hint)
    if not path.is_file() or path.stat().st_size > MOST_BYTES:
        raise UsageError(f"{file} is no file of at most {MOST_BYTES // 1_000_000} MB")
    return path.read_bytes()


def _parsed(name: str, data: bytes) -> dict[str, Any]:
    """One document. Events of commands that go on are one a line; the first bad one is named."""
    from qtops.contracts.codec import parse_json_object

    try:
        return parse_json_object(data.decode(), name)
    except UnicodeDecodeError as error:
        raise DecodeError("bad_json", name, f"{name}: not UTF-8") from error
