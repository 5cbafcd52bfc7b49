"""Typed settings from `BURGEE_*` environment variables, and the groups that several processes share.

A setting is declared once, as a field: its type, its default and its meaning (the description is the
documentation). `load` reports every fault at once, by name and never with a secret's value. Must not
know which processes exist: each declares its own class, and the front door hands in the names of all.
"""

import difflib
import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, NoDecode, SettingsConfigDict
from pydantic_settings.sources import PydanticBaseSettingsSource

PREFIX = "BURGEE_"


# ------------------------------------------------------------------------------------- value types


def _seconds(value: object) -> object:
    """Read `90`, `90s`, `15m`, `24h` or `7d` as seconds."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", value.strip())
    if match is None:
        raise ValueError("should be a time such as 90, 90s, 15m, 24h or 7d")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]


def _listed(value: object) -> object:
    """Split at commas; spaces around the parts do not count, empty parts neither."""
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _is_network(value: str) -> str:
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise ValueError("should hold addresses or networks such as 10.0.0.0/8") from None
    return value


def _address_with(*schemes: str) -> Callable[[str], str]:
    expected = " or ".join(f"{scheme}://…" for scheme in schemes)

    def check(value: str) -> str:
        try:
            parts = urlsplit(value)
            port_is_number = parts.port is None or parts.port > 0
        except ValueError:
            raise ValueError(f"should be an address like {expected}") from None
        if parts.scheme not in schemes or not parts.netloc or not port_is_number:
            raise ValueError(f"should be an address like {expected}")
        return value.rstrip("/")

    return check


def _database_address(value: SecretStr) -> SecretStr:
    address = value.get_secret_value()
    if re.fullmatch(r"sqlite:///.+", address) or re.fullmatch(r"postgresql://[^/]*/[^/?]+(\?.*)?", address):
        return value
    raise ValueError("should be sqlite:///path/to/file.db or postgresql://user:password@host:port/database")


def _not_short(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < MINIMUM_SECRET_LENGTH:
        raise ValueError(f"should have at least {MINIMUM_SECRET_LENGTH} characters")
    return value


MINIMUM_SECRET_LENGTH = 16

Port = Annotated[int, Field(ge=0, le=65535)]
Duration = Annotated[float, BeforeValidator(_seconds), Field(ge=0)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]
Networks = Annotated[
    tuple[Annotated[str, AfterValidator(_is_network)], ...], NoDecode, BeforeValidator(_listed)
]
HttpAddress = Annotated[str, AfterValidator(_address_with("http", "https"))]
NatsAddresses = Annotated[
    tuple[Annotated[str, AfterValidator(_address_with("nats", "tls", "ws", "wss"))], ...],
    NoDecode,
    BeforeValidator(_listed),
]
DatabaseAddress = Annotated[SecretStr, AfterValidator(_database_address)]
Token = Annotated[SecretStr, AfterValidator(_not_short)]
Tokens = Annotated[tuple[Token, ...], NoDecode, BeforeValidator(_listed)]


# ------------------------------------------------------------------------------------------ groups


class Contradiction(ValueError):
    """Settings that are right one by one but not together."""

    def __init__(self, names: tuple[str, ...], detail: str) -> None:
        super().__init__(detail)
        self.names = names
        self.detail = detail


class Settings(BaseSettings):
    """What every process reads. Built by `load` from an environment, or directly with keyword arguments."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid", hide_input_in_errors=True
    )

    process: ClassVar[str] = ""

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least important message that is logged."
    )
    log_format: Literal["json", "console"] = Field(
        "json", description="`json` is one object per line; `console` is for people."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic-settings'
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read nothing behind the caller's back: `load` passes the environment in."""
        return (init_settings,)

    def contradictions(self) -> Iterator[Contradiction]:
        """Yield what does not fit together; subclasses add their own and call super()."""
        yield from ()


class ServingSettings(Settings):
    """Where a process listens, and how it stops."""

    host: str = Field(
        "127.0.0.1",
        description="The address to listen on. The default is this machine alone; containers set `0.0.0.0`.",
    )
    port: Port = Field(8085, description="The main port. 0 takes a free one and logs it.")
    monitor_port: Port | None = Field(
        None, description="A port of its own for health and metrics; unset = they are on the main port."
    )
    drain_seconds: Duration = Field(
        5,
        description="How long a stopping process goes on answering, so that load balancers and SDK "
        "streams can move away. Ctrl-C does not wait longer than one second.",
    )
    max_body_bytes: int = Field(
        4 * 1024 * 1024, ge=1024, description="The largest request body; a larger one is answered 400."
    )
    trusted_proxies: Networks = Field(
        (),
        description="Addresses or networks of reverse proxies whose `X-Forwarded-For` is believed, "
        "separated by commas.",
    )
    trace_endpoint: HttpAddress | None = Field(
        None,
        description="Where traces are sent (OTLP over HTTP), such as `http://collector:4318`; unset = where "
        "`OTEL_EXPORTER_OTLP_ENDPOINT` says, or nothing is traced.",
    )

    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        if self.monitor_port and self.monitor_port == self.port:
            yield Contradiction(("monitor_port", "port"), "must not be the same port as BURGEE_PORT")


class DatabaseSettings(Settings):
    """Which database, for the processes that have one."""

    data_dir: Path = Field(
        Path("data"), description="The folder of the embedded database and of state files; made when absent."
    )
    database_url: DatabaseAddress | None = Field(
        None,
        description="`sqlite:///path/to/file.db` or `postgresql://user:password@host:port/database`; "
        "unset = the SQLite file `burgee.db` in the data folder.",
    )
    database_pool_size: int = Field(
        10,
        ge=1,
        le=500,
        description="How many connections a process keeps to PostgreSQL for reading, and as many and two "
        "more for writing.",
    )

    def database_address(self) -> str:
        """Answer the database's URL with its password: for the driver's eyes only."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir / 'burgee.db'}"


class WritingSettings(DatabaseSettings):
    """What every process that changes the database must agree on: it decides what is delivered."""

    tombstone_hours: float = Field(
        24,
        gt=0,
        description="How long a deleted feature is announced to streams that open later.",
    )
    feature_properties: Words = Field(
        (),
        description="Properties that features carry to accounts with the EXTENDED_DATA permission: "
        "`name=template` pairs, separated by commas.",
    )

    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        for pair in self.feature_properties:
            name, separator, template = pair.partition("=")
            if not (name.strip() and separator and template.strip()):
                yield Contradiction(("feature_properties",), f"holds {pair!r}, which is not name=template")


class BusSettings(Settings):
    """The message bus, for the processes that share one."""

    nats_urls: NatsAddresses = Field(
        (), description="NATS servers, separated by commas; unset = no bus, everything runs in one process."
    )
    cluster: str = Field(
        "default",
        pattern=r"^[A-Za-z0-9_-]{1,32}$",
        description="The word that keeps several installations on one NATS apart.",
    )
    nats_credentials_file: Path | None = Field(None, description="A NATS credentials file (JWT and seed).")
    nats_nkey_seed_file: Path | None = Field(None, description="A file with the seed of a NATS NKey.")
    nats_user: str | None = Field(None, description="The user at the NATS servers.")
    nats_password: SecretStr | None = Field(None, description="The password at the NATS servers.")
    nats_ca_file: Path | None = Field(
        None, description="The certificates that sign those of the NATS servers; unset = the system's."
    )
    nats_cert_file: Path | None = Field(
        None, description="This process's own certificate, where the NATS servers ask for one."
    )
    nats_key_file: Path | None = Field(None, description="The private key of BURGEE_NATS_CERT_FILE.")
    event_key: Token | None = Field(
        None, description="Signs events and heartbeats on the bus; the same for every process of a cluster."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        if self.nats_urls and self.event_key is None:
            yield Contradiction(("event_key", "nats_urls"), "is needed when BURGEE_NATS_URLS is set")
        ways = [
            name
            for name in ("nats_credentials_file", "nats_nkey_seed_file", "nats_user")
            if getattr(self, name) is not None
        ]
        if len(ways) > 1:
            yield Contradiction(tuple(ways), f"cannot be used together with {variable(ways[1])}")
        if (self.nats_user is None) != (self.nats_password is None):
            yield Contradiction(("nats_user", "nats_password"), "needs BURGEE_NATS_PASSWORD, and the reverse")
        if (self.nats_cert_file is None) != (self.nats_key_file is None):
            yield Contradiction(
                ("nats_cert_file", "nats_key_file"), "needs BURGEE_NATS_KEY_FILE, and the reverse"
            )
        for name in (
            "nats_credentials_file",
            "nats_nkey_seed_file",
            "nats_ca_file",
            "nats_cert_file",
            "nats_key_file",
        ):
            path = getattr(self, name)
            if path is not None and not path.is_file():
                yield Contradiction((name,), f"names a file that is not there: {path}")


class CacheSettings(Settings):
    """How much a cache holds, and for how long what it cannot keep true; for Dacha and Edge."""

    cache_environments: int = Field(
        10_000,
        ge=0,
        description="How many environments are held; the least recently used go first. 0 = none but those"
        " with streams.",
    )
    cache_bytes: int | None = Field(
        None,
        ge=1,
        description="How many bytes the environments held may take, by estimate; unset = a quarter of the"
        " memory that this container or machine has.",
    )
    cache_accounts: int = Field(
        50_000, ge=1, description="How many service accounts are held; the least recently used go first."
    )
    cache_misses: int = Field(
        100_000, ge=0, description="How many confirmed misses (keys that do not exist) are remembered."
    )
    max_stale: Duration | None = Field(
        None,
        description="How long values are served while cut off from MR; unset = without limit.",
    )
    max_stale_keys: Duration = Field(
        86_400, description="How long SDK keys are believed while cut off from MR; afterwards 503."
    )
    state_dir: Path | None = Field(
        None,
        description="A folder in which a cache remembers what it holds, so that it can serve after a restart"
        " while MR is away; made when absent, unset = nothing is kept.",
    )
    start_degraded_after: Duration = Field(
        30,
        description="A process that cannot reach what it needs reports ready after this time all the same.",
    )


class InternalCallerSettings(Settings):
    """How a process calls MR's internal API."""

    mr_url: HttpAddress | None = Field(
        None, description="MR's internal API, such as `http://mr:8086`, for processes that run without MR."
    )
    internal_token: Token | None = Field(
        None, description="What this process presents to MR's and Dacha's internal APIs."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        if self.mr_url and self.internal_token is None:
            yield Contradiction(("internal_token", "mr_url"), "is needed when BURGEE_MR_URL is set")


# --------------------------------------------------------------------------------------- loading


class SettingsFault(ValueError):
    """One setting that cannot be used: its name, and what is wrong with it."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(f"{name}: {detail}")
        self.name = name
        self.detail = detail


class SettingsInvalid(Exception):
    """Every fault of an environment at once."""

    def __init__(self, faults: Iterable[SettingsFault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: fault.name))
        super().__init__("\n".join(str(fault) for fault in self.faults))


S = TypeVar("S", bound=Settings)


def load(kind: type[S], environment: Mapping[str, str], *, known: Iterable[str] = ()) -> S:
    """Read one process's settings; raise SettingsInvalid with every fault.

    `known` are the names of other Burgee processes, so that one environment file may serve them all.
    """
    ours = {
        name: value
        for name, value in environment.items()
        if name.startswith(PREFIX) and not injected_by_kubernetes(name, value)
    }
    names = {variable(field) for field in kind.model_fields}
    faults = list(_unknown(ours.keys() - names, names | set(known)))
    given = _Environment(kind, {name.lower(): value for name, value in ours.items() if name in names})()
    settings, wrong = _validated(kind, given)
    faults += wrong
    faulty = {fault.name for fault in faults}
    for contradiction in settings.contradictions():
        touched = [variable(name) for name in contradiction.names]
        if faulty.isdisjoint(touched):
            faults.append(SettingsFault(touched[0], contradiction.detail))
    if faults:
        raise SettingsInvalid(faults)
    return settings


def variable(field: str) -> str:
    """Answer the environment variable of a field."""
    return f"{PREFIX}{field.upper()}"


def is_secret(field: FieldInfo) -> bool:
    """Answer whether the field's value must never be shown."""
    return "SecretStr" in repr(field.annotation)


_KUBERNETES_NAMES = re.compile(
    r"BURGEE_(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)"
)
_KUBERNETES_PORT_NAME = re.compile(r"BURGEE_(?:\w+_)?PORT")
_KUBERNETES_PORT_VALUE = re.compile(r"(?:tcp|udp|sctp)://")


def injected_by_kubernetes(name: str, value: str) -> bool:
    """Recognise the variables that Kubernetes sets in every pod for a Service named burgee or burgee-x."""
    if _KUBERNETES_NAMES.fullmatch(name):
        return True
    return bool(_KUBERNETES_PORT_NAME.fullmatch(name) and _KUBERNETES_PORT_VALUE.match(value))


class _Environment(EnvSettingsSource):
    """pydantic-settings' reading of variables, on the mapping it is given instead of the process's own."""

    def __init__(self, kind: type[Settings], variables: Mapping[str, str]) -> None:
        self._variables = {name: value for name, value in variables.items() if value}
        super().__init__(kind)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._variables


def _unknown(names: Iterable[str], known: set[str]) -> Iterator[SettingsFault]:
    for name in names:
        if name in known:
            continue
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
        hint = f"; did you mean {close[0]}?" if close else ""
        yield SettingsFault(name, f"is not a setting{hint}")


def _validated(kind: type[S], given: dict[str, Any]) -> tuple[S, list[SettingsFault]]:
    """Answer the settings, with defaults in place of faulty values, and the faults."""
    try:
        return kind(**given), []
    except ValidationError as error:
        faults = {}
        for fault in error.errors(include_input=False, include_url=False):
            field = str(fault["loc"][0])
            faults[field] = SettingsFault(variable(field), _told(fault["msg"], given, kind, field))
        usable = {name: value for name, value in given.items() if name not in faults}
        return kind(**usable), list(faults.values())


def _told(message: str, given: Mapping[str, Any], kind: type[Settings], field: str) -> str:
    plain = message.removeprefix("Value error, ").removeprefix("Input ")
    plain = plain.replace("valid integer, unable to parse string as an integer", "whole number")
    if is_secret(kind.model_fields[field]):
        return plain
    return f"{plain} (it is {without_credentials(str(given[field]))!r})"


def without_credentials(value: str) -> str:
    """Hide the user and password of every address in the text."""
    return re.sub(r"://[^/@,\s]*@", "://…@", value)
