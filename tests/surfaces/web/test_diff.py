"""The page of a comparison: files, lines and tensors, of which no number is read before it is asked for."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import numpy as np
import pytest
from tests.support import tensor_files as made
from tests.support.asgi import Response, ask
from tests.support.browser import NARROW, Opens, served, shot, visits

from holdall.chunks.pool import Pool
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import Request, TraceBucket
from holdall.store import Store, TensorDifference
from holdall.surfaces.web.app import make_app
from holdall.surfaces.web.compared import Compared
from holdall.surfaces.web.diff_rows import LINES, text_lines
from holdall.surfaces.web.security import Rules
from holdall.surfaces.web.site import Site

if TYPE_CHECKING:
    from playwright.sync_api import Browser

RULES = Rules(frozenset({"localhost"}))
HOSTILE = "<img src=x onerror=alert(1)>\x1b[2J"


def arrays(seed: int) -> dict[str, Any]:
    """A small model: of two of them some tensors differ."""
    source, other = np.random.default_rng(0), np.random.default_rng(seed)
    found: dict[str, Any] = {f"layers.{n:03}.weight": source.standard_normal((60, 80), dtype="f4") for n in range(30)}
    for n in (3, 17):
        found[f"layers.{n:03}.weight"] += other.standard_normal((60, 80), dtype="f4") / n
    found["embedding.weight"] = source.standard_normal((400, 100), dtype="f4")
    found["embedding.weight"][7, 3] += seed
    found["half"] = np.arange(8, dtype="f2" if seed == 2 else "f4")
    found[f"only.{seed}"] = np.ones(seed + 3)
    found[("old." if seed == 1 else "new.") + "head"] = np.linspace(0, 1, 50)
    found[HOSTILE] = np.full(3, float(seed))
    return found


@pytest.fixture(scope="module")
def requests() -> list[Request]:
    return []


@pytest.fixture(scope="module")
def store(requests: list[Request]) -> Store:
    return Store._over(TraceBucket(MemoryBucket(), requests.append), Pool())


@pytest.fixture(scope="module")
def sides(store: Store) -> list[str]:
    """Two models, the second one registered too."""
    found = []
    for seed in (1, 2):
        with store.runs.start(name=f"training {seed}") as run:
            run.log_bytes(made.safetensors(arrays(seed)), "model/model.safetensors")
            lines = [f"line {n}" if n != 40 else f"rate: 0.{seed}" for n in range(80)]
            run.log_text("\n".join(lines) + "\n", "model/config.yaml")
            run.log_text("the same\n", "model/readme.md")
            run.log_bytes(bytes([seed, 0, 255]), "model/data.raw")
            run.log_text("x", f"model/{'gone' if seed == 1 else HOSTILE.replace('/', '')}.txt")
        found.append(f"runs:/{run.id}/model")
    store.registry.register(found[1], "forest")
    return found


@pytest.fixture(scope="module")
def site(store: Store) -> Site:
    return Site(store)


def asked(site: Site, **arguments: object) -> Response:
    app = make_app(site, RULES)
    return asyncio.run(ask(app, "GET", f"/diff?{urlencode(arguments)}", headers={"host": "localhost"}))


def page(site: Site, **arguments: object) -> str:
    found = asked(site, **arguments)
    assert found.status == 200, found.body.decode()
    return found.body.decode()


def names(html: str) -> list[str]:
    """What the first cells of a table's rows name."""
    return [
        re.sub(r"<.*?>", "", each).strip() for each in re.findall(r'<th scope="row".*?>(.*?)</th>', html, re.DOTALL)
    ]


def test_files_that_differ_are_listed_by_path(site: Site, sides: list[str]) -> None:
    """With sizes and shared bytes; what is the same only when it is asked for; the two runs are linked."""
    html = page(site, a=sides[0], b=sides[1])
    assert "3 changed, 1 added, 1 removed, 1 the same" in html
    assert [name for name in names(html) if "img" not in name] == [
        "config.yaml",
        "data.raw",
        "gone.txt",
        "model.safetensors",
    ]
    assert "readme.md" not in html
    assert "readme.md" in page(site, a=sides[0], b=sides[1], same=1)
    assert f'href="/runs/{sides[0][6:38]}">training 1</a>' in html
    assert "<img" not in html
    assert "&lt;img src=x" in html
    assert "\x1b" not in html


