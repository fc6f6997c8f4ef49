"""What is declared is used: every dependency is imported, every setting is read."""

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

import qtops
from qtops.settings.catalogue import SETTINGS
from qtops.wiring.services import BUILDERS, EXAMPLES

PACKAGE = Path(qtops.__file__).parent
PROJECT = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))
# Imported under another name than they are installed by.
MODULES = {"pyyaml": "yaml", "gitpython": "git"}
# Read as a name that is put together where it is used.
COMPOSED = {"BINANCE_TESTNET_API_KEY", "BINANCE_TESTNET_API_SECRET"} | {
    "BINANCE_API_KEY",
    "BINANCE_API_SECRET",
}


@cache
def trees():
    return {
        path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))
    }


@cache
def imported():
    found = set()
    for tree in trees().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found


@cache
def words():
    """Every string outside the catalogue, which declares the settings but reads none."""
    return {
        node.value
        for path, tree in trees().items()
        if path.name != "catalogue.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


@pytest.mark.parametrize("requirement", PROJECT["project"]["dependencies"])
def test_every_dependency_is_imported(requirement):
    name = re.match(r"[\w-]+", requirement)[0]
    assert MODULES.get(name, name.replace("-", "_")) in imported()


@pytest.mark.parametrize("name", [setting.name for setting in SETTINGS])
def test_every_setting_is_read(name):
    ports = {service.metrics_setting for service in BUILDERS | EXAMPLES}
    assert name in words() | COMPOSED | ports


def test_the_composed_names_are_really_composed():
    assert {"BINANCE_TESTNET_API", "BINANCE_API"} <= words()
