"""`qtops prompt`: an operation's declaration as the prompt of whoever carries it out."""

import hashlib
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qtops.cli.context import current
from qtops.cli.declaration_options import (
    AllowedPaths,
    AllowedServices,
    ApprovedBy,
    BlastRadius,
    ChangesSummary,
    Notes,
    Objective,
    Operation,
    Out,
    RequestedBy,
    RiskClassName,
    RollbackStrategy,
    Source,
    TemplateDir,
    declaration_of,
    template_for,
)
from qtops.cli.document_output import Document, hand_over, masked
from qtops.cli.ledger_options import ManyValues
from qtops.cli.options import DryRun, command_group
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Mark, Printer
from qtops.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from qtops.governance.declaration import Declaration

app = command_group()

_ALLOCATED = "# qtops ledger append allocates NNN and adds times, commit, host and evidence.\n"


@typer.Typer.command(app, "fill", cls=ManyValues)
def fill(
    *,
    source: Source = None,
    operation: Operation = None,
    objective: Objective = None,
    risk_class: RiskClassName = None,
    blast_radius: BlastRadius = None,
    rollback_strategy: RollbackStrategy = None,
    changes_summary: ChangesSummary = None,
    allowed_paths: AllowedPaths = None,
    allowed_services: AllowedServices = None,
    requested_by: RequestedBy = None,
    approved_by: ApprovedBy = None,
    notes: Notes = None,
    ledger: Annotated[
        bool, typer.Option("--ledger", help="Also the ledger entry to come, in YAML.")
    ] = False,
    template_dir: TemplateDir = None,
    out: Out = None,
    dry_run: DryRun = False,
) -> None:
    """The prompt for one declared operation, refused when the declaration does not hold.

    Example: qtops prompt fill --operation "Fix Grafana provisioning" --objective "Unwrap JSON"
      --risk-class LOW_RISK_CONFIG --blast-radius "dashboards" --rollback-strategy "git checkout"
      --allowed-paths /etc/grafana/provisioning --allowed-services grafana-server

    Exit codes: 0 rendered or written; 1 the template is broken, or another error; 64 usage, or
    the declaration does not hold.
    """
    from qtops.governance.prompt import PROMPT_TEMPLATE, declared, render_prompt

    env = current()
    given = {
        "operation": operation,
        "objective": objective,
        "risk_class": risk_class,
        "blast_radius": blast_radius,
        "rollback_strategy": rollback_strategy,
        "changes_summary": changes_summary,
        "allowed_paths": allowed_paths,
        "allowed_services": allowed_services,
        "requested_by": requested_by,
        "approved_by": approved_by,
        "notes": notes,
    }
    declaration = declaration_of(env, source, given)
    template = template_for(env, PROMPT_TEMPLATE, template_dir)
    prompt = masked(env, render_prompt(template, declaration))
    snippet = env.redact(_snippet(declaration, env.now_ms())) if ledger else None
    payload: dict[str, Any] = {
        "declaration": declared(declaration),
        "template": template.path,
        "sha256": hashlib.sha256(prompt.encode()).hexdigest(),
        "prompt": prompt,
        "ledger_snippet": snippet,
    }
    text = f"{prompt}\n## LEDGER ENTRY\n{snippet}" if snippet else prompt
    then = f"qtops prompt lint {shlex.quote(str(out))}"
    hand_over(env, Document("qtops.prompt.fill/v1", text, payload, then), out, dry_run=dry_run)


@app.command("lint")
def lint_file(
    file: Annotated[Path, typer.Argument(help="A finished prompt.", metavar="FILE")],
) -> None:
    """Whether a prompt is complete, in scope, and has no field that nobody filled.

    Example: qtops prompt lint operation.txt

    Exit codes: 0 nothing found; 2 findings, each with its line; 1 error; 64 usage.
    """
    from qtops.governance.prompt import declared
    from qtops.governance.prompt_lint import lint

    env = current()
    path = env.host.cwd / file.expanduser()
    try:
        report = lint(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not UTF-8") from error
    declaration = report.declaration

    def text(out: Printer) -> None:
        if report.findings:
            out.verdict(Mark.FAIL, "not ready", f"{len(report.findings)} findings in {path}")
        elif declaration:
            out.verdict(Mark.OK, "ready", f"{declaration.risk_class}: {declaration.operation}")
        for finding in report.findings:
            place = f"line {finding.line}: " if finding.line else ""
            out.finding(Mark.FAIL, f"{place}{finding.message}")
        if report.findings:
            out.hint(f"qtops prompt fill --from FILE.yaml --out {shlex.quote(str(file))}")

    status, code = ("findings", ExitCode.UNHEALTHY) if report.findings else ("ready", ExitCode.OK)
    payload = {
        "file": path,
        "findings": report.findings,
        "declaration": declared(declaration) if declaration else None,
    }
    emit(env, CommandResult("qtops.prompt.lint/v1", status, code, payload, text))


@app.command("schema")
def schema() -> None:
    """The JSON schema of a declaration, for editors and other programs.

    Example: qtops prompt schema

    Exit codes: 0 printed; 1 error; 64 usage.
    """
    import json

    from qtops.governance.declaration import declaration_schema

    env = current()
    described = declaration_schema()

    def text(_out: Printer) -> None:
        env.write_line(json.dumps(described, indent=2))

    payload = {"declaration_schema": described}
    emit(env, CommandResult("qtops.prompt.schema/v1", "ok", ExitCode.OK, payload, text))


def _snippet(declaration: "Declaration", now_ms: int) -> str:
    """The entry to come, in the ledger's order and its own YAML."""
    from qtops.contracts.codec import fmt_instant
    from qtops.ledger.yamltext import dump

    entry = {
        "operation_id": f"OPS-{fmt_instant(now_ms)[:10]}-NNN",
        "operation_name": declaration.operation,
        "requested_by": declaration.requested_by,
        "approved_by": declaration.approved_by,
        "risk_class": declaration.risk_class,
        "blast_radius": declaration.blast_radius,
        "changes_summary": declaration.changes_summary or "<what changed, in one line>",
        "objective": declaration.objective,
        "outcome": "<SUCCESS or PARTIAL>",
        "allowed_paths": list(declaration.allowed_paths),
        "allowed_services": list(declaration.allowed_services),
        "notes": declaration.notes,
        "rollback_ref": declaration.rollback_strategy,
    }
    return _ALLOCATED + dump({name: value for name, value in entry.items() if value})
