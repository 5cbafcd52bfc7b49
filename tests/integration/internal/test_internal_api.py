"""MR's internal API over HTTP: what it tells, whom, and what its client makes of everything else."""

import asyncio
import re
from contextlib import contextmanager
from uuid import uuid4

import pytest
import structlog
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine, event, select
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from common.client import open_client
from common.contracts.codec import canonical
from common.contracts.environments import snapshot_to_wire
from common.contracts.events import CounterId
from common.contracts.lookups import ANY, AtLeast
from common.contracts.questions import AskMany
from common.errors import BadRequest, Unavailable
from common.origins.client import ApiFailures, HttpOrigin
from common.serve import running
from mr.db.lease import is_waiting
from mr.db.models.delivery import DeliveredAccount, DeliveredEnvironment
from mr.db.models.features import Feature
from mr.db.models.portfolios import Application
from mr.db.projection import Touched, project
from mr.db.session import Locks, open_database
from mr.internal import Turnstile
from mr.relay import open_relay
from tests.support.histories import Shop
from tests.support.internals import DACHA_TOKENS, EDGE_TOKENS, serving_internal, stands
from tests.support.ports import free_port
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

HASH = "a" * 64
ENDING_MILLISECONDS = 60_000
"""How long is waited for a connection that was told to end: one that still answers is not away."""
READS = [
    ("GET", f"/internal/environments/{uuid4()}"),
    ("GET", f"/internal/accounts/{HASH}"),
    ("GET", "/internal/changes?after=0"),
    ("POST", "/internal/revisions"),
    ("GET", "/internal/state"),
    ("GET", "/internal/listing"),
    ("POST", "/internal/many"),
]
NAMED = {
    "/internal/revisions": b'{"ask":"revisions","counters":[["environment","x"]]}',
    "/internal/many": f'{{"ask":"many","environments":[["{uuid4()}",["",0,0]]]}}'.encode(),
}
BODIES = {
    "/internal/revisions": b'{"ask":"revisions","counters":[]}',
    "/internal/many": b'{"ask":"many"}',
}


async def delivered(database):
    """Ids of the environments and key hashes of the accounts that are delivered now."""
    async with database.read() as session:
        environments = await session.scalars(
            select(DeliveredEnvironment.id)
            .where(DeliveredEnvironment.tombstone.is_(False))
            .order_by(DeliveredEnvironment.id)
        )
        accounts = await session.scalars(
            select(DeliveredAccount.client_key_hash)
            .where(DeliveredAccount.tombstone.is_(False))
            .order_by(DeliveredAccount.id)
        )
        return [str(each) for each in environments], list(accounts)


def plain(answer):
    """An answer about an environment in a form that can be compared."""
    snapshot = None if answer.snapshot is None else canonical(snapshot_to_wire(answer.snapshot))
    return (snapshot, answer.revision, answer.epoch, answer.position, answer.behind)


async def grow(shop: Shop) -> None:
    for number in range(4):
        await shop.play(
            [
                ("create_environment", 0, 0, 0),
                ("create_feature", number, number + 1, number),
                ("save_strategies", number, number, 3),
                ("create_account", 0, number, 2),
            ]
        )


async def test_it_tells_what_the_database_says(internal, shop):
    await grow(shop)
    await shop.archive_environment(1, 0, 0)
    await eventually(lambda: nothing_waits(internal), within_seconds=60)
    environments, hashes = await delivered(internal.database)
    async with internal.database.read() as session:
        everything = [str(each) for each in await session.scalars(select(DeliveredEnvironment.id))]
    assert len(everything) > len(environments) > 2
    for environment_id in [*everything, str(uuid4())]:
        told = await internal.origin.load_environment(environment_id)
        assert plain(told) == plain(await internal.truth.load_environment(environment_id))
    for key_hash in [*hashes, HASH]:
        assert await internal.origin.load_account(key_hash) == await internal.truth.load_account(key_hash)
    assert await internal.origin.state() == await internal.truth.state()
    for after in (0, 3, 10_000):
        assert await internal.origin.changes(after) == await internal.truth.changes(after)
    counters = [CounterId("environment", each) for each in everything]
    told = await internal.origin.revisions(counters)
    assert told == await internal.truth.revisions(counters)
    assert {each.counter for each in told} == set(counters)


