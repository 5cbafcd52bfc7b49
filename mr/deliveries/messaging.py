"""The body of a chat message: what one save changed of one value, and the words for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncSession

from mr.db.models.features import Feature, FeatureValue, FeatureValueVersion
from mr.db.models.people import Organization, Person
from mr.db.models.portfolios import Application, Environment, Portfolio
from mr.deliveries.queue import Claimed

MESSAGING: Final = "messaging-feature-v1"
FOR_SLACK: Final = "integration/slack-v1"
SUBJECT: Final = "io.featurehub.events.messaging"
LONGEST_VALUE: Final = 150

Difference = dict[str, Any]

_raw = msgspec.json.Decoder(dict[str, msgspec.Raw])
_list = msgspec.json.Decoder(list[msgspec.Raw])


async def build_messaging(session: AsyncSession, claimed: Claimed) -> str | None:
    """Return the body, JSON; None when what was saved made no difference that anybody would call one."""
    place = await _place(session, claimed.environment_id)
    if place is None:
        return None
    if claimed.feature_value_id is None or claimed.value_version is None:
        return msgspec.json.encode(place).decode()
    now = await _version(session, claimed.feature_value_id, claimed.value_version)
    if now is None:
        return None
    # A value that was made by this save comes from nothing, whatever version it was given.
    before = await _version(session, claimed.feature_value_id, now.version_from)
    difference = differences(before, now)
    if not difference:
        return None
    body = place | {
        "fId": str(now.feature_id),
        "fKey": now.key,
        "fName": now.name,
        "featureValueType": now.value_type,
        "version": {"prev": before.version if before else 0, "curr": now.version},
        "whoUpdated": now.author or "",
        "whoUpdatedId": str(now.saved_by) if now.saved_by else None,
        "whenUpdated": now.saved_at.isoformat(),
        **difference,
        "additionalInfo": {},
    }
    return msgspec.json.encode({name: part for name, part in body.items() if part is not None}).decode()


async def _place(session: AsyncSession, environment_id: UUID) -> dict[str, Any] | None:
    row = (
        await session.execute(
            select(
                Environment.name,
                Application.id,
                Application.name,
                Portfolio.id,
                Portfolio.name,
                Organization.id,
                Organization.name,
            )
            .join(Application, Application.id == Environment.application_id)
            .join(Portfolio, Portfolio.id == Application.portfolio_id)
            .join(Organization, Organization.id == Portfolio.organization_id)
            .where(Environment.id == environment_id)
        )
    ).first()
    if row is None:
        return None
    return {"eId": str(environment_id), "eName": row[0]} | {
        name: str(part)
        for name, part in zip(("aId", "aName", "pId", "pName", "oId", "oName"), row[1:], strict=True)
    }


async def _version(session: AsyncSession, value_id: UUID, version: int) -> Row[*tuple[Any, ...]] | None:
    recorded = FeatureValueVersion
    found = await session.execute(
        select(
            recorded.version,
            recorded.version_from,
            recorded.value_type,
            recorded.value,
            recorded.locked,
            recorded.retired,
            recorded.strategies,
            recorded.application_strategies,
            recorded.saved_at,
            recorded.saved_by,
            FeatureValue.feature_id,
            Feature.key,
            Feature.name,
            Person.name.label("author"),
        )
        .join(FeatureValue, FeatureValue.id == recorded.feature_value_id)
        .join(Feature, Feature.id == FeatureValue.feature_id)
        .outerjoin(Person, Person.id == recorded.saved_by)
        .where(recorded.feature_value_id == value_id, recorded.version == version)
    )
    return found.first()


def differences(before: Any, now: Any) -> Difference:
    """Return what differs between two versions of a value; ``before`` None = there was no value."""
    found: Difference = {}
    for name, attribute, convert in _PARTS:
        earlier = convert(None if before is None else getattr(before, attribute))
        later = convert(getattr(now, attribute))
        if earlier != later:
            found[name] = {"hasChanged": True, "previous": earlier, "updated": later}
    for name, attribute in (
        ("strategiesUpdated", "strategies"),
        ("applicationStrategiesUpdated", "application_strategies"),
    ):
        earlier_list = "[]" if before is None else getattr(before, attribute)
        changes = _strategies(earlier_list, getattr(now, attribute))
        if changes:
            found[name] = changes
    return found


def _token(token: str | None) -> msgspec.Raw | None:
    return None if token is None else msgspec.Raw(token.encode())


def _flag(value: bool | None) -> bool:
    return bool(value)


_PARTS: Final[tuple[tuple[str, str, Callable[[Any], Any]], ...]] = (
    ("featureValueUpdated", "value", _token),
    ("lockUpdated", "locked", _flag),
    ("retiredUpdated", "retired", _flag),
)


def _strategies(before: str, now: str) -> Difference:
    """What was added, changed and removed, by id, and the order when only that is another."""
    earlier, later = _by_id(before), _by_id(now)
    updated: list[dict[str, Any]] = []
    for identity, strategy in later.items():
        if identity not in earlier:
            updated.append({"type": "ADDED", "newStrategy": strategy})
        elif earlier[identity] != strategy:
            updated.append({"type": "CHANGED", "oldStrategy": earlier[identity], "newStrategy": strategy})
    updated += [
        {"type": "DELETED", "oldStrategy": strategy}
        for identity, strategy in earlier.items()
        if identity not in later
    ]
    kept = [identity for identity in earlier if identity in later]
    reordered = kept != [identity for identity in later if identity in earlier]
    if not updated and not reordered:
        return {}
    found: Difference = {"hasChanged": True, "updated": updated}
    if reordered:
        found |= {"reordered": list(later.values()), "previous": list(earlier.values())}
    return found


def _by_id(text: str) -> Mapping[str, msgspec.Raw]:
    found = {}
    for number, strategy in enumerate(_list.decode(text)):
        members = _raw.decode(strategy)
        identity = bytes(members.get("id", msgspec.Raw(str(number).encode()))).decode()
        found[identity] = strategy
    return found


def words(body: str) -> str:
    """Return a message for people, in Slack's markup; names and values cannot carry markup of their own."""
    told = json.loads(body)
    where = f"*{_plain(told['eName'])}* ({_plain(told['pName'])} / {_plain(told['aName'])})"
    if "fKey" not in told:
        return f"Burgee can write here about changes in {where}."
    who = _plain(told.get("whoUpdated") or "somebody")
    return "\n".join(
        [f"*{_plain(told['fName'])}* (`{_plain(told['fKey'])}`) in {where}, by {who}:", *_lines(told)]
    )


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    if value := told.get("featureValueUpdated"):
        yield f"• value: {_shown(value.get('previous'))} → {_shown(value.get('updated'))}"
    if lock := told.get("lockUpdated"):
        yield "• locked" if lock["updated"] else "• unlocked"
    if retired := told.get("retiredUpdated"):
        yield "• retired" if retired["updated"] else "• in use again"
    for name, noun in (
        ("strategiesUpdated", "strategy"),
        ("applicationStrategiesUpdated", "shared strategy"),
    ):
        if changes := told.get(name):
            yield from _changes(changes, noun)


_VERBS: Final = {"ADDED": "added", "CHANGED": "changed", "DELETED": "removed"}


def _changes(changes: Mapping[str, Any], noun: str) -> Iterator[str]:
    updated: Sequence[Mapping[str, Any]] = changes["updated"]
    for each in updated:
        strategy = each.get("newStrategy") or each["oldStrategy"]
        yield f"• {noun} “{_plain(str(strategy.get('name') or strategy.get('id')))}” {_VERBS[each['type']]}"
    if "reordered" in changes:
        yield f"• order of the {noun} list changed"


def _shown(value: Any) -> str:
    if value is None:
        return "_nothing_"
    text = value if isinstance(value, str) else json.dumps(value)
    return f"`{_plain(text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + '…')}`"


def _plain(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return " ".join(escaped.replace("`", "'").split())
