#!/bin/sh
# Make the virtual environment .venv from nothing but python3, a C compiler and make.
#     tools/environment.sh window     what the window and the command line need, PyTorch if it can be had
#     tools/environment.sh tests      the same, and what tests, checks and `bench` need
# As root on Debian or Ubuntu, missing system packages are installed; otherwise the line that
# installs them is printed. PYTHON names the Python to use.
set -eu
cd "$(dirname "$0")/.."
for_what=${1:-window}

say() { printf '%s\n' "$*" >&2; }

# --- Python, 3.11 or newer: what `python3` is, if it will do
python=
for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    found=$(python3 -c 'import platform; print(platform.python_version())' 2>/dev/null || echo none)
    say "Filterscope needs Python 3.11 or newer; python3 here is: $found."
    say "Install a newer one, then say: make PYTHON=/path/to/python3 ${MAKE_TARGET:-run}"
    exit 2
fi

# --- what the system has to bring
needed=$("$python" -m app.preflight)
"$python" -c 'import ensurepip, venv' 2>/dev/null || needed="$needed python3-venv"
if command -v "${CC:-cc}" >/dev/null 2>&1 && ! "$python" -c '
import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))'; then
    needed="$needed python3-dev"
fi
needed=$(echo $needed)
if [ -n "$needed" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        say "Installing system packages: $needed"
        apt-get update -qq || say "The list of packages could not be refreshed; going on with the old one."
        # shellcheck disable=SC2086 - a list of words is meant
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $needed >&2
    else
        say "System packages are missing. On Debian or Ubuntu:"
        say "    sudo apt-get install $needed"
        say "Then say it again: make ${MAKE_TARGET:-run}"
        exit 2
    fi
fi

# --- the environment; one whose Python has gone is made anew
if ! .venv/bin/python -c 'import pip' 2>/dev/null; then
    rm -rf .venv
    "$python" -m venv .venv
fi
what='.[torch]'
[ "$for_what" = tests ] && what='.[dev,export,film,studies,torch]'
say "Installing Filterscope and what it needs into .venv; the first time takes a few minutes."
# At a terminal pip shows how far it is; in a log only what went wrong counts.
[ -t 1 ] && quiet= || quiet=-qq
install() {
    .venv/bin/python -m pip install $quiet --disable-pip-version-check \
        --constraint constraints.txt --editable "$1"
}
if ! install "$what"; then
    # Where PyTorch has no build, or no room, everything else works without it.
    [ "$for_what" = window ] || exit 1
    say "PyTorch could not be installed; the window is installed without it."
    install .
fi
.venv/bin/python - <<'PYTHON'
from app.core.kernels import COMPILED, REASON

if not COMPILED:
    print(f"Without compiled kernels the NumPy twins serve, several times slower: {REASON}.")
PYTHON
touch .venv/ready-window
[ "$for_what" != tests ] || touch .venv/ready-tests
