"""What a process calls over HTTP, and what already runs where it will, by their own APIs."""

import json
from collections.abc import Iterator
from typing import Final

from burgee.checks.bus import compare_releases
from burgee.checks.findings import Finding, fail, ok, warn
from common.client import HttpClient, Unreachable
from common.settings import InternalCallerSettings, ServingSettings

ANSWER_SECONDS: Final = 3.0


async def check_internal_api(
    client: HttpClient, settings: InternalCallerSettings, url: str, whose: str
) -> Finding:
    """Ask another process's internal API with our token."""
    if settings.internal_token is None:
        return fail(f"{whose}: there is an address and no token", "set BURGEE_INTERNAL_TOKEN")
    token = settings.internal_token.get_secret_value()
    try:
        answer = await client.get(
            f"{url}/internal/state",
            headers={"Authorization": f"Bearer {token}"},
            deadline_seconds=ANSWER_SECONDS,
            attempts=1,
        )
    except Unreachable as error:
        return fail(
            f"{whose}: {url} cannot be reached: {error}",
            "start it, and look at its address, its BURGEE_INTERNAL_PORT and NetworkPolicies",
        )
    if answer.status == 200:
        return ok(f"{whose}: {url} answers and takes our token")
    if answer.status == 403:
        # Whose token it is is known there; reading is for others.
        return ok(f"{whose}: {url} answers and knows our token")
    if answer.status == 401:
        return fail(
            f"{whose}: {url} refuses our token",
            "BURGEE_INTERNAL_TOKEN must be one of the tokens that it takes for this kind of process"
            " (BURGEE_DACHA_TOKENS, BURGEE_EDGE_TOKENS)",
        )
    if answer.status == 503:
        return warn(f"{whose}: {url} answers 503", "look at its own check: it has no database or no data yet")
    return fail(f"{whose}: {url} answers {answer.status}", "is that Burgee's internal API?")


async def check_running(client: HttpClient, settings: ServingSettings, *, release: str) -> list[Finding]:
    """Look whether such a process runs on this machine already, and of which release; nothing if not."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)
    base = f"http://{host}:{settings.port}"
    try:
        answer = await client.get(f"{base}/info/version", deadline_seconds=ANSWER_SECONDS, attempts=1)
    except Unreachable:
        return []
    return list(_running(base, answer.status, answer.body, release))


def _running(base: str, status: int, body: bytes, release: str) -> Iterator[Finding]:
    try:
        told = json.loads(body)
        name, version = str(told["name"]), str(told["version"])
    except (ValueError, KeyError, TypeError):
        yield warn(
            f"port: something else than Burgee answers on {base} (status {status})",
            "end it, or give this process another BURGEE_PORT",
        )
        return
    yield ok(f"port: {name} {version} runs on {base}")
    if version != release:
        yield from compare_releases({name: version}, release)
