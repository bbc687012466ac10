# Sourced by the scripts beside it: puts .venv with everything installed into the checkout and
# goes there. Does nothing, quickly and silently, where that has been done.
#
# PYTHON names the interpreter to use; otherwise the oldest one that llmzip runs on is taken,
# for the versions in constraints.txt are tested with that.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
    echo "$0: $*" >&2
    exit 1
}

find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3.11 python3.12 python3.13 python3.14 python3; do
        if "$candidate" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    fail "needs Python 3.11 or later; install it, or name one in the variable PYTHON"
}

install_everything() {
    local log=.venv/setup.log python
    if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        python=$(find_python)
        "$python" -m venv --clear .venv ||
            fail "cannot make .venv with $python (on Debian and Ubuntu install python3-venv)"
    fi
    echo "installing llmzip and all that it needs into .venv (some minutes)" >&2
    if ! .venv/bin/python -m pip install --disable-pip-version-check --no-input \
        -c constraints.txt -e '.[test,bench]' >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        fail "installing failed, see $log"
    fi
}

# What is installed depends on these; the checkout's place is in the editable install.
wanted="$(cat pyproject.toml constraints.txt | cksum) $PWD"
if [ "$(cat .venv/.installed 2>/dev/null)" != "$wanted" ]; then
    install_everything
    echo "$wanted" >.venv/.installed
fi
