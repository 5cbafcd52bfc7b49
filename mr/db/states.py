"""What should be delivered: reads MR's tables and makes feature states of them.

A constant number of queries, whatever the number of features and environments. The states carry
version 0; versions, and what to do about a difference, are `mr.db.projection`'s business.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import select, true

from common.contracts.codec import ascii_json
from common.contracts.features import (
    FeatureState,
    FeatureType,
    RolloutStrategy,
    StrategyAttribute,
    encode_properties,
    encode_strategies,
)
from mr.db.models.features import (
    ApplicationStrategy,
    Feature,
    FeatureFilterLink,
    FeatureGroup,
    FeatureGroupFeature,
    FeatureValue,
    StrategyUse,
)
from mr.db.models.portfolios import Application, Environment, Portfolio

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import InstrumentedAttribute

    from mr.db.properties import PropertyTemplates

Pair = tuple["UUID", "UUID"]
"""An environment's id and a feature's: one value, whether there is a row for it or not."""

MANY = 5_000
"""Above this many ids a condition is left out: both databases bound the parameters of a statement."""


class ApplicationFacts(NamedTuple):
    """An application and where it belongs."""

    id: UUID
    name: str
    description: str | None
    live: bool
    portfolio_id: UUID
    portfolio_name: str
    portfolio_description: str | None
    organization_id: UUID


class EnvironmentFacts(NamedTuple):
    """An environment; not ``live`` when it or anything above it is archived."""

    id: UUID
    live: bool
    info: dict[str, str]


class ValueRow(NamedTuple):
    """One row of `feature_value` as it is now."""

    id: UUID
    environment_id: UUID
    feature_id: UUID
    version: int
    locked: bool
    retired: bool
    value: str | None
    strategies: str


class Use(NamedTuple):
    """One application strategy on one value, archived strategies left out."""

    strategy_id: UUID
    code: str
    name: str
    value: str | None
    disabled: bool
    strategy_disabled: bool
    rule: RolloutStrategy


@dataclass(frozen=True, slots=True)
class Scope:
    """What to look at; ``features`` None = all of the application."""

    application_id: UUID
    features: frozenset[UUID] | None
    environments: frozenset[UUID]


@dataclass(slots=True)
class Wanted:
    """What should be delivered within a scope (by environment and feature), and the rows it was made of."""

    states: dict[UUID, dict[UUID, FeatureState]] = field(default_factory=dict)
    values: dict[Pair, ValueRow] = field(default_factory=dict)
    uses: dict[UUID, list[Use]] = field(default_factory=dict)
    types: dict[UUID, str] = field(default_factory=dict)


class _StoredAttribute(msgspec.Struct, rename="camel"):
    conditional: str | None = None
    field_name: str | None = None
    values: list[msgspec.Raw] | None = None
    type: str | None = None


class _StoredStrategy(msgspec.Struct, rename="camel"):
    id: str | None = None
    percentage: int | None = None
    percentage_attributes: list[str] | None = None
    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    attributes: list[_StoredAttribute] | None = msgspec.field(default=None, name="attributes")
    disabled: bool | None = None


_strategies = msgspec.json.Decoder(list[_StoredStrategy])
_attributes = msgspec.json.Decoder(list[_StoredAttribute])
_texts = msgspec.json.Decoder(list[str])


async def load_application(session: AsyncSession, application_id: UUID) -> ApplicationFacts | None:
    """Read the application, archived or not."""
    row = (
        await session.execute(
            select(
                Application.id,
                Application.name,
                Application.description,
                Application.archived_at,
                Portfolio.id,
                Portfolio.name,
                Portfolio.description,
                Portfolio.archived_at,
                Portfolio.organization_id,
            )
            .join(Portfolio, Portfolio.id == Application.portfolio_id)
            .where(Application.id == application_id)
        )
    ).first()
    if row is None:
        return None
    identity, name, description, archived, owner, owner_name, owner_description, owner_archived, root = row
    live = archived is None and owner_archived is None
    return ApplicationFacts(identity, name, description, live, owner, owner_name, owner_description, root)


async def load_environments(
    session: AsyncSession, application: ApplicationFacts
) -> dict[UUID, EnvironmentFacts]:
    """Read all environments of the application, archived ones included."""
    rows = await session.execute(
        select(Environment.id, Environment.archived_at, Environment.environment_info).where(
            Environment.application_id == application.id
        )
    )
    return {
        identity: EnvironmentFacts(identity, application.live and archived is None, info)
        for identity, archived, info in rows
    }


async def load_wanted(
    session: AsyncSession, application: ApplicationFacts, scope: Scope, templates: PropertyTemplates
) -> Wanted:
    """Make the states of every live feature in each environment of the scope (all of them live)."""
    wanted = Wanted()
    features = await _load_features(session, scope)
    if not features:
        return wanted
    filters = await _load_filters(session, scope)
    wanted.values = await _load_values(session, scope)
    wanted.uses = await _load_uses(session, scope)
    groups = await _load_groups(session, scope)
    wanted.types = {feature.id: feature.value_type for feature in features}
    for feature in features:
        properties = encode_properties(templates.render(_facts(application, feature)))
        carried = tuple(sorted(filters.get(feature.id, ())))
        for environment_id in scope.environments:
            pair = (environment_id, feature.id)
            row = wanted.values.get(pair)
            rules = groups.get(pair, [])
            state = _state(feature, row, wanted, rules, properties, carried)
            wanted.states.setdefault(environment_id, {})[feature.id] = state
    return wanted


def _state(
    feature: Any,
    row: ValueRow | None,
    wanted: Wanted,
    groups: list[RolloutStrategy],
    properties: bytes | None,
    filters: tuple[str, ...],
) -> FeatureState:
    strategies = None
    if row is not None:
        merged = [
            *_custom(row.strategies, feature.value_type),
            *_shared(wanted.uses.get(row.id, ()), feature.value_type),
            *groups,
        ]
        strategies = encode_strategies(tuple(merged)) if merged else b"[]"
    return FeatureState(
        id=str(feature.id),
        key=feature.key,
        type=feature.value_type,
        locked=row.locked if row else False,
        version=0,
        value=None if row is None else fitting(row.value, feature.value_type),
        strategies=strategies,
        properties=properties,
        filters=filters,
        retired=row.retired if row else False,
    )


def fitting(token: str | None, feature_type: FeatureType) -> bytes | None:
    """Return the token as delivered, or None when it is no value of that type.

    Subjects convert values when a type changes; a token that slipped through must not reach an SDK,
    where a wrong type is an exception in the customer's program.
    """
    if not token:
        return None
    fits = {
        "BOOLEAN": token in {"true", "false"},
        "NUMBER": token[0] in "-0123456789",
        "STRING": token[0] == '"',
        "JSON": token[0] == '"',
    }[feature_type]
    return ascii_json(token.encode()) if fits else None


def _custom(text: str, feature_type: FeatureType) -> list[RolloutStrategy]:
    """Decode a value's own strategies, enabled ones in order."""
    if text == "[]":
        return []
    return [
        _rule(stored, feature_type) for stored in _strategies.decode(text.encode()) if not stored.disabled
    ]