async def nothing_waits(internal):
    if await is_waiting(internal.database):
        return False
    environments, _ = await delivered(internal.database)
    counters = [CounterId("environment", each) for each in environments]
    states = {each.counter.id: each.revision for each in await internal.truth.revisions(counters)}
    loaded = [await internal.truth.load_environment(each) for each in environments]
    return all(states[each.snapshot.id] == each.revision for each in loaded)


async def test_many_environments_are_told_as_each_alone(internal, shop):
    await grow(shop)
    await eventually(lambda: nothing_waits(internal), within_seconds=60)
    environments, _ = await delivered(shop.database)
    assert len(environments) > 1
    asked = [*environments, str(uuid4()), "no id at all"]
    question = AskMany(tuple((each, ANY) for each in asked))
    answers = (await internal.origin.load_many(question)).environments
    assert len(answers) == len(asked)
    for identity, answer in zip(asked, answers, strict=True):
        if identity in environments:
            assert plain(answer) == plain(await internal.origin.load_environment(identity))
        else:
            assert answer is None, "what is not there is asked for alone"


async def test_what_is_too_big_beside_others_is_left_to_be_asked_for_alone(internal, shop, monkeypatch):
    await grow(shop)
    monkeypatch.setattr("mr.db.snapshots.BATCH_BYTES", 1)
    environments, _ = await delivered(shop.database)
    answers = (
        await internal.origin.load_many(AskMany(tuple((each, ANY) for each in environments)))
    ).environments
    full = [answer for answer in answers if answer is not None and answer.snapshot.features]
    assert full == []


async def test_who_knows_a_later_position_is_told_that_this_is_behind(internal):
    state = await internal.truth.state()
    later = AtLeast(state.epoch, 1, state.position + 1)
    for ask in (internal.origin.load_environment, internal.origin.load_account):
        assert (await ask(HASH, later)).behind
        assert not (await ask(HASH, later._replace(position=state.position))).behind
        assert not (await ask(HASH, later._replace(epoch="another"))).behind
        assert not (await ask(HASH, ANY)).behind


async def test_a_listing_names_everything_that_is_delivered_once_and_in_order(internal, shop):
    await grow(shop)
    await shop.archive_environment(1, 0, 0)
    await shop.archive_account(0, 0, 0)
    environments, hashes = await delivered(internal.database)
    assert len(environments) > 2
    assert len(hashes) > 2
    for limit in (1, 2, 1000):
        pages = [page async for page in pages_of(internal.origin, limit)]
        assert [each for page in pages for each in page.ids] == environments
        assert [each for page in pages for each in page.hashes] == hashes
        assert max(len(page.ids) + len(page.hashes) for page in pages) <= limit


async def pages_of(origin, limit):
    after = None
    while True:
        page = await origin.listing(after, limit)
        yield page
        if page.next is None:
            return
        after = page.next


async def test_a_page_that_nobody_named_is_refused(anywhere):
    for after in ("", "x", "e1", "a-", str(uuid4())):
        with pytest.raises(BadRequest):
            await anywhere.truth.listing(after, 10)
        assert await anywhere.status("GET", f"/internal/listing?after={after}") == 400


FAULTS = [
    ("GET", "/internal/changes", 400),
    ("GET", "/internal/changes?after=-1", 400),
    ("GET", "/internal/changes?after=x", 400),
    ("GET", "/internal/changes?after=" + "9" * 30, 400),
    ("GET", "/internal/listing?limit=1.5", 400),
    ("GET", "/internal/accounts/not-a-hash", 400),
    ("GET", f"/internal/accounts/{HASH}?revision=one", 400),
    ("GET", f"/internal/environments/{uuid4()}?position=%20", 400),
    ("POST", "/internal/revisions", 400),
    ("POST", "/internal/sdk-updates", 403),
    ("GET", "/internal/elsewhere", 404),
    ("GET", "/internal/environments/a/b", 404),
    ("GET", "/internal", 404),
    ("GET", "/", 404),
    ("GET", "/internal/state/", 404),
    ("POST", "/internal/state", 405),
    ("GET", "/internal/revisions", 405),
    ("GET", "/internal/environments/not-a-uuid", 200),
]


