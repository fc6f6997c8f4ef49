"""`qtops runbook`: an operation's declaration as the page to work through."""

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

app = command_group()


@typer.Typer.command(app, "new", cls=ManyValues)
def new(
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
    template_dir: TemplateDir = None,
    out: Out = None,
    dry_run: DryRun = False,
) -> None:
    """The runbook of one declared operation: scope, plan, gates, rollback, report, sign-off.

    Example: qtops runbook new --from operation.yaml --out runbook.md

    Exit codes: 0 rendered or written; 1 the template is broken, or another error; 64 usage, or
    the declaration does not hold.
    """
    from qtops.contracts.codec import fmt_instant
    from qtops.governance.prompt import declared
    from qtops.governance.runbook import RUNBOOK_TEMPLATE, render_runbook

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
    template = template_for(env, RUNBOOK_TEMPLATE, template_dir)
    runbook = masked(env, render_runbook(template, declaration, fmt_instant(env.now_ms())[:10]))
    payload = {
        "declaration": declared(declaration),
        "template": template.path,
        "runbook": runbook,
    }
    hand_over(env, Document("qtops.runbook.new/v1", runbook, payload), out, dry_run=dry_run)
