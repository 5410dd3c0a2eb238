"""A run of which something is lost: what is whole is listed, read, logged on and ended; what is not is named."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.support.depth import DEEP
from tests.support.stores import entropy, tiny_location, tiny_store

from holdall.errors import ArtifactExistsError, ArtifactNotFoundError, DamageError, IncompleteError, IntegrityError
from holdall.format.document import encode_document
from holdall.format.layout import PACKS, log_key
from holdall.runs.environment import capture
from holdall.runs.run import Run
from holdall.storage.bucket import Bucket
from holdall.storage.local import LocalBucket
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RequestCounter, TraceBucket
from holdall.store import Store
from holdall.trees.source import bytes_item

FILES = [f"f{n}" for n in range(5)]


def content(name: str) -> bytes:
    """100 kB of its own for each name, as in a run that logs a checkpoint now and then."""
    return entropy(int(name[1:]))(100_000)


@pytest.fixture(params=["memory", "local"] if DEEP else ["memory"])  # what is lost is lost alike in a folder
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> Bucket:
    return MemoryBucket() if request.param == "memory" else LocalBucket(tmp_path / "bucket")


def packs(bucket: Bucket) -> set[str]:
    return {info.key for info in bucket.list(PACKS)}


def drop(bucket: Bucket, key: str) -> bytes:
    """Lose an object; what it was."""
    data = bucket.get(key)
    bucket.delete(key)
    return data


def flip(bucket: Bucket, key: str) -> bytes:
    """Damage an object throughout, but for its length; what it was."""
    data = drop(bucket, key)
    bucket.put(key, data[:8] + bytes(byte ^ 1 for byte in data[8:-48]) + data[-48:])
    return data


Harm = Callable[[Bucket, str], bytes]
HARMS = pytest.mark.parametrize("harm", [drop, flip])


class Harmed:
    """A running run of five commits, each in packs of its own; those of one were lost."""

    def __init__(self, bucket: Bucket, harm: Harm, which: int) -> None:
        self.bucket, self.lost = bucket, {}
        run = tiny_store(bucket).runs.start()
        for n, name in enumerate(FILES):
            before = packs(bucket)
            run.log_bytes(content(name), name)
            if n == which:
                self.made = packs(bucket) - before
        self.lost = {key: harm(bucket, key) for key in self.made}
        self.name, self.whole = FILES[which], [name for name in FILES if name != FILES[which]]
        self.id = run.id
        self.live = run

    def store(self, seed: int = 1) -> Store:
        """The same store, of another process."""
        return tiny_store(self.bucket, create=False, seed=seed)

    def run(self, seed: int = 1) -> Run:
        return self.store(seed).runs.get(self.id)

    def mend(self) -> None:
        for key, data in self.lost.items():
            self.bucket.delete(key)
            self.bucket.put(key, data)


@HARMS
@pytest.mark.parametrize("which", [0, 2, 4])
@pytest.mark.every(4)
def test_what_is_whole_is_listed_and_read(
    bucket: Bucket, harm: Harm, which: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Listings show it and warn once; exact verbs give it and then raise what names commit and pack."""
    harmed = Harmed(bucket, harm, which)
    run, store = harmed.run(), harmed.store()
    listed = store.artifacts.list(f"runs:/{harmed.id}")
    assert [found.path for found in listed] == harmed.whole
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert f"what entry {which + 1} says" in warnings[0]
    assert all(run.read(name) == content(name) for name in harmed.whole)
    given: list[Any] = []
    with pytest.raises(IncompleteError, match=f"entry {which + 1}") as caught:
        given.extend(run.entries())
    assert [entry.path for entry in given] == harmed.whole
    assert any(key.rpartition("/")[2] in str(caught.value) for key in harmed.lost)
    assert caught.value.hint
    for verb in (lambda: run.manifest, lambda: run.manifest_text, lambda: run.manifest_digest):
        with pytest.raises(IncompleteError, match=f"entry {which + 1}"):
            verb()
    with pytest.raises(IncompleteError):
        run.download(None, tmp_path / "to")
    assert {path.name: path.read_bytes() for path in (tmp_path / "to").iterdir()} == {
        name: content(name) for name in harmed.whole
    }
    run.download(harmed.whole[0], tmp_path / "one")
    assert (tmp_path / "one" / harmed.whole[0]).read_bytes() == content(harmed.whole[0])


