"""`qtops audit system` as an operator calls it."""

import json

import pytest


@pytest.fixture
def audit(shell, server, db):
    def run(*argv, **rest):
        return shell("--redis", server.url, "audit", "system", *argv, **rest)

    return run


def test_a_bare_redis_is_no_healthy_system(audit):
    run = audit("--json")
    document = run.document
    assert run.code == 2
    assert document["schema"] == "qtops.audit.system/v1"
    assert {"ports", "host", "redis", "control", "permits", "streams", "paths"} <= set(
        document["components"]
    )
    kill = next(r for r in document["findings"] if r["subject"] == "trading state")
    assert (kill["verdict"], kill["title"]) == ("fail", "HALTED (not set)")


def test_only_and_skip_choose_components(audit):
    assert set(audit("--only", "redis,control", "--json").document["components"]) == {
        "redis",
        "control",
    }
    assert "paths" not in audit("--skip", "paths,units", "--json").document["components"]
    assert audit("--only", "nothing").code == 64


def test_a_redis_that_is_away_leaves_the_host_to_be_seen(shell):
    run = shell("--redis", "redis://127.0.0.1:1/0", "audit", "system", "--json")
    assert run.code == 2
    components = run.document["components"]
    assert run.document["status"] == "critical"
    assert run.document["findings"][0]["check"] == "redis.answer"
    assert components["host"]["score"] is not None
    assert components["streams"] == {"score": None, "coverage": 0}


def test_out_writes_three_files(audit, shell):
    run = audit("--out", "found", "--only", "redis,paths,streams")
    directory = shell.home / "work/found"
    assert sorted(path.name for path in directory.iterdir()) == [
        "report.html",
        "report.json",
        "report.md",
    ]
    assert f"written to {directory}" in run.err
    document = json.loads((directory / "report.json").read_text())
    assert [path["letter"] for path in document["paths"]] == ["A", "B", "C", "D"]
    assert "<svg" in (directory / "report.html").read_text()
    assert (directory / "report.html").stat().st_mode & 0o777 == 0o644


def test_without_paths_there_is_no_diagram(audit, shell):
    audit("--out", "found", "--only", "redis")
    assert "<svg" not in (shell.home / "work/found/report.html").read_text()


def test_a_directory_in_use_is_refused_before_anything_is_read(shell):
    used = shell.home / "work/used"
    used.mkdir()
    (used / "mine").write_text("x")
    run = shell("--redis", "redis://127.0.0.1:1/0", "audit", "system", "--out", "used")
    assert (run.code, run.out) == (1, "")
    assert "is there already" in run.err
    assert [path.name for path in used.iterdir()] == ["mine"]


def test_a_report_that_cannot_be_written_leaves_nothing(audit, shell, monkeypatch):
    def full(self, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    run = audit("--out", "found", "--only", "redis")
    assert run.code == 1
    assert "No space left on device" in run.err
    assert list((shell.home / "work").iterdir()) == []


def test_other_formats(audit):
    nagios = audit("--only", "control", "--format", "nagios")
    assert nagios.out.startswith(("WARNING", "CRITICAL"))
    assert "<testsuite" in audit("--only", "control", "--format", "junit").out
