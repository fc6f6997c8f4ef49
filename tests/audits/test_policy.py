"""The ban of conditional orders: code roots, the shield, the exchange's orders, our own type."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

import qtops
from qtops.audits import policy_rules
from qtops.audits.checks import run_checks
from qtops.audits.policy import PolicyAudit
from qtops.audits.policy_rules import judge_executor, judge_orders
from qtops.contracts.check import Verdict
from qtops.contracts.venue import OrderRequest, VenueOrder
from qtops.contracts.vocabulary import Side
from qtops.errors import ConfigError

ORDER = VenueOrder(
    "1", "x-1", "BTCUSDT", Side.SELL, "FILLED", "MARKET", True, Decimal(1), Decimal(1), None, 0
)
STOP = replace(ORDER, order_id="2", order_type="STOP_MARKET", status="NEW")
LIMIT = replace(ORDER, order_id="3", order_type="LIMIT")

# As the original has it: the guard looks at one value, the call sends another.
GATEWAY = """
async def submit_exit_order(client, order_type, order_params):
    BLOCKED_CONDITIONAL_TYPES = [
        'STOP', 'STOP_MARKET', 'STOP_LOSS', 'STOP_LOSS_LIMIT',
        'TAKE_PROFIT', 'TAKE_PROFIT_MARKET', 'TAKE_PROFIT_LIMIT',
        'TRAILING_STOP_MARKET'
    ]
    if order_type in BLOCKED_CONDITIONAL_TYPES:
        raise ValueError("Conditional orders not allowed")
    return await client.futures_create_order(**order_params)