@HARMS
def test_what_may_be_lost_is_not_said_to_be_absent(bucket: Bucket, harm: Harm, tmp_path: Path) -> None:
    """A path that is not found may be in what cannot be read: that is the error, not that there is none."""
    harmed = Harmed(bucket, harm, 4)
    run = harmed.run()
    for name in (harmed.name, "never logged"):
        for verb in (run.read, run.entry, run.open, lambda name: run.download(name, tmp_path)):
            with pytest.raises(IncompleteError):
                verb(name)
    harmed.mend()
    assert run.read(harmed.name) == content(harmed.name)
    with pytest.raises(ArtifactNotFoundError):
        run.read("never logged")
    assert list(run.manifest) == FILES


@HARMS
@pytest.mark.parametrize("which", [0, 2, 4])
@pytest.mark.every(4)
def test_a_run_goes_on_and_ends(bucket: Bucket, harm: Harm, which: int, caplog: pytest.LogCaptureFixture) -> None:
    """Small and large, one and many, in another process; it ends, is found, and once mended nothing is missing."""
    harmed = Harmed(bucket, harm, which)
    run = harmed.run()
    run.log_bytes(b"small", "small")
    assert "is not known" in caplog.text
    run.log_bytes(entropy(9)(100_000), "large")
    run.log_params({"a": 1})
    run.log_metrics({"m": 1.0})
    run.finish()
    again = harmed.run(seed=2)
    assert again.record.info.status == "FINISHED"
    assert again.record.data.params == {"a": "1"}
    assert again.read("small") == b"small"
    for n in range(70):
        again.log_bytes(b"%d" % n, f"many/{n}")
    again.finish("FAILED")
    store = harmed.store(seed=3)
    assert [found.info.run_id for found in store.runs.search()] == [harmed.id]
    assert store.runs.search()[0].info.status == "FAILED"
    with pytest.raises(IncompleteError):
        list(store.runs.get(harmed.id).manifest)
    harmed.mend()
    whole = store.runs.get(harmed.id)
    assert len(whole.manifest) == 5 + 2 + 70
    assert whole.read(harmed.name) == content(harmed.name)
    whole.log_bytes(b"end", "end")
    whole.finish()
    assert whole.state.deltas == whole.state.deltas[-1:]


@HARMS
def test_the_process_that_logged_knows_what_it_logged(bucket: Bucket, harm: Harm) -> None:
    """It has the nodes at hand: it refuses other content as ever, goes on, and its end names all paths again."""
    harmed = Harmed(bucket, harm, 4)
    harmed.live.log_bytes(b"more", "more")
    with pytest.raises(ArtifactExistsError, match="holds other content"):
        harmed.live.log_bytes(b"other", harmed.name)
    harmed.live.finish()
    run = harmed.run()
    assert [entry.path for entry in run.entries()] == [*FILES, "more"]
    with pytest.raises(IntegrityError, match=harmed.name):
        run.read(harmed.name)


def test_the_same_logged_again_is_the_same_once_it_is_mended(bucket: Bucket) -> None:
    """A script that is started again logs what it logged before."""
    harmed = Harmed(bucket, drop, 2)
    run = harmed.run()
    run.log_bytes(content(harmed.name), harmed.name)
    assert run.read(harmed.name) == content(harmed.name)
    harmed.mend()
    assert list(run.manifest) == FILES
    run.finish()
    assert list(harmed.run(seed=4).manifest) == FILES
    assert harmed.store(seed=5).maintenance.check().problems == []


