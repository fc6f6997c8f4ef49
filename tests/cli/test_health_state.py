"""`qtops health --state`: a pass speaks when the verdict changed, and its exit code always does."""

import pytest

from qtops.contracts.alerting import decode_watch


@pytest.fixture
def health(shell, server, db, tmp_path):
    """The kill switch alone, with a state file."""

    def run(*argv, **rest):
        own = {"QTOPS_REDIS_URL": server.url}
        state = str(tmp_path / "health.json")
        return shell("health", "--only", "kill", "--state", state, *argv, environ=own, **rest)

    return run


def quiet(run):
    """The exit code of a pass that said nothing."""
    assert run.out == ""
    return run.code


def test_only_a_change_is_said_and_the_exit_code_always_tells(health, db):
    db.set("quantum:kill", "0")
    assert quiet(health()) == 0
    db.delete("quantum:kill")
    run = health("--format", "nagios")
    assert run.code == 2
    assert "CRITICAL - kill switch is not set, which is HALTED (was OK for" in run.out
    assert quiet(health("--format", "nagios")) == 2
    assert health().code == 2
    db.set("quantum:kill", "0")
    assert quiet(health()) == 0
    run = health()
    assert run.code == 0
    assert "was CRITICAL for" in run.out


def test_json_always_answers_and_says_what_is_news(health, db, tmp_path):
    db.delete("quantum:kill")
    alert = health("--json").document["alert"]
    assert (alert["kind"], alert["before"], alert["now"]) == ("changed", "ok", "fail")
    assert health("--json").document["alert"] is None
    assert decode_watch((tmp_path / "health.json").read_text()).said.value == "fail"


def test_prometheus_text_is_whole_every_time(health, db):
    db.set("quantum:kill", "0")
    assert health("--format", "prom").out == health("--format", "prom").out != ""


def test_a_state_that_cannot_be_read_is_said_and_replaced(health, db, tmp_path):
    db.set("quantum:kill", "0")
    (tmp_path / "health.json").write_text("garbage")
    run = health()
    assert run.code == 2
    assert "cannot be read" in run.out
    assert quiet(health()) == 0


def test_a_state_that_cannot_be_written_is_said_every_time(shell, server, db, tmp_path):
    db.set("quantum:kill", "0")
    (tmp_path / "file").touch()
    state = str(tmp_path / "file" / "health.json")
    for _ in range(2):
        run = shell(
            "health", "--only", "kill", "--state", state, environ={"QTOPS_REDIS_URL": server.url}
        )
        assert run.code == 2
        assert "was not written" in run.out


def test_the_ping_url_may_come_from_a_file_that_ps_does_not_show(shell, server, db):
    db.set("quantum:kill", "0")
    own = {"QTOPS_REDIS_URL": server.url, "QTOPS_HEALTH_PING_URL": "http://127.0.0.1:1/secret"}
    run = shell("health", "--only", "kill", environ=own)
    assert run.code == 0
    assert "ping to 127.0.0.1/***" in run.err
    assert "secret" not in run.out + run.err
