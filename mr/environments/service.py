"""Environments: the stages of an application, in their order of promotion."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Select, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from common.errors import BadRequest, Forbidden, NotFound
from mr.auth.permissions import Grants, Place
from mr.auth.vault import Sealer
from mr.db.models.base import utc_now
from mr.db.models.features import FeatureGroup
from mr.db.models.portfolios import Application, Environment
from mr.db.projection import Touched, project
from mr.db.session import WriteSession
from mr.environments import promotion, schemas
from mr.features import service as features
from mr.features.schemas import Feature
from mr.groups import service as groups
from mr.service_accounts import service as service_accounts
from mr.service_accounts.schemas import ServiceAccountPermission
from mr.webhooks import settings as endpoint_settings

_OURS: Final = "mgmt."  # settings below this prefix are the server's own


class ForeignPriorEnvironment(BadRequest):
    code = "foreign-prior-environment"


class UnusableOrder(BadRequest):
    code = "unusable-order"


class BlankName(BadRequest):
    code = "blank-name"


@dataclass(frozen=True)
class NewEnvironment:
    """What an environment is made from."""

    name: str
    description: str
    production: bool = False
    prior_environment_id: UUID | None = None
    info: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Including:
    """What an answer shows of environments beside themselves."""

    acls: bool = False
    features: bool = False
    details: bool = False
    sdk_urls: bool = False
    service_accounts: bool = False


NOTHING_MORE: Final = Including()


async def find_environment(session: AsyncSession, environment_id: UUID) -> tuple[Environment, Place] | None:
    """Return an environment that was not put away and where it hangs, or None."""
    row = (
        await session.execute(
            select(Environment, Application.portfolio_id)
            .join(Application, Application.id == Environment.application_id)
            .where(Environment.id == environment_id, Environment.archived_at.is_(None))
        )
    ).first()
    if row is None:
        return None
    environment, portfolio_id = row
    return environment, Place(portfolio_id, environment.application_id)


async def get_administered_environment(
    session: AsyncSession, grants: Grants, environment_id: UUID
) -> tuple[Environment, Place]:
    """Return the environment if the caller administers its portfolio. Raises NotFound, Forbidden."""
    found = await find_environment(session, environment_id)
    if found is None or not grants.is_member(found[1].portfolio_id):
        raise NotFound
    if not grants.is_admin(found[1].portfolio_id):
        raise Forbidden
    return found


async def get_member_environment(
    session: AsyncSession, grants: Grants, environment_id: UUID
) -> tuple[Environment, Place]:
    """Return the environment to any member of its portfolio. Unknown or not, the answer is Forbidden."""
    found = await find_environment(session, environment_id)
    if found is None or not grants.is_member(found[1].portfolio_id):
        raise Forbidden
    return found


def require_in_application(environment: Environment, application_id: UUID) -> None:
    """Refuse an environment that was named under another application. Raises NotFound."""
    if environment.application_id != application_id:
        raise NotFound


def ids_in(application_id: UUID) -> Select[UUID]:
    """Select the ids of an application's environments that were not put away."""
    return select(Environment.id).where(
        Environment.application_id == application_id, Environment.archived_at.is_(None)
    )


async def live_environments(session: AsyncSession, application_ids: Iterable[UUID]) -> list[Environment]:
    """Return the environments of several applications, each application's in order of promotion."""
    found = await session.scalars(
        select(Environment)
        .where(Environment.application_id.in_(list(application_ids)), Environment.archived_at.is_(None))
        .order_by(Environment.created_at, Environment.id)
    )
    by_id = {environment.id: environment for environment in found.all()}
    line = promotion.ordered({each.id: each.prior_environment_id for each in by_id.values()})
    return [by_id[identity] for identity in line]


async def _links(session: AsyncSession, application_id: UUID) -> dict[UUID, UUID | None]:
    return {each.id: each.prior_environment_id for each in await live_environments(session, [application_id])}


