"""SAML 2.0 as a service provider, behind three questions: our metadata, a request, and who answered it.

python3-saml checks signatures, times, issuers and the schema. What it lets pass although it should not is
checked here: an assertion must name us as its audience, our address as its recipient, an end, and the
request that it answers. Work on XML happens in a thread. Knows no database and no people; a caller that
remembers which assertions were used makes replay impossible.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import xmlsec
from lxml import etree  # type: ignore[import-untyped]
from onelogin.saml2.auth import OneLogin_Saml2_Auth  # type: ignore[import-untyped]
from onelogin.saml2.authn_request import OneLogin_Saml2_Authn_Request  # type: ignore[import-untyped]
from onelogin.saml2.constants import OneLogin_Saml2_Constants as Names  # type: ignore[import-untyped]
from onelogin.saml2.errors import (  # type: ignore[import-untyped]
    OneLogin_Saml2_Error,
    OneLogin_Saml2_ValidationError,
)
from onelogin.saml2.idp_metadata_parser import OneLogin_Saml2_IdPMetadataParser  # type: ignore[import-untyped]
from onelogin.saml2.response import OneLogin_Saml2_Response  # type: ignore[import-untyped]
from onelogin.saml2.settings import OneLogin_Saml2_Settings  # type: ignore[import-untyped]
from onelogin.saml2.utils import OneLogin_Saml2_Utils  # type: ignore[import-untyped]

from mr.auth.external.asking import Asking, Remembered
from mr.auth.external.browser import SIGN_IN_SECONDS, Browser
from mr.auth.external.identity import (
    EXPIRED,
    UNREACHABLE,
    UNTRUSTED,
    Identity,
    SignInRefused,
    vouched_address,
)
from mr.auth.external.providers import SamlProvider

LONGEST_RESPONSE: Final = 512 * 1024

_RELAY_STATE: Final = re.compile(r"([0-9a-f]{1,12})\.([A-Za-z0-9_-]{43})")
_EMAIL_ATTRIBUTES: Final = (
    "email",
    "mail",
    "emailAddress",
    "urn:oid:0.9.2342.19200300.100.1.3",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
)
_NAME_ATTRIBUTES: Final = (
    "displayName",
    "name",
    "urn:oid:2.16.840.1.113730.3.1.241",
    "http://schemas.microsoft.com/identity/claims/displayname",
)
_GROUPS_ATTRIBUTES: Final = (
    "groups",
    "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups",
)
_LASTING: Final = frozenset({Names.NAMEID_PERSISTENT, Names.NAMEID_EMAIL_ADDRESS, Names.NAMEID_UNSPECIFIED})


@dataclass(frozen=True)
class Asserted:
    """A believed answer."""

    identity: Identity
    assertion: str
    """Names the assertion among all of all providers."""
    expires_at: datetime
    statement: str | None
    """What the browser that asked can prove; None for a sign-in that began at the provider."""
    proof: str | None


class Saml:
    """One registration: a provider, and what we are to it."""

    def __init__(self, name: str, settings: SamlProvider, asking: Asking, *, public_url: str) -> None:
        self._name = name
        self._settings = settings
        self._asking = asking
        self._here = f"{public_url}/saml/{name}"
        self._provider = Remembered(self._load)

    @property
    def consumer(self) -> str:
        """Where the provider sends its answers."""
        return f"{self._here}/sso"

    @property
    def _entity_id(self) -> str:
        return self._settings.entity_id or f"{self._here}/metadata"

    async def metadata(self) -> bytes:
        """Return our metadata."""
        return await asyncio.to_thread(self._metadata)

    async def begin(self, browser: Browser) -> tuple[str, str]:
        """Return where the browser goes, and the state that comes back with it."""
        provider = await self._provider.get()
        return await asyncio.to_thread(self._begin, provider, browser)

    async def identify(self, response: str, relay_state: str) -> Asserted:
        """Return who a response is about. Raises SignInRefused."""
        if len(response) > LONGEST_RESPONSE:
            raise SignInRefused(UNTRUSTED, "the response is too long")
        provider = await self._provider.get()
        return await asyncio.to_thread(self._identify, provider, response, relay_state)

    async def _load(self) -> dict[str, Any]:
        text = self._settings.metadata
        if self._settings.metadata_file is not None:
            text = await asyncio.to_thread(self._settings.metadata_file.read_text, "utf-8")
        elif self._settings.metadata_url is not None:
            text = (await self._asking.text(self._settings.metadata_url)).decode("utf-8", "replace")
        return await asyncio.to_thread(_provider_of, text or "")

    def _metadata(self) -> bytes:
        # Without a provider: ours must be there before theirs is known.
        settings = OneLogin_Saml2_Settings(self._made({}), sp_validation_only=True)
        told = settings.get_sp_metadata()
        return told if isinstance(told, bytes) else str(told).encode()

    def _begin(self, provider: dict[str, Any], browser: Browser) -> tuple[str, str]:
        auth = OneLogin_Saml2_Auth(self._request({}), self._made(provider))
        request = OneLogin_Saml2_Authn_Request(auth.get_settings(), set_nameid_policy=False)
        issued = f"{int(time.time()):x}"
        state = f"{issued}.{browser.proof(_statement(self._name, issued, str(request.get_id())))}"
        parameters = {"SAMLRequest": request.get_request(), "RelayState": state}
        if self._settings.sign_requests:
            auth.add_request_signature(parameters, Names.RSA_SHA256)
        return str(auth.redirect_to(auth.get_sso_url(), parameters)), state

    def _identify(self, provider: dict[str, Any], text: str, relay_state: str) -> Asserted:
        response = _opened(OneLogin_Saml2_Settings(self._made(provider)), text)
        if not response.is_valid(self._request({"SAMLResponse": text})):
            # The library's words may quote the message; the beginning is enough.
            raise SignInRefused(UNTRUSTED, _cut(response.get_error()))
        try:
            return self._asserted(provider, response, relay_state)
        except (OneLogin_Saml2_Error, OneLogin_Saml2_ValidationError, ValueError) as error:
            raise SignInRefused(UNTRUSTED, f"the response: {type(error).__name__}") from None

    def _asserted(
        self, provider: dict[str, Any], response: OneLogin_Saml2_Response, relay_state: str
    ) -> Asserted:
        confirmation = self._confirmation(response)
        audiences = response.get_audiences()
        if self._entity_id not in audiences:
            raise SignInRefused(UNTRUSTED, "the assertion names no audience, or another one")
        request = confirmation.get("InResponseTo")
        rooted = response.get_in_response_to()
        if rooted is not None and rooted != request:
            raise SignInRefused(UNTRUSTED, "response and assertion answer different requests")
        statement, proof = self._asked(request, relay_state)
        ends = datetime.fromtimestamp(
            OneLogin_Saml2_Utils.parse_SAML_to_time(confirmation["NotOnOrAfter"]) + Names.ALLOWED_CLOCK_DRIFT,
            UTC,
        )
        issuer = str(provider["entityId"])
        return Asserted(
            identity=self._identity(issuer, response),
            assertion=f"{issuer} {response.get_assertion_id()}",
            expires_at=ends,
            statement=statement,
            proof=proof,
        )

    def _confirmation(self, response: OneLogin_Saml2_Response) -> Mapping[str, str]:
        """Return what the bearer's confirmation says; there is one assertion, and it is signed."""
        found = response.get_xml_document().xpath(
            "//saml:Assertion/saml:Subject/saml:SubjectConfirmation[@Method=$bearer]"
            "/saml:SubjectConfirmationData",
            namespaces=Names.NSMAP,
            bearer=Names.CM_BEARER,
        )
        if len(found) != 1:
            raise SignInRefused(UNTRUSTED, "the assertion has not one confirmation")
        data: dict[str, str] = dict(found[0].attrib)
        if data.get("Recipient") != self.consumer or "NotOnOrAfter" not in data:
            raise SignInRefused(UNTRUSTED, "the assertion is for another recipient, or without end")
        return data

    def _asked(self, request: str | None, relay_state: str) -> tuple[str | None, str | None]:
        """Return what the browser that asked can prove, for an answer to this request."""
        if request is None:
            if not self._settings.idp_initiated:
                raise SignInRefused(UNTRUSTED, "nobody asked for this assertion")
            return None, None
        state = _RELAY_STATE.fullmatch(relay_state)
        if state is None:
            raise SignInRefused(UNTRUSTED, "the relay state is not ours")
        if not -60 <= time.time() - int(state[1], 16) <= SIGN_IN_SECONDS:
            raise SignInRefused(EXPIRED)
        return _statement(self._name, state[1], request), state[2]

    def _identity(self, issuer: str, response: OneLogin_Saml2_Response) -> Identity:
        attributes: dict[str, list[Any]] = response.get_attributes()
        kind = response.get_nameid_format() or Names.NAMEID_UNSPECIFIED
        subject = str(response.get_nameid() or "").strip()
        wanted = self._settings
        email = _first(attributes, wanted.email_attribute, _EMAIL_ATTRIBUTES)
        if email is None and kind == Names.NAMEID_EMAIL_ADDRESS and wanted.email_attribute is None:
            email = subject
        names = _GROUPS_ATTRIBUTES if wanted.groups_attribute is None else (wanted.groups_attribute,)
        return Identity(
            issuer=issuer,
            subject=subject if subject and kind in _LASTING else None,
            email=vouched_address(email) if wanted.trust_email else None,
            name=(_first(attributes, wanted.name_attribute, _NAME_ATTRIBUTES) or "")[:100] or None,
            groups=frozenset(str(value) for name in names for value in attributes.get(name, ())),
        )

    def _made(self, provider: dict[str, Any]) -> dict[str, Any]:
        """Return python3-saml's settings."""
        ours = self._settings
        key, certificate = ours.private_key_file, ours.certificate_file
        return {
            "strict": True,
            "debug": False,
            "sp": {
                "entityId": self._entity_id,
                "assertionConsumerService": {"url": self.consumer, "binding": Names.BINDING_HTTP_POST},
                "NameIDFormat": Names.NAMEID_UNSPECIFIED,
                "x509cert": certificate.read_text("ascii") if certificate else "",
                "privateKey": key.read_text("ascii") if key else "",
            },
            "idp": provider,
            "security": {
                "authnRequestsSigned": ours.sign_requests,
                "wantAssertionsSigned": True,
                "wantAssertionsEncrypted": ours.encrypted_only,
                "wantAttributeStatement": False,
                "rejectDeprecatedAlgorithm": True,
                "allowRepeatAttributeName": True,
                "requestedAuthnContext": False,
                # Providers keep a copy of our metadata for as long as we exist.
                "metadataValidUntil": "",
                "metadataCacheDuration": "",
                "signatureAlgorithm": Names.RSA_SHA256,
                "digestAlgorithm": Names.SHA256,
            },
        }

    def _request(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Describe a request to where we are known, whatever stands between us and the browser."""
        parts = urlsplit(self.consumer)
        return {
            "https": "on" if parts.scheme == "https" else "off",
            "http_host": parts.netloc,
            "script_name": parts.path,
            "get_data": {},
            "post_data": dict(form),
        }


def _provider_of(metadata: str) -> dict[str, Any]:
    try:
        parsed = OneLogin_Saml2_IdPMetadataParser.parse(metadata)
    except (OneLogin_Saml2_Error, ValueError, SyntaxError) as error:
        raise SignInRefused(UNREACHABLE, f"the metadata cannot be read: {type(error).__name__}") from None
    provider: dict[str, Any] = parsed.get("idp", {})
    certified = provider.get("x509cert") or provider.get("x509certMulti", {}).get("signing")
    if not (provider.get("entityId") and provider.get("singleSignOnService") and certified):
        raise SignInRefused(
            UNREACHABLE, "the metadata lacks an entity id, a redirect address or a certificate"
        )
    return provider


# What the library raises while it decodes, parses and decrypts what a stranger sent: its own errors, those
# of the two libraries below it, and Python's where it stumbles over something that is missing.
_MALFORMED: Final = (
    OneLogin_Saml2_Error,
    OneLogin_Saml2_ValidationError,
    xmlsec.Error,
    etree.LxmlError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
)


def _opened(settings: OneLogin_Saml2_Settings, text: str) -> OneLogin_Saml2_Response:
    """Return the response, decoded and decrypted, not believed yet."""
    try:
        return OneLogin_Saml2_Response(settings, text)
    except _MALFORMED as error:
        raise SignInRefused(UNTRUSTED, f"the response: {type(error).__name__}") from None


def _statement(name: str, issued: str, request: str) -> str:
    return f"saml {name} {issued} {request}"


def _first(attributes: Mapping[str, list[Any]], wanted: str | None, usual: tuple[str, ...]) -> str | None:
    for name in usual if wanted is None else (wanted,):
        for value in attributes.get(name, ()):
            if isinstance(value, str) and value.strip():
                return value.strip()
    return None


def _cut(told: str | None) -> str:
    """The library's reason without what it quotes from the message."""
    return (told or "").split(":", 1)[0].split("(", 1)[0][:80].strip()
