"""The cookie with which a browser gets its session's token again after a reload.

It holds a secret from which the token is derived, so every tab gets the same one, and only the token's
hash is stored. It is sent to one address alone and authenticates nothing else.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from mr.auth.sessions import TOKEN_LENGTH, random_text

RENEWAL_PATH: Final = "/mr-api/burgee/session"
_LONGEST_SECRET: Final = 100
_SECRET_LENGTH: Final = 43
_PURPOSE: Final = b"burgee session token"


def new_secret() -> str:
    """Return a secret for one session."""
    return random_text(_SECRET_LENGTH)


def token_of(secret: str) -> str:
    """Return the token that belongs to a secret. The way back does not exist."""
    digest = hmac.digest(secret.encode(), _PURPOSE, sha256)
    return urlsafe_b64encode(digest).decode()[:TOKEN_LENGTH]


class RenewalCookie:
    """Reads and writes the cookie as the public address allows, and says which pages may use it."""

    def __init__(self, public_url: str | None) -> None:
        address = urlsplit(public_url or "")
        self._secure = address.scheme == "https"
        self._name = "__Secure-burgee-session" if self._secure else "burgee-session"
        self._path = address.path.rstrip("/") + RENEWAL_PATH
        self._origin = f"{address.scheme}://{address.netloc}".lower() if address.netloc else None

    def is_own_page(self, request: Request) -> bool:
        """True when a page of this very server asks: browsers name the origin with every POST."""
        if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return False
        origin = request.headers.get("origin", "").lower()
        if self._origin is not None and origin == self._origin:
            return True
        # Reached by another name, such as localhost: then it is the name that the browser itself used.
        return bool(origin) and urlsplit(origin).netloc == request.headers.get("host", "").lower()

    def read(self, request: Request) -> str | None:
        """Return the secret that the browser sends."""
        secret = request.cookies.get(self._name)
        return secret if secret and len(secret) <= _LONGEST_SECRET and secret.isascii() else None

    def write(self, response: Response, secret: str, *, seconds: float) -> None:
        """Have the browser keep the secret for as long as its session may last."""
        response.set_cookie(
            self._name,
            secret,
            max_age=max(1, int(seconds)),
            path=self._path,
            secure=self._secure,
            httponly=True,
            samesite="strict",
        )

    def forget(self, response: Response) -> None:
        """Have the browser drop it."""
        response.delete_cookie(
            self._name, path=self._path, secure=self._secure, httponly=True, samesite="strict"
        )
