"""What axe-core finds on the pages: whoever reads them with a screen reader, a keyboard or weak eyes can."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.browser import NARROW, WIDE, Opens, Served, served, visits
from tests.support.depth import thinned
from tests.support.hostile import png
from tests.support.pages import new_store

from holdall.store import Run, Store

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

AXE = (Path(__file__).parents[2] / "support" / "axe" / "axe.min.js").read_text()
LOOKS = [(WIDE, False), (NARROW, True), (WIDE, True), (NARROW, False)]
WORDS = ("serious", "critical")
FILES = {
    "code.py": b"print(1)\n" * 60,
    "config.json": b'{"a": {"b": [1, 2]}}',
    "table.csv": b"a,b\n1,2\n",
    "notes.md": b"# Title\n\n|a|\n|-|\n|1|",
    "picture.png": png(8, 8),
    "plot.html": b"<!doctype html><html lang=en><title>t</title><main><h1>Plot</h1></main>",
    "blob.bin": bytes(range(256)),
    "notes.ipynb": b'{"cells": [{"cell_type": "code", "source": "1", "outputs": []}]}',
}


def _run(store: Store, name: str, **given: Any) -> Run:
    with store.runs.start(name=name, description="A *note*", tags={"team": "a"}, **given) as run:
        run.log_params({"rate": 0.1, "layers": 3})
        for step in range(3):
            run.log_metrics({"loss": 1 / (step + 1), "system/cpu": 1.0}, step=step)
        for path, data in FILES.items():
            run.log_bytes(data, f"files/{path}")
    return run


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    store = new_store()
    first = _run(store, "first", experiment="vision")
    second = _run(store, "second", experiment="vision", parent=first.id)
    with store.runs.start(name="third", experiment="vision") as third:
        third.use_artifact(f"runs:/{second.id}/files/code.py")
        store.log_model(
            third, lambda model_input: model_input, "model", registered_model_name="m", pip_requirements=["a"]
        )
    store.registry.set_alias("m", "champion", 1)
    with served(store) as server:
        yield server


@pytest.fixture
def opens(server: Served, browser: Browser) -> Iterator[Opens]:
    with visits(browser, server.url) as opens:
        yield opens


def _addresses(store: Store) -> list[str]:
    runs = {found.info.run_name: found.info for found in store.runs.search()}
    first, second, third = (runs[name].run_id for name in ("first", "second", "third"))
    tabs = ("overview", "charts", "artifacts", "environment", "lineage")
    pages = ["/", "/experiments", f"/experiments/{runs['first'].experiment_id}", "/models", "/models/registered?name=m"]
    pages += [
        "/models/version?name=m&version=1",
        "/store",
        "/search?q=first",
        f"/compare?run={first}&run={second}",
        "/nowhere",
    ]
    pages += [
        f"/diff?a=runs:/{first}&b=runs:/{second}",
        f"/runs/{third}/model?path=model",
        f"/runs/{third}?tab=lineage",
    ]
    pages += [f"/runs/{first}?tab={tab}" for tab in tabs]
    return pages + [f"/runs/{first}/artifact?path=files/{path}" for path in FILES]


def _serious(page: Page) -> list[str]:
    """What axe finds in a page that keeps somebody from using it. It is put in past the policy, as a debugger does."""
    page.evaluate(AXE)
    told: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations'], iframes: false})")
    found = [one for one in told["violations"] if one["impact"] in WORDS]
    return [f"{one['id']}: {node['html'][:200]}" for one in found for node in one["nodes"][:3]]


def test_axe_finds_nothing_serious(opens: Opens, server: Served) -> None:
    """On no page, light or dark, wide or narrow; by default every third page in one look, another one each time."""
    problems = {}
    visits = [opens(size, dark=dark) for size, dark in LOOKS]
    looks = [(address, at) for address in _addresses(server.site.store) for at in range(len(LOOKS))]
    for address, at in thinned(looks, 6 * len(LOOKS) + 1):
        visits[at].expects |= {404}
        page = visits[at].page
        later = "tab=charts" in address or "tab=lineage" in address
        page.goto(visits[at].url + address, wait_until="networkidle" if later else "load")
        if found := _serious(page):
            problems[address, *LOOKS[at]] = found
    assert not problems, "\n".join(f"{where}: {found}" for where, found in problems.items())
