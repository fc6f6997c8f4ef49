"""`audit policy`: code roots, environment files and the exchange, read for the ban."""

import ast
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final
from warnings import catch_warnings

from qtops.audits.checks import Check
from qtops.audits.env_files import read_env_files
from qtops.audits.order_code import sends_in
from qtops.audits.order_guard import Guards
from qtops.audits.policy_rules import (
    judge_executor,
    judge_orders,
    judge_sends,
    judge_shield_code,
    judge_shield_files,
    shield_defaults,
    unparsed,
)
from qtops.contracts.check import CheckResult, Severity, Verdict
from qtops.contracts.venue import VenueOrder
from qtops.errors import HostError

_LIMIT_S: Final = 60.0
# Trees that hold no code of the running system.
_SKIPPED: Final = frozenset({".git", ".venv", "venv", "node_modules", "__pycache__", "tests"})

Orders = Callable[[], Awaitable[Mapping[str, Sequence[VenueOrder]]]]


@dataclass(frozen=True)
class Code:
    """The Python files of the roots: what parsed, and what did not as findings."""

    trees: Mapping[str, ast.Module]
    broken: Sequence[CheckResult]


@dataclass(frozen=True)
class PolicyAudit:
    """Where to look. `orders` asks the exchange; it raises a QtopsError where that cannot be."""

    roots: Sequence[Path]
    env_dir: Path
    orders: Orders
    number: int

    @cached_property
    def code(self) -> Code:
        """Read and parsed once. HostError for a root that is not there."""
        return read_code(self.roots)

    def checks(self) -> list[Check]:
        """In the order of the report."""
        return [
            Check("policy.guard", self._guard, Severity.P0, _LIMIT_S),
            Check("policy.shield", self._shield, Severity.P0, _LIMIT_S),
            Check("policy.executor", self._executor, Severity.P0),
            Check("policy.orders", self._orders, Severity.P0, _LIMIT_S),
        ]

    async def _guard(self) -> list[CheckResult]:
        if not self.roots:
            return [_unknown("no code was given to look at", "qtops audit policy --code PATH")]
        guards = Guards.of(self.code.trees.values())
        results = list(self.code.broken)
        for path, tree in self.code.trees.items():
            results += judge_sends(path, sends_in(tree, guards))
        number = len(self.code.trees)
        return results or [_unknown(f"no call that sends an order is known in {number} files")]

    async def _shield(self) -> list[CheckResult]:
        results = [
            one
            for path, tree in (self.code.trees if self.roots else {}).items()
            for one in judge_shield_code(path, list(shield_defaults(tree)))
        ]
        try:
            results += judge_shield_files(read_env_files(self.env_dir))
        except HostError as error:
            title = f"environment files were not read: {error.message}"
            place = str(self.env_dir)
            unread = CheckResult("policy.shield", place, Verdict.UNKNOWN, Severity.P1, title)
            results.append(unread)
        return results

    async def _executor(self) -> list[CheckResult]:
        return [judge_executor()]

    async def _orders(self) -> list[CheckResult]:
        return judge_orders(await self.orders(), self.number)


def _unknown(title: str, fix: str = "") -> CheckResult:
    return CheckResult("policy.guard", "-", Verdict.UNKNOWN, Severity.P0, title, fix=fix)


def read_code(roots: Sequence[Path]) -> Code:
    """Every Python file below the roots, tests and virtual environments aside; links not followed.

    HostError for a root that is not there.
    """
    trees: dict[str, ast.Module] = {}
    broken: list[CheckResult] = []
    for path in dict.fromkeys(path for root in roots for path in _files(root)):
        text = path.read_bytes().decode("utf-8", "replace")
        try:
            with catch_warnings(action="ignore"):  # of the audited code's style
                trees[str(path)] = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError) as error:
            problem = (
                ValueError("nested too deeply") if isinstance(error, RecursionError) else error
            )
            broken.append(unparsed(str(path), problem, text))
    return Code(trees, broken)


def _files(root: Path) -> list[Path]:
    if not root.exists():
        raise HostError(f"{root} is not there", hint="--code")
    if root.is_file():
        return [root]
    return sorted(
        path
        for path in root.rglob("*.py")
        if path.is_file()
        and not path.is_symlink()
        and _SKIPPED.isdisjoint(path.relative_to(root).parts)
        and not path.name.startswith("test_")
    )
