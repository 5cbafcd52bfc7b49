"""Secrets at rest: texts that are stored so that the database alone does not give them away.

AES-256-GCM under a key that scrypt makes of the password (a setting) and a salt that lies beside the text.
Making a key takes time and a thread, so it happens before a transaction, never inside one. Each text is
bound to the place it was sealed for: moved elsewhere it does not open. Must not know what the secrets are
for.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
from collections import OrderedDict
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from common.errors import Unavailable

ENCRYPTED: Final = "ENCRYPTED-TEXT"
"""What stands in the place of a secret wherever settings are shown; sent back, it changes nothing."""

_SALT_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_KEYS_KEPT: Final = 512
_SCRYPT_MEMORY: Final = 64 * 1024 * 1024


class Undecipherable(Unavailable):
    """It was sealed under another password, or for another place."""

    code = "secret-cannot-be-opened"


class Sealed(NamedTuple):
    """A secret as it is stored."""

    text: str
    salt: str


class Sealer:
    """Seals texts under one fresh salt; quick enough for the inside of a transaction."""

    def __init__(self, key: bytes, salt: bytes) -> None:
        self._cipher = AESGCM(key)
        self._salt = _written(salt)

    def seal(self, text: str, place: str) -> Sealed:
        """Seal the text for this place."""
        nonce = os.urandom(_NONCE_BYTES)
        return Sealed(
            _written(nonce + self._cipher.encrypt(nonce, text.encode(), place.encode())), self._salt
        )


class Vault:
    """Seals and opens under one password; without one nothing is sealed."""

    def __init__(self, password: str | None, *, reveals: bool = False) -> None:
        self._password = password
        self._reveals = reveals
        self._keys: OrderedDict[bytes, bytes] = OrderedDict()

    @property
    def seals(self) -> bool:
        """True when there is a password."""
        return self._password is not None

    @property
    def reveals(self) -> bool:
        """True when people with the right to may see secrets again."""
        return self._reveals and self.seals

    async def sealer(self) -> Sealer | None:
        """Make what seals the secrets of one write; None without a password."""
        if self._password is None:
            return None
        salt = os.urandom(_SALT_BYTES)
        return Sealer(await self._key(salt), salt)

    async def open(self, sealed: Sealed, place: str) -> str:
        """Return the text. Raises `Undecipherable`."""
        try:
            salt, text = base64.b64decode(sealed.salt), base64.b64decode(sealed.text)
            key = await self._key(salt)
            plain = AESGCM(key).decrypt(text[:_NONCE_BYTES], text[_NONCE_BYTES:], place.encode())
        except (InvalidTag, ValueError):
            raise Undecipherable("A secret cannot be opened with this password.") from None
        return plain.decode()

    async def _key(self, salt: bytes) -> bytes:
        key = self._keys.get(salt)
        if key is None:
            if self._password is None:
                raise Undecipherable("Secrets cannot be opened without BURGEE_ENCRYPTION_PASSWORD.")
            key = await asyncio.to_thread(_derived, self._password, salt)
            self._keys[salt] = key
            if len(self._keys) > _KEYS_KEPT:
                self._keys.popitem(last=False)
        return key


def _derived(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1, dklen=32, maxmem=_SCRYPT_MEMORY)


def _written(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
