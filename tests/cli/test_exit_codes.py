"""Every way a command can end, and the number the process ends with."""

import pytest

from qtops.cli.reference import EXIT_MEANINGS
from qtops.errors import ExitCode

ENDS = [
    ("config", 1, "error: GOV_X is wrong; next: unset it"),
    ("decode", 1, "error: qty is missing"),
    ("redis", 1, "error: Redis at redis://u:***@h refused; next: qtops health"),
    ("venue", 1, "error: the exchange is away"),
    ("host", 1, "error: systemctl failed"),
    ("unhealthy", 2, "unhealthy: no permits"),
    ("no-proof", 3, "not proven: no order id"),
    ("refused", 4, "refused: mainnet; next: --allow-mainnet"),
    ("usage", 64, "usage: two symbols; next: qtops fake fails --help"),
    ("interrupt", 130, "interrupted: stopped by the operator"),
    ("abort", 130, "interrupted: stopped by the operator"),
    ("file", 1, "error: /nope: No such file or directory"),
    ("disk", 1, "error: No space left on device"),
    ("group", 1, "error: Redis is away"),
    ("lines", 1, "error: first second; next: a b"),
    ("escape", 1, "error: \\x1b[31mred\\x07"),
]


@pytest.mark.parametrize(("kind", "code", "line"), ENDS, ids=[end[0] for end in ENDS])
def test_a_fault_is_one_line_on_stderr_and_nothing_on_stdout(fake, kind, code, line):
    run = fake("fails", kind)
    assert (run.code, run.err, run.out) == (code, f"{line}\n", "")


@pytest.mark.parametrize(("kind", "code"), [end[:2] for end in ENDS], ids=[end[0] for end in ENDS])
def test_json_changes_neither_the_code_nor_stderr(fake, kind, code):
    plain, run = fake("fails", kind), fake("fails", kind, "--json")
    assert (run.code, run.err) == (code, plain.err)
    assert run.document["exit_code"] == code


@pytest.mark.parametrize("kind", ["bug", "group-of-bugs"])
def test_what_nobody_foresaw_is_a_bug_and_exits_1(fake, kind):
    run = fake("fails", kind)
    assert run.code == 1
    assert run.err.startswith("bug: ")
    assert run.err.endswith("next: run with --verbose for the traceback\n")
    assert run.err.count("\n") == 1


def test_a_traceback_appears_only_with_verbose(fake):
    assert "Traceback" not in fake("fails", "bug").err
    verbose = fake("fails", "bug", "-v")
    assert "Traceback (most recent call last)" in verbose.err
    assert verbose.err.splitlines()[-1].startswith("bug: KeyError")


def test_a_traceback_carries_no_secret(fake):
    run = fake("fails", "redis", "--verbose")
    assert "Traceback" in run.err
    assert "hunter2" not in run.err


@pytest.mark.parametrize("kind", ["usage", "interrupt"])
def test_no_traceback_for_what_the_operator_did(fake, kind):
    assert "Traceback" not in fake("fails", kind, "-v").err


def test_a_raised_exit_keeps_its_code(fake):
    assert fake("fails", "exit-7").code == 7


def test_the_result_sets_the_code(fake):
    run = fake("unhealthy")
    assert (run.code, run.out, run.err) == (2, "✗ degraded\n", "")


@pytest.mark.parametrize("kind", ["exit", "int", "text"])
def test_a_command_that_returns_something_is_a_bug(fake, kind):
    run = fake("returns", kind)
    assert run.code == 1
    assert "instead of None or an ExitCode" in run.err


def test_a_command_may_return_an_exit_code(fake):
    assert fake("returns", "code").code == 3


def test_two_results_are_a_bug(fake):
    assert "emitted twice" in fake("twice").err


def test_a_module_that_cannot_be_imported_breaks_only_its_own_word(fake):
    assert fake("works").code == 0
    assert fake(before=["--help"], word="").code == 0
    run = fake(word="broken")
    assert run.code == 1
    assert "no_such_module" in run.err


def test_nagios_may_give_a_usage_error_its_own_code(fake):
    assert fake("--nope", word="nagios").code == 3
    assert fake("--nope", word="leaf").code == 64
    assert fake("--number", "4", word="leaf").out == "alone 4\n"


def test_every_exit_code_is_documented():
    assert set(EXIT_MEANINGS) == set(ExitCode)