async def find_environments(
    session: AsyncSession,
    application_id: UUID,
    *,
    containing: str | None,
    order: schemas.EnvironmentSortOrder | None,
) -> list[Environment]:
    """Return an application's environments: in order of promotion, or by name when asked."""
    found = await live_environments(session, [application_id])
    if containing:
        found = [each for each in found if containing.casefold() in each.name.casefold()]
    if order in {"ASC", "DESC"}:
        found.sort(key=lambda each: each.name.casefold(), reverse=order == "DESC")
    return found


async def create_environment(
    session: WriteSession, application: Application, wanted: NewEnvironment, *, author: UUID
) -> Environment:
    """Make an environment and deliver it. Raises Taken, ForeignPriorEnvironment.

    The application is locked.
    """
    environment = await add_environment(session, application, wanted, author=author)
    saved = await features.add_boolean_values(session, environment)
    touched = Touched(environments={environment.id}, saved=saved)
    await project(session, application.id, touched, author=author)
    return environment


async def add_environment(
    session: WriteSession, application: Application, wanted: NewEnvironment, *, author: UUID
) -> Environment:
    """Record an environment behind the last one, or behind the one that was named."""
    links = await _links(session, application.id)
    prior = wanted.prior_environment_id
    if prior is not None and prior not in links:
        raise ForeignPriorEnvironment
    environment = Environment(
        application_id=application.id,
        name=_trimmed(wanted.name),
        description=wanted.description,
        production=wanted.production,
        prior_environment_id=prior or promotion.last(links),
        environment_info=_permitted(wanted.info),
        created_by=author,
        updated_by=author,
    )
    session.add(environment)
    await session.flush()
    return environment


def _trimmed(name: str) -> str:
    name = name.strip()
    if not name:
        raise BlankName
    return name


def _permitted(info: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in info.items() if not name.startswith(_OURS)}


async def update_environment(
    session: WriteSession,
    environment: Environment,
    wanted: schemas.UpdateEnvironment | schemas.Environment,
    *,
    author: UUID,
    sealer: Sealer | None = None,
) -> None:
    """Change what was given; a null `priorEnvironmentId` clears the link. The application is locked."""
    if wanted.gave("priorEnvironmentId"):
        await _link(session, environment, wanted.priorEnvironmentId)
    if wanted.name is not None:
        environment.name = _trimmed(wanted.name)
    if wanted.description is not None:
        environment.description = wanted.description
    if wanted.production is not None:
        environment.production = wanted.production
    if wanted.gave("environmentInfo") and wanted.environmentInfo is not None:
        kept = {name: text for name, text in environment.environment_info.items() if name.startswith(_OURS)}
        environment.environment_info = kept | _permitted(wanted.environmentInfo)
    if wanted.webhookEnvironmentInfo is not None:
        environment.webhook_info = endpoint_settings.merged(
            environment.webhook_info, wanted.webhookEnvironmentInfo, sealer, environment.id
        )
    environment.version += 1
    environment.updated_by = author
    await session.flush()
    touched = Touched(environments={environment.id})
    await project(session, environment.application_id, touched, author=author)


async def _link(session: WriteSession, environment: Environment, prior: UUID | None) -> None:
    links = await _links(session, environment.application_id)
    if prior is not None and (prior not in links or prior == environment.id):
        raise ForeignPriorEnvironment
    await _relink(session, promotion.relinked(links, environment.id, prior))


async def _relink(session: WriteSession, changes: Mapping[UUID, UUID | None]) -> None:
    for identity, prior in changes.items():
        moved = await session.get_one(Environment, identity)
        moved.prior_environment_id = prior
    await session.flush()


