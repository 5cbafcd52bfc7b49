"""Every setting of Edge."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from common.settings import (
    BusSettings,
    CacheSettings,
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
    edge_http: Literal["fast", "plain"] = Field(
        "fast",
        description="How plain requests of SDKs are answered: `fast` inside the HTTP parser, or `plain` "
        "through the web framework like all others: the same answers, several times slower.",
    )
    cors_headers: Words = Field(
        (), description="Request headers that browsers may send beyond the usual ones, separated by commas."
    )


class StreamSettings(Settings):
    """The life of an SDK's stream."""

    stream_seconds: Duration = Field(
        900, description="A stream says `bye` after this time, more or less a fifth; 0 = never."
    )
    heartbeat_seconds: Duration = Field(
        7,
        gt=0,
        description="The silence after which a stream sends a comment, more or less one second; "
        "after about 3.5 s where an SDK bears less (Java over Jersey).",
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


class EdgeSettings(
    ServingSettings, CacheSettings, BusSettings, InternalCallerSettings, PollSettings, StreamSettings
):
    """Edge, what SDKs talk to, as a process of its own."""

    process: ClassVar[str] = "edge"

    port: Port = Field(8553, description="The main port. 0 takes a free one and logs it.")
    edge_workers: int = Field(
        1,
        ge=1,
        le=256,
        description="How many processes share the main port, each an Edge of its own: one for each core. They"
        " divide `BURGEE_CACHE_BYTES`, and each keeps its state in a folder of its own.",
    )
    dacha_url: HttpAddress | None = Field(
        None, description="Dacha's look-ups over HTTP, such as `http://dacha:8902`; unset = over the bus."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        if not self.nats_urls and self.dacha_url is None:
            yield Contradiction(
                ("nats_urls", "dacha_url"),
                "is needed, or BURGEE_DACHA_URL: Edge gets its features from Dacha, over one of both",
            )
        if self.dacha_url is not None and self.internal_token is None:
            yield Contradiction(("internal_token", "dacha_url"), "is needed when BURGEE_DACHA_URL is set")
