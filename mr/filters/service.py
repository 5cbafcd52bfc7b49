"""Feature filters: put on features and on service accounts, which then see only what they share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from common.errors import BadRequest, Conflict, Forbidden, NotFound
from mr.auth.permissions import FEATURE_ROLES, Grants, Place
from mr.db.accounts import project_accounts
from mr.db.models.features import Feature, FeatureFilter, FeatureFilterLink
from mr.db.models.people import Person
from mr.db.models.portfolios import Application, Portfolio
from mr.db.models.service_accounts import ServiceAccount, ServiceAccountFilter
from mr.db.projection import Touched, project
from mr.db.session import WriteSession
from mr.filters import schemas
from mr.people.schemas import SortOrder

DEFAULT_PAGE: Final = 20
LONGEST_PAGE: Final = 100


class StaleFilter(Conflict):
    """The caller's copy is older than ours; for filters the contract says 409 where others say 422."""

    code = "stale-filter"


class BlankName(BadRequest):
    code = "blank-name"


async def require_reader(session: AsyncSession, grants: Grants, portfolio: Portfolio) -> None:
    """Refuse whoever has no role in any application of the portfolio. Raises Forbidden."""
    if grants.is_admin(portfolio.id):
        return
    applications = await session.scalars(
        select(Application.id).where(
            Application.portfolio_id == portfolio.id, Application.archived_at.is_(None)
        )
    )
    if not any(grants.may_read_application(Place(portfolio.id, each)) for each in applications.all()):
        raise Forbidden


async def require_writer(session: AsyncSession, grants: Grants, portfolio: Portfolio) -> None:
    """Refuse whoever may not work on features in any application of the portfolio. Raises Forbidden."""
    if grants.is_admin(portfolio.id):
        return
    applications = await session.scalars(
        select(Application.id).where(
            Application.portfolio_id == portfolio.id, Application.archived_at.is_(None)
        )
    )
    held = (grants.application_roles.get(each, frozenset()) for each in applications.all())
    if not any(FEATURE_ROLES & roles for roles in held):
        raise Forbidden


async def get_filter(session: AsyncSession, portfolio: Portfolio, filter_id: UUID) -> FeatureFilter:
    """Return a filter of the portfolio. Raises NotFound."""
    found: FeatureFilter | None = await session.scalar(
        select(FeatureFilter).where(FeatureFilter.id == filter_id, FeatureFilter.portfolio_id == portfolio.id)
    )
    if found is None:
        raise NotFound
    return found


async def create_filter(
    session: WriteSession, portfolio: Portfolio, wanted: schemas.CreateFeatureFilter, *, author: UUID
) -> FeatureFilter:
    """Make a filter. Raises Taken for a name in use."""
    made = FeatureFilter(
        portfolio_id=portfolio.id,
        name=_trimmed(wanted.name),
        description=wanted.description,
        created_by=author,
        updated_by=author,
    )
    session.add(made)
    await session.flush()
    return made


def _trimmed(name: str) -> str:
    name = name.strip()
    if not name:
        raise BlankName
    return name


async def update_filter(
    session: WriteSession, found: FeatureFilter, wanted: schemas.FeatureFilter, *, author: UUID
) -> None:
    """Rename or describe. Raises StaleFilter, and Taken for a name in use."""
    if wanted.version != found.version:
        raise StaleFilter
    found.name = _trimmed(wanted.name)
    if wanted.description is not None:
        found.description = wanted.description
    found.version += 1
    found.updated_by = author
    await session.flush()


async def delete_filter(session: WriteSession, found: FeatureFilter, *, version: int, author: UUID) -> None:
    """Delete the filter and take it off everything. The portfolio is locked as a whole."""
    if version != found.version:
        raise StaleFilter
    accounts = await session.scalars(
        select(ServiceAccountFilter.account_id).where(ServiceAccountFilter.filter_id == found.id)
    )
    account_ids = accounts.all()
    rows = await session.execute(
        select(Feature.application_id, Feature.id)
        .join(FeatureFilterLink, FeatureFilterLink.feature_id == Feature.id)
        .where(FeatureFilterLink.filter_id == found.id)
    )
    touched: defaultdict[UUID, Touched] = defaultdict(Touched)
    for application_id, feature_id in rows:
        touched[application_id].features.add(feature_id)
    await session.execute(delete(FeatureFilterLink).where(FeatureFilterLink.filter_id == found.id))
    await session.execute(delete(ServiceAccountFilter).where(ServiceAccountFilter.filter_id == found.id))
    await session.delete(found)
    await session.flush()
    for application_id in sorted(touched):
        await project(session, application_id, touched[application_id], author=author)
    await project_accounts(session, account_ids)