async def test_every_fault_of_a_question_has_its_status(anywhere):
    for method, path, status in FAULTS:
        data = b"[1]" if method == "POST" else None
        assert await anywhere.status(method, path, data=data) == status, path


async def test_reading_takes_a_token_of_a_dacha(anywhere):
    for method, path in READS:
        body = BODIES.get(path)
        for token in DACHA_TOKENS:
            assert await anywhere.status(method, path, token, data=body) == 200
        for token in (None, "", "wrong", DACHA_TOKENS[0][:-1], DACHA_TOKENS[0] + "x", "ümlaut"):
            assert await anywhere.status(method, path, token, data=body) == 401
        assert await anywhere.status(method, path, EDGE_TOKENS[0], data=body) == 403


async def test_a_token_is_a_bearer_and_nothing_else(anywhere):
    for header in (DACHA_TOKENS[0], f"Basic {DACHA_TOKENS[0]}", "Bearer", "Bearer "):
        async with anywhere.http.get(
            anywhere.url + "/internal/state", headers={"authorization": header}
        ) as answer:
            assert answer.status == 401
            assert answer.headers["www-authenticate"] == "Bearer"


async def test_no_key_and_no_token_is_logged(anywhere):
    with structlog.testing.capture_logs() as logged:
        await anywhere.origin.load_account(HASH)
        await anywhere.status("GET", f"/internal/accounts/{HASH}?epoch={HASH}", "a-wrong-token")
    requests = [each for each in logged if each["event"] == "request"]
    assert {each["route"] for each in requests} == {"/internal/accounts/{key_hash}"}
    assert HASH not in str(logged)
    assert "token-" not in str(logged)


async def test_before_the_first_relay_nothing_is_known_and_nothing_absent(database, shop):
    async with serving_internal(database) as internal:
        for method, path in READS[:5]:
            if path != "/internal/revisions":
                assert await internal.status(method, path) == 503
        async with internal.http.get(
            internal.url + "/internal/state", headers={"authorization": f"Bearer {DACHA_TOKENS[0]}"}
        ) as answer:
            assert answer.headers["retry-after"] == "1"
        with pytest.raises(Unavailable):
            await internal.origin.load_environment(str(uuid4()))


async def test_an_answer_costs_the_same_statements_whatever_its_size(database, shop):
    """One feature and one account, or five hundred: what grows is rows, never statements."""
    async with serving_internal(database) as internal:
        (environment_id,), _ = await delivered(database)
        await shop.create_account(0, 0, 1)
        few = await statements(internal, environment_id)
        await many_features(shop, 500)
        await shop.create_application(0, 0, 0)
        for _ in range(10):
            await shop.create_environment(1, 0, 0)
            await shop.create_account(0, 0, 1)
        many = await statements(internal, environment_id)
        snapshot = (await internal.origin.load_environment(environment_id)).snapshot
        assert len(snapshot.features) > 500
    assert many == few
    assert max(few.values()) <= 5


async def many_features(shop: Shop, count: int) -> None:
    async with shop.database.read() as session:
        application_id = (await session.scalars(select(Application.id))).first()
    async with shop.database.write(Locks(applications=(application_id,))) as session:
        features = [
            Feature(application_id=application_id, key=f"k{each}", name=f"f{each}", value_type="STRING")
            for each in range(count)
        ]
        session.add_all(features)
        await session.flush()
        await project(session, application_id, Touched(features={each.id for each in features}), author=None)


async def statements(internal, environment_id):
    """How many statements each question costs, when nobody else is at the database."""
    async with open_relay(internal.database, holder="one"):
        await eventually(lambda: stands(internal.truth), within_seconds=60)
        await eventually(lambda: nothing_waits(internal), within_seconds=60)
    environments, hashes = await delivered(internal.database)
    origin = internal.origin
    questions = {
        "environment": lambda: origin.load_environment(environment_id),
        "account": lambda: origin.load_account(hashes[0]),
        "changes": lambda: origin.changes(0),
        "revisions": lambda: origin.revisions([CounterId("environment", each) for each in environments]),
        "listing": lambda: origin.listing(None, 1000),
        "listing of accounts": lambda: origin.listing("a", 1000),
    }
    counts = {}
    for name, ask in questions.items():
        with counting() as seen:
            await ask()
        counts[name] = len(seen)
    return counts


