"""The web interface at the size of a large application, in a real browser: opening it, searching, scrolling.

A long task is what the browser itself calls one: the page did nothing else for more than 50 ms.
"""

import asyncio
import json
import statistics
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from playwright.async_api import Browser, Page

from tests.benchmarks import pinning
from tests.benchmarks.rows import Bench, Row, group
from tests.support.admin import EMAIL, PASSWORD, Admin, attribute, open_admin, strategy
from tests.support.browser import Person, open_browser, open_person
from tests.support.party import PartyProcess, running_party

T = TypeVar("T")
LONGEST_TASK_MS: Final = 100
FIRST_SCREEN_BYTES: Final = 500_000
ROUNDS: Final = 5
"""Of searching and of scrolling through everything; what counts is the median of their longest tasks, since
whatever else happens on the machine stretches one or the other."""
FEW: Final = 10
"""Features of the application that stands beside the large one."""
SMALL: Final = f"the same page with {FEW} features"
KINDS: Final = ("BOOLEAN", "STRING", "NUMBER", "JSON")

# Looked at in every frame, so the answer is the one in which it is painted.
_SHOWN: Final = """async () => {
    while (document.querySelector('[role=gridcell]') === null) await new Promise(requestAnimationFrame);
    return performance.now();
}"""
_WHOLE: Final = """async (text) => {
    const corner = () => document.querySelector('[role=columnheader]')?.textContent;
    while (corner() !== text) await new Promise(requestAnimationFrame);
    return performance.now();
}"""
_LONG_TASKS: Final = """async () => {
    if (window.longTasks === undefined) {
        window.longTasks = [];
        const note = (list) => window.longTasks.push(...list.getEntries().map((each) => each.duration));
        new PerformanceObserver(note).observe({type: 'longtask', buffered: true});
    }
    // They are told a moment later.
    await new Promise((done) => setTimeout(done, 100));
    return window.longTasks.splice(0);
}"""
_LOADED: Final = """() => performance.getEntriesByType('resource')
    .map((each) => [new URL(each.name).pathname, each.encodedBodySize, each.decodedBodySize])"""
# From the key to the frame in which the only row is the one that was sought.
_AWAIT_FOUND: Final = """(text) => {
    window.found = new Promise((done) => {
        const ends = (pressed) => {
            const rows = document.querySelectorAll('[role=rowheader]');
            const found = rows.length === 1 && rows[0].textContent.includes(text);
            requestAnimationFrame(found ? () => done(performance.now() - pressed) : () => ends(pressed));
        };
        document.querySelector('input[data-search]')
            .addEventListener('keydown', (event) => ends(event.timeStamp), {once: true, capture: true});
    });
}"""
# Over all rows, and ten times from side to side meanwhile; answers the time between frames.
_SCROLL: Final = """async ([frames, upwards]) => {
    const area = document.querySelector('[role=grid]');
    const down = area.scrollHeight - area.clientHeight;
    const across = area.scrollWidth - area.clientWidth;
    const gaps = [];
    let before = await new Promise(requestAnimationFrame);
    for (let frame = 1; frame <= frames; frame += 1) {
        const done = frame / frames;
        const top = down * (upwards ? 1 - done : done);
        const left = across * (1 - Math.abs(((done * 10) % 2) - 1));
        area.scrollTo({top, left, behavior: 'instant'});
        const now = await new Promise(requestAnimationFrame);
        gaps.push(now - before);
        before = now;
    }
    return gaps;
}"""


@dataclass(frozen=True)
class Dashboard:
    """An application's dashboard, and how many features it shows."""

    address: str
    features: int


@dataclass
class Opening:
    """What opening a dashboard took, in milliseconds."""

    shown: float
    whole: float
    longest_task: float
    """0: none of more than 50 ms."""


@dataclass
class Found:
    """What was measured, all in milliseconds but for bytes."""

    opened: list[tuple[Opening, Opening]] = field(default_factory=list)
    searched: list[tuple[float, float]] = field(default_factory=list)
    while_searching: list[float] = field(default_factory=list)
    """The longest task of each round; 0 where none took more than 50 ms."""
    while_scrolling: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    longest_run: float = 0
    first_screen: int = 0
    table: tuple[int, int] = (0, 0)


@group("interface")
def interface(bench: Bench) -> Iterator[Row]:
    """The dashboard of a large application beside that of a small one."""
    with (
        # Of all processors: a browser draws beside its scripts; with one alone it could not.
        pinning.on_server_cpu(set(pinning.PROCESSORS)),
        tempfile.TemporaryDirectory(dir=bench.folder, prefix="interface-") as folder,
        running_party(Path(folder)) as party,
    ):
        yield from asyncio.run(_measured(bench, party))


