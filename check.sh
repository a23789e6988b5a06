#!/bin/sh
# Everything that must hold before a change lands: format, lint, types, tests in two processes. `--fast` leaves out the
# slow tests; whatever else is given goes to pytest.
set -eu
cd "$(dirname "$0")"
if [ "${1-}" = "--fast" ]; then
    shift
    set -- -m "not slow" "$@"
fi
ruff format --check .
ruff check .
mypy --num-workers 2 .
python -m pytest -n 2 --dist loadfile --no-loadscope-reorder "$@" # tests/conftest.py says which files come first
