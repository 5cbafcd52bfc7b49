"""Verify and repair: make again of the tables what is delivered, and deliver where it differed.

Nothing that is stored about what is delivered is believed. Caches need no call: they hear of what was wrong
like of any change, as a whole, and compare digests by themselves. Works application by application, so that
nobody waits for all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from common.errors import NotFound
from mr.cache_refresh import schemas
from mr.db.accounts import project_accounts
from mr.db.models.portfolios import Application, Environment, Portfolio
from mr.db.models.service_accounts import ServiceAccount
from mr.db.projection import Touched, project
from mr.db.session import Database, Locks, run_with_retries

_log = structlog.get_logger(__name__)

_ACCOUNTS_AT_ONCE: Final = 500


@dataclass(frozen=True)
class Chosen:
    """What is to be verified."""

    portfolios: Sequence[UUID]
    applications: Sequence[UUID]
    accounts: Sequence[UUID]
    environments: int


async def choose(session: AsyncSession, wanted: schemas.CacheRefreshRequest) -> Chosen:
    """Find what is asked for: portfolios with all in them, and single applications. Raises NotFound."""
    portfolios = select(Portfolio.id).where(Portfolio.archived_at.is_(None))
    applications = select(Application.id, Application.portfolio_id).where(Application.archived_at.is_(None))
    listed = (await session.scalars(portfolios.order_by(Portfolio.id))).all()
    rows = (await session.execute(applications.order_by(Application.id))).all()
    owners = {row.id: row.portfolio_id for row in rows}
    if not (owners.keys() >= set(wanted.applicationId) and set(listed) >= set(wanted.portfolioId)):
        raise NotFound
    whole = set(listed) if wanted.allTheThings else set(wanted.portfolioId)
    chosen = [
        application_id
        for application_id, owner in owners.items()
        if owner in whole or application_id in wanted.applicationId
    ]
    accounts = await session.execute(
        select(ServiceAccount.id, ServiceAccount.portfolio_id).order_by(ServiceAccount.id)
    )
    environments = await session.execute(
        select(Environment.application_id, func.count())
        .where(Environment.archived_at.is_(None))
        .group_by(Environment.application_id)
    )
    among = set(chosen)
    return Chosen(
        portfolios=sorted(whole),
        applications=chosen,
        accounts=[account_id for account_id, owner in accounts if owner in whole],
        environments=sum(count for application_id, count in environments if application_id in among),
    )


async def refresh(database: Database, chosen: Chosen) -> schemas.CacheRefreshResponse:
    """Verify it all; what differed is delivered, and told in the log of this server."""
    for application_id in chosen.applications:
        await run_with_retries(partial(_refresh_application, database, application_id))
    for start in range(0, len(chosen.accounts), _ACCOUNTS_AT_ONCE):
        ids = tuple(chosen.accounts[start : start + _ACCOUNTS_AT_ONCE])
        await run_with_retries(partial(_refresh_accounts, database, ids))
    return schemas.CacheRefreshResponse(
        applicationsRefreshed=len(chosen.applications),
        portfoliosRefreshed=len(chosen.portfolios),
        environmentsRefreshed=chosen.environments,
        serviceAccountsRefreshed=len(chosen.accounts),
    )


async def _refresh_application(database: Database, application_id: UUID) -> None:
    async with database.write(Locks(applications=(application_id,))) as session:
        await project(session, application_id, Touched(everything=True, verify=True), author=None)
    if session.highest_seq:
        _log.warning("projection.repaired", application=str(application_id))


async def _refresh_accounts(database: Database, ids: tuple[UUID, ...]) -> None:
    async with database.write(Locks(accounts=ids)) as session:
        await project_accounts(session, ids)
    if session.highest_seq:
        _log.warning("projection.repaired", accounts=len(ids))
