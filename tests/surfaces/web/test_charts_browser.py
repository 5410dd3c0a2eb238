"""Curves and plots in a browser: drawn, labelled, zoomed, live, and with names that want to be more than text."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.browser import NARROW, Opens, Served, served, shot, visits
from tests.support.stores import tiny_store

from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.store import Store

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

STRANGE = '<img src=x onerror="alert(1)">'
WORDS = ["adamw_with_a_very_long_name_that_ends_in_1", "adamw_with_a_very_long_name_that_ends_in_2"]
POINTS = 3000
SAID, PLOT = ".chart-said", ".chart-plot"


@pytest.fixture(scope="module")
def store() -> Store:
    return tiny_store(MemoryBucket(), create=True)


@pytest.fixture(scope="module")
def runs(store: Store) -> list[Run]:
    """Three runs, of which the last one goes on, and has a strange name."""
    found = [store.runs.start(name=name) for name in ("first", "second", STRANGE)]
    for n, run in enumerate(found):
        run.log_params({"rate": 10.0**-n, "optimizer": WORDS[n % 2], "note": STRANGE})
        points = [("train/loss", 2 + n + math.cos(step / 90), step, 1000 * step) for step in range(POINTS)]
        points[7] = ("train/loss", math.nan, 7, 7000)
        points += [("best", n, 5, 5000), ("signed", n - 1, 1, 1000), ("signed", 2, 2, 2000)]
        run.log_batch(metrics=points)
    for run in found[:2]:
        run.finish()
    return found


@pytest.fixture(scope="module")
def server(store: Store) -> Iterator[Served]:
    with served(store) as server:
        yield server


@pytest.fixture
def opens(server: Served, browser: Browser) -> Iterator[Opens]:
    with visits(browser, server.url) as opens:
        yield opens


def address(runs: list[Run], tab: str, **more: Any) -> str:
    pairs = [("run", run.id) for run in runs] + [("tab", tab)] + list(more.items())
    return "/compare?" + "&".join(f"{key}={value}" for key, value in pairs)


def chart(page: Page, key: str) -> Any:
    found = page.locator(f'.chart[data-key="{key}"]').first
    found.scroll_into_view_if_needed()
    page.locator(f'.chart[data-key="{key}"][data-state="drawn"]').first.wait_for()
    return found


def inked(figure: Any) -> int:
    """How many pixels of a chart's canvas are not empty."""
    count = figure.locator("canvas").evaluate(
        "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.filter((v, n) => n % 4 === 3 && v).length"
    )
    assert isinstance(count, int)
    return count


def test_curves_are_drawn_labelled_zoomed_and_read(opens: Opens, runs: list[Run]) -> None:
    """A chart says how many of its points it shows; a zoom shows all that there are; keys move through it."""
    page = opens().open(address(runs, "charts"))
    loss = chart(page, "train/loss")
    assert inked(loss) > 1000
    said = loss.locator(SAID).inner_text()
    shown, _, rest = said.partition(" of 9,000 points")
    assert 600 < int(shown.replace(",", "")) < 1500
    assert rest == " · 3 not finite"
    shot(page, "charts")
    loss.locator(PLOT).focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    rows = loss.locator(".chart-box tr")
    assert [row.split("\t")[1] for row in rows.all_inner_texts()] == [STRANGE, "second", "first"]
    box = loss.locator(".u-over").bounding_box()
    assert box
    page.mouse.move(box["x"] + 50, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 70, box["y"] + 40, steps=3)
    page.mouse.up()
    page.locator(".chart-reset:enabled").wait_for()
    chart(page, "train/loss")
    low, high = (int(end) for end in page.url.partition("zoom=")[2].replace("%3A", ":").split(":"))
    assert loss.locator(SAID).inner_text() == f"{3 * (high - low + 1):,} points"
    page.reload(wait_until="networkidle")
    assert chart(page, "train/loss").locator(SAID).inner_text() == f"{3 * (high - low + 1):,} points"
    chart(page, "train/loss").locator(".u-over").dblclick()
    page.locator(".chart-reset:disabled").wait_for()
    assert "zoom=" not in page.url


def test_axes_scales_and_smoothing_stand_in_the_address(opens: Opens, runs: list[Run]) -> None:
    """What a log scale cannot show is said; a smoothed curve has the measured one behind it; a table says it all."""
    page = opens(NARROW, dark=True).open(address(runs, "charts"))
    signed = chart(page, "signed")
    page.locator(".chart-log").check()
    page.locator(".chart-axis").select_option("relative")
    page.locator(".chart-smooth").fill("0.5")
    page.wait_for_url("**smooth=0.5**")
    signed = chart(page, "signed")
    assert signed.locator(SAID).inner_text() == "6 points · 2 of 0 or less cannot be shown on a log scale"
    assert {"axis=relative", "log=1", "smooth=0.5"} <= set(page.url.partition("?")[2].split("&"))
    assert (
        page.evaluate("[...holdallCharts.panel.cards.values()].find((c) => c.key === 'signed').plot.series.length") == 7
    )
    signed.locator(".chart-table").click()
    assert signed.locator("thead").inner_text().split() == ["Time", "Run", "Value", "Smoothed"]
    assert signed.locator("tbody tr").count() == 6
    assert "smooth=0.5" in (page.locator(".chart-prefixes a").first.get_attribute("href") or "")
    shot(page, "charts-narrow")


