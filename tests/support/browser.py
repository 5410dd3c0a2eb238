"""A real browser for tests of pages, and a server of pages beside the test.

What any page does that it must not do fails the test that looked at it: an error in the browser's console, a
violation of the Content-Security-Policy, a request to another host, a script that raises. A test that wants an answer
with a status of 400 or more says so by `expects`.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import pytest
import uvicorn

from holdall.servers.listening import listen
from holdall.store import Store
from holdall.surfaces.web.app import make_app
from holdall.surfaces.web.security import Rules
from holdall.surfaces.web.server import configuration, rules_for
from holdall.surfaces.web.site import Site

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Response

CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(which, ("chromium", "chromium-browser"))), None)
NARROW, WIDE = (390, 844), (1400, 900)
FLAGS = [
    "--no-sandbox",  # which root may not use, and CI is root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def started_browser() -> Iterator[Browser]:
    """Chromium without a window; the test is skipped where there is none."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        _loops[browser] = asyncio.get_running_loop()
        asyncio._set_running_loop(None)
        try:
            yield browser
        finally:
            with _its_loop(browser):
                browser.close()
            asyncio._set_running_loop(_loops.pop(browser))  # which ends now


_loops: Final[dict[Browser, asyncio.AbstractEventLoop]] = {}


@contextmanager
def _its_loop(browser: Browser) -> Iterator[None]:
    """Let a browser's loop run in this thread: beside it, tests of other things could not run loops of their own."""
    asyncio._set_running_loop(_loops[browser])
    try:
        yield
    finally:
        asyncio._set_running_loop(None)


@dataclass
class Served:
    """A server of pages.

    Attributes:
        url: Where it listens, without a slash at the end.
        rules: Who may ask it; `rules.token` if it wants one.
    """

    url: str
    rules: Rules
    site: Site


@contextmanager
def served(store: Store, *, allow_changes: bool = False) -> Iterator[Served]:
    """The pages of a store, served by a thread as `holdall ui` does it, on any free port."""
    with listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        rules = rules_for("127.0.0.1", port, allow_changes=allow_changes, allowed_hosts=())
        site = Site(store, changes=allow_changes)
        server = uvicorn.Server(configuration(make_app(site, rules)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        try:
            yield Served(f"http://127.0.0.1:{port}", rules, site)
        finally:
            server.should_exit = True
            thread.join()


@dataclass
class Visit:
    """A browser's window on a server of pages.

    Attributes:
        page: Playwright's page.
        problems: What it did that it must not do; the test fails at its end if there is any.
        expects: Statuses of 400 and more that are asked for.
        shut_in: What documents in the sandbox said: what they try fails there, and that is no fault of the page.
    """

    page: Page
    url: str
    problems: list[str] = field(default_factory=list)
    expects: set[int] = field(default_factory=set)
    shut_in: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda said: self._hear(said.type, said.text, str(said.location.get("url", ""))))
        self.page.on("pageerror", lambda error: self.problems.append(f"raised: {error}"))
        self.page.on("request", lambda asked: self._see(asked.url, asked.frame.url))
        self.page.on("response", self._judge)

    def open(self, address: str = "/") -> Page:
        """Go to an address of the server, and wait until nothing is on its way any more."""
        self.page.goto(self.url + address, wait_until="networkidle")
        return self.page

    def follow(self, selector: str) -> Page:
        """Click on what leads to another page, and wait until that is there, its scripts too."""
        with self.page.expect_navigation(wait_until="load"):
            self.page.click(selector)
        return self.page

    def _hear(self, kind: str, text: str, where: str) -> None:
        if urlsplit(where).path.endswith("/sandbox"):
            self.shut_in.append(text)
            return
        if kind in ("error", "warning") and not (self.expects and "Failed to load resource" in text):
            self.problems.append(f"{kind}: {text}")

    def _see(self, url: str, where: str) -> None:
        if urlsplit(where).path.endswith("/sandbox"):
            self.shut_in.append(f"wanted {url}")
            return
        if urlsplit(url).netloc != urlsplit(self.url).netloc and not url.startswith(("data:", "blob:", "about:")):
            self.problems.append(f"a request to {url}")

    def _judge(self, response: Response) -> None:
        if response.status >= 400 and response.status not in self.expects:
            self.problems.append(f"{response.status}: {response.url}")


Opens = Callable[..., Visit]


@contextmanager
def visits(browser: Browser, url: str) -> Iterator[Opens]:
    """Open windows, each with its own cookies: `opens(size=NARROW, dark=True)`. At the end none may have a problem."""
    made: list[tuple[Visit, Any]] = []

    def opens(size: tuple[int, int] = WIDE, *, dark: bool = False, script: bool = True) -> Visit:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
        )
        visit = Visit(context.new_page(), url)
        made.append((visit, context))
        return visit

    with _its_loop(browser):
        try:
            yield opens
        finally:
            for _, context in made:
                context.close()
    found = [problem for visit, _ in made for problem in visit.problems]
    assert not found, "\n".join(found)


def shot(page: Page, name: str) -> None:
    """Keep a picture of a page where HOLDALL_SHOTS says, for people to look at; nowhere by default."""
    if folder := os.environ.get("HOLDALL_SHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
