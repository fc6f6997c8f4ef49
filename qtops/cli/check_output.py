"""The options and the output that every command with check results shares."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qtops.cli.context import AppContext
from qtops.cli.monitoring import as_plugin
from qtops.cli.output import CommandResult, document_text, emit
from qtops.cli.printer import Cell, Column, Mark, Printer, Tinted
from qtops.cli.spans import span
from qtops.errors import ConfigError, ExitCode, UsageError

if TYPE_CHECKING:
    from qtops.audits.checks import Check
    from qtops.contracts.check import CheckReport, CheckResult, Waiver


class Format(StrEnum):
    """How a report is written."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"
    SARIF = "sarif"
    MARKDOWN = "markdown"
    HTML = "html"
    NAGIOS = "nagios"
    PROM = "prom"


Only = Annotated[
    str, typer.Option(metavar="C,…", help="Only these checks: names, components or globs.")
]
Skip = Annotated[str, typer.Option(metavar="C,…", help="Leave these checks out.")]
Form = Annotated[
    Format, typer.Option("--format", help="json is --json; nagios has its own exit codes.")
]
Out = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write the format there, whole or not at all."),
]

_MARKS = {"healthy": Mark.OK, "degraded": Mark.WARN, "critical": Mark.FAIL, "unknown": Mark.UNKNOWN}
_VERDICTS = {"pass": Mark.OK, "warn": Mark.WARN, "fail": Mark.FAIL, "unknown": Mark.UNKNOWN}


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """What the operator chose."""

    only: str = ""
    skip: str = ""
    form: Format = Format.TEXT
    out: Path | None = None


def run_audit(
    env: AppContext, name: str, checks: Callable[[], "Sequence[Check]"], options: CheckOptions
) -> None:
    """Run the checks of `audit env` or another, and write what they say. The command's last act."""

    def run() -> None:
        import asyncio

        from qtops.audits.checks import run_checks, select

        waivers = waivers_of(env)
        chosen = select(checks(), names_in(options.only), names_in(options.skip))
        report = asyncio.run(run_checks(chosen, env.host.clock, waivers))
        emit_report(env, name, report, options)

    refuse_two_formats(env, options)
    if options.form is Format.NAGIOS and options.out is None:
        as_plugin(env, run)
    else:
        run()


def names_in(text: str) -> list[str]:
    """What an option with commas names."""
    return [name.strip() for name in text.split(",") if name.strip()]


def refuse_two_formats(env: AppContext, options: CheckOptions) -> None:
    """Stdout takes one format: --json, or --format without --out."""
    if env.options.json and options.out is None and options.form not in {Format.TEXT, Format.JSON}:
        raise UsageError(f"--json and --format {options.form.value} contradict each other")


def waivers_of(env: AppContext) -> "list[Waiver]":
    """Those in the file that QTOPS_WAIVERS names. ConfigError when it cannot be read."""
    from qtops.audits.checks import parse_waivers

    named = env.settings().text("QTOPS_WAIVERS")
    if not named:
        return []
    path = env.host.cwd / Path(named).expanduser()
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8"
        raise ConfigError(f"waivers: {path}: {why}", hint="see QTOPS_WAIVERS") from None
    return parse_waivers(text, str(path))


def emit_report(
    env: AppContext, name: str, report: "CheckReport", options: CheckOptions | None = None
) -> None:
    """The report of `name` (`audit env`; its schema is qtops.audit.env/v1), and the exit code.

    With `out` the format goes there and the text (or --json) to stdout.
    """
    from qtops.contracts.check import Standing
    from qtops.reports.checks.nagios import CODES
    from qtops.reports.checks.payload import check_payload, cleaned

    options = options or CheckOptions()
    report = cleaned(report, env.redact)
    code = ExitCode.OK if report.standing is Standing.HEALTHY else ExitCode.UNHEALTHY
    schema = f"qtops.{name.replace(' ', '.')}/v1"
    payload = check_payload(report)
    result = CommandResult(
        schema, report.standing.value, code, payload, lambda out: print_report(out, name, report)
    )
    if options.out is not None:
        result = _written(env, name, report, options, result)
    elif options.form is Format.JSON:
        env.options = replace(env.options, json=True)
    elif options.form is not Format.TEXT:
        text = rendered(report, name, options.form)
        emit(env, replace(result, text=lambda _: _write(env, text)))
        env.exit_code = CODES[report.standing] if options.form is Format.NAGIOS else code
        return
    emit(env, result)


