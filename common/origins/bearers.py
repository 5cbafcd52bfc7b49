"""Who may call an internal API: bearer tokens, compared without telling how much of one was right."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from common.errors import Forbidden, Unauthenticated

if TYPE_CHECKING:
    from starlette.requests import Request


class Bearers:
    """The tokens that open one API, and those that open only another one.

    Keeps digests alone, so that neither the length of a token nor the number of tokens shows in the time
    that a comparison takes.
    """

    def __init__(self, tokens: Sequence[str], *, others: Sequence[str] = ()) -> None:
        self._tokens = [_digest(token) for token in tokens]
        self._others = [_digest(token) for token in others]

    def require(self, request: Request) -> None:
        """Raise `Unauthenticated` for a stranger, `Forbidden` for somebody known who may do other things."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        presented = _digest(token.strip() if scheme.lower() == "bearer" else "")
        mine, known = _is_among(presented, self._tokens), _is_among(presented, self._others)
        if mine:
            return
        if known:
            raise Forbidden("This token is for another part of the API.")
        raise Unauthenticated("A token of this cluster is needed.")


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogateescape")).digest()


def _is_among(presented: bytes, digests: Sequence[bytes]) -> bool:
    found = False
    for digest in digests:
        # No early end: every token is compared every time.
        found = hmac.compare_digest(presented, digest) or found
    return found
