"""`qtops analytics`: shows what was counted, and says when nothing ever was."""

import pytest

from qtops.contracts.account_event import Fill
from qtops.contracts.analytics import Attribution, Execution, Histogram, Progress
from qtops.contracts.decision import DecisionRecord
from tests.strategies import D


@pytest.fixture
def analytics(shell, server):
    def run(*argv):
        return shell(
            "analytics", *argv, environ={"QTOPS_REDIS_URL": f"redis://127.0.0.1:{server.port}"}
        )

    return run


@pytest.fixture
def counted(db):
    seconds, _ = db.time()
    now_ms = seconds * 1000
    made = [
        DecisionRecord("p", "governor", True, "", "BTCUSDT", "BUY", "open", now_ms),
        DecisionRecord("q", "governor", False, "symbol_cooldown", "BTCUSDT", "BUY", "open", now_ms),
        DecisionRecord("r", "governor", True, "", "BTCUSDT", "BUY", "open", now_ms - 600_000),
    ]
    progress = Progress({"gate.decision": f"{now_ms}-0"}, Histogram().with_decisions(made, now_ms))
    db.set("quantum:analytics:state", progress.to_json())
    execution = Execution().plus({"exchange": 1_500, "total": 9_000}).slipped(D("2.5"))
    sums = Attribution().plus(Fill("1", D("0.002"), D(50_000), D("0.04"), "USDT", D("1.5")))
    sums = sums.plus(Fill("2", D("0.002"), D(50_000), D("0.01"), "BNB", D(0)))
    for symbol in ("BTCUSDT", "ETHUSDT"):
        db.hset(f"quantum:analytics:execution:{symbol}", mapping=execution.to_fields())
        db.hset(f"quantum:analytics:attribution:{symbol}:bot", mapping=sums.to_fields())


def test_what_never_ran_is_said_and_is_no_fault(analytics, db):
    run = analytics()
    assert (run.code, "never run" in run.out, "qtops run analytics" in run.out) == (0, True, True)
    document = analytics("--json").document
    assert (document["status"], document["decisions"]) == ("never_run", {"allow": 0, "deny": 0})


@pytest.mark.usefixtures("counted")
def test_the_window_and_the_symbol_are_those_asked_for(analytics):
    document = analytics("--window", "5m", "--symbol", "btcusdt", "--json").document
    assert document["schema"] == "qtops.analytics/v1"
    assert (document["decisions"]["allow"], document["decisions"]["deny"]) == (1, 1)
    assert document["reasons"] == {"symbol_cooldown": 1}
    [execution] = document["executions"]
    assert (execution["symbol"], execution["count"]) == ("BTCUSDT", 1)
    assert execution["slippage_bps_mean"] == "2.5"
    [sums] = document["attribution"]
    assert (sums["source"], sums["fills"], sums["turnover_usdt"]) == ("bot", "2", "200")
    assert analytics("--window", "1h", "--json").document["decisions"]["allow"] == 2


@pytest.mark.usefixtures("counted")
def test_the_text_says_the_same(analytics):
    out = analytics().out
    assert "last 15m: 2 allowed, 1 denied" in out
    assert "symbol_cooldown" in out
    assert "1.5/1.5 ms" in out
    assert "2 fills paid the fee in another asset" in out


@pytest.mark.parametrize("argv", [("--window", "2m"), ("--symbol", "?")])
def test_wrong_usage(analytics, argv):
    assert analytics(*argv).code == 64


def test_sums_that_cannot_be_read_are_an_error_with_a_way_out(analytics, db):
    db.set("quantum:analytics:state", "{")
    run = analytics()
    assert run.code == 1
    assert "quantum:analytics:state cannot be read" in run.err