async def _measured(bench: Bench, party: PartyProcess) -> Sequence[Row]:
    features, environments = bench.size(1000, 20), bench.size(10, 2)
    async with open_admin(party.url, party.token) as admin:
        large = await _fill(admin, features, environments)
        small = await _fill(admin, FEW, environments)
    found = Found()
    async with open_browser() as browser, open_person(browser, party.url) as person:
        await person.sign_in(EMAIL, PASSWORD)
        found.first_screen = await _first_screen(person, large)
        found.opened = await _in_turn(
            bench.pairs, lambda: _opened(person, large), lambda: _opened(person, small)
        )
        found.searched = await _in_turn(
            bench.pairs, lambda: _searched(person, large), lambda: _searched(person, small)
        )
        await _opened(person, large)
        found.table = await _table_bytes(person.page)
        for _ in range(bench.size(ROUNDS, 1)):
            found.while_searching.append(await _while_searching(person.page, large))
            found.gaps += await _scrolled(bench, person.page)
            found.while_scrolling.append(await _longest_task(person.page))
        found.longest_run = await _longest_run(bench, browser, person.page)
    return _rows(found, f"{features:,} features × {environments} environments")


def _rows(found: Found, size: str) -> list[Row]:
    return [
        *_rows_of_opening(found, size),
        *_rows_of_searching(found, size),
        *_rows_of_scrolling(found, size),
    ]


def _rows_of_opening(found: Found, size: str) -> list[Row]:
    wire, decoded = found.table
    return [
        Row.of_values(
            "interface_first_screen",
            "scripts and styles of the sign-in page and the dashboard, as they are sent",
            [found.first_screen],
            unit="bytes",
            goal=FIRST_SCREEN_BYTES,
        ),
        Row.of_pairs(
            "interface_shown",
            f"Chromium: from the address to the first values of the dashboard of {size}",
            [(large.shown, small.shown) for large, small in found.opened],
            unit="ms",
            baseline_name=SMALL,
        ),
        Row.of_pairs(
            "interface_whole",
            "the same: until all of it can be searched and scrolled",
            [(large.whole, small.whole) for large, small in found.opened],
            unit="ms",
            baseline_name=SMALL,
        ),
        Row.of_values(
            "interface_opening_longest_task",
            "the same: the longest task meanwhile",
            [large.longest_task for large, _ in found.opened],
            unit="ms",
            note="0: none took more than 50 ms",
        ),
        Row.of_pairs(
            "interface_table",
            f"the table of {size} on its way to the browser",
            [(wire, decoded)],
            unit="bytes",
            baseline_name="what it is unpacked to",
        ),
    ]


def _rows_of_searching(found: Found, size: str) -> list[Row]:
    return [
        Row.of_pairs(
            "interface_search",
            f"Chromium: from a letter typed into the search of {size} to the row that is found",
            found.searched,
            unit="ms",
            baseline_name=SMALL,
        ),
        Row.of_values(
            "interface_search_longest_task",
            "the same: the longest task while texts are typed and deleted",
            found.while_searching,
            unit="ms",
            goal=LONGEST_TASK_MS,
            note="0: none took more than 50 ms",
        ),
    ]


def _rows_of_scrolling(found: Found, size: str) -> list[Row]:
    frames = statistics.quantiles(found.gaps, n=100)
    return [
        Row.of_values(
            "interface_scroll_longest_task",
            f"Chromium: the longest task while scrolling through {size}, all rows and all columns",
            found.while_scrolling,
            unit="ms",
            goal=LONGEST_TASK_MS,
            note=f"{len(found.gaps):,} frames in {len(found.while_scrolling)} rounds; 0: none above 50 ms",
        ),
        Row.of_values(
            "interface_scroll_longest_run",
            "the same, traced: how long the longest task had a processor",
            [found.longest_run],
            unit="ms",
            goal=LONGEST_TASK_MS,
            note="what a task takes beyond this it waits for its turn on this machine",
        ),
        Row.of_values(
            "interface_scroll_frame",
            "the same: from frame to frame, p99",
            [frames[98]],
            unit="ms",
            note=f"p50 {frames[49]:.1f} ms, longest {max(found.gaps):.1f} ms",
        ),
    ]


