"""`audit system` against the founding report: what it got right is found, what it got wrong is not
repeated. The rows are the report's own statements.
"""

import asyncio
import subprocess
from pathlib import Path

import pytest
import redis

from qtops.adapters.clock import SystemClock
from qtops.audits.checks import run_checks
from qtops.contracts.check import Severity, Standing, Verdict
from qtops.contracts.path_report import HopState
from qtops.reports.system import system_files
from qtops.sandbox.redis_server import EmbeddedRedis
from qtops.settings.load import load_settings
from qtops.wiring.system import Places, SystemAudit
from tests.founding.builder import build_host, build_redis
from tests.founding.report import COMMITS_APART, FAILED, LAG, UNITS_IN_ALL

FAIL, WARN, PASS, UNKNOWN = Verdict.FAIL, Verdict.WARN, Verdict.PASS, Verdict.UNKNOWN
NOWHERE = Path("/nonexistent")


@pytest.fixture(scope="module")
def founding(tmp_path_factory):
    """(audit, its report, the host), looked at once."""
    host = build_host(tmp_path_factory.mktemp("founding"))
    with EmbeddedRedis() as server, redis.Redis(port=server.port) as db:
        build_redis(db)
        environ = {"QTOPS_REDIS_URL": server.url, "QTOPS_EXCHANGE_URL": "http://127.0.0.1:9"}
        settings = load_settings(environ, cwd=NOWHERE, home=NOWHERE, etc_dir=NOWHERE)
        places = Places(
            etc=host.etc,
            proc=host.proc,
            logs=host.logs,
            systemd_runs=host.systemd_runs,
            systemctl=host.systemctl,
            journalctl=host.journalctl,
            homes=(host.root.parent,),
        )
        clock = SystemClock()
        audit = SystemAudit(settings, clock, places)
        with pytest.MonkeyPatch.context() as patch:
            # Nobody waits five minutes for consumers to be long silent.
            patch.setattr("qtops.audits.stream_findings.DEAD_AFTER_MS", -1)
            report = asyncio.run(run_checks(audit.checks(), clock))
    return audit, report, host


def found(founding, check, subject):
    results = [r for r in founding[1].results if r.check == check and subject in r.subject]
    assert results, [(r.check, r.subject) for r in founding[1].results]
    return results[0]


# What the report found and was right about: (check, subject, verdict, severity, words).
RIGHT = {
    "apply layer: merge conflict, P0": (
        "units.state",
        "quantum-apply-layer",
        FAIL,
        Severity.P0,
        "merge-conflict markers",
    ),
    "conflict markers in a tracked file": (
        "repos.conflicts",
        "home/qt/quantum_trader",
        FAIL,
        Severity.P0,
        "microservices/apply_layer/main.py",
    ),
    "two roots, 30 commits apart": (
        "repos.divergence",
        "root/quantum_trader",
        WARN,
        Severity.P1,
        "0 commits only in",
    ),
    "contract-check has failed": ("units.state", "contract-check", FAIL, Severity.P2, "failed"),
    "ess-trigger has failed": ("units.state", "ess-trigger", FAIL, Severity.P2, "failed"),
    "risk-proposal has failed": ("units.state", "risk-proposal", FAIL, Severity.P1, "failed"),
    "heat gate fails open": ("units.log", "heat-gate", FAIL, Severity.P1, "fails open"),
    "harvest is blocked": ("paths.C", "harvest", FAIL, Severity.P1, "first at heat gate"),
    "metrics path is degraded": (
        "paths.D",
        "insight",
        FAIL,
        Severity.P2,
        "first at exit intelligence",
    ),
    "exit intelligence: 481 pending": (
        "streams.orphaned_pending",
        "apply.result ← exit_intelligence",
        FAIL,
        Severity.P1,
        "481",
    ),
    "the AI engine runs": ("units.state", "quantum-ai-engine", PASS, Severity.P3, "active"),
}

