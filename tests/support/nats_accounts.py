"""NKeys and JWTs as NATS's own tools make them: an operator, one account, users with credentials files."""

import json
import os
import time
from base64 import b32encode, urlsafe_b64encode
from hashlib import sha512
from pathlib import Path
from typing import Any

import nkeys  # type: ignore[import-untyped]


class Identity:
    """A pair of keys; ``seed`` is the secret one."""

    def __init__(self, prefix: int) -> None:
        self.seed: str = nkeys.encode_seed(os.urandom(32), prefix).decode()
        self._pair = nkeys.from_seed(bytearray(self.seed.encode()))
        self.public: str = self._pair.public_key.decode()

    def sign(self, name: str, subject: str, nats: dict[str, Any]) -> str:
        """A JWT in which this identity says who ``subject`` is."""
        claims = {"iat": int(time.time()), "iss": self.public, "name": name, "sub": subject, "nats": nats}
        digest = sha512(json.dumps(claims).encode()).digest()[:32]
        claims["jti"] = b32encode(digest).decode().rstrip("=")
        text = f"{_encoded({'typ': 'JWT', 'alg': 'ed25519-nkey'})}.{_encoded(claims)}"
        signature = urlsafe_b64encode(self._pair.sign(text.encode())).decode().rstrip("=")
        return f"{text}.{signature}"


class Organisation:
    """An operator with one account; the server needs `server_settings`, a process a credentials file."""

    def __init__(self) -> None:
        self._operator = Identity(nkeys.PREFIX_BYTE_OPERATOR)
        self._account = Identity(nkeys.PREFIX_BYTE_ACCOUNT)

    def server_settings(self) -> str:
        operator = self._operator.sign("O", self._operator.public, {"type": "operator", "version": 2})
        limits = dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), -1)
        account = self._operator.sign(
            "A",
            self._account.public,
            {"type": "account", "version": 2, "limits": limits | {"wildcards": True}},
        )
        return "\n".join(
            [
                f'operator: "{operator}"',
                "resolver: MEMORY",
                f'resolver_preload {{ {self._account.public}: "{account}" }}',
            ]
        )

    def write_credentials(self, path: Path) -> None:
        """A file for one new user of the account."""
        user = Identity(nkeys.PREFIX_BYTE_USER)
        rights = {"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1}
        path.write_text(
            "\n".join(
                [
                    "-----BEGIN NATS USER JWT-----",
                    self._account.sign("U", user.public, rights),
                    "------END NATS USER JWT------",
                    "",
                    "-----BEGIN USER NKEY SEED-----",
                    user.seed,
                    "------END USER NKEY SEED------",
                    "",
                ]
            )
        )


def user_identity() -> Identity:
    """A pair of keys that a server can know by its public one."""
    return Identity(nkeys.PREFIX_BYTE_USER)


def _encoded(value: dict[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
