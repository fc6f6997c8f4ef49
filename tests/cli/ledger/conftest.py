"""A repository with a ledger in it, and the commands on it; the words most tests share."""

import os
import subprocess
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parents[2] / "ledger" / "samples"
BASE = {
    "operation": "P2.7 deploy",
    "objective": "clusters",
    "risk-class": "READ_ONLY",
    "blast-radius": "nothing",
    "changes-summary": "0.7 to 0.8",
}


def options(**changes):
    given = BASE | {name.replace("_", "-"): value for name, value in changes.items()}
    return [word for name, value in given.items() for word in (f"--{name}", value)]


@pytest.fixture
def ledger(shell):
    work = shell.home / "work"
    git(work, "init", "-q", "-b", "main")
    git(work, "commit", "-q", "--allow-empty", "-m", "x")

    def run(*argv, **rest):
        return shell("ledger", *argv, **rest)

    run.work = work
    return run


def git(work, *words):
    who = ("-c", "user.name=t", "-c", "user.email=t@t")
    return subprocess.run(
        ["git", *who, *words], cwd=work, check=True, capture_output=True, text=True
    )


def page(ledger):
    return (ledger.work / "docs/OPS_CHANGELOG.md").read_text()


def files(ledger):
    return {
        p: p.read_bytes()
        for p in ledger.work.rglob("*")
        if p.is_file() and p.name not in (".lock", ".views") and ".git" not in p.parts
    }


def program(folder, name, body):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


@pytest.fixture
def machine(ledger, tmp_path, monkeypatch):
    """A systemctl, a host name and a commit as in the founding samples."""
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    program(bin_dir, "systemctl", 'echo "${STATE:-active}"; [ "${STATE:-active}" = active ]')
    monkeypatch.setenv("PATH", f"{bin_dir}:{os.environ['PATH']}")
    monkeypatch.setattr("socket.gethostname", lambda: "quantumtrader-prod-1")
    return bin_dir
