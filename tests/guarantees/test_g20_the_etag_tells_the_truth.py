"""G20: the etag tells the truth.

Over many random states: the same etag if and only if the same body, for every key and context; also
across two servers on one database and across restarts. And 304 is answered exactly then.
"""

import json
import random
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import aiohttp
import pytest

from tests.guarantees.conftest import T
from tests.support.admin import ALL_ROLES, Account, attribute, strategy
from tests.support.party import PartyHere, open_party_here
from tests.support.waiting import eventually
from tests.support.world import World, open_world

pytestmark = pytest.mark.guarantees

SEED = 20261122
EDITS = 10
CONTEXTS = ("", "userkey=fred", "userkey=mary", "country=turkey,userkey=fred")


class Question(NamedTuple):
    """What is asked: which keys, in which context."""

    keys: tuple[str, ...]
    context: str


class Answer(NamedTuple):
    etag: str
    body: bytes


class Truth:
    """Every etag and body ever seen for a question: each names exactly one of the other."""

    def __init__(self) -> None:
        self.bodies: dict[tuple[Question, str], bytes] = {}
        self.etags: dict[tuple[Question, bytes], str] = {}

    def note(self, question: Question, answer: Answer) -> None:
        body = self.bodies.setdefault((question, answer.etag), answer.body)
        assert body == answer.body, f"one etag, two bodies: {question} {answer.etag}"
        etag = self.etags.setdefault((question, answer.body), answer.etag)
        assert etag == answer.etag, f"one body, two etags: {question} {answer.body!r}"


async def ask(http: aiohttp.ClientSession, url: str, question: Question) -> Answer:
    async with http.get(url + path(question), headers=context_of(question)) as response:
        assert response.status == 200
        etag = response.headers["etag"]
        assert etag.startswith('"')
        assert etag.endswith('"')
        return Answer(etag, await response.read())


async def unchanged(http: aiohttp.ClientSession, url: str, question: Question, etag: str) -> bool:
    headers = {**context_of(question), "if-none-match": etag}
    async with http.get(url + path(question), headers=headers) as response:
        assert response.status in {200, 304}
        if response.status == 304:
            assert response.headers["etag"] == etag.removeprefix("W/")
            assert await response.read() == b""
        return response.status == 304


def path(question: Question) -> str:
    return "/features?" + "&".join(f"apiKey={quote(key)}" for key in question.keys)


def context_of(question: Question) -> Mapping[str, str]:
    return {"x-featurehub": question.context} if question.context else {}


async def questions_of(world: World) -> list[Question]:
    """Both kinds of evaluation, two policies, several contexts, two keys at once."""
    plain = await world.admin.create_account(world.application.portfolio_id, {world.environment_id: ["READ"]})
    other = await world.admin.create_environment(world.application.id)
    wide: Account = await world.admin.create_account(
        world.application.portfolio_id, {other: ALL_ROLES, world.environment_id: ALL_ROLES}
    )
    both = tuple(wide.sdk_key(each, client=True) for each in (world.environment_id, other))
    return [
        *(Question((world.server_key,), context) for context in CONTEXTS),
        *(Question((world.client_key,), context) for context in CONTEXTS[:2]),
        Question((plain.sdk_key(world.environment_id, client=False),), CONTEXTS[1]),
        Question(both, ""),
        Question(tuple(reversed(both)), ""),
    ]


async def edit(world: World, dice: random.Random, keys: list[str]) -> None:
    """One random edit of few values, so that states come back."""
    admin, environment = world.admin, world.environment_id
    key = dice.choice(keys)
    rules: list[Any] = [
        [],
        [strategy("fred", "for fred", attribute("userkey", "EQUALS", ["fred"]))],
        [strategy("share", "for half", percentage=500_000)],
    ]
    match dice.randrange(5):
        case 0 | 1:
            await admin.set(environment, key, dice.choice(["a", "b"]))
        case 2:
            await admin.set(environment, key, strategies=dice.choice(rules))
        case 3:
            await admin.set(environment, key, locked=dice.random() < 0.5)
        case _:
            await admin.set(environment, key, retired=dice.random() < 0.5)


