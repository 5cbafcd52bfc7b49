"""The cookie that ties a sign-in to the browser that began it. It never authenticates a call."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from mr.auth.external.browser import Browser

_KEPT_SECONDS: Final = 3600
BEARER_COOKIE: Final = "bearer-token"


class Cookies:
    """Reads and writes cookies as the public address allows."""

    def __init__(self, *, secure: bool) -> None:
        self._secure = secure
        # With this prefix a browser takes the cookie from this very host alone, not from its neighbours.
        self._name = "__Host-burgee-sign-in" if secure else "burgee-sign-in"

    def read(self, request: Request) -> Browser | None:
        """Return the browser that sends this request, as far as it has begun something."""
        return Browser.known(request.cookies.get(self._name))

    def write(self, response: Response, browser: Browser) -> None:
        """Make the browser known at its next request."""
        response.set_cookie(
            self._name,
            browser.secret,
            max_age=_KEPT_SECONDS,
            secure=self._secure,
            httponly=True,
            # Strict would keep it back on the way from the provider.
            samesite="lax",
        )

    def forget(self, response: Response) -> None:
        """The browser's next sign-in starts with a new secret."""
        response.delete_cookie(self._name, secure=self._secure, httponly=True, samesite="lax")

    def write_bearer(self, response: Response, token: str, *, max_seconds: float) -> None:
        """Hand the session's token over as FeatureHub does: readable by scripts, only where that is set."""
        response.set_cookie(
            BEARER_COOKIE,
            token,
            max_age=int(max_seconds),
            secure=self._secure,
            httponly=False,
            samesite="lax",
        )
