"""`qtops plumbing`: for developers of qtops."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from qtops.cli.context import current
from qtops.cli.options import command_group
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Mark, Printer
from qtops.errors import ExitCode, HostError

app = command_group()


@dataclass(frozen=True, slots=True)
class Page:
    """A generated page and the function that writes it, as `module:function`."""

    path: str
    generator: str

    def text(self) -> str:
        module, _, function = self.generator.partition(":")
        return str(getattr(import_module(module), function)())


# To add a page, add a line.
PAGES = (
    Page("docs/cli.md", "qtops.cli.reference:cli_reference"),
    Page("docs/contracts.md", "qtops.cli.docs_contracts:contracts_markdown"),
    Page("docs/execution.md", "qtops.cli.docs_contracts:execution_markdown"),
    Page("docs/gates.md", "qtops.cli.docs_contracts:gates_markdown"),
    Page("docs/settings.md", "qtops.settings.reference:settings_reference"),
)


@app.callback()
def plumbing() -> None:
    """For developers of qtops."""


@app.command("docs")
def docs(
    *,
    check: Annotated[bool, typer.Option("--check", help="Only say which pages are stale.")] = False,
    root: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The source tree, when not the current directory."),
    ] = None,
) -> None:
    """Which generated pages are stale; without --check they are rewritten.

    Example: qtops plumbing docs --check

    Exit codes: 0 all are current or rewritten; 1 error; 2 stale pages (--check).
    """
    env = current()
    tree = root or env.host.cwd
    if not (tree / "docs").is_dir():
        raise HostError(f"{tree} has no docs directory", hint="give --root")
    stale = [page for page in PAGES if _read(tree / page.path) != page.text()]
    if not check:
        for page in stale:
            (tree / page.path).write_text(page.text(), encoding="utf-8")
    emit(env, _result([page.path for page in stale], only_checked=check))


def _result(stale: list[str], *, only_checked: bool) -> CommandResult:
    is_fault = bool(stale) and only_checked
    code = ExitCode.UNHEALTHY if is_fault else ExitCode.OK
    words = {True: "stale", False: "rewritten"}[only_checked] if stale else "current"

    def text(out: Printer) -> None:
        out.verdict(Mark.FAIL if is_fault else Mark.OK, words, ", ".join(stale))
        if is_fault:
            out.hint("qtops plumbing docs")

    return CommandResult("qtops.plumbing.docs/v1", words, code, {"pages": stale}, text)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
