"""Whether a process is ready, for `burgee health`."""

from common.client import Unreachable, open_client
from common.settings import ServingSettings


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
