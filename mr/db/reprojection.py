"""Projects everything again when this release's code or settings make other states of the same tables."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import structlog
from sqlalchemy import select

from mr.db.delivered import table_of, upsert
from mr.db.models.portfolios import Application
from mr.db.models.service_accounts import ServiceAccount
from mr.db.models.system import PROJECTION, SystemState
from mr.db.projection import PROJECTION_VERSION, Touched, project, project_accounts
from mr.db.session import Database, Locks, run_with_retries

if TYPE_CHECKING:
    from uuid import UUID

    from mr.db.epoch import Fence

_log = structlog.get_logger(__name__)

_ACCOUNTS_AT_ONCE: Final = 500


async def reproject(database: Database, fence: Fence) -> None:
    """Project application by application, unless the stored fingerprint says that this was done.

    ``fence`` is called first in each transaction. Interrupted, it begins anew: it changes nothing where
    nothing differs.
    """
    fingerprint = f"{PROJECTION_VERSION}:{database.templates.fingerprint}"
    async with database.read() as session:
        held = await session.scalar(select(SystemState.value).where(SystemState.key == PROJECTION))
        if held == fingerprint:
            return
        applications = (await session.scalars(select(Application.id).order_by(Application.id))).all()
        accounts = (await session.scalars(select(ServiceAccount.id).order_by(ServiceAccount.id))).all()
    _log.info("projection.again", applications=len(applications), accounts=len(accounts))
    for application_id in applications:
        await run_with_retries(partial(_project_application, database, fence, application_id))
    for start in range(0, len(accounts), _ACCOUNTS_AT_ONCE):
        ids = tuple(accounts[start : start + _ACCOUNTS_AT_ONCE])
        await run_with_retries(partial(_project_accounts, database, fence, ids))
    async with database.write() as session:
        await fence(session)
        await upsert(session, table_of(SystemState), [{"key": PROJECTION, "value": fingerprint}])


async def _project_application(database: Database, fence: Fence, application_id: UUID) -> None:
    async with database.write(Locks(applications=(application_id,))) as session:
        await fence(session)
        await project(session, application_id, Touched(everything=True), author=None)


async def _project_accounts(database: Database, fence: Fence, ids: tuple[UUID, ...]) -> None:
    async with database.write(Locks(accounts=ids)) as session:
        await fence(session)
        await project_accounts(session, ids)
