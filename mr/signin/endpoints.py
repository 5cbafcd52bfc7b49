"""What browsers meet on their way through an identity provider, and the two operations around it.

The redirects are no operations of the management API: they stand below `/oauth` and `/saml`, where the
contract has them, and answer people, not programs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Annotated
from urllib.parse import parse_qsl, urlencode

import structlog
from fastapi import Path
from prometheus_client import Counter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Match, Route
from starlette.types import Scope

from common.errors import BadRequest, Unavailable
from mr.api.operations import Access, Operation, answer
from mr.auth.external.browser import Browser
from mr.auth.external.identity import SignInRefused
from mr.auth.external.providers import Provider
from mr.signin.cookies import Cookies
from mr.signin.schemas import ProviderRedirect, SignInCodeExchange
from mr.signin.service import Admitted, Begun, ExternalSignIn, UnknownCode
from mr.system.choices import Choices
from mr.system.schemas import IdentityProviderInfo, SetupSiteAdmin, TokenizedPerson

log = structlog.stdlib.get_logger(__name__)

_operation = partial(Operation, service="AuthService", access=Access.OPEN)

ProviderName = Annotated[str, Path(alias="provider")]

_PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
_BEGIN = "/mr-api/burgee/sign-in/{name}"


class _Page(Route):
    """A route that tells the access log its template, as operations do."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, found = super().matches(scope)
        return match, {**found, "route": self} if match is Match.FULL else found


class NoSuchProvider(BadRequest):
    """A set-up without a password needs a provider that is there."""

    code = "no-such-provider"


