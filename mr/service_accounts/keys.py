"""API keys of service accounts: how they look, and how SDKs spell them.

The `*` is how everyone tells a key whose strategies are evaluated by the client.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from mr.auth.sessions import random_text

_SERVER_LENGTH: Final = 40
_CLIENT_LENGTHS: Final = (30, 20)


def new_server_key() -> str:
    """Make a key for evaluation at the server."""
    return random_text(_SERVER_LENGTH)


def new_client_key() -> str:
    """Make a key for evaluation at the client."""
    return "*".join(random_text(length) for length in _CLIENT_LENGTHS)


def sdk_url(environment_id: UUID, key: str) -> str:
    """What a person pastes into an SDK's configuration."""
    return f"{environment_id}/{key}"
