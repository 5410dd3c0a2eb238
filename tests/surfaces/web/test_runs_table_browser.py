"""The table of runs in a browser: selection, keys, columns, what changes while it is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from tests.support.browser import NARROW, Opens, Served, served, shot, visits
from tests.support.pages import new_store

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    store = new_store(environment=False)
    for number in range(4):
        with store.runs.start(name=f"run {number}", experiment="vision" if number else "tabular") as run:
            run.log_params({"model": "forest", "rate": number})
            run.log_metrics({"loss": number / 10, "val/loss": number / 5})
    with served(store) as server:
        yield server


@pytest.fixture
def opens(server: Served, browser: Browser) -> Iterator[Opens]:
    with visits(browser, server.url) as opens:
        yield opens


def test_a_selection_stays(opens: Opens) -> None:
    """Through sorting, columns and going back; it stands in the address, and leads to the comparison."""
    visit = opens()
    page = visit.open()
    boxes = page.locator("#rows input")
    assert page.locator("#compare").is_disabled()
    assert (page.get_attribute("#charts", "href") or "").count("run=") == 4
    boxes.nth(0).click()
    boxes.nth(2).click(modifiers=["Shift"])
    assert page.inner_text("#picked") == "3 selected"
    ids = [boxes.nth(n).get_attribute("value") for n in range(3)]
    assert page.url.endswith("?" + "&".join(f"run={id}" for id in ids))
    visit.follow("thead button:text-is('loss')")
    assert page.locator("th[aria-sort=descending]").inner_text().startswith("loss")
    assert page.locator("#rows input:checked").count() == 3
    assert (page.get_attribute("#charts", "href") or "").endswith("&".join(f"run={id}" for id in ids) + "&tab=charts")
    visit.follow("#compare")
    assert page.url.split("/compare?")[1].split("&") == [f"run={id}" for id in ids]
    page.go_back()
    assert page.inner_text("#picked") == "3 selected"


def test_columns_are_chosen_and_stay(opens: Opens) -> None:
    """In a dialog that finds keys while one types; what was chosen is there again at the next visit."""
    page = opens().open()
    page.click("#choose")
    page.fill("#find", "val")
    page.wait_for_selector("#found label:has-text('model') >> nth=0", state="attached")
    page.uncheck("dialog label:has-text('rate') input")
    page.check("dialog label:text-is('max') input")
    page.click("dialog button.primary")
    page.wait_for_selector("thead th:has-text('max')")
    heads = page.locator("thead th").all_inner_texts()
    assert "rate" not in heads
    assert "val/loss max" in heads
    page.goto(page.url.split("?")[0])
    page.wait_for_selector("thead th:has-text('max')")
    assert page.locator("thead th").all_inner_texts() == heads


def test_keys_move_over_the_table(opens: Opens) -> None:
    """All that the table does is done without a mouse; and letters that are typed are letters."""
    visit = opens()
    page = visit.open()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.textContent") == page.inner_text("#rows tr:nth-child(2) th")
    page.keyboard.press("x")
    assert page.inner_text("#picked") == "1 selected"
    page.keyboard.press("/")
    page.keyboard.type("jx?c")
    assert page.input_value("#everything") == "jx?c"
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert page.locator("dialog#keys").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("dialog#keys").is_visible()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/*")
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.wait_for_selector("#rows")


def test_a_mistake_keeps_the_focus_in_the_filter(opens: Opens) -> None:
    """The cursor stands where the mistake is."""
    visit = opens()
    visit.expects.add(400)
    page = visit.open()
    page.fill("#filter", "metrics.loss < high")
    page.keyboard.press("Enter")
    page.wait_for_selector("#mistake")
    page.wait_for_load_state()
    assert page.evaluate("[document.activeElement.id, document.activeElement.selectionStart]") == ["filter", 15]


def test_what_goes_on_is_seen(server: Served, opens: Opens) -> None:
    """A run that goes on shows its new values, and a new one comes, while selection, focus and scrolling stay."""
    page = opens().open()
    page.locator("#rows input").nth(1).check()
    page.keyboard.press("j")
    row = page.evaluate("document.activeElement.closest('tr').id")
    with server.site.store.runs.start(name="new", experiment="vision") as run:
        run.log_metrics({"loss": 0.75})
        run.flush()
        server.site.index.refresh()
        page.evaluate("htmx.trigger('#live', 'refresh')")
        page.wait_for_selector("#rows tr >> nth=4")
        new = page.locator("#rows tr", has_text="new").inner_text()
        assert "0.75" in new
        assert "running" in new
        assert page.locator("#rows input:checked").count() == 1
        assert page.evaluate("document.activeElement.closest('tr').id") == row
        run.log_metrics({"loss": 0.5})
        run.flush()
        server.site.index.refresh()
        page.evaluate("htmx.trigger('#live', 'refresh')")
        page.wait_for_selector("#rows td:text-is('0.5')")
    run.delete()
    server.site.index.refresh()


def test_the_table_works_without_a_script(opens: Opens) -> None:
    """Filter, order, columns and comparison are forms."""
    visit = opens(script=False)
    page = visit.open("/?filter=metrics.loss+>+0")
    assert page.locator("#rows tr").count() == 3
    page.locator("#rows input").nth(1).check()
    visit.follow("thead button:text-is('rate')")
    assert page.locator("#rows tr").count() == 3
    assert page.locator("#rows input:checked").count() == 1
    visit.follow("#choose")
    page.fill("#find", "loss")
    visit.follow("text=Find")
    page.uncheck("label:has-text('val/loss') input")
    visit.follow("text=Show")
    assert "val/loss" not in page.locator("thead").inner_text()
    assert page.locator("#rows tr").count() == 3


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_shows_the_table_in_a_box(opens: Opens, dark: bool) -> None:
    """The page itself does not scroll sideways, whatever the table's width."""
    page = opens(NARROW, dark=dark).open()
    assert page.evaluate("document.documentElement.scrollWidth") == NARROW[0]
    shot(page, f"runs-narrow-{dark}")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("[data-theme-switch]")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != ground
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != ground