def test_one_side_is_offered_the_run_before(site: Site, sides: list[str]) -> None:
    """A page with one address offers runs of its experiment, the run before first; the files of a run lead there."""
    id = sides[1].split("/")[1]
    address = f"/runs/{id}?tab=artifacts&path=model"
    files = asyncio.run(ask(make_app(site, RULES), "GET", address, headers={"host": "localhost"}))
    assert f'href="/diff?{urlencode({"b": sides[1]})}"' in files.body.decode()
    html = page(site, b=sides[1])
    assert names(html) == ["training 1"]
    assert f'href="/diff?{urlencode({"a": sides[0], "b": sides[1]}).replace("&", "&amp;")}"' in html
    assert f'{urlencode({"a": sides[0], "b": sides[1]}).replace("&", "&amp;")}"' in page(site, a=sides[0])
    assert asked(site, b="runs:/" + "0" * 32).status == 404
    assert asked(site, a="file:/etc").status == 400
    assert "An address is" in page(site, a="models:/forest/1")


def test_a_registered_version_is_compared_like_its_files(site: Site, sides: list[str]) -> None:
    """By the address that the registry's pages give."""
    assert "Nothing differs." in page(site, a=sides[1], b="models:/forest/1")
    assert "3 changed" in page(site, a=sides[0], b="models:/forest/1")


def test_lines_of_two_texts_have_their_numbers(site: Site, sides: list[str]) -> None:
    """What was, what is, and what stands around it; of binary files it is said that they differ."""
    html = page(site, a=f"{sides[0]}/config.yaml", b=f"{sides[1]}/config.yaml")
    rows = re.findall(
        r"<tr( class=.*?)?><td class=\"num\">(\d*)</td><td class=\"num\">(\d*)</td>.*?code\">(.*?)</td>", html
    )
    assert (' class="minus"', "41", "", "rate: 0.1") in rows
    assert (' class="plus"', "", "41", "rate: 0.2") in rows
    assert ("", "40", "40", "line 39") in rows
    assert ("", "42", "42", "line 41") in rows
    assert "binary files" in page(site, a=f"{sides[0]}/data.raw", b=f"{sides[1]}/data.raw")


def test_a_long_text_is_cut() -> None:
    """So many lines, of so many characters; what no line begins with is passed over."""
    lines, more = text_lines("--- a\n+++ b\n@@ -1,9000 +1,9000 @@\n" + ("-" + "x" * 9000 + "\n") * 9000)
    assert more
    assert len(lines) < LINES
    assert max(len(line.text) for line in lines) < 500
    assert [line.a for line in lines[:3]] == [1, 2, 3]
    assert text_lines("") == ([], False)


def test_no_number_is_read_before_it_is_asked_for(site: Site, sides: list[str], requests: list[Request]) -> None:
    """Headers and chunks tell what may have changed; a button says how much more would be read."""
    html = page(site, a=sides[0], b=sides[1], tab="tensors")
    assert "Compare values" in html
    assert "reads about " in html
    assert "not read" in html
    for name in ("only.1", "only.2", "half"):
        assert name in names(html) or any(name in each for each in names(html))
    assert "float32 -&gt; float16" in html
    assert "<img" not in html


def test_values_are_compared_once(site: Site, sides: list[str], requests: list[Request]) -> None:
    """The most changed first; sorting, filtering and paging read nothing of the files again."""
    html = page(site, a=sides[0], b=sides[1], tab="tensors", values=1)
    told = names(html)
    assert told[0].startswith("&lt;img")
    assert [each.split(".weight")[0] for each in told if "weight" in each] == ["layers.003", "layers.017", "embedding"]
    assert any("was old.head" in each for each in told)
    assert "Compare values" not in html
    before = len(requests)
    given = {"a": sides[0], "b": sides[1], "tab": "tensors", "values": 1}
    by_name = names(page(site, **given, sort="name", q="weight"))
    assert [each.split(".weight")[0] for each in by_name] == ["embedding", "layers.003", "layers.017"]
    assert names(page(site, **given, sort="max", q="WEIGHT layers"))[0].startswith("layers.003")
    assert len(names(page(site, **given, show="same"))) == 28
    assert names(page(site, **given, show="added"))[0].startswith("only.2")
    assert "No tensor is so." in page(site, **given, q="nothing like it")
    read = sum(one.bytes for one in requests[before:] if one.key.startswith("packs/"))
    assert read < 100_000, "nodes of trees and recipes, and not 500 kB of numbers for each page"