def test_of_two_contents_the_first_stands_and_the_second_is_not_hidden(bucket: Bucket) -> None:
    """What was logged where nobody could look makes no silent second content: first a warning, then an error."""
    harmed = Harmed(bucket, drop, 2)
    run = harmed.run()
    run.log_bytes(b"other", harmed.name)
    assert run.read(harmed.name) == b"other"
    harmed.mend()
    assert run.read(harmed.name) == content(harmed.name)
    given: list[Any] = []
    with pytest.raises(DamageError, match=f"'{harmed.name}' was committed twice"):
        given.extend(run.entries())
    assert [entry.path for entry in given] == FILES
    run.log_bytes(b"more", "more")
    run.finish()
    with pytest.raises(DamageError, match="committed twice"):
        run.manifest  # noqa: B018


@HARMS
def test_a_part_of_a_large_tree_is_lost_alone(bucket: Bucket, harm: Harm, tmp_path: Path) -> None:
    """Of many nodes in many packs one pack goes: the other leaves are read, and the error says from where to where."""
    store = tiny_store(bucket)
    run = store.runs.start()
    names = [f"{'d' * 200}/{n:04}" for n in range(1500)]
    (tmp_path / "in" / ("d" * 200)).mkdir(parents=True)
    for n, name in enumerate(names):
        (tmp_path / "in" / name).write_bytes(b"%d" % n)
    run.log_artifacts(tmp_path / "in")
    run.finish()
    tree = store.runs.get(run.id)._view().paths.trees[0]
    nodes = tree.nodes()
    assert len(nodes) > 4
    victim = nodes[3].location.key  # type: ignore[union-attr]
    assert victim != nodes[0].location.key  # type: ignore[union-attr]
    harm(bucket, victim)
    again = tiny_store(bucket, create=False, seed=1).runs.get(run.id)
    given: list[Any] = []
    with pytest.raises(IncompleteError, match=r"from 'd+/\d+' on, before 'd+/\d+'"):
        given.extend(again.entries())
    paths = [entry.path for entry in given]
    assert paths == sorted(paths)
    assert 500 < len(paths) < 1500
    missing = sorted(set(names) - set(paths))
    with pytest.raises(IncompleteError):
        again.entry(missing[0])
    with pytest.raises(ArtifactNotFoundError):
        again.entry("before everything")
    again.log_bytes(b"x", "elsewhere")
    again.finish()


@HARMS
def test_content_that_is_lost_costs_its_own_files_alone(bucket: Bucket, harm: Harm, tmp_path: Path) -> None:
    """The paths are known, as their tree is in the entry; every other file of the download is there."""
    store = tiny_store(bucket)
    run = store.runs.start()
    kept = {f"s{n}": b"%d" % n for n in range(20)}
    before = packs(bucket)
    large = {name: content(name) for name in FILES[:3]}
    for name, data in large.items():
        run.log_bytes(data, name)
    for name, data in kept.items():
        run.log_bytes(data, name)
    run.finish()
    first = sorted(packs(bucket) - before)[0]
    harm(bucket, first)
    again = tiny_store(bucket, create=False, seed=1).runs.get(run.id)
    assert len(again.manifest) == 23
    with pytest.raises(IntegrityError) as caught:
        again.download(None, tmp_path / "to")
    there = {path.name: path.read_bytes() for path in (tmp_path / "to").iterdir()}
    assert there == {name: data for name, data in (kept | large).items() if name != "f0"}
    assert caught.value.path == "f0"


@HARMS
def test_several_files_that_cannot_be_read_are_all_named(bucket: Bucket, harm: Harm, tmp_path: Path) -> None:
    """And those between them are fetched."""
    run = tiny_store(bucket).runs.start()
    made: list[set[str]] = []
    for name in FILES:
        before = packs(bucket)
        run.log_bytes(content(name), name)
        made.append(packs(bucket) - before)
    run.finish()
    for n in (1, 3):
        for key in sorted(made[n])[:1]:
            harm(bucket, key)
    again = tiny_store(bucket, create=False, seed=1).runs.get(run.id)
    with pytest.raises(IncompleteError) as caught:
        again.download(None, tmp_path / "to")
    assert {path.name for path in (tmp_path / "to").iterdir()} == {"f0", "f2", "f4"}
    assert "'f1'" in str(caught.value)
    assert "'f3'" in str(caught.value)
    assert list((tmp_path / "to").glob("*.partial")) == []