class SignInEndpoints:
    """Redirects to identity providers and back, and the exchange of what came back."""

    def __init__(
        self,
        external: ExternalSignIn,
        *,
        public_url: str,
        local: bool,
        bearer_cookie: bool,
        session_max_hours: float,
        outcomes: Counter,
    ) -> None:
        self._external = external
        self._public_url = public_url
        self._local = local
        self._bearer_cookie = bearer_cookie
        self._session_seconds = session_max_hours * 3600
        self._outcomes = outcomes
        self._cookies = Cookies(secure=public_url.startswith("https://"))

    def operations(self) -> list[Operation]:
        return [
            _operation(
                "GET",
                "/mr-api/external-provider/{provider}",
                self.address,
                "getLoginUrlForProvider",
                answers=ProviderRedirect,
                statuses=(404,),
            ),
            _operation(
                "POST",
                "/mr-api/burgee/sign-in-code",
                self.exchange,
                "exchangeSignInCode",
                answers=TokenizedPerson,
                statuses=(404,),
            ),
        ]

    def routes(self) -> list[Route]:
        """What browsers are sent to."""
        return [
            _Page(_BEGIN, self.begin, methods=["GET"]),
            _Page("/oauth/auth", self.oauth_return, methods=["GET"]),
            _Page("/saml/{name}/auth", self.begin, methods=["GET"]),
            _Page("/saml/{name}/sso", self.saml_return, methods=["POST"]),
            _Page("/saml/{name}/metadata", self.metadata, methods=["GET"]),
            _Page("/mr-api/burgee/sign-in-cookie", self.hand_over, methods=["GET"]),
        ]

    def choices(self) -> Choices:
        """How people may sign in here."""
        providers = {name: _button(name, each) for name, each in self._external.providers.items()}
        alone = next(iter(providers)) if len(providers) == 1 and not self._local else None
        return Choices(
            local=self._local,
            providers=providers,
            begin_address=alone and self._public_url + _BEGIN.format(name=alone),
            set_up=self if providers else None,
        )

    async def address(self, request: Request, provider: ProviderName) -> Response:
        browser = self._cookies.read(request) or Browser.new()
        begun = await self._begun(provider, self._external.begin(provider, browser))
        response = answer(ProviderRedirect(redirectUrl=begun.address))
        self._cookies.write(response, browser)
        return response

    async def exchange(self, request: Request, body: SignInCodeExchange) -> Response:
        signed_in = await self._external.exchange(body.code, self._cookies.read(request))
        response = answer(signed_in)
        self._cookies.forget(response)
        return response

    async def begin_set_up(self, request: Request, wanted: SetupSiteAdmin) -> Response:
        """Answer where the first administrator signs in. Raises NoSuchProvider."""
        name = wanted.authProvider or ""
        if name not in self._external.providers:
            raise NoSuchProvider("authProvider names no identity provider of this server.")
        browser = self._cookies.read(request) or Browser.new()
        begun = await self._begun(name, self._external.begin_set_up(name, browser, wanted))
        response = answer(TokenizedPerson(redirectUrl=begun.address))
        self._cookies.write(response, browser)
        return response

    async def begin(self, request: Request) -> Response:
        name, browser = request.path_params["name"], self._cookies.read(request) or Browser.new()
        begun = await self._begun(name, self._external.begin(name, browser))
        response = self._redirect(begun.address)
        self._cookies.write(response, browser)
        return response

    async def oauth_return(self, request: Request) -> Response:
        browser, query = self._cookies.read(request), dict(request.query_params)
        provider = query.get("state", "").partition(".")[0]
        return await self._returned(provider, lambda: self._external.finish_oauth(browser, query))

    async def saml_return(self, request: Request) -> Response:
        name, form = request.path_params["name"], _form(await request.body())
        response, state = form.get("SAMLResponse", ""), form.get("RelayState", "")
        return await self._returned(name, lambda: self._external.finish_saml(name, response, state))

    async def metadata(self, request: Request) -> Response:
        told = await self._external.metadata(request.path_params["name"])
        return Response(told, media_type="application/samlmetadata+xml")

    async def hand_over(self, request: Request) -> Response:
        """Turn a code into the readable cookie, where that is set."""
        if not self._bearer_cookie:
            raise UnknownCode
        try:
            signed_in = await self._external.exchange(
                request.query_params.get("code", ""), self._cookies.read(request)
            )
        except UnknownCode:
            return self._failed("expired")
        response = self._redirect(f"{self._public_url}/")
        self._cookies.forget(response)
        self._cookies.write_bearer(response, signed_in.accessToken or "", max_seconds=self._session_seconds)
        return response

    async def _returned(self, provider: str, finish: Callable[[], Awaitable[Admitted]]) -> Response:
        known = provider if provider in self._external.providers else "unknown"
        try:
            admitted = await finish()
        except SignInRefused as refused:
            self._outcomes.labels(known, refused.reason).inc()
            log.warning("sign-in refused", provider=known, reason=refused.reason, detail=refused.detail)
            return self._failed(refused.reason)
        self._outcomes.labels(known, "admitted").inc()
        response = self._redirect(self._next(admitted.code))
        if admitted.browser is not None:
            self._cookies.write(response, admitted.browser)
        return response

    async def _begun(self, provider: str, beginning: Awaitable[Begun]) -> Begun:
        try:
            return await beginning
        except SignInRefused as refused:
            self._outcomes.labels(provider, refused.reason).inc()
            log.warning("sign-in not begun", provider=provider, reason=refused.reason, detail=refused.detail)
            raise Unavailable("The identity provider cannot be used right now.") from None

    def _next(self, code: str) -> str:
        if self._bearer_cookie:
            return f"{self._public_url}/mr-api/burgee/sign-in-cookie?{urlencode({'code': code})}"
        # A fragment stays in the browser: no log on the way holds the code.
        return f"{self._public_url}/login#{urlencode({'code': code})}"

    def _failed(self, reason: str) -> Response:
        return self._redirect(f"{self._public_url}/oauth2-failure?{urlencode({'reason': reason})}")

    @staticmethod
    def _redirect(address: str) -> Response:
        return RedirectResponse(address, 303, headers=_PRIVATE)


def _button(name: str, settings: Provider) -> IdentityProviderInfo:
    return IdentityProviderInfo(
        buttonIcon=settings.button_icon,
        buttonBackgroundColor=settings.button_color,
        buttonText=settings.button_text or f"Sign in with {name}",
    )


def _form(body: bytes) -> Mapping[str, str]:
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=10))
    except ValueError:
        raise BadRequest("The body is no form.") from None
