"""What a run reads of others: few edges, by digest, noted without a request, and hostile to nobody."""

from __future__ import annotations

import json
import os
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.stores import tiny_store

import holdall
from holdall.errors import ArtifactNotFoundError
from holdall.runs.reads import EDGES, FILES, RUNS, ReadArtifact, ReadLog, places_in, read_tag, reads_of
from holdall.settings import read_settings
from holdall.storage.bucket import Bytes
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import TraceBucket
from holdall.store import Run, Store
from holdall.surfaces.fluent import active

ID = "0" * 32


class Counted(TraceBucket):
    """A bucket that counts what it is asked."""

    def __init__(self) -> None:
        super().__init__(MemoryBucket(), lambda _: None)
        self.asked: list[str] = []

    def put(self, key: str, data: Bytes) -> None:
        self.asked.append(f"put {key}")
        super().put(key, data)

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        self.asked.append(f"get {key}")
        return super().get(key, limit=limit)


@pytest.fixture
def bucket() -> Counted:
    return Counted()


@pytest.fixture
def store(bucket: Counted) -> Iterator[Store]:
    """A store, current for one test, in which no time passes."""
    active._state.store = store = tiny_store(bucket)
    store._location.ticks = lambda: 0.0
    yield store
    while holdall.active_run():
        holdall.end_run()
    active._state.store = None


@pytest.fixture
def source(store: Store) -> Run:
    """A run that has ended, with a file and a folder."""
    with store.runs.start(name="source") as run:
        run.log_text("rows", "data/train.csv")
        run.log_text("more", "data/test.csv")
        run.log_dict({"a": 1}, "config.json")
    return run


def test_what_was_used_is_read_and_told_by_its_digest(store: Store, source: Run) -> None:
    """A file's edge has its SHA-256, and the handle reads the file."""
    run = store.runs.start()
    used = run.use_artifact(f"runs:/{source.id}/data/train.csv")
    assert (used.read(), used.is_dir, used.size) == (b"rows", False, 4)
    assert used.digest == f"sha256:{source.manifest['data/train.csv']}"
    run.finish()
    (edge,) = store.runs.get(run.id).reads
    assert (edge.run_id, edge.path, edge.digest) == (source.id, "data/train.csv", used.digest)


def test_a_folder_is_one_edge_with_the_digest_of_its_manifest(store: Store, source: Run, tmp_path: Path) -> None:
    """Its digest is that which a registered version of the same files would have."""
    run = store.runs.start()
    used = run.use_artifact(f"runs:/{source.id}/data")
    assert used.digest == store.models.digest(f"runs:/{source.id}/data")
    assert used.is_dir
    assert used.read("test.csv") == b"more"
    assert sorted(os.listdir(used.download(tmp_path))) == ["test.csv", "train.csv"]
    assert [edge.path for edge in run.reads] == ["data"]


def test_what_is_not_there_is_an_error_and_no_edge(store: Store, source: Run) -> None:
    """Nothing is said of what could not be found."""
    run = store.runs.start()
    with pytest.raises(ArtifactNotFoundError):
        run.use_artifact(f"runs:/{source.id}/nothing")
    assert run.reads == []


def test_a_note_costs_no_request(bucket: Counted, store: Store, source: Run) -> None:
    """It waits for the next entry, as a parameter does; and one that is known is not written again."""
    run = store.runs.start()
    bucket.asked.clear()
    for _ in range(3):
        run._note_read(source.id, "data/train.csv", "sha256:" + "1" * 64)
    assert bucket.asked == []
    run.flush()
    (entry,) = bucket.asked
    run._note_read(source.id, "data/train.csv", "sha256:" + "1" * 64)
    run.flush()
    assert bucket.asked == [entry]


def test_a_loader_of_very_many_files_makes_one_edge_for_their_folder(store: Store) -> None:
    """However many files and threads: the folder is named once, and the other edges are taken back."""
    run = store.runs.start()

    def load(begin: int) -> None:
        for n in range(begin, 4000, 4):
            run._note_read(ID, f"data/shards/{n}.bin", f"sha256:{n:064x}")

    threads = [threading.Thread(target=load, args=(begin,)) for begin in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (edge,) = run.reads
    assert (edge.path, edge.digest) == ("data/shards", None)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 40)), max_size=300))