@HARMS
def test_whatever_is_lost_of_a_file_the_file_is_named(bucket: Bucket, harm: Harm, tmp_path: Path) -> None:
    """Chunks or recipe, fetched or opened: the error says whose they are."""
    run = tiny_store(bucket).runs.start()
    run.log_bytes(content("f0"), "f0")
    run.log_bytes(b"small", "small")
    run.finish()
    named = []
    for key in packs(bucket):
        was = harm(bucket, key)
        again = tiny_store(bucket, create=False, seed=1).runs.get(run.id)
        for verb in (partial(again.download, None, tmp_path / "to"), partial(again.read, "f0")):
            try:
                verb()
            except IntegrityError as error:
                named.append(error.path)
        bucket.delete(key)
        bucket.put(key, was)
    assert set(named) == {"f0"}
    assert len(named) >= 2 * 2, "its chunks and its recipe lie in packs of their own"


def entry_key(run_id: str, n: int) -> str:
    return log_key(f"runs/{run_id}", n)


@HARMS
@pytest.mark.parametrize("lost", [1, 3, 5])
def test_an_entry_that_is_lost_is_gone_around(bucket: Bucket, harm: Harm, lost: int, tmp_path: Path) -> None:
    """With the small files that it carries: the others are listed and read, and the run goes on and ends."""
    store = tiny_store(bucket)
    run = store.runs.start()
    for n in range(6):
        run.log_bytes(b"%d" % n, f"s{n}")
    whole = [f"s{n}" for n in range(6) if n != lost - 1]
    data = harm(bucket, entry_key(run.id, lost))
    other = tiny_store(bucket, create=False, seed=1)
    again = other.runs.get(run.id)
    assert [found.path for found in other.artifacts.list(f"runs:/{run.id}")] == whole
    assert all(again.read(name) == name[1:].encode() for name in whole)
    for verb in (lambda: again.manifest, lambda: again.read(f"s{lost - 1}"), lambda: again.download(None, tmp_path)):
        with pytest.raises(IncompleteError, match=f"entry {lost}"):
            verb()
    assert {path.name for path in tmp_path.glob("s*")} == set(whole)
    again.log_bytes(b"more", "more")
    again.log_bytes(entropy(7)(100_000), "large")
    again.finish()
    assert tiny_store(bucket, create=False, seed=2).runs.get(run.id).record.info.status == "FINISHED"
    bucket.delete(entry_key(run.id, lost))
    bucket.put(entry_key(run.id, lost), data)
    assert list(again.manifest) == sorted([*whole, f"s{lost - 1}", "more", "large"])


@pytest.mark.parametrize("garbage", [False, True])
def test_a_run_goes_on_and_ends_behind_a_newest_entry_that_is_damaged(bucket: Bucket, garbage: bool) -> None:
    """Though its digest is not known; it is read, found and, once that is put back, all of it is there and intact."""
    run = tiny_store(bucket).runs.start()
    run.log_bytes(b"0", "s0")
    run.log_bytes(b"1", "s1")
    data = flip(bucket, entry_key(run.id, 2))
    if garbage:
        bucket.delete(entry_key(run.id, 2))
        bucket.put(entry_key(run.id, 2), b"")
    again = tiny_store(bucket, create=False, seed=1).runs.get(run.id)
    assert again.read("s0") == b"0"
    with pytest.raises(IncompleteError, match="entry 2"):
        again.read("s1")
    again.log_bytes(b"2", "s2")
    again.finish()
    store = tiny_store(bucket, create=False, seed=2)
    assert store.runs.get(run.id).record.info.status == "FINISHED"
    assert [found.info.status for found in store.runs.search()] == ["FINISHED"]
    assert not store.maintenance.check().intact
    store.runs.get(run.id).log_bytes(b"3", "s3")
    drop(bucket, entry_key(run.id, 2))
    bucket.put(entry_key(run.id, 2), data)
    assert list(store.runs.get(run.id).manifest) == ["s0", "s1", "s2", "s3"]
    assert store.maintenance.check().problems == []


