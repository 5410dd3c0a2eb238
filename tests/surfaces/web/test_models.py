"""The pages of registered models and their versions: what they show, and how much they ask the bucket for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from tests.support.browser import NARROW, Opens, served, shot, visits
from tests.support.pages import asked, page_of

from holdall.chunks.pool import Pool
from holdall.format.signature import PREFIX
from holdall.modeling.signatures.schema import ColSpec, Schema
from holdall.modeling.signatures.signature import ModelSignature
from holdall.signing.keys import SigningKey
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import Request, TraceBucket
from holdall.store import Store, from_numpy
from holdall.surfaces.web.models import steps_of
from holdall.surfaces.web.site import Site

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HOSTILE = "<img src=x onerror=alert(1)>"
SIGNATURE = ModelSignature(inputs=Schema([ColSpec("double", "amount"), ColSpec("string", HOSTILE, required=False)]))


@pytest.fixture(scope="module")
def requests() -> list[Request]:
    return []


@pytest.fixture(scope="module")
def store(requests: list[Request]) -> Store:
    """A store with the models `fraud`, of three versions, and one whose names are hostile."""
    import numpy as np

    store = Store._over(TraceBucket(MemoryBucket(), requests.append), Pool())
    registry = store.registry
    for number in (1, 2, 3):
        with store.runs.start(name=f"training {number}") as run:
            run.log_input(from_numpy(np.arange(3), name="transactions"), context="training")
            store.log_model(
                run, lambda model_input: model_input, "model", pip_requirements=["numpy==2.0"],
                signature=SIGNATURE, registered_model_name="fraud",
            )  # fmt: skip
    for version in (1, 2, 3, 2):
        registry.set_alias("fraud", "champion", version)
    registry.describe_model("fraud", "Scores\ntransactions")
    registry.set_model_tag("fraud", "team", "risk")
    store.deployments.record("models:/fraud@champion", "eu-west")
    with store.runs.start(name=HOSTILE) as run:
        run.log_text("no model", f"{HOSTILE}/readme.txt")
    registry.register(f"runs:/{run.id}/{HOSTILE}", HOSTILE, tags={"hostile": HOSTILE}, description=HOSTILE)
    return store


@pytest.fixture(scope="module")
def site(store: Store) -> Site:
    return Site(store)


def test_models_are_found_by_words_and_by_a_filter(site: Site) -> None:
    """Words are looked for in names, tags and descriptions; an invalid filter is an error that says where."""
    assert "team" in page_of(site, "/models", q="RISK fraud")
    assert "No registered model matches" in page_of(site, "/models", q="fraud absent")
    assert "fraud" in page_of(site, "/models", filter="tags.team = 'risk'")
    wrong = asked(site, "/models", filter="name LIKE")
    assert wrong.status == 400
    assert b"name LIKE" in wrong.body


def test_a_model_shows_its_versions_aliases_and_their_moves(site: Site) -> None:
    """Each with its run, data sets and place of deployment; where an alias was before stands beside where it is."""
    shown = page_of(site, "/models/registered", name="fraud")
    for text in ("training 1", "training 3", "transactions", "eu-west", "@champion", "Scores\ntransactions"):
        assert text in shown
    steps = steps_of(site.store.registry.alias_history("fraud"))
    assert [(step.came_from, step.move.version) for step in steps] == [("3", "2"), ("2", "3"), ("1", "2"), (None, "1")]


def test_a_model_is_shown_without_a_request_for_each_version(site: Site, requests: list[Request]) -> None:
    """With the index in memory, a page of all versions takes the listings of the model's log alone."""
    page_of(site, "/models/registered", name="fraud")
    del requests[:]
    page_of(site, "/models/registered", name="fraud")
    asked_for = [one for one in requests if not one.key.startswith("runs/")]  # the index is refreshed by itself
    assert {one.verb for one in asked_for} == {"list"}
    assert len(asked_for) <= 8


def test_a_version_shows_all_that_is_known_of_it(site: Site, requests: list[Request]) -> None:
    """Signature, flavors, environment, files against the version before, and how to load it, in a few requests."""
    del requests[:]
    shown = page_of(site, "/models/version", name="fraud", version=2)
    assert len(requests) <= 30
    for text in ("amount", "double", "optional", "python_function", "numpy==2.0", "MLmodel", "the same", "eu-west"):
        assert text in shown
    assert "holdall.pyfunc.load_model(&#34;models:/fraud/2&#34;)" in shown
    assert "/diff?a=models%3A%2Ffraud%2F1&amp;b=models%3A%2Ffraud%2F2" in shown


def test_a_version_shows_who_signed_it(site: Site) -> None:
    """The key, and that anybody may have; of an unsigned one there is no word of it."""
    assert "Signatures" not in page_of(site, "/models/version", name="fraud", version=3)
    key = SigningKey.generate()
    made = site.store.models.sign("models:/fraud/3", key)
    site.store.runs.get(site.store.registry.get_version("fraud", 3).run_id).set_tags({f"{PREFIX}{'0' * 16}": HOSTILE})
    shown = page_of(site, "/models/version", name="fraud", version=3)
    assert made.key in shown
    assert "Anybody may have signed" in shown
    assert HOSTILE not in shown


