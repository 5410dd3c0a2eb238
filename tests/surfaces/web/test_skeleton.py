"""The pages' server: who may ask it, and what a browser sees of a first page."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from tests.support.asgi import Response, ask
from tests.support.browser import Opens, served, visits
from tests.support.pages import new_store

from holdall.store import Store
from holdall.surfaces.web.app import make_app
from holdall.surfaces.web.security import HEADERS, Rules, name_of
from holdall.surfaces.web.site import Site

if TYPE_CHECKING:
    from playwright.sync_api import Browser

RULES = Rules(frozenset({"localhost"}))
SECRET = Rules(frozenset({"localhost"}), token="s3cret")


@pytest.fixture(scope="module")
def store() -> Store:
    store = new_store(environment=False)
    with store.runs.start(name="<b>first</b>") as run:
        run.log_params({"rate": 0.1})
    return store


def asked(store: Store, path: str = "/", rules: Rules = RULES, method: str = "GET", **headers: str) -> Response:
    given = {name.replace("_", "-"): value for name, value in ({"host": "localhost:5050"} | headers).items()}
    return asyncio.run(ask(make_app(Site(store), rules), method, path, headers=given))


def test_a_page_has_the_headers(store: Store) -> None:
    """Each answer, refusals too, tells the browser what it may do with it."""
    for found in (asked(store), asked(store, "/no/such/page"), asked(store, host="evil.example")):
        assert {name: found.headers.get(name) for name in HEADERS} == dict(HEADERS)


@pytest.mark.parametrize(
    "host", ["evil.example", "", "localhost.evil.example", "localhost@evil.example", "localhost:x", "[::1", "\u0130"]
)
def test_other_names_are_refused(store: Store, host: str) -> None:
    """A page of another site that has its own name point here sees nothing."""
    assert (
        asyncio.run(
            ask(make_app(Site(store), RULES), "GET", "/", headers={"host": host.encode("utf-8").decode("latin-1")})
        ).status
        == 421
    )


def test_a_name_is_read_without_its_port() -> None:
    assert [name_of(host) for host in ("LOCALHOST:80", "[::1]:80", "a:b@localhost", "a/b")] == [
        "localhost",
        "::1",
        "",
        "",
    ]


def test_the_token_becomes_a_cookie(store: Store) -> None:
    """Who brings the secret is sent on without it, with a cookie that no script reads and no other site sends."""
    assert asked(store, rules=SECRET).status == 401
    assert asked(store, rules=SECRET, cookie="holdall-ui=wrong").status == 401
    assert asked(store, rules=SECRET, cookie="holdall-ui=s3cret").status == 200


@pytest.fixture
def opens(store: Store, browser: Browser) -> Iterator[Opens]:
    with served(store) as server, visits(browser, server.url) as opens:
        yield opens


def test_a_browser_sees_the_runs(opens: Opens) -> None:
    """Names are text, whatever they look like."""
    visit = opens()
    page = visit.open()
    assert page.inner_text("tbody a") == "<b>first</b>"
    visit.follow("tbody a")
    assert page.inner_text("h1") == "<b>first</b>"
