"""The installation's settings: which there are, what they are, and changing them.

Secrets are sealed one by one, those in a map under their names. Whatever is secret is shown as `ENCRYPTED`
and opened for those who send with it, and for people where that is allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from common.errors import BadRequest, NotFound
from mr.api.json_body import encode, parse
from mr.auth.vault import ENCRYPTED, Sealed, Sealer, Vault
from mr.db.models.deliveries import SystemConfig
from mr.db.owed import SLACK_ENABLED
from mr.db.session import WriteSession
from mr.system_config import schemas

SLACK_TOKEN: Final = "slack.bearerToken"  # noqa: S105 - the name of a setting
SLACK_CHANNEL: Final = "slack.defaultChannel"
SLACK_FORMAT: Final = "slack.messageFormat.featureChange"
DELIVERY_URL: Final = "slack.delivery.url"
DELIVERY_HEADERS: Final = "slack.delivery.headers"
DELIVERY_PREFIXES: Final = "slack.delivery.prefixes"
PREFIXES: Final = ("http://", "https://")
UNSET: Final = -1

LONGEST: Final = 10_000


class UnusableSetting(BadRequest):
    code = "unusable-setting"


class Known(NamedTuple):
    """A setting that exists."""

    kind: type[Any]
    default: Any = None
    secret: bool = False
    with_vault: bool = True
    writable: bool = True


_KNOWN: Final[Mapping[str, Known]] = {
    "site.url": Known(str, "", with_vault=False),
    "site.enabledRobots": Known(bool, False, with_vault=False),
    "site.redirectInvalidHosts": Known(bool, False, with_vault=False),
    SLACK_ENABLED: Known(bool, False),
    SLACK_TOKEN: Known(str, secret=True),
    SLACK_CHANNEL: Known(str),
    SLACK_FORMAT: Known(str),
    DELIVERY_URL: Known(str),
    DELIVERY_HEADERS: Known(dict, secret=True),
    DELIVERY_PREFIXES: Known(str, ",".join(PREFIXES), writable=False),
}

_stored = msgspec.json.Decoder()


def known_settings(vault: Vault, *, site_url: str) -> dict[str, Known]:
    """Return the settings that this server has: those with secrets need a password to seal them."""
    found = {key: known for key, known in _KNOWN.items() if vault.seals or not known.with_vault}
    found["site.url"] = found["site.url"]._replace(default=site_url)
    return found


async def find_settings(
    session: AsyncSession, known: Mapping[str, Known], prefixes: Sequence[str]
) -> list[schemas.SystemConfig]:
    """Return the settings whose key begins with one of the prefixes; none given = all."""
    keys = [key for key in known if not prefixes or key.startswith(tuple(prefixes))]
    rows = await session.scalars(select(SystemConfig).where(SystemConfig.key.in_(keys)))
    by_key = {row.key: row for row in rows}
    return [show_setting(key, known[key], by_key.get(key)) for key in keys]


def show_setting(key: str, known: Known, row: SystemConfig | None) -> schemas.SystemConfig:
    """Return the wire form; secrets masked."""
    if row is None:
        return schemas.SystemConfig(key=key, encrypted=known.secret, version=UNSET, value=known.default)
    value = parse(row.value.encode())
    if known.secret and value:
        value = dict.fromkeys(value, ENCRYPTED) if known.kind is dict else ENCRYPTED
    return schemas.SystemConfig(key=key, encrypted=known.secret, version=row.version, value=value)


async def update_settings(
    session: WriteSession,
    known: Mapping[str, Known],
    wanted: Iterable[schemas.UpdatedSystemConfig],
    sealer: Sealer | None,
    *,
    author: UUID,
) -> list[schemas.SystemConfig]:
    """Change what can be changed and return that; unknown keys and stale versions are passed over.

    Raises `UnusableSetting` for a value of the wrong kind.
    """
    changed = []
    for each in wanted:
        found = known.get(each.key)
        if found is None or not found.writable:
            continue
        _check(each.key, found, each.value)
        row = await session.get(SystemConfig, each.key, with_for_update=True)
        if each.version != (UNSET if row is None else row.version):
            continue
        before = None if row is None else _stored.decode(row.value)
        text = encode(_sealed(each.key, found, each.value, before, sealer)).decode()
        if row is None:
            row = SystemConfig(key=each.key, value=text, version=1, updated_by=author)
            session.add(row)
        else:
            row.value, row.version, row.updated_by = text, row.version + 1, author
        await session.flush()
        changed.append(show_setting(each.key, found, row))
    return changed


def _check(key: str, known: Known, value: Any) -> None:
    if value is None:
        return
    fits = isinstance(value, known.kind)
    if known.kind is dict and fits:
        fits = all(isinstance(text, str) and len(text) <= LONGEST for text in value.values())
    if not fits or (isinstance(value, str) and len(value) > LONGEST):
        raise UnusableSetting(f"The value of {key} is not of its kind, or too long.")
    if key == DELIVERY_URL and value and not value.startswith(PREFIXES):
        raise UnusableSetting(f"{key} begins with one of {', '.join(PREFIXES)}.")


def _sealed(key: str, known: Known, value: Any, before: Any, sealer: Sealer | None) -> Any:
    """The stored form: secrets sealed, masks in what was sent standing for what was there."""
    if not known.secret or not value:
        return value
    if known.kind is dict:
        held = before if isinstance(before, dict) else {}
        return {
            name: stored
            for name, text in value.items()
            if (stored := _one(f"{key}/{name}", text, held.get(name), sealer)) is not None
        }
    return _one(key, value, before, sealer)


def _one(place: str, text: str, before: Any, sealer: Sealer | None) -> Any:
    if text == ENCRYPTED:
        return before
    if sealer is None or not text:
        return text
    return sealer.seal(text, _place(place))._asdict()


async def load_settings(session: AsyncSession, prefix: str) -> dict[str, Any]:
    """Return the stored settings below a prefix as they are stored, for `opened`."""
    rows = await session.execute(
        select(SystemConfig.key, SystemConfig.value).where(
            SystemConfig.key.startswith(prefix, autoescape=True)
        )
    )
    return {key: _stored.decode(text) for key, text in rows}


async def opened(stored: Mapping[str, Any], vault: Vault) -> dict[str, Any]:
    """Return settings with their secrets in the clear. Raises `mr.auth.vault.Undecipherable`."""
    result: dict[str, Any] = {}
    for key, value in stored.items():
        known = _KNOWN.get(key)
        if known is None or not known.secret:
            result[key] = value
        elif known.kind is dict:
            held = value if isinstance(value, dict) else {}
            result[key] = {
                name: await _opened(f"{key}/{name}", sealed, vault) for name, sealed in held.items()
            }
        else:
            result[key] = await _opened(key, value, vault)
    return result


async def _opened(place: str, value: Any, vault: Vault) -> str | None:
    if isinstance(value, dict):
        return await vault.open(Sealed(value["text"], value["salt"]), _place(place))
    return None if value is None else str(value)


async def reveal(session: AsyncSession, vault: Vault, key: str, name: str | None) -> Any:
    """Return what `opened` takes: one secret setting, of a map the named member. Raises NotFound."""
    known = _KNOWN.get(key)
    if not vault.reveals or known is None or not known.secret:
        raise NotFound
    row = await session.get(SystemConfig, key)
    value = None if row is None else _stored.decode(row.value)
    if known.kind is dict:
        if name is None or not isinstance(value, dict) or name not in value:
            raise NotFound
        return {key: {name: value[name]}}
    return {key: value}


def _place(place: str) -> str:
    return f"system/{place}"
