"""Every setting of the Management Repository."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr

from common.settings import (
    BusSettings,
    Contradiction,
    Duration,
    HttpAddress,
    Networks,
    Port,
    ServingSettings,
    Tokens,
    WritingSettings,
)
from mr.auth.external.providers import ProvidersInvalid, read_providers


class MrSettings(ServingSettings, WritingSettings, BusSettings):
    """The Management Repository."""

    process: ClassVar[str] = "mr"

    public_url: HttpAddress | None = Field(
        None,
        description="The address that people and SDKs use, for links in invitations and on the SDK pages. "
        "With a path (`https://example.org/flags`) the web interface lives below it, and the proxy takes the "
        "path off; unset = built from host and port.",
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
    secrets_shown: bool = Field(
        False,
        description="Administrators may have encrypted secrets decrypted and shown to them.",
    )
    outgoing_private_networks: Networks = Field(
        (),
        description="Private networks that requests to typed-in addresses (webhooks, Slack, identity "
        "providers) may reach, separated by commas; unset = public addresses alone.",
    )
    delivery_timeout: Duration = Field(
        8, gt=0, description="How long one attempt of a webhook or a Slack message may take."
    )
    delivery_attempts: int = Field(
        14, ge=1, le=50, description="How often a message is tried before it becomes a dead letter."
    )
    delivery_pause: Duration = Field(
        1,
        gt=0,
        description="The pause after the first attempt; each one after it is twice as long, up to an hour.",
    )
    delivery_max_failures: int = Field(
        5, ge=1, description="An endpoint that did not take so many messages in a row is switched off."
    )
    delivery_keep_hours: float = Field(
        168, gt=0, description="How long messages that were delivered or given up are kept."
    )
    slack_url: HttpAddress = Field(
        "https://slack.com/api/chat.postMessage", description="Where Slack takes messages."
    )
    local_sign_in: bool = Field(
        True, description="People may sign in with a password; `false` = with an identity provider alone."
    )
    sign_in_file: Path | None = Field(
        None,
        description="A TOML file that names the identity providers with which people may sign in: see"
        " `docs/sign-in.md`.",
    )
    compat_bearer_cookie: bool = Field(
        False,
        description="After a sign-in with an identity provider the token is also set as the cookie"
        " `bearer-token`, readable by scripts, as clients of FeatureHub expect it.",
    )
    password_min_length: int = Field(
        7, ge=1, le=100, description="How many characters a new password has at least."
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

    def public_address(self) -> str:
        """Answer the address that people use."""
        return self.public_url or f"http://localhost:{self.port}"

    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        yield from self._sign_in_contradictions()
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

    def _sign_in_contradictions(self) -> Iterator[Contradiction]:
        if self.sign_in_file is None:
            if not self.local_sign_in:
                yield Contradiction(
                    ("local_sign_in", "sign_in_file"), "leaves no way in without BURGEE_SIGN_IN_FILE"
                )
            return
        if self.public_url is None:
            yield Contradiction(
                ("public_url", "sign_in_file"),
                "is needed when BURGEE_SIGN_IN_FILE is set: identity providers send people back to it",
            )
        try:
            read_providers(self.sign_in_file)
        except ProvidersInvalid as invalid:
            for fault in invalid.faults:
                yield Contradiction(("sign_in_file",), fault)
