"""What every test stands on. A component that is missing is skipped on a laptop and fails CI."""

import os
import shutil

import pytest

COMPONENTS = (
    "redis-server",
    "openssl",
    "git",
    "ssh-keygen",
    "sha256sum",
    "systemd-analyze",
    "chromium",
)


def pytest_configure() -> None:
    """In CI nothing may be skipped for want of a program."""
    missing = [name for name in COMPONENTS if shutil.which(name) is None]
    if missing and os.environ.get("CI"):
        raise pytest.UsageError(f"CI lacks {', '.join(missing)}; .ci/run installs them")
