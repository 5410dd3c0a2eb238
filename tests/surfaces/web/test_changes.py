"""What may be changed from a page, how, and by whom; and that there is nothing of it unless it is allowed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from tests.support.asgi import Response, ask
from tests.support.browser import NARROW, Opens, Served, served, shot, visits
from tests.support.depth import thinned
from tests.support.pages import new_store

from holdall.store import DESCRIPTION, Store
from holdall.surfaces.web.app import make_app
from holdall.surfaces.web.change_forms import VERBS
from holdall.surfaces.web.changes import MOST
from holdall.surfaces.web.security import Rules
from holdall.surfaces.web.site import Site

if TYPE_CHECKING:
    from playwright.sync_api import Browser

RULES = Rules(frozenset({"localhost"}), token="s3cret", cookie="c")
OWN = {
    "host": "localhost:5050",
    "origin": "http://localhost:5050",
    "cookie": "c=s3cret",
    "content-type": "application/x-www-form-urlencoded",
}


@pytest.fixture
def site() -> Site:
    store = new_store(environment=False, workers=0)
    store.maintenance.create() if not _is_there(store) else None
    for number in (1, 2, 3):
        with store.runs.start(experiment=f"drawn-{id(store)}", name=f"run {number}") as run:
            run.log_text(str(number), "model/weights.txt")
        store.registry.register(f"runs:/{run.id}/model", f"fraud-{id(store)}")
    return Site(store, changes=True)


def _is_there(store: Store) -> bool:
    try:
        return bool(store.id)
    except LookupError:
        return False


@pytest.fixture
def names(site: Site) -> dict[str, str]:
    """What forms are about: a run, its experiment, a model and a version."""
    name = f"fraud-{id(site.store)}"
    version = site.store.registry.get_version(name, 1)
    run = site.store.runs.get(version.run_id)
    return {"id": run.id, "experiment": run.info.experiment_id, "name": name}


def sent(site: Site, verb: str, fields: Mapping[str, str], **headers: str) -> Response:
    given = OWN | {name.replace("_", "-"): value for name, value in headers.items()}
    given = {name: value for name, value in given.items() if value}
    return asyncio.run(
        ask(make_app(site, RULES), "POST", f"/changes/{verb}", urlencode(fields).encode(), headers=given)
    )


def form(site: Site, verb: str, fields: Mapping[str, str]) -> Response:
    return asyncio.run(ask(make_app(site, RULES), "GET", f"/changes/{verb}?{urlencode(fields)}", headers=OWN))


def test_each_verb_changes_what_it_says(site: Site, names: dict[str, str]) -> None:
    """A form is drawn with what is there now; sent, it does it and leads to the page that shows it."""
    store, name = site.store, names["name"]
    run, experiment = {"id": names["id"]}, {"id": names["experiment"]}
    model, version = {"name": name}, {"name": name, "version": "2"}

    def run_tags() -> Mapping[str, str]:
        return store.runs.get(names["id"]).record.data.tags

    def experiment_now() -> object:
        return store.experiments.get(names["experiment"]).lifecycle_stage

    aliased = {"name": name, "alias": "champion"}
    table: list[tuple[str, dict[str, str], Callable[[], object], object]] = [
        ("describe-run", run | {"text": "two\nlines"}, lambda: run_tags()[DESCRIPTION], "two\nlines"),
        ("tag-run", run | {"key": "team", "value": "risk"}, lambda: run_tags()["team"], "risk"),
        ("tag-run", run | {"key": "team", "value": ""}, lambda: run_tags().get("team"), None),
        ("delete-run", run, lambda: store.runs.get(names["id"]).info.lifecycle_stage, "deleted"),
        ("restore-run", run, lambda: store.runs.get(names["id"]).info.lifecycle_stage, "active"),
        ("describe-experiment", experiment | {"text": "x"},
         lambda: store.experiments.get(names["experiment"]).tags[DESCRIPTION], "x"),
        ("tag-experiment", experiment | {"key": "a", "value": "b"},
         lambda: store.experiments.get(names["experiment"]).tags["a"], "b"),
        ("delete-experiment", experiment, experiment_now, "deleted"),
        ("restore-experiment", experiment, experiment_now, "active"),
        ("describe-model", model | {"text": "m"}, lambda: store.registry.get_model(name).description, "m"),
        ("describe-model", version | {"text": "v"}, lambda: store.registry.get_version(name, 2).description, "v"),
        ("tag-model", model | {"key": "a", "value": "b"}, lambda: store.registry.get_model(name).tags["a"], "b"),
        ("tag-model", version | {"key": "a", "value": "c"}, lambda: store.registry.get_version(name, 2).tags["a"], "c"),
        ("alias", aliased | {"version": "1", "expected": "0"}, lambda: store.registry.get_model(name).aliases,
         {"champion": "1"}),
        ("alias", aliased | {"version": "3", "expected": "1"}, lambda: store.registry.get_model(name).aliases,
         {"champion": "3"}),
        ("delete-alias", aliased | {"expected": "3"}, lambda: store.registry.get_model(name).aliases, {}),
    ]  # fmt: skip
    assert {row[0] for row in table} == set(VERBS)
    for verb, fields, look, wanted in table:
        assert form(site, verb, fields).status == 200, verb
        found = sent(site, verb, fields)
        assert (found.status, look()) == (303, wanted), (verb, found.body.decode()[-600:])
        assert found.headers["location"].startswith(("/runs/", "/experiments/", "/models/"))


def test_an_alias_that_moved_meanwhile_stays(site: Site, names: dict[str, str]) -> None:
    """Who was shown another version is told where it is now, and keeps what was chosen."""
    site.store.registry.set_alias(names["name"], "champion", 1)
    wanted = {"name": names["name"], "alias": "champion", "version": "3", "expected": "1"}
    site.store.registry.set_alias(names["name"], "champion", 2)
    found = sent(site, "alias", wanted)
    shown = found.body.decode()
    assert found.status == 409
    assert "is at version 2; nothing changed" in shown
    assert "<option selected>3</option>" in shown
    assert 'name="expected" value="2"' in shown
    assert sent(site, "delete-alias", wanted).status == 409
    assert site.store.registry.get_model(names["name"]).aliases == {"champion": "2"}


def test_what_is_wrong_is_said_beside_what_was_typed(site: Site, names: dict[str, str]) -> None:
    found = sent(site, "tag-run", {"id": names["id"], "key": "<b>no</b>", "value": "<i>kept</i>"})
    assert found.status == 400
    assert b"&lt;i&gt;kept&lt;/i&gt;" in found.body
    assert b"<i>" not in found.body
    assert sent(site, "tag-run", {"id": "0" * 32, "key": "a", "value": "b"}).status == 404
    assert sent(site, "alias", {"name": names["name"]}).status == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://localhost:5051"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"origin": "http://localhost:5050.evil.example"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"cookie": ""}, 401),
        ({"cookie": "c=wrong"}, 401),
        ({"host": "evil.example"}, 421),
        ({"content_type": "text/plain"}, 415),
        ({"content_type": "multipart/form-data; boundary=x"}, 415),
        ({"content_type": "application/json"}, 415),
        ({"content_type": ""}, 415),
    ],
)
def test_only_own_forms_of_who_knows_the_token_change_anything(
    site: Site, names: dict[str, str], headers: dict[str, str], status: int
) -> None:
    """Another site, another port, a sandbox, somebody without the secret, or what a form does not send: refused."""
    found = sent(site, "tag-run", {"id": names["id"], "key": "a", "value": "b"}, **headers)
    assert found.status == status
    assert "a" not in site.store.runs.get(names["id"]).record.data.tags


def test_a_form_is_bounded(site: Site) -> None:
    """In bytes, in fields, and it is text."""
    assert sent(site, "tag-run", {"value": "x" * MOST}).status == 413
    assert sent(site, "tag-run", {f"f{n}": "" for n in range(50)}).status == 413
    app = make_app(site, RULES)
    assert asyncio.run(ask(app, "POST", "/changes/tag-run", b"key=%ff%fe", headers=OWN)).status == 413


def test_without_leave_there_is_nothing_to_change(site: Site, names: dict[str, str]) -> None:
    """No address answers, and no page draws a way to one."""
    reading = Site(site.store)
    for verb in VERBS:
        assert sent(reading, verb, names).status == 404
        assert form(reading, verb, names).status == 404
    shown = asyncio.run(
        ask(make_app(reading, RULES), "GET", f"/models/registered?name={names['name']}", headers=OWN)
    ).body
    assert b"/changes/" not in shown
    assert b'method="post"' not in shown
    assert sent(site, "no-such-verb", names).status == 404


def test_every_way_to_a_change_leads_to_its_form(site: Site, names: dict[str, str]) -> None:
    """The pages of runs, experiments, models and versions have one for each verb."""
    site.store.registry.set_alias(names["name"], "champion", 1)
    deleted = site.store.runs.get(site.store.registry.get_version(names["name"], 2).run_id)
    deleted.delete()
    gone = site.store.experiments.create(f"gone-{names['id']}")
    site.store.experiments.delete(gone)
    model, found = urlencode({"name": names["name"]}), set[str]()
    for path in (
        f"/runs/{names['id']}", f"/runs/{deleted.id}", f"/experiments/{names['experiment']}", f"/experiments/{gone}",
        f"/models/registered?{model}", f"/models/version?{model}&version=1",
    ):  # fmt: skip
        shown = asyncio.run(ask(make_app(site, RULES), "GET", path, headers=OWN))
        assert shown.status == 200, path
        for link in re.findall(r'href="(/changes/[^"]+)"', shown.body.decode()):
            assert asyncio.run(ask(make_app(site, RULES), "GET", unescape(link), headers=OWN)).status == 200, link
            found.add(link.split("/")[2].partition("?")[0])
    assert found == set(VERBS)


@pytest.fixture
def server(site: Site) -> Iterator[Served]:
    with served(site.store, allow_changes=True) as server:
        yield server


@pytest.fixture
def opens(server: Served, browser: Browser) -> Iterator[Opens]:
    with visits(browser, server.url) as opens:
        yield opens


@pytest.mark.parametrize("script", thinned([True, False], 2))
def test_a_browser_moves_an_alias(server: Served, opens: Opens, names: dict[str, str], *, script: bool) -> None:
    """From the start address on, with and without a script; the token is in no address after that."""
    server.site.store.registry.set_alias(names["name"], "champion", 1)
    visit = opens(NARROW if script else (1400, 900), script=script)
    page = visit.open(f"/models/registered?name={names['name']}&token={server.rules.token}")
    assert "token" not in page.url
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0
    visit.follow("text=Move")
    assert "@champion points at version 1 now" in page.inner_text("main")
    page.select_option("select[name=version]", "3")
    shot(page, "alias")
    visit.follow("text=Move the alias")
    page.wait_for_selector("#history")
    assert server.site.store.registry.get_model(names["name"]).aliases == {"champion": "3"}
    visit.expects.add(409)
    visit.follow("text=Move")
    server.site.store.registry.set_alias(names["name"], "champion", 2)
    visit.follow("text=Move the alias")
    assert "is at version 2" in page.inner_text("[role=alert]")
