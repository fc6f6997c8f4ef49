"""Everything that `qtops observe export` writes: text by file name."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import yaml

from qtops.observe.alerts import alerts, rule_file
from qtops.observe.boards import BOARDS, dashboard
from qtops.observe.scrape import CONFIG_FILE, RULES_FILE, prometheus_config

_TEXTFILE: Final = """\
# The figures of `qtops health --textfile DIR/qtops.prom` come through node_exporter, which has to
# run with --collector.textfile.directory=DIR.
"""


def bundle(
    services: Mapping[str, str], exporters: Mapping[str, str], snapshot_limit_s: int | Decimal
) -> dict[str, str]:
    """The configuration, the rules, the dashboards."""
    files = {
        CONFIG_FILE: _TEXTFILE + _yaml(prometheus_config(services, exporters)),
        RULES_FILE: _yaml(rule_file(alerts(snapshot_limit_s))),
    }
    return files | {
        f"dashboards/{board.uid}.json": json.dumps(dashboard(board), indent=2) + "\n"
        for board in BOARDS
    }


def _yaml(content: object) -> str:
    return yaml.safe_dump(content, sort_keys=False, width=100)
