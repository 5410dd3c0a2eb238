"""A run's page: what its tabs show, how little they ask for, and how its files are sent."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from tests.support.asgi import Response, ask
from tests.support.browser import Opens, served, shot, visits
from tests.support.depth import DEEP
from tests.support.pages import new_store

from holdall.chunks.pool import Pool
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import Request, TraceBucket
from holdall.store import Run, Store
from holdall.surfaces.web.app import make_app
from holdall.surfaces.web.artifact_bytes import disposition
from holdall.surfaces.web.security import Rules
from holdall.surfaces.web.site import Site
from holdall.trees.source import bytes_item

if TYPE_CHECKING:
    from playwright.sync_api import Browser

RULES = Rules(frozenset({"localhost"}))
DATA = bytes(range(256)) * 16
MANY = 10_000 if DEEP else 2_000


@pytest.fixture(scope="module")
def requests() -> list[Request]:
    return []


@pytest.fixture(scope="module")
def store(requests: list[Request]) -> Store:
    return Store._over(TraceBucket(MemoryBucket(), requests.append), Pool())


@pytest.fixture(scope="module")
def run(store: Store) -> Run:
    with store.runs.start(name="training", experiment="vision", description="*first*", tags={"team": "a"}) as run:
        run.log_params({"rate": 0.1, "optimizer": "adam"})
        for step in range(3):
            run.log_metrics({"loss": 1 - step / 4, "system/cpu": 50.0}, step=step)
        run.log_bytes(DATA, "data/blob.bin")
        run.log_text("all is well", "report.txt")
        run.log_bytes(b"GIF89a\x01\x00\x01\x00", "dot.txt")
    return run


def asked(
    store: Store, name: str, run: Run, method: str = "GET", headers: dict[str, str] | None = None, **query: object
) -> Response:
    path = f"/runs/{run.id}{'' if name == 'run' else '/' + name}"
    given = {"host": "localhost", **(headers or {})}
    return asyncio.run(ask(make_app(Site(store), RULES), method, f"{path}?{urlencode(query)}", headers=given))


@pytest.mark.parametrize(
    ("tab", "most", "texts"),
    [
        ("overview", 5, ["<em>first</em>", "0.5", "optimizer", "new to the store", "System metrics"]),
        ("charts", 5, ['data-key="loss"']),
        ("artifacts", 6, ["report.txt", "data/", "1 file, 4.0 KiB"]),
        ("environment", 6, ["Packages", "python"]),
        ("lineage", 8, ["Made of"]),
    ],
)
def test_a_tab_asks_for_little(
    store: Store, run: Run, requests: list[Request], tab: str, most: int, texts: list[str]
) -> None:
    """A tab costs the run's log, its experiment's name, and what it shows of its own; never a request for a row."""
    del requests[:]
    body = asked(store, "run", run, tab=tab).body.decode()
    assert len(requests) <= most
    assert [text for text in texts if text not in body] == []


def test_what_is_looked_for_is_found_by_the_server(store: Store, run: Run) -> None:
    """A search among params, metrics and tags stands in the address, and needs no script."""
    body = asked(store, "run", run, find="OPTIM").body.decode()
    assert "optimizer" in body
    assert ">rate<" not in body


def test_a_run_that_goes_on_shows_itself_again(store: Store, run: Run) -> None:
    """Its page asks for what may have changed, until it has ended."""
    going = store.runs.start(name="going", experiment="vision")
    assert 'hx-trigger="every 5s"' in asked(store, "run", going).body.decode()
    assert 'hx-trigger="every 5s"' in asked(store, "run", going, part="live").body.decode()
    going.finish()
    assert "every 5s" not in asked(store, "run", going, part="live").body.decode()
    assert "every 5s" not in asked(store, "run", run).body.decode()


def test_a_large_directory_comes_in_parts(store: Store, requests: list[Request]) -> None:
    """Of thousands of files in a folder some are shown, and where to go on; all come, each once."""
    with store.runs.start() as many:
        many._log_items([bytes_item(f"many/{n:05}", b"x") for n in range(MANY)])
    del requests[:]
    seen: list[str] = []
    after = ""
    while True:
        body = asked(store, "run", many, part="level", path="many", after=after).body.decode()
        seen += re.findall(r"href=\"/runs/\w+/artifact\?path=many%2F(\d{5})\"", body)
        found = re.search(r"after=many%2F(\d{5})", body)
        if not found:
            break
        after = f"many/{found[1]}"
    assert seen == [f"{n:05}" for n in range(MANY)]
    assert len(requests) <= 8 * MANY // 200


def test_bytes_are_sent_whole_and_in_ranges(store: Store, run: Run) -> None:
    """A download is what was logged; ranges are as HTTP has them; HEAD reads nothing; nothing is taken for a page."""
    whole = asked(store, "raw", run, path="data/blob.bin")
    assert (whole.status, whole.body) == (200, DATA)
    assert whole.headers["content-disposition"].startswith('attachment; filename="blob.bin"')
    assert whole.headers["content-type"] == "application/octet-stream"
    assert "sandbox" in whole.headers["content-security-policy"]
    for given, start, stop in (("bytes=0-9", 0, 10), ("bytes=4000-", 4000, 4096), ("bytes=-5", 4091, 4096)):
        part = asked(store, "raw", run, headers={"range": given}, path="data/blob.bin")
        assert (part.status, part.body) == (206, DATA[start:stop])
        assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/4096"
    assert asked(store, "raw", run, headers={"range": "bytes=4096-"}, path="data/blob.bin").status == 416
    changed = {"range": "bytes=0-9", "if-range": '"other"'}
    assert asked(store, "raw", run, headers=changed, path="data/blob.bin").status == 200
    head = asked(store, "raw", run, "HEAD", path="data/blob.bin")
    assert (head.status, head.headers["content-length"], head.body) == (200, "4096", b"")
    assert asked(store, "raw", run, path="dot.txt").headers["content-type"] == "image/gif"


@pytest.mark.parametrize("name", ["raw", "sandbox", "artifact"])
@pytest.mark.parametrize("path", ["nothing", "../report.txt", "data", "", "a\0b", "/etc/passwd"])
def test_what_is_not_there_is_an_error_page(store: Store, run: Run, name: str, path: str) -> None:
    """A path that the run does not hold, or that can be none, is an error that says so."""
    found = asked(store, name, run, path=path)
    assert found.status in (400, 404) or (name, path) in [("artifact", "data"), ("artifact", "")]


@pytest.mark.parametrize(
    "name", ["a\r\nb: c.txt", 'a"; x="y', "../../etc/passwd", "\u202egnp.exe", "", "." * 9, "n" * 500]
)
def test_a_name_cannot_leave_its_header(name: str) -> None:
    """Whatever a file is called, the header is one line with one short name in it."""
    found = disposition(name)
    assert re.fullmatch(r"attachment; filename=\"[ -!#-~]{1,120}\"; filename\*=UTF-8''[\w.%~+=@,()\[\]-]+", found)
    assert found.isascii()


def test_versions_of_a_file_are_listed(store: Store) -> None:
    """Of a versioned run, what a path held before can be looked at."""
    with store.runs.start(paths="versioned") as versioned:
        for epoch in range(3):
            versioned.log_text(f"epoch {epoch}", "last.txt", on_conflict="replace")
    body = asked(store, "artifact", versioned, path="last.txt").body.decode()
    assert "epoch 2" in body
    earlier = [int(n) for n in re.findall(r"version=(\d+)", body)]
    assert "epoch 1" in asked(store, "artifact", versioned, path="last.txt", version=max(earlier)).body.decode()


def test_what_is_elsewhere_is_read_only_when_somebody_says_so() -> None:
    """A page of what is elsewhere says where it is; its bytes are fetched by a link."""
    store = new_store(environment=False, references=["memory://"])
    Store.open("memory://pages-facts").maintenance.create()
    with store.runs.start() as run:
        run.log_reference("memory://pages-facts/holdall.json", "facts.json")
    body = asked(store, "artifact", run, path="facts.json").body.decode()
    assert "memory://pages-facts/holdall.json" in body
    assert "SHA-256" not in body
    assert "JSON" in asked(store, "artifact", run, path="facts.json", read="1").body.decode()


def test_lineage_goes_both_ways(store: Store, run: Run) -> None:
    """What a run read and who read it are links, its parts too."""
    child = store.runs.start(name="child", parent=run.id)
    child.use_artifact(f"runs:/{run.id}/report.txt")
    child.finish()
    above = asked(store, "run", child, tab="lineage").body.decode()
    assert f"/runs/{run.id}/artifact?path=report.txt" in above
    below = asked(store, "run", run, part="readers").body.decode()
    assert below.count(f'href="/runs/{child.id}"') == 2


def test_all_files_have_one_digest(store: Store, run: Run) -> None:
    """It is computed when it is asked for, and is that of the manifest."""
    assert run.manifest_digest in asked(store, "run", run, part="digest").body.decode()


@pytest.fixture
def opens(store: Store, browser: Browser) -> Iterator[Opens]:
    with served(store) as server, visits(browser, server.url) as opens:
        yield opens


def test_a_reader_finds_copies_and_opens(opens: Opens, run: Run) -> None:
    """Rows are found as one types, a folder opens in place, and a file is shown beside it, at an address of its own."""
    visit = opens()
    page = visit.open(f"/runs/{run.id}")
    page.fill("input[name=find]", "optim")
    assert page.is_visible("text=optimizer")
    assert not page.is_visible("#params >> text=rate")
    assert page.url.endswith("find=optim")
    visit.follow("nav.tabs >> text=Artifacts")
    page.click("summary:has-text('data/')")
    page.click(".inside >> text=blob.bin")
    page.wait_for_selector("#preview .hex")
    assert page.url.endswith("/artifact?path=data%2Fblob.bin")
    shot(page, "run-artifacts")


def test_the_frame_is_the_same_on_every_page(opens: Opens, run: Run) -> None:
    """What stands at the top of a page stands there on the next one, whatever sheets it has of its own."""
    page = opens()
    boxes = "[...document.querySelectorAll('.top *')].map((one) => JSON.stringify(one.getBoundingClientRect())).join()"
    addresses = ["/help", "/", f"/runs/{run.id}", f"/runs/{run.id}/artifact?path=report.txt", f"/compare?run={run.id}"]
    found = {address: page.open(address).evaluate(boxes) for address in [*addresses, "/models", "/store", "/diff"]}
    assert len({*found.values()}) == 1
