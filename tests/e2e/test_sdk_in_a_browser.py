"""The published SDK for browsers, in a real one, on a page of another origin than Edge's."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Route

from tests.e2e.test_sdk_evaluation import CASES, RULES
from tests.e2e.test_sdk_unknown_keys import SAID_OF_UNKNOWN_KEYS
from tests.support.admin import attribute, strategy
from tests.support.browser import open_browser
from tests.support.fleet import Fleet
from tests.support.judge import agree
from tests.support.pages import SdkPage, agent_bundle, bundled, open_sdk_page, open_site
from tests.support.party import PartyProcess, running_party
from tests.support.proxy import open_proxy
from tests.support.sdk import Attributes, Mode
from tests.support.snippets import FEATURE, GUIDES, blocks, command_of, filled
from tests.support.waiting import eventually
from tests.support.world import World, open_world

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

BOTH: tuple[Mode, ...] = ("stream", "poll")
EVALUATIONS = pytest.mark.parametrize("evaluation", ["client", "server"])
STREAM_SECONDS = 1.5
ODD = 'Grüße 世界 & "quoted" = 100 % + #1?'
FOR_FRED = strategy("fred", True, attribute("userkey", "EQUALS", ["fred"]))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return agent_bundle(tmp_path_factory.mktemp("bundle")).parent


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def world(party: PartyProcess) -> AsyncIterator[World]:
    async with open_world(party.url, party.port, party.token) as made:
        yield made


class Pages:
    """Opens several pages as one fleet."""

    def __init__(self, browser: Browser, bundle: Path) -> None:
        self._browser = browser
        self._bundle = bundle

    @asynccontextmanager
    async def open(
        self,
        port: int,
        keys: Sequence[str],
        *,
        modes: Sequence[Mode] = BOTH,
        attributes: Attributes | None = None,
        interval_seconds: float = 0.2,
    ) -> AsyncIterator[Fleet]:
        async with AsyncExitStack() as stack:
            site = await stack.enter_async_context(open_site(self._bundle))
            streams = await stack.enter_async_context(open_proxy(port))
            polls = await stack.enter_async_context(open_proxy(port))
            sdks = []
            for mode in modes:
                opening = open_sdk_page(
                    self._browser,
                    site,
                    mode,
                    url=streams.url if mode == "stream" else polls.url,
                    keys=keys,
                    attributes=attributes,
                    interval_seconds=interval_seconds,
                )
                sdks.append(await stack.enter_async_context(opening))
            yield Fleet(tuple(sdks), streams, polls, tuple(keys))


@pytest.fixture
def pages(browser: Browser, bundle: Path) -> Pages:
    return Pages(browser, bundle)


def page_of(fleet: Fleet, mode: Mode) -> SdkPage:
    (found,) = (sdk for sdk in fleet.sdks if sdk.mode == mode)
    assert isinstance(found, SdkPage)
    return found


@EVALUATIONS
async def test_a_page_follows_features_from_creation_to_re_creation(
    world: World, party: PartyProcess, pages: Pages, evaluation: str
) -> None:
    admin, environment = world.admin, world.environment_id
    async with pages.open(world.port, [world.key(evaluation)]) as fleet:
        await fleet.ready()
        for key, kind, value in (
            ("flag", "BOOLEAN", True),
            ("text", "STRING", 'Grüße, 世界 🚩 "quoted" \\ and\nnew lines'),
            ("number", "NUMBER", 12.5),
            ("document", "JSON", '{"colours":["red","grün"]}'),
        ):
            await world.create(key, kind)
            await admin.set(environment, key, value)
            await fleet.hold(key, value)
        await admin.set(environment, "flag", locked=True)
        await fleet.see(lambda now: now.feature("flag").locked, what="the lock")
        await admin.set(environment, "flag", retired=True)
        await fleet.lack("flag")
        await admin.delete_feature(world.application.id, "text")
        await fleet.lack("text")
        await world.create("text", "STRING")
        await admin.set(environment, "text", "back again")
        await fleet.hold("text", "back again")
        await agree(fleet, party.database_url, environment)
        fleet.assert_no_errors()


async def test_polls_of_a_page_are_answered_304_and_may_be_read(world: World, pages: Pages) -> None:
    """Chromium asks permission again for each request with an etag, however long the last one holds."""
    await world.create("flag")
    async with pages.open(world.port, [world.server_key], modes=["poll"]) as fleet:
        await fleet.ready()
        page = page_of(fleet, "poll")
        await eventually(lambda: page.answers.count(("GET", 304)) >= 5, what=f"304 among {page.answers}")
        assert page.answers.count(("GET", 200)) <= 2
        polls = fleet.polls.asked(lambda each: each.method == "GET")
        assert fleet.polls.asked(lambda each: each.method == "OPTIONS") <= polls + 1
        await world.admin.set(world.environment_id, "flag", True)
        await fleet.hold("flag", True)
        fleet.assert_no_errors()


async def test_rules_decide_in_a_page_and_for_a_page(world: World, pages: Pages) -> None:
    await world.create("offer", "STRING")
    rules = [*RULES, strategy("by plan", "for odd", attribute("plan", "EQUALS", [ODD, "gold"]))]
    cases = [*CASES, ({"userkey": ["pat"], "plan": ["other", ODD]}, "for odd")]
    await world.admin.set(world.environment_id, "offer", "for everybody", strategies=rules)
    async with (
        pages.open(world.port, [world.client_key]) as own,
        pages.open(world.port, [world.server_key], attributes=cases[0][0]) as served,
    ):
        await own.hold("offer", "for everybody")
        for attributes, expected in cases:
            found = await own.each(lambda sdk, asked=attributes: sdk.evaluate("offer", asked))
            assert set(found) == {expected}, attributes
            await served.each(lambda sdk, asked=attributes: sdk.set_context(asked))
            await served.hold("offer", expected)
            await served.ready()
        changed = [strategy("by user", "still pat", attribute("userkey", "EQUALS", ["pat"]))]
        await world.admin.set(world.environment_id, "offer", strategies=changed)
        await served.hold("offer", "still pat")
        own.assert_no_errors()
        served.assert_no_errors()


async def test_a_page_sets_features_as_far_as_it_may(world: World, pages: Pages) -> None:
    await world.create("flag")
    await world.admin.set(world.environment_id, "flag", False, locked=True)
    async with pages.open(world.port, [world.client_key]) as fleet:
        await fleet.hold("flag", False)
        sdk = page_of(fleet, "stream")
        assert await sdk.update("flag", {"value": True}) is False, "locked"
        assert await sdk.update("flag", {"lock": False, "value": True}) is True
        await fleet.hold("flag", True)
        assert await sdk.update("flag", {"lock": False, "value": True}) is True, "202 is fine as well"
        assert await sdk.update("nothing", {"lock": True}) is False
        # What is refused is readable for the page too: 0 would be a refusal by the browser.
        updates = [status for method, status in sdk.answers if method == "PUT"]
        assert updates == [412, 200, 202, 404]
        fleet.assert_no_errors()


async def test_an_environment_without_features_makes_a_page_ready(world: World, pages: Pages) -> None:
    async with pages.open(world.port, [world.client_key]) as fleet:
        await fleet.ready()
        assert [dict((await sdk.snapshot()).existing) for sdk in fleet.sdks] == [{}, {}]
        fleet.assert_no_errors()


async def test_a_page_with_an_unknown_key_gives_up_quietly(world: World, pages: Pages) -> None:
    key = f"{world.environment_id}/nobody-knows*this-client-key-00001"
    async with pages.open(world.port, [key]) as fleet:
        await fleet.see(lambda now: now.readiness == "Failed", what="the refusal")
        asked = fleet.streams.asked(), fleet.polls.asked()
        await asyncio.sleep(1)  # five intervals: what is asserted is that nothing happens
        assert (fleet.streams.asked(), fleet.polls.asked()) == asked
        fleet.assert_no_errors(allow=SAID_OF_UNKNOWN_KEYS)


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PartyProcess]:
    """A server of this test alone, whose streams are short."""
    settings = {"BURGEE_STREAM_SECONDS": str(STREAM_SECONDS)}
    with running_party(tmp_path_factory.mktemp("hasty"), settings=settings) as party:
        yield party


async def test_a_page_lives_on_over_ends_of_its_stream_and_a_restart(
    hasty: PartyProcess, pages: Pages
) -> None:
    async with open_world(hasty.url, hasty.port, hasty.token) as world:
        await world.create("flag")
        async with pages.open(world.port, [world.client_key]) as fleet:
            await fleet.hold("flag", False)
            await eventually(lambda: fleet.streams.asked() >= 2, what="a second stream")
            await world.admin.set(world.environment_id, "flag", True)
            await fleet.hold("flag", True)
            fleet.streams.hold()
            fleet.polls.hold()
            await asyncio.to_thread(hasty.stop)
            await asyncio.to_thread(hasty.start)
            await world.admin.set(world.environment_id, "flag", False)
            fleet.streams.release()
            fleet.polls.release()
            await fleet.hold("flag", False)
            assert set((await page_of(fleet, "stream").snapshot()).history) <= {"NotReady", "Ready"}
            fleet.assert_no_errors()


@pytest.mark.parametrize("number", [0, 1, 2], ids=["beginning", "streaming", "behind a proxy"])
async def test_every_program_of_the_guide_works_in_a_page(
    world: World, browser: Browser, tmp_path: Path, number: int
) -> None:
    await world.create(FEATURE)
    await world.admin.set(world.environment_id, FEATURE, False, strategies=[FOR_FRED])
    programs = blocks(GUIDES / "browser.md", "js")
    assert len(programs) == 3
    command_of("js", filled(programs[number], world.url, world.client_key, world.server_key), tmp_path)
    said: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        said.append(message.text)

    refused: list[str] = []

    async def answer_for_burgee(route: Route) -> None:
        await route.fulfill(status=502, headers={"access-control-allow-origin": "*"})
        refused.append(route.request.url)

    async with open_site(bundled(tmp_path / "program.mjs", tmp_path).parent) as address:
        page = await browser.new_page()
        page.on("console", hear)
        if number == 2:
            await page.clock.install()
            await page.route("**/features/**", answer_for_burgee, times=1)
        await page.goto(address)
        if number == 2:
            await eventually(lambda: refused, what="the answer of a proxy")
            await eventually(lambda: any("502" in text for text in said), what=f"502 among {said}")
            await page.clock.fast_forward(5_000)
        await eventually(lambda: "true" in said, what=f"true among {said}")
    assert not [text for text in said if "CORS" in text], said