# What the report got wrong or could not see, and what is so instead.
PUT_RIGHT = {
    "lag 1.5 M 'historical, harmless': lost unread": (
        "streams.lost_unread",
        "trade.intent ← quantum:group:execution:trade.intent",
        FAIL,
        Severity.P1,
        "1,510,671",
    ),
    "7,996 'acknowledged but not processed': never acknowledged, orphaned": (
        "streams.orphaned_pending",
        "intent_bridge",
        FAIL,
        Severity.P1,
        "7,996",
    ),
    "path A 'fully operational': intents are stranded and lost on it": (
        "paths.A",
        "market to order",
        FAIL,
        Severity.P0,
        "first at intent bridge",
    ),
    "'Portfolio Heat Gate publishes nothing': the heat gate reads another key": (
        "redis.names",
        "portfolio:state (quantum-heat-gate",
        FAIL,
        Severity.P1,
        "state:portfolio is there",
    ),
    "the bridge reads a ledger that nobody writes": (
        "redis.names",
        "ledger (quantum-intent-bridge",
        FAIL,
        Severity.P1,
        "position:ledger",
    ),
    "'risk controls 95': a switch that stops nothing": (
        "control.switches",
        "EXIT_EXECUTOR_KILL_SWITCH",
        WARN,
        Severity.P2,
        "nobody here honours it",
    ),
    "'secrets properly protected' because five files are: one that is not holds a key": (
        "env.secrets",
        "service-0.env",
        FAIL,
        Severity.P1,
        "everybody may read",
    ),
    "no permit while idle is no failure": (
        "permits.sources",
        "governor",
        PASS,
        Severity.P1,
        "idle",
    ),
    "port 8007 'unknown': owned, and open to other machines": (
        "ports.exposed",
        "port 8007",
        WARN,
        Severity.P1,
        "0.0.0.0",
    ),
    "the bot 'active': it runs older code than lies there": (
        "units.code",
        "quantum-trading_bot",
        WARN,
        Severity.P2,
        "older code",
    ),
    "active units are not thereby healthy": (
        "units.progress",
        "units without heartbeat",
        UNKNOWN,
        Severity.P3,
        "active is all that is seen",
    ),
}


@pytest.mark.parametrize("row", RIGHT.values(), ids=RIGHT)
def test_what_the_report_found_is_found(founding, row):
    check, subject, verdict, severity, words = row
    result = found(founding, check, subject)
    assert (result.verdict, result.severity) == (verdict, severity)
    assert words in result.title


@pytest.mark.parametrize("row", PUT_RIGHT.values(), ids=PUT_RIGHT)
def test_what_the_report_got_wrong_is_put_right(founding, row):
    check, subject, verdict, severity, words = row
    result = found(founding, check, subject)
    assert (result.verdict, result.severity) == (verdict, severity)
    assert words in result.title


def test_at_least_1_414_751_intents_are_lost_unread(founding):
    title = found(founding, "streams.lost_unread", "execution").title
    lost = int(title.removeprefix("at least ").split()[0].replace(",", ""))
    assert lost >= LAG - 95_920 == 1_414_751


def test_every_unit_is_judged_and_exactly_the_four_have_failed(founding):
    states = [r for r in founding[1].results if r.check == "units.state"]
    assert len(states) == UNITS_IN_ALL + 1  # a masked one is told apart
    failed = {r.subject for r in states if r.verdict is FAIL}
    assert failed == {f"quantum-{name}.service" for name in FAILED}
    [retired] = [r for r in states if "retired" in r.subject]
    assert (retired.verdict, retired.title) == (PASS, "masked")


def test_the_worst_comes_first_with_the_command_that_leads_on(founding):
    report = founding[1]
    assert report.standing is Standing.CRITICAL
    worst = report.findings[0]
    assert worst.severity is Severity.P0
    conflict = found(founding, "units.state", "apply-layer")
    assert conflict.fix == f"git -C {founding[2].qt} diff --name-only --diff-filter=U"
    assert "main.py:1" in conflict.evidence[0]
    assert all(one.fix for one in report.findings if one.verdict is FAIL)


def test_the_score_follows_from_the_parts(founding):
    report = founding[1]
    assert 0 < report.score.value < 100
    assert report.components["control"].value < 95


def test_known_ports_have_their_owner_and_the_others_are_unknown(founding):
    owners = found(founding, "ports.owners", "ports of other users")
    assert (owners.verdict, owners.evidence) == (UNKNOWN, ("5432",))
    [known] = [r for r in founding[1].results if r.check == "ports.owners" and r.verdict is PASS]
    assert "8003 127.0.0.1 quantum-unnamed-1.service" in known.evidence


def test_path_c_breaks_at_the_heat_gate_before_the_apply_layer(founding):
    path = next(path for path in founding[0].paths if path.letter == "C")
    broken = [hop.name for hop in path.hops if hop.state is HopState.BROKEN]
    assert broken == ["heat gate", "apply layer"]


def test_the_scratch_trees_differ_as_the_real_ones_did(founding):
    """The builder itself: a conflict of git's own making, and two heads 30 commits apart."""
    host = founding[2]

    def git(tree, *words):
        return subprocess.run(
            ["git", "-C", tree, *words], check=True, capture_output=True, text=True
        ).stdout.strip()

    main = host.qt / "microservices/apply_layer/main.py"
    assert main.read_text(encoding="utf-8").startswith("<<<<<<< Updated upstream\n")
    head = git(host.qt, "rev-parse", "HEAD")
    assert git(host.root, "rev-list", "--count", f"{head}..HEAD") == str(COMMITS_APART)
    modes = {path.name: path.stat().st_mode & 0o777 for path in host.etc.iterdir()}
    assert len(modes) == 75
    assert sum(mode == 0o600 for mode in modes.values()) == 5


def test_the_page_shows_every_path_and_reaches_for_no_network(founding):
    audit, report, _ = founding
    files = system_files(report, audit.paths, {})
    page = files["report.html"].decode()
    assert page.count('<text class="lane"') == 4
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert '<g class="broken">' in page