def _shared(uses: Collection[Use], feature_type: FeatureType) -> list[RolloutStrategy]:
    return [
        _serving(use.rule, use.value, feature_type)
        for use in uses
        if not use.disabled and not use.strategy_disabled
    ]


def _rule(stored: _StoredStrategy, feature_type: FeatureType | None) -> RolloutStrategy:
    rule = RolloutStrategy(
        id=stored.id or "",
        percentage=stored.percentage,
        percentage_attributes=tuple(stored.percentage_attributes or ()),
        attributes=tuple(_attribute(each) for each in stored.attributes or ()),
    )
    if feature_type is None or stored.value is msgspec.UNSET:
        return rule
    return _serving(rule, bytes(stored.value).decode(), feature_type)


def _attribute(stored: _StoredAttribute) -> StrategyAttribute:
    return StrategyAttribute(
        conditional=stored.conditional or "",
        field_name=stored.field_name or "",
        values=tuple(stored.values or ()),
        type=stored.type or "",
    )


def _serving(rule: RolloutStrategy, token: str | None, feature_type: FeatureType) -> RolloutStrategy:
    value = fitting(token, feature_type)
    return rule if value is None else msgspec.structs.replace(rule, value=msgspec.Raw(value))


def _facts(application: ApplicationFacts, feature: Any) -> dict[str, Any]:
    return {
        "feature": {
            "id": str(feature.id),
            "key": feature.key,
            "name": feature.name,
            "description": feature.description,
            "link": feature.link,
            "alias": feature.alias,
        },
        "metadata": feature.meta_data,
        "application": {"name": application.name, "description": application.description},
        "portfolio": {
            "name": application.portfolio_name,
            "description": application.portfolio_description,
        },
    }


def among(column: InstrumentedAttribute[Any], ids: Collection[Any] | None) -> ColumnElement[bool]:
    """The condition that the column is one of ``ids``; always true for None and for very many."""
    return true() if ids is None or len(ids) > MANY else column.in_(ids)


async def _load_features(session: AsyncSession, scope: Scope) -> list[Any]:
    rows = await session.execute(
        select(
            Feature.id,
            Feature.key,
            Feature.name,
            Feature.description,
            Feature.link,
            Feature.alias,
            Feature.meta_data,
            Feature.value_type,
        ).where(
            Feature.application_id == scope.application_id,
            Feature.archived_at.is_(None),
            among(Feature.id, scope.features),
        )
    )
    return [row for row in rows if scope.features is None or row.id in scope.features]


