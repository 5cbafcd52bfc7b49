"""Portfolios: made with their group of administrators, put away with everything in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from common.errors import BadRequest, Forbidden, NotFound, StaleVersion
from mr.applications import service as applications
from mr.applications.schemas import Application as WireApplication
from mr.auth.permissions import Grants
from mr.db.models.base import utc_now
from mr.db.models.people import Organization
from mr.db.models.portfolios import Application, Portfolio
from mr.db.projection import Touched, project
from mr.db.session import WriteSession
from mr.groups import service as groups
from mr.people.schemas import Group as WireGroup
from mr.people.schemas import SortOrder
from mr.portfolios import schemas
from mr.service_accounts import service as service_accounts

NAME_LENGTH: Final = 200
DESCRIPTION_LENGTH: Final = 400


class BlankName(BadRequest):
    code = "blank-name"


async def find_portfolio(session: AsyncSession, portfolio_id: UUID) -> Portfolio | None:
    """Return a portfolio that was not put away, or None."""
    found: Portfolio | None = await session.scalar(
        select(Portfolio).where(Portfolio.id == portfolio_id, Portfolio.archived_at.is_(None))
    )
    return found


async def get_visible_portfolio(session: AsyncSession, grants: Grants, portfolio_id: UUID) -> Portfolio:
    """Return the portfolio if the caller is in it. Raises NotFound."""
    portfolio = await find_portfolio(session, portfolio_id)
    if portfolio is None or not grants.is_member(portfolio_id):
        raise NotFound
    return portfolio


async def get_administered_portfolio(session: AsyncSession, grants: Grants, portfolio_id: UUID) -> Portfolio:
    """Return the portfolio if the caller administers it. Raises NotFound or, to its members, Forbidden."""
    portfolio = await get_visible_portfolio(session, grants, portfolio_id)
    if not grants.is_admin(portfolio_id):
        raise Forbidden
    return portfolio


async def find_portfolios(
    session: AsyncSession, grants: Grants, *, containing: str | None, order: SortOrder | None
) -> Sequence[Portfolio]:
    """Return the portfolios that the caller is in."""
    wanted = select(Portfolio).where(Portfolio.archived_at.is_(None))
    if not grants.superuser:
        wanted = wanted.where(Portfolio.id.in_(grants.member_of | grants.administers))
    if containing:
        wanted = wanted.where(func.lower(Portfolio.name).contains(containing.lower(), autoescape=True))
    name = func.lower(Portfolio.name)
    wanted = wanted.order_by(name.desc() if order == "DESC" else name.asc(), Portfolio.id)
    return (await session.scalars(wanted)).all()


def _cut(name: str, description: str | None) -> tuple[str, str | None]:
    name = name.strip()[:NAME_LENGTH].rstrip()
    if not name:
        raise BlankName
    return name, None if description is None else description[:DESCRIPTION_LENGTH]


async def create_portfolio(
    session: WriteSession,
    organization: Organization,
    *,
    name: str,
    description: str | None,
    suffix: str,
    author: UUID,
) -> Portfolio:
    """Make a portfolio and its group of administrators. Raises Taken for a name in use."""
    name, description = _cut(name, description)
    portfolio = Portfolio(
        organization_id=organization.id,
        name=name,
        description=description,
        created_by=author,
        updated_by=author,
    )
    session.add(portfolio)
    await session.flush()
    await groups.create_administrators(session, portfolio, suffix=suffix, author=author)
    return portfolio


async def update_portfolio(
    session: WriteSession, portfolio: Portfolio, wanted: schemas.Portfolio, *, suffix: str, author: UUID
) -> None:
    """Rename or describe; the group of administrators follows the name. Raises StaleVersion or Taken.

    The portfolio is locked as a whole.
    """
    if wanted.version != portfolio.version:
        raise StaleVersion
    name, description = _cut(wanted.name, wanted.description)
    if name != portfolio.name:
        group = await groups.administrators_of(session, portfolio.id)
        if group is not None:
            group.name = groups.administrators_name(name, suffix)
            group.version += 1
    portfolio.name = name
    if description is not None:
        portfolio.description = description
    portfolio.version += 1
    portfolio.updated_by = author
    await session.flush()
    if session.templates.templates:
        # Feature properties may show the portfolio's name and description.
        for application in await _live_applications(session, portfolio.id):
            await project(session, application.id, Touched(everything=True), author=author)


async def _live_applications(session: WriteSession, portfolio_id: UUID) -> Sequence[Application]:
    found = await session.scalars(
        select(Application)
        .where(Application.portfolio_id == portfolio_id, Application.archived_at.is_(None))
        .order_by(Application.id)
    )
    return found.all()


async def live_application_ids(session: AsyncSession, portfolio_id: UUID) -> Sequence[UUID]:
    """Return the ids of the portfolio's applications that were not put away."""
    found = await session.scalars(
        select(Application.id)
        .where(Application.portfolio_id == portfolio_id, Application.archived_at.is_(None))
        .order_by(Application.id)
    )
    return found.all()


async def archive_application_of(
    session: WriteSession, portfolio_id: UUID, application_id: UUID, *, author: UUID
) -> None:
    """Put away one application of a portfolio, unless somebody did so already. It is locked."""
    application = await applications.find_application(session, application_id)
    if application is not None and application.portfolio_id == portfolio_id:
        await applications.archive_application(session, application, author=author)


async def archive_portfolio(session: WriteSession, portfolio: Portfolio, *, author: UUID) -> None:
    """Put away the portfolio with its applications, groups and service accounts. It is locked as a whole."""
    for application in await _live_applications(session, portfolio.id):
        await applications.archive_application(session, application, author=author)
    portfolio.archived_at = utc_now()
    portfolio.updated_by = author
    await session.flush()
    await groups.archive_groups(session, portfolio)
    await service_accounts.archive_accounts_of(session, portfolio)


async def show_portfolios(
    session: AsyncSession,
    grants: Grants,
    portfolios: Iterable[Portfolio],
    *,
    with_groups: bool = False,
    with_applications: bool = False,
    with_environments: bool = False,
) -> list[schemas.Portfolio]:
    """Return the wire forms, with what the caller may see of what is asked for."""
    listed = list(portfolios)
    ids = [portfolio.id for portfolio in listed]
    shown_groups: Mapping[UUID, list[WireGroup]] = {}
    if with_groups:
        shown_groups = await groups.show_groups_of(session, ids)
    shown_applications: Mapping[UUID, list[WireApplication]] = {}
    if with_applications or with_environments:
        shown_applications = await applications.show_applications_of(
            session, grants, ids, with_environments=with_environments
        )
    return [
        schemas.Portfolio(
            id=portfolio.id,
            name=portfolio.name,
            description=portfolio.description,
            version=portfolio.version,
            organizationId=portfolio.organization_id,
            groups=shown_groups.get(portfolio.id, []),
            applications=shown_applications.get(portfolio.id, []),
            whenArchived=portfolio.archived_at,
            whenCreated=portfolio.created_at,
            whenUpdated=portfolio.updated_at,
        )
        for portfolio in listed
    ]
