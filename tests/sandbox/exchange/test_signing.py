"""Who may call, and in which order that is found out."""

import pytest

from qtops.sandbox.exchange.core.errors import BinanceError
from qtops.sandbox.exchange.core.params import Params, merge
from qtops.sandbox.exchange.rest.auth import Authenticator, signature_of
from tests.sandbox.exchange.conftest import HEADERS, KEY, SECRET, now_ms, signed_query

DOCS_SECRET = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
FIRST = "symbol=BTCUSDT&side=BUY&type=LIMIT"
VECTORS = [
    (
        f"{FIRST}&quantity=1&price=9000&timeInForce=GTC&recvWindow=5000&timestamp=1591702613943",
        "",
        "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9",
    ),
    (
        "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC",
        "quantity=1&price=9000&recvWindow=5000&timestamp=1591702613943",
        "30baaf0fab549bbeda7f5ef201898b34122da25fd23c646cac2c529aebe670a4",
    ),
]


@pytest.mark.parametrize(("query", "body", "expected"), VECTORS)
def test_the_documented_vectors(query, body, expected):
    assert signature_of(DOCS_SECRET, query, body) == expected


@pytest.mark.parametrize(("query", "body", "expected"), VECTORS)
def test_the_signature_itself_is_not_signed_wherever_it_stands(query, body, expected):
    assert signature_of(DOCS_SECRET, query, f"{body}&signature=x".lstrip("&")) == expected
    assert signature_of(DOCS_SECRET, f"{query}&signature=x", body) == expected


@pytest.mark.parametrize(("query", "body", "expected"), VECTORS)
def test_the_documented_requests_are_let_in(query, body, expected):
    auth = Authenticator(KEY, DOCS_SECRET)
    params = Params(merge(query, f"{body}&signature={expected.upper()}".lstrip("&")))
    auth.check_signature(query, f"{body}&signature={expected}", params, 1591702613943)


def test_where_a_name_is_in_both_the_query_wins():
    assert merge("a=1", "a=2&b=3") == {"a": "1", "b": "3"}


def test_a_name_twice_in_one_part_is_refused():
    with pytest.raises(BinanceError) as caught:
        merge("a=1&a=2", "")
    assert caught.value.code == -1101


WINDOWS = [
    (0, None, None),
    (-5000, None, None),
    (-5001, None, -1021),
    (999, None, None),
    (1000, None, -1021),
    (-60_000, 60_000, None),
    (-11, 10, -1021),
    (0, 60_001, -1130),
    (0, "1e3", -1100),
]


@pytest.mark.parametrize(("offset", "window", "code"), WINDOWS)
def test_the_time_window(offset, window, code):
    auth, now = Authenticator(KEY, SECRET), 1_700_000_000_000
    query = f"timestamp={now + offset}" + ("" if window is None else f"&recvWindow={window}")
    params = Params({**merge(query, ""), "signature": signature_of(SECRET, query, "")})
    if code is None:
        auth.check_signature(query, "", params, now)
    else:
        with pytest.raises(BinanceError) as caught:
            auth.check_signature(query, "", params, now)
        assert caught.value.code == code
        if code == -1021:
            ahead = "ahead of the server" in caught.value.message
            assert ahead == (offset > 0)


PATH = "/fapi/v2/balance"


@pytest.mark.parametrize(
    ("headers", "query", "status", "code"),
    [
        ({}, "", 401, -2014),
        ({"X-MBX-APIKEY": "b@d key"}, "", 401, -2014),
        ({"X-MBX-APIKEY": "k" * 63}, "", 401, -2015),
        (HEADERS, "", 400, -1102),
        (HEADERS, "timestamp=12x&signature=0", 400, -1100),
        (HEADERS, "timestamp=1", 400, -1102),
        (HEADERS, "timestamp=1&signature=00", 400, -1022),
        (HEADERS, signed_query({}, secret="wrong"), 400, -1022),
        (HEADERS, signed_query({}, timestamp=1), 400, -1021),
    ],
    ids=[
        *("no key", "malformed key", "unknown key", "nothing", "bad time", "unsigned"),
        *("wrong signature", "wrong secret", "late"),
    ],
)
async def test_refusals_at_the_door(api, headers, query, status, code):
    response = await api.http.get(f"{PATH}?{query}", headers=headers)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert set(response.json()) == {"code", "msg"}


async def test_parameters_may_come_in_the_body_or_in_both(api):
    path = "/fapi/v1/order/test"
    query = "symbol=ETHUSDT&side=BUY&type=MARKET"
    body = f"quantity=1&timestamp={now_ms()}"
    for where, rest in ((query, body), ("", f"{query}&{body}")):
        signature = signature_of(SECRET, where, rest)
        response = await api.http.post(
            f"{path}?{where}",
            content=f"{rest}&signature={signature}",
            headers={**HEADERS, "Content-Type": "application/x-www-form-urlencoded"},
        )
        assert response.status_code == 200, response.text


async def test_percent_encoded_bytes_are_signed_as_sent(api):
    query = f"symbol=ETHUSDT&origClientOrderId=a%3Ab&timestamp={now_ms()}"
    signature = signature_of(SECRET, query, "")
    response = await api.http.get(f"/fapi/v1/order?{query}&signature={signature}", headers=HEADERS)
    assert response.json()["code"] == -2013


async def test_secrets_are_not_shown(venue, start):
    for shown in (repr(start), repr(venue.auth)):
        assert KEY not in shown
        assert SECRET not in shown