def test_a_live_run_gains_points(opens: Opens, runs: list[Run]) -> None:
    """What a run logs while its page is open appears there, and only that is sent."""
    visit = opens()
    sizes: list[int] = []
    page = visit.open(address(runs[2:], "charts"))
    signed = chart(page, "signed")
    page.on("response", lambda response: sizes.append(len(response.body())))
    assert signed.locator(SAID).inner_text() == "2 points"
    runs[2].log_batch(metrics=[("signed", 5, 3, 3000)])
    page.evaluate("holdallCharts.panel.look()")
    assert signed.locator(SAID).inner_text() == "3 points"
    assert page.locator(".chart-live").inner_text() == "live"
    assert max(sizes) < 1000


@pytest.mark.deep
def test_twelve_thousand_metrics_do_not_freeze_a_page(opens: Opens, store: Store) -> None:
    """A page has 60 charts, draws those in view, and finds the others by name."""
    with store.runs.start(name="many") as run:
        run.log_metrics({f"layer{n:05}/norm": n for n in range(12_000)})
    page = opens().open(address([run], "charts"))
    page.locator('.chart[data-state="drawn"]').first.wait_for()
    assert page.locator(".chart").count() == 60
    assert page.locator("canvas").count() <= 20
    assert page.evaluate("document.querySelectorAll('*').length") < 2500
    page.locator(".chart-find input[name=find]").fill("11999")
    page.locator('.chart[data-key="layer11999/norm"]').wait_for()
    assert page.locator(".chart").count() == 1
    assert chart(page, "layer11999/norm").locator(SAID).inner_text() == "1 point"
    assert "find=11999" in page.url


def test_plots_have_whole_labels(opens: Opens, runs: list[Run]) -> None:
    """No label is cut, and no two values become one; brushes and what is looked at work by hand and by keys."""
    page = opens().open(address(runs, "parallel", colour="metrics.best"))
    lines = page.locator(".plot-place path.run")
    lines.first.wait_for()
    labels = ["".join(label.locator("tspan").all_text_contents()) for label in page.locator(".axis .halo").all()]
    assert set(WORDS) <= set(labels)
    paths = [line.get_attribute("d") for line in lines.all()]
    assert len(set(paths)) == 3
    page.locator(".plot-place svg").focus()
    page.keyboard.press("ArrowDown")
    assert page.locator(".plot-said").inner_text().startswith("first: ")
    bar = page.locator(".bar[data-axis]").first.bounding_box()
    assert bar
    page.mouse.move(bar["x"] + 11, bar["y"] + 2)
    page.mouse.down()
    page.mouse.move(bar["x"] + 11, bar["y"] + bar["height"] / 2, steps=3)
    page.mouse.up()
    assert page.locator(".plot-count").inner_text() == "1 of 3 runs"
    assert "brush=" in page.url
    shot(page, "parallel")
    page.reload(wait_until="networkidle")
    assert page.locator(".plot-count").inner_text() == "1 of 3 runs"
    page.locator(".plot-these").click()
    assert page.locator("h1").inner_text() == "1 run side by side"


def test_runs_are_dots_of_any_two_columns(opens: Opens, runs: list[Run]) -> None:
    page = opens(dark=True).open(address(runs, "scatter", x="params.rate", y="params.optimizer", logx=1))
    assert page.locator(".plot-place circle[data-run]").count() == 3
    page.locator(".plot-colour").select_option("params.note")
    page.locator(".plot-place svg").focus()
    page.keyboard.press("ArrowRight")
    assert f"params.note {STRANGE}" in page.locator(".plot-said").inner_text()
    assert "colour=params.note" in page.url
    shot(page, "scatter")


@pytest.mark.deep
def test_a_hundred_runs_are_side_by_side(opens: Opens, store: Store) -> None:
    """Their names and those of what differs stay in view; ten of them are drawn, and others on demand."""
    runs = [store.runs.start(name=f"run {n}") for n in range(100)]
    for n, run in enumerate(runs):
        run.log_params({"seed": n})
        run.log_metrics({"loss": n}, step=n)
        run.finish()
    page = opens().open(address(runs, "differences"))
    assert page.locator("th.run").count() == 100
    first = page.locator("tbody th.stuck").last
    left = first.evaluate("e => e.getBoundingClientRect().left")
    page.locator(".scroll").evaluate("e => e.scrollTo(5000, 0)")
    assert first.evaluate("e => e.getBoundingClientRect().left") == left
    page.goto(page.url + "&tab=charts", wait_until="networkidle")
    assert chart(page, "loss").locator(SAID).inner_text() == "10 points"
    page.locator(".chart-runs input").nth(50).check()
    page.wait_for_url("**draw=**")
    assert chart(page, "loss").locator(SAID).inner_text() == "11 points"


def test_a_run_shows_its_curves(opens: Opens, runs: list[Run]) -> None:
    """The tab of a run draws the same charts; one that is pinned comes first, and over the whole width if asked."""
    page = opens().open(f"/runs/{runs[0].id}?tab=charts")
    loss = chart(page, "train/loss")
    assert inked(loss) > 1000
    loss.locator(".chart-pin").click()
    page.locator(".chart-group summary", has_text="Pinned").wait_for()
    loss = chart(page, "train/loss")
    narrow = loss.bounding_box()
    loss.locator(".chart-wide").click()
    wide = loss.bounding_box()
    assert narrow
    assert wide
    assert wide["width"] > 2 * narrow["width"]
    assert page.url.endswith("key=train%2Floss&wide=train%2Floss")
    with page.expect_download() as kept:
        loss.locator(".chart-csv").click()
    assert kept.value.path().read_text().count("\n") == POINTS + 1
