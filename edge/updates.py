"""Test updates by SDKs (PUT): what was sent is checked for its form, MR decides everything else.

An update has one id for as long as it is tried, so that MR can give it one effect. Nothing is kept for
later: what could not be delivered within the deadline is answered 503.
"""

import asyncio
import random
import re
import time
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol
from uuid import uuid4

import msgspec

from common.contracts.codec import ascii_json
from common.contracts.environments import SdkKey
from common.contracts.lookups import SdkUpdate, SdkUpdateOutcome
from common.errors import BadRequest, Unavailable
from common.web import refuse_harmful_json

UPDATE_SECONDS: Final = 5.0
FIRST_PAUSE_SECONDS: Final = 0.05

_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,200}")


class UpdateSink(Protocol):
    """Where updates go. An update that is sent again with the same request id has one effect."""

    async def update(self, update: SdkUpdate) -> SdkUpdateOutcome:
        """Return MR's answer. Raises Unavailable when it is not known whether there will be one."""


class MalformedUpdate(BadRequest):
    code = "malformed-update"


class UpdateNotDelivered(Unavailable):
    """MR did not answer in time; the same request may be sent again."""

    code = "update-not-delivered"


class _Body(msgspec.Struct, rename="camel"):
    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    update_value: bool | None = None
    lock: bool | None = None


class Change(NamedTuple):
    """What an SDK wants to be changed; None = it says nothing about that."""

    value: bytes | None
    update_value: bool | None
    lock: bool | None


def read_change(body: bytes) -> Change:
    """Read the body of a PUT; raises BadRequest. The value keeps the text it was written with."""
    refuse_harmful_json(body)
    try:
        read = msgspec.json.decode(body, type=_Body)
        token = None if read.value is msgspec.UNSET else bytes(read.value)
        if token is not None:
            # A raw member was only skipped over; this looks inside.
            msgspec.json.decode(token)
    except msgspec.DecodeError:
        raise MalformedUpdate(
            "The body is an object with `value`, `updateValue` (true or false) and `lock` (true or false)."
        ) from None
    value = None if token is None or token == b"null" else ascii_json(token)
    return Change(value, read.update_value, read.lock)


class Updates:
    """Send updates until there is an answer or the deadline has come."""

    def __init__(
        self,
        sink: UpdateSink,
        *,
        seconds: float = UPDATE_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sink = sink
        self._seconds = seconds
        self._clock = clock

    def prepare(self, key: SdkKey, feature_key: str, change: Change, request_id: str | None) -> SdkUpdate:
        """Return the update, with an id of ours unless the SDK gave one; raises BadRequest."""
        if request_id is not None and not _REQUEST_ID.fullmatch(request_id):
            raise MalformedUpdate("The header `Idempotency-Key` has 1 to 200 visible ASCII characters.")
        return SdkUpdate(
            request_id=request_id or str(uuid4()),
            environment_id=key.environment_id,
            key_hash=key.key_hash,
            feature_key=feature_key,
            value=change.value,
            update_value=change.update_value,
            lock=change.lock,
            deadline=self._clock() + self._seconds,
        )

    async def send(self, update: SdkUpdate) -> SdkUpdateOutcome:
        """Return MR's answer; raises Unavailable when there was none before the deadline."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            left = update.deadline - self._clock()
            try:
                async with asyncio.timeout(left):
                    return await self._sink.update(update)
            except TimeoutError:
                raise UpdateNotDelivered from None
            except Unavailable:
                # Jitter, so that those who failed together do not come back together.
                pause *= random.uniform(1.5, 2.5)  # noqa: S311 - nothing secret
                if self._clock() + pause >= update.deadline:
                    raise UpdateNotDelivered from None
                await asyncio.sleep(pause)
