"""A real browser as a person would use it: signed in, watched for faults, and looked at by axe.

Which browser: the one that `BURGEE_TEST_BROWSER` names, else the Chromium of tests/e2e/ui.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Response,
    async_playwright,
    expect,
)

from tests.support.node import node_binary, node_environment

FOLDER: Final = Path(__file__).parents[1] / "e2e" / "ui"
SCREENSHOTS: Final = Path(__file__).parents[2] / "build" / "screenshots"
ARGUMENTS: Final = [
    "--no-sandbox",
    "--no-zygote",
    "--disable-gpu",
    "--disable-background-networking",
    "--use-gl=angle",
    "--use-angle=swiftshader",
]
WIDE: Final = {"width": 1440, "height": 900}
TABLET: Final = {"width": 768, "height": 1024}
# A test waits for what it expects; on a busy machine that takes longer than the five seconds of the library.
DEADLINE_MS: Final = 30_000
expect.set_options(timeout=DEADLINE_MS)
_COUNTED: Final = {"moderate", "serious", "critical"}
_COLOURS_AT_REST: Final = """() => Promise.all(
    document.getAnimations()
        .filter((each) => each instanceof CSSTransition)
        .map((each) => each.finished.catch(() => null)),
).then(() => null)"""


@cache
def executable() -> str:
    """Return where the browser is; unpacks it the first time."""
    named = os.environ.get("BURGEE_TEST_BROWSER")
    if named:
        return named
    command = [str(node_binary()), str(FOLDER / "executable.mjs")]
    told = subprocess.run(command, env=node_environment(), capture_output=True, text=True, check=True)
    return told.stdout.strip()


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """A browser without a window; ended afterwards."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable(), args=ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Person:
    """Somebody at a browser of their own, whose page is watched: `faults` is empty in the end."""

    context: BrowserContext
    page: Page
    url: str
    faults: list[str] = field(default_factory=list)
    # Answers below 500 that the test brings about on purpose.
    expected: set[int] = field(default_factory=set)

    async def sign_in(self, email: str, password: str) -> None:
        """Sign in by the form."""
        await self.open("/login")
        await self.page.get_by_label("E-mail").fill(email)
        await self.page.get_by_label("Password", exact=True).fill(password)
        await self.page.get_by_role("button", name="Sign in").click()
        await self.page.get_by_role("navigation").first.wait_for()

    async def open(self, path: str) -> None:
        """Go to a page of the interface, and wait until it is quiet there."""
        await self.page.goto(self.url + path, wait_until="domcontentloaded")

    async def settle(self) -> None:
        """Wait until nothing is loading any more, and no colour is on its way."""
        await self.page.locator("[aria-busy=true]").first.wait_for(state="detached")
        await self.page.wait_for_function("document.fonts.status === 'loaded'")
        await self.page.evaluate(_COLOURS_AT_REST)

    async def listens(self) -> None:
        """Wait until the page hears what others change; what they changed before, it has loaded."""
        await expect(self.page.get_by_test_id("live")).to_have_attribute("data-state", "live")

    async def press(self, switch: Locator) -> None:
        """Click a switch whose box is hidden below what is drawn, when it does not move any more."""
        await switch.scroll_into_view_if_needed()
        await switch.click(force=True)

    async def escape(self, dialog: Locator) -> None:
        """Close it by the keyboard, once the focus has come into it, and see it go."""
        await expect(dialog.locator(":focus")).to_have_count(1)
        await self.page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()

    async def save_in(self, environment: str) -> None:
        """Save what is typed in the editor; what was saved before is told no more while something is not."""
        await expect(self.page.get_by_text("1 environment has unsaved changes")).to_be_visible()
        await self.page.get_by_role("button", name="Save", exact=True).click()
        await expect(self.page.get_by_text(f"Saved in {environment}.")).to_be_visible()

    async def come_again(self) -> str:
        """Load the page anew, and answer the authorization that it asks with from then on."""
        address = self.page.url
        # Nothing that the page before asks for is taken for the new one's.
        await self.page.goto("about:blank")
        async with self.page.expect_request(lambda asked: "authorization" in asked.headers) as asked:
            await self.page.goto(address, wait_until="domcontentloaded")
        return (await asked.value).headers["authorization"]

    async def clear_notices(self) -> None:
        """Close what the page says at its lower edge, before it is in a picture."""
        closing = self.page.locator(".mantine-Notification-closeButton")
        await closing.evaluate_all("buttons => buttons.forEach((each) => each.click())")
        await expect(closing).to_have_count(0)

    async def screenshot(self, name: str) -> Path:
        """Keep what is on the screen."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        await self.page.screenshot(path=path, animations="disabled")
        return path

    async def look(self, name: str) -> None:
        """Take its picture and ask axe, by day and by night: the page follows while it is open."""
        await self.settle()
        await self.screenshot(f"{name}-light")
        assert await self.violations() == []
        await self.turn("dark")
        await self.screenshot(f"{name}-dark")
        assert await self.violations(only="color-contrast") == []
        await self.turn("light")
        assert self.faults == []

    async def turn(self, scheme: Literal["light", "dark"]) -> None:
        """Let it become night or day, and wait until no colour is on its way any more."""
        await self.page.emulate_media(color_scheme=scheme)
        await self.page.locator(f"html[data-mantine-color-scheme={scheme}]").wait_for()
        await self.page.evaluate(_COLOURS_AT_REST)

    async def told(self, text: str) -> None:
        """Wait until the page says this at its lower edge, and close it: the next may say the same."""
        await expect(self.page.locator(".mantine-Notification-root").filter(has_text=text)).to_be_visible()
        await self.clear_notices()

    def dialog(self, name: str) -> Locator:
        """The dialog of this title."""
        return self.page.get_by_role("dialog", name=name)

    async def choose(self, label: str, option: str) -> None:
        """Choose from a list that opens."""
        box = self.page.get_by_role("combobox", name=label).or_(self.page.get_by_role("textbox", name=label))
        await box.first.click()
        await self.page.get_by_role("option", name=option).click()

    async def create(self, button: str, **fields: str) -> None:
        """Open a dialog by its button, fill it in, send it, and see it go."""
        await self.page.get_by_role("button", name=button, exact=True).first.click()
        await self.fill_in(button, "Create", **fields)

    async def fill_in(self, title: str, send: str, **fields: str) -> None:
        """Fill in the dialog of this title, send it, and see it go."""
        form = self.dialog(title)
        for label, text in fields.items():
            await form.get_by_label(label, exact=False).first.fill(text)
        await form.get_by_role("button", name=send, exact=True).click()
        await expect(form).to_be_hidden()

    async def pick(self, menu: str, entry: str) -> None:
        """Choose what is to be done from the menu behind a button."""
        await self.page.get_by_role("button", name=menu, exact=True).click()
        await self.page.get_by_role("menuitem", name=entry, exact=True).click()

    async def confirm(self, question: str, answer: str, *, typed: str = "") -> None:
        """Answer a question; what has to be typed first is not yet answered without."""
        asked = self.dialog(question)
        button = asked.get_by_role("button", name=answer, exact=True)
        if typed:
            await expect(button).to_be_disabled()
            await asked.get_by_label(f"Type {typed} to confirm").fill(typed)
        await button.click()
        await expect(asked).to_be_hidden()

    async def violations(self, *, only: str = "") -> list[str]:
        """Return what axe finds on this page that is more than minor, one line each; `only` by this rule."""
        await self.settle()
        if not await self.page.evaluate("'axe' in window"):
            # As a function of the test, not as a script of the page: its policy would refuse that.
            await self.page.evaluate((FOLDER / "node_modules/axe-core/axe.min.js").read_text())
        options = {"resultTypes": ["violations"]} | ({"runOnly": [only]} if only else {})
        found: dict[str, Any] = await self.page.evaluate("options => axe.run(document, options)", options)
        return [
            f"{each['impact']} {each['id']}: {node['target']} {node['html'][:200]}"
            for each in found["violations"]
            if each["impact"] in _COUNTED
            for node in each["nodes"]
        ]

    def watch(self) -> None:
        """Note from now on what a developer would see in the console."""
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.faults.append(f"exception: {error}"))
        self.page.on("response", self._answered)

    def _said(self, message: ConsoleMessage) -> None:
        # Refused requests are told there as well, without saying which.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.faults.append(f"console: {message.text}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400 and response.status not in self.expected:
            self.faults.append(f"{response.request.method} {response.url}: {response.status}")


@asynccontextmanager
async def open_person(
    browser: Browser,
    url: str,
    *,
    scheme: str = "light",
    size: dict[str, int] | None = None,
    expected: set[int] | None = None,
) -> AsyncIterator[Person]:
    """A person with a fresh profile; fails in the end if the page had a fault that nobody expected."""
    context = await browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        viewport=size or WIDE,  # type: ignore[arg-type]
        locale="en-GB",
        timezone_id="UTC",
        reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write"],
    )
    context.set_default_timeout(DEADLINE_MS)
    try:
        # 401: a session that is not there yet is asked for first.
        person = Person(context, await context.new_page(), url, expected={401} | (expected or set()))
        person.watch()
        yield person
        assert not person.faults, "\n".join(person.faults)
    finally:
        await context.close()
