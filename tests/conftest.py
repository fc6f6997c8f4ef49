"""What every test stands on. A component that is missing is skipped on a laptop and fails CI."""

import os
import shutil

import pytest

COMPONENTS = (
    "redis-server",
    "openssl",
    "git",
    "ssh",
    "ssh-keygen",
    "sshd",
    "sha256sum",
    "systemd-analyze",
    "prometheus",
    "promtool",
    "chromium",
)
PLACES = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"  # where Debian keeps sshd


def pytest_configure() -> None:
    """In CI nothing may be skipped for want of a program."""
    missing = [name for name in COMPONENTS if shutil.which(name, path=PLACES) is None]
    if missing and os.environ.get("CI"):
        raise pytest.UsageError(f"CI lacks {', '.join(missing)}; .ci/run installs them")
