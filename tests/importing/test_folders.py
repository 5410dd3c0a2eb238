"""Folders and Hugging Face caches are brought, links followed, and changes later."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from tests.support.mlruns import digests
from tests.support.shell import Shell
from tests.support.stores import tiny_store

from holdall import importing
from holdall.errors import InvalidURIError, UnsupportedFileError
from holdall.storage.memory import MemoryBucket
from holdall.store import Store


@pytest.fixture
def store() -> Store:
    return tiny_store(MemoryBucket())


def hub(top: Path) -> Path:
    """A Hugging Face cache with two revisions of a model, which share a file, and a data set."""
    for name, revision, files in (
        ("models--org--tiny", "a" * 40, {"config.json": b"{}", "model.safetensors": b"weights"}),
        ("models--org--tiny", "b" * 40, {"config.json": b'{"a": 1}', "model.safetensors": b"weights"}),
        ("datasets--data", "c" * 40, {"data/train.csv": b"x\n1\n"}),
    ):
        for path, data in files.items():
            blob = hashlib.sha256(data).hexdigest() if path.endswith("tensors") else hashlib.sha1(data).hexdigest()
            place = top / name / "snapshots" / revision / path
            for folder in (top / name / "blobs", place.parent, top / name / "refs"):
                folder.mkdir(parents=True, exist_ok=True)
            (top / name / "blobs" / blob).write_bytes(data)
            place.symlink_to("/".join([".."] * (path.count("/") + 2) + ["blobs", blob]))
        (top / name / "refs/main").write_text(revision)
    return top


def test_a_folder_is_a_run_with_what_its_links_lead_to(store: Store, tmp_path: Path) -> None:
    """Every digest is that of the source; a second time nothing is new; what is new later is added."""
    folder = tmp_path / "trained"
    (folder / "deep").mkdir(parents=True)
    (tmp_path / "outside").write_text("outside")
    (folder / "deep/link").symlink_to("../../outside")
    (folder / "a.txt").write_text("a")
    assert importing.from_folder(store, folder).perform().outcomes == {"new": 1}
    (run,) = store.runs.search()
    assert dict(store.runs.get(run.info.run_id).manifest) == digests(folder)
    assert importing.from_folder(store, folder).perform().outcomes == {"same": 1}
    (folder / "b.txt").write_text("b")
    assert importing.from_folder(store, folder).perform().outcomes == {"more": 1}
    assert store.runs.get(run.info.run_id).read("b.txt") == b"b"


def test_what_changed_is_told_unless_the_run_is_versioned(store: Store, tmp_path: Path) -> None:
    """An immutable run keeps what it was given; a versioned one has both."""
    for versioned in (False, True):
        folder = tmp_path / f"folder {versioned}"
        folder.mkdir()
        (folder / "a.txt").write_text("one")
        importing.from_folder(store, folder, versioned=versioned).perform()
        (folder / "a.txt").write_text("two!")
        report = importing.from_folder(store, folder, versioned=versioned).perform()
        run = store.runs.get(report.brought[0].id)
        assert run.read("a.txt") == (b"two!" if versioned else b"one")
        assert [one.path for one in report.problems] == ([] if versioned else ["a.txt"])


def test_each_folder_can_be_a_run(store: Store, tmp_path: Path) -> None:
    """In an experiment that is called as the folder that they lie in."""
    for name in ("one", "two"):
        (tmp_path / "all" / name).mkdir(parents=True)
        (tmp_path / "all" / name / "x").write_text(name)
    planned = importing.from_folder(store, tmp_path / "all", each=True)
    assert (planned.runs, planned.files, planned.experiments) == (2, 2, ["all"])
    planned.perform()
    assert sorted(run.info.run_name for run in store.runs.search()) == ["one", "two"]


def test_a_store_and_a_folder_that_is_not_there_are_refused(store: Store, tmp_path: Path) -> None:
    """Each with what it is."""
    Store.open(str(tmp_path / "other")).runs.start().finish()
    with pytest.raises(UnsupportedFileError, match="store copy"):
        importing.from_folder(store, tmp_path / "other")
    with pytest.raises(InvalidURIError, match="no such folder"):
        importing.from_folder(store, tmp_path / "none")


def test_each_revision_of_a_cache_is_a_run(store: Store, tmp_path: Path) -> None:
    """With its name, its revision and its branch as tags; a file that two share is stored once."""
    report = importing.from_huggingface_cache(store, hub(tmp_path / "hub")).perform()
    assert [one.source_id for one in report.brought] == [
        f"dataset:data@{'c' * 40}",
        f"model:org/tiny@{'a' * 40}",
        f"model:org/tiny@{'b' * 40}",
    ]
    assert report.complete
    (found,) = store.runs.search("tags.`huggingface.refs` = 'main' and tags.`huggingface.repo` = 'org/tiny'")
    run = store.runs.get(found.info.run_id)
    assert dict(run.manifest) == digests(tmp_path / "hub/models--org--tiny/snapshots" / ("b" * 40))
    assert importing.from_huggingface_cache(store, tmp_path / "hub").perform().outcomes == {"same": 3}


def test_a_blob_that_is_not_what_it_is_called_is_told(store: Store, tmp_path: Path) -> None:
    """And not brought; the rest of its revision is."""
    cache = hub(tmp_path / "hub")
    (cache / "models--org--tiny/blobs" / hashlib.sha256(b"weights").hexdigest()).write_bytes(b"damaged")
    report = importing.from_huggingface_cache(store, cache).perform()
    assert {(one.what, one.path) for one in report.problems} == {("file", "model.safetensors")}
    runs = [store.runs.get(run.info.run_id) for run in store.runs.search("tags.`huggingface.type` = 'model'")]
    assert [list(run.manifest) for run in runs] == [["config.json"], ["config.json"]]


def test_what_is_no_file_in_a_cache_is_told(store: Store, tmp_path: Path) -> None:
    """Pipes and devices are not read, and a link in a circle hides no other file."""
    cache = hub(tmp_path / "hub")
    place = next(cache.glob("models--*/snapshots/*"))
    os.mkfifo(place / "pipe")
    (place / "zero").symlink_to("/dev/zero")
    (place / "circle").symlink_to("circle")
    report = importing.from_huggingface_cache(store, cache).perform()
    assert {problem.path for problem in report.problems} == {"pipe", "zero", "circle"}


def test_the_cache_is_read_as_its_own_package_reads_it(store: Store, tmp_path: Path) -> None:
    """The same revisions with the same files, by the scanner of huggingface_hub."""
    package = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed: see the extra doors")
    cache = hub(tmp_path / "hub")
    importing.from_huggingface_cache(store, cache).perform()
    seen = {
        (repository.repo_type, repository.repo_id, revision.commit_hash): {
            str(file.file_path.relative_to(revision.snapshot_path)) for file in revision.files
        }
        for repository in package.scan_cache_dir(cache).repos
        for revision in repository.revisions
    }
    mine = {}
    for run in store.runs.search():
        key = tuple(run.data.tags[f"huggingface.{name}"] for name in ("type", "repo", "revision"))
        mine[key] = set(store.runs.get(run.info.run_id).manifest)
    assert mine == seen


def test_the_commands_bring_a_folder_and_a_cache(tmp_path: Path) -> None:
    """They plan first, as every import."""
    shell = Shell(tmp_path)
    hub(tmp_path / "hub")
    assert "runs         3" in shell("import", "hf-cache", "hub", "--dry-run")
    assert "3 new" in shell("import", "hf-cache", "hub", "--yes")
    assert "2 new" in shell("import", "folder", "hub", "--each", "--yes", "-e", "raw")
