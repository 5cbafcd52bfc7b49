"""Every setting of Dacha2."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from common.settings import (
    BusSettings,
    CacheSettings,
    Contradiction,
    InternalCallerSettings,
    Port,
    ServingSettings,
    Tokens,
)


class DachaCacheSettings(CacheSettings, BusSettings):
    """What Dacha2 reads wherever it runs."""

    edge_tokens: Tokens = Field(
        (), description="Tokens that Edges present, separated by commas: two of them while rotating."
    )
    fill: Literal["lazy", "eager"] = Field(
        "lazy",
        description="`eager` loads everything at the start and is ready only when all of it is here; `lazy`"
        " loads what is asked for.",
    )


class DachaSettings(ServingSettings, DachaCacheSettings, InternalCallerSettings):
    """Dacha2, the cache between MR and Edge, as a process of its own."""

    process: ClassVar[str] = "dacha"

    port: Port = Field(8902, description="The main port. 0 takes a free one and logs it.")

    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        if self.mr_url is None:
            yield Contradiction(("mr_url",), "is needed: Dacha loads from MR's internal API")
