"""Sign-in through identity providers: begin there, come back, become somebody here.

The server keeps nothing of a sign-in that was only begun; what comes back is believed by
`mr.auth.external`, admitted by `mr.signin.admission`, and leaves as a one-time code.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Final

from sqlalchemy import delete, select

from common.errors import NotFound
from mr.auth.external.asking import Asking
from mr.auth.external.browser import SIGN_IN_SECONDS, Browser
from mr.auth.external.github import Github
from mr.auth.external.identity import NO_EMAIL, UNTRUSTED, Identity, SignInRefused
from mr.auth.external.oidc import Oidc
from mr.auth.external.providers import AnyProvider, GithubProvider, SamlProvider
from mr.auth.external.saml import Asserted, Saml
from mr.auth.sessions import Sessions
from mr.db.models.base import utc_now
from mr.db.models.people import Person
from mr.db.models.sign_in import PendingSetUp, SpentAssertion
from mr.db.session import Database, Taken, WriteSession, run_with_retries
from mr.signin.admission import admit, link, require_fit
from mr.signin.codes import Binding, issue_code, use_code
from mr.system.organization import find_organization
from mr.system.schemas import SetupSiteAdmin, TokenizedPerson
from mr.system.service import set_up, tokenized

_SPENT: Final = "pk_spent_assertion"
_ATTEMPTS: Final = 3


class UnknownProvider(NotFound):
    code = "unknown-provider"


class UnknownCode(NotFound):
    """Unknown, used, too old, or another browser's: nobody can tell which."""

    code = "unknown-code"


@dataclass(frozen=True)
class Begun:
    """Where the browser goes, and the state that comes back with it."""

    address: str
    state: str


@dataclass(frozen=True)
class Admitted:
    """Somebody who was let in, before they have a session."""

    code: str
    browser: Browser | None = None
    """The one to make known, for a sign-in that no browser of ours began."""


