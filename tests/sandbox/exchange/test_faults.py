"""Every kind of fault over real HTTP, and what it leaves behind."""

import socket
import time
from contextlib import suppress

import httpx
import pytest

from tests.sandbox.exchange.conftest import running_exchange, scenario

PATH = "/fapi/v1/order"
ARM = {"path": PATH, "method": "POST"}


def sell(live):
    return live.market("ETHUSDT", "SELL", "1", reduceOnly="true", newClientOrderId="mine")


def placed(live):
    return live.control("GET", "orders").json()["orders"]


def arm(live, kind, **more):
    response = live.control("POST", "faults", **{**ARM, "kind": kind, **more})
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("what", ["timeout", "disconnect"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_no_answer(live, what, when):
    arm(live, f"{what}_{when}_execute", **({"value": 60_000} if what == "timeout" else {}))
    expected = (
        httpx.ReadTimeout if what == "timeout" else (httpx.RemoteProtocolError, httpx.ReadError)
    )
    live.http.timeout = httpx.Timeout(0.3)
    with pytest.raises(expected):
        sell(live)
    live.http.timeout = httpx.Timeout(10)
    assert len(placed(live)) == (when == "after")
    found = live.signed("GET", "/v1/order", symbol="ETHUSDT", origClientOrderId="mine").json()
    assert found.get("status", found.get("code")) == ("FILLED" if when == "after" else -2013)
    assert sell(live).json()["status"] == "FILLED"
    assert live.control("GET", "orders").json()["requests_received"] == 2


def test_a_timeout_ends_without_an_answer(live):
    arm(live, "timeout_before_execute", value=50)
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        sell(live)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("unknown_503_executed", None, (503, -1000, "Unknown error, please check", 1)),
        ("unknown_503_not_executed", None, (503, -1000, "Unknown error, please check", 0)),
        ("unavailable_503", None, (503, -1001, "Service Unavailable.", 0)),
        ("rate_limit_429", None, (429, -1003, "Too many requests", 0)),
        ("rate_limit_429", 7, (429, -1003, "Too many requests", 0)),
        ("ban_418", None, (418, -1003, "IP banned until", 0)),
        ("ban_418", 9, (418, -1003, "IP banned until", 0)),
        ("error", -2019, (400, -2019, "Margin is insufficient.", 0)),
        ("error", -1007, (408, -1007, "execution status unknown", 0)),
        ("error", -4321, (400, -4321, "", 0)),
    ],
)
def test_an_answer_that_says_no(live, kind, value, expected):
    status, code, text, count = expected
    arm(live, kind, value=value)
    response = sell(live)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert text in response.json()["msg"]
    assert len(placed(live)) == count
    wait = response.headers.get("Retry-After")
    assert wait == {"rate_limit_429": value and str(value), "ban_418": str(value or 120)}.get(kind)
    assert sell(live).status_code == 200


def test_latency_delays_and_changes_nothing(live):
    arm(live, "latency_ms", value=200)
    started = time.monotonic()
    assert sell(live).json()["status"] == "FILLED"
    assert time.monotonic() - started >= 0.19


@pytest.mark.parametrize(("value", "executed"), [(None, "0.500"), ("0.25", "0.250"), (0, "0.000")])
def test_a_partial_fill(live, value, executed):
    arm(live, "partial_fill", value=value)
    order = sell(live).json()
    assert (order["status"], order["executedQty"], order["origQty"]) == (
        "EXPIRED",
        executed,
        "1.000",
    )


def test_a_partial_fill_of_a_resting_order_completes_later(live):
    arm(live, "partial_fill")
    order = live.limit("BTCUSDT", "BUY", "0.1", "88500").json()
    assert (order["status"], order["executedQty"]) == ("PARTIALLY_FILLED", "0.050")
    live.control("POST", "prices", symbol="BTCUSDT", mark_price=88100)
    found = live.signed("GET", "/v1/order", symbol="BTCUSDT", orderId=order["orderId"]).json()
    assert (found["status"], found["avgPrice"]) == ("FILLED", "88250.000")


def test_faults_hit_the_requests_they_name_as_often_as_they_say(live):
    arm(live, "error", value=-1001, count=2)
    assert live.signed("GET", "/v1/order", symbol="ETHUSDT", orderId=1).json()["code"] == -2013
    assert [sell(live).json().get("code") for _ in range(3)] == [-1001, -1001, None]
    live.control("POST", "faults", path="/fapi/v1/*", kind="error", value=-1016)
    assert live.public("/v1/time").status_code == 503
    assert live.public("/v1/time").status_code == 200


def test_faults_can_be_listed_and_taken_back(live):
    arm(live, "disconnect_before_execute", count=5)
    (rule,) = live.control("GET", "faults").json()["faults"]
    assert rule == {**ARM, "kind": "disconnect_before_execute", "count": 5, "value": None}
    assert live.control("DELETE", "faults").json() == {"removed": 1}
    assert sell(live).status_code == 200


def test_a_held_client_does_not_delay_the_shutdown():
    with running_exchange(scenario()) as url, httpx.Client(base_url=url) as http:
        body = {**ARM, "method": "*", "kind": "timeout_before_execute", "value": 60_000}
        http.post("/sandbox/v1/faults", json={**body, "path": "/fapi/v1/time"})
        with pytest.raises(httpx.ReadTimeout):
            http.get("/fapi/v1/time", timeout=0.1)
        host, port = url.removeprefix("http://").split(":")
        http.post("/sandbox/v1/faults", json={**body, "path": "/fapi/v1/time"})
        held = socket.create_connection((host, int(port)))
        held.sendall(b"GET /fapi/v1/time HTTP/1.1\r\nHost: x\r\n\r\n")
        while http.get("/sandbox/v1/faults").json()["faults"]:
            pass
        started = time.monotonic()
    assert time.monotonic() - started < 2
    with held, suppress(ConnectionResetError):
        assert held.recv(100) == b""
