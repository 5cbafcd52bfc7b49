"""Who is in which group, and the one rule between groups: superusers administer every portfolio.

Groups are locked in one order (the superusers' first, then by id) before their members change, so that
changes from all sides follow one another. Must not know what groups may do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import UUID

from sqlalchemy import Select, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from common.errors import Forbidden, NotFound
from mr.db.models.people import SDK_ACCOUNT, Person
from mr.db.models.portfolios import Group, GroupMember
from mr.db.session import WriteSession


class SuperuserStays(NotFound):
    """A superuser cannot leave a portfolio's administrators. Clients of the contract expect 404."""

    code = "superuser-stays"


class LastSuperuser(Forbidden):
    """Without a superuser nobody could make another one."""

    code = "last-superuser"


def is_superusers(group: Group) -> bool:
    """True for the one group that belongs to no portfolio."""
    return group.admin and group.portfolio_id is None


def _superusers() -> Select[Group]:
    return select(Group).where(Group.portfolio_id.is_(None), Group.admin, Group.archived_at.is_(None))


async def superuser_ids(session: AsyncSession) -> list[UUID]:
    """Return who is in the superusers' group and was not put away."""
    found = await session.scalars(
        select(GroupMember.person_id)
        .join(Group, Group.id == GroupMember.group_id)
        .join(Person, Person.id == GroupMember.person_id)
        .where(
            Group.portfolio_id.is_(None),
            Group.admin,
            Group.archived_at.is_(None),
            Person.archived_at.is_(None),
        )
        .order_by(GroupMember.person_id)
    )
    return list(found)


async def lock_groups(session: WriteSession, ids: Iterable[UUID]) -> dict[UUID, Group]:
    """Lock groups and return those that were not put away.

    With the superusers' come all groups of administrators, because membership there follows. Once in a
    transaction, before anything that is acted on is read.
    """
    wanted = set(ids)
    head = await session.scalar(_superusers().with_only_columns(Group.id))
    locked: dict[UUID, Group] = {}
    changed = select(Group).where(Group.archived_at.is_(None)).order_by(Group.id)
    if head in wanted:
        locked |= await _locked(session, _superusers())
        changed = changed.where((Group.admin & Group.portfolio_id.is_not(None)) | Group.id.in_(wanted))
        changed = changed.where(Group.id != head)
    else:
        await hold_superusers(session)
        changed = changed.where(Group.id.in_(wanted))
    locked |= await _locked(session, changed)
    return {identity: group for identity, group in locked.items() if identity in wanted}


async def hold_superusers(session: WriteSession) -> None:
    """Let nobody become or stop being a superuser until the end of this transaction."""
    await session.execute(_superusers().with_only_columns(Group.id).with_for_update(read=True))


async def _locked(session: WriteSession, groups: Select[Group]) -> dict[UUID, Group]:
    found = await session.scalars(
        groups.with_for_update(key_share=True).execution_options(populate_existing=True)
    )
    return {group.id: group for group in found.all()}


async def admissible(session: AsyncSession, people: Collection[UUID]) -> list[UUID]:
    """Return those of the people who may be in groups: not put away, and no twins of SDK accounts."""
    found = await session.scalars(
        select(Person.id)
        .where(Person.id.in_(people), Person.archived_at.is_(None), Person.person_type != SDK_ACCOUNT)
        .order_by(Person.id)
    )
    return list(found)


async def join(session: WriteSession, group: Group, people: Collection[UUID]) -> None:
    """Put people into a locked group; those who are in it already stay in it."""
    for group_id in await _affected(session, group):
        present = set(
            await session.scalars(select(GroupMember.person_id).where(GroupMember.group_id == group_id))
        )
        missing = [each for each in people if each not in present]
        if missing:
            await session.execute(
                insert(GroupMember), [{"group_id": group_id, "person_id": each} for each in missing]
            )


async def leave(session: WriteSession, group: Group, people: Collection[UUID]) -> None:
    """Take people out of a locked group. Raises SuperuserStays, LastSuperuser."""
    superusers = set(await superuser_ids(session))
    if is_superusers(group):
        if superusers <= set(people):
            raise LastSuperuser
    elif group.admin and superusers & set(people):
        raise SuperuserStays
    await session.execute(
        delete(GroupMember).where(
            GroupMember.group_id.in_(await _affected(session, group)), GroupMember.person_id.in_(people)
        )
    )


async def replace_members(session: WriteSession, group: Group, people: Collection[UUID]) -> None:
    """Make these the only members of a locked group; superusers stay among administrators."""
    present = set(
        await session.scalars(select(GroupMember.person_id).where(GroupMember.group_id == group.id))
    )
    leaving = present - set(people)
    if group.admin and not is_superusers(group):
        leaving -= set(await superuser_ids(session))
    await join(session, group, people)
    if leaving:
        await leave(session, group, leaving)


async def groups_of(session: AsyncSession, person_id: UUID) -> list[Group]:
    """Return the groups that somebody is in."""
    found = await session.scalars(
        select(Group)
        .join(GroupMember, GroupMember.group_id == Group.id)
        .where(GroupMember.person_id == person_id, Group.archived_at.is_(None))
        .order_by(Group.id)
    )
    return list(found)


async def leave_everything(session: WriteSession, person_id: UUID) -> None:
    """Take somebody out of all groups, put-away ones included. The person is locked."""
    await session.execute(delete(GroupMember).where(GroupMember.person_id == person_id))


async def require_another_superuser(session: WriteSession, person_id: UUID) -> None:
    """Refuse to let the last superuser go. The superusers' group is locked. Raises LastSuperuser."""
    if await superuser_ids(session) == [person_id]:
        raise LastSuperuser


async def superusers_id(session: AsyncSession) -> UUID | None:
    """Return the id of the superusers' group."""
    found: UUID | None = await session.scalar(_superusers().with_only_columns(Group.id))
    return found


async def _affected(session: WriteSession, group: Group) -> list[UUID]:
    if not is_superusers(group):
        return [group.id]
    administrators = await session.scalars(
        select(Group.id)
        .where(Group.admin, Group.portfolio_id.is_not(None), Group.archived_at.is_(None))
        .order_by(Group.id)
    )
    return [group.id, *administrators]
