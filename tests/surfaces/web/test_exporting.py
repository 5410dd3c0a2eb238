"""A static site of a store, an experiment or a run."""

from __future__ import annotations

import functools
import os
import re
import threading
from collections.abc import Iterator
from html import unescape
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from tests.support.browser import visits
from tests.support.pages import new_store
from tests.support.runlogs import put_runs
from tests.support.stores import tiny_store

from holdall.__main__ import program
from holdall.errors import InvalidArgumentError, NotFoundError
from holdall.runs import run_index
from holdall.runs.filling import NEWEST
from holdall.storage.bucket import ObjectInfo
from holdall.storage.memory import MemoryBucket
from holdall.store import Store
from holdall.surfaces.web import serve_ui
from holdall.surfaces.web.exporting import scope_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PIXEL = bytes.fromhex("4749463839610100010080000000ff00ffffff21f90401000000002c00000000010001000002024401003b")


@pytest.fixture(scope="module")
def store() -> Store:
    store = new_store(environment=False)
    for number in range(2):
        with store.runs.start(name="../../<script>alert(1)</script>", experiment="../vision") as run:
            run.log_params({"rate": number})
            for step in range(5):
                run.log_metrics({"loss": 1 / (step + 1)}, step=step)
            run.log_text("<script>alert(2)</script>", "evil/page.html")
            run.log_text("told", "notes.txt")
            run.log_stream(BytesIO(PIXEL), "picture.gif")
            run.log_stream(BytesIO(PIXEL[:6] + bytes(2 << 20)), "large.gif")
    with store.runs.start(name="other", experiment="other") as run:
        run.log_params({"secret": "unheard-of"})
    return store


def exported(store: Store, folder: Path, **given: Any) -> list[str]:
    said: list[str] = []
    assert serve_ui(lambda: store, export=folder, say=said.append, **given) == 0
    return said


def links(folder: Path) -> Iterator[tuple[str, str]]:
    """Each address in a page that a browser follows or loads."""
    for page in folder.glob("*.html"):
        text = re.sub(r"<(pre|code).*?</\1>", "", page.read_text(), flags=re.DOTALL)
        for address in re.findall(r'\s(?:href|src|data-file)="([^"]*)"', text):
            yield page.name, unescape(address)


@pytest.mark.parametrize("scope", ["store", "experiment", "run"])
def test_all_links_of_an_export_lead_to_files_of_it(store: Store, tmp_path: Path, scope: str) -> None:
    """Relative, to what is there; names of files are none of users'."""
    run = store.runs.search("run_name != 'other'")[0].info.run_id
    given = {"store": {}, "experiment": {"experiment": "../vision"}, "run": {"run": run}}[scope]
    exported(store, tmp_path / "site", **given)
    every = list(links(tmp_path / "site"))
    assert len(every) > 50
    for page, address in every:
        path = address.partition("#")[0]
        if path and not path.startswith("data:"):
            assert re.fullmatch(r"[a-zA-Z0-9./-]+", path), (page, address)
            assert ".." not in path
            assert (tmp_path / "site" / path).is_file(), (page, address)
    assert [path.name for path in tmp_path.iterdir()] == ["site"]
    text = "".join(path.read_text() for path in (tmp_path / "site").glob("*.html"))
    assert ("unheard-of" in text) == (scope == "store")
    assert "<script>alert" not in text
    assert PIXEL in [path.read_bytes() for path in (tmp_path / "site").glob("raw-*.gif")]
    assert not list((tmp_path / "site").glob("raw-*.html"))


