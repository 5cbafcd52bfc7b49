"""What an identity provider says of somebody, and the ways in which it is not believed.

Knows no protocol and no database.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_ADDRESS: Final = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,190}")


@dataclass(frozen=True)
class Identity:
    """Somebody as a provider knows them. Made only from what was proven to come from that provider."""

    issuer: str
    subject: str | None
    """Never changes and belongs to one person; None when the provider gives a new one each time."""
    email: str | None
    """Lower-cased, and only when the provider vouches for it."""
    name: str | None = None
    groups: frozenset[str] | None = None
    """None when the provider did not tell, which is not the same as none."""


def vouched_address(told: object) -> str | None:
    """Return an address as it is stored, or None for what is none.

    Letters that become ASCII only when they are lowered are refused: they are somebody else's address.
    """
    if not isinstance(told, str):
        return None
    text = told.strip()
    address = text.lower()
    if not _ADDRESS.fullmatch(address) or (address.isascii() and not text.isascii()):
        return None
    return address


class SignInRefused(Exception):
    """An answer of a provider that does not let anybody in.

    ``reason`` is one word for the address bar, ``detail`` is for the log: no token and no name is in it.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


UNTRUSTED = "untrusted-answer"
"""The answer is forged, too old, meant for somebody else, or no answer to what we asked."""
DENIED = "denied"
"""The provider itself said no, or the person did."""
UNREACHABLE = "provider-unreachable"
NO_EMAIL = "no-verified-email"
FOREIGN_DOMAIN = "domain-not-allowed"
NOT_INVITED = "not-invited"
PUT_AWAY = "account-deactivated"
OTHER_ACCOUNT = "linked-to-another-account"
EXPIRED = "expired"
