"""Every setting of Dacha2."""

from typing import ClassVar

from pydantic import Field

from common.settings import BusSettings, Duration, InternalCallerSettings, Port, ServingSettings, Tokens


class DachaSettings(ServingSettings, BusSettings, InternalCallerSettings):
    """Dacha2, the cache between MR and Edge."""

    process: ClassVar[str] = "dacha"

    port: Port = Field(8902, description="The main port. 0 takes a free one and logs it.")
    edge_tokens: Tokens = Field(
        (), description="Tokens that Edges present, separated by commas: two of them while rotating."
    )
    cache_environments: int = Field(
        10_000, ge=1, description="How many environments are held; the least recently used go first."
    )
    cache_bytes: int | None = Field(
        None,
        ge=1,
        description="How many bytes the environments held may take, by estimate; unset = a quarter of the"
        " memory that this container or machine has.",
    )
    cache_accounts: int = Field(
        50_000, ge=1, description="How many service accounts are held; the least recently used go first."
    )
    cache_misses: int = Field(
        100_000, ge=0, description="How many confirmed misses (keys that do not exist) are remembered."
    )
    max_stale: Duration | None = Field(
        None,
        description="How long values are served while cut off from MR; unset = without limit.",
    )
    max_stale_keys: Duration = Field(
        86_400, description="How long SDK keys are believed while cut off from MR; afterwards 503."
    )
    start_degraded_after: Duration = Field(
        30,
        description="A process that cannot reach what it needs reports ready after this time all the same.",
    )
