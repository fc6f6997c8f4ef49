"""The secrets in an environment, for masking; works before, and without, valid settings."""

from collections.abc import Mapping

from qtops.settings.catalogue import BY_ALIAS, SETTINGS
from qtops.settings.model import Kind


def secrets_in(environ: Mapping[str, str]) -> set[str]:
    """Every non-empty value of a variable that is declared secret."""
    names = {setting.name for setting in SETTINGS if setting.kind is Kind.SECRET}
    names |= {alias for alias, setting in BY_ALIAS.items() if setting.kind is Kind.SECRET}
    return {environ[name].strip() for name in names if environ.get(name, "").strip()}
