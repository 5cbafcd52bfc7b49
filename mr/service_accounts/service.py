"""Service accounts: made with two keys and a hidden twin person, the author of what their SDKs change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from common.contracts.environments import hash_key
from common.errors import BadRequest, Forbidden, NotFound, StaleVersion
from mr.auth.permissions import Grants, Place, in_order, with_read
from mr.db.accounts import project_accounts
from mr.db.models.base import utc_now
from mr.db.models.features import FeatureFilter
from mr.db.models.people import SDK_ACCOUNT, Person
from mr.db.models.portfolios import Application, Environment, Portfolio
from mr.db.models.service_accounts import (
    ServiceAccount,
    ServiceAccountFilter,
    ServiceAccountPermission,
)
from mr.db.session import WriteSession
from mr.people.schemas import RoleType
from mr.service_accounts import schemas
from mr.service_accounts.keys import new_client_key, new_server_key, sdk_url


class RepeatedEnvironment(BadRequest):
    code = "repeated-environment"


class BlankName(BadRequest):
    code = "blank-name"


@dataclass(frozen=True)
class Including:
    """What an answer shows of accounts. Keys and SDK URLs go only to those who hold as much themselves."""

    permissions: bool = False
    sdk_urls: bool = False
    keys: bool = False
    filters: bool = False
    application_id: UUID | None = None


NOTHING_MORE: Final = Including()


async def find_account(session: AsyncSession, account_id: UUID) -> ServiceAccount | None:
    """Return an account that was not put away, or None."""
    found: ServiceAccount | None = await session.scalar(
        select(ServiceAccount).where(ServiceAccount.id == account_id, ServiceAccount.archived_at.is_(None))
    )
    return found


async def get_visible_account(session: AsyncSession, grants: Grants, account_id: UUID) -> ServiceAccount:
    """Return the account to members of its portfolio. Raises NotFound, also to everybody else."""
    account = await find_account(session, account_id)
    if account is None or not grants.is_member(account.portfolio_id):
        raise NotFound
    return account


async def get_administered_account(session: AsyncSession, grants: Grants, account_id: UUID) -> ServiceAccount:
    """Return the account to administrators of its portfolio. Raises NotFound, Forbidden."""
    account = await get_visible_account(session, grants, account_id)
    if not grants.is_admin(account.portfolio_id):
        raise Forbidden
    return account


def require_in_portfolio(account: ServiceAccount, portfolio_id: UUID) -> None:
    """Refuse an account that was named under another portfolio. Raises NotFound."""
    if account.portfolio_id != portfolio_id:
        raise NotFound


async def find_accounts(
    session: AsyncSession, portfolio_id: UUID, *, containing: str | None
) -> Sequence[ServiceAccount]:
    """Return a portfolio's accounts by name."""
    wanted = select(ServiceAccount).where(
        ServiceAccount.portfolio_id == portfolio_id, ServiceAccount.archived_at.is_(None)
    )
    if containing:
        wanted = wanted.where(func.lower(ServiceAccount.name).contains(containing.lower(), autoescape=True))
    wanted = wanted.order_by(func.lower(ServiceAccount.name), ServiceAccount.id)
    return (await session.scalars(wanted)).all()


async def create_account(
    session: WriteSession, portfolio: Portfolio, wanted: schemas.CreateServiceAccount, *, author: UUID
) -> ServiceAccount:
    """Make an account with fresh keys. Raises Taken, RepeatedEnvironment."""
    name = _trimmed(wanted.name)
    twin = Person(organization_id=portfolio.organization_id, person_type=SDK_ACCOUNT, name=name)
    session.add(twin)
    await session.flush()
    client_key, server_key = new_client_key(), new_server_key()
    account = ServiceAccount(
        portfolio_id=portfolio.id,
        person_id=twin.id,
        name=name,
        description=wanted.description,
        client_key=client_key,
        server_key=server_key,
        client_key_hash=hash_key(client_key),
        server_key_hash=hash_key(server_key),
        created_by=author,
        updated_by=author,
    )
    session.add(account)
    await session.flush()
    await _set_permissions(session, account, wanted.permissions, application_id=None)
    if wanted.featureFilter:
        await _set_filters(session, account, wanted.featureFilter)
    await project_accounts(session, [account.id])
    return account


def _trimmed(name: str) -> str:
    name = name.strip()
    if not name:
        raise BlankName
    return name