async def order_environments(
    session: WriteSession, application_id: UUID, wanted: Sequence[schemas.Environment], *, author: UUID
) -> None:
    """Link several environments anew at once. Raises UnusableOrder. The application is locked.

    Nothing that is delivered depends on the order, so nothing is projected.
    """
    listed = {each.id: each for each in await live_environments(session, [application_id])}
    links = {identity: environment.prior_environment_id for identity, environment in listed.items()}
    priors = {each.id: each.priorEnvironmentId for each in wanted}
    if len(priors) != len(wanted) or not priors.keys() <= links.keys():
        raise UnusableOrder("An environment is unknown, or named twice.")
    if any(each.version != listed[each.id].version for each in wanted):
        raise UnusableOrder("An environment was changed meanwhile.")
    if any(prior is not None and prior not in links for prior in priors.values()):
        raise UnusableOrder("A prior environment is unknown.")
    if promotion.loops(links | priors):
        raise UnusableOrder("The order has no beginning.")
    for identity, prior in priors.items():
        environment = listed[identity]
        if environment.prior_environment_id != prior:
            environment.prior_environment_id = prior
            environment.version += 1
            environment.updated_by = author
    await session.flush()


async def archive_environment(session: WriteSession, environment: Environment, *, author: UUID) -> None:
    """Put the environment away; its follower moves up. The application is locked."""
    links = await _links(session, environment.application_id)
    await _relink(session, promotion.closed_gap(links, environment.id))
    environment.archived_at = utc_now()
    environment.updated_by = author
    await _archive_groups(session, [environment.id], environment.archived_at)
    touched = Touched(environments={environment.id})
    await project(session, environment.application_id, touched, author=author)


async def archive_all(session: WriteSession, application_id: UUID, moment: datetime) -> None:
    """Put away every environment of an application that is put away; the caller projects."""
    ids = list(await session.scalars(ids_in(application_id)))
    await session.execute(update(Environment).where(Environment.id.in_(ids)).values(archived_at=moment))
    await _archive_groups(session, ids, moment)


async def _archive_groups(session: WriteSession, environment_ids: list[UUID], moment: datetime) -> None:
    await session.flush()
    await session.execute(
        update(FeatureGroup)
        .where(FeatureGroup.environment_id.in_(environment_ids), FeatureGroup.archived_at.is_(None))
        .values(archived_at=moment)
    )


async def show_environments(
    session: AsyncSession,
    listed: Sequence[Environment],
    *,
    grants: Grants | None = None,
    portfolio_id: UUID | None = None,
    including: Including = NOTHING_MORE,
) -> list[schemas.Environment]:
    """Return the wire forms in the order given, with what is asked for, in a constant number of queries."""
    ids = [environment.id for environment in listed]
    roles = await groups.show_environment_roles(session, ids) if including.acls else {}
    defined: Mapping[UUID, list[Feature]] = {}
    if including.features:
        defined = await features.show_features_of(session, {each.application_id for each in listed})
    permissions: Mapping[UUID, list[ServiceAccountPermission]] | None = None
    if (including.sdk_urls or including.service_accounts) and grants is not None and portfolio_id is not None:
        permissions = await service_accounts.show_permissions_by_environment(
            session,
            listed,
            grants,
            portfolio_id,
            with_urls=including.sdk_urls,
            with_accounts=including.service_accounts,
        )
    return [
        schemas.Environment(
            id=environment.id,
            applicationId=environment.application_id,
            name=environment.name,
            priorEnvironmentId=environment.prior_environment_id,
            version=environment.version,
            production=environment.production,
            description=environment.description,
            environmentInfo=dict(environment.environment_info) if including.details else {},
            webhookEnvironmentInfo=endpoint_settings.shown(environment.webhook_info)
            if including.details
            else None,
            groupRoles=roles.get(environment.id, []),
            features=defined.get(environment.application_id, []),
            serviceAccountPermission=None if permissions is None else permissions.get(environment.id, []),
            whenArchived=environment.archived_at,
            whenCreated=environment.created_at,
            whenUpdated=environment.updated_at,
        )
        for environment in listed
    ]


async def show_environments_of(
    session: AsyncSession, application_ids: Iterable[UUID]
) -> Mapping[UUID, list[schemas.Environment]]:
    """Return the environments of several applications, in order of promotion, by application."""
    listed = await live_environments(session, application_ids)
    found: defaultdict[UUID, list[schemas.Environment]] = defaultdict(list)
    for environment, wire in zip(listed, await show_environments(session, listed), strict=True):
        found[environment.application_id].append(wire)
    return found
