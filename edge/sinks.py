"""Where SDK updates go when MR is another process: the bus, HTTP, or nowhere (`edge.updates.UpdateSink`).

Each sends an update once, and gives up while there is time to send it again; sending again, with the
same request id, is `edge.updates.Updates`' business. Must not know what MR decides.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING

from common.contracts.lookups import (
    SdkUpdate,
    SdkUpdateOutcome,
    decode_outcome,
    encode_update,
)
from common.errors import Unavailable
from common.origins.client import ApiFailures, InternalApi
from common.origins.remote import understood

if TYPE_CHECKING:
    from common.client import HttpClient
    from common.messaging.bus import Requests

WORD = "update"
ATTEMPT_SECONDS = 1.5
"""An MR that has not answered by then may be dead or frozen: there is time left to ask another one."""


class BusSink:
    """Updates to one of the MRs on the bus."""

    def __init__(self, requests: Requests, *, clock: Callable[[], float] = time.time) -> None:
        self._requests = requests
        self._clock = clock

    async def update(self, update: SdkUpdate) -> SdkUpdateOutcome:
        seconds = _attempt_seconds(update, self._clock)
        answer = await self._requests.request(WORD, encode_update(update), seconds=seconds)
        return understood(answer, decode_outcome)


class HttpSink:
    """Updates to MR's internal API."""

    def __init__(
        self,
        base_url: str,
        token: str,
        client: HttpClient,
        *,
        failures: ApiFailures | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._api = InternalApi(base_url, token, client, failures=failures)
        self._clock = clock

    async def update(self, update: SdkUpdate) -> SdkUpdateOutcome:
        seconds = _attempt_seconds(update, self._clock)
        answer = await self._api.post("sdk-updates", encode_update(update), seconds=seconds)
        return understood(answer, decode_outcome)


class NoSink:
    """Refuses every update at once: trying again within the deadline would change nothing."""

    async def update(self, _update: SdkUpdate) -> SdkUpdateOutcome:
        return SdkUpdateOutcome(
            status=HTTPStatus.SERVICE_UNAVAILABLE,
            detail="This server has no way to MR: it has no bus, and BURGEE_MR_URL is not set.",
        )


def _attempt_seconds(update: SdkUpdate, clock: Callable[[], float]) -> float:
    left = update.deadline - clock()
    if left <= 0:
        raise Unavailable("The update's time is over.")
    return min(left, ATTEMPT_SECONDS)