def test_edges_are_few_and_cover_all_that_was_read(places: list[tuple[int, int]]) -> None:
    """Each file that was read is below the path of some edge, and no run has more than so many."""
    tags: dict[str, str] = {}
    log = ReadLog({})
    for folder, n in places:
        for key, value in log.add(ReadArtifact(ID, f"f{folder}/{n}", f"sha256:{n}")).items():
            tags.pop(key, None)
            if value is not None:
                tags[key] = value
    edges = reads_of(tags)
    assert len(edges) <= EDGES
    for folder, n in places:
        assert any(not e.path or f"f{folder}/{n}/".startswith(e.path + "/") for e in edges)
    for folder in {f for f, _ in places}:
        assert sum(e.path.startswith(f"f{folder}/") for e in edges) <= FILES


def test_what_was_named_stays_an_edge_of_its_own(store: Store, source: Run) -> None:
    """A file that was asked for by name is told with its digest, whatever else of its folder is read."""
    run = store.runs.start()
    used = run.use_artifact(f"runs:/{source.id}/data/train.csv")
    for n in range(FILES + 5):
        run._note_read(source.id, f"data/{n}", f"sha256:{n:064x}")
    assert {(edge.path, edge.digest) for edge in run.reads} == {("data", None), ("data/train.csv", used.digest)}


def test_of_very_many_runs_the_later_are_not_noted() -> None:
    """A run that looks at all runs of a store does not grow without end."""
    log = ReadLog({})
    noted = [bool(log.add(ReadArtifact(f"{n:032x}", "metrics.json", None))) for n in range(RUNS + 3)]
    assert noted == [True] * RUNS + [False] * 3


def test_a_run_that_is_gone_on_with_knows_its_edges(store: Store, source: Run) -> None:
    """A second process says nothing twice, and folds with what the first one said."""
    run = store.runs.start()
    run._note_read(source.id, "data/train.csv", "sha256:" + "1" * 64)
    run.finish()
    again = store.runs.resume(run.id)
    for n in range(FILES):
        again._note_read(source.id, "data/train.csv", "sha256:" + "1" * 64)
        assert len(again.reads) == n + 1
        again._note_read(source.id, f"data/{n}", "sha256:" + "1" * 64)
    assert [edge.path for edge in again.reads] == ["data"]


def test_a_handle_of_another_process_says_what_it_uses(tmp_path: Path) -> None:
    """It was pickled, and knows what addresses mean, those of models too."""
    store = Store.open(str(tmp_path))
    with store.runs.start() as run:
        run.log_text("weights", "model/weights.bin")
    store.registry.register(f"runs:/{run.id}/model", "forest")
    later: Run = pickle.loads(pickle.dumps(store.runs.start()))
    assert later.use_artifact("models:/forest/1").read("weights.bin") == b"weights"
    assert [(edge.uri, edge.path) for edge in later.reads] == [("models:/forest/1", "model")]


def test_the_run_itself_and_ended_runs_note_nothing(store: Store, source: Run) -> None:
    """What a run reads of its own is no edge, and reading never opens a run again."""
    run = store.runs.start()
    run.log_text("own", "own.txt")
    run._note_read(run.id, "own.txt", None)
    assert run.reads == []
    run.finish()
    newest = run.state
    run._note_read(source.id, "config.json", None)
    assert run.state == newest
    assert not run._is_open


def test_a_bucket_that_fails_does_not_stop_the_reading(store: Store, source: Run, bucket: Counted) -> None:
    """What cannot be noted is warned of."""
    run = store.runs.start()
    store._location.ticks = iter(range(0, 1_000_000, 100)).__next__  # so that each note wants to be written

    def fail(key: str, data: Bytes) -> None:
        raise holdall.errors.AccessDeniedError("x", key, "no")

    bucket.put, put = fail, bucket.put  # type: ignore[method-assign]
    for n in range(3):
        run._note_read(source.id, f"{n}", None)
    bucket.put = put  # type: ignore[method-assign]
    assert [edge.path for edge in run.reads] == ["0", "1", "2"]


# --- by the verbs that read by address ------------------------------------------------------------


def test_verbs_that_read_by_address_note_it_in_the_active_run(store: Store, source: Run, tmp_path: Path) -> None:
    """Each of them, with the digest of what was read."""
    with holdall.start_run() as run:
        holdall.artifacts.load_dict(f"runs:/{source.id}/config.json")
        holdall.artifacts.load_text(f"runs:/{source.id}/data/test.csv")
        holdall.artifacts.download_artifacts(f"runs:/{source.id}/data", dst_path=tmp_path)
        with holdall.artifacts.open_artifact(f"runs:/{source.id}/data/train.csv") as file:
            file.read()
        holdall.artifacts.list_artifacts(f"runs:/{source.id}")
    digests = {path: f"sha256:{digest}" for path, digest in source.manifest.items()}
    folder = store.models.digest(f"runs:/{source.id}/data")
    expected = {"config.json": digests["config.json"], "data/test.csv": digests["data/test.csv"], "data": folder}
    assert {edge.path: edge.digest for edge in run.reads} == expected


