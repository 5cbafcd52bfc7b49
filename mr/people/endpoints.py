"""Operations on people."""

from __future__ import annotations

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Path, Query
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from common.errors import Forbidden, NotFound
from mr.api.models import DASHED_UUID
from mr.api.operations import Caller, Operation, SignedIn, answer, nothing
from mr.api.parameters import Containing, Flag
from mr.auth.grants import load_grants
from mr.auth.permissions import Grants
from mr.auth.sessions import Sessions
from mr.db.models.people import ADMIN_ACCOUNT, PERSON, Person
from mr.db.session import Database
from mr.groups.showing import Including as GroupIncluding
from mr.groups.showing import show_groups
from mr.people import editing, invitations, memberships, schemas, search
from mr.people.editing import PersonChange
from mr.people.service import show_people
from mr.system.organization import get_organization

_operation = partial(Operation, service="PersonService")

PersonId = Annotated[UUID, Path(alias="id")]
PersonIdOrText = Annotated[str, Path(alias="id")]
Types = Annotated[list[schemas.PersonType], Query(alias="personTypes", max_length=10)]
Start = Annotated[int, Query(alias="startAt", ge=0, le=1_000_000_000)]
PageSize = Annotated[int, Query(alias="pageSize", ge=1, le=1_000_000_000)]


