"""The web interface at the size of a large application, in a real browser: first paint, search, scrolling.

A long task is what the browser itself calls one: the page did nothing else for more than 50 ms.
"""

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from playwright.async_api import Page

from tests.benchmarks.rows import Bench, Row, group
from tests.support.admin import EMAIL, PASSWORD, open_admin
from tests.support.browser import Person, open_browser, open_person
from tests.support.party import PartyProcess, running_party

LONGEST_TASK_MS: Final = 100
OPENINGS: Final = 5
_WATCH: Final = """
window.longTasks = [];
new PerformanceObserver((list) => window.longTasks.push(...list.getEntries().map((each) => each.duration)))
    .observe({type: 'longtask', buffered: false});
"""
# From the top to the bottom and back, a screenful every few frames, as a wheel does.
_SCROLL: Final = """async (frames) => {
    const area = document.querySelector('[role=grid]');
    const step = 2 * (area.scrollHeight - area.clientHeight) / frames;
    const across = 2 * (area.scrollWidth - area.clientWidth) / frames;
    for (let frame = 0; frame < frames; frame += 1) {
        const way = frame < frames / 2 ? 1 : -1;
        area.scrollBy({top: way * step, left: way * across, behavior: 'instant'});
        await new Promise(requestAnimationFrame);
    }
}"""
# From the text typed to the first picture in which the row that it is about is the only one.
_SEARCH: Final = """async (text) => {
    const box = document.querySelector('input[data-search]');
    const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set;
    const found = () => {
        const rows = document.querySelectorAll('[role=rowheader]');
        return rows.length === 1 && rows[0].innerText.includes(text);
    };
    const begun = performance.now();
    set.call(box, text);
    box.dispatchEvent(new Event('input', {bubbles: true}));
    while (!found()) await new Promise(requestAnimationFrame);
    return performance.now() - begun;
}"""
# Until the grid has its values in it.
_SHOWN: Final = "document.querySelectorAll('[role=gridcell]').length > 0"


@group("interface")
def interface(bench: Bench) -> Iterator[Row]:
    """The dashboard of a large application."""
    with (
        tempfile.TemporaryDirectory(dir=bench.folder, prefix="interface-") as folder,
        running_party(Path(folder)) as party,
    ):
        yield from asyncio.run(_dashboard(bench, party))


async def _dashboard(bench: Bench, party: PartyProcess) -> Sequence[Row]:
    features, environments = bench.size(1000, 20), bench.size(10, 2)
    address = await _fill(party, features, environments)
    async with open_browser() as browser, open_person(browser, party.url) as person:
        await person.sign_in(EMAIL, PASSWORD)
        shown = [await _opened(person, address) for _ in range(bench.size(OPENINGS, 1))]
        await person.page.wait_for_function(f"document.body.innerText.includes('{features} features')")
        await person.page.evaluate(_WATCH)
        searched = await _searches(person.page, features)
        while_searching = await _longest(person.page)
        await person.page.evaluate(_SCROLL, bench.size(400, 10))
        while_scrolling = await _longest(person.page)
    size = f"{features:,} features × {environments} environments"
    return [
        Row.of_values(
            "interface_dashboard_shown",
            f"Chromium: from the address to the first values of the dashboard of {size}",
            shown,
            unit="ms",
        ),
        Row.of_values(
            "interface_search", f"the same: from a typed text to the found rows ({size})", searched, unit="ms"
        ),
        Row.of_values(
            "interface_search_longest_task",
            "the same: the longest task while searching",
            [while_searching],
            unit="ms",
            goal=LONGEST_TASK_MS,
        ),
        Row.of_values(
            "interface_scroll_longest_task",
            "the same: the longest task while scrolling through all of it, down and across",
            [while_scrolling],
            unit="ms",
            goal=LONGEST_TASK_MS,
        ),
    ]


async def _fill(party: PartyProcess, features: int, environments: int) -> str:
    """Make the application; answer its dashboard's address."""
    async with open_admin(party.url, party.token) as admin:
        application = await admin.create_application()
        places = [application.environment_id]
        while len(places) < environments:
            places.append(await admin.create_environment(application.id))
        keys = [f"FEATURE_{number:05}" for number in range(features)]
        kinds = ("BOOLEAN", "STRING", "NUMBER", "JSON")
        values: list[dict[str, Any]] = []
        for number, key in enumerate(keys):
            kind = kinds[number % len(kinds)]
            await admin.create_feature(application.id, key, kind)
            value = {"BOOLEAN": True, "STRING": f"value of {key}", "NUMBER": number, "JSON": '{"a": [1, 2]}'}
            values.append({"key": key, "locked": False, "value": value[kind]})
        for place in places:
            # Those of booleans are there from the beginning.
            await admin.call(
                "PUT",
                f"/features/{place}",
                [each | {"version": 1} if each["value"] is True else each for each in values],
            )
    words = {"portfolio": application.portfolio_id, "application": application.id}
    return f"/feature-dashboard?{urlencode(words)}"


async def _opened(person: Person, address: str) -> float:
    await person.open(address)
    await person.page.wait_for_function(_SHOWN)
    shown: float = await person.page.evaluate("performance.now()")
    return shown


async def _searches(page: Page, features: int) -> list[float]:
    texts = [f"FEATURE_{number:05}" for number in range(0, features, max(1, features // 10))]
    found = [await page.evaluate(_SEARCH, text) for text in texts]
    await page.locator("input[data-search]").fill("")
    await page.wait_for_function("document.querySelectorAll('[role=rowheader]').length > 5")
    return found


async def _longest(page: Page) -> float:
    """Return the longest task since the last question, 0 when none was long."""
    tasks: list[float] = await page.evaluate("window.longTasks.splice(0)")
    return max(tasks, default=0.0)