def test_an_export_overwrites_only_its_own(store: Store, tmp_path: Path) -> None:
    """A folder with anything else in it stays as it is; an earlier export is brought up to date."""
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InvalidArgumentError):
        exported(store, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    site = tmp_path / "site"
    exported(store, site)
    (site / "notes.md").write_text("mine")
    old = site / "run-00000000000000000000000000000000.html"
    old.write_text("of a run that is gone")
    exported(store, site)
    assert not old.exists()
    assert (site / "notes.md").read_text() == "mine"


@pytest.mark.parametrize("inner", ["static", "static/vendor"])
def test_an_export_is_written_through_no_folder_that_is_a_link(store: Store, tmp_path: Path, inner: str) -> None:
    """Who gave the folder, as with a repository, has nothing written elsewhere by it."""
    site, other = tmp_path / "site", tmp_path / "other"
    other.mkdir()
    (site / inner).parent.mkdir(parents=True)
    (site / inner).symlink_to(other)
    (site / ".holdall-export").touch()
    with pytest.raises(InvalidArgumentError, match="is a link"):
        exported(store, site)
    assert not list(other.iterdir())


def test_an_export_is_written_through_no_file_that_is_a_link(store: Store, tmp_path: Path) -> None:
    """Neither by the name of a page, nor by that which it has while it is written, nor by the mark."""
    site, mine = tmp_path / "site", tmp_path / "mine.txt"
    site.mkdir()
    mine.write_text("mine")
    (site / ".holdall-export").symlink_to(tmp_path / "made")
    for name in ("index.html", f"index.html.{os.getpid()}.partial"):
        (site / name).symlink_to(mine)
    exported(store, site)
    assert mine.read_text() == "mine"
    assert not (tmp_path / "made").exists()
    assert not (site / "index.html").is_symlink()


def test_pages_that_are_files_have_the_policy_too(store: Store, tmp_path: Path) -> None:
    """Whatever server publishes them sends no header of ours; nothing of them stands before the policy."""
    exported(store, tmp_path)
    for page in tmp_path.glob("*.html"):
        head = page.read_text().partition("<script")[0]
        assert "script-src &#39;self&#39;" in head.partition("<link")[0], page.name


def test_an_export_waits_for_the_runs_that_there_are(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page may show what is known so far, as it is drawn again; a copy is drawn once, so it waits for a listing."""
    monkeypatch.setattr(run_index, "PATIENCE", 0.0)
    monkeypatch.setattr(run_index, "_AT_ONCE", 0.0)
    exported(store, tmp_path)
    assert len(list(tmp_path.glob("run-" + "[0-9a-f]" * 32 + ".html"))) == 3
    assert "unheard-of" in (tmp_path / "index.html").read_text()


def test_what_would_be_exported_is_told_first(store: Store, tmp_path: Path) -> None:
    """How many files and bytes; and nothing is written."""
    said = exported(store, tmp_path / "site", dry_run=True)
    assert re.match(r"\d+ files, [\d.]+ MiB|\d+ files, [\d.]+ KiB", said[0])
    assert not (tmp_path / "site").exists()
    with pytest.raises(NotFoundError):
        exported(store, tmp_path / "site", experiment="no such")


def test_an_export_is_read_from_any_server_of_files(store: Store, tmp_path: Path, browser: Browser) -> None:
    """Its pages work without a server of ours: links, charts; and a browser has nothing to complain about."""
    exported(store, tmp_path, experiment="../vision")
    handler = functools.partial(_Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with visits(browser, f"http://127.0.0.1:{server.server_address[1]}") as opens:
            visit = opens()
            page = visit.open("/index.html")
            assert page.inner_text("h1") == "../vision"
            visit.follow("#rows a >> nth=0")
            page.wait_for_selector("h1:has-text('script')")
            visit.follow("nav.tabs a:has-text('Charts')")
            page.wait_for_selector(".chart-plot canvas")
        server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def test_an_export_waits_for_all_runs() -> None:
    """Those of the experiment, not those among the newest that a catalog tells of at once."""
    bucket = MemoryBucket()
    old = tiny_store(bucket).runs.start(experiment="old", start_time=0)
    put_runs(bucket, NEWEST + 5)
    tiny_store(bucket, create=False).maintenance.catalog()
    scope = scope_of(tiny_store(_Late("late", bucket.objects), create=False), "old", None)
    assert (set(scope.runs), scope.more) == ({old.id}, 0)


class _Late(MemoryBucket):
    """A bucket that takes a while to list runs."""

    def list(self, prefix: str = "", *, limit: int | None = None) -> Iterator[ObjectInfo]:
        threading.Event().wait(0.5 if prefix == "runs/" else 0)
        return super().list(prefix, limit=limit)


@pytest.mark.parametrize(
    "wrong", [["--run", "0" * 32], ["--dry-run"], ["--export", "x", "--experiment", "a", "--run", "b"]]
)
def test_an_export_is_asked_for_by_its_folder(wrong: list[str]) -> None:
    """What of the store is exported is said with --export alone, and is one thing."""
    found = CliRunner().invoke(program, ["--store", "memory://pages-export", "ui", *wrong])
    assert found.exit_code == 2
    assert "export" in found.output
