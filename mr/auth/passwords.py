"""Passwords: argon2, off the event loop, a few at a time, and the same time whether or not one exists.

Knows no people and no database.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from common.errors import BadRequest, Unavailable

# One hash takes 64 MiB and a core for tens of milliseconds.
_AT_ONCE: Final = 2
_WAITING: Final = 64
_DIFFERENT: Final = 4


class WeakPassword(BadRequest):
    """A new password that anybody might guess."""

    code = "weak-password"


class Passwords:
    """Hashes and verifies; refuses with Unavailable rather than queue without bound."""

    def __init__(self, hasher: PasswordHasher | None = None, *, min_length: int = 1) -> None:
        self._min_length = min_length
        self._hasher = hasher or PasswordHasher()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0
        self._decoy: str | None = None

    def require_fit(self, password: str, *, of: str | None = None) -> None:
        """Refuse a new password that is too short, of too few characters, or the address itself.

        Raises WeakPassword. What else people choose is theirs to say: rules about digits and signs make
        passwords worse.
        """
        if len(password) < self._min_length:
            raise WeakPassword(f"A password has at least {self._min_length} characters.")
        if len(set(password)) < min(self._min_length, _DIFFERENT):
            raise WeakPassword("A password needs more different characters.")
        if of is not None and password.casefold() == of.casefold():
            raise WeakPassword("A password is not the e-mail address.")

    async def hash(self, password: str) -> str:
        """Return what may be stored."""
        return await self._run(password, None)

    async def verify(self, password: str, stored: str | None) -> bool:
        """Compare; with nothing stored it takes as long and is False."""
        if self._decoy is None:
            self._decoy = await self.hash(secrets.token_urlsafe())
        matched = bool(await self._run(password, stored or self._decoy))
        return matched and stored is not None

    def outdated(self, stored: str) -> bool:
        """True when a stored hash was made with other parameters than those of today."""
        return self._hasher.check_needs_rehash(stored)

    async def _run(self, password: str, stored: str | None) -> str:
        if self._waiting >= _WAITING:
            raise Unavailable("Too many sign-ins at once.")
        self._waiting += 1
        try:
            async with self._slots:
                return await asyncio.to_thread(self._blocking, password, stored)
        finally:
            self._waiting -= 1

    def _blocking(self, password: str, stored: str | None) -> str:
        if stored is None:
            return self._hasher.hash(password)
        try:
            self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return ""
        return stored
