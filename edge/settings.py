"""Every setting of Edge."""

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from common.settings import (
    BusSettings,
    Contradiction,
    Duration,
    HttpAddress,
    InternalCallerSettings,
    Port,
    ServingSettings,
    Settings,
    Words,
)


class PollSettings(Settings):
    """What Edge and Edge-REST share: answers to polls and PUTs."""

    cache_control: str = Field(
        "no-store, max-age=0",
        description="The `Cache-Control` of polls where the environment sets none; "
        "`max-age=N` also sets the interval of polling SDKs.",
    )
    cors_headers: Words = Field(
        (), description="Request headers that browsers may send beyond the usual ones, separated by commas."
    )
    cache_misses: int = Field(
        100_000, ge=0, description="How many confirmed misses (keys that do not exist) are remembered."
    )


class StreamSettings(Settings):
    """The life of an SDK's stream."""

    stream_seconds: Duration = Field(
        900, description="A stream says `bye` after this time, more or less a fifth; 0 = never."
    )
    heartbeat_seconds: Duration = Field(
        7, gt=0, description="The silence after which a stream sends a comment, more or less one second."
    )
    unknown_key_hold_seconds: Duration = Field(
        15, description="How long a stream with an unknown key is held before it is closed."
    )
    stream_stall_seconds: Duration = Field(
        30, gt=0, description="A client that takes nothing for this long is disconnected."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        if self.heartbeat_seconds >= 10:
            yield Contradiction(
                ("heartbeat_seconds",), "must be below 10 seconds: some SDKs give up on a stream after that"
            )


class EdgeSettings(ServingSettings, BusSettings, InternalCallerSettings, PollSettings, StreamSettings):
    """Edge, what SDKs talk to."""

    process: ClassVar[str] = "edge"

    port: Port = Field(8553, description="The main port. 0 takes a free one and logs it.")
    dacha_url: HttpAddress | None = Field(
        None, description="Dacha's look-ups over HTTP, such as `http://dacha:8902`; unset = over the bus."
    )
    start_degraded_after: Duration = Field(
        30,
        description="A process that cannot reach what it needs reports ready after this time all the same.",
    )
