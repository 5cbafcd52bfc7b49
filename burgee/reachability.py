"""Whether the database is there and whether a process is ready, for `burgee check` and `burgee health`."""

from pathlib import Path
from urllib.parse import urlsplit

from common.client import Unreachable, open_client
from common.errors import Unavailable
from common.settings import DatabaseSettings, ServingSettings
from mr.db.session import open_database


async def database_state(settings: DatabaseSettings) -> tuple[bool, str]:
    """Answer whether the database can be used, and what was found, in words without its password."""
    address = settings.database_address()
    shown = _without_password(address)
    if address.startswith("sqlite:") and not Path(address.removeprefix("sqlite:///")).exists():
        return True, f"{shown} does not exist yet; it is made at the first start"
    try:
        async with (
            open_database(address, pool_size=1, read_only=True) as database,
            database.read() as session,
        ):
            connection = await session.connection()
            await connection.exec_driver_sql("SELECT 1")
    except (OSError, Unavailable) as error:
        return False, f"{shown} cannot be reached: {error}"
    return True, f"{shown} answers"


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


def _without_password(address: str) -> str:
    parts = urlsplit(address)
    if parts.password is None:
        return address
    return parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", ":…@")).geturl()