def test_a_part_of_a_folder_is_told_by_its_files(store: Store, source: Run, tmp_path: Path) -> None:
    """With patterns, the folder's digest would say more than was read."""
    with holdall.start_run() as run:
        holdall.artifacts.download_artifacts(f"runs:/{source.id}/data", dst_path=tmp_path, include="train*")
    assert [edge.path for edge in run.reads] == ["data/train.csv"]


def test_without_an_active_run_or_with_the_setting_off_nothing_is_noted(
    store: Store, source: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HOLDALL_LINEAGE=off turns the noting off, not what a run says itself."""
    holdall.artifacts.load_text(f"runs:/{source.id}/data/test.csv")
    monkeypatch.setenv("HOLDALL_LINEAGE", "off")
    with holdall.start_run() as run:
        holdall.artifacts.load_text(f"runs:/{source.id}/data/test.csv")
        holdall.use_artifact(f"runs:/{source.id}/config.json")
    assert [edge.path for edge in run.reads] == ["config.json"]
    monkeypatch.setenv("HOLDALL_LINEAGE", "perhaps")
    with pytest.raises(ValueError, match="HOLDALL_LINEAGE"):
        read_settings()


def test_a_model_that_is_loaded_is_an_edge(store: Store) -> None:
    """By the address it was asked for, with the digest of its files; as its own run loads it, it is none."""
    with holdall.start_run() as training:
        info = holdall.log_model(lambda model_input: model_input, "same", pip_requirements=[])
        holdall.load_model(info.model_uri)
    holdall.register_model(info.model_uri, "same")
    with holdall.start_run() as scoring:
        holdall.load_model("models:/same/1")
        holdall.pyfunc.load_model(info.model_uri)
        named = holdall.use_artifact("models:/same/1")
    assert training.reads == []
    (edge,) = scoring.reads
    assert (edge.run_id, edge.path) == (training.id, "same")
    assert edge.digest == store.models.digest(info.model_uri) == named.digest


def test_a_data_set_with_a_source_in_the_store_is_an_edge(store: Store, source: Run) -> None:
    """`log_input` says from which run it came; other sources are none of ours."""
    inside = {"name": "a", "digest": "1", "source_type": "s3", "source": json.dumps({"uri": f"runs:/{source.id}/data"})}
    outside = {"name": "b", "digest": "2", "source_type": "s3", "source": json.dumps({"uri": "s3://bucket/x"})}
    with holdall.start_run() as run:
        holdall.log_input(inside)
        holdall.log_input(outside)
    assert [(edge.run_id, edge.path) for edge in run.reads] == [(source.id, "data")]


def test_another_store_is_told_by_its_id(store: Store, tmp_path: Path) -> None:
    """What is read elsewhere is an edge, too."""
    other = Store.open(str(tmp_path))
    with other.runs.start() as there:
        there.log_text("far", "far.txt")
    with holdall.start_run() as run:
        holdall.artifacts.download_artifacts(
            f"runs:/{there.id}/far.txt", dst_path=tmp_path / "to", tracking_uri=str(tmp_path)
        )
    (edge,) = run.reads
    assert (edge.run_id, edge.store) == (there.id, other.id)


@given(st.dictionaries(st.sampled_from(["time", "run", "path", "digest", "store", "uri"]), st.one_of(
    st.none(), st.integers(), st.text(max_size=5), st.just(ID)
)))  # fmt: skip
def test_tags_of_strangers_are_passed_over(body: dict[str, object]) -> None:
    """What cannot be understood is no edge, and no error."""
    for edge in reads_of({"holdall.read.0123456789abcdef": json.dumps(body), "holdall.read.x": "[" * 100_000}):
        assert edge.run_id == ID


def test_an_edge_is_read_as_it_was_written() -> None:
    """All of its fields."""
    edge = ReadArtifact(ID, "a", "sha256:0", "1" * 32, "models:/a/1", 5)
    assert reads_of(read_tag(edge)) == [edge]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (f"runs:/{ID}/a/b", [(ID, "a/b")]),
        (json.dumps({"uri": f"holdall://runs/{ID}/a"}), [(ID, "a")]),
        (json.dumps({"path": f"runs:/{ID}"}), [(ID, "")]),
        (json.dumps({"uri": "runs:/nothing/a"}), []),
        (json.dumps([1]), []),
        ("[" * 100_000, []),
    ],
)
def test_addresses_in_a_source(source: str, found: list[tuple[str, str]]) -> None:
    """A data set's source is a JSON text of any shape, or an address."""
    assert places_in(source) == found
