#!/bin/sh
# Everything that must hold before a change lands: format, lint, types, tests.
set -eu
cd "$(dirname "$0")"
ruff format --check .
ruff check .
mypy .
python -m pytest "$@"
