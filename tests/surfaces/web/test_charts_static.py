"""Charts and plots of a static site: no server answers, so their points lie in files and a script does the rest."""

from __future__ import annotations

import math
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.browser import Opens, visits
from tests.support.stores import tiny_store

from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.store import Store
from holdall.surfaces.web.addresses import Query
from holdall.surfaces.web.compare import compare
from holdall.surfaces.web.page import Page
from holdall.surfaces.web.rendering import render
from holdall.surfaces.web.series_data import series
from holdall.surfaces.web.site import Site
from holdall.surfaces.web.static_files import STATIC

if TYPE_CHECKING:
    from playwright.sync_api import Browser


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    store = tiny_store(MemoryBucket(), create=True)
    found = [store.runs.start(name=f"run {n}") for n in range(2)]
    for n, run in enumerate(found):
        run.log_params({"rate": n})
        run.log_batch(metrics=[("loss", math.sin(s) + n, s, 1000 * (30 - s)) for s in range(20)])
        run.log_batch(metrics=[("loss", math.nan, 20, 10_000), ("best", n, 0, 0)])
        run.finish()
    return found


@pytest.fixture(scope="module")
def published(runs: list[Run], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A site of two pages, with their points in files, served as any server of files does it."""
    folder = tmp_path_factory.mktemp("site")
    asked: list[dict[str, Any]] = []

    def link(name: str, arguments: dict[str, Any]) -> str:
        if name == "static":
            return f"static/{arguments['file']}"
        if name != "series":
            return "charts.html"
        asked.append(arguments)
        return f"points-{len(asked) - 1}.json"

    site = Site(Store(runs[0]._location), link=link, static=True)
    for tab in ("charts", "parallel"):
        page = compare(site, Query({}, [*(("run", run.id) for run in runs), ("tab", tab)]))
        assert isinstance(page, Page)
        (folder / f"{tab}.html").write_text(render(site, page))
    for n, one in enumerate(asked):
        pairs = [("run", id) for id in one["run"]] + [("key", key) for key in one["key"]]
        (folder / f"points-{n}.json").write_bytes(series(site, Query({}, pairs)).content)
    shutil.copytree(STATIC, folder / "static")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def opens(published: str, browser: Browser) -> Iterator[Opens]:
    with visits(browser, published) as opens:
        yield opens


def test_curves_are_drawn_from_files(opens: Opens) -> None:
    """Axes, scales and smoothing are made of the points that are there, by the server's rules."""
    page = opens().open("/charts.html")
    loss = page.locator('.chart[data-key="loss"]')
    page.locator('.chart[data-key="loss"][data-state="drawn"]').wait_for()
    assert loss.locator("canvas").count() == 1
    assert loss.locator(".chart-said").inner_text() == "42 points · 2 not finite"
    card = "[...holdallCharts.panel.cards.values()].find((c) => c.key === 'loss')"
    page.locator(".chart-axis").select_option("time")
    page.wait_for_url("**axis=time**")
    page.locator('.chart[data-key="loss"][data-state="drawn"]').wait_for()
    times = page.evaluate(f"{card}.curves()[0].series.x")
    assert times == sorted([*range(11_000, 31_000, 1000), 10_000])
    assert page.evaluate(f"{card}.curves()[0].series.marks") == [{"x": 10_000, "value": "NaN"}]


def test_a_script_smooths_as_the_server_does(opens: Opens, runs: list[Run]) -> None:
    found = Store(runs[0]._location).runs.histories([runs[0]], ["loss"], smoothing=0.7)[runs[0].id, "loss"]
    page = opens().open("/charts.html")
    values = page.evaluate("(given) => holdallCharts.smoothed(given, 0.7)", found.to_dictionary()["values"])
    assert values == pytest.approx([value if math.isfinite(value) else None for value in found.smoothed or ()])


def test_plots_are_drawn_without_a_server(opens: Opens) -> None:
    page = opens().open("/parallel.html")
    assert page.locator(".plot-place path.run").count() == 2
    assert page.locator(".plot-place .axis").count() == 2
    page.locator(".plot-axes summary").click()
    page.locator(".plot-axis").first.click()
    assert page.locator(".plot-place .axis").count() == 1
    assert page.url.endswith("?col=metrics.best")
