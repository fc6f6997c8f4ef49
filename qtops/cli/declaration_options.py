"""What `prompt` and `runbook` share: the fields of a declaration, from options and a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qtops.cli.context import AppContext
from qtops.errors import UsageError

if TYPE_CHECKING:
    from qtops.governance.declaration import Declaration
    from qtops.governance.templates import Template

LARGEST_BYTES = 16 * 1024  # the YAML library crashes on what nests deeper than this can hold

Source = Annotated[
    Path | None,
    typer.Option("--from", metavar="FILE", help="A declaration in YAML; options override it."),
]
TemplateDir = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Look for the template here first, then in ./templates."),
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Write it there, whole or not at all.")
]
Operation = Annotated[str | None, typer.Option(help="Its name, short.")]
Objective = Annotated[str | None, typer.Option(help="What it achieves.")]
RiskClassName = Annotated[
    str | None,
    typer.Option(help="READ_ONLY, LOW_RISK_CONFIG, SERVICE_RESTART or FILESYSTEM_WRITE."),
]
BlastRadius = Annotated[str | None, typer.Option(help="What can break.")]
RollbackStrategy = Annotated[str | None, typer.Option(help="How to get back.")]
ChangesSummary = Annotated[str | None, typer.Option(help="What changes, in one line.")]
AllowedPaths = Annotated[list[str] | None, typer.Option(help="Paths it may touch.")]
AllowedServices = Annotated[list[str] | None, typer.Option(help="Services it may touch.")]
RequestedBy = Annotated[str | None, typer.Option(help="Who wants it; SELF when left out.")]
ApprovedBy = Annotated[str | None, typer.Option(help="Who approved it; SELF when left out.")]
Notes = Annotated[str | None, typer.Option(help="Anything else.")]


def declaration_of(env: AppContext, source: Path | None, given: Mapping[str, Any]) -> "Declaration":
    """The file's fields under those given as options. DeclarationError with every fault."""
    from qtops.governance.declaration import declaration_from

    filed = read_declaration(env.host.cwd / source.expanduser()) if source else {}
    return declaration_from(
        filed | {name: value for name, value in given.items() if value is not None}
    )


def read_declaration(path: Path) -> dict[str, Any]:
    """The fields in a YAML file, as text. UsageError when it is none, or has a field twice."""
    import yaml

    from qtops.ledger.yamltext import load

    data = _start_of(path)
    if len(data) > LARGEST_BYTES:
        raise UsageError(f"--from: {path}: is larger than {LARGEST_BYTES} bytes")
    try:
        fields = load(data.decode())
        node = yaml.compose(data, Loader=yaml.CBaseLoader)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        reason = " ".join(filter(None, (error.context, error.problem)))
        raise UsageError(f"--from: {path}: {line}{reason}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"--from: {path}: {error}") from error
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    names = [str(key.value) for key, _ in pairs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"--from: {path}: {', '.join(twice)} stands twice")
    return fields


def _start_of(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"--from: {path}: {error.strerror}") from error


def template_for(env: AppContext, name: str, directory: Path | None) -> "Template":
    """From `--template-dir`, ./templates, or qtops itself. UsageError when the first is none."""
    from qtops.governance.templates import find_template

    places = [env.host.cwd / "templates"]
    if directory:
        places.insert(0, env.host.cwd / directory.expanduser())
        if not places[0].is_dir():
            raise UsageError(f"--template-dir: {places[0]} is no directory")
    return find_template(name, places)
