"""A real Prometheus over real services: one dies, the alert fires, `observe check` says so."""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys

import pytest
import yaml

from qtops.adapters.monitors import HostMonitors
from qtops.audits.checks import run_checks
from qtops.contracts.registry import Service
from qtops.errors import HostError
from qtops.observe.alerts import alerts, rule_file
from qtops.observe.lint import is_exported_by_nobody
from qtops.observe.scrape import RULES_FILE, prometheus_config
from qtops.wiring.observe import checks, live_metrics, service_addresses

pytestmark = pytest.mark.skipif(shutil.which("prometheus") is None, reason="needs prometheus")
PAIR = (Service.GOVERNOR, Service.SNAPSHOTS)
LIMIT_S = 30


class Clock:
    def now_ms(self):
        return 1_769_477_662_123

    def monotonic_ms(self):
        return 0.0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def process(*command, **environ):
    """A program that ends with the test, however that ends."""
    running = subprocess.Popen(
        command,
        env={**os.environ, **environ},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield running
    finally:
        running.kill()
        running.wait()


async def until(look, wanted):
    """Ask until the answer is as wanted; a source that does not answer yet is asked again."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            with contextlib.suppress(HostError):
                if wanted(found := await look()):
                    return found
            await asyncio.sleep(0.1)


async def findings(settings):
    """What `observe check` says of Prometheus, by check and subject."""
    chosen = [check for check in checks(settings) if check.name.startswith("prometheus.")]
    report = await run_checks(chosen, Clock())
    return {(r.check, r.subject): r for r in report.results}


def verdicts(found, check):
    return {subject: r.verdict.value for (name, subject), r in found.items() if name == check}


@pytest.fixture
def settings(system):
    ports = {service.metrics_setting: str(free_port()) for service in PAIR}
    url = f"http://127.0.0.1:{free_port()}"
    return system.with_settings(**ports, QTOPS_PROMETHEUS_URL=url)


@pytest.fixture
def prometheus(settings, tmp_path):
    config = prometheus_config(service_addresses(settings), {}, interval="1s")
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    (tmp_path / RULES_FILE).write_text(yaml.safe_dump(rule_file(alerts(10, hold="1s"))))
    address = settings.text("QTOPS_PROMETHEUS_URL").removeprefix("http://")
    with process(
        "prometheus",
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address={address}",
    ) as running:
        yield running


@pytest.mark.timeout(90)
async def test_a_service_that_dies_is_seen(system, settings, prometheus):
    url = settings.text("QTOPS_PROMETHEUS_URL")
    environ = system.environ | {
        s.metrics_setting: str(settings.integer(s.metrics_setting)) for s in PAIR
    }
    targets = "prometheus.targets"
    with contextlib.ExitStack() as stack:
        command = (sys.executable, "-m", "qtops", "run")
        running = {s: stack.enter_context(process(*command, s.value, **environ)) for s in PAIR}
        up = {f"qtops {service.value}": "pass" for service in PAIR}
        found = await until(lambda: findings(settings), lambda seen: verdicts(seen, targets) == up)
        assert verdicts(found, "prometheus.scrapes") == {s.value: "pass" for s in PAIR}
        for check in ("found", "config", "rules"):
            assert set(verdicts(found, f"prometheus.{check}").values()) == {"pass"}
        assert verdicts(found, "prometheus.alertmanager") == {"-": "warn"}

        running[Service.GOVERNOR].kill()
        found = await until(
            lambda: findings(settings),
            lambda seen: verdicts(seen, "prometheus.alerts").get("governor") == "warn",
        )
        assert verdicts(found, targets) == up | {"qtops governor": "fail"}
        down = found[targets, "qtops governor"]
        assert "connection refused" in down.title
        alert = found["prometheus.alerts", "governor"]
        assert alert.title.startswith("QtopsServiceDown fires: governor does not answer")
        assert alert.fix == "qtops health --only heartbeats"

        live = await live_metrics(url)
        assert not is_exported_by_nobody("scrape_series_added", live)
        assert is_exported_by_nobody("node_load1", live)

    # Where it listens is found without being told, by its command line and by its sockets.
    places = dict(await HostMonitors(ports=()).places())
    assert places[url] == f"command line of process {prometheus.pid}"


async def test_a_wrong_port_in_the_settings_is_not_a_prometheus_that_is_down(system, prometheus):
    """The founding report looked at 9090 while it ran on 9091."""
    wrong = system.with_settings(QTOPS_PROMETHEUS_URL=f"http://127.0.0.1:{free_port()}")
    found = await until(
        lambda: findings(wrong), lambda seen: "warn" in verdicts(seen, "prometheus.found").values()
    )
    [result] = [r for (check, _), r in found.items() if check == "prometheus.found"]
    assert "it listens at http://127.0.0.1:" in result.title
    assert "nothing listens there" in result.evidence[0]
    assert result.fix.startswith("set QTOPS_PROMETHEUS_URL=http://127.0.0.1:")
