"""`qtops observe` on the command line: exit codes, what is written, what is left alone."""

import json
import shutil

import pytest

FAULTY = {
    "uid": "a",
    "id": 3,
    "title": "x",
    "schemaVersion": 36,
    "panels": [{"type": "stat", "title": "K", "targets": [{"expr": "p26_heat"}]}],
}
CLOSED = "http://127.0.0.1:1"


@pytest.fixture
def boards(shell):
    folder = shell.home / "work/d"
    folder.mkdir()
    (folder / "a.json").write_text(json.dumps({"dashboard": FAULTY, "meta": {}}))
    (folder / "b.json").write_text(json.dumps(FAULTY))
    return folder


def contents(folder):
    return {p.name: p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_lint_then_fix_then_nothing(shell, boards):
    lint = shell("observe", "dashboards", "lint", "d", "--json")
    assert (lint.code, lint.document["schema"]) == (2, "qtops.observe.dashboards.lint/v1")
    before = contents(boards)
    dry = shell("observe", "dashboards", "fix", "d", "--dry-run")
    assert dry.code == 0
    assert "--- d/a.json" in dry.out
    assert shell("observe", "dashboards", "fix", "d").code == 4
    assert contents(boards) == before
    assert shell("observe", "dashboards", "fix", "d", "--yes").code == 0
    assert shell("observe", "dashboards", "lint", "d").code == 0
    again = shell("observe", "dashboards", "fix", "d", "--json").document
    assert (again["status"], again["files"]) == ("nothing_to_mend", [])


def test_a_file_named_twice_is_no_twin_of_itself(shell, boards):
    shell("observe", "dashboards", "fix", "d", "--yes")
    assert shell("observe", "dashboards", "lint", "d", "d/a.json").code == 0


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["lint", "nowhere"], 64, "neither a file"),
        (["lint", "."], 64, "no .json file"),
        (["lint", "d", "--prometheus", CLOSED], 1, "nothing listens there"),
        (["fix", "d", "--yes", "--dry-run"], 0, ""),
    ],
)
def test_what_cannot_be_is_refused_in_words(shell, boards, argv, code, words):
    if argv[1] == ".":
        shutil.rmtree(boards)
    run = shell("observe", "dashboards", *argv)
    assert run.code == code
    assert words in run.err


def test_export_is_shown_then_written_then_kept(shell):
    place = shell.home / "work/m"
    dry = shell("observe", "export", "--dest", "m", "--dry-run")
    assert dry.code == 0
    assert "alert: QtopsServiceDown" in dry.out
    assert not place.exists()
    assert shell("observe", "export", "--dest", "m").code == 4
    assert shell("observe", "export", "--dest", "m", "--yes").code == 0
    written = contents(place)
    assert "prometheus.yml" in written
    again = shell("observe", "export", "--dest", "m", "--json").document
    assert {file["act"] for file in again["files"]} == {"keep"}
    assert shell("observe", "dashboards", "lint", "m").code == 0
    assert contents(place) == written


@pytest.mark.parametrize("name", ["qtops-alerts.yml", "dashboards/qtops-gates.json"])
def test_export_never_overwrites_what_was_edited(shell, name):
    place = shell.home / "work/m"
    shell("observe", "export", "--dest", "m", "--yes")
    edited = place / name
    edited.write_text(edited.read_text().replace("p26", "p27").replace("Gate", "Tor"))
    before = contents(place)
    environ = {"P33_STALE_THRESHOLD_SEC": "20"}
    run = shell("observe", "export", "--dest", "m", "--yes", environ=environ)
    assert run.code == 4
    assert f"{edited.name} is not as qtops wrote it" in run.err
    assert contents(place) == before


def test_export_follows_the_settings(shell):
    environ = {"QTOPS_METRICS_PORT_GOVERNOR": "18044", "QTOPS_METRICS_PORT_EXECUTOR": "0"}
    run = shell("observe", "export", "--dest", "m", "--dry-run", "--json", environ=environ)
    text = run.document["files"][0]["text"]
    assert "127.0.0.1:18044" in text
    assert "executor" not in text


def test_check_without_anything_there_says_so_and_shows_no_token(shell):
    environ = {
        "QTOPS_GRAFANA_TOKEN": "glsa_hunter2hunter2",
        "QTOPS_NODE_EXPORTER_URL": CLOSED,
        "QTOPS_REDIS_EXPORTER_URL": CLOSED,
    }
    argv = ("--grafana", CLOSED, "--only", "grafana,node_exporter,redis_exporter")
    run = shell("observe", "check", *argv, environ=environ)
    assert run.code == 2
    assert "systemctl status grafana-server" in run.out
    assert "hunter2" not in run.out + run.err


def test_check_refuses_what_is_no_url_and_no_check(shell):
    assert shell("observe", "check", "--prometheus", "ftp://x").code == 1
    assert shell("observe", "check", "--only", "nothing").code == 64