class PersonEndpoints:
    """What the contract calls PersonService."""

    def __init__(self, database: Database, *, sessions: Sessions, public_url: str) -> None:
        self._database = database
        self._sessions = sessions
        self._public_url = public_url

    def operations(self) -> list[Operation]:
        listed, single = "/mr-api/person", "/mr-api/person/{id}"
        one, updating = schemas.Person, (403, 404, 409, 422)
        return [
            _operation(
                "GET", listed, self.find, "findPeople", answers=schemas.SearchPersonResult, statuses=(403,)
            ),
            _operation(
                "POST",
                listed,
                self.create,
                "createPerson",
                answers=schemas.RegistrationUrl,
                statuses=(403, 409),
            ),
            _operation(
                "POST",
                "/mr-api/person/{id}/token-reset",
                self.reset_token,
                "resetSecurityToken",
                answers=schemas.AdminServiceResetTokenResponse,
                statuses=(403, 404),
            ),
            _operation(
                "PUT",
                "/mr-api/person/{id}/v2",
                self.update_v2,
                "updatePersonV2",
                status=204,
                statuses=updating,
            ),
            _operation("GET", single, self.get, "getPerson", answers=one, statuses=(403, 404)),
            _operation("PUT", single, self.update, "updatePerson", answers=one, statuses=updating),
            _operation("DELETE", single, self.delete, "deletePerson", answers=bool, statuses=(403, 404)),
        ]

    async def find(
        self,
        caller: SignedIn,
        includeGroups: Flag = False,
        countGroups: Flag = False,
        order: schemas.SortOrder | None = None,
        containing: Containing = None,
        startAt: Start = 0,
        pageSize: PageSize = search.DEFAULT_PAGE,
        includeLastLoggedIn: Flag = False,
        includeDeactivated: Flag = False,
        personTypes: Types = [],  # noqa: B006 - never changed; how FastAPI takes the default of a list
        sortBy: schemas.SearchPersonSortBy | None = None,
    ) -> Response:
        wanted = search.Search(
            containing=containing,
            types=personTypes or [PERSON],
            order=order,
            sort_by=sortBy,
            start=startAt,
            size=pageSize,
            archived=includeDeactivated,
        )
        including = search.Including(groups=includeGroups, counts=countGroups, sign_ins=includeLastLoggedIn)
        async with self._database.read() as session:
            grants = await _admin(session, caller)
            found = await search.find_people(session, grants, wanted, including)
        return answer(found)

    async def create(
        self, caller: SignedIn, body: schemas.CreatePersonDetails, includeGroups: Flag = False
    ) -> Response:
        del includeGroups  # of no effect: the answer has no groups
        async with self._database.write() as session:
            groups = await memberships.lock_groups(session, body.groupIds)
            grants = await _admin(session, caller)
            organization = await get_organization(session)
            person, token = await invitations.create_person(
                session, organization, body, author=caller.person_id
            )
            for identity in sorted(groups):
                if grants.may_manage_group(groups[identity].portfolio_id):
                    await memberships.join(session, groups[identity], [person.id])
            url = None if person.person_type == ADMIN_ACCOUNT else registration_link(self._public_url, token)
        return answer(schemas.RegistrationUrl(personId=person.id, token=token, registrationUrl=url))

    async def reset_token(self, caller: SignedIn, person_id: PersonId) -> Response:
        async with self._database.write() as session:
            grants = await _admin(session, caller)
            person = await editing.lock_person(session, person_id)
            if person.person_type != ADMIN_ACCOUNT or person.archived_at is not None:
                raise NotFound
            await editing.require_manageable(session, grants, person.id)
            token = await invitations.renew_access(session, person)
        return answer(schemas.AdminServiceResetTokenResponse(token=token))

    async def update_v2(self, caller: SignedIn, person_id: PersonId, body: schemas.UpdatePerson) -> Response:
        change = PersonChange(
            body.version,
            name=body.name,
            email=body.email,
            groups=None if body.groups is None else frozenset(body.groups),
            unarchive=bool(body.unarchive),
        )
        await self._update(caller, person_id, change)
        return nothing()

    async def update(
        self,
        caller: SignedIn,
        person_id: PersonId,
        body: schemas.Person,
        includeGroups: Flag = False,
        includeAcls: Flag = False,
    ) -> Response:
        groups = frozenset(group.id for group in body.groups) if body.gave("groups") else None
        change = PersonChange(body.version, name=body.name, email=body.email, groups=groups)
        await self._update(caller, person_id, change)
        return await self._shown(caller, str(person_id), groups=includeGroups, acls=includeAcls)

    async def _update(self, caller: Caller, person_id: UUID, change: PersonChange) -> None:
        async with self._database.write() as session:
            changing = await editing.lock_changed_groups(session, person_id, change.groups)
            grants = await _admin(session, caller)
            person = await editing.lock_person(session, person_id)
            await editing.update_person(session, grants, person, change, changing)

    async def get(
        self,
        caller: SignedIn,
        who: PersonIdOrText,
        includeGroups: Flag = False,
        includeAcls: Flag = False,
    ) -> Response:
        return await self._shown(caller, who, groups=includeGroups, acls=includeAcls)

    async def _shown(self, caller: Caller, who: str, *, groups: bool, acls: bool) -> Response:
        async with self._database.read() as session:
            grants = await load_grants(session, caller.person_id)
            person = await _named(session, caller, who)
            oneself = person is not None and person.id == caller.person_id
            if not (oneself or grants.administers_any):
                raise Forbidden
            if person is None:
                raise NotFound
            wire = (await show_people(session, [person]))[person.id]
            if groups or acls:
                joined = await memberships.groups_of(session, person.id)
                shown = await show_groups(session, joined, GroupIncluding(roles=acls))
                wire.groups = [group for group in shown if oneself or search.sees_group(grants, group)]
        return answer(wire)

    async def delete(
        self,
        caller: SignedIn,
        person_id: PersonId,
        includeGroups: Flag = False,
        includeAcls: Flag = False,
    ) -> Response:
        del includeAcls
        async with self._database.write() as session:
            joined = {group.id for group in await memberships.groups_of(session, person_id)}
            await memberships.lock_groups(session, joined)
            if not (await load_grants(session, caller.person_id)).superuser:
                raise Forbidden
            await self._sessions.end_all(session, person_id)
            person = await editing.lock_person(session, person_id)
            await editing.archive_person(session, person, with_groups=includeGroups, author=caller.person_id)
        return answer(True)


def registration_link(public_url: str, token: str) -> str:
    """Where an invited person registers."""
    return f"{public_url.rstrip('/')}/register-url?token={token}"


async def _admin(session: AsyncSession, caller: Caller) -> Grants:
    grants = await load_grants(session, caller.person_id)
    if not grants.administers_any:
        raise Forbidden
    return grants


async def _named(session: AsyncSession, caller: Caller, who: str) -> Person | None:
    if who == "self":
        return await editing.find_person(session, caller.person_id)
    if DASHED_UUID.fullmatch(who):
        return await editing.find_person(session, UUID(who))
    return await editing.find_by_email(session, who)