async def look_at_all(
    servers: list[PartyHere],
    http: aiohttp.ClientSession,
    questions: list[Question],
    truth: Truth,
    before: dict[Question, Answer],
) -> dict[Question, Answer]:
    """Ask every question of every server until they agree, noting each answer; check 304 on the way."""
    found: dict[Question, Answer] = {}
    for question in questions:

        async def agreed(question: Question = question) -> Answer | None:
            answers = [
                await steady(http, server.url, question, truth, before.get(question)) for server in servers
            ]
            return answers[0] if len(set(answers)) == 1 else None

        # Servers hear of an edit one after the other; what they never do is contradict one another.
        answer = await eventually(agreed, within_seconds=T, what="all servers to answer alike")
        assert answer is not None
        found[question] = answer
    return found


async def steady(
    http: aiohttp.ClientSession, url: str, question: Question, truth: Truth, old: Answer | None
) -> Answer:
    """Answer what stayed the same while its etag was tried: 304 if and only if nothing differs."""
    while True:
        answer = await ask(http, url, question)
        same = await unchanged(http, url, question, answer.etag)
        weak = await unchanged(http, url, question, f"W/{answer.etag}")
        older = old is not None and await unchanged(http, url, question, old.etag)
        again = await ask(http, url, question)
        truth.note(question, answer)
        truth.note(question, again)
        if answer != again:
            continue  # An edit arrived in between.
        assert same
        # Caches on the way may weaken a tag; comparing for If-None-Match is weak (RFC 9110).
        assert weak
        assert older == (old == answer)
        return answer


async def test_the_same_etag_if_and_only_if_the_same_body(
    world: World, party: PartyHere, tmp_path: Path
) -> None:
    print(f"seed {SEED}")
    dice = random.Random(SEED)
    keys = ["first", "second", "third"]
    for key in keys:
        await world.create(key, "STRING")
    await world.create("alike", "STRING")
    questions = await questions_of(world)
    truth, before = Truth(), {}
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        servers = [party]
        if party.database.dialect == "postgresql":
            second = open_party_here(party.database_url, tmp_path / "second")
            servers.append(await stack.enter_async_context(second))
        for _ in range(EDITS):
            await edit(world, dice, keys)
            before = await look_at_all(servers, http, questions, truth, before)
        # Bodies of one length, which differ in a letter and a digit.
        for letter in "xyz":
            await world.admin.set(world.environment_id, "alike", letter)
            before = await look_at_all(servers, http, questions, truth, before)
    assert len(truth.etags) > len(questions), "the edits made no difference"


async def test_a_restart_changes_no_etag(database_url: str, tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as http:
        async with (
            open_party_here(database_url, tmp_path) as party,
            open_world(party.url, party.port) as world,
        ):
            await world.create("flag")
            await world.create("text", "STRING")
            rule = strategy("fred", "for fred", attribute("userkey", "EQUALS", ["fred"]))
            await world.admin.set(world.environment_id, "text", "grün", strategies=[rule])
            questions = await questions_of(world)
            told = Question((world.server_key,), CONTEXTS[0])

            async def served() -> bool:
                (environment,) = json.loads((await ask(http, party.url, told)).body)
                return "grün" in [each.get("value") for each in environment["features"]]

            await eventually(served, within_seconds=T, what="the last edit to be served")
            before = [await ask(http, party.url, question) for question in questions]
        async with open_party_here(database_url, tmp_path) as again:
            for question, answer in zip(questions, before, strict=True):
                assert await unchanged(http, again.url, question, answer.etag)
                assert await ask(http, again.url, question) == answer


async def test_an_etag_names_its_context(world: World) -> None:
    """A context that changes nothing still changes the etag, or an SDK would wait for ever."""
    await world.create("flag")
    async with aiohttp.ClientSession() as http:

        async def served() -> bool:
            return b"flag" in (await ask(http, world.url, Question((world.server_key,), ""))).body

        await eventually(served, within_seconds=T, what="the flag to be served")
        answers = {
            context: await ask(http, world.url, Question((world.server_key,), context))
            for context in CONTEXTS
        }
        assert len({answer.body for answer in answers.values()}) == 1
        assert len({answer.etag for answer in answers.values()}) == len(CONTEXTS)
        ordered = await ask(http, world.url, Question((world.server_key,), "a=1,b=2"))
        turned = await ask(http, world.url, Question((world.server_key,), "b=2,a=1"))
        assert ordered == turned, "the order of attributes is no difference"