def rendered(report: "CheckReport", name: str, form: Format) -> str:
    """The report in a format that is neither text nor JSON."""
    from qtops.reports.checks.junit import junit_xml
    from qtops.reports.checks.nagios import nagios_text
    from qtops.reports.checks.page import check_html, check_markdown
    from qtops.reports.checks.prometheus import prometheus_text
    from qtops.reports.checks.sarif import sarif_json

    writers = {
        Format.JUNIT: junit_xml,
        Format.SARIF: sarif_json,
        Format.MARKDOWN: check_markdown,
        Format.HTML: check_html,
        Format.NAGIOS: nagios_text,
        Format.PROM: prometheus_text,
    }
    return writers[form](report, name)


def _write(env: AppContext, text: str) -> None:
    for line in text.removesuffix("\n").split("\n"):
        env.write_line(line)


def _written(
    env: AppContext, name: str, report: "CheckReport", options: CheckOptions, result: CommandResult
) -> CommandResult:
    from qtops.files import replace as replace_file

    path = (env.host.cwd / (options.out or Path()).expanduser()).resolve()
    if path.exists() and not path.is_file():
        raise UsageError(f"--out: {path} is no file that could be replaced")
    if options.form is Format.TEXT:
        text = _as_text(name, report)
    elif options.form is Format.JSON:
        text = document_text(env, result)
    else:
        text = rendered(report, name, options.form)
    replace_file(path, text.encode())
    return replace(result, payload={**result.payload, "out": path})


def _as_text(name: str, report: "CheckReport") -> str:
    """As in a pipe: nothing cut, no colour."""
    from qtops.cli.printer import Look

    lines: list[str] = []
    print_report(Printer(lines.append, Look(), str), name, report)
    return "".join(f"{line}\n" for line in lines)


# --- text -----------------------------------------------------------------------------------------


def print_report(out: Printer, name: str, report: "CheckReport") -> None:
    """Verdict, components, every finding with its fix; what is waived last, never left out."""
    from qtops.reports.checks.words import summary, waived_by

    standing = report.standing.value
    took = span(max(report.took_ms.values(), default=0))
    out.verdict(_MARKS[standing], standing, summary(report), f"{name}  {took}")
    columns = [Column("component"), Column("score", "right"), Column("coverage", "right")]
    columns += [Column(verdict, "right") for verdict in _VERDICTS]
    out.table(columns, _rows(report))
    findings = report.findings
    for result in findings:
        if result.waiver is None:
            _print_finding(out, result)
    for result in findings:
        if result.waiver is not None:
            out.finding(Mark.DIM, _headline(result))
            out.line(f"  {waived_by(result)}", Mark.DIM)


def _rows(report: "CheckReport") -> list[list[Cell]]:
    from qtops.reports.checks.words import percent

    rows: list[list[Cell]] = []
    for component, score in report.components.items():
        verdicts = [r.verdict.value for r in report.results if r.component == component]
        counts: list[Cell] = [_count(verdicts.count(v), mark) for v, mark in _VERDICTS.items()]
        rows.append([component, percent(score.value), f"{score.coverage} %", *counts])
    return rows


def _count(number: int, mark: Mark) -> Cell:
    return Tinted(str(number), mark) if number else None


def _headline(result: "CheckResult") -> str:
    where = "" if result.subject == "-" else f"{result.subject}  "  # `KEY: word` would be masked
    return f"{result.severity} {where}{result.title}  [{result.check}]"


def _print_finding(out: Printer, result: "CheckResult") -> None:
    mark = _VERDICTS[result.verdict.value]
    remark = result.verdict.value in {"fail", "warn"} and not result.is_fault
    out.finding(Mark.DIM if remark else mark, _headline(result))
    for text in (result.meaning, *result.evidence):
        if text:
            out.line(f"  {text}")
    for label, text in (("expected", result.expected), ("actual", result.actual)):
        if text:
            out.detail(f"  {label}: {text}")
    if result.fix:
        out.hint(result.fix)
