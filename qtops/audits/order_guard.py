"""Statements that refuse an order type, and whether they stand before a call on every way to it."""

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

_LEAVES: Final = (ast.Raise, ast.Return, ast.Continue, ast.Break)
_LISTS: Final = ("body", "orelse", "finalbody", "handlers")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def names_in(node: ast.AST) -> frozenset[str]:
    """The variables and attributes that an expression reads."""
    found = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    return frozenset(found | {one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute)})


@dataclass(frozen=True)
class Refusal:
    """What a test rules out: these words of these names, or all but them."""

    names: frozenset[str]
    words: frozenset[str]
    is_all_but: bool

    def missed(self, wanted: frozenset[str]) -> frozenset[str]:
        return wanted & self.words if self.is_all_but else wanted - self.words


@dataclass(frozen=True)
class Step:
    """What happened on the way: a statement that ran, or a test that came out so."""

    stored: frozenset[str]
    ran: ast.stmt | None = None
    test: ast.expr = field(default_factory=lambda: ast.Constant(value=None))
    is_true: bool = True


def steps(path: Sequence[ast.AST]) -> Iterator[Step]:
    """On every way to the end of the path: earlier statements of the blocks around it, and tests.

    What a loop changes anywhere may be changed when its body begins again.
    """
    for parent, child in pairwise(path):
        if isinstance(parent, (ast.For, ast.AsyncFor, ast.While)):
            yield Step(_stored(parent))
        if isinstance(parent, ast.If) and child is not parent.test:
            yield Step(frozenset(), test=parent.test, is_true=child in parent.body)
        for name in _LISTS:
            block = getattr(parent, name, None)
            if isinstance(block, list) and child in block:
                yield from (
                    Step(_stored(one), ran=one)
                    for one in block[: block.index(child)]
                    if isinstance(one, ast.stmt)
                )


@dataclass(frozen=True)
class Guards:
    """What a code base defines: sets of words, and functions that may refuse."""

    words: Mapping[str, frozenset[str]]
    functions: Mapping[str, Function]
    defined: frozenset[str]

    @staticmethod
    def of(trees: Iterable[ast.Module]) -> "Guards":
        """A name that is defined twice to different ends counts for nothing."""
        words: dict[str, frozenset[str]] = {}
        functions: dict[str, list[Function]] = {}
        for node in (node for tree in trees for node in ast.walk(tree)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                functions.setdefault(node.name, []).append(node)
            elif (named := _named_words(node)) is not None:
                name, found = named
                words[name] = found & words.get(name, found)
        single = {name: found[0] for name, found in functions.items() if len(found) == 1}
        return Guards(words, single, frozenset(functions))

    def seen_from(self, tree: ast.Module) -> "Guards":
        """The same with the module's own names before those of other modules."""
        own = Guards.of([tree])
        return Guards(
            {**self.words, **own.words},
            {**self.functions, **own.functions},
            self.defined | own.defined,
        )

    def missed(
        self, names: frozenset[str] | None, path: Sequence[ast.AST], wanted: frozenset[str]
    ) -> frozenset[str]:
        """What of `wanted` still reaches the end of the path. `names` None is any value."""
        left = wanted
        for step in steps(path):
            if names is not None and names & step.stored:
                left = wanted  # another value from here on
            found = (
                self._refusals(step.ran)
                if step.ran is not None
                else self._refused(step.test, negated=step.is_true)
            )
            for one in found:
                left = left & one.missed(wanted) if _fits(one, names) else left
        return left

    def _refusals(self, statement: ast.stmt, depth: int = 0) -> Iterator[Refusal]:
        if isinstance(statement, ast.If) and isinstance(statement.body[-1], _LEAVES):
            yield from self._refused(statement.test, negated=False)
        if isinstance(statement, ast.Assert):
            yield from self._refused(statement.test, negated=True)
        value = getattr(statement, "value", None)
        call = value.value if isinstance(value, ast.Await) else value
        if isinstance(statement, ast.Expr) and isinstance(call, ast.Call) and not depth:
            yield from self._of_call(call)

    def _of_call(self, call: ast.Call) -> Iterator[Refusal]:
        """A guard function that raises; what it refuses of its parameter holds for the argument."""
        target = call.func
        function = self.functions.get(getattr(target, "attr", "") or getattr(target, "id", ""))
        if function is None:
            return
        given = frozenset(
            name for a in (*call.args, *(k.value for k in call.keywords)) for name in names_in(a)
        )
        parameters = {a.arg for a in (*function.args.args, *function.args.kwonlyargs)}
        for statement in function.body:
            is_raise = isinstance(statement, ast.If) and isinstance(statement.body[-1], ast.Raise)
            for one in self._refusals(statement, depth=1) if is_raise else ():
                if one.names & parameters:
                    yield Refusal(given, one.words, one.is_all_but)

    def _refused(self, test: ast.expr, *, negated: bool) -> Iterator[Refusal]:
        """What cannot be when the test is false; when `negated`, what cannot be when it is true."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            yield from self._refused(test.operand, negated=not negated)
        elif isinstance(test, ast.BoolOp):
            if isinstance(test.op, ast.And) is negated:  # each part holds alone
                for part in test.values:
                    yield from self._refused(part, negated=negated)
        elif isinstance(test, ast.Compare) and len(test.ops) == 1:
            yield from self._compared(test, negated=negated)

    def _compared(self, test: ast.Compare, *, negated: bool) -> Iterator[Refusal]:
        words = self.words_of(test.comparators[0])
        if words is None:
            return
        if isinstance(test.ops[0], (ast.In, ast.Eq)):
            yield Refusal(names_in(test.left), words, is_all_but=negated)
        elif isinstance(test.ops[0], (ast.NotIn, ast.NotEq)):
            yield Refusal(names_in(test.left), words, is_all_but=not negated)

    def words_of(self, node: ast.expr) -> frozenset[str] | None:
        """The upper-case words of a literal or of a name for one; None for anything else."""
        if isinstance(node, (ast.Name, ast.Attribute)):
            name = node.id if isinstance(node, ast.Name) else node.attr
            return self.words.get(name)
        return _words(node)


def _fits(refusal: Refusal, names: frozenset[str] | None) -> bool:
    return names is None or bool(refusal.names & names - {"upper", "strip", "value", "self"})


def _stored(statement: ast.stmt) -> frozenset[str]:
    """The variables that a statement gives a new value."""
    return frozenset(
        node.id
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    )


def _named_words(node: ast.AST) -> tuple[str, frozenset[str]] | None:
    """`NAME = [...]` of words."""
    if isinstance(node, ast.Assign):
        target, value = node.targets[0], node.value
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        target, value = node.target, node.value
    else:
        return None
    found = _words(value)
    return (target.id, found) if isinstance(target, ast.Name) and found is not None else None


def _words(node: ast.expr) -> frozenset[str] | None:
    """The upper-case words of a literal, or of `frozenset({...})`; None for anything else."""
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"frozenset", "set", "tuple"}:
        return _words(node.args[0]) if len(node.args) == 1 else None
    if isinstance(node, ast.Constant):
        return frozenset({node.value.upper()}) if isinstance(node.value, str) else None
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        parts = [_words(one) for one in node.elts if isinstance(one, ast.Constant)]
        known = [part for part in parts if part is not None]
        return frozenset().union(*known) if len(known) == len(node.elts) else None
    return None
