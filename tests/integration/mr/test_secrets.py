"""Nothing that opens a door is logged, told in an error, or kept in the clear."""

import io
import logging

import pytest
from sqlalchemy import text

from common.observability import set_up_logs
from tests.support.admin import EMAIL, PASSWORD
from tests.support.waiting import eventually


@pytest.fixture
def logs():
    stream = io.StringIO()
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    set_up_logs(level="debug", stream=stream)
    yield stream
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)


async def test_tokens_passwords_and_keys_are_in_no_log_line(logs, api, application):
    account = await api.admin.create_account(application.portfolio_id, {application.environment_id: ["READ"]})
    fresh = await api.admin.reset_keys(account.id)
    signed_in = await api.admin.call("POST", "/login", {"email": EMAIL, "password": PASSWORD})
    await api.status("POST", "/login", {"email": EMAIL, "password": "a wrong pass"})
    await api.status("POST", f"/portfolio/{application.portfolio_id}/service-account", {"name": []})
    await api.status("GET", f"/service-account/{fresh.server_key}")
    # A request is logged when it has been answered.
    await eventually(lambda: "/mr-api/service-account/{id}" in logs.getvalue(), what="the log is on")
    written = logs.getvalue()
    for secret in (
        api.admin.token,
        signed_in["accessToken"],
        PASSWORD,
        "a wrong pass",
        account.client_key,
        account.server_key,
        fresh.client_key,
        fresh.server_key,
    ):
        assert secret not in written


async def test_passwords_and_tokens_are_stored_as_hashes(api):
    async with api.database.read() as session:
        rows = [
            str(row)
            for table in ("person", "login_session")
            for row in await session.execute(text(f"SELECT * FROM {table}"))
        ]
    kept = "\n".join(rows)
    assert "$argon2id$" in kept
    assert PASSWORD not in kept
    assert api.admin.token not in kept


async def test_the_log_of_changes_holds_no_keys(api, application):
    account = await api.admin.create_account(application.portfolio_id, {application.environment_id: ["READ"]})
    async with api.database.read() as session:
        outbox = "".join(str(row) for row in await session.execute(text("SELECT payload FROM outbox")))
        delivered = "".join(
            str(row) for row in await session.execute(text("SELECT * FROM delivered_account"))
        )
    for key in (account.client_key, account.server_key):
        assert key not in outbox + delivered