async def update_account(
    session: WriteSession,
    account: ServiceAccount,
    wanted: schemas.ServiceAccount,
    *,
    application_id: UUID | None,
    author: UUID,
) -> None:
    """Replace the account's settings; its permissions too, unless the sender says it never had them.

    Raises StaleVersion, Taken, RepeatedEnvironment. The account is locked.
    """
    if wanted.version != account.version:
        raise StaleVersion
    account.name = _trimmed(wanted.name)
    if wanted.description is not None:
        account.description = wanted.description
    account.version += 1
    account.updated_by = author
    twin = await session.get_one(Person, account.person_id)
    twin.name = account.name
    await session.flush()
    if not wanted.permsInvalid:
        await _set_permissions(session, account, wanted.permissions, application_id=application_id)
    if wanted.featureFilters is not None:
        await _set_filters(session, account, wanted.featureFilters)
    await project_accounts(session, [account.id])


async def _set_permissions(
    session: WriteSession,
    account: ServiceAccount,
    wanted: Sequence[schemas.ServiceAccountPermission],
    *,
    application_id: UUID | None,
) -> None:
    roles = {each.environmentId: each.permissions for each in wanted}
    if len(roles) != len(wanted):
        raise RepeatedEnvironment("An environment is named twice in the permissions.")
    ours = await _environments_of(session, account.portfolio_id, application_id)
    await session.execute(
        delete(ServiceAccountPermission).where(
            ServiceAccountPermission.account_id == account.id,
            ServiceAccountPermission.environment_id.in_(ours),
        )
    )
    # Environments of other portfolios, and of other applications when one was named, are passed over.
    for environment_id in ours:
        if roles.get(environment_id):
            session.add(
                ServiceAccountPermission(
                    account_id=account.id,
                    environment_id=environment_id,
                    roles=tuple(with_read(roles[environment_id])),
                )
            )
    await session.flush()


async def _environments_of(
    session: AsyncSession, portfolio_id: UUID, application_id: UUID | None
) -> Sequence[UUID]:
    wanted = (
        select(Environment.id)
        .join(Application, Application.id == Environment.application_id)
        .where(Application.portfolio_id == portfolio_id, Environment.archived_at.is_(None))
        .order_by(Environment.id)
    )
    if application_id is not None:
        wanted = wanted.where(Application.id == application_id)
    return (await session.scalars(wanted)).all()


async def _set_filters(session: WriteSession, account: ServiceAccount, wanted: Collection[UUID]) -> None:
    await session.execute(delete(ServiceAccountFilter).where(ServiceAccountFilter.account_id == account.id))
    found = await session.scalars(
        select(FeatureFilter.id).where(
            FeatureFilter.portfolio_id == account.portfolio_id, FeatureFilter.id.in_(list(wanted))
        )
    )
    for filter_id in found.all():
        session.add(ServiceAccountFilter(account_id=account.id, filter_id=filter_id))
    if not wanted:
        # An administrator says "no filters": that is everything again. An account that merely *lost* its
        # filters stays restricted and sees nothing.
        account.restricted = False
    await session.flush()


async def reset_keys(
    session: WriteSession, account: ServiceAccount, which: schemas.ResetApiKeyType | None, *, author: UUID
) -> None:
    """Replace one key or both; the old ones are worthless with the commit. The account is locked."""
    if which != "server_eval_only":
        account.client_key = new_client_key()
        account.client_key_hash = hash_key(account.client_key)
    if which != "client_eval_only":
        account.server_key = new_server_key()
        account.server_key_hash = hash_key(account.server_key)
    account.updated_by = author
    await session.flush()
    await project_accounts(session, [account.id])


async def archive_account(session: WriteSession, account: ServiceAccount) -> None:
    """Put the account away; its keys stop working. The account is locked."""
    account.archived_at = utc_now()
    await session.flush()
    await project_accounts(session, [account.id])


async def archive_accounts_of(session: WriteSession, portfolio: Portfolio) -> None:
    """Put away all accounts of a portfolio that is put away and locked as a whole."""
    accounts = await find_accounts(session, portfolio.id, containing=None)
    for account in accounts:
        account.archived_at = portfolio.archived_at
    await session.flush()
    await project_accounts(session, [account.id for account in accounts])


async def show_account(
    session: AsyncSession, account: ServiceAccount, grants: Grants, including: Including = NOTHING_MORE
) -> schemas.ServiceAccount:
    """Return the wire form of one account."""
    return (await show_accounts(session, [account], grants, including))[0]


