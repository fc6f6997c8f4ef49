"""A scenario's settings reach the services of its sandbox; what the caller set himself wins."""

import pytest

from tests.cli.test_sandbox import Machine

WANTED = ("P33_COOLDOWN_SEC", "P33_ALLOWLIST", "PRODUCER_SYMBOLS")


@pytest.fixture
def machine(tmp_path):
    for name in ("work", "tmp"):
        (tmp_path / name).mkdir()
    return Machine(tmp_path)


def inside(machine, scenario, **environ):
    run = ["sandbox", "run", "--services", "none", "--scenario", scenario, "--", "env"]
    done = machine.qtops(*run, **environ)
    assert done.returncode == 0, done.stderr
    found = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
    return {name: found.get(name) for name in WANTED}


def test_the_scenario_fills_what_nobody_set(machine):
    (machine.work / "qtops.toml").write_text('p33_allowlist = "ETHUSDT"\n')
    seen = inside(machine, "live-cycle", P33_COOLDOWN_SEC="7")
    assert seen["P33_COOLDOWN_SEC"] == "7"
    assert seen["P33_ALLOWLIST"] == "ETHUSDT"
    assert "SOLUSDT" in seen["PRODUCER_SYMBOLS"]


def test_a_setting_that_does_not_exist_is_named(machine):
    (machine.work / "odd.toml").write_text('[settings]\nP33_COOLDOWN = "1"\n')
    done = machine.qtops("sandbox", "up", "--scenario", "odd.toml")
    assert done.returncode != 0
    assert "P33_COOLDOWN is no setting" in done.stderr
