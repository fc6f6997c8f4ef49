"""The ban of conditional orders: what code, environment files and the exchange say. Pure."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, get_args, get_type_hints

from qtops.audits.env_files import EnvFile
from qtops.audits.order_code import CONDITIONAL, Send, Standing, called
from qtops.contracts.check import CheckResult, Severity, Verdict
from qtops.contracts.venue import OrderRequest, VenueOrder

SHIELD: Final = "EXECUTION_TPSL_SHIELD_ENABLED"
_ON: Final = frozenset({"true", "1", "yes", "on", "enabled"})
_MEANING: Final = "a conditional order rests at the exchange and fires past every gate and switch"
_SENDS: Final = {
    Standing.SAFE: (Verdict.PASS, "sends a fixed type that is not conditional"),
    Standing.GUARDED: (Verdict.PASS, "a guard refuses every conditional type before the send"),
    Standing.OTHER: (Verdict.WARN, "the guard looks at another value than the one that is sent"),
    Standing.OPEN: (Verdict.FAIL, "nothing refuses a conditional type before the send"),
    Standing.PARTIAL: (Verdict.FAIL, "the guard lets some conditional types through"),
    Standing.CONDITIONAL: (Verdict.FAIL, "sends a conditional order"),
}


def judge_sends(path: str, sends: Sequence[Send]) -> list[CheckResult]:
    """One result for each place of the file that orders leave from."""
    return [_send(path, send) for send in sends]


def _send(path: str, send: Send) -> CheckResult:
    verdict, title = _SENDS[send.standing]
    severity = Severity.P1 if send.standing is Standing.OTHER else Severity.P0
    passes = ", ".join(send.missed) if verdict is Verdict.FAIL else ""
    return CheckResult(
        "policy.guard",
        f"{path}#{send.function}",
        verdict,
        severity,
        title,
        expected="a guard on every way to the send",
        actual=f"lets through {passes}" if passes else send.standing.value,
        evidence=(f"line {send.line}: {send.method}",),
        meaning="" if verdict is Verdict.PASS else _MEANING,
    )


def unparsed(path: str, problem: SyntaxError | ValueError, text: str) -> CheckResult:
    """A file that is no Python proves nothing, and does not start either."""
    markers = [
        number
        for number, line in enumerate(text.splitlines(), start=1)
        if line.startswith(("<<<<<<<", ">>>>>>>"))
    ]
    where = f"line {getattr(problem, 'lineno', None) or '?'}: {getattr(problem, 'msg', problem)}"
    what = f"merge conflict markers at line {markers[0]}" if markers else where
    return CheckResult(
        "policy.guard",
        path,
        Verdict.FAIL,
        Severity.P0 if markers else Severity.P1,
        f"does not parse: {what}",
        evidence=(where,),
        meaning="a service that imports it does not start",
        fix=f"python3 -m py_compile {path}",
    )


def shield_defaults(tree: ast.Module) -> Iterator[str]:
    """What each `getenv(SHIELD, default)` falls back on; empty for none."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or called(node) not in {"getenv", "get"}:
            continue
        words = [a.value for a in node.args if isinstance(a, ast.Constant)]
        if words[:1] == [SHIELD]:
            yield str(words[1]) if len(words) > 1 else ""


def judge_shield_code(path: str, defaults: Sequence[str]) -> list[CheckResult]:
    """The shield places TP/SL orders of its own; without the variable it must stay off."""
    results = []
    for default in defaults:
        is_on = default.strip().lower() in _ON
        title = f"the TPSL shield is {'on' if is_on else 'off'} where {SHIELD} is not set"
        results.append(_shield(path, is_on=is_on, title=title))
    return results


def judge_shield_files(files: Sequence[EnvFile]) -> list[CheckResult]:
    """The variable as the units get it."""
    results = []
    for file in files:
        if file.text is None:
            title = f"not read: {file.unread}"
            unknown = CheckResult("policy.shield", file.path, Verdict.UNKNOWN, Severity.P1, title)
            results.append(unknown)
        elif SHIELD in file.values and file.is_live:
            is_on = file.values[SHIELD].strip().lower() in _ON
            title = f"{SHIELD} is {'on' if is_on else 'off'}"
            results.append(_shield(file.path, is_on=is_on, title=title))
    if not results and files:
        title = f"no environment file sets {SHIELD}"
        results.append(CheckResult("policy.shield", "-", Verdict.PASS, Severity.P0, title))
    return results


def _shield(subject: str, *, is_on: bool, title: str) -> CheckResult:
    verdict = Verdict.FAIL if is_on else Verdict.PASS
    fix = f"set {SHIELD}=false, then restart the unit" if is_on else ""
    meaning = _MEANING if is_on else ""
    return CheckResult(
        "policy.shield", subject, verdict, Severity.P0, title, meaning=meaning, fix=fix
    )


def judge_executor() -> CheckResult:
    """Our own executor has no other type to send: the field admits one word."""
    admitted = get_args(get_type_hints(OrderRequest)["order_type"])
    is_fine = admitted == ("MARKET",)
    return CheckResult(
        "policy.executor",
        "qtops",
        Verdict.PASS if is_fine else Verdict.FAIL,
        Severity.P0,
        "an order of qtops is MARKET by type"
        if is_fine
        else "an order of qtops may be of any type",
        expected="MARKET",
        actual=", ".join(map(str, admitted)) or "any text",
        evidence=("contracts.venue.OrderRequest.order_type; the exchange client checks it again",),
    )


def judge_orders(orders: Mapping[str, Sequence[VenueOrder]], wanted: int) -> list[CheckResult]:
    """The last `wanted` orders by symbol, as the exchange has them. None at all proves nothing."""
    return [_symbol(symbol, list(found)[-wanted:]) for symbol, found in orders.items()]


def _symbol(symbol: str, orders: Sequence[VenueOrder]) -> CheckResult:
    if not orders:
        title = "the exchange has no order of it"
        return CheckResult("policy.orders", symbol, Verdict.UNKNOWN, Severity.P2, title)
    others = [order for order in orders if order.order_type != "MARKET"]
    if not others:
        title = f"the last {len(orders)} orders are MARKET"
        return CheckResult("policy.orders", symbol, Verdict.PASS, Severity.P0, title)
    is_banned = any(order.order_type in CONDITIONAL for order in others)
    return CheckResult(
        "policy.orders",
        symbol,
        Verdict.FAIL,
        Severity.P0 if is_banned else Severity.P1,
        f"{len(others)} of the last {len(orders)} orders are not MARKET",
        expected="MARKET",
        actual=", ".join(sorted({order.order_type for order in others})),
        evidence=tuple(
            f"order {o.order_id} {o.order_type} {o.status} client id {o.client_order_id}"
            for o in others
        ),
        meaning=_MEANING if is_banned else "",
    )
