"""OpenID Connect: authorization code with PKCE, and an ID token that is believed only after every check.

Authlib and joserfc do the protocol and the cryptography; the requests are ours (`asking`). Knows no
database and no people.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from authlib.oauth2.auth import ClientAuth  # type: ignore[import-untyped]
from authlib.oauth2.rfc6749.parameters import (  # type: ignore[import-untyped]
    prepare_grant_uri,
    prepare_token_request,
)
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]
from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from mr.auth.external.asking import Asking, Json, Remembered
from mr.auth.external.browser import Flow
from mr.auth.external.identity import (
    DENIED,
    UNREACHABLE,
    UNTRUSTED,
    Identity,
    SignInRefused,
    vouched_address,
)
from mr.auth.external.providers import OidcProvider

LEEWAY_SECONDS: Final = 60
_ALGORITHMS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
)  # fmt: skip
"""Only those with a public key: with the others whoever knows our secret could sign."""


@dataclass(frozen=True)
class _Discovered:
    authorization: str
    token: str
    jwks: str
    userinfo: str | None
    algorithms: tuple[str, ...]
    posts_secret: bool
    names_itself: bool
    """It promises `iss` in its answers (RFC 9207)."""


class Oidc:
    """One provider."""

    def __init__(self, settings: OidcProvider, asking: Asking, *, redirect_uri: str) -> None:
        self._settings = settings
        self._asking = asking
        self._redirect_uri = redirect_uri
        self._discovered = Remembered(self._discover)
        self._keys = Remembered(self._fetch_keys)

    async def address(self, flow: Flow) -> str:
        """Return where the browser goes."""
        found = await self._discovered.get()
        return str(
            prepare_grant_uri(
                found.authorization,
                self._settings.client_id,
                "code",
                redirect_uri=self._redirect_uri,
                scope=" ".join(self._settings.scopes),
                state=flow.state,
                nonce=flow.nonce,
                code_challenge=create_s256_code_challenge(flow.verifier),
                code_challenge_method="S256",
            )
        )

    async def identify(self, flow: Flow, answer: Mapping[str, str]) -> Identity:
        """Return who came back with this answer. Raises SignInRefused."""
        found = await self._discovered.get()
        named = answer.get("iss")
        if named != self._settings.issuer and (named is not None or found.names_itself):
            raise SignInRefused(UNTRUSTED, "the answer names another issuer")
        code = code_of(answer)
        token = await self._redeem(found, flow, code)
        claims = await self._verified(found, flow, token)
        return self._identity(await self._with_userinfo(found, claims, token))

    async def _redeem(self, found: _Discovered, flow: Flow, code: str) -> Json:
        secret = self._settings.client_secret
        method = "none" if secret is None else "client_secret_post"
        if secret is not None and not found.posts_secret:
            method = "client_secret_basic"
        auth = ClientAuth(self._settings.client_id, secret and secret.get_secret_value(), method)
        body = prepare_token_request(
            "authorization_code", code=code, redirect_uri=self._redirect_uri, code_verifier=flow.verifier
        )
        uri, headers, body = auth.prepare("POST", found.token, {}, body)
        status, token = await self._asking.form(uri, body, headers)
        if status != 200 or not isinstance(token.get("id_token"), str):
            raise SignInRefused(UNTRUSTED, f"the code was not redeemed: {status} {_word(token.get('error'))}")
        return token

    async def _verified(self, found: _Discovered, flow: Flow, token: Json) -> Json:
        keys = await self._keys.get()
        try:
            decoded = _decode(token["id_token"], keys, found.algorithms)
        except (InvalidKeyIdError, BadSignatureError):
            # The provider may have new keys since ours were fetched.
            newer = await self._keys.newer(keys)
            decoded = _decoded_or_refused(token["id_token"], newer, found.algorithms)
        except (JoseError, ValueError) as error:
            raise SignInRefused(UNTRUSTED, f"the ID token: {type(error).__name__}") from None
        claims = CodeIDToken(
            decoded.claims,
            decoded.header,
            options={
                "iss": {"essential": True, "value": self._settings.issuer},
                "aud": {"essential": True, "value": self._settings.client_id},
            },
            params={
                "nonce": flow.nonce,
                "client_id": self._settings.client_id,
                "access_token": token.get("access_token"),
            },
        )
        try:
            claims.validate(now=int(time.time()), leeway=LEEWAY_SECONDS)
        except (JoseError, ValueError, TypeError) as error:
            raise SignInRefused(UNTRUSTED, f"the ID token: {error}") from None
        return dict(claims)

    async def _with_userinfo(self, found: _Discovered, claims: Json, token: Json) -> Json:
        wanted = [
            self._settings.email_claim,
            *([self._settings.groups_claim] if self._settings.groups else []),
        ]
        bearer = token.get("access_token")
        if all(_at(claims, name) is not None for name in wanted) or not found.userinfo or not bearer:
            return claims
        told = await self._asking.json(found.userinfo, bearer=str(bearer))
        if not isinstance(told, dict) or told.get("sub") != claims["sub"]:
            raise SignInRefused(UNTRUSTED, "userinfo is about somebody else")
        return {**told, **claims}

    def _identity(self, claims: Json) -> Identity:
        email = _at(claims, self._settings.email_claim)
        vouched = self._settings.trust_email or _at(claims, "email_verified") in (True, "true")
        groups = _at(claims, self._settings.groups_claim)
        # With very many groups Entra sends a pointer in their place: not told, rather than none.
        withheld = isinstance(claims.get("_claim_names"), dict) and "groups" in claims["_claim_names"]
        return Identity(
            issuer=self._settings.issuer,
            subject=str(claims["sub"]),
            email=vouched_address(email) if vouched else None,
            name=_text(_at(claims, self._settings.name_claim)),
            groups=None if withheld else _texts(groups),
        )

    async def _discover(self) -> _Discovered:
        address = self._settings.issuer.rstrip("/") + "/.well-known/openid-configuration"
        told = await self._asking.json(address)
        if not isinstance(told, dict) or told.get("issuer") != self._settings.issuer:
            raise SignInRefused(UNREACHABLE, "the discovery document is of another issuer")
        secure = self._settings.issuer.startswith("https://")
        endpoints = {}
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"):
            value = told.get(name)
            if value is None and name == "userinfo_endpoint":
                continue
            if not isinstance(value, str) or (secure and not value.startswith("https://")):
                raise SignInRefused(UNREACHABLE, f"the discovery document's {name} cannot be used")
            endpoints[name] = value
        offered = told.get("id_token_signing_alg_values_supported") or ["RS256"]
        methods = told.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        return _Discovered(
            authorization=endpoints["authorization_endpoint"],
            token=endpoints["token_endpoint"],
            jwks=endpoints["jwks_uri"],
            userinfo=endpoints.get("userinfo_endpoint"),
            algorithms=tuple(each for each in _ALGORITHMS if each in offered),
            posts_secret="client_secret_post" in methods,
            names_itself=told.get("authorization_response_iss_parameter_supported") is True,
        )

    async def _fetch_keys(self) -> KeySet:
        told = await self._asking.json((await self._discovered.get()).jwks)
        try:
            # Keys of kinds that we do not know stand beside those that we do.
            signing = [key for key in told["keys"] if key.get("kty") in {"RSA", "EC", "OKP"}]
            return KeySet.import_key_set({"keys": [key for key in signing if key.get("use", "sig") == "sig"]})
        except (JoseError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise SignInRefused(UNREACHABLE, f"the keys cannot be read: {type(error).__name__}") from None


def code_of(answer: Mapping[str, str]) -> str:
    """Return the code of an OAuth answer. Raises SignInRefused when it has an error in its place."""
    if "error" in answer:
        raise SignInRefused(DENIED, f"the provider answered {_word(answer['error'])}")
    code = answer.get("code")
    if not code:
        raise SignInRefused(UNTRUSTED, "the answer has no code")
    return code


def _decode(token: str, keys: KeySet, algorithms: tuple[str, ...]) -> jwt.Token:
    return jwt.decode(token, keys, algorithms=list(algorithms))


def _decoded_or_refused(token: str, keys: KeySet, algorithms: tuple[str, ...]) -> jwt.Token:
    try:
        return _decode(token, keys, algorithms)
    except (JoseError, ValueError) as error:
        raise SignInRefused(UNTRUSTED, f"the ID token: {type(error).__name__}") from None


def _at(claims: Mapping[str, Any], path: str) -> Any:
    """Return a claim by name, or by a path with dots into objects."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _text(value: Any) -> str | None:
    return value.strip()[:100] or None if isinstance(value, str) else None


def _texts(value: Any) -> frozenset[str]:
    if isinstance(value, str):
        return frozenset({value})
    return (
        frozenset(each for each in value if isinstance(each, str)) if isinstance(value, list) else frozenset()
    )


def _word(value: Any) -> str:
    """An error code as it may be logged: short, and nothing but what such codes are made of."""
    text = str(value)[:60]
    return text if text.replace("_", "").replace("-", "").isalnum() else "an error"
