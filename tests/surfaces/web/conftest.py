"""A browser for the tests of pages, one in each process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from tests.support.browser import started_browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def _started() -> Iterator[tuple[Browser, asyncio.AbstractEventLoop | None]]:
    """Chromium, and the loop that drives it. Between its tests this thread is in none, so that others have theirs."""
    with started_browser() as browser:
        loop = asyncio._get_running_loop()
        asyncio._set_running_loop(None)
        yield browser, loop
        asyncio._set_running_loop(loop)


@pytest.fixture
def browser(_started: tuple[Browser, asyncio.AbstractEventLoop | None]) -> Iterator[Browser]:
    """Chromium; a test that asks for it is skipped where it is not installed."""
    browser, loop = _started
    asyncio._set_running_loop(loop)
    yield browser
    asyncio._set_running_loop(None)
