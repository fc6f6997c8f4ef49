#!/bin/sh
# Rebuild the lock files from pyproject.toml. Needs uv (pip install uv). Hosts of package indexes are left out on purpose.
set -eu
cd "$(dirname "$0")/.."
flags="--universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate --quiet"
# shellcheck disable=SC2086
uv pip compile pyproject.toml --group dev --group build $flags "$@" -o requirements/dev.lock
# shellcheck disable=SC2086
uv pip compile pyproject.toml --group build -c requirements/dev.lock $flags "$@" -o requirements/runtime.lock
