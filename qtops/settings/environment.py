"""The one place that looks at the process's environment; everything else is handed a mapping."""

import os
from collections.abc import Mapping


def process_environment() -> Mapping[str, str]:
    """The environment as it is now."""
    return os.environ  # noqa: TID251  this is the one place the rule points to
