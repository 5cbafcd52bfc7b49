"""Which applications or service accounts use some filters: a preview of what a change would reach."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from common.errors import Forbidden
from mr.auth.permissions import Grants, Place
from mr.db.models.features import Feature, FeatureFilter, FeatureFilterLink
from mr.db.models.portfolios import Application, Portfolio
from mr.db.models.service_accounts import ServiceAccount, ServiceAccountFilter
from mr.filters import schemas


async def find_matching(
    session: AsyncSession,
    grants: Grants,
    portfolio: Portfolio,
    kind: schemas.MatchTypeEnum,
    filters: Collection[UUID],
) -> schemas.MatchingFilterResults:
    """Return what uses any of the portfolio's filters; accounts are for administrators. Raises Forbidden."""
    if kind == "applications":
        wanted = _applications()
    elif grants.is_admin(portfolio.id):
        wanted = _accounts()
    else:
        raise Forbidden
    rows = await session.execute(
        wanted.where(FeatureFilter.portfolio_id == portfolio.id, FeatureFilter.id.in_(filters))
    )
    found: dict[UUID, schemas.MatchingFilterResult] = {}
    for owner_id, name, description, filter_id, filter_name in rows:
        if kind == "applications" and not grants.may_read_application(Place(portfolio.id, owner_id)):
            continue
        result = found.setdefault(
            owner_id, schemas.MatchingFilterResult(id=owner_id, name=name, description=description)
        )
        result.matchingFilters.append(schemas.MatchingFilter(id=filter_id, name=filter_name))
    return schemas.MatchingFilterResults(matchingResults=list(found.values()))


def _applications() -> Select[*tuple[Any, ...]]:
    return (
        select(
            Application.id, Application.name, Application.description, FeatureFilter.id, FeatureFilter.name
        )
        .join(Feature, Feature.application_id == Application.id)
        .join(FeatureFilterLink, FeatureFilterLink.feature_id == Feature.id)
        .join(FeatureFilter, FeatureFilter.id == FeatureFilterLink.filter_id)
        .where(Application.archived_at.is_(None), Feature.archived_at.is_(None))
        .distinct()
        .order_by(Application.name, Application.id, FeatureFilter.name)
    )


def _accounts() -> Select[*tuple[Any, ...]]:
    return (
        select(
            ServiceAccount.id,
            ServiceAccount.name,
            ServiceAccount.description,
            FeatureFilter.id,
            FeatureFilter.name,
        )
        .join(ServiceAccountFilter, ServiceAccountFilter.account_id == ServiceAccount.id)
        .join(FeatureFilter, FeatureFilter.id == ServiceAccountFilter.filter_id)
        .where(ServiceAccount.archived_at.is_(None))
        .order_by(func.lower(ServiceAccount.name), ServiceAccount.id, FeatureFilter.name)
    )
