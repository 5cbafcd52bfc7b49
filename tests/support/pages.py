"""The published SDK for browsers, in pages of a real browser whose origin is not the server's.

Must not know Burgee: a page gets a URL and keys, nothing else.
"""

import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from playwright.async_api import Browser, ConsoleMessage, Error, Page, Response

from tests.support.node import node_command, node_environment
from tests.support.sdk import AGENTS, ROOT, Attributes, Mode, Sdk, SdkFailed

BUNDLER = ROOT / "mr/ui/node_modules/rolldown/bin/cli.mjs"
PAGE = '<!doctype html><title>A page of a customer</title><script type="module" src="bundle.js"></script>'
CANNOT_TELL = "Failed to load resource"
"""What the browser itself says of each answer from 400 on, without saying which it was."""


def bundled(program: Path, folder: Path) -> Path:
    """Bundle a program as a customer's build would, with what its folder has in `node_modules`."""
    bundle = folder / "bundle.js"
    arguments = [str(program), "--platform", "browser", "--format", "esm", "-o", str(bundle)]
    command = node_command("node", [str(BUNDLER), *arguments])
    done = subprocess.run(
        command, cwd=program.parent, env=node_environment(), capture_output=True, check=False, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{program.name} could not be bundled:\n{done.stdout}{done.stderr}")
    return bundle


@asynccontextmanager
async def open_site(folder: Path) -> AsyncIterator[str]:
    """A site of its own that has the bundle of this folder in its page."""

    async def page(_request: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    application = web.Application()
    application.router.add_get("/", page)
    application.router.add_static("/", folder)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://localhost:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@dataclass
class SdkPage(Sdk):
    """One in a page; `answers` are the statuses of what the page asked, in order, with their method."""

    page: Page
    answers: list[tuple[str, int]] = field(default_factory=list)

    @property
    def running(self) -> bool:
        return not self.page.is_closed()

    async def ask(self, operation: str, **parameters: Any) -> Any:
        try:
            return await self.page.evaluate("([name, given]) => agent(name, given)", [operation, parameters])
        except Error as error:
            raise SdkFailed(f"{self._told()}: {error}") from error

    def watch(self) -> None:
        """Note from now on what the page is answered, and what a developer would see in the console."""
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.logged.append(("crash", str(error))))
        self.page.on("response", self._answered)

    def overhear(self, level: str, text: str) -> None:
        """Note what the SDK logs."""
        self.logged.append((level, text))

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error" and CANNOT_TELL not in message.text:
            self.complaints.append(message.text)

    def _answered(self, response: Response) -> None:
        self.answers.append((response.request.method, response.status))


@asynccontextmanager
async def open_sdk_page(
    browser: Browser,
    site: str,
    mode: Mode,
    *,
    url: str,
    keys: Sequence[str],
    attributes: Attributes | None = None,
    interval_seconds: float = 0.2,
) -> AsyncIterator[SdkPage]:
    """Open the agent's page in a fresh profile and start its SDK; closed afterwards."""
    context = await browser.new_context()
    try:
        sdk = SdkPage(f"browser-{mode}", "js", mode, await context.new_page())
        sdk.watch()
        await sdk.page.expose_function("overheard", sdk.overhear)
        await sdk.page.goto(site)
        await sdk.page.wait_for_function("'agent' in window")
        sdk.answers.clear()
        await sdk.start(url, keys, attributes, interval_seconds)
        yield sdk
    finally:
        await context.close()


def agent_bundle(folder: Path) -> Path:
    """Bundle the agent of tests/e2e/sdk/node for a browser."""
    return bundled(AGENTS / "node" / "browser.mjs", folder)