async def _fill(admin: Admin, features: int, environments: int) -> Dashboard:
    """Make an application with values of all kinds, some with strategies, some locked."""
    application = await admin.create_application()
    places = [application.environment_id]
    while len(places) < environments:
        places.append(await admin.create_environment(application.id))
    values: list[dict[str, Any]] = []
    for number in range(features):
        key, kind = f"FEATURE_{number:05}", KINDS[number % len(KINDS)]
        await admin.create_feature(application.id, key, kind)
        value = {"BOOLEAN": True, "STRING": f"value of {key}", "NUMBER": number, "JSON": '{"limits": [1, 2]}'}
        body: dict[str, Any] = {"key": key, "locked": number % 8 == 1, "value": value[kind]}
        if number % 5 == 0:
            some = attribute("userkey", "EQUALS", ["ada", "grace"])
            body["rolloutStrategies"] = [strategy("some people", value[kind], some)]
        values.append(body)
    for place in places:
        shown = await admin.call("GET", f"/features/{place}")
        # Those of booleans are there from the beginning.
        versions = {each["key"]: each["version"] for each in shown["featureValues"]}
        body_of_all = [each | {"version": versions.get(each["key"], 0)} for each in values]
        await admin.call("PUT", f"/features/{place}", body_of_all)
    words = {"portfolio": application.portfolio_id, "application": application.id}
    return Dashboard(f"/feature-dashboard?{urlencode(words)}", features)


async def _in_turn(
    pairs: int, ours: Callable[[], Awaitable[T]], theirs: Callable[[], Awaitable[T]]
) -> list[tuple[T, T]]:
    """Measure both in turn, beginning with the other one each time."""
    found = []
    for number in range(pairs):
        if number % 2:
            second = await theirs()
            found.append((await ours(), second))
        else:
            first = await ours()
            found.append((first, await theirs()))
    return found


async def _first_screen(person: Person, dashboard: Dashboard) -> int:
    """How many bytes a new browser loads for the sign-in page, which it is at, and this dashboard."""
    loaded = await person.page.evaluate(_LOADED)
    await _opened(person, dashboard)
    loaded += await person.page.evaluate(_LOADED)
    sizes = {path: sent for path, sent, _ in loaded if path.endswith((".js", ".css"))}
    return sum(sizes.values())


async def _opened(person: Person, dashboard: Dashboard) -> Opening:
    """Open the page anew and wait for everything."""
    page = person.page
    await person.open(dashboard.address)
    shown: float = await page.evaluate(_SHOWN)
    whole: float = await page.evaluate(_WHOLE, _told(dashboard.features, dashboard.features))
    return Opening(shown, whole, await _longest_task(page))


async def _longest_task(page: Page) -> float:
    """Return the longest one since the last question, 0 if none was long."""
    tasks: list[float] = await page.evaluate(_LONG_TASKS)
    return max(tasks, default=0.0)


async def _searched(person: Person, dashboard: Dashboard) -> float:
    await _opened(person, dashboard)
    times = [await _search(person.page, number, dashboard.features) for number in _sought(dashboard)]
    return statistics.median(times)


def _sought(dashboard: Dashboard) -> Sequence[int]:
    return range(3, dashboard.features, max(1, dashboard.features // 10))


async def _search(page: Page, number: int, features: int) -> float:
    """Narrow to ten features, then to the one."""
    text = f"FEATURE_{number:05}"
    box = page.locator("input[data-search]")
    await box.fill(text[:-1])
    await page.evaluate(_WHOLE, _told(10, features))
    await page.evaluate(_AWAIT_FOUND, text)
    await box.press(text[-1])
    found: float = await page.evaluate("window.found")
    return found


def _told(shown: int, features: int) -> str:
    """What stands in the corner of the grid."""
    return f"{features} features" if shown == features else f"{shown} of {features} features"


async def _while_searching(page: Page, dashboard: Dashboard) -> float:
    """Return the longest task of searching, and of showing everything again each time."""
    await _longest_task(page)
    box = page.locator("input[data-search]")
    for number in _sought(dashboard):
        await _search(page, number, dashboard.features)
        await box.fill("")
        await page.evaluate(_WHOLE, _told(dashboard.features, dashboard.features))
    return await _longest_task(page)


async def _scrolled(bench: Bench, page: Page) -> list[float]:
    """Scroll down as a wheel does, and up as by the scroll bar: more than a screen in every frame."""
    down: list[float] = await page.evaluate(_SCROLL, [bench.size(400, 10), False])
    up: list[float] = await page.evaluate(_SCROLL, [bench.size(40, 10), True])
    return down + up


async def _longest_run(bench: Bench, browser: Browser, page: Page) -> float:
    """Scroll once more; return the most processor time, in milliseconds, of one task of the page's thread."""
    await browser.start_tracing(page=page, categories=["toplevel", "__metadata"])
    await _scrolled(bench, page)
    events = json.loads(await browser.stop_tracing())["traceEvents"]
    threads = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    runs: list[float] = [event.get("tdur", 0) for event in events if (event["pid"], event["tid"]) in threads]
    return max(runs) / 1000


async def _table_bytes(page: Page) -> tuple[int, int]:
    """Of all answers that brought the table: as they were sent, and unpacked."""
    loaded = await page.evaluate(_LOADED)
    answers = [each for each in loaded if each[0].endswith("/all-feature-environment")]
    return sum(sent for _, sent, _ in answers), sum(size for _, _, size in answers)