class ExternalSignIn:
    """All providers of this server."""

    def __init__(
        self,
        database: Database,
        providers: Mapping[str, AnyProvider],
        *,
        asking: Asking,
        sessions: Sessions,
        public_url: str,
        admin_group_suffix: str,
        capabilities: Mapping[str, str],
    ) -> None:
        self._capabilities = capabilities
        self._database = database
        self._sessions = sessions
        self._suffix = admin_group_suffix
        self.providers = providers
        self._oauth: dict[str, Oidc | Github] = {}
        self._saml: dict[str, Saml] = {}
        for name, settings in providers.items():
            if isinstance(settings, SamlProvider):
                self._saml[name] = Saml(name, settings, asking, public_url=public_url)
            elif isinstance(settings, GithubProvider):
                self._oauth[name] = Github(settings, asking, redirect_uri=f"{public_url}/oauth/auth")
            else:
                self._oauth[name] = Oidc(settings, asking, redirect_uri=f"{public_url}/oauth/auth")

    async def begin(self, name: str, browser: Browser) -> Begun:
        """Return where to go. Raises UnknownProvider, and SignInRefused when the provider is away."""
        if name in self._saml:
            return Begun(*await self._saml[name].begin(browser))
        if name not in self._oauth:
            raise UnknownProvider
        flow = browser.begin(name)
        return Begun(await self._oauth[name].address(flow), flow.state)

    async def begin_set_up(self, name: str, browser: Browser, wanted: SetupSiteAdmin) -> Begun:
        """Begin, and remember what is to be set up for whoever comes back."""
        begun = await self.begin(name, browser)
        now = utc_now()
        async with self._database.write() as session:
            await session.execute(delete(PendingSetUp).where(PendingSetUp.expires_at <= now))
            session.add(
                PendingSetUp(
                    state_hash=_hashed(begun.state),
                    provider=name,
                    portfolio=wanted.portfolio,
                    organization_name=wanted.organizationName,
                    expires_at=now + timedelta(seconds=SIGN_IN_SECONDS),
                )
            )
        return begun

    async def finish_oauth(self, browser: Browser | None, answer: Mapping[str, str]) -> Admitted:
        """Let in whoever came back with this answer. Raises SignInRefused."""
        state = answer.get("state", "")
        flow = browser.resume(state) if browser else None
        if browser is None or flow is None or flow.provider not in self._oauth:
            raise SignInRefused(UNTRUSTED, "this browser began no such sign-in")
        identity = await self._oauth[flow.provider].identify(flow, answer)
        statement = f"code {state}"
        binding = Binding(statement, browser.proof(statement))
        return Admitted(await self._admitted(flow.provider, identity, state, binding))

    async def finish_saml(self, name: str, response: str, relay_state: str) -> Admitted:
        """Let in whom this response is about. Raises UnknownProvider, SignInRefused."""
        asserted = await self._registration(name).identify(response, relay_state)
        if asserted.statement is not None and asserted.proof is not None:
            # The provider's form comes without our cookie; the browser proves itself with the code.
            binding = Binding(asserted.statement, asserted.proof)
            return Admitted(await self._admitted(name, asserted.identity, relay_state, binding, asserted))
        browser, statement = Browser.new(), f"code {secrets.token_urlsafe(12)}"
        binding = Binding(statement, browser.proof(statement))
        return Admitted(await self._admitted(name, asserted.identity, "", binding, asserted), browser)

    async def metadata(self, name: str) -> bytes:
        """Return our SAML metadata of a registration. Raises UnknownProvider."""
        return await self._registration(name).metadata()

    async def exchange(self, code: str, browser: Browser | None) -> TokenizedPerson:
        """Turn a code into a session. Raises UnknownCode."""
        async with self._database.write() as session:
            person = await use_code(session, code, browser)
            if person is not None:
                token = await self._sessions.begin(session, person)
                return await tokenized(session, person, token, self._capabilities)
        raise UnknownCode

    def _registration(self, name: str) -> Saml:
        if name not in self._saml:
            raise UnknownProvider
        return self._saml[name]

    async def _admitted(
        self, name: str, identity: Identity, state: str, binding: Binding, asserted: Asserted | None = None
    ) -> str:
        async def attempt() -> str:
            async with self._database.write() as session:
                if asserted is not None:
                    await _spend(session, asserted)
                person = await self._person(session, name, identity, state)
                return await issue_code(session, person.id, binding)

        for left in reversed(range(_ATTEMPTS)):
            try:
                return await run_with_retries(attempt)
            except Taken as error:
                if error.constraint == _SPENT:
                    raise SignInRefused(UNTRUSTED, "the assertion was used before") from None
                # Somebody came in twice at once, and was made by the other.
                if not left:
                    raise
        raise AssertionError("the last attempt answers or raises")

    async def _person(self, session: WriteSession, name: str, identity: Identity, state: str) -> Person:
        if await find_organization(session) is not None:
            return await admit(session, name, self.providers[name], identity)
        pending = await session.scalar(
            select(PendingSetUp).where(
                PendingSetUp.state_hash == _hashed(state),
                PendingSetUp.provider == name,
                PendingSetUp.expires_at > utc_now(),
            )
        )
        if pending is None:
            raise SignInRefused(UNTRUSTED, "nothing was set up yet")
        require_fit(self.providers[name], identity)
        if identity.email is None:
            raise SignInRefused(NO_EMAIL)
        wanted = SetupSiteAdmin(
            portfolio=pending.portfolio,
            organizationName=pending.organization_name,
            emailAddress=identity.email,
            name=identity.name,
        )
        person = await set_up(session, wanted, password_hash=None, suffix=self._suffix)
        person.source = name
        await link(session, person, identity)
        await session.execute(delete(PendingSetUp))
        return person


async def _spend(session: WriteSession, asserted: Asserted) -> None:
    await session.execute(delete(SpentAssertion).where(SpentAssertion.expires_at <= utc_now()))
    session.add(SpentAssertion(assertion_hash=_hashed(asserted.assertion), expires_at=asserted.expires_at))
    await session.flush()


def _hashed(text: str) -> str:
    return sha256(text.encode()).hexdigest()
