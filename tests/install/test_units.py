"""Units that systemd itself accepts, that start what they say, and that confine it."""

import re
import shutil
import subprocess

import pytest

from qtops.errors import UsageError
from qtops.install.cron import cron_file
from qtops.install.units import (
    EXCHANGE_SERVICES,
    Host,
    health_service,
    health_timer,
    service_unit,
    target_unit,
    unit_name,
)
from qtops.settings.load import load_settings
from qtops.wiring.services import BUILDERS

HOST = Host("/usr/bin/env", "root", "/etc/quantum", "/var/lib/node/qtops.prom")
NEEDS_SYSTEMD = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze"
)
WORST_EXPOSURE = 25  # of 100, as systemd-analyze counts; "OK" ends at 50


@pytest.fixture(scope="module")
def units(tmp_path_factory):
    folder = tmp_path_factory.mktemp("units")
    files = {unit_name(service): service_unit(service, HOST) for service in BUILDERS}
    files["qtops.target"] = target_unit(list(BUILDERS))
    files["qtops-health.service"] = health_service(HOST)
    files["qtops-health.timer"] = health_timer()
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


@NEEDS_SYSTEMD
def test_systemd_finds_nothing_wrong(units):
    """It ends with 0 on a misspelled setting, too: only silence is approval."""
    argv = ["systemd-analyze", "verify", "--man=no", *map(str, sorted(units.iterdir()))]
    run = subprocess.run(argv, capture_output=True, text=True, check=False)
    ours = [line for line in (run.stdout + run.stderr).splitlines() if "qtops" in line]
    assert (run.returncode, ours) == (0, [])


@NEEDS_SYSTEMD
def test_a_misspelled_setting_would_be_found(units, tmp_path):
    text = (units / "qtops-executor.service").read_text()
    (tmp_path / "qtops-bad.service").write_text(text.replace("NoNewPriv", "NoNewPirv"))
    argv = ["systemd-analyze", "verify", "--man=no", str(tmp_path / "qtops-bad.service")]
    run = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert "qtops-bad.service" in run.stderr


@NEEDS_SYSTEMD
def test_every_unit_is_confined(units):
    services = sorted(map(str, units.glob("*.service")))
    argv = ["systemd-analyze", "security", "--offline=yes", f"--threshold={WORST_EXPOSURE}"]
    run = subprocess.run([*argv, *services], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-400:]
    assert len(re.findall("Overall exposure level", run.stdout)) == len(services)


async def test_the_exchange_keys_are_shown_to_those_alone_who_talk_to_the_exchange(tmp_path):
    environ = {"QTOPS_EXCHANGE_URL": "http://127.0.0.1:1", "QTOPS_INTAKE_TOKEN": "t" * 16}
    environ |= {service.metrics_setting: "0" for service in BUILDERS}
    settings = load_settings(environ, cwd=tmp_path, home=tmp_path, etc_dir=tmp_path)
    talkers = set()
    for service, build in BUILDERS.items():
        built = build(service, settings)
        if built.venue is not None:
            talkers.add(service)
        await built.aclose()
    assert talkers == EXCHANGE_SERVICES


@pytest.mark.parametrize("service", BUILDERS, ids=lambda service: service.value)
def test_a_unit_starts_its_service_and_limits_restarts_where_systemd_looks(service):
    sections = dict(
        part.split("]\n", 1) for part in service_unit(service, HOST).split("[") if "]" in part
    )
    assert f"ExecStart=/usr/bin/env run {service.value}\n" in sections["Service"]
    assert "StartLimitBurst=" in sections["Unit"]
    assert "StartLimit" not in sections["Service"]
    assert "RestartPreventExitStatus=4 64" in sections["Service"]
    shows_keys = "qtops-exchange.env" in sections["Service"]
    assert shows_keys == (service in EXCHANGE_SERVICES)


def test_the_health_pass_may_write_its_textfile_and_nothing_else():
    assert "ReadWritePaths=-/var/lib/node\n" in health_service(HOST)
    assert "--textfile /var/lib/node/qtops.prom" in health_service(HOST)
    bare = health_service(Host("/usr/bin/env", "root", "/etc/quantum"))
    assert "ReadWritePaths" not in bare
    assert "--textfile" not in bare


def test_a_line_for_cron_names_its_user_and_keeps_a_state():
    line = cron_file(HOST, "/var/lib/qtops/health.json").splitlines()[-1]
    assert line.startswith("* * * * * root ")
    assert line.endswith(
        "/usr/bin/env health --format nagios --state /var/lib/qtops/health.json"
        " --textfile /var/lib/node/qtops.prom"
    )


def test_what_crontab_would_cut_is_refused():
    with pytest.raises(UsageError):
        cron_file(HOST, "/var/lib/%d")
