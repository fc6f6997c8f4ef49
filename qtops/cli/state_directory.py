"""Where qtops keeps what must outlive a command: the journals of rollbacks."""

import os
from pathlib import Path

from qtops.cli.context import AppContext


def state_dir(env: AppContext) -> Path:
    """QTOPS_STATE_DIR, else the system's for root and the user's own. Touches nothing."""
    if named := env.settings().text("QTOPS_STATE_DIR"):
        return env.host.cwd / Path(named).expanduser()
    return env.host.root_state if os.geteuid() == 0 else env.host.home / ".local/state/qtops"
