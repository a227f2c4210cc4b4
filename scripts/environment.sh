# Sourced by scripts/demo, scripts/test and .ci/run from the root of the repository: interpreters and .venv.

# find_python VERSION...: print the path of the first interpreter found, of the first VERSION (such as 3.12) that has one.
find_python() {
    local version candidate
    for version in "$@"; do
        for candidate in "python$version" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python; do
            # A shim of pyenv is on the PATH for versions that are not switched on, so each candidate is tried.
            if "$candidate" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$version')" 2>/dev/null; then
                command -v "$candidate"
                return
            fi
        done
    done
    return 1
}

# environment EXTRAS: make .venv if there is none, and install p2pstack with EXTRAS if pyproject.toml is newer than that.
# PYTHON names the interpreter; by default python3 if it is new enough, else any that is.
environment() {
    local extras=$1 stamp=.venv/.installed-$1 python=${PYTHON:-}
    if [ ! -x .venv/bin/python ]; then
        if [ -z "$python" ] && python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            python=python3
        fi
        python=${python:-$(find_python 3.13 3.12 3.11)} || {
            echo "p2pstack needs Python 3.11 or newer, and found none; set PYTHON to its path" >&2
            exit 1
        }
        "$python" -m venv .venv || {
            rm -rf .venv
            echo "$python could not make a virtual environment (on Debian: apt-get install python3-venv)" >&2
            exit 1
        }
    fi
    if [ ! -e "$stamp" ] || [ pyproject.toml -nt "$stamp" ]; then
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[$extras]"
        touch "$stamp"
    fi
}
