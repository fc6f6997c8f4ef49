"""A guard counts when it refuses what is sent, on every way to the call; and only then."""

import ast
from textwrap import dedent

import pytest

from qtops.audits.order_code import sends_in

BLOCKED = '["STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"]'
SEND = "client.futures_create_order(symbol=s, type=kind)"


def standings(code: str) -> list[str]:
    return [send.standing.value for send in sends_in(ast.parse(dedent(code)))]


@pytest.mark.parametrize(
    ("standing", "body"),
    [
        ("open", f"{SEND}"),
        ("guarded", f"if kind in {BLOCKED}: raise ValueError\n{SEND}"),
        ("guarded", f"if kind.upper() in {BLOCKED}: return None\n{SEND}"),
        ("guarded", f"BAN = {BLOCKED}\nif kind in BAN: raise ValueError\nreturn {SEND}"),
        ("guarded", f"if kind not in ('MARKET', 'LIMIT'): raise ValueError\n{SEND}"),
        ("guarded", f"if kind != 'MARKET': raise ValueError\n{SEND}"),
        ("guarded", f"if not kind == 'MARKET': raise ValueError\n{SEND}"),
        ("guarded", f"if kind == 'MARKET': {SEND}"),
        ("guarded", f"if kind == 'MARKET' and s: {SEND}"),
        ("guarded", f"if kind in {BLOCKED} or not s: raise ValueError\n{SEND}"),
        ("guarded", f"assert kind == 'MARKET'\n{SEND}"),
        ("guarded", f"if kind in {BLOCKED}: raise ValueError\ntry:\n  {SEND}\nfinally:\n  s = 1"),
        # what does not dominate
        ("open", f"# if kind in {BLOCKED}: raise ValueError\n{SEND}"),
        ("open", f"if kind in {BLOCKED}: log(kind)\n{SEND}"),
        ("open", f"if s:\n  if kind in {BLOCKED}: raise ValueError\n{SEND}"),
        ("open", f"{SEND}\nif kind in {BLOCKED}: raise ValueError"),
        ("open", f"if kind in {BLOCKED} and s: raise ValueError\n{SEND}"),
        ("open", f"if kind == 'MARKET' or s: {SEND}"),
        ("open", f"def guard():\n  if kind in {BLOCKED}: raise ValueError\n{SEND}"),
        (
            "open",
            f"try:\n  if kind in {BLOCKED}: raise ValueError\nexcept ValueError: pass\n{SEND}",
        ),
        ("partial", f"if kind == 'STOP': {SEND}"),
        ("other", f"if kind in {BLOCKED}: raise ValueError\nkind = s\n{SEND}"),
        ("other", f"if kind in {BLOCKED}: raise ValueError\nfor kind in p:\n  {SEND}"),
        ("guarded", f"kind = s.upper()\nif kind in {BLOCKED}: raise ValueError\n{SEND}"),
        ("guarded", f"kind = s.upper()\nif kind == 'MARKET': {SEND}"),
        # another value, or not every type
        ("other", f"if s in {BLOCKED}: raise ValueError\n{SEND}"),
        ("partial", f"if kind in ['STOP', 'STOP_MARKET']: raise ValueError\n{SEND}"),
        # fixed types
        ("safe", "client.futures_create_order(symbol=s, type='MARKET')"),
        ("conditional", "client.futures_create_order(symbol=s, type='STOP_MARKET')"),
        ("conditional", "client.futures_create_algo_order(symbol=s)"),
        ("safe", "exchange.create_order(s, 'market', 'buy', 1)"),
        ("conditional", "exchange.create_order(s, 'stop_market', 'buy', 1)"),
        # parameters handed over whole
        ("safe", "p = {'type': 'MARKET'}\nclient.futures_create_order(**p)"),
        ("conditional", "p = dict(type='STOP')\nclient.futures_create_order(**p)"),
        ("conditional", "p = {}\np['type'] = 'STOP'\nclient.futures_create_order(**p)"),
        ("guarded", f"p = {{'type': kind}}\nif kind in {BLOCKED}: raise E\nclient.new_order(**p)"),
        ("guarded", f"if p['type'] in {BLOCKED}: raise E\nclient.futures_create_order(**p)"),
        ("other", f"if kind in {BLOCKED}: raise E\nclient.futures_create_order(**p)"),
        # plain HTTP
        ("open", "session.post('/fapi/v1/order', data=p)"),
        ("safe", "p = {'type': 'MARKET'}\nself.request('POST', '/fapi/v1/order', p)"),
        ("conditional", "self.request('POST', '/fapi/v1/algoOrder', p)"),
    ],
)
def test_one_send(standing, body):
    indented = "\n".join(f"    {line}" for line in body.split("\n"))
    assert standings(f"async def place(client, s, kind, p):\n{indented}\n") == [standing]


def test_a_guard_function_counts_when_it_is_called():
    guard = f"""
    def ensure_market(order_type):
        if order_type in {BLOCKED}:
            raise ValueError
    """
    assert standings(
        guard
        + f"""
    def place(client, s, kind):
        ensure_market(kind)
        {SEND}
    """
    ) == ["guarded"]
    assert standings(
        guard
        + f"""
    def place(client, s, kind):
        {SEND}
    """
    ) == ["open"]


def test_a_guard_function_that_only_returns_stops_nothing():
    assert standings(f"""
    def ensure_market(order_type):
        if order_type in {BLOCKED}:
            return False
    def place(client, s, kind):
        ensure_market(kind)
        {SEND}
    """) == ["open"]


@pytest.mark.parametrize(
    "code",
    [
        "session.get('/fapi/v1/order', params=p)",
        "client.futures_cancel_order(symbol=s)",
        "class Gateway:\n def place_order(self, t): pass\nGateway().place_order('STOP')",
    ],
)
def test_what_is_no_send(code):
    assert standings(code) == []


def test_a_wrapper_that_is_named_like_the_call_it_wraps_hides_nothing():
    assert standings("""
    class Gateway:
        def create_order(self, s, kind):
            return self.exchange.create_order(s, kind, "buy", 1)
    """) == ["open"]


def test_an_endpoint_may_have_a_name():
    assert standings("""
    PATH = "/fapi/v1/order"
    def refuse(order):
        if order.order_type != "MARKET":
            raise ValueError
    def place(self, order):
        refuse(order)
        return Request("POST", PATH, {"type": order.order_type, **self.fence()})
    def find(self, order):
        return Request("GET", PATH, {"type": order.order_type})
    """) == ["guarded"]


def test_a_list_defined_twice_counts_for_what_both_hold():
    assert standings(f"""
    BAN = {BLOCKED}
    BAN = ["STOP"]
    def place(client, s, kind):
        if kind in BAN: raise ValueError
        {SEND}
    """) == ["partial"]
