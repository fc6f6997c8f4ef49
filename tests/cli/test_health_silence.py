"""A dead producer sends no errors: silence and a missing beat are alarms."""

import pytest


@pytest.fixture
def health(shell, server, db):
    def run(only, **settings):
        own = {"QTOPS_REDIS_URL": server.url, **settings}
        return shell("health", "--only", only, "--json", environ=own)

    return run


def finding(run):
    [check] = run.document["checks"]
    return check["status"], [f["what"] for f in check["findings"]]


def test_a_stream_that_speaks_is_fine_and_one_that_never_did_is_not(health, db):
    db.xadd("quantum:stream:trade.intent", {"payload": "{}"})
    run = health("silence", QTOPS_HEALTH_SILENCE="trade.intent=600")
    assert run.code == 0
    run = health("silence", QTOPS_HEALTH_SILENCE="trade.intent=600,apply.plan=60")
    assert (run.code, finding(run)) == (2, ("fail", ["apply.plan never had an entry"]))


def test_silence_beyond_the_limit_is_an_alarm_that_names_the_producers(health, db):
    seconds, _ = db.time()
    db.xadd("quantum:stream:trade.intent", {"payload": "{}"}, id=f"{(seconds - 700) * 1000}-0")
    run = health("silence", QTOPS_HEALTH_SILENCE="trade.intent=600")
    status, [what] = finding(run)
    assert status == "fail"
    assert what.startswith("trade.intent is silent for ")
    assert what.endswith("(limit 10 min)")
    [check] = run.document["checks"]
    assert "bots" in check["findings"][0]["fix"]
    assert check["figures"][0]["labels"] == {"stream": "trade.intent"}


def test_where_nothing_is_expected_to_speak_nothing_was_seen(health):
    run = health("silence")
    assert run.document["status"] == "unknown"
    [check] = run.document["checks"]
    assert not check["counts"]


def test_a_service_that_the_operator_expects_must_beat(health, db):
    run = health("heartbeats", QTOPS_EXPECTED_SERVICES="intent-bridge,reconcile")
    said = finding(run)[1]
    assert {"intent-bridge has no heartbeat", "reconcile has no heartbeat"} <= set(said)
    db.set("quantum:heartbeat:reconcile", "x", ex=15)
    run = health("heartbeats", QTOPS_EXPECTED_SERVICES="intent-bridge,reconcile")
    assert "reconcile has no heartbeat" not in finding(run)[1]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("QTOPS_HEALTH_SILENCE", "trade.intent", "STREAM=SECONDS"),
        ("QTOPS_HEALTH_SILENCE", "nobody=60", "nobody=60"),
        ("QTOPS_HEALTH_SILENCE", "trade.intent=0", "trade.intent=0"),
        ("QTOPS_EXPECTED_SERVICES", "nobody", "nobody"),
    ],
)
def test_what_cannot_be_expected_is_refused(health, name, text, words):
    run = health("silence,heartbeats", **{name: text})
    assert run.code == 1
    assert words in run.document["error"]["message"]
