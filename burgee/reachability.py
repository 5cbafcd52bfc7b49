"""Which process a container runs, and whether it is ready: for `burgee health`."""

from collections.abc import Container
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Final

from common.client import Unreachable, open_client
from common.settings import ServingSettings

FIRST: Final = Path("/proc/1/cmdline")
"""How the first process was started: in a container, Burgee itself or an init that was given its words."""


def contained(kinds: Container[str], *, first: Path = FIRST) -> str | None:
    """Answer which of these kinds the container's first process was told to be; None where it is none."""
    try:
        words = first.read_bytes().decode(errors="replace").split("\0")
    except OSError:
        # No such file system here, or not ours to read: then this is no container of Burgee's.
        return None
    called = (then for word, then in pairwise(words) if PurePosixPath(word).name == "burgee")
    return next((word for word in called if word in kinds), None)


async def readiness(settings: ServingSettings, *, url: str | None = None) -> tuple[bool, str]:
    """Answer whether the process that these settings describe says that it is ready."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)
    base = url or f"http://{host}:{settings.monitor_port or settings.port}"
    async with open_client(connections=1) as client:
        try:
            answer = await client.get(f"{base}/health/readiness", deadline_seconds=3, attempts=1)
        except Unreachable as error:
            return False, f"{base} does not answer: {error}"
    return answer.status == 200, f"{base} answers {answer.status} {answer.body.decode(errors='replace')}"
