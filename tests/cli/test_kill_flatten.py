"""`qtops kill on --flatten` against a real sandbox exchange and a real Redis."""

import hashlib
import hmac
import json
import socket
import subprocess
import sys
import time
import urllib.request
from urllib.parse import urlencode

import pytest
import redis

from qtops.contracts.plan import flatten_order_id
from qtops.sandbox.redis_server import EmbeddedRedis

KEYS = {"QTOPS_SANDBOX_API_KEY": "key", "QTOPS_SANDBOX_API_SECRET": "secret"}
PATIENCE_S = 30


@pytest.fixture(scope="module")
def server():
    with EmbeddedRedis() as running:
        yield running


@pytest.fixture
def db(server):
    with redis.Redis(port=server.port) as client:
        client.flushall()
        client.mset({"quantum:kill": "0", "quantum:kill:epoch": "1", "quantum:mode": "TESTNET"})
        yield client


class Exchange:
    """A sandbox exchange in its own process: two longs, one short."""

    def __init__(self, url):
        self.url = url

    def control(self, method, path, body=None):
        return self._call(method, f"/sandbox/v1/{path}", json.dumps(body or {}).encode(), {})

    def signed(self, method, path, **params):
        params |= {"timestamp": int(time.time() * 1000)}
        text = urlencode(params)
        signature = hmac.new(b"secret", text.encode(), hashlib.sha256).hexdigest()
        query = f"{path}?{text}&signature={signature}"
        return self._call(method, query, None, {"X-MBX-APIKEY": "key"})

    def _call(self, method, path, body, headers):
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return json.loads(answer.read())

    def held(self):
        rows = self.control("GET", "state")["positions"]
        return {row["symbol"]: row["amount"] for row in rows if float(row["amount"])}

    def orders(self):
        return self.control("GET", "orders")["orders"]

    def fault(self, kind, count, **more):
        body = {"path": "/fapi/v1/order", "method": "POST", "kind": kind, "count": count} | more
        self.control("POST", "faults", body)


