"""The body of a webhook: everything an environment delivers, and the keys because of which it is sent."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from common.contracts.features import WireState
from mr.db.models.delivery import Delivered, DeliveredEnvironment
from mr.db.models.features import Feature, FeatureValue
from mr.db.models.portfolios import Environment

ENRICHED: Final = "enriched-feature-v1"
SUBJECT: Final = "io.featurehub.events.enricher"
_OURS: Final = "mgmt."  # settings below this prefix are the server's own

_state = msgspec.json.Decoder(WireState)


async def build_enriched(session: AsyncSession, environment_id: UUID, keys: str) -> str | None:
    """Return the body, JSON; None when there is no such environment any more."""
    row = (
        await session.execute(
            select(DeliveredEnvironment, Environment.version)
            .join(Environment, Environment.id == DeliveredEnvironment.id)
            .where(DeliveredEnvironment.id == environment_id, DeliveredEnvironment.tombstone.is_(False))
        )
    ).first()
    if row is None:
        return None
    known, version = row
    info = {name: text for name, text in known.info.items() if not name.startswith(_OURS)}
    body = {
        "environment": {
            "action": "UPDATE",
            "environment": {"id": str(environment_id), "version": version, "eInf": info},
            "oId": str(known.organization_id),
            "pId": str(known.portfolio_id),
            "aId": str(known.application_id),
            "fv": await _features(session, environment_id),
        },
        "featureKeys": msgspec.Raw(keys.encode()),
    }
    return msgspec.json.encode(body).decode()


async def _features(session: AsyncSession, environment_id: UUID) -> list[dict[str, Any]]:
    rows = await session.execute(
        select(Delivered.state, Delivered.version, Feature.version, FeatureValue.id, FeatureValue.updated_by)
        .join(Feature, Feature.id == Delivered.feature_id)
        .outerjoin(
            FeatureValue,
            (FeatureValue.feature_id == Delivered.feature_id)
            & (FeatureValue.environment_id == Delivered.environment_id),
        )
        .where(Delivered.environment_id == environment_id)
        .order_by(Delivered.key)
    )
    return [_feature(*row) for row in rows]


def _feature(
    text: str, version: int, definition: int, value_id: UUID | None, author: UUID | None
) -> dict[str, Any]:
    state = _state.decode(text)
    wire: dict[str, Any] = {"feature": msgspec.to_builtins(state.feature) | {"version": definition}}
    if state.fp is not msgspec.UNSET:
        wire["fp"] = state.fp
    if state.value is not msgspec.UNSET:
        value = {name: getattr(state.value, name) for name in ("locked", "retired")}
        value |= {"id": str(value_id), "key": state.feature.key, "version": version}
        if state.value.value is not msgspec.UNSET:
            value["value"] = state.value.value
        value["rolloutStrategies"] = state.value.rollout_strategies
        if author is not None:
            value["pId"] = str(author)
        wire["value"] = value
    return wire
