"""The file of identity providers: what may stand in it, what follows from little, and every fault at once.

One TOML table per provider; the table's name is the provider's code in addresses. Does no requests.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit
from uuid import UUID

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    model_validator,
)

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
_RESERVED: Final = frozenset({"local"})
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_COLOR: Final = r"^#[0-9A-Fa-f]{6}$"


def _safe_address(value: str) -> str:
    parts = urlsplit(value)
    if not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("should be an address like https://…, without a query")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ValueError("should begin with https:// (http:// is for this machine alone)")
    return value


def _domain(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", value.lower()):
        raise ValueError("should hold domains such as acme.example")
    return value.lower()


Address = Annotated[str, AfterValidator(_safe_address)]
Domain = Annotated[str, AfterValidator(_domain)]


class Provider(BaseModel):
    """What every provider has, whatever it speaks."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    people: Literal["automatic", "invited"] = "invited"
    allowed_domains: tuple[Domain, ...] = ()
    groups: dict[str, tuple[UUID, ...]] = {}
    button_text: str = ""
    button_icon: str = ""
    button_color: Annotated[str, Field(pattern=_COLOR)] = "#0b5a7d"

    @model_validator(mode="after")
    def _not_for_everybody(self) -> Provider:
        if self.people == "automatic" and self.open_to_everybody and not self.allowed_domains:
            raise ValueError(
                'people = "automatic" needs allowed_domains here: everybody in the world has an account'
            )
        return self

    @property
    def open_to_everybody(self) -> bool:
        """Whether anybody can make an account there."""
        return False


class OidcProvider(Provider):
    """OpenID Connect by discovery; Google, Microsoft Entra and Keycloak are this with some things known."""

    kind: Literal["oidc", "google", "microsoft", "keycloak"]
    issuer: Address
    client_id: Annotated[str, Field(min_length=1)]
    client_secret: SecretStr | None = None
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    email_claim: str = "email"
    trust_email: bool = False
    name_claim: str = "name"
    groups_claim: str = "groups"
    tenant: UUID | None = None
    server: Address | None = None
    realm: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _known(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        known: dict[str, Any] = {}
        if data.get("kind") == "google":
            known = {"issuer": "https://accounts.google.com", "button_text": "Sign in with Google"}
        elif data.get("kind") == "microsoft":
            # One tenant's own administrators decide about its addresses; the common endpoint's do not.
            known = {
                "issuer": f"https://login.microsoftonline.com/{data.get('tenant', 'missing')}/v2.0",
                "trust_email": True,
                "button_text": "Sign in with Microsoft",
            }
        elif data.get("kind") == "keycloak":
            server = str(data.get("server", "")).rstrip("/")
            if "issuer" not in data and server:
                known = {"issuer": f"{server}/realms/{data.get('realm', 'master')}"}
        return {**known, **data}

    @model_validator(mode="after")
    def _complete(self) -> OidcProvider:
        if self.kind == "microsoft" and self.tenant is None:
            raise ValueError("tenant is missing: the id of the directory")
        if "openid" not in self.scopes:
            raise ValueError("scopes must hold openid")
        return self

    @property
    def open_to_everybody(self) -> bool:
        return self.kind == "google"


class GithubProvider(Provider):
    """GitHub, which has no ID token: its user and e-mail calls say who it is."""

    kind: Literal["github"]
    client_id: Annotated[str, Field(min_length=1)]
    client_secret: SecretStr
    server: Address = "https://github.com"
    api: Address = "https://api.github.com"
    button_text: str = "Sign in with GitHub"

    @property
    def open_to_everybody(self) -> bool:
        return True


def _require_pair(key_file: Path, certificate_file: Path) -> None:
    try:
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError(
            "private_key_file and certificate_file should be PEM, the key without a password"
        ) from None
    if not isinstance(key, rsa.RSAPrivateKey) or certificate.public_key() != key.public_key():
        raise ValueError("private_key_file should be the RSA key of certificate_file")


class SamlProvider(Provider):
    """A SAML 2.0 identity provider and what we are to it."""

    kind: Literal["saml"]
    metadata: str | None = None
    metadata_file: Path | None = None
    metadata_url: Address | None = None
    entity_id: str | None = None
    """Ours; by default the address of our metadata."""
    certificate_file: Path | None = None
    private_key_file: Path | None = None
    sign_requests: bool = True
    encrypted_only: bool = False
    idp_initiated: bool = False
    trust_email: bool = True
    email_attribute: str | None = None
    name_attribute: str | None = None
    groups_attribute: str | None = None

    @model_validator(mode="after")
    def _complete(self) -> SamlProvider:
        if sum(each is not None for each in (self.metadata, self.metadata_file, self.metadata_url)) != 1:
            raise ValueError("needs one of metadata_file, metadata_url and metadata")
        if (self.certificate_file is None) != (self.private_key_file is None):
            raise ValueError("certificate_file and private_key_file belong together")
        if self.private_key_file is None and (self.encrypted_only or self.sign_requests):
            raise ValueError("certificate_file and private_key_file are missing (or sign_requests = false)")
        for path in (self.metadata_file, self.certificate_file, self.private_key_file):
            if path is not None and not path.is_file():
                raise ValueError(f"names a file that is not there: {path}")
        if self.private_key_file is not None and self.certificate_file is not None:
            _require_pair(self.private_key_file, self.certificate_file)
        return self


AnyProvider = OidcProvider | GithubProvider | SamlProvider
_PROVIDER: Final[TypeAdapter[AnyProvider]] = TypeAdapter(Annotated[AnyProvider, Field(discriminator="kind")])


class ProvidersInvalid(ValueError):
    """The file cannot be used; one text per fault, none with a secret."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def read_providers(path: Path) -> Mapping[str, AnyProvider]:
    """Read the file. Raises ProvidersInvalid with every fault in it."""
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ProvidersInvalid([f"cannot be read: {error.strerror}"]) from None
    except ValueError as error:
        raise ProvidersInvalid([f"is not TOML: {error}"]) from None
    faults: list[str] = []
    found: dict[str, AnyProvider] = {}
    for name, table in tables.items():
        if not _NAME.fullmatch(name) or name in _RESERVED:
            faults.append(f"[{name}]: should be 1 to 31 small letters, digits and dashes, and not `local`")
            continue
        try:
            found[name] = _PROVIDER.validate_python(_beside(table, path))
        except ValidationError as error:
            faults.extend(f"[{name}] {fault}" for fault in _told(error))
    if not tables:
        faults.append("names no provider")
    if faults:
        raise ProvidersInvalid(faults)
    return found


def _beside(table: Any, path: Path) -> Any:
    """Read the secret from its own file, and take relative names of files from where this file is."""
    if not isinstance(table, dict):
        return table
    made = dict(table)
    for name in ("metadata_file", "certificate_file", "private_key_file"):
        if isinstance(made.get(name), str):
            made[name] = path.parent / made[name]
    secret = made.pop("client_secret_file", None)
    if isinstance(secret, str) and (path.parent / secret).is_file():
        made["client_secret"] = (path.parent / secret).read_text("utf-8").strip()
    return made


def _told(error: ValidationError) -> Iterator[str]:
    for fault in error.errors(include_input=False, include_url=False):
        where = ".".join(str(part) for part in fault["loc"][1:])
        told = fault["msg"].removeprefix("Value error, ")
        yield f"{where}: {told}" if where else told
