"""Operations on groups."""

from __future__ import annotations

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Path, Query
from starlette.responses import Response

from common.errors import Forbidden, NotFound
from mr.api.operations import Operation, SignedIn, answer
from mr.api.parameters import Containing, Flag, PortfolioId
from mr.auth.grants import load_grants
from mr.db.models.portfolios import Group
from mr.db.session import Database, Locks, WriteSession
from mr.groups import schemas, service
from mr.groups.showing import Including, show_group_with, show_groups
from mr.people import memberships
from mr.people import schemas as people
from mr.portfolios.service import find_portfolio, get_administered_portfolio

_operation = partial(Operation, service="GroupService")

GroupId = Annotated[UUID, Path(alias="gid")]
PersonPathId = Annotated[UUID, Path(alias="pId")]
PersonIds = Annotated[list[UUID], Query(alias="personId", max_length=1000)]
Emails = Annotated[list[str], Query(alias="email", max_length=1000)]


class NobodyFound(NotFound):
    code = "nobody-found"


class GroupEndpoints:
    """What the contract calls GroupService."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def operations(self) -> list[Operation]:
        listed, single = "/mr-api/portfolio/{id}/group", "/mr-api/group/{gid}"
        member = "/mr-api/group/{gid}/person/{pId}"
        one, updating, managing = people.Group, (403, 404, 409, 422), (403, 404)
        return [
            _operation(
                "PUT",
                "/mr-api/portfolio/{id}/v2/group",
                self.update,
                "updateGroupOnPortfolioV2",
                answers=one,
                statuses=updating,
            ),
            _operation("GET", listed, self.find, "findGroups", answers=list[people.Group], statuses=managing),
            _operation("POST", listed, self.create, "createGroup", answers=one, statuses=(403, 404, 409)),
            _operation(
                "PUT",
                listed,
                self.update_with_members,
                "updateGroupOnPortfolio",
                answers=one,
                statuses=updating,
                deprecated=True,
            ),
            _operation("GET", single, self.get, "getGroup", answers=one, statuses=managing),
            _operation("DELETE", single, self.delete, "deleteGroup", answers=bool, statuses=managing),
            _operation(
                "POST",
                "/mr-api/group/{gid}/person",
                self.add_several,
                "addPersonsToGroup",
                answers=one,
                statuses=managing,
            ),
            _operation("POST", member, self.add, "addPersonToGroup", answers=one, statuses=managing),
            _operation(
                "DELETE", member, self.remove, "deletePersonFromGroup", answers=one, statuses=managing
            ),
        ]

    async def find(
        self,
        caller: SignedIn,
        portfolio_id: PortfolioId,
        includePeople: Flag = False,
        order: people.SortOrder | None = None,
        containing: Containing = None,
    ) -> Response:
        async with self._database.read() as session:
            grants = await load_grants(session, caller.person_id)
            if not grants.is_member(portfolio_id):
                raise Forbidden
            if await find_portfolio(session, portfolio_id) is None:
                raise NotFound
            found = await service.find_groups(session, portfolio_id, containing=containing, order=order)
            shown = await show_groups(session, found, Including(members=includePeople))
        return answer(shown)

    async def create(
        self,
        caller: SignedIn,
        portfolio_id: PortfolioId,
        body: schemas.CreateGroup,
        includePeople: Flag = False,
    ) -> Response:
        async with self._database.write(Locks(portfolios=(portfolio_id,))) as session:
            grants = await load_grants(session, caller.person_id)
            portfolio = await get_administered_portfolio(session, grants, portfolio_id)
            group = await service.create_group(session, portfolio, body, author=caller.person_id)
            shown = await show_group_with(session, group, Including(members=includePeople, roles=True))
        return answer(shown)

    async def get(
        self,
        caller: SignedIn,
        group_id: GroupId,
        includeMembers: Flag = False,
        includeMembersV2: Flag = False,
        includeGroupRoles: Flag = False,
        byApplicationId: UUID | None = None,
    ) -> Response:
        including = Including(includeMembers, includeMembersV2, includeGroupRoles, byApplicationId)
        async with self._database.read() as session:
            grants = await load_grants(session, caller.person_id)
            group = await service.get_visible_group(session, grants, group_id)
            shown = await show_group_with(session, group, including)
        return answer(shown)

    async def update(
        self,
        caller: SignedIn,
        portfolio_id: PortfolioId,
        body: schemas.UpdateGroup,
        includePeople: Flag = False,
        includeMembers: Flag = False,
        includeMembersV2: Flag = False,
        includeGroupRoles: Flag = False,
        updateEnvironmentGroupRoles: Flag = False,
        updateApplicationGroupRoles: Flag = False,
        applicationId: UUID | None = None,
    ) -> Response:
        including = Including(
            includePeople or includeMembers, includeMembersV2, includeGroupRoles, applicationId
        )
        async with self._database.write() as session:
            group = await _managed_in(session, caller.person_id, portfolio_id, body.id)
            await service.update_group(
                session, group, name=body.name, version=body.version, author=caller.person_id
            )
            if updateEnvironmentGroupRoles:
                await service.set_environment_roles(session, group, body.environmentRoles)
            if updateApplicationGroupRoles:
                await service.set_application_roles(
                    session, group, body.applicationRoles, application_id=applicationId
                )
            shown = await show_group_with(session, group, including)
        return answer(shown)

    async def update_with_members(
        self,
        caller: SignedIn,
        portfolio_id: PortfolioId,
        body: people.Group,
        includePeople: Flag = False,
        includeMembers: Flag = False,
        includeGroupRoles: Flag = False,
        updateMembers: Flag = False,
        updateEnvironmentGroupRoles: Flag = False,
        updateApplicationGroupRoles: Flag = False,
        applicationId: UUID | None = None,
    ) -> Response:
        including = Including(
            includePeople or includeMembers, roles=includeGroupRoles, application_id=applicationId
        )
        async with self._database.write() as session:
            group = await _managed_in(session, caller.person_id, portfolio_id, body.id)
            await service.update_group(
                session, group, name=body.name, version=body.version, author=caller.person_id
            )
            if updateMembers:
                await service.set_members(session, group, body.members)
            if updateEnvironmentGroupRoles:
                await service.set_environment_roles(session, group, body.environmentRoles)
            if updateApplicationGroupRoles:
                await service.set_application_roles(
                    session, group, body.applicationRoles, application_id=applicationId
                )
            shown = await show_group_with(session, group, including)
        return answer(shown)

    async def delete(
        self,
        caller: SignedIn,
        group_id: GroupId,
        includeMembers: Flag = False,
        includeMembersV2: Flag = False,
        includeGroupRoles: Flag = False,
    ) -> Response:
        del includeMembers, includeMembersV2, includeGroupRoles  # of no effect: the answer is a boolean
        async with self._database.write() as session:
            group = await _managed(session, caller.person_id, group_id)
            await service.archive_group(session, group, author=caller.person_id)
        return answer(True)

    async def add_several(
        self,
        caller: SignedIn,
        group_id: GroupId,
        personIds: PersonIds = [],  # noqa: B006 - never changed; how FastAPI takes the default of a list
        emails: Emails = [],  # noqa: B006
        includeMembersV2: Flag = False,
    ) -> Response:
        async with self._database.write() as session:
            group = await _managed(session, caller.person_id, group_id)
            found = await service.find_people(session, personIds, emails)
            if not found:
                raise NobodyFound
            await memberships.join(session, group, found)
            shown = await show_group_with(session, group, Including(simple_members=includeMembersV2))
        return answer(shown)

    async def add(
        self,
        caller: SignedIn,
        group_id: GroupId,
        person_id: PersonPathId,
        includeMembers: Flag = False,
        includeMembersV2: Flag = False,
    ) -> Response:
        async with self._database.write() as session:
            group = await _managed(session, caller.person_id, group_id)
            found = await service.find_people(session, [person_id], [])
            if not found:
                raise NobodyFound
            await memberships.join(session, group, found)
            shown = await show_group_with(session, group, Including(includeMembers, includeMembersV2))
        return answer(shown)

    async def remove(
        self,
        caller: SignedIn,
        group_id: GroupId,
        person_id: PersonPathId,
        includeMembers: Flag = False,
        includeMembersV2: Flag = False,
    ) -> Response:
        async with self._database.write() as session:
            group = await _managed(session, caller.person_id, group_id)
            await service.require_person(session, person_id)
            await memberships.leave(session, group, [person_id])
            shown = await show_group_with(session, group, Including(includeMembers, includeMembersV2))
        return answer(shown)


async def _managed(session: WriteSession, caller_id: UUID, group_id: UUID) -> Group:
    await memberships.lock_groups(session, [group_id])
    grants = await load_grants(session, caller_id)
    return await service.get_managed_group(session, grants, group_id)


async def _managed_in(session: WriteSession, caller_id: UUID, portfolio_id: UUID, group_id: UUID) -> Group:
    group = await _managed(session, caller_id, group_id)
    if group.portfolio_id != portfolio_id:
        raise NotFound
    return group
