"""Applications: made with their first environment, put away with all environments and features."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from common.errors import BadRequest, Conflict, Forbidden, NotFound, StaleVersion
from mr.applications import schemas
from mr.auth.permissions import Grants, Place
from mr.db.models.base import utc_now
from mr.db.models.portfolios import Application, Portfolio
from mr.db.projection import Touched, project
from mr.db.session import WriteSession
from mr.environments import service as environments
from mr.features import service as features
from mr.groups.service import grant_new_application
from mr.people.schemas import SortOrder


class ApplicationNameTaken(Conflict):
    code = "application-name-taken"


class BlankName(BadRequest):
    code = "blank-name"


@dataclass(frozen=True)
class Including:
    """What an answer shows of an application beside itself."""

    environments: bool = False
    features: bool = False


NOTHING_MORE: Final = Including()


def place_of(application: Application) -> Place:
    """Where an application hangs, for the rules of permission."""
    return Place(application.portfolio_id, application.id)


async def find_application(session: AsyncSession, application_id: UUID) -> Application | None:
    """Return an application that was not put away, or None."""
    found: Application | None = await session.scalar(
        select(Application).where(Application.id == application_id, Application.archived_at.is_(None))
    )
    return found


async def get_application(session: AsyncSession, application_id: UUID) -> Application:
    """Return the application, whoever asks. Raises NotFound."""
    application = await find_application(session, application_id)
    if application is None:
        raise NotFound
    return application


async def get_readable_application(
    session: AsyncSession, grants: Grants, application_id: UUID
) -> Application:
    """Return the application if the caller has any role in it. Raises NotFound."""
    application = await get_application(session, application_id)
    if not grants.may_read_application(place_of(application)):
        raise NotFound
    return application


async def get_member_application(session: AsyncSession, grants: Grants, application_id: UUID) -> Application:
    """Return the application if the caller is in any group of its portfolio. Raises NotFound."""
    application = await get_application(session, application_id)
    if not grants.is_member(application.portfolio_id):
        raise NotFound
    return application


async def get_administered_application(
    session: AsyncSession, grants: Grants, application_id: UUID
) -> Application:
    """Return the application if the caller administers its portfolio. Raises NotFound, Forbidden."""
    application = await get_member_application(session, grants, application_id)
    if not grants.is_admin(application.portfolio_id):
        raise Forbidden
    return application


def require_in_portfolio(application: Application, portfolio_id: UUID) -> None:
    """Refuse an application that was named under another portfolio. Raises NotFound."""
    if application.portfolio_id != portfolio_id:
        raise NotFound


async def find_applications(
    session: AsyncSession,
    grants: Grants,
    portfolio_id: UUID,
    *,
    containing: str | None,
    order: SortOrder | None,
) -> Sequence[Application]:
    """Return the portfolio's applications that the caller sees: members need a role in an environment."""
    wanted = select(Application).where(
        Application.portfolio_id == portfolio_id, Application.archived_at.is_(None)
    )
    if not grants.is_admin(portfolio_id):
        wanted = wanted.where(Application.id.in_(grants.environment_applications))
    if containing:
        wanted = wanted.where(func.lower(Application.name).contains(containing.lower(), autoescape=True))
    name = func.lower(Application.name)
    wanted = wanted.order_by(name.desc() if order == "DESC" else name.asc(), Application.id)
    return (await session.scalars(wanted)).all()


async def create_application(
    session: WriteSession,
    portfolio: Portfolio,
    wanted: schemas.CreateApplication,
    *,
    first_environment: str,
    author: UUID,
) -> Application:
    """Make an application with its production environment. The portfolio is locked."""
    name = _trimmed(wanted.name)
    await _require_free_name(session, portfolio.id, name, exactly=False)
    application = Application(
        portfolio_id=portfolio.id,
        name=name,
        description=wanted.description,
        created_by=author,
        updated_by=author,
    )
    session.add(application)
    await session.flush()
    await grant_new_application(session, portfolio.id, application.id)
    environment = await environments.add_environment(
        session,
        application,
        environments.NewEnvironment(first_environment, first_environment, production=True),
        author=author,
    )
    await project(session, application.id, Touched(environments={environment.id}), author=author)
    return application


def _trimmed(name: str) -> str:
    name = name.strip()
    if not name:
        raise BlankName
    return name


async def _require_free_name(session: AsyncSession, portfolio_id: UUID, name: str, *, exactly: bool) -> None:
    same = Application.name == name if exactly else func.lower(Application.name) == name.lower()
    taken = await session.scalar(
        select(Application.id).where(
            Application.portfolio_id == portfolio_id, Application.archived_at.is_(None), same
        )
    )
    if taken is not None:
        raise ApplicationNameTaken


async def update_application(
    session: WriteSession, application: Application, wanted: schemas.Application, *, author: UUID
) -> None:
    """Rename or describe. Raises StaleVersion, ApplicationNameTaken. The application is locked."""
    if wanted.version != application.version:
        raise StaleVersion
    name = _trimmed(wanted.name)
    if name != application.name:
        await _require_free_name(session, application.portfolio_id, name, exactly=True)
        application.name = name
    if wanted.description is not None:
        application.description = wanted.description
    application.version += 1
    application.updated_by = author
    await session.flush()
    # Feature properties may show the application's name and description.
    await project(session, application.id, Touched(everything=True), author=author)


async def archive_application(session: WriteSession, application: Application, *, author: UUID) -> None:
    """Put away the application with its environments and features. It is locked."""
    moment = utc_now()
    await environments.archive_all(session, application.id, moment)
    await features.archive_all(session, application.id, moment)
    application.archived_at = moment
    application.updated_by = author
    await session.flush()
    await project(session, application.id, Touched(everything=True), author=author)


async def show_application(
    session: AsyncSession, application: Application, including: Including = NOTHING_MORE
) -> schemas.Application:
    """Return the wire form of one application."""
    return (await show_applications(session, [application], including))[0]


async def show_applications(
    session: AsyncSession, listed: Sequence[Application], including: Including = NOTHING_MORE
) -> list[schemas.Application]:
    """Return the wire forms in the order given, in a constant number of queries."""
    ids = [application.id for application in listed]
    in_applications = await environments.show_environments_of(session, ids) if including.environments else {}
    defined = await features.show_features_of(session, ids) if including.features else {}
    return [
        schemas.Application(
            id=application.id,
            name=application.name,
            description=application.description,
            portfolioId=application.portfolio_id,
            version=application.version,
            environments=in_applications.get(application.id, []),
            features=defined.get(application.id, []),
            whenArchived=application.archived_at,
            whenCreated=application.created_at,
            whenUpdated=application.updated_at,
        )
        for application in listed
    ]


async def show_applications_of(
    session: AsyncSession, grants: Grants, portfolio_ids: Iterable[UUID], *, with_environments: bool
) -> Mapping[UUID, list[schemas.Application]]:
    """Return what the caller sees in each portfolio; here a role in the application is enough."""
    found = await session.scalars(
        select(Application)
        .where(Application.portfolio_id.in_(list(portfolio_ids)), Application.archived_at.is_(None))
        .order_by(func.lower(Application.name), Application.id)
    )
    listed = [each for each in found.all() if grants.may_read_application(place_of(each))]
    shown = await show_applications(session, listed, Including(environments=with_environments))
    grouped: defaultdict[UUID, list[schemas.Application]] = defaultdict(list)
    for application, wire in zip(listed, shown, strict=True):
        grouped[application.portfolio_id].append(wire)
    return grouped
