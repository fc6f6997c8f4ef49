"""Whether Python code can send a conditional order, by its syntax tree and not by its lines.

A send is a call of an exchange client's order method or a POST to an order endpoint. It is guarded
when a statement that *dominates* it, in its own block or one around it, refuses every conditional
type of the very value that is sent. A guard in a comment, in a function that nobody calls, under a
condition of its own, or on another variable does not count.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from qtops.audits.order_guard import Guards, names_in, steps

CONDITIONAL: Final = frozenset(
    {"STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"}
)
# Methods of python-binance, Binance's connectors and ccxt, which nobody else calls so.
CLIENT_METHODS: Final = frozenset(
    {"futures_create_order", "futures_create_algo_order", "futures_place_batch_order"}
)
# Names that wrappers like too: where the code itself defines the name, a call is a send only on
# what is named like an exchange's client.
COMMON_METHODS: Final = frozenset(
    {"create_order", "new_order", "place_order", "createOrder", "new_algo_order", "submit_order"}
)
_CLIENT: Final = re.compile(r"(?i)exchange|client|binance|ccxt|connector|futures|api|rest")
ENDPOINTS: Final = ("/ORDER", "/BATCHORDERS", "/ALGOORDER")  # upper case, as words are held
TYPE_WORDS: Final = frozenset({"type", "order_type", "orderType"})
_POST: Final = frozenset({"post", "POST", "_post"})
_TYPE_AT: Final = {"create_order": 1, "createOrder": 1}  # ccxt: symbol, type, side, amount

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Standing(StrEnum):
    """What is known of one send."""

    SAFE = "safe"  # a fixed type that is not conditional
    GUARDED = "guarded"
    OTHER = "other"  # a guard, on another value than the one that is sent
    OPEN = "open"  # nothing refuses a conditional type
    PARTIAL = "partial"  # some conditional types pass
    CONDITIONAL = "conditional"  # it sends one


@dataclass(frozen=True, slots=True)
class Send:
    """One call that places an order. `missed` are the types that its guard lets through."""

    function: str
    line: int
    method: str
    standing: Standing
    missed: tuple[str, ...] = ()


def sends_in(tree: ast.Module, shared: "Guards | None" = None) -> list[Send]:
    """Every send of a module. `shared` are guard functions of the whole code base."""
    guards = shared.seen_from(tree) if shared else Guards.of([tree])
    found = []
    for function, path in _calls(tree):
        call = path[-1]
        if not isinstance(call, ast.Call) or not (method := _method(call, guards)):
            continue
        name = function.name if function else "module"
        standing, missed = _judge(call, method, path, guards)
        found.append(Send(name, call.lineno, method, standing, tuple(sorted(missed))))
    return found


def _calls(tree: ast.Module) -> Iterator[tuple[Function | None, list[ast.AST]]]:
    """(innermost function, nodes from it down to the call)."""

    def walk(
        node: ast.AST, function: Function | None, path: list[ast.AST]
    ) -> Iterator[tuple[Function | None, list[ast.AST]]]:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            function, path = node, []
        path = [*path, node]
        if isinstance(node, ast.Call):
            yield function, path
        for child in ast.iter_child_nodes(node):
            yield from walk(child, function, path)

    yield from walk(tree, None, [])


def _method(call: ast.Call, guards: "Guards") -> str:
    """The name of the order method or endpoint that is called; empty for another call."""
    name = called(call)
    is_client = name not in guards.defined or bool(_CLIENT.search(_receiver(call)))
    if name in CLIENT_METHODS or (name in COMMON_METHODS and is_client):
        return name
    words = [word for a in call.args for word in sorted(guards.words_of(a) or ())]
    is_post = name in _POST or "POST" in words
    end = next((word for word in words if word.split("?")[0].endswith(ENDPOINTS)), "")
    return end.lower() if is_post else ""


def called(call: ast.Call) -> str:
    """`place` of `self.gateway.place(…)`."""
    target = call.func
    return getattr(target, "attr", "") or getattr(target, "id", "")


def _receiver(call: ast.Call) -> str:
    """`gateway` of `self.gateway.place(…)`; empty for a bare function."""
    value = getattr(call.func, "value", None)
    return getattr(value, "attr", "") or getattr(value, "id", "")


def _judge(
    call: ast.Call, method: str, path: Sequence[ast.AST], guards: "Guards"
) -> tuple[Standing, frozenset[str]]:
    if "algo" in method.lower():
        return Standing.CONDITIONAL, frozenset()
    before = [step.ran for step in steps(path) if step.ran is not None]
    sent = _sent_type(call, method, before)
    if isinstance(sent, ast.Constant):
        is_conditional = str(sent.value).upper() in CONDITIONAL
        return (Standing.CONDITIONAL if is_conditional else Standing.SAFE), frozenset()
    names = names_in(sent) if sent is not None else _keyword_names(call)
    missed = guards.missed(names, path, CONDITIONAL)
    if not missed:
        return Standing.GUARDED, missed
    if missed != CONDITIONAL:
        return Standing.PARTIAL, missed
    others = guards.missed(None, path, CONDITIONAL)
    return (Standing.OPEN if others else Standing.OTHER), missed


def _keyword_names(call: ast.Call) -> frozenset[str]:
    """The names of what is unpacked or handed over whole: `**params`, `params`."""
    spread = [k.value for k in call.keywords if k.arg in {None, "params", "data", "json"}]
    given = [*spread, *(a for a in call.args if not isinstance(a, ast.Constant))]
    return frozenset(name for value in given for name in names_in(value))


def _sent_type(call: ast.Call, method: str, before: Sequence[ast.stmt]) -> ast.expr | None:
    """The expression that is the order's type; None where the call does not show it."""
    for keyword in call.keywords:
        if keyword.arg in TYPE_WORDS:
            return keyword.value
    position = _TYPE_AT.get(method)
    if position is not None and len(call.args) > position:
        return call.args[position]
    handed = _keyword_names(call)
    found: ast.expr | None = None
    for statement in before:
        found = _type_written(statement, handed) or found
    inline = [a for a in (*call.args, *(k.value for k in call.keywords)) if isinstance(a, ast.Dict)]
    return next((value for one in inline if (value := _type_of(one))), found)


def _type_written(statement: ast.stmt, names: frozenset[str]) -> ast.expr | None:
    """The value of `params = {"type": x}`, `dict(type=x)` or `params["type"] = x`."""
    if not isinstance(statement, (ast.Assign, ast.AnnAssign)) or statement.value is None:
        return None
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    target, value = targets[0], statement.value
    if isinstance(target, ast.Name) and target.id in names:
        return _type_of(value)
    is_item = isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant)
    if is_item and names_in(target) & names and _constant(target) in TYPE_WORDS:
        return value
    return None


def _constant(target: ast.expr) -> object:
    inner = target.slice if isinstance(target, ast.Subscript) else None
    return inner.value if isinstance(inner, ast.Constant) else None


def _type_of(value: ast.expr) -> ast.expr | None:
    if isinstance(value, ast.Dict):
        pairs: Mapping[object, ast.expr] = {
            key.value: item
            for key, item in zip(value.keys, value.values, strict=True)
            if isinstance(key, ast.Constant)
        }
        return next((pairs[word] for word in sorted(TYPE_WORDS) if word in pairs), None)
    if isinstance(value, ast.Call) and called(value) == "dict":
        return next((k.value for k in value.keywords if k.arg in TYPE_WORDS), None)
    return None
