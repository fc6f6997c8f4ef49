"""The report of `audit system` as the files that `--out` writes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from qtops.contracts.check import CheckReport
from qtops.contracts.path_report import PathReport
from qtops.reports.checks.page import check_markdown, values_of
from qtops.reports.flow import STATES, flow_of
from qtops.reports.page import plain, render_html

NAME: Final = "audit system"
SCHEMA: Final = "qtops.audit.system/v1"


def system_html(report: CheckReport, paths: Sequence[PathReport]) -> str:
    """One page without a network, with the data-flow diagram."""
    values = {"paths": paths, "flow": flow_of(paths), "hop_states": STATES}
    return render_html("system.html", {**values_of(report, NAME), **values})


def system_files(
    report: CheckReport, paths: Sequence[PathReport], payload: Mapping[str, Any]
) -> Mapping[str, bytes]:
    """report.md, report.html and report.json; `payload` is the report as JSON's types."""
    document = {"schema": SCHEMA, **payload, "paths": [asdict(path) for path in paths]}
    return {
        "report.md": check_markdown(report, NAME).encode(),
        "report.html": system_html(report, paths).encode(),
        "report.json": (json.dumps(plain(document), indent=2) + "\n").encode(),
    }
