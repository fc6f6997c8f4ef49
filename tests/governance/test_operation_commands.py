"""Commands of a step, as real processes."""

import hashlib
import os
import time
from pathlib import Path

import pytest

from qtops.errors import HostError, UsageError
from qtops.files import held, is_held
from qtops.governance.commands import TAIL_BYTES, Runner, need_program


@pytest.fixture
def run(tmp_path):
    def with_limit(*command, limit_s=20.0):
        with held(tmp_path / "lock") as lock:
            runner = Runner(lambda: 7, lambda text: text.replace("hunter2", "***"), limit_s, lock)
            return runner(command, tmp_path)

    return with_limit


def test_exit_code_output_and_digest_are_kept(run):
    ran = run("sh", "-c", "echo out; echo err >&2; exit 3")
    assert (ran.exit_code, ran.result, ran.passed) == (3, "exit 3", False)
    assert ran.output_tail == "out\nerr\n"
    assert ran.output_sha256 == hashlib.sha256(b"out\nerr\n").hexdigest()


def test_a_long_output_keeps_its_end_and_its_whole_digest(run):
    ran = run("sh", "-c", "seq 100000; echo the-end")
    assert len(ran.output_tail) == TAIL_BYTES
    assert ran.output_tail.endswith("the-end\n")
    whole = "".join(f"{n}\n" for n in range(1, 100001)).encode() + b"the-end\n"
    assert (ran.output_bytes, ran.output_sha256) == (len(whole), hashlib.sha256(whole).hexdigest())


def test_secrets_are_masked_in_command_and_output(run):
    ran = run("echo", "hunter2")
    assert (ran.command, ran.output_tail) == (("echo", "***"), "***\n")


def test_at_its_limit_the_whole_group_is_ended(run, tmp_path):
    ran = run("sh", "-c", "sleep 600 & echo $! > child; wait", limit_s=0.5)
    assert (ran.exit_code, ran.result, ran.passed) == (None, "ended at its limit of 0.5 s", False)
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 20
    while is_running(child):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_death_by_signal_is_said(run):
    assert run("sh", "-c", "kill -9 $$").result == "killed by signal 9"


def test_what_cannot_be_started_is_a_result(run, tmp_path):
    (tmp_path / "data").write_bytes(b"\x7fELF nonsense")
    (tmp_path / "data").chmod(0o755)
    ran = run(str(tmp_path / "data"))
    assert ran.exit_code is None
    assert ran.result.startswith("not started: ")


def test_a_daemon_that_keeps_its_output_open_does_not_keep_us_nor_the_lock(run, tmp_path):
    ran = run("sh", "-c", "sleep 600 & echo $! > daemon; echo up")
    try:
        assert (ran.exit_code, ran.output_tail) == (0, "up\n")
        assert not is_held(tmp_path / "lock")
    finally:
        os.kill(int((tmp_path / "daemon").read_text()), 9)


def test_no_program_is_no_result(tmp_path):
    with pytest.raises(UsageError, match="no program 'no-such-program'"):
        need_program(("no-such-program",), tmp_path, "--verify")
    with pytest.raises(UsageError, match="no command"):
        need_program((), tmp_path, "--verify")
    need_program(("sh",), tmp_path, "--verify")


def test_a_lock_is_released_by_an_error_too(tmp_path):
    with pytest.raises(HostError), held(tmp_path / "lock"):
        raise HostError("x")
    assert not is_held(tmp_path / "lock")


def test_an_interrupt_at_the_very_start_leaves_no_command_behind(run, tmp_path):
    for _ in range(5):
        with pytest.raises(KeyboardInterrupt):
            run("sh", "-c", "echo $$ > pid; kill -INT $PPID; exec sleep 600")
        assert not is_running(int((tmp_path / "pid").read_text()))
