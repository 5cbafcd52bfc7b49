"""The browser in which somebody signs in: a random secret in its cookie, from which all else follows.

State, nonce and PKCE verifier of a sign-in are derived from the secret, so the server keeps nothing while
somebody is at an identity provider, nobody can fill a table with sign-ins that were only begun, and an
answer is of no use in a browser that did not ask for it. Pure.
"""

from __future__ import annotations

import hmac
import re
import secrets
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

SIGN_IN_SECONDS: Final = 900
"""How long somebody may take at the provider."""

_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_STATE: Final = re.compile(
    r"([a-z0-9][a-z0-9-]{0,30})\.([0-9a-f]{1,12})\.([A-Za-z0-9_-]{16})\.([A-Za-z0-9_-]{43})"
)


@dataclass(frozen=True)
class Flow:
    """One sign-in at one provider."""

    provider: str
    state: str
    nonce: str
    verifier: str


class Browser:
    """One browser's secret, and what it makes of statements."""

    def __init__(self, secret: str) -> None:
        self.secret = secret

    @classmethod
    def new(cls) -> Browser:
        return cls(secrets.token_urlsafe(32))

    @classmethod
    def known(cls, cookie: str | None) -> Browser | None:
        """Return the browser of a cookie, or None when there is none that we could have set."""
        return cls(cookie) if cookie and _SECRET.fullmatch(cookie) else None

    def proof(self, statement: str) -> str:
        """43 characters that only this browser's secret makes of the statement."""
        return _text(hmac.digest(self.secret.encode(), statement.encode(), sha256))

    def proves(self, statement: str, proof: str) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(self.proof(statement), proof)

    def begin(self, provider: str, now: float | None = None) -> Flow:
        """Start a sign-in."""
        issued = int(time.time() if now is None else now)
        told = f"{provider}.{issued:x}.{secrets.token_urlsafe(12)}"
        return self._flow(provider, f"{told}.{self.proof('state ' + told)}")

    def resume(self, state: str, now: float | None = None) -> Flow | None:
        """Return the sign-in that this browser began, or None when it did not, or too long ago."""
        parts = _STATE.fullmatch(state)
        if parts is None or not self.proves("state " + state.rpartition(".")[0], parts[4]):
            return None
        age = (time.time() if now is None else now) - int(parts[2], 16)
        return self._flow(parts[1], state) if -60 <= age <= SIGN_IN_SECONDS else None

    def _flow(self, provider: str, state: str) -> Flow:
        return Flow(provider, state, self.proof("nonce " + state), self.proof("verifier " + state))


def _text(digest: bytes) -> str:
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