@contextmanager
def counting():
    seen = []

    def note(_connection, _cursor, statement, *_rest):
        if re.match(r"\s*select", statement, re.IGNORECASE):
            seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def test_whoever_comes_when_too_many_wait_is_told_at_once():
    turnstile = Turnstile(2, 3)
    gate = asyncio.Event()

    async def ask():
        async with turnstile.turn():
            await gate.wait()

    async with asyncio.TaskGroup() as tasks:
        inside = [tasks.create_task(ask()) for _ in range(5)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await ask()
        # One that waits and goes away leaves its place.
        inside[-1].cancel()
        await asyncio.sleep(0)
        tasks.create_task(ask())
        await asyncio.sleep(0)
        gate.set()
    async with turnstile.turn():
        pass


def answering(status: int, body: bytes, **headers: str) -> Starlette:
    async def answer(_request) -> Response:
        return Response(body, status, headers)

    return Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])


async def asked_everything(origin):
    """Every question to an origin; each must be Unavailable."""
    for ask in (
        lambda: origin.load_environment(str(uuid4())),
        lambda: origin.load_account(HASH),
        lambda: origin.changes(0),
        lambda: origin.revisions([]),
        origin.state,
        lambda: origin.listing(None, 1),
    ):
        with pytest.raises(Unavailable):
            await ask()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"<html>it works</html>"),
        (200, b"{}"),
        (200, b"null"),
        (204, b""),
        (302, b""),
        (400, b""),
        (404, b'{"snapshot":null,"record":null,"revision":0,"epoch":"e","position":1}'),
        (410, b""),
        (500, b""),
        (503, b""),
    ],
)
async def test_what_is_no_answer_is_never_absent(status, body):
    async with running(answering(status, body, location="/")) as url, open_client() as client:
        await asked_everything(HttpOrigin(url, "a-token-of-this-cluster", client, seconds=5))


async def test_nobody_there_is_unavailable():
    async with open_client() as client:
        await asked_everything(
            HttpOrigin(f"http://127.0.0.1:{free_port()}", "a-token-of-this-cluster", client)
        )


async def test_an_answer_that_does_not_come_is_unavailable():
    async def wait_for_ever(_request) -> Response:
        await asyncio.sleep(30)
        return Response()

    app = Starlette(routes=[Route("/internal/state", wait_for_ever)])
    async with running(app) as url, open_client() as client:
        with pytest.raises(Unavailable):
            await HttpOrigin(url, "a-token-of-this-cluster", client, seconds=0.3).state()


async def test_a_refused_token_is_unavailable_counted_and_logged_once():
    registry = CollectorRegistry()
    async with running(answering(401, b"")) as url, open_client() as client:
        origin = HttpOrigin(url, "a-token-of-this-cluster", client, failures=ApiFailures(registry))
        with structlog.testing.capture_logs() as logged:
            await asked_everything(origin)
    told = [each for each in logged if each["event"] == "internal_api.token_refused"]
    assert len(told) == 1
    assert told[0]["log_level"] == "error"
    assert "a-token-of-this-cluster" not in str(logged)
    assert registry.get_sample_value("burgee_internal_api_failures_total", {"why": "refused"}) == 6


async def test_how_long_to_wait_is_passed_on():
    async with running(answering(503, b"", **{"retry-after": "7"})) as url, open_client() as client:
        with pytest.raises(Unavailable) as failure:
            await HttpOrigin(url, "a-token-of-this-cluster", client).state()
    assert failure.value.retry_after_seconds == 7


async def test_a_database_that_is_away_is_503_and_not_absent(postgres_server, postgresql_url):
    async with (
        open_database(postgresql_url) as database,
        open_relay(database, holder="one"),
        serving_internal(database) as internal,
    ):
        name = postgresql_url.rsplit("/", 1)[1]
        postgres_server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        postgres_server.execute(
            f"SELECT pg_terminate_backend(pid, {ENDING_MILLISECONDS}) FROM pg_stat_activity"
            f" WHERE datname = '{name}'"
        )
        for method, path in READS:
            body = NAMED.get(path)
            assert await internal.status(method, path, data=body) == 503
        postgres_server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
