"""Statuses that look odd and that existing clients rely on, each with its reason.

A change here breaks programs that other people wrote: make it only together with them.
"""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from common.serve import running
from mr.app import mr_app, open_mr
from mr.db.session import open_database
from mr.settings import MrSettings
from tests.support.admin import EMAIL, PASSWORD, Admin, Application, open_admin
from tests.support.people import add_person


@pytest.fixture
async def admin(sqlite_url) -> AsyncIterator[Admin]:
    async with (
        open_database(sqlite_url) as database,
        open_mr(MrSettings(max_body_bytes=100_000), database) as mr,
        running(mr_app(mr)) as url,
        open_admin(url) as admin,
    ):
        admin.database = database
        yield admin


@pytest.fixture
async def application(admin) -> Application:
    return await admin.create_application()


async def status(admin, *call, **query):
    return (await admin.try_call(*call, **query))[0]


async def test_a_failed_sign_in_is_404(admin):
    """Clients show "unknown user or password" for 404 and an error of the server for 401."""
    assert await status(admin, "POST", "/login", {"email": EMAIL, "password": "wrong"}) == 404


async def test_a_sign_in_without_password_is_403(admin):
    """403 also says "local sign-in is switched off"; clients ask for another way then."""
    assert await status(admin, "POST", "/login", {"email": EMAIL, "password": ""}) == 403
    assert await status(admin, "POST", "/login", {"email": EMAIL, "password": PASSWORD}) == 200


async def test_a_stale_version_is_422(admin, application):
    """Clients load again and repeat at 422; 409 means that a name is taken."""
    path = f"/application/{application.id}"
    held = await admin.call("GET", path)
    await admin.call("PUT", path, held)
    assert await status(admin, "PUT", path, held) == 422


async def test_deleting_an_environment_that_is_not_there_is_200_false(admin):
    """Clients read the boolean and treat every other status as a failure of the server."""
    assert await admin.call("DELETE", f"/environment/{uuid4()}") is False


async def test_an_unknown_environment_is_403(admin):
    """The contract has no 404 here: whether it exists is not told to strangers."""
    assert await status(admin, "GET", f"/environment/{uuid4()}") == 403


async def test_a_value_that_was_never_set_is_404(admin, application):
    """Clients create the value at 404; an empty 200 would be taken as a value."""
    await admin.create_feature(application.id, "TEXT", "STRING")
    assert await status(admin, "GET", f"/features/{application.environment_id}/feature/TEXT") == 404


async def test_a_value_cannot_be_deleted_400(admin, application):
    """The operation exists in the contract and has never done anything."""
    await admin.create_feature(application.id, "FLAG")
    path = f"/features/{application.environment_id}/feature/FLAG"
    assert await status(admin, "DELETE", path) == 400


async def test_a_locked_value_is_409_alone_and_400_among_several(admin, application):
    """The dashboard writes several environments at once and reads 409 as "somebody else was faster"."""
    await admin.create_feature(application.id, "FLAG")
    where = application.environment_id
    wanted = {"key": "FLAG", "locked": True, "value": True, "version": 1, "environmentId": where}
    assert await status(admin, "PUT", f"/features/{where}/feature/FLAG", wanted) == 409
    everywhere = f"/application/{application.id}/feature-environments/FLAG"
    assert await status(admin, "PUT", everywhere, [wanted]) == 400


async def test_a_missing_role_is_400_among_several_environments(admin, application):
    """For the same reason: the whole list is refused as bad input."""
    await admin.create_feature(application.id, "FLAG")
    where = application.environment_id
    token = await add_person(admin.database, application.portfolio_id, environments={where: ["READ"]})
    reader = Admin(admin.http, admin.url, token)
    wanted = {"key": "FLAG", "locked": False, "value": True, "version": 1, "environmentId": where}
    everywhere = f"/application/{application.id}/feature-environments/FLAG"
    assert await status(reader, "PUT", everywhere, [wanted]) == 400
    assert await status(reader, "PUT", f"/features/{where}/feature/FLAG", wanted) == 403


async def test_a_repeated_application_strategy_is_412(admin, application):
    """412 is the contract's word for it; 422 carries the list of other faults."""
    await admin.create_feature(application.id, "FLAG")
    use = {"strategyId": str(uuid4()), "value": True}
    wanted = {"key": "FLAG", "locked": True, "version": 1, "rolloutStrategyInstances": [use, use]}
    path = f"/features/{application.environment_id}/feature/FLAG"
    assert await status(admin, "PUT", path, wanted) == 412


async def test_a_stale_filter_is_409(admin, application):
    """Filters came late to the contract and say 409 where everything else says 422."""
    made = await admin.create_filter(application.portfolio_id)
    path = f"/portfolio/{application.portfolio_id}/feature-filter"
    assert await status(admin, "PUT", path, {"id": made, "name": "x", "version": 9}) == 409


async def test_an_oversize_body_is_400(admin):
    """413 means "order taken" to clients of feature groups."""
    body = b'{"name":"' + b"x" * 200_000 + b'","description":"d"}'
    assert await status(admin, "POST", "/portfolio", body) == 400


async def test_an_id_that_is_none_is_404(admin):
    """The original's router knew only UUIDs, so anything else was an unknown path."""
    assert await status(admin, "GET", "/portfolio/none") == 404
