"""What audits are told of settings, git, systemd and the exchange."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from qtops.adapters.git_command import read_git
from qtops.adapters.host_vitals import SYSTEMD_RUNS, unit_commands
from qtops.audits.env_files import Catalogue
from qtops.audits.repos import RepoAudit
from qtops.contracts.control import LEGACY_VARIABLES
from qtops.contracts.venue import VenueOrder
from qtops.errors import ConfigError
from qtops.settings.catalogue import BY_ALIAS, BY_NAME, FAMILIES, SELECTORS
from qtops.settings.model import Kind, Setting, Settings
from qtops.settings.parsing import parse
from qtops.wiring import has_exchange_key
from qtops.wiring.operator import exchange_reader

# Environment files named unlike the readers in the catalogue.
_READERS = {"intent-executor": "executor", "position-snapshot": "snapshots", "p33": "position gate"}
_EVERYBODY = {"all", "services", "gates"}


def setting_names() -> Catalogue:
    """The settings' names, and what each accepts."""
    known = {**BY_NAME, **BY_ALIAS}
    every_reader = {reader for setting in BY_NAME.values() for reader in setting.readers}

    def is_secret(name: str) -> bool:
        return name in known and known[name].kind is Kind.SECRET

    def problem(name: str, value: str) -> str:
        return _problem(known[name], value) if name in known else ""

    def is_needless(stem: str, name: str) -> bool:
        reader = _READERS.get(stem, stem.replace("-", " "))
        if name not in known or reader not in every_reader:
            return False
        readers = set(known[name].readers)
        return reader not in readers and not readers & _EVERYBODY

    legacy = {variable.name for variable in LEGACY_VARIABLES}
    names = frozenset((*known, *SELECTORS, *legacy))
    return Catalogue(names, ("QTOPS_", *FAMILIES), is_secret, problem, is_needless)


def _problem(setting: Setting, value: str) -> str:
    try:
        parse(setting, value, "in this file")
    except ConfigError as error:
        return error.message
    return ""


def repo_audit(
    roots: Sequence[Path], systemctl: str = "systemctl", runs: Path = SYSTEMD_RUNS
) -> RepoAudit:
    """Roots read with git, and this machine's units."""
    return RepoAudit(roots, read_git, partial(unit_commands, systemctl, runs))


async def recent_orders(settings: Settings, number: int) -> dict[str, list[VenueOrder]]:
    """The last orders of the symbols that the executor may trade or that hold a position.

    ConfigError without a key: an order history is the account's own.
    """
    if not has_exchange_key(settings):
        raise ConfigError("no exchange key is configured", hint="qtops config show")
    async with exchange_reader(settings) as venue:
        await venue.sync_clock()
        held = [position.symbol for position in await venue.positions()]
        symbols = dict.fromkeys((*settings.names("INTENT_EXECUTOR_ALLOWLIST"), *held))
        return {symbol: await venue.recent_orders(symbol, number) for symbol in symbols}
