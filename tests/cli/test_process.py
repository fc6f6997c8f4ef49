"""The real process: pipes, a terminal, signals to stdout, start-up cost."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

QTOPS = [sys.executable, "-m", "qtops"]
HEAVY = {
    "asyncio",
    "email",
    "git",
    "httpx",
    "jinja2",
    "json",
    "logging",
    "prometheus_client",
    "pydantic",
    "redis",
    "rich",
    "structlog",
    "yaml",
}


def environ(tmp_path, **more):
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8", **more}


def qtops(tmp_path, *argv, **more):
    return subprocess.run(
        [*QTOPS, *argv],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=environ(tmp_path, **more),
    )


def test_a_pipe_gets_plain_utf8(tmp_path):
    run = qtops(tmp_path, "config", "show")
    assert run.returncode == 0
    assert run.stdout.startswith("✓ ")
    assert "\x1b" not in run.stdout
    assert run.stderr == ""


def test_ascii_stdout_gets_words(tmp_path):
    run = qtops(tmp_path, "config", "show", PYTHONIOENCODING="ascii", QTOPS_NAMESPACE="på")
    assert run.returncode == 0
    assert run.stdout.startswith("OK ")
    assert "p\\xe5" in run.stdout


def test_json_comes_after_the_command_too(tmp_path):
    run = qtops(tmp_path, "config", "nope", "--json")
    assert run.returncode == 64
    assert json.loads(run.stdout)["exit_code"] == 64


def test_a_reader_that_leaves_is_no_fault(tmp_path):
    script = f"{sys.executable} -m qtops config show | true; echo ${{PIPESTATUS[0]}}"
    run = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=environ(tmp_path),
    )
    assert (run.stdout, run.stderr) == ("0\n", "")


def test_a_closed_stderr_does_not_stop_the_command(tmp_path):
    read_end, write_end = os.pipe()
    os.close(read_end)
    run = subprocess.run(
        [*QTOPS, "config", "show", "-q"],
        stdout=subprocess.PIPE,
        stderr=write_end,
        text=True,
        check=False,
        cwd=tmp_path,
        env=environ(tmp_path, QTOPS_NO_SUCH="a warning"),
    )
    os.close(write_end)
    assert run.returncode == 0
    assert "settings" in run.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_an_error(tmp_path):
    with Path("/dev/full").open("w") as full:
        run = subprocess.run(
            [*QTOPS, "config", "show"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            cwd=tmp_path,
            env=environ(tmp_path),
        )
    assert run.returncode == 1
    assert run.stderr == "error: cannot write to stdout: No space left on device\n"


def read_all(descriptor: int) -> str:
    chunks = []
    while True:
        try:
            chunk = os.read(descriptor, 4096)
        except OSError:
            break
        if not chunk:
            break
        chunks.append(chunk)
    return b"".join(chunks).decode()


def test_a_terminal_gets_colour(tmp_path):
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*QTOPS, "config", "show", "P26_MODE"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=tmp_path,
        env=environ(tmp_path, TERM="xterm"),
    ) as process:
        os.close(theirs)
        seen = read_all(ours)
    os.close(ours)
    assert process.returncode == 0
    assert seen.startswith("\x1b[32m✓ 1 settings\x1b[0m")


def test_version_is_answered_before_typer_is_imported(tmp_path):
    run = qtops(tmp_path, "--version")
    assert run.stdout.startswith("qtops ")
    assert "typer" not in modules_after(tmp_path, "--version")


@pytest.mark.parametrize(
    "argv",
    [["--help"], ["config", "show", "--help"], ["config", "show"], ["nope"]],
    ids=" ".join,
)
def test_the_shell_imports_nothing_heavy(tmp_path, argv):
    assert not modules_after(tmp_path, *argv) & HEAVY


def modules_after(tmp_path, *argv) -> set[str]:
    """Every module in sys.modules when the command line has run."""
    program = (
        "import sys; from qtops.__main__ import main; sys.argv[1:] = sys.argv[1:]\n"
        "code = main()\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, *argv],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=environ(tmp_path),
    )
    return set(run.stderr.splitlines()[-1].split())


def test_completion_knows_commands_and_options(tmp_path):
    def complete(words, index):
        run = qtops(
            tmp_path,
            _QTOPS_COMPLETE="complete_bash",
            COMP_WORDS=words,
            COMP_CWORD=str(index),
        )
        return run.returncode, run.stdout.split()

    assert complete("qtops config ", 2) == (0, ["show", "path"])
    assert complete("qtops config show --only", 3) == (0, ["--only-changed"])
    assert "plumbing" not in complete("qtops ", 1)[1]


def test_completion_is_installed_and_shown(tmp_path):
    def from_bash(option):
        return subprocess.run(
            ["bash", "-c", f"{sys.executable} -m qtops {option}; exit $?"],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
            env=environ(tmp_path),
        ).stdout

    assert "_QTOPS_COMPLETE=complete_bash" in from_bash("--show-completion")
    from_bash("--install-completion")
    assert (tmp_path / ".bash_completions/qtops.sh").is_file()


def test_ctrl_c_is_130_and_one_line(tmp_path):
    program = (
        "import sys, time\n"
        "from types import ModuleType\n"
        "from qtops.cli.options import command_group\n"
        "from qtops.cli.app import Part\n"
        "from qtops.cli.main import main\n"
        "app = command_group()\n"
        "@app.command()\n"
        "def wait() -> None:\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(30)\n"
        "module = ModuleType('waiting'); module.app = app; sys.modules['waiting'] = module\n"
        "sys.exit(main(['wait'], parts=[Part('wait', 'waiting', 'x', leaf=True)]))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=environ(tmp_path),
    ) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert err == "interrupted: stopped by the operator\n"
