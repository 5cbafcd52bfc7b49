"""GitHub: OAuth2 without an ID token; who it is comes from its user and e-mail calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from authlib.oauth2.auth import ClientAuth  # type: ignore[import-untyped]
from authlib.oauth2.rfc6749.parameters import (  # type: ignore[import-untyped]
    prepare_grant_uri,
    prepare_token_request,
)
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]

from mr.auth.external.asking import Asking
from mr.auth.external.browser import Flow
from mr.auth.external.identity import UNTRUSTED, Identity, SignInRefused, vouched_address
from mr.auth.external.oidc import code_of
from mr.auth.external.providers import GithubProvider


class Github:
    """GitHub, or an Enterprise server of it."""

    def __init__(self, settings: GithubProvider, asking: Asking, *, redirect_uri: str) -> None:
        self._settings = settings
        self._asking = asking
        self._redirect_uri = redirect_uri

    async def address(self, flow: Flow) -> str:
        """Return where the browser goes."""
        return str(
            prepare_grant_uri(
                f"{self._settings.server}/login/oauth/authorize",
                self._settings.client_id,
                "code",
                redirect_uri=self._redirect_uri,
                scope="read:user user:email",
                state=flow.state,
                code_challenge=create_s256_code_challenge(flow.verifier),
                code_challenge_method="S256",
            )
        )

    async def identify(self, flow: Flow, answer: Mapping[str, str]) -> Identity:
        """Return who came back with this answer. Raises SignInRefused."""
        token = await self._redeem(flow, code_of(answer))
        user = await self._asking.json(f"{self._settings.api}/user", bearer=token)
        number = user.get("id") if isinstance(user, dict) else None
        if not isinstance(number, int):
            raise SignInRefused(UNTRUSTED, "the user call names nobody")
        emails = await self._asking.json(f"{self._settings.api}/user/emails", bearer=token)
        return Identity(
            issuer=self._settings.server,
            subject=str(number),
            email=_primary(emails),
            name=str(user.get("name") or user.get("login") or "")[:100] or None,
        )

    async def _redeem(self, flow: Flow, code: str) -> str:
        auth = ClientAuth(
            self._settings.client_id, self._settings.client_secret.get_secret_value(), "client_secret_post"
        )
        body = prepare_token_request(
            "authorization_code", code=code, redirect_uri=self._redirect_uri, code_verifier=flow.verifier
        )
        address = f"{self._settings.server}/login/oauth/access_token"
        uri, headers, body = auth.prepare("POST", address, {}, body)
        status, token = await self._asking.form(uri, body, headers)
        found = token.get("access_token")
        # A wrong code is answered with 200 and an error.
        if status != 200 or not isinstance(found, str):
            raise SignInRefused(UNTRUSTED, f"the code was not redeemed: {status}")
        return found


def _primary(emails: Any) -> str | None:
    """The address that GitHub has verified and the user calls the first."""
    for each in emails if isinstance(emails, list) else ():
        if isinstance(each, dict) and each.get("primary") is True and each.get("verified") is True:
            return vouched_address(each.get("email"))
    return None
