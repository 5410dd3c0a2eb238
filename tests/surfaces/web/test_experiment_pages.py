"""The list of experiments and the page of one, as the server draws them."""

from __future__ import annotations

import pytest
from tests.support.pages import asked, new_store, page_of, texts
from tests.support.stores import tiny_store

from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RequestCounter, TraceBucket
from holdall.store import Store
from holdall.surfaces.web.site import Site


@pytest.fixture(scope="module")
def store() -> Store:
    store = new_store(environment=False)
    id = store.experiments.create("<b>vision</b>", {"team": "a", "mlflow.note.content": "what\nfor"})
    store.experiments.set_retention(id, last=3)
    for number in range(3):
        with store.runs.start(name=f"run {number}", experiment="<b>vision</b>") as run:
            run.log_text("x" * 10, "a.txt")
            run.log_metrics({"loss": number})
    store.runs.start(experiment="tabular", name="other").finish("FAILED")
    store.experiments.create("empty")
    store.experiments.delete(store.experiments.create("gone"))
    return store


def test_experiments_are_listed_with_their_runs(store: Store) -> None:
    """Names are text; deleted ones are shown when asked for; a part of a name finds them."""
    site = Site(store)
    rows = texts(page_of(site, "/experiments"), "tr")[1:]
    vision = next(row for row in rows if "vision" in row)
    assert vision.startswith("<b>vision</b> 3 ")
    assert "30 B" in vision
    assert "last 3" in vision
    assert "team=a" in vision
    assert any("1 FAILED" in row for row in rows if "tabular" in row)
    assert not any("gone" in row for row in rows)
    assert texts(page_of(site, "/experiments", stage="deleted"), "th", "scope", "row") == ["gone deleted"]
    assert texts(page_of(site, "/experiments", name="TAB"), "th", "scope", "row") == ["tabular"]


@pytest.mark.parametrize(
    ("order", "first"), [("name", "<b>vision</b>"), ("runs", "<b>vision</b>"), ("size", "<b>vision</b>")]
)
def test_experiments_are_sorted(store: Store, order: str, first: str) -> None:
    assert texts(page_of(Site(store), "/experiments", order=order), "th", "scope", "row")[0] == first


def test_the_page_of_an_experiment_has_its_runs(store: Store) -> None:
    """What is known of it, and the table of its runs alone, with the filter and its mistakes."""
    site = Site(store)
    id = store.experiments.id_of("<b>vision</b>")
    html = page_of(site, f"/experiments/{id}", filter="metrics.loss > 0")
    assert texts(html, "h1") == ["<b>vision</b>"]
    assert sorted(texts(html, "th", "scope", "row")) == ["run 1", "run 2"]
    assert "what\nfor" in html
    wrong = asked(site, f"/experiments/{id}", filter="metrics.loss > high")
    assert wrong.status == 400
    assert b'id="mistake"' in wrong.body
    assert asked(site, "/experiments/0123456789abcdef").status == 404


def test_the_list_costs_no_request_for_each_experiment() -> None:
    """Once they are known, a list of many costs none."""
    bucket = TraceBucket(MemoryBucket(), counter := RequestCounter())
    store = tiny_store(bucket)
    for number in range(20):
        store.experiments.create(f"e{number}")
    site = Site(store)
    page_of(site, "/experiments")
    before = counter.total
    page_of(site, "/experiments", name="e1")
    assert counter.total == before


def test_what_was_shredded_is_gone() -> None:
    """Whoever asks for such a run is told so, and that it is nobody's fault; the experiment still has its name."""
    store = tiny_store(MemoryBucket(), sealed=True)
    own = store.experiments.create("patients", encryption="own")
    run = store.runs.start(experiment="patients")
    run.finish()
    store.experiments.shred(own)
    found = asked(Site(store), f"/runs/{run.id}")
    assert found.status == 410
    assert b"were destroyed" in found.body
    assert "patients" in page_of(Site(store), f"/experiments/{own}")
