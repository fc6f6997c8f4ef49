"""Parallel writers, writers killed at any moment, and the views they leave."""

import signal
import subprocess
import sys

import pytest

from tests.cli.ledger.conftest import files, options


def process(work, *words, **rest):
    command = [sys.executable, "-m", "qtops", "ledger", "append", "--root", str(work), *words]
    return subprocess.Popen(
        command, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **rest
    )


@pytest.mark.timeout(120)
def test_fifty_parallel_appends_keep_fifty_entries(ledger):
    running = [process(ledger.work, *options(operation=f"op {n}")) for n in range(50)]
    assert [p.communicate() and p.returncode for p in running] == [0] * 50
    entries = ledger("list", "--limit", "99", "--json").document["entries"]
    assert len({e["operation_id"] for e in entries}) == 50
    assert len({e["operation_name"] for e in entries}) == 50
    assert ledger("verify").code == 0


@pytest.mark.timeout(120)
def test_killed_at_any_moment_the_ledger_is_whole_and_free(ledger):
    ledger("append", *options())
    for round_number in range(12):
        victim = process(ledger.work, *options(operation=f"victim {round_number}"))
        try:
            victim.communicate(timeout=0.15 + 0.05 * round_number)
        except subprocess.TimeoutExpired:
            victim.send_signal(signal.SIGKILL)
            victim.communicate()
        assert ledger("append", *options(operation=f"after {round_number}")).code == 0
        assert ledger("verify").code == 0


FAILING = """
import os, sys
from pathlib import Path
import qtops.ledger.store as store
os.chdir(sys.argv[1])
real = getattr(store, sys.argv[2])
def die(*a, **k):
    if sys.argv[3] == "after": real(*a, **k)
    os.kill(os.getpid(), 9)
setattr(store, sys.argv[2], die)
entry = {"outcome": "SUCCESS", "operation_name": "x", "risk_class": "READ_ONLY"}
store.Ledger(Path(".")).append(store.Draft(entry, "2026-01-27"))
"""


@pytest.mark.parametrize("step", ["append_line", "replace_file"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_between_two_steps(ledger, step, when):
    ledger("append", *options())
    done = subprocess.run(
        [sys.executable, "-c", FAILING, str(ledger.work), step, when], check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert ledger("append", *options(operation="next")).code == 0
    kept = 2 if (step, when) == ("append_line", "before") else 3
    assert ledger("list", "--json").document["total"] == kept
    assert ledger("verify").code == 0


def test_a_torn_line_is_set_aside(ledger):
    ledger("append", *options())
    log = ledger.work / "ledger/log.jsonl"
    log.write_bytes(log.read_bytes() + b'{"half')
    assert ledger("verify").code == 2
    run = ledger("append", *options(operation="next"))
    assert "unfinished last line" in run.err
    assert [p.read_bytes() for p in (ledger.work / "ledger").glob("log.torn-at-*")] == [b'{"half']
    assert ledger("verify").code == 0


def test_views_come_back_byte_for_byte(ledger):
    for number in range(3):
        ledger("append", *options(operation=f"op {number}", notes="```\na: b\n"))
    views = files(ledger)
    for path in ("docs/OPS_CHANGELOG.md", "ledger/2026-01.yaml"):
        (ledger.work / path).unlink()
    assert ledger("verify").code == 2
    assert ledger("render").code == 0
    assert files(ledger) == views


def test_the_first_entry_of_a_month_rebuilds_no_other_month(ledger, monkeypatch):
    ledger("append", *options(operation_id="OPS-2025-12-31-001"))
    monkeypatch.delattr("qtops.ledger.store.Ledger._write_views")
    assert ledger("append", *options(operation="2")).out == "✓ recorded   OPS-2026-01-27-001\n"
    assert ledger("append", *options(operation="3")).code == 0
    assert ledger("verify").code == 0


def test_the_page_of_a_month_that_was_removed_comes_back_whole(ledger):
    ledger("append", *options())
    (ledger.work / "ledger/2026-01.yaml").unlink()
    ledger("append", *options(operation="2"))
    assert ledger("verify").code == 0


@pytest.mark.parametrize("path", ["docs/OPS_CHANGELOG.md", "ledger/2026-01.yaml"])
def test_an_edited_view_is_found(ledger, path):
    ledger("append", *options())
    ledger("append", *options(operation="op 2"))
    view = ledger.work / path
    view.write_text(view.read_text().replace("P2.7 deploy", "forged"))
    run = ledger("verify")
    assert run.code == 2
    assert "OPS-2026-01-27-001" in run.out
    assert ledger("render").code == 0
    assert ledger("verify").code == 0


def test_prose_is_left_alone(ledger):
    (ledger.work / "docs").mkdir()
    text = "# Mine\r\n\n---\n## 2026-01\nmine too\n```yaml\nx: 1\n"
    (ledger.work / "docs/OPS_CHANGELOG.md").write_text(text + "```\n", newline="")
    ledger("append", *options())
    ledger("append", *options(operation="2"))
    raw = (ledger.work / "docs/OPS_CHANGELOG.md").read_bytes().decode()
    first, rest = raw.split("\n## 2026-01\n")
    assert first + "\n" == text.split("## 2026", maxsplit=1)[0]
    assert rest.endswith("mine too\n```yaml\nx: 1\n```\n")


def test_expect_head_finds_a_cut_tail(ledger):
    ledger("append", *options())
    head = ledger("append", *options(operation="2"), "--json").document["head"]
    log = ledger.work / "ledger/log.jsonl"
    log.write_bytes(log.read_bytes().splitlines(keepends=True)[0])
    ledger("render")
    assert ledger("verify").code == 0
    assert ledger("verify", "--expect-head", head).code == 2
