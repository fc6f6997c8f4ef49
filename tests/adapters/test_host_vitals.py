"""File systems of this machine, and what systemctl says, spoken by a program in its place."""

import asyncio
import os
from pathlib import Path

import pytest

from qtops.adapters.host_vitals import disk_vitals, failed_units
from qtops.errors import HostError


@pytest.fixture
def systemctl(tmp_path):
    """`systemctl("echo x")` is a program that does so; its arguments are in `args`."""

    def program(body):
        path = tmp_path / "systemctl"
        path.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/args\n{body}\n')
        path.chmod(0o755)
        return str(path)

    return program


def test_failed_units_are_the_first_words(systemctl, tmp_path):
    row = "quantum-governor.service loaded failed failed Governor"
    program = systemctl(f'echo "{row}"; echo; echo "qtops-health.service loaded failed failed x"')
    found = asyncio.run(failed_units(program))
    assert found == ["quantum-governor.service", "qtops-health.service"]
    asked = (tmp_path / "args").read_text().split()
    assert asked[:3] == ["list-units", "--failed", "--plain"]
    assert asked[-2:] == ["quantum-*", "qtops-*"]


def test_no_failed_unit_is_an_empty_answer(systemctl):
    assert asyncio.run(failed_units(systemctl("true"))) == []


@pytest.mark.parametrize(
    ("body", "words"), [("echo no bus >&2; exit 1", "ended with 1: no bus"), ("kill $$", "-15")]
)
def test_a_systemctl_that_fails_has_not_said_that_all_is_well(systemctl, body, words):
    with pytest.raises(HostError, match=words):
        asyncio.run(failed_units(systemctl(body)))


def test_no_systemctl_is_a_fault_of_the_host(tmp_path):
    with pytest.raises(HostError, match="No such file"):
        asyncio.run(failed_units(str(tmp_path / "none")))


def test_a_systemctl_that_hangs_does_not_outlive_the_limit(systemctl, tmp_path):
    pid_file = tmp_path / "pid"
    program = systemctl(f"echo $$ > {pid_file}.new; mv {pid_file}.new {pid_file}; exec sleep 60")

    async def cut_short():
        asking = asyncio.create_task(failed_units(program))
        while not pid_file.exists():
            await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        return int(pid_file.read_text())

    pid = asyncio.run(cut_short())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_file_system_is_read_once(tmp_path):
    found = disk_vitals([Path("/"), Path("/usr")])
    assert found[0].mount == "/"
    same = Path("/").stat().st_dev == Path("/usr").stat().st_dev
    assert len(found) == (1 if same else 2)
    assert 0 <= found[0].free_ratio <= 1


def test_a_path_that_is_not_there_raises(tmp_path):
    with pytest.raises(FileNotFoundError):
        disk_vitals([tmp_path / "none"])
