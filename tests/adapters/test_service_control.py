"""Service control by real programs: what is called, and what its failures become."""

import sys

import pytest

from qtops.adapters import service_control
from qtops.adapters.service_control import CommandControl, SystemdControl
from qtops.contracts.service_state import ServiceState
from qtops.errors import ConfigError, HostError

# Stands where systemd's own program would: notes its words, answers as `show` does.
SYSTEMCTL = """#!/bin/sh
echo "$@" >> "$0.calls"
case "$*" in
  *nosuch*) echo "Unit nosuch.service not found." >&2; exit 5 ;;
  show*) echo ActiveState=active; echo InvocationID=0123abcd ;;
esac
"""


@pytest.fixture
def systemctl(tmp_path, monkeypatch):
    program = tmp_path / "systemctl"
    program.write_text(SYSTEMCTL)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path / "systemctl.calls"


async def test_systemd_restarts_and_tells_the_lives_apart(systemctl):
    control = SystemdControl()
    await control.restart("quantum-x")
    assert await control.state("quantum-x") == ServiceState("active", "0123abcd")
    assert systemctl.read_text().splitlines() == [
        "restart -- quantum-x",
        "show --property=ActiveState,InvocationID -- quantum-x",
    ]


async def test_what_systemd_says_is_in_the_error(systemctl):
    with pytest.raises(HostError, match=r"restart -- nosuch: Unit nosuch.service not found"):
        await SystemdControl().restart("nosuch")


async def test_a_command_gets_the_service_as_one_word_and_no_shell(tmp_path):
    name = "a; touch gone $(touch gone)"
    program = f"import sys; open({str(tmp_path / 'said')!r}, 'w').write(sys.argv[1])"
    control = CommandControl(f'{sys.executable} -c "{program}" {{service}}', "true {service}")
    await control.restart(name)
    assert (tmp_path / "said").read_text() == name
    assert await control.state(name) == ServiceState("active", "")


async def test_a_status_command_that_fails_is_not_active():
    assert (await CommandControl("true {service}", "false {service}").state("x")).word != "active"


@pytest.mark.parametrize("text", ["", "docker restart x", 'docker restart "{service}'])
def test_a_template_without_a_service_is_refused(text):
    with pytest.raises(ConfigError, match="QTOPS_SERVICE_RESTART_COMMAND"):
        CommandControl(text, "true {service}")


async def test_a_program_that_is_not_there_is_named():
    with pytest.raises(HostError, match="no-such-program"):
        await CommandControl("no-such-program {service}", "true {service}").restart("x")


async def test_a_command_that_hangs_is_ended(monkeypatch):
    monkeypatch.setattr(service_control, "RESTART_LIMIT_S", 0.1)
    control = CommandControl("sleep 600 {service}", "true {service}")
    with pytest.raises(HostError, match="took over"):
        await control.restart("1")
