"""A place for settings files, and `load` with everything passed in."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from qtops.settings.load import load_settings
from qtops.settings.model import Settings


@dataclass
class Places:
    root: Path

    def write(self, where: str, text: str) -> Path:
        """Write the etc, home or cwd file."""
        name = {"etc": "etc/qtops.toml", "home": "home/.config/qtops/config.toml"}
        path = self.root / name.get(where, "cwd/qtops.toml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
        return path

    def load(self, environ: dict[str, str] | None = None, **more) -> Settings:
        return load_settings(
            environ or {},
            cwd=self.root / "cwd",
            home=self.root / "home",
            etc_dir=self.root / "etc",
            **more,
        )


@pytest.fixture
def places(tmp_path):
    return Places(tmp_path)
