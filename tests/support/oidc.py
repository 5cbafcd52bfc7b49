"""An OpenID provider that lies as told, for what no honest one does: wrong nonces, keys, ends, audiences.

Speaks HTTP through Starlette; must not know the product.
"""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from common.serve import running

Claims = dict[str, Any]


def new_key(name: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": name, "use": "sig", "alg": "RS256"})


@dataclass
class Liar:
    """What it tells; change it between sign-ins."""

    issuer: str = ""
    keys: list[RSAKey] = field(default_factory=lambda: [new_key("first")])
    signs_with: RSAKey | None = None
    header: dict[str, Any] = field(default_factory=dict)
    claims: Claims = field(default_factory=dict)
    lie: Callable[[Claims], Claims] = lambda claims: claims
    token: Callable[[str], str] = lambda token: token
    nonce: str = ""
    answers_with: dict[str, str] = field(default_factory=dict)
    userinfo: Claims | None = None
    redeemed: list[dict[str, str]] = field(default_factory=list)
    key_fetches: int = 0

    def approve(self, address: str) -> str:
        """Return where the browser is sent back to from this authorization request."""
        asked = dict(parse_qsl(urlsplit(address).query))
        self.nonce = asked.get("nonce", "")
        answer = {"code": "a-code", "state": asked["state"], **self.answers_with}
        return f"{asked['redirect_uri']}?{urlencode(answer)}"

    async def discovery(self, _request: Request) -> Response:
        told = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        }
        if self.userinfo is not None:
            told["userinfo_endpoint"] = f"{self.issuer}/userinfo"
        return JSONResponse(told)

    async def jwks(self, _request: Request) -> Response:
        self.key_fetches += 1
        return JSONResponse({"keys": [key.as_dict(private=False) for key in self.keys]})

    async def redeem(self, request: Request) -> Response:
        self.redeemed.append(dict(parse_qsl((await request.body()).decode())))
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": "burgee",
            "sub": "liar-1",
            "iat": now,
            "exp": now + 300,
            "nonce": self.nonce,
            "email": "lia@acme.example",
            "email_verified": True,
            **self.claims,
        }
        key = self.signs_with or self.keys[0]
        header = {"alg": "RS256", "kid": key.kid, **self.header}
        signed = jwt.encode(header, self.lie(claims), key)
        return JSONResponse(
            {"access_token": "an-access-token", "token_type": "Bearer", "id_token": self.token(signed)}
        )

    async def who(self, _request: Request) -> Response:
        return JSONResponse(self.userinfo)


@asynccontextmanager
async def lying_provider(port: int = 0) -> AsyncIterator[Liar]:
    """Serve one, on a free port unless one is named."""
    liar = Liar()
    app = Starlette(
        routes=[
            Route("/.well-known/openid-configuration", liar.discovery),
            Route("/jwks", liar.jwks),
            Route("/token", liar.redeem, methods=["POST"]),
            Route("/userinfo", liar.who),
        ]
    )
    async with running(app, port=port) as url:
        liar.issuer = url
        yield liar


@dataclass
class FakeGithub:
    """The four calls of GitHub that a sign-in makes."""

    user: dict[str, Any]
    emails: list[dict[str, Any]]
    forms: list[dict[str, str]] = field(default_factory=list)

    async def redeem(self, request: Request) -> Response:
        self.forms.append(dict(parse_qsl((await request.body()).decode())))
        if self.forms[-1].get("code") != "a-code":
            return JSONResponse({"error": "bad_verification_code"})
        return JSONResponse({"access_token": "gh-token", "token_type": "bearer", "scope": "user:email"})

    async def who(self, request: Request) -> Response:
        ours = request.headers.get("authorization") == "Bearer gh-token"
        return JSONResponse(self.user if ours else {}, 200 if ours else 401)

    async def addresses(self, request: Request) -> Response:
        ours = request.headers.get("authorization") == "Bearer gh-token"
        return JSONResponse(self.emails if ours else {}, 200 if ours else 401)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/login/oauth/access_token", self.redeem, methods=["POST"]),
                Route("/user", self.who),
                Route("/user/emails", self.addresses),
            ]
        )
