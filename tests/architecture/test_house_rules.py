"""Rules of the house that a tool can hold: names in one place, small modules, no floats."""

import ast
from configparser import ConfigParser
from functools import cache
from pathlib import Path
from statistics import median

import pytest

import qtops
from qtops.contracts.registry import Key, Stream
from qtops.contracts.vocabulary import DenyReason
from qtops.gates.base import Gate

PACKAGE = Path(qtops.__file__).parent
ROOT = PACKAGE.parent
MODULES = sorted(PACKAGE.rglob("*.py"))
PURE = [m for m in MODULES if m.relative_to(PACKAGE).parts[0] in {"contracts", "gates"}]
REGISTRY = PACKAGE / "contracts" / "registry"
MAX_LINES = 350
# Declarations only: a row for every Redis name. Nothing branches.
TABLES = {"contracts/registry/keys.py": 550}


def name_of(module):
    return module.relative_to(PACKAGE).as_posix()


@cache
def tree_of(module):
    return ast.parse(module.read_text(encoding="utf-8"))


def docstrings(tree):
    """The string nodes that say something to the reader only."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                yield statement.value


def strings(module):
    """Every string that the program uses, with its line."""
    tree = tree_of(module)
    said = set(docstrings(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in said:
            yield node.lineno, node.value


def attributes(module, owner):
    """The members X of `owner.X` in a module."""
    for node in ast.walk(tree_of(module)):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == owner
        ):
            yield node.attr


def lines_of(module):
    return len(module.read_text(encoding="utf-8").splitlines())


def offences(modules, finds):
    """`module:line text` for everything that `finds` yields, so that a failure names its place."""
    return [
        f"{name_of(module)}:{line} {text}" for module in modules for line, text in finds(module)
    ]


def test_every_module_is_small():
    limits = {module: TABLES.get(name_of(module), MAX_LINES) for module in MODULES}
    assert [name_of(m) for m, limit in limits.items() if lines_of(m) > limit] == []


def test_most_modules_are_very_small():
    assert median(size for size in map(lines_of, MODULES) if size > 1) < 150


def test_the_exceptions_to_the_size_are_needed():
    for name, limit in TABLES.items():
        assert MAX_LINES < lines_of(PACKAGE / name) <= limit


# --- names in one place ---------------------------------------------------------------------------

NAMESPACE = "quantum"
# Where the namespace itself may be spelled: its defaults, and the documentation's example.
NAMESPACE_SPELLED = {"settings/catalogue.py", "sandbox/recipe.py", "cli/docs_contracts.py"}


def test_no_module_spells_a_full_redis_name():
    def spelled(module):
        starts = (f"{NAMESPACE}:", f"{{{NAMESPACE}}}:")
        return [(line, text) for line, text in strings(module) if text.startswith(starts)]

    assert offences(MODULES, spelled) == []


def test_the_namespace_is_spelled_where_it_is_set():
    def spelled(module):
        return [(line, text) for line, text in strings(module) if text == NAMESPACE]

    elsewhere = [m for m in MODULES if name_of(m) not in NAMESPACE_SPELLED]
    assert offences(elsewhere, spelled) == []


FAMILIES = tuple(prefix for key in Key if ":" in (prefix := key.value.template.partition("{")[0]))
STREAMS = {stream.value.name for stream in Stream if "." in stream.value.name}
# `event_type` of a result carries the stream's name; it is a field's value, not a key.
STREAM_SPELLED = {("contracts/result.py", "apply.result")}


def test_only_the_registry_spells_keys_and_streams():
    def spelled(module):
        for line, text in strings(module):
            is_stream = text in STREAMS and (name_of(module), text) not in STREAM_SPELLED
            if is_stream or text.startswith(FAMILIES):
                yield line, text

    others = [m for m in MODULES if m.parent != REGISTRY]
    assert offences(others, spelled) == []


def test_the_search_for_names_finds_the_registrys_own():
    texts = [text for module in MODULES if module.parent == REGISTRY for _, text in strings(module)]
    assert any(text.startswith(FAMILIES) for text in texts)
    assert set(texts) >= STREAMS


@pytest.mark.parametrize("kind", [Key, Stream], ids=["keys", "streams"])
def test_every_name_in_the_registry_is_used(kind):
    users = [m for m in MODULES if m.parent != REGISTRY]
    used = {name for module in users for name in attributes(module, kind.__name__)}
    assert set(kind.__members__) - used == set()


def test_every_reason_to_deny_is_given_somewhere():
    users = [m for m in MODULES if name_of(m) != "contracts/vocabulary.py"]
    given = {name for module in users for name in attributes(module, "DenyReason")}
    assert set(DenyReason.__members__) - given == set()


# --- purity ---------------------------------------------------------------------------------------


def nodes(module, *kinds):
    return (node for node in ast.walk(tree_of(module)) if isinstance(node, kinds))


def test_no_float_enters_contracts_and_gates():
    def floats(module):
        for node in nodes(module, ast.Constant, ast.Name):
            literal = isinstance(getattr(node, "value", None), float)
            if literal or getattr(node, "id", "") == "float":
                yield node.lineno, ast.unparse(node)

    assert offences(PURE, floats) == []


def test_contracts_and_gates_neither_print_nor_read_nor_ask_for_the_time():
    banned = {"print", "open", "input", "eval", "exec", "globals", "__import__"}
    clocks = {"now", "utcnow", "today", "monotonic", "time_ns"}

    def impure(module):
        for node in nodes(module, ast.Call, ast.Global, ast.Nonlocal):
            called = getattr(node, "func", None)
            asked = getattr(called, "attr", "") in clocks or getattr(called, "id", "") in banned
            if asked or called is None:
                yield node.lineno, ast.unparse(node)

    assert offences(PURE, impure) == []


# --- layers ---------------------------------------------------------------------------------------


def test_the_import_rules_hold():
    from importlinter.application.use_cases import SUCCESS, lint_imports
    from importlinter.configuration import configure

    configure()
    assert lint_imports(config_filename=str(ROOT / ".importlinter"), cache_dir=None) == SUCCESS


def test_the_import_rules_name_every_gate():
    rules = ConfigParser()
    rules.read(ROOT / ".importlinter")
    independent = set(rules["importlinter:contract:gates"]["modules"].split())
    gates = set()
    for module in PURE:
        tree = tree_of(module)
        calls = [n.value for n in ast.walk(tree) if isinstance(n, ast.AnnAssign) and n.value]
        if any(
            isinstance(c, ast.Call) and getattr(c.func, "id", "") == Gate.__name__ for c in calls
        ):
            gates.add("qtops." + name_of(module).removesuffix(".py").replace("/", "."))
    assert gates == independent
    assert len(gates) == 3