@pytest.fixture
def exchange(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    argv = [sys.executable, "-P", "-m", "qtops", "--json", "sandbox", "exchange"]
    argv += ["--port", str(port), "--journal", str(tmp_path)]
    environ = KEYS | {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env=environ, text=True) as process:
        try:
            found = json.loads(process.stdout.readline())
            running = Exchange(found["exchange_url"])
            running.control("POST", "positions", {"symbol": "BTCUSDT", "amount": "-0.05"})
            yield running
        finally:
            process.terminate()


@pytest.fixture
def flatten(shell, server, db, exchange):
    def run(*argv, environ=None, **rest):
        own = {
            "QTOPS_REDIS_URL": server.url,
            "QTOPS_EXCHANGE_URL": exchange.url,
            "BINANCE_TESTNET_API_KEY": "key",
            "BINANCE_TESTNET_API_SECRET": "secret",
        }
        return shell("kill", "on", "--flatten", *argv, environ=own | (environ or {}), **rest)

    return run


def test_every_order_is_cancelled_and_every_position_closed(db, exchange, flatten):
    limit = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    resting = exchange.signed("POST", "/fapi/v1/order", **limit, quantity="0.01", price="40000.0")
    before = exchange.held()
    assert len(before) == 3
    document = flatten("--yes", "--by", "ops", "--json").document
    assert (document["status"], document["exit_code"]) == ("flat", 0)
    assert exchange.held() == {}
    assert document["cancelled"] == [str(resting["orderId"])]
    rows = {row["symbol"]: row for row in document["symbols"]}
    assert {symbol: float(row["before"]) for symbol, row in rows.items()} == {
        symbol: float(amount) for symbol, amount in before.items()
    }
    assert {row["after"] for row in rows.values()} == {"0"}
    ours = [order for order in exchange.orders() if order["type"] == "MARKET"]
    assert all(order["reduceOnly"] for order in ours)
    assert {order["clientOrderId"] for order in ours} == {
        flatten_order_id("quantum", "2", symbol, 1) for symbol in before
    }
    assert document["time_to_last_order_ms"] == 0
    assert document["time_to_flat_ms"] > 0
    assert db.get("quantum:kill") == b"1"


def test_the_stop_is_set_before_the_question_and_stays_whatever_the_answer(db, exchange, flatten):
    before = exchange.held()
    for answer in ({}, {"tty": True, "stdin": "n\n"}):
        run = flatten(**answer)
        assert (run.code, run.out) == (4, "")
        assert "HALTED is set, epoch 2; positions are as they were" in run.err
        assert db.get("quantum:kill") == b"1"
    assert exchange.held() == before
    assert flatten(tty=True, stdin="y\n").code == 0
    assert exchange.held() == {}


def test_real_money_is_confirmed_by_typing_even_with_yes(db, flatten):
    run = flatten("--yes", environ={"QTOPS_EXCHANGE_URL": "https://fapi.binance.com"})
    assert run.code == 4
    assert "HALTED is set" in run.err
    assert db.get("quantum:kill") == b"1"


def test_a_second_run_keeps_the_epoch_and_finds_the_orders_of_the_first(db, exchange, flatten):
    first = flatten("--yes", "--json").document
    exchange.control("POST", "positions", {"symbol": "BTCUSDT", "amount": "0.02"})
    second = flatten("--yes", "--json").document
    assert (first["was_halted"], second["was_halted"]) == (False, True)
    assert first["epoch"] == second["epoch"] == "2"
    [row] = [row for row in second["symbols"] if row["symbol"] == "BTCUSDT"]
    numbers = [flatten_order_id("quantum", "2", "BTCUSDT", number) for number in (1, 2)]
    assert [order["client_order_id"] for order in row["orders"]] == numbers
    assert exchange.held() == {}


FAULTS = [
    ("unknown_503_executed", {}),
    ("unknown_503_not_executed", {}),
    ("disconnect_after_execute", {}),
    ("rate_limit_429", {"value": 1}),
    ("partial_fill", {"value": "0.5"}),
]


@pytest.mark.parametrize(("kind", "more"), FAULTS)
def test_faults_of_the_exchange_end_flat_and_nothing_is_sent_twice(exchange, flatten, kind, more):
    before = exchange.held()
    exchange.fault(kind, 2, **more)
    document = flatten("--yes", "--json").document
    assert document["status"] == "flat"
    assert exchange.held() == {}
    for symbol, amount in before.items():
        filled = [float(o["executedQty"]) for o in exchange.orders() if o["symbol"] == symbol]
        assert sum(filled) == pytest.approx(abs(float(amount)))


def test_what_stays_open_is_not_flat(exchange, flatten):
    exchange.fault("error", 1_000, value=-2019)
    run = flatten("--yes", "--timeout", "1s")
    assert run.code == 3
    assert run.out.startswith("✗ not flat   3 of 3 positions are left")
    assert "the account is not proven flat" in run.out
    assert "-2019" in run.out
    assert len(exchange.held()) == 3


def test_an_exchange_that_does_not_answer_is_unknown_and_no_proof(db, flatten, unused_tcp_port):
    gone = {"QTOPS_EXCHANGE_URL": f"http://127.0.0.1:{unused_tcp_port}"}
    run = flatten("--yes", "--timeout", "1s", environ=gone)
    assert run.code == 1
    assert run.out.startswith("? unknown   the exchange did not say at the end")
    assert db.get("quantum:kill") == b"1"


def test_an_order_that_may_still_land_is_waited_for(db, exchange, flatten):
    later = int(time.time() * 1000) + 600_000
    claim = {"state": "sending", "client_order_id": "qt-a", "attempt": "1"}
    db.hset("quantum:exec:claim:p1", mapping=claim | {"send_deadline_ms": later})
    run = flatten("--yes", "--timeout", "2s")
    assert run.code == 3
    assert "order qt-a of plan p1 may still land" in run.out
    assert exchange.held() == {}
    db.hset("quantum:exec:claim:p1", "state", "done")
    assert flatten("--yes").code == 0


def test_dry_run_names_the_orders_and_changes_nothing(db, exchange, flatten):
    before = {key: db.dump(key) for key in db.scan_iter("*")}
    run = flatten("--dry-run", "--by", "ops")
    assert run.code == 0
    assert "  quantum:kill: 0 → 1\n" in run.out
    assert "  exchange: BUY 0.05 BTCUSDT MARKET reduce-only\n" in run.out
    assert {key: db.dump(key) for key in db.scan_iter("*")} == before
    assert exchange.orders() == []


def test_the_ledger_gets_an_entry(shell, flatten):
    root = shell.home / "book"
    root.mkdir()
    ledger = {"QTOPS_LEDGER_ROOT": str(root), "QTOPS_LEDGER_POLICY": "SERVICE_RESTART"}
    document = flatten("--yes", "--ledger", "--json", environ=ledger).document
    [line] = (root / "ledger/log.jsonl").read_text().splitlines()
    entry = json.loads(line)
    assert entry["operation_id"] == document["ledger"]["operation_id"]
    assert any("nobody but the requester" in text for text in entry["validation_warnings"])
    assert entry["operation_name"] == "kill on --flatten"
    assert entry["outcome"] == "SUCCESS"


@pytest.mark.parametrize("option", [["--yes"], ["--ledger"], ["--timeout", "5s"]])
def test_options_of_the_closing_alone_are_64_and_set_nothing(db, shell, server, option):
    run = shell("kill", "on", *option, environ={"QTOPS_REDIS_URL": server.url})
    assert run.code == 64
    assert db.get("quantum:kill") == b"0"
