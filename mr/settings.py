"""Every setting of the Management Repository."""

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field, SecretStr

from common.settings import (
    BusSettings,
    Contradiction,
    Duration,
    HttpAddress,
    Port,
    ServingSettings,
    Tokens,
    WritingSettings,
)


class MrSettings(ServingSettings, WritingSettings, BusSettings):
    """The Management Repository."""

    process: ClassVar[str] = "mr"

    public_url: HttpAddress | None = Field(
        None,
        description="The address that people and SDKs use, for links in invitations and on the SDK pages; "
        "unset = built from host and port.",
    )
    internal_port: Port | None = Field(
        None, description="The port of the internal API that Dacha and Edge call; unset = it is not served."
    )
    dacha_tokens: Tokens = Field(
        (), description="Tokens that Dachas present, separated by commas: two of them while rotating."
    )
    edge_tokens: Tokens = Field(
        (), description="Tokens that Edges present, separated by commas: two of them while rotating."
    )
    encryption_password: SecretStr | None = Field(
        None, description="Encrypts secrets that are kept in the database, such as webhook headers."
    )
    session_idle_hours: float = Field(
        24, gt=0, description="A sign-in ends when it was not used for this long."
    )
    session_max_hours: float = Field(168, gt=0, description="A sign-in ends after this long in any case.")
    outbox_keep_hours: float = Field(
        48, gt=0, description="How long published changes are kept for processes that were cut off."
    )
    outbox_keep_rows: int = Field(
        100_000, ge=1000, description="How many published changes are kept at least, whatever their age."
    )
    production_environment_name: str = Field(
        "production", min_length=1, description="The name of the first environment of a new application."
    )
    admin_group_suffix: str = Field(
        "Administrators",
        min_length=1,
        description="What follows the portfolio's name in the name of its administrators' group.",
    )
    start_degraded_after: Duration = Field(
        30,
        description="A process that cannot reach what it needs reports ready after this time all the same.",
    )

    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        if self.internal_port and self.internal_port in {self.port, self.monitor_port}:
            yield Contradiction(
                ("internal_port", "port", "monitor_port"),
                "must be a port of its own, not BURGEE_PORT or BURGEE_MONITOR_PORT",
            )
        if self.internal_port is not None and not (self.dacha_tokens or self.edge_tokens):
            yield Contradiction(
                ("internal_port", "dacha_tokens", "edge_tokens"),
                "needs BURGEE_DACHA_TOKENS or BURGEE_EDGE_TOKENS: the internal API is always authenticated",
            )
        if self.session_idle_hours > self.session_max_hours:
            yield Contradiction(
                ("session_idle_hours", "session_max_hours"), "must not exceed BURGEE_SESSION_MAX_HOURS"
            )
