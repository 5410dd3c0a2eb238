"""The store's page: what is known at once, what is measured when somebody asks, and how its picture is drawn."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from tests.support.asgi import Response, ask
from tests.support.browser import NARROW, Opens, served, shot, visits

from holdall.chunks.pool import Pool
from holdall.errors import InvalidArgumentError
from holdall.sizes import format_size
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import Request, TraceBucket
from holdall.store import HELD_FOR, Holdings, Store
from holdall.surfaces.web.app import make_app
from holdall.surfaces.web.measured import Measurements
from holdall.surfaces.web.plotting import Curve, drawing
from holdall.surfaces.web.security import Rules
from holdall.surfaces.web.site import Site
from holdall.surfaces.web.space import held_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser

RULES = Rules(frozenset({"localhost"}))
DAY = 86_400_000


def filled(requests: list[Request]) -> Store:
    """Two experiments that share most of their bytes."""
    store = Store._over(TraceBucket(MemoryBucket(), requests.append), Pool())
    for number, experiment in enumerate(("first", "second")):
        with store.runs.start(experiment=experiment, name=f"run {number}", start_time=(20_000 + number) * DAY) as run:
            run.log_bytes(bytes(range(256)) * 4_000, "shared.bin")
            run.log_bytes(bytes([number]) * 80_000, "own.bin")
    return store


@pytest.fixture
def requests() -> list[Request]:
    return []


@pytest.fixture
def site(requests: list[Request]) -> Site:
    return Site(filled(requests))


def asked(site: Site, path: str = "/store") -> Response:
    return asyncio.run(ask(make_app(site, RULES), "GET", path, headers={"host": "localhost"}))


def test_the_page_measures_nothing_by_itself(site: Site, requests: list[Request]) -> None:
    """Of a store whose runs are known it takes the listings of its experiments, and no look at a run."""
    shown = asked(site).body.decode()
    assert "2.1 MiB" in shown
    assert "Measure the space" in shown
    del requests[:]
    asked(site)
    assert not [one for one in requests if one.key.startswith(("packs/", "runs/")) or one.key == ""]


def test_what_is_measured_is_shown_with_its_age(site: Site) -> None:
    """Asking for it leads back to the page, which then says what is stored, shared, and what each byte is for."""
    found = asked(site, "/store?measure=du")
    assert (found.status, found.headers["location"]) == (303, "/store")
    shown = asked(site).body.decode()
    usage = site.store.maintenance.du()
    for text in (
        format_size(usage.held.total),
        "content of runs, in packs",
        "as of",
        "New with it",
        "none recorded as damaged",
        "none yet",
    ):
        assert text in shown
    assert sum(run.new for run in usage.runs) == usage.total.stored


def test_a_collection_is_only_planned(site: Site, requests: list[Request]) -> None:
    asked(site)
    del requests[:]
    asked(site, "/store?measure=gc")
    assert "Nothing was deleted" in asked(site).body.decode()
    assert {one.verb for one in requests} <= {"list", "get", "get_range"}


@pytest.mark.parametrize("kind", ["all", "du%00", "../du"])
def test_only_what_has_a_name_is_measured(site: Site, kind: str) -> None:
    assert asked(site, f"/store?measure={kind}").status == 400


def test_many_who_ask_wait_for_one_answer() -> None:
    """However many pages ask while it goes on, it is measured once; what fails is said, and can be asked anew."""
    measurements, begun, go = Measurements(), [], threading.Event()

    def slow() -> int:
        begun.append(1)
        assert go.wait(30)
        return 7

    assert [measurements.ask("du", slow, patience=0).going for _ in range(5)] == [True] * 5
    go.set()
    assert measurements.ask("du", slow, patience=30).value == 7
    assert len(begun) == 1

    def failing() -> int:
        raise InvalidArgumentError("no such thing")

    assert "no such thing" in measurements.ask("gc", failing, patience=30).said


def test_curves_end_where_their_sums_do() -> None:
    """A picture has its values between its first and last day, and an axis that no value passes."""
    drawn = drawing([Curve("a", [(0, 0), (1, 700)]), Curve("b", [(0, 0), (4, 1000)])], of_x=str, of_y=str)
    last = [line.split()[-1].split(",") for _, line, _ in drawn.curves]
    assert last[0][0] == last[1][0]
    assert float(last[0][1]) > float(last[1][1]) >= drawn.up[-1][0]
    many = drawing([Curve("many", [(n, n) for n in range(100_000)])], of_x=str, of_y=str)
    assert len(many.curves[0][1].split()) < 500
    assert drawing([Curve("nothing", [(3, 0)])], of_x=str, of_y=str).curves[0][2] == "0"


def test_every_part_of_what_is_held_has_its_words() -> None:
    """So the rows add up to the bucket."""
    held = Holdings(**dict.fromkeys(HELD_FOR, 2))
    assert sum(row[0] for row in held_of(held)) == held.total


@pytest.fixture
def opens(site: Site, browser: Browser) -> Iterator[Opens]:
    with served(site.store) as server, visits(browser, server.url) as opens:
        yield opens


def test_a_browser_measures_the_space(opens: Opens) -> None:
    """The button leads to the numbers, with and without a script, and nothing is wider than a phone."""
    page = opens(NARROW, script=False).open("/store")
    page.click("text=Measure the space")
    page.wait_for_selector("text=What every byte of the bucket is for")
    assert page.url.endswith("/store")
    shot(page, "store-narrow")
    page = opens().open("/store")
    assert page.evaluate("document.querySelectorAll('.growth .curve').length") == 2
    shot(page, "store")