def test_what_was_found_around_a_lost_entry_is_not_remembered(tmp_path: Path) -> None:
    """A search finds the run as far as it can be read, and all of it once the entry was put back."""
    bucket = LocalBucket(tmp_path / "bucket")
    run = tiny_store(bucket).runs.start()
    run.set_tags({"a": "1"})
    run.log_bytes(b"1", "s1")
    run.log_bytes(b"2", "s2")
    data = drop(bucket, entry_key(run.id, 1))
    location = tiny_location(bucket, create=False, seed=1)
    location.cache = tmp_path / "cache"
    store = Store(location)
    assert [found.data.tags.get("a") for found in store.runs.search()] == [None]
    bucket.put(entry_key(run.id, 1), data)
    assert [found.data.tags.get("a") for found in store.runs.search()] == ["1"]


@HARMS
def test_a_state_that_is_lost_is_told_by_what_was_before_it(bucket: Bucket, harm: Harm) -> None:
    """Its tree and its facts are in packs of their own; the commits say the same."""
    run = tiny_store(bucket).runs.start()
    for n in range(3):
        run._log_items([bytes_item(f"{'d' * 200}/{n}/{m:03}", b"%d" % m) for m in range(300)])
    run.set_tags({f"k{n}": "v" * 5000 for n in range(20)})
    before = packs(bucket)
    run.finish()
    made = packs(bucket) - before
    assert made
    manifest = run.manifest
    for key in made:
        harm(bucket, key)
    again = tiny_store(bucket, create=False, seed=1).runs.get(run.id)
    assert again.manifest == manifest
    assert again.read(f"{'d' * 200}/1/017") == b"17"
    with pytest.raises(ArtifactNotFoundError):
        again.read("not there")
    assert again.record.info.status == "FINISHED"
    assert again.record.data.tags["k7"] == "v" * 5000
    again.log_bytes(b"more", "more")
    again.finish()
    assert again.manifest.keys() == manifest.keys() | {"more"}


@HARMS
@pytest.mark.parametrize("ended", [True, False])
def test_a_first_entry_that_is_lost_takes_the_environment_with_it_alone(
    bucket: Bucket, harm: Harm, ended: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Who asks for what ran where is told; the run is shown without it, read, logged on and ended."""
    location = tiny_location(bucket)
    location.environment = partial(capture, argv=["train.py"], cwd=tmp_path)
    run = Store(location).runs.start()
    run.log_bytes(b"x", "x")
    run.log_bytes(b"y", "y")
    if ended:
        run.finish()
    harm(bucket, entry_key(run.id, 0))
    again = tiny_store(bucket, create=False, seed=1).runs.get(run.id)
    assert again.read("x") == b"x"
    if ended:
        assert list(again.manifest) == ["x", "y"]
        with pytest.raises(IntegrityError, match="entry 0"):
            again.environment  # noqa: B018
        assert again._readable_environment == {}
        assert "the environment of run" in caplog.text
    again.log_bytes(b"more", "more")
    again.finish("KILLED")
    assert again.record.info.status == "KILLED"
    assert again.read("more") == b"more"


def test_a_log_that_claims_a_million_entries_is_not_asked_for_them(bucket: Bucket) -> None:
    """What is not listed is not there."""
    run = tiny_store(bucket).runs.start()
    run.log_bytes(b"x", "x")
    run.flush()
    newest = bucket.get(entry_key(run.id, 1))
    body = json.loads(newest.split(b"\n")[0])
    count = RequestCounter()
    bucket.put(entry_key(run.id, 10**6), encode_document(body | {"n": 10**6}))
    store = tiny_store(TraceBucket(bucket, count), create=False, seed=1)
    with pytest.raises(DamageError):
        store.runs.get(run.id).read("x")
    assert count.total < 1000
