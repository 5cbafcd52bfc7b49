"""Operations on what is remembered for somebody."""

from __future__ import annotations

from functools import partial

from starlette.responses import Response

from mr.api.operations import Operation, SignedIn, answer
from mr.api.parameters import ApplicationIdLong
from mr.applications.service import get_readable_application
from mr.auth.grants import load_grants
from mr.db.session import Database, Locks
from mr.user_state import schemas, service

_operation = partial(Operation, service="UserStateService")


class UserStateEndpoints:
    """What the contract calls UserStateService."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def operations(self) -> list[Operation]:
        path, shown = "/mr-api/user-data/state/{appId}/hidden-environments", schemas.HiddenEnvironments
        statuses = (403, 404, 422)
        return [
            _operation("GET", path, self.find, "getHiddenEnvironments", answers=shown, statuses=statuses),
            _operation("POST", path, self.save, "saveHiddenEnvironments", answers=shown, statuses=statuses),
        ]

    async def find(self, caller: SignedIn, application_id: ApplicationIdLong) -> Response:
        async with self._database.read() as session:
            grants = await load_grants(session, caller.person_id)
            await get_readable_application(session, grants, application_id)
            shown = await service.find_hidden(session, caller.person_id, application_id)
        return answer(shown)

    async def save(
        self, caller: SignedIn, application_id: ApplicationIdLong, body: schemas.HiddenEnvironments
    ) -> Response:
        async with self._database.write(Locks(applications=(application_id,))) as session:
            grants = await load_grants(session, caller.person_id)
            await get_readable_application(session, grants, application_id)
            await service.save_hidden(session, caller.person_id, application_id, body)
            shown = await service.find_hidden(session, caller.person_id, application_id)
        return answer(shown)