async def _load_filters(session: AsyncSession, scope: Scope) -> dict[UUID, list[str]]:
    rows = await session.execute(
        select(FeatureFilterLink.feature_id, FeatureFilterLink.filter_id)
        .join(Feature, Feature.id == FeatureFilterLink.feature_id)
        .where(
            Feature.application_id == scope.application_id,
            among(FeatureFilterLink.feature_id, scope.features),
        )
    )
    found: dict[UUID, list[str]] = {}
    for feature_id, filter_id in rows:
        found.setdefault(feature_id, []).append(str(filter_id))
    return found


async def _load_values(session: AsyncSession, scope: Scope) -> dict[Pair, ValueRow]:
    rows = await session.execute(
        select(
            FeatureValue.id,
            FeatureValue.environment_id,
            FeatureValue.feature_id,
            FeatureValue.version,
            FeatureValue.locked,
            FeatureValue.retired,
            FeatureValue.value,
            FeatureValue.strategies,
        ).where(
            FeatureValue.environment_id.in_(scope.environments),
            among(FeatureValue.feature_id, scope.features),
        )
    )
    return {(row.environment_id, row.feature_id): ValueRow(*row) for row in rows}


async def _load_uses(session: AsyncSession, scope: Scope) -> dict[UUID, list[Use]]:
    rows = await session.execute(
        select(
            StrategyUse.feature_value_id,
            StrategyUse.value,
            StrategyUse.disabled,
            ApplicationStrategy.id,
            ApplicationStrategy.code,
            ApplicationStrategy.name,
            ApplicationStrategy.disabled,
            ApplicationStrategy.percentage,
            ApplicationStrategy.percentage_attributes,
            ApplicationStrategy.attributes,
        )
        .join(FeatureValue, FeatureValue.id == StrategyUse.feature_value_id)
        .join(ApplicationStrategy, ApplicationStrategy.id == StrategyUse.strategy_id)
        .where(
            FeatureValue.environment_id.in_(scope.environments),
            among(FeatureValue.feature_id, scope.features),
            ApplicationStrategy.archived_at.is_(None),
        )
        .order_by(StrategyUse.feature_value_id, StrategyUse.sort_order, ApplicationStrategy.id)
    )
    rules: dict[UUID, RolloutStrategy] = {}
    found: dict[UUID, list[Use]] = {}
    for value_id, value, disabled, identity, code, name, strategy_disabled, *content in rows:
        rule = rules.get(identity)
        if rule is None:
            rule = rules[identity] = _shared_rule(code, *content)
        use = Use(identity, code, name, value, disabled, strategy_disabled, rule)
        found.setdefault(value_id, []).append(use)
    return found


def _shared_rule(
    code: str, percentage: int | None, percentage_attributes: str, attributes: str
) -> RolloutStrategy:
    return RolloutStrategy(
        id=code,
        percentage=percentage,
        percentage_attributes=tuple(_texts.decode(percentage_attributes.encode())),
        attributes=tuple(_attribute(each) for each in _attributes.decode(attributes.encode())),
    )


async def _load_groups(session: AsyncSession, scope: Scope) -> dict[Pair, list[RolloutStrategy]]:
    """Rules that enabled feature groups add, in the groups' order, each with its feature's value."""
    rows = await session.execute(
        select(
            FeatureGroup.id,
            FeatureGroup.environment_id,
            FeatureGroup.strategies,
            FeatureGroupFeature.feature_id,
            FeatureGroupFeature.value,
            Feature.value_type,
        )
        .join(FeatureGroupFeature, FeatureGroupFeature.group_id == FeatureGroup.id)
        .join(Feature, Feature.id == FeatureGroupFeature.feature_id)
        .where(
            FeatureGroup.environment_id.in_(scope.environments),
            FeatureGroup.archived_at.is_(None),
            FeatureGroup.disabled.is_(False),
            among(FeatureGroupFeature.feature_id, scope.features),
        )
        .order_by(FeatureGroup.sort_order, FeatureGroup.id)
    )
    rules: dict[UUID, list[RolloutStrategy]] = {}
    found: dict[Pair, list[RolloutStrategy]] = {}
    for group_id, environment_id, text, feature_id, value, feature_type in rows:
        if group_id not in rules:
            stored = _strategies.decode(text.encode())
            rules[group_id] = [_rule(each, None) for each in stored if not each.disabled]
        found.setdefault((environment_id, feature_id), []).extend(
            _serving(rule, value, feature_type) for rule in rules[group_id]
        )
    return found


def history_uses(uses: Collection[Use]) -> str:
    """Application strategies as a version's history keeps them; values stay as they were written."""
    if not uses:
        return "[]"
    parts = [
        {
            "id": str(use.strategy_id),
            "code": use.code,
            "name": use.name,
            "value": msgspec.Raw((use.value or "null").encode()),
            "disabled": use.disabled,
        }
        for use in uses
    ]
    return msgspec.json.encode(parts).decode()