async def show_accounts(
    session: AsyncSession,
    accounts: Sequence[ServiceAccount],
    grants: Grants,
    including: Including = NOTHING_MORE,
) -> list[schemas.ServiceAccount]:
    """Return the wire forms in the order given, in a constant number of queries."""
    ids = [account.id for account in accounts]
    loaded = including.permissions or including.sdk_urls
    permissions = await _permissions_of(session, accounts, grants, including) if loaded else {}
    filters = await _filters_of(session, ids) if including.filters else None
    shown = []
    for account in accounts:
        keys = including.keys and grants.is_admin(account.portfolio_id)
        shown.append(
            schemas.ServiceAccount(
                id=account.id,
                name=account.name,
                portfolioId=account.portfolio_id,
                description=account.description,
                version=account.version,
                apiKeyClientSide=account.client_key if keys else None,
                apiKeyServerSide=account.server_key if keys else None,
                featureFilters=None if filters is None else filters.get(account.id, []),
                restricted=account.restricted or None,
                permsInvalid=None if loaded else True,
                permissions=permissions.get(account.id, []),
                whenArchived=account.archived_at,
            )
        )
    return shown


async def _filters_of(session: AsyncSession, ids: Collection[UUID]) -> Mapping[UUID, list[UUID]]:
    rows = await session.execute(
        select(ServiceAccountFilter.account_id, ServiceAccountFilter.filter_id)
        .where(ServiceAccountFilter.account_id.in_(ids))
        .order_by(ServiceAccountFilter.filter_id)
    )
    found: defaultdict[UUID, list[UUID]] = defaultdict(list)
    for account_id, filter_id in rows:
        found[account_id].append(filter_id)
    return found


async def _permissions_of(
    session: AsyncSession, accounts: Sequence[ServiceAccount], grants: Grants, including: Including
) -> Mapping[UUID, list[schemas.ServiceAccountPermission]]:
    by_id = {account.id: account for account in accounts}
    wanted = (
        select(ServiceAccountPermission, Environment.application_id)
        .join(Environment, Environment.id == ServiceAccountPermission.environment_id)
        .where(ServiceAccountPermission.account_id.in_(by_id), Environment.archived_at.is_(None))
        .order_by(Environment.created_at, Environment.id)
    )
    if including.application_id is not None:
        wanted = wanted.where(Environment.application_id == including.application_id)
    found: defaultdict[UUID, list[schemas.ServiceAccountPermission]] = defaultdict(list)
    for permission, application_id in await session.execute(wanted):
        account = by_id[permission.account_id]
        place = Place(account.portfolio_id, application_id)
        urls = including.sdk_urls and _covers(grants, place, permission)
        found[account.id].append(_show_permission(permission, account, urls=urls))
    return found


def _covers(grants: Grants, place: Place, permission: ServiceAccountPermission) -> bool:
    """A key gives what its account may do, so only those see it who may do as much."""
    return set(permission.roles) <= grants.roles_in(place, permission.environment_id)


def _show_permission(
    permission: ServiceAccountPermission,
    account: ServiceAccount,
    *,
    urls: bool,
    shown_account: schemas.ServiceAccount | None = None,
) -> schemas.ServiceAccountPermission:
    where = permission.environment_id
    return schemas.ServiceAccountPermission(
        permissions=cast("list[RoleType]", in_order(with_read(permission.roles))),
        environmentId=where,
        serviceAccount=shown_account,
        sdkUrlClientEval=sdk_url(where, account.client_key) if urls else None,
        sdkUrlServerEval=sdk_url(where, account.server_key) if urls else None,
    )


async def show_permissions_by_environment(
    session: AsyncSession,
    environments: Sequence[Environment],
    grants: Grants,
    portfolio_id: UUID,
    *,
    with_urls: bool,
    with_accounts: bool,
) -> Mapping[UUID, list[schemas.ServiceAccountPermission]]:
    """Return which accounts may do what in environments of one portfolio, by environment."""
    applications = {environment.id: environment.application_id for environment in environments}
    rows = await session.execute(
        select(ServiceAccountPermission, ServiceAccount)
        .join(ServiceAccount, ServiceAccount.id == ServiceAccountPermission.account_id)
        .where(
            ServiceAccountPermission.environment_id.in_(applications),
            ServiceAccount.archived_at.is_(None),
        )
        .order_by(func.lower(ServiceAccount.name), ServiceAccount.id)
    )
    found: defaultdict[UUID, list[schemas.ServiceAccountPermission]] = defaultdict(list)
    for permission, account in rows:
        place = Place(portfolio_id, applications[permission.environment_id])
        shown = None
        if with_accounts:
            shown = schemas.ServiceAccount(
                id=account.id, name=account.name, portfolioId=portfolio_id, permsInvalid=True
            )
        urls = with_urls and _covers(grants, place, permission)
        found[permission.environment_id].append(
            _show_permission(permission, account, urls=urls, shown_account=shown)
        )
    return found