def test_pickles_are_read_only_when_somebody_asks(site: Site) -> None:
    """Then what they import is shown, and nothing was loaded."""
    assert "Read its pickles" in page_of(site, "/models/version", name="fraud", version=1)
    assert "A scan is a look, not a proof" in page_of(site, "/models/version", name="fraud", version=1, inspect=1)


def test_what_a_run_logged_has_the_same_facts(site: Site) -> None:
    run_id = site.store.registry.get_version("fraud", 1).run_id
    shown = page_of(site, f"/runs/{run_id}/model", path="model")
    assert "numpy==2.0" in shown
    assert f"runs:/{run_id}/model" in shown


def test_a_model_that_is_elsewhere_has_the_same_facts(site: Site) -> None:
    """Of what is referred to, a card tells its name, where it is and its size: not the file that says so."""
    Store.open("memory://models-elsewhere", environment=False).maintenance.create()
    with site.store.runs.start() as run:
        reference = run.log_reference("memory://models-elsewhere/holdall.json", "model/weights.bin")
    card = site.store.model_card(f"runs:/{run.id}/model")
    assert [(one["path"], one["kind"], one["bytes"]) for one in card.files] == [
        ("weights.bin", "reference", reference.size)
    ]
    shown = page_of(site, f"/runs/{run.id}/model", path="model")
    assert ">weights.bin</a>" in shown
    assert ".holdall-reference" not in shown


def test_names_are_text_whatever_they_look_like(site: Site) -> None:
    """Of models, tags, columns, files and runs."""
    name = HOSTILE
    for shown in (
        page_of(site, "/models"),
        page_of(site, "/models/registered", name=name),
        page_of(site, "/models/version", name=name, version=1),
        page_of(site, "/models/version", name="fraud", version=1),
    ):
        assert HOSTILE not in shown
        assert "&lt;img src=x" in shown


@pytest.mark.parametrize(
    ("path", "arguments"),
    [
        ("/models/registered", {"name": "absent"}),
        ("/models/registered", {}),
        ("/models/version", {"name": "fraud", "version": 9}),
        ("/runs/00000000000000000000000000000000/model", {"path": "model"}),
    ],
)
def test_what_is_not_there_is_a_page_that_says_so(site: Site, path: str, arguments: dict[str, object]) -> None:
    assert asked(site, path, **arguments).status == 404


@pytest.fixture
def opens(store: Store, browser: Browser) -> Iterator[Opens]:
    with served(store) as server, visits(browser, server.url) as opens:
        yield opens


def test_a_browser_walks_from_the_models_to_a_version(opens: Opens) -> None:
    """Nothing of a hostile name runs on the way, and no page is wider than a phone."""
    visit = opens(NARROW, dark=True)
    seen = visit.open("/models")
    visit.follow("text=fraud")
    shot(seen, "model")
    visit.follow(".rows tbody th a >> nth=0")
    assert seen.inner_text("h1") == "fraud version 3"
    shot(seen, "version")
    for address in ("/models", "/models/registered?" + urlencode({"name": HOSTILE})):
        assert visit.open(address).evaluate("document.documentElement.scrollWidth") == NARROW[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1, 2]",
        "flavors: 7",
        "flavors: {python_function: 7}",
        "flavors: {python_function: [1]}",
        "flavors: {<b>: {a: {b: [1, null]}}}",
        "flavors: {x: {}}\nsignature: {inputs: '[{\"type\": 7}]'}",
        "flavors: {x: {}}\nsignature: {inputs: '[]', outputs: null, params: '[{\"name\": 1}]'}",
        "flavors: {x: {}}\nsaved_input_example_info: {artifact_path: ../../../etc/passwd}",
        "flavors: {x: {}}\nsaved_input_example_info: [1]",
        "flavors: {x: {}}\nsaved_input_example_info: {artifact_path: {a: 1}}",
        "flavors: {x: {}}\nsaved_input_example_info: {artifact_path: MLmodel}",
        "flavors: &a [*a]",
        "a: !!python/object/apply:os.system [id]",
        "\x00",
    ],
)
def test_an_mlmodel_file_may_say_anything(text: str) -> None:
    """The page of what a run logged says what of it can be understood, and never fails."""
    store = Store._over(MemoryBucket(), Pool())
    with store.runs.start() as run:
        run.log_bytes(text.encode(), "m/MLmodel")
        run.log_text(HOSTILE, "m/requirements.txt")
    for more in ({}, {"inspect": 1}):
        found = asked(Site(store), f"/runs/{run.id}/model", **({"path": "m"} | more))
        assert found.status == 200, found.body.decode()[-500:]
        assert HOSTILE not in found.body.decode()
