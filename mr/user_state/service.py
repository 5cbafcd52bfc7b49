"""The environments that somebody does not want to see in one application's table."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from common.errors import AppError
from mr.db.models.user_state import HiddenEnvironments
from mr.db.session import WriteSession
from mr.environments.service import ids_in
from mr.user_state import schemas

MOST: Final = 1000


class UnusableList(AppError):
    """An unknown environment, or too many; clients of the contract expect 422."""

    status = 422
    code = "unusable-environment-list"


async def find_hidden(
    session: AsyncSession, person_id: UUID, application_id: UUID
) -> schemas.HiddenEnvironments:
    """Return what was saved, without environments that are gone; nothing saved = nothing hidden."""
    row = await session.get(HiddenEnvironments, (person_id, application_id))
    if row is None:
        return schemas.HiddenEnvironments()
    live = set(await session.scalars(ids_in(application_id)))
    saved = [UUID(each) for each in row.environment_ids]
    return schemas.HiddenEnvironments(
        noneSelected=row.none_selected, environmentIds=[each for each in saved if each in live]
    )


async def save_hidden(
    session: WriteSession, person_id: UUID, application_id: UUID, wanted: schemas.HiddenEnvironments
) -> None:
    """Replace what is saved; an empty list that is not meant as one deletes it. Raises UnusableList.

    The application is locked.
    """
    if len(wanted.environmentIds) > MOST:
        raise UnusableList("Too many environments.")
    if not set(wanted.environmentIds) <= set(await session.scalars(ids_in(application_id))):
        raise UnusableList("An environment is unknown.")
    await session.execute(
        delete(HiddenEnvironments).where(
            HiddenEnvironments.person_id == person_id, HiddenEnvironments.application_id == application_id
        )
    )
    if wanted.environmentIds or wanted.noneSelected:
        session.add(
            HiddenEnvironments(
                person_id=person_id,
                application_id=application_id,
                none_selected=wanted.noneSelected,
                environment_ids=tuple(str(each) for each in wanted.environmentIds),
            )
        )
    await session.flush()
