"""`qtops drill kill` as an operator runs it: real processes, real faults, one real stop."""

import pytest

from qtops.adapters.sandbox_control import SandboxControl
from qtops.errors import RefusedError


def test_a_kill_under_load_and_a_fault_holds(shell):
    run = shell("drill", "kill", "--faults", "disconnect", "--json", environ=surroundings(shell))
    assert run.code == 0, run.out + run.err
    [drilled] = run.document["rounds"]
    assert (drilled["fault"], drilled["verdict"]) == ("disconnect", "held")
    assert drilled["orders_before"] >= 1
    assert (drilled["admitted_after"], drilled["flat"]) == ([], True)


def surroundings(shell):
    return {"PATH": "/usr/bin:/bin", "HOME": str(shell.home), "LANG": "C.UTF-8"}


@pytest.mark.parametrize(
    "argv", [["--faults", "earthquake"], ["--rounds", "0"], ["--timeout", "x"]]
)
def test_a_wrong_command_line_is_64(shell, argv):
    assert shell("drill", "kill", *argv).code == 64


def test_it_makes_its_own_sandbox_and_takes_no_other(shell):
    run = shell("--sandbox", "drill", "kill")
    assert run.code == 64
    assert "qtops drill makes its own" in run.err


@pytest.mark.parametrize("url", ["https://fapi.binance.com", "https://demo-fapi.binance.com"])
def test_faults_are_injected_into_a_sandbox_alone(url):
    with pytest.raises(RefusedError):
        SandboxControl(url)