"""
GUARDED = GATEWAY.replace("**order_params", "type=order_type")
SHIELD = 'import os\non = os.getenv("EXECUTION_TPSL_SHIELD_ENABLED", "{}").lower()\n'


class Clock:
    def now_ms(self):
        return 0

    def monotonic_ms(self):
        return 0.0


async def no_orders():
    raise ConfigError("no exchange key is configured")


@pytest.fixture
def place(tmp_path):
    """`place(name=text)` makes files; `code/` and `etc/` are where the audit looks."""
    for name in ("code", "etc"):
        (tmp_path / name).mkdir()

    def make(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return make


async def results(tmp_path, check, roots=("code",), orders=no_orders):
    audit = PolicyAudit([tmp_path / root for root in roots], tmp_path / "etc", orders, 50)
    report = await run_checks(audit.checks(), Clock())
    return [
        (one.verdict.value, one.severity.value, one.subject.removeprefix(f"{tmp_path}/"), one.title)
        for one in report.results
        if one.check == check
    ]


@pytest.mark.parametrize(
    ("text", "verdict", "severity", "title"),
    [
        (GUARDED, "pass", "P0", "a guard refuses every conditional type before the send"),
        (GATEWAY, "warn", "P1", "the guard looks at another value than the one that is sent"),
        (
            GUARDED.replace("        raise", "        return; raise").replace("    if", "    #if"),
            "fail",
            "P1",
            "does not parse: line 9: unexpected indent",
        ),
        (
            GUARDED.replace("raise ValueError", "print"),
            "fail",
            "P0",
            "nothing refuses a conditional type before the send",
        ),
        (
            "<<<<<<< Updated upstream\nx = 1\n=======\nx = 2\n>>>>>>> Stashed\n",
            "fail",
            "P0",
            "does not parse: merge conflict markers at line 1",
        ),
    ],
)
async def test_the_guard_of_one_file(tmp_path, place, text, verdict, severity, title):
    place("code/gw.py", text)
    [(found, p, subject, said)] = await results(tmp_path, "policy.guard")
    assert (found, p, said) == (verdict, severity, title)
    assert subject.startswith("code/gw.py")


async def test_a_guard_function_of_another_file_counts(tmp_path, place):
    place("code/guard.py", 'def ensure(t):\n    if t != "MARKET":\n        raise ValueError\n')
    place("code/gw.py", "def f(c, t):\n    ensure(t)\n    c.futures_create_order(type=t)\n")
    [(found, *_)] = await results(tmp_path, "policy.guard")
    assert found == "pass"


async def test_tests_and_environments_are_no_running_code(tmp_path, place):
    bad = "client.futures_create_order(type='STOP')\n"
    for name in ("tests/a.py", ".venv/lib/a.py", "test_a.py"):
        place(f"code/{name}", bad)
    place("code/main.py", "print()\n")
    [(found, *_, title)] = await results(tmp_path, "policy.guard")
    assert (found, title) == ("unknown", "no call that sends an order is known in 1 files")


@pytest.mark.parametrize("roots", [(), ("nowhere",)])
async def test_no_code_proves_nothing(tmp_path, place, roots):
    [(found, severity, *_)] = await results(tmp_path, "policy.guard", roots)
    assert (found, severity) == ("unknown", "P0")


@pytest.mark.parametrize(
    ("default", "line", "expected"),
    [
        ("false", "A=1", ["pass", "pass"]),
        ("false", "EXECUTION_TPSL_SHIELD_ENABLED=false", ["pass", "pass"]),
        ("false", "EXECUTION_TPSL_SHIELD_ENABLED=Yes", ["pass", "fail"]),
        ("true", "EXECUTION_TPSL_SHIELD_ENABLED=false", ["fail", "pass"]),
        ("false", "# EXECUTION_TPSL_SHIELD_ENABLED=true", ["pass", "pass"]),
    ],
)
async def test_the_shield_in_code_and_environment(tmp_path, place, default, line, expected):
    place("code/execution.py", SHIELD.format(default))
    place("etc/executor.env", f"{line}\n")
    assert [found for found, *_ in await results(tmp_path, "policy.shield")] == expected


async def test_a_shield_that_cannot_be_looked_at_is_unknown(tmp_path):
    (tmp_path / "code").mkdir()
    [(found, *_)] = await results(tmp_path, "policy.shield")
    assert found == "unknown"


@pytest.mark.parametrize(
    ("orders", "verdict", "severity"),
    [
        ([], "unknown", "P2"),
        ([ORDER, ORDER], "pass", "P0"),
        ([ORDER, LIMIT], "fail", "P1"),
        ([STOP, ORDER, LIMIT], "fail", "P0"),
    ],
)
def test_the_last_orders(orders, verdict, severity):
    [result] = judge_orders({"BTCUSDT": orders}, 50)
    assert (result.verdict.value, result.severity.value) == (verdict, severity)


def test_only_the_last_orders_count():
    [result] = judge_orders({"BTCUSDT": [STOP, ORDER, ORDER]}, 2)
    assert result.verdict is Verdict.PASS
    assert result.title == "the last 2 orders are MARKET"


async def test_without_a_key_the_orders_are_unknown(tmp_path, place):
    [(found, severity, _, title)] = await results(tmp_path, "policy.orders")
    assert (found, severity) == ("unknown", "P0")
    assert "no exchange key" in title


def test_our_own_order_is_market_by_type(monkeypatch):
    assert judge_executor().verdict is Verdict.PASS
    hints = {"order_type": str}
    monkeypatch.setattr(
        policy_rules, "get_type_hints", lambda kind: hints if kind is OrderRequest else {}
    )
    assert judge_executor().verdict is Verdict.FAIL


async def test_a_name_means_what_its_own_module_says(tmp_path, place):
    place("code/other.py", '_ORDER = "EVENT"\n')
    send = 'self.http.post(_ORDER, type="MARKET")'
    text = f'_ORDER = "/fapi/v1/order"\nclass C:\n    def go(self):\n        {send}\n'
    place("code/sender.py", text)
    place("etc/a.env", "A=1")
    [(found, _, subject, _)] = await results(tmp_path, "policy.guard", [tmp_path / "code"])
    assert (found, subject) == ("pass", "code/sender.py#go")


async def test_the_only_send_of_our_own_code_is_guarded(tmp_path, place):
    place("etc/a.env", "A=1")
    package = Path(qtops.__file__).parent / "adapters"
    [(found, _, subject, _)] = await results(tmp_path, "policy.guard", [package])
    assert (found, subject) == ("pass", f"{package}/binance/client.py#place_order")
