"""Search over everything: what the core finds, and where the page leads."""

from __future__ import annotations

from hashlib import sha256

import pytest
from tests.support.pages import asked, new_store, page_of, texts

from holdall.errors import InvalidArgumentError
from holdall.store import Store, finding
from holdall.surfaces.web.site import Site


@pytest.fixture(scope="module")
def store() -> Store:
    store = new_store(environment=False)
    with store.runs.start(name="<i>forest</i>", experiment="vision", description="the oak") as run:
        run.log_params({"kind": "maple"})
        run.set_tags({"team": "birch"})
        run.log_text("leaves", "trees/elm.txt")
        run.log_text("leaves", "again.txt")
        run.log_text("bark", "bark.txt")
    store.registry.register(f"runs:/{run.id}/trees", "Willow")
    store.registry.set_alias("Willow", "rowan", 1)
    return store


def found(store: Store, text: str) -> list[tuple[str, str]]:
    return [(match.kind, match.why) for match in store.search(text).found]


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("FOREST", [("run", "name")]),
        ("maple", [("run", "param kind=maple")]),
        ("birch", [("run", "tag team=birch")]),
        ("oak", [("run", "description the oak")]),
        ("visio", [("experiment", "name")]),
        ("willow", [("model", "name")]),
        ("rowan", [("version", "alias rowan")]),
        ("elm", [("artifact", "<i>forest</i>")]),
        ("nothing like it", []),
        ("  ", []),
    ],
)
def test_a_text_is_found_wherever_it_stands(store: Store, text: str, kinds: list[tuple[str, str]]) -> None:
    assert found(store, text) == kinds


def test_an_address_means_just_what_it_names(store: Store) -> None:
    """Ids, digests and addresses are not looked for in texts."""
    run = store.runs.search()[0].info.run_id
    for text, kind in ((run, "run"), (f"runs:/{run}/trees/elm.txt", "artifact"), ("models:/Willow/1", "version")):
        matches = store.search(text)
        assert (matches.exact, [match.kind for match in matches.found]) == (True, [kind])
    digest = sha256(b"leaves").hexdigest()
    assert [m.detail for m in store.search(f"sha256:{digest}").found] == ["again.txt", "trees/elm.txt"]
    assert found(store, run[:8])[0][0] == "run"


def test_what_was_not_looked_at_is_said(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Artifacts are looked for in the newest runs alone."""
    assert store.search("elm").left_out == []
    monkeypatch.setattr(finding, "RECENT", 0)
    assert "not in 1 older ones" in store.search("elm").left_out[0]


def test_a_search_is_bounded(store: Store) -> None:
    """Of many that fit few are returned, and how many more there are is said; endless texts are refused."""
    other = new_store(environment=False)
    for number in range(5):
        other.runs.start(name=f"alike {number}").finish()
    matches = other.search("alike", limit=2)
    assert (len(matches.found), matches.more) == (2, {"run": 3})
    with pytest.raises(InvalidArgumentError):
        store.search("x" * 1001)
    with pytest.raises(InvalidArgumentError):
        store.search("x", limit=0)


def test_the_page_shows_what_was_found_or_leads_there(store: Store) -> None:
    """Names are text; an id leads straight to its page."""
    site = Site(store)
    html = page_of(site, "/search", q="forest")
    assert texts(html, "th", "scope", "row") == ["<i>forest</i>"]
    assert 'value="forest"' in html
    run = store.runs.search()[0].info.run_id
    led = asked(site, "/search", q=run)
    assert (led.status, led.headers["location"]) == (303, f"/runs/{run}")
    assert "Nothing has this text" in page_of(site, "/search", q="nothing like it")
    assert page_of(site, "/search")
