"""This machine: folders that can be written, and enough open files for what a process is for."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from burgee.checks.findings import Finding, fail, ok, warn

STREAMING_FILES: Final = 65_536
OTHER_FILES: Final = 1_024


def check_folder(name: str, folder: Path) -> Finding:
    """A folder that the process makes when it is not there."""
    nearest = folder.absolute()
    while not nearest.exists():
        nearest = nearest.parent
    if not nearest.is_dir():
        return fail(f"folder: {nearest} is a file", f"name a folder in {name}")
    if not os.access(nearest, os.W_OK | os.X_OK):
        return fail(
            f"folder: {folder} cannot be written", f"give this user the folder (chown), or change {name}"
        )
    return ok(f"folder: {folder} can be written")


def check_open_files(*, streams: bool) -> Iterator[Finding]:
    """Every stream is an open file; so is every connection."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = STREAMING_FILES if streams else OTHER_FILES
    if limit != resource.RLIM_INFINITY and limit < needed:
        why = ": each stream needs one" if streams else ""
        yield warn(
            f"files: at most {limit} may be open", f"raise it (ulimit -n, LimitNOFILE), say to {needed}{why}"
        )
    else:
        yield ok(f"files: {'any number' if limit == resource.RLIM_INFINITY else limit} may be open")