def test_a_changed_content_is_compared_anew(store: Store) -> None:
    """What is remembered is named by its content: a run that goes on is not shown as it was."""
    site, run = Site(store), store.runs.start()
    for side in "ab":
        run.log_bytes(made.npz({"w": np.zeros(3)}), f"{side}/one.npz")
    given = {"a": f"runs:/{run.id}/a", "b": f"runs:/{run.id}/b", "tab": "tensors", "values": 1}
    assert "No tensor differs." in page(site, **given)
    run.log_bytes(made.npz({"v": np.zeros(3)}), "b/two.npz")
    assert "<b>1</b> added" in page(site, **given)


def test_of_many_tensors_five_hundred_are_shown(store: Store) -> None:
    """The others on further pages; the page stays small."""
    site, run = Site(store), store.runs.start()
    run.log_bytes(made.npz({f"t{n:04}": np.zeros(1) for n in range(1200)}), "a/m.npz")
    run.log_bytes(made.npz({"x": np.zeros(1)}), "b/m.npz")
    given = {"a": f"runs:/{run.id}/a", "b": f"runs:/{run.id}/b", "tab": "tensors"}
    first, third = page(site, **given), page(site, **given, page=3)
    assert "1 to 500 of 1201 tensors" in first
    assert "1001 to 1201 of 1201 tensors" in third
    assert len(names(first)) == 500
    assert len(first) < 400_000


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ({"a": "file:///etc/passwd", "b": "file:///etc/passwd"}, 400, "runs:/RUN_ID/PATH"),
        ({"a": "runs:/nothing", "b": "runs:/nothing"}, 400, "run id"),
        ({"a": f"runs:/{'0' * 32}", "b": f"runs:/{'0' * 32}"}, 404, "no run"),
        ({"a": "models:/absent/1", "b": "models:/absent/2"}, 404, "absent"),
        ({"a": "A", "b": "B", "tab": "lies"}, 400, "runs:/RUN_ID/PATH"),
    ],
)
def test_a_wrong_address_is_an_error_that_says_so(
    site: Site, arguments: dict[str, str], status: int, said: str
) -> None:
    """With the status that says whose fault it is."""
    found = asked(site, **arguments)
    assert found.status == status
    assert said in found.body.decode()


def test_without_addresses_it_asks_for_them(site: Site) -> None:
    """A form, and what an address is."""
    assert "models:/NAME@ALIAS" in page(site)


def test_what_is_remembered_is_bounded() -> None:
    """By the tensors of all comparisons; the one asked for last stays longest, one that is too large is not kept."""

    def of(count: int) -> TensorDifference:
        return TensorDifference("a", "b", [None] * count)  # type: ignore[list-item]  # only their number counts

    kept = Compared(most=10)
    for key, count in (("a", 4), ("b", 4)):
        kept.get(key, lambda count=count: of(count))  # type: ignore[misc]  # called at once
    assert kept.find("a") is kept.get("a", lambda: of(0))
    kept.get("c", lambda: of(5))
    assert [kept.find(key) is not None for key in "abc"] == [True, False, True]
    assert len(kept.get("large", lambda: of(11))) == 11
    assert kept.find("large") is None


@pytest.fixture(scope="module")
def url(store: Store) -> Iterator[str]:
    with served(store) as found:
        yield found.url


@pytest.fixture
def opens(browser: Browser, url: str) -> Iterator[Opens]:
    with visits(browser, url) as found:
        yield found


def test_a_comparison_in_a_browser(opens: Opens, sides: list[str]) -> None:
    """From files to a text and back, to tensors and their values, sorted; narrow, nothing is wider than the page."""
    visit = opens()
    shown = visit.open(f"/diff?{urlencode({'a': sides[0], 'b': sides[1]})}")
    shot(shown, "diff-files")
    shown.get_by_role("link", name="config.yaml").click()
    shown.wait_for_selector("tr.plus")
    shot(shown, "diff-lines")
    shown.go_back()
    shown.get_by_role("link", name="Tensors", exact=True).click()
    shown.get_by_role("button", name="Compare values").click()
    shown.wait_for_selector("text=was old.head")
    shot(shown, "diff-tensors")
    shown.get_by_role("link", name="Name", exact=True).click()
    shown.wait_for_selector("th[aria-sort=ascending]")
    visit = opens(NARROW, dark=True)
    for n, more in enumerate(({}, {"tab": "tensors", "values": "1"})):
        shown = visit.open(f"/diff?{urlencode({'a': sides[0], 'b': sides[1], **more})}")
        assert shown.evaluate("document.documentElement.scrollWidth <= innerWidth")
        shot(shown, f"diff-narrow-{n}")
