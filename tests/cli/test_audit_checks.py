"""`audit env`, `audit repos`, `audit policy` as an operator runs them, in every format."""

import asyncio
import json
import subprocess
from datetime import date, timedelta
from decimal import Decimal
from xml.etree import ElementTree as ET

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from qtops.contracts.venue import OrderRequest
from qtops.contracts.vocabulary import Side
from qtops.sandbox.redis_server import EmbeddedRedis
from qtops.wiring import open_venue
from tests.cli.conftest import NOW_MS
from tests.services.conftest import running_system

KEY = "aB3" * 21 + "x"
TODAY = date(2026, 1, 27)
assert (TODAY - date(1970, 1, 1)).days == NOW_MS // 86_400_000


@pytest.fixture
def etc(shell):
    """Two files: a readable secret and a comment taken as value; nothing wrong in the other."""
    directory = shell.home / "etc/quantum"
    directory.mkdir()
    bad, good = directory / "intent-executor.env", directory / "governor.env"
    bad.write_text(f"BINANCE_API_KEY={KEY}\nGOV_PERMIT_TTL_SECONDS=60 # s\n")
    good.write_text("REDIS_HOST=127.0.0.1\n")
    bad.chmod(0o644)
    return directory


def audit_env(shell, *argv, **more):
    return shell("audit", "env", "--dir", str(shell.home / "etc/quantum"), *argv, **more)


def test_the_verdict_comes_first_then_scores_then_ranked_findings_with_fixes(shell, etc):
    run = audit_env(shell)
    assert run.code == 2
    lines = run.out.splitlines()
    assert lines[0].startswith("! degraded   score ")
    assert "coverage 100 %" in lines[0]
    assert any(line.split()[:1] == ["env"] for line in lines)
    findings = [line for line in lines if line.startswith("  ✗ ")]
    comment = "GOV_PERMIT_TTL_SECONDS (line 2) has a comment inside its value"
    assert findings == [
        f"  ✗ P1 {etc}/intent-executor.env  everybody may read its secrets  [env.secrets]",
        f"  ✗ P1 {etc}/intent-executor.env#GOV_PERMIT_TTL_SECONDS  {comment}  [env.syntax]",
    ]
    assert f"    chmod 600 {etc}/intent-executor.env" in lines
    assert "BINANCE_API_KEY (64 characters)" in run.out


@pytest.mark.parametrize(
    "form", ["text", "json", "junit", "sarif", "markdown", "html", "nagios", "prom"]
)
def test_no_format_shows_a_secret(shell, etc, form):
    run = audit_env(shell, "--format", form)
    assert run.out
    assert KEY not in run.out + run.err
    assert run.code == (1 if form == "nagios" else 2)


def test_every_format_can_be_read_back(shell, etc):
    assert audit_env(shell, "--json").document == audit_env(shell, "--format", "json").document
    document = audit_env(shell, "--json").document
    assert (document["schema"], document["status"]) == ("qtops.audit.env/v1", "degraded")
    suites = ET.fromstring(audit_env(shell, "--format", "junit").out)
    assert suites.get("failures") == "2"
    sarif = json.loads(audit_env(shell, "--format", "sarif").out)
    assert len(sarif["runs"][0]["results"]) == len(document["results"])
    prom = audit_env(shell, "--format", "prom").out
    names = {family.name for family in text_string_to_metric_families(prom)}
    assert {"qtops_audit_check_status", "qtops_run_last_success_timestamp_seconds"} <= names


def test_a_file_holds_the_format_and_stdout_the_verdict(shell, etc):
    run = audit_env(shell, "--format", "sarif", "--out", "found.sarif")
    assert run.out.startswith("! degraded")
    assert json.loads((shell.home / "work/found.sarif").read_text())["version"] == "2.1.0"
    run = audit_env(shell, "--out", "found.txt")
    assert (shell.home / "work/found.txt").read_text() == run.out
    audit_env(shell, "--format", "json", "--out", "found.json")
    assert json.loads((shell.home / "work/found.json").read_text())["exit_code"] == 2
    run = audit_env(shell, "--json", "--format", "html", "--out", "found.html")
    assert run.document["out"].endswith("found.html")


@pytest.mark.parametrize(
    "argv",
    [
        ("--json", "--format", "sarif"),
        ("--only", "nothing"),
        ("--user", "no-such-user"),
        ("--out", "/"),
    ],
)
def test_usage(shell, etc, argv):
    run = audit_env(shell, *argv)
    assert run.code == 64
    assert len(run.err.splitlines()) == 1


def test_only_and_skip(shell, etc):
    run = audit_env(shell, "--json", "--only", "env.s*,env.owner", "--skip", "env.syntax")
    assert {one["check"] for one in run.document["results"]} == {"env.secrets", "env.owner"}


def test_no_directory_is_unknown_and_not_healthy(shell):
    run = audit_env(shell, "--json")
    assert (run.code, run.document["status"], run.document["coverage"]) == (2, "unknown", 0)
    assert audit_env(shell, "--format", "nagios").code == 3


def waivers(shell, expires):
    table = f'check = "env.*"\nowner = "ops"\nreason = "moved in March"\nexpires = {expires}\n'
    path = shell.home / "waivers.toml"
    path.write_text(f"[[waiver]]\n{table}")
    return {"QTOPS_WAIVERS": str(path)}


def test_a_waived_fault_is_healthy_and_stays_visible(shell, etc):
    run = audit_env(shell, environ=waivers(shell, TODAY + timedelta(days=9)))
    assert run.code == 0
    assert "waived by ops through 2026-02-05: moved in March" in run.out
    run = audit_env(shell, environ=waivers(shell, TODAY - timedelta(days=1)))
    assert run.code == 2
    assert "ran out on 2026-01-26" in run.out


@pytest.mark.parametrize(("form", "code"), [("text", 1), ("nagios", 3)])
def test_waivers_that_cannot_be_read_stop_the_run(shell, etc, form, code):
    run = audit_env(shell, "--format", form, environ={"QTOPS_WAIVERS": "/nowhere.toml"})
    assert run.code == code
    assert "/nowhere.toml" in run.out + run.err


def test_repos(shell):
    root = shell.home / "work/root"
    root.mkdir()
    subprocess.run(["git", "init", "-q", "-b", "main", root], check=True)
    (root / "main.py").write_text("<<<<<<< a\n=======\n>>>>>>> b\n")
    subprocess.run(["git", "-C", root, "add", "-A"], check=True)
    run = shell("audit", "repos", "root", "--json")
    assert (run.code, run.document["status"]) == (2, "critical")
    assert run.document["findings"][0]["check"] == "repos.conflicts"
    assert shell("audit", "repos").code == 64


async def test_the_last_orders_at_the_exchange(shell):
    def run(*argv, environ):
        return shell("audit", "policy", "--only", "policy.orders", "--json", environ=environ)

    with EmbeddedRedis() as server, structlog.testing.capture_logs():
        async with running_system(server.url, "exit-proof") as system:
            order = OrderRequest("TRXUSDT", Side.SELL, Decimal(100), True, "x-1")
            venue = open_venue(system.settings)
            try:
                await venue.sync_clock()
                await venue.place_order(order, venue.timestamp_ms())
            finally:
                await venue.aclose()
            found = (await asyncio.to_thread(run, environ=system.environ)).document
    verdicts = {one["subject"]: (one["verdict"], one["title"]) for one in found["results"]}
    assert verdicts["TRXUSDT"] == ("pass", "the last 1 orders are MARKET")
    assert verdicts["ETHUSDT"] == ("unknown", "the exchange has no order of it")