async def find_filters(
    session: AsyncSession,
    portfolio: Portfolio,
    *,
    containing: str | None,
    order: SortOrder | None,
    page: int,
    size: int,
) -> tuple[Sequence[FeatureFilter], int]:
    """Return one page of the portfolio's filters by name, and how many there are in all."""
    wanted = select(FeatureFilter).where(FeatureFilter.portfolio_id == portfolio.id)
    if containing:
        wanted = wanted.where(func.lower(FeatureFilter.name).contains(containing.lower(), autoescape=True))
    total = await session.scalar(select(func.count()).select_from(wanted.subquery()))
    name = func.lower(FeatureFilter.name)
    wanted = wanted.order_by(name.desc() if order == "DESC" else name.asc(), FeatureFilter.id)
    found = await session.scalars(wanted.offset(page * size).limit(size))
    return found.all(), total or 0


async def show_filters(
    session: AsyncSession,
    grants: Grants,
    portfolio: Portfolio,
    listed: Sequence[FeatureFilter],
    *,
    details: bool,
) -> list[schemas.SearchFeatureFilterItem]:
    """Return the wire forms; details are who made each, and where it is used as far as the caller sees."""
    ids = [each.id for each in listed]
    people = await _creators(session, listed) if details else {}
    applications = await _applications(session, grants, portfolio, ids) if details else None
    accounts = await _accounts(session, ids) if details else None
    return [
        schemas.SearchFeatureFilterItem(
            id=each.id,
            name=each.name,
            description=each.description,
            version=each.version,
            whoCreated=None if each.created_by is None else people.get(each.created_by),
            applications=None if applications is None else applications.get(each.id, []),
            serviceAccounts=None if accounts is None else accounts.get(each.id, []),
        )
        for each in listed
    ]


async def _creators(
    session: AsyncSession, listed: Sequence[FeatureFilter]
) -> dict[UUID, schemas.OptionalAnemicPerson]:
    ids = {each.created_by for each in listed if each.created_by is not None}
    people = await session.scalars(select(Person).where(Person.id.in_(ids)))
    return {
        person.id: schemas.OptionalAnemicPerson.model_validate(
            {
                "id": person.id,
                "name": person.name or "",
                "email": person.email,
                "type": person.person_type,
            }
        )
        for person in people.all()
    }


async def _applications(
    session: AsyncSession, grants: Grants, portfolio: Portfolio, ids: Collection[UUID]
) -> Mapping[UUID, list[schemas.SearchFeatureFilterApplication]]:
    rows = await session.execute(
        select(FeatureFilterLink.filter_id, Application.id, Application.name, Feature.id, Feature.key)
        .join(Feature, Feature.id == FeatureFilterLink.feature_id)
        .join(Application, Application.id == Feature.application_id)
        .where(FeatureFilterLink.filter_id.in_(ids), Feature.archived_at.is_(None))
        .order_by(Application.name, Application.id, Feature.key)
    )
    found: defaultdict[UUID, list[schemas.SearchFeatureFilterApplication]] = defaultdict(list)
    for filter_id, application_id, name, feature_id, key in rows:
        if not grants.may_read_application(Place(portfolio.id, application_id)):
            continue
        shown = found[filter_id]
        if not shown or shown[-1].id != application_id:
            shown.append(schemas.SearchFeatureFilterApplication(id=application_id, name=name, features=[]))
        features = shown[-1].features
        if features is not None:
            features.append(schemas.SearchFeatureFilterFeature(id=feature_id, key=key))
    return found


async def _accounts(
    session: AsyncSession, ids: Collection[UUID]
) -> Mapping[UUID, list[schemas.SearchFeatureFilterServiceAccount]]:
    rows = await session.execute(
        select(ServiceAccountFilter.filter_id, ServiceAccount.id, ServiceAccount.name)
        .join(ServiceAccount, ServiceAccount.id == ServiceAccountFilter.account_id)
        .where(ServiceAccountFilter.filter_id.in_(ids), ServiceAccount.archived_at.is_(None))
        .order_by(ServiceAccount.name, ServiceAccount.id)
    )
    found: defaultdict[UUID, list[schemas.SearchFeatureFilterServiceAccount]] = defaultdict(list)
    for filter_id, account_id, name in rows:
        found[filter_id].append(schemas.SearchFeatureFilterServiceAccount(id=account_id, name=name))
    return found
