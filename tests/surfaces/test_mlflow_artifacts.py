"""MLflow's artifact repository over a store: what MLflow asks of one, at every depth, and what it may not."""

from __future__ import annotations

import asyncio
import io
import multiprocessing
import os
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

import holdall
from holdall.store import Store
from holdall.surfaces.mlflow import finding, runs_of_roots
from holdall.surfaces.mlflow.addresses import store_at
from holdall.surfaces.mlflow.artifact_repository import HoldallArtifactRepository as Repository

RUN = "0123456789abcdef0123456789abcdef"
ROOTS = {
    "a run": f"0/{RUN}/artifacts",
    "a run directly in the store": f"{RUN}/artifacts",
    "a run below a location of its own": f"team/vision/{RUN}/artifacts",
    "a logged model": f"0/models/m-{RUN}/artifacts",
    "a trace": f"0/traces/tr-{RUN}/artifacts",
    "no run": "some/folder",
}


@pytest.fixture
def address() -> str:
    """A new store in memory, as holdall names it."""
    name = f"memory://{os.urandom(8).hex()}"
    holdall.Store.open(name).maintenance.create()
    return name


@pytest.fixture(params=["a run", "a logged model", "no run"])
def root(request: pytest.FixtureRequest) -> str:
    """Where MLflow logs to, below a store."""
    return ROOTS[request.param]


def listed(repository: Repository, path: str | None = None) -> list[tuple[str, bool, int | None]]:
    return [(found.path, found.is_dir, found.file_size) for found in repository.list_artifacts(path)]


def log(repository: Repository, path: str, text: str) -> None:
    """Log a text as a file."""
    folder, _, name = path.rpartition("/")
    repository.log_artifact_from_stream(io.BytesIO(text.encode()), name, folder or None)


def code_of(error: pytest.ExceptionInfo[MlflowException]) -> str:
    return str(error.value.error_code)


def a_folder(at: Path) -> Path:
    """A folder with a file, a file in a folder, an empty folder, and a link to a file elsewhere."""
    (at / "f" / "deep").mkdir(parents=True)
    (at / "f" / "empty").mkdir()
    (at / "f" / "one.txt").write_text("one")
    (at / "f" / "deep" / "two.txt").write_text("two!")
    (at / "elsewhere.txt").write_text("three")
    (at / "f" / "three.txt").symlink_to(at / "elsewhere.txt")
    return at / "f"


def test_a_folder_comes_back_as_it_was(address: str, root: str, tmp_path: Path) -> None:
    """All files are there, links as what they lead to, empty folders too; listings are one level, sorted."""
    repository = Repository(f"holdall+{address}/{root}")
    repository.log_artifacts(a_folder(tmp_path), "m")
    assert listed(repository) == [("m", True, None)]
    assert listed(repository, "m") == [
        ("m/deep", True, None),
        ("m/empty", True, None),
        ("m/one.txt", False, 3),
        ("m/three.txt", False, 5),
    ]
    assert listed(repository, "m/one.txt") == listed(repository, "nothing") == listed(repository, "m/empty") == []
    fetched = Path(repository.download_artifacts("m"))
    found = {str(path.relative_to(fetched)): path.read_text() for path in fetched.rglob("*") if path.is_file()}
    assert found == {"one.txt": "one", "deep/two.txt": "two!", "three.txt": "three"}
    assert (fetched / "empty").is_dir()
    assert not (fetched / "three.txt").is_symlink()


def test_every_depth_reads_the_same(address: str, root: str, tmp_path: Path) -> None:
    """A file is found by a repository of its root, of the folder that it is in, of one above, and of the store."""
    Repository(f"holdall+{address}/{root}").log_artifacts(a_folder(tmp_path), "a/m")
    whole = f"{root}/a/m/deep/two.txt".split("/")
    for depth in range(len(whole)):
        repository = Repository("/".join((f"holdall+{address}", *whole[:depth])))
        path = "/".join(whole[depth:])
        assert Path(repository.download_artifacts(path)).read_text() == "two!"
        assert repository.download_artifacts(path, str(tmp_path)) == str(tmp_path / path)
        assert (tmp_path / path).read_text() == "two!"
        repository._download_file(path, tmp_path / "again.txt")
        assert (tmp_path / "again.txt").read_text() == "two!"
        assert repository._is_directory(path) is False
        if depth > len(whole) - 2:
            continue
        folder = "/".join(whole[depth:-2])
        assert {found[0] for found in listed(repository, folder or None)} >= {"/".join(whole[depth:-1])}
        assert repository._is_directory(folder) is True
        (tmp_path / f"all{depth}").mkdir()
        fetched = Path(repository.download_artifacts(folder, str(tmp_path / f"all{depth}")))
        assert (fetched / "deep/two.txt").read_text() == "two!"


def test_every_depth_writes_the_same(address: str, root: str) -> None:
    """What is logged by a server's repository is what the client's of the run has, and the reverse."""
    server, client = Repository(f"holdall+{address}"), Repository(f"holdall+{address}/{root}")
    log(server, f"{root}/by/server.txt", "server")
    log(client, "by/client.txt", "client")
    names = ["client.txt", "server.txt"]
    assert [path for path, *_ in listed(client, "by")] == [f"by/{name}" for name in names]
    assert [path for path, *_ in listed(server, f"{root}/by")] == [f"{root}/by/{name}" for name in names]
    below = Repository(f"holdall+{address}/{root}/by")
    log(below, "below.txt", "below")
    assert [path for path, *_ in listed(below)] == ["below.txt", *names]


def test_one_root_is_one_run(address: str) -> None:
    """A run's root, a model's and a trace's are a run each, in one experiment; all else is in one run."""
    for root in ROOTS.values():
        log(Repository(f"holdall+{address}/{root}"), "f.txt", root)
    log(Repository(f"holdall+{address}/other"), "f.txt", "other")
    store = holdall.Store.open(address)
    found = {run.data.tags.get("holdall.mlflow.root", ""): run.info.run_name for run in store.runs.search()}
    assert set(found) == {root if "artifacts" in root else "" for root in ROOTS.values()}
    names = {each.experiment_id: each.name for each in store.experiments.search()}
    mine = {run.data.tags["holdall.mlflow.root"]: names[run.info.experiment_id] for run in store.runs.search()}
    assert mine[ROOTS["a run"]] == mine[ROOTS["a logged model"]] == mine[ROOTS["a trace"]] == "mlflow:0"
    assert mine[ROOTS["a run below a location of its own"]] == "mlflow:team/vision"


def test_logging_again_replaces(address: str, root: str, tmp_path: Path) -> None:
    """The second content of a path counts, by every verb; what was before is an earlier version."""
    repository = Repository(f"holdall+{address}/{root}")
    for text in ("first", "second"):
        (tmp_path / "f.txt").write_text(text)
        repository.log_artifact(tmp_path / "f.txt", "one")
        (tmp_path / "d").mkdir(exist_ok=True)
        (tmp_path / "d" / "f.txt").write_text(text)
        repository.log_artifacts(tmp_path / "d", "two")
        log(repository, "three/f.txt", text)
    for name in ("one", "two", "three"):
        assert Path(repository.download_artifacts(f"{name}/f.txt")).read_text() == "second"
    (run,) = holdall.Store.open(address).runs.search()
    found = holdall.Store.open(address).runs.get(run.info.run_id)
    path = "one/f.txt" if "artifacts" in root else f"{root}/one/f.txt"
    assert [found.read(path, version=each.version) for each in found.versions(path)] == [b"second", b"first"]


def test_strict_refuses_other_content(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `HOLDALL_MLFLOW_STRICT` other content at a path is an error with MLflow's code; the same is none."""
    monkeypatch.setenv("HOLDALL_MLFLOW_STRICT", "1")
    repository = Repository(f"holdall+{address}/{ROOTS['a run']}")
    log(repository, "f.txt", "first")
    log(repository, "f.txt", "first")
    with pytest.raises(MlflowException) as error:
        log(repository, "f.txt", "second")
    assert code_of(error) == "RESOURCE_ALREADY_EXISTS"
    assert isinstance(error.value.__cause__, holdall.errors.ArtifactExistsError)
    assert Path(repository.download_artifacts("f.txt")).read_text() == "first"


@pytest.mark.parametrize(
    "path",
    [
        "..", "../x", "a/../x", "a/../../x", "/etc/passwd", "//x", "a//x", "a/./x", "./x", "a\\x", "..\\x", "a\0x",
        "%2e%2e/x", "a/%2E%2E/x", "%252e%252e/x", "%2Fetc/passwd", "a%5cx", "a%00x", "C:/x", "%25252525252e",
    ],
)  # fmt: skip
def test_no_path_leaves_its_root(address: str, path: str, tmp_path: Path) -> None:
    """What leads out of a root, once it is decoded by whomever, is refused by every verb, and nothing is written."""
    repository = Repository(f"holdall+{address}/{ROOTS['a run']}")
    log(repository, "x", "x")
    (tmp_path / "in").mkdir()
    (tmp_path / "f.txt").write_text("f")
    for verb in (
        lambda: repository.log_artifact(tmp_path / "f.txt", path),
        lambda: repository.log_artifacts(tmp_path / "in", path),
        lambda: repository.log_artifact_from_stream(io.BytesIO(b"f"), "f.txt", path),
        lambda: repository.list_artifacts(path),
        lambda: repository.download_artifacts(path, str(tmp_path / "in")),
        lambda: repository._download_file(path, tmp_path / "in" / "f.txt"),
        lambda: repository.delete_artifacts(path),
    ):
        with pytest.raises(MlflowException) as error:
            verb()
        assert code_of(error) == "INVALID_PARAMETER_VALUE"
    assert listed(repository) == [("x", False, 1)]
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["f.txt", "in"]


def test_a_dot_deletes_nothing(address: str) -> None:
    """`DELETE .../artifacts/.` is refused, and so is deleting all of a store; a percent sign in a name is a name."""
    for uri in (f"holdall+{address}/{ROOTS['a run']}", f"holdall+{address}"):
        repository = Repository(uri)
        log(repository, "100% sure/a%20b.txt", "x")
        for path in (".", "./", "%2e", "./."):
            with pytest.raises(MlflowException) as error:
                repository.delete_artifacts(path)
            assert code_of(error) == "INVALID_PARAMETER_VALUE"
        assert Path(repository.download_artifacts("100% sure/a%20b.txt")).read_text() == "x"
    with pytest.raises(MlflowException, match="never deleted at once"):
        Repository(f"holdall+{address}").delete_artifacts()


@pytest.mark.parametrize(
    "uri", ["holdall+memory:", "memory://x", "holdall+memory://x/../y", "holdall+memory://x/y?a=b"]
)
def test_an_address_that_is_none_is_refused(uri: str) -> None:
    """No address leaves its store or carries settings."""
    with pytest.raises(MlflowException) as error:
        Repository(uri)
    assert code_of(error) == "INVALID_PARAMETER_VALUE"


def test_what_is_missing_is_said_in_mlflows_words(address: str, root: str, tmp_path: Path) -> None:
    """A missing file is RESOURCE_DOES_NOT_EXIST, logged to or not; a missing folder has nothing."""
    repository = Repository(f"holdall+{address}/{root}")
    for _ in range(2):
        assert listed(repository, "nothing") == []
        for verb in (
            lambda: repository.download_artifacts("nothing.txt"),
            lambda: repository._download_file("nothing.txt", tmp_path / "x"),
            lambda: repository.download_artifacts("", str(tmp_path / "not there")),
        ):
            with pytest.raises(MlflowException) as error:
                verb()
            assert code_of(error) == "RESOURCE_DOES_NOT_EXIST"
        log(repository, "something.txt", "x")


def test_without_a_store_it_says_how_to_make_one(caplog: pytest.LogCaptureFixture) -> None:
    """Where no store is above an address, nothing is made: the error names the command, and is logged too."""
    name = os.urandom(8).hex()
    repository = Repository(f"holdall+memory://{name}/{ROOTS['a run']}")
    for verb in (
        lambda: log(repository, "f.txt", "x"),
        lambda: repository.list_artifacts(),
        repository.delete_artifacts,
    ):
        with pytest.raises(MlflowException, match=f"holdall store init memory://{name}"):
            verb()
    assert "holdall store init" in caplog.text
    Store.open(f"memory://{name}").maintenance.create()
    log(repository, "f.txt", "x")
    assert listed(repository) == [("f.txt", False, 1)]


def test_a_failure_is_never_read_as_missing(
    address: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What MLflow swallows is logged with its cause: an expired token does not read as a file that is not there."""
    repository = Repository(f"holdall+{address}/{ROOTS['a run']}")
    log(repository, "f.txt", "x")

    def refuse(*_: object, **__: object) -> None:
        raise holdall.errors.AccessDeniedError("GET runs/x", "the credentials have expired")

    monkeypatch.setattr(holdall.store.Run, "download", refuse)
    with pytest.raises(MlflowException) as error:
        repository.download_artifacts("f.txt")
    assert code_of(error) == "PERMISSION_DENIED"
    assert "the credentials have expired" in caplog.text


def test_who_was_refused_asks_anew_with_the_credentials_of_then(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository that MLflow keeps for long opens its store anew after credentials were refused."""
    repository = Repository(f"holdall+{address}/{ROOTS['a run']}")
    log(repository, "f.txt", "x")
    before, real = store_at(f"holdall+{address}"), holdall.store.Run.download

    def refuse_once(run: holdall.store.Run, *given: object, **named: object) -> Path:
        monkeypatch.setattr(holdall.store.Run, "download", real)
        raise holdall.errors.AccessDeniedError("GET runs/x", "the credentials have expired")

    monkeypatch.setattr(holdall.store.Run, "download", refuse_once)
    with pytest.raises(MlflowException):
        repository.download_artifacts("f.txt")
    assert Path(repository.download_artifacts("f.txt")).read_text() == "x"
    assert store_at(f"holdall+{address}") is not before


def test_a_forked_child_goes_on_with_the_same_repository(tmp_path: Path) -> None:
    """A repository that was used before a fork logs in the child, too, and both have what both logged."""
    holdall.Store.open(str(tmp_path / "s")).maintenance.create()
    repository = Repository(f"holdall+file://{tmp_path}/s/{ROOTS['a run']}")
    log(repository, "parent.txt", "p")
    child = multiprocessing.get_context("fork").Process(target=log, args=(repository, "child.txt", "c" * 100_000))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    log(repository, "after.txt", "a")
    assert [path for path, *_ in listed(repository)] == ["after.txt", "child.txt", "parent.txt"]
    assert len(Path(repository.download_artifacts("child.txt")).read_text()) == 100_000


def test_a_deleted_root_is_empty_and_can_be_logged_to_again(address: str) -> None:
    """Deleting a root is idempotent, also where there never was one; what is logged later begins from nothing."""
    for root in list(ROOTS.values())[:-1]:
        repository = Repository(f"holdall+{address}/{root}")
        repository.delete_artifacts()
        for round in range(3):
            log(repository, f"{round}.txt", "x")
            assert listed(Repository(f"holdall+{address}/{root}")) == [(f"{round}.txt", False, 1)]
            Repository(f"holdall+{address}").delete_artifacts(root)
            repository.delete_artifacts()
            assert listed(repository) == []


def test_a_deleted_root_is_found_by_other_processes(address: str) -> None:
    """A process that knows nothing of what was deleted reads and writes what is there now."""
    repository = Repository(f"holdall+{address}/{ROOTS['a run']}")
    for round in range(3):
        log(repository, f"{round}.txt", "x")
        runs_of_roots._generations.clear()
        finding._known.clear()
        assert listed(repository) == [(f"{round}.txt", False, 1)]
        log(repository, "more.txt", "y")
        runs_of_roots._generations.clear()
        repository.delete_artifacts()
        runs_of_roots._generations.clear()
        assert listed(repository) == []


def test_a_deletion_that_was_killed_is_finished_by_who_writes(address: str) -> None:
    """Deleted and not yet purged, a root is empty for who logs to it; deleted by hand, it is an error that says how."""
    store, repository = holdall.Store.open(address), Repository(f"holdall+{address}/{ROOTS['a run']}")
    log(repository, "f.txt", "x")
    (run,) = store.runs.search()
    store.runs.get(run.info.run_id).delete(tags={"holdall.discarded": "1"})
    log(repository, "g.txt", "y")
    assert listed(repository) == [("g.txt", False, 1)]
    (run,) = store.runs.search()
    store.runs.get(run.info.run_id).delete()
    with pytest.raises(MlflowException, match="holdall run restore"):
        log(repository, "h.txt", "z")


def test_deleting_frees_bytes(address: str) -> None:
    """After a garbage collection nothing is left of a root that was deleted, nor of a path and what it held before."""
    store, big = holdall.Store.open(address), 300_000
    kept, gone = (Repository(f"holdall+{address}/0/{digit * 32}/artifacts") for digit in "ab")
    log(kept, "kept.bin", "k")
    kept.log_artifact_from_stream(io.BytesIO(os.urandom(big)), "first.bin", "d")
    kept.log_artifact_from_stream(io.BytesIO(os.urandom(big)), "first.bin", "d")
    gone.log_artifact_from_stream(io.BytesIO(os.urandom(big)), "second.bin")
    assert store.maintenance.stats().object_bytes > 3 * big
    kept.delete_artifacts("d")
    kept.delete_artifacts("d")
    gone.delete_artifacts()
    runs_of_roots._open.end_all()
    store.maintenance.gc(delay=0)
    assert store.maintenance.stats().object_bytes < big
    assert listed(kept) == [("kept.bin", False, 1)]
    assert store.maintenance.check().intact


def test_files_are_fetched_and_logged_by_many_threads(address: str, tmp_path: Path) -> None:
    """One repository serves many threads."""
    repository = Repository(f"holdall+{address}/{ROOTS['a run']}")
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: log(repository, f"d/{n}.txt", f"{n}" * 100), range(40)))
        list(threads.map(lambda n: repository._download_file(f"d/{n}.txt", tmp_path / f"{n}"), range(40)))
    assert [(tmp_path / f"{n}").read_text() for n in range(40)] == [f"{n}" * 100 for n in range(40)]


@pytest.mark.parametrize("size", [0, 10, 64 << 10, (64 << 10) + 1, 3 << 20])
def test_a_stream_is_logged_whole(address: str, size: int) -> None:
    """What arrives in pieces is what is there, at once or in an event loop, small or large."""
    data, repository = os.urandom(size), Repository(f"holdall+{address}/{ROOTS['a run']}")

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, size, 50_000):
            await asyncio.sleep(0)
            yield data[at : at + 50_000]

    repository.log_artifact_from_stream(io.BytesIO(data), "ignored/sync.bin", "d")
    asyncio.run(repository.log_artifact_from_async_stream(pieces(), "async.bin", "d"))
    for name in ("sync", "async"):
        assert Path(repository.download_artifacts(f"d/{name}.bin")).read_bytes() == data


@pytest.mark.parametrize("size", [10, 3 << 20])
def test_a_request_that_ends_early_logs_nothing(address: str, size: int) -> None:
    """Of a stream that breaks nothing is logged, and no thread waits for the rest of it."""
    repository = Repository(f"holdall+{address}/{ROOTS['a run']}")

    async def pieces() -> AsyncIterator[bytes]:
        yield os.urandom(size)
        raise ConnectionResetError("the client is gone")

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            if not data:
                raise ConnectionResetError("the client is gone")
            return data

    before = threading.active_count()
    with pytest.raises(ConnectionResetError):
        asyncio.run(repository.log_artifact_from_async_stream(pieces(), "f.bin"))
    with pytest.raises(ConnectionResetError):
        repository.log_artifact_from_stream(Broken(os.urandom(size)), "f.bin")
    assert listed(repository) == []
    assert threading.active_count() <= before + 1


def test_a_stream_of_a_deleted_run_is_an_error_not_half_a_file(address: str) -> None:
    """A run that is deleted while a large file is sent to it refuses the file, and logs no part of it."""
    uri, data = f"holdall+{address}/{ROOTS['a run']}", io.BytesIO(os.urandom(3 << 20))
    repository = Repository(uri)
    log(repository, "first.txt", "x")

    class Deleting(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 2 << 20:
                store = holdall.Store.open(address)
                for run in store.runs.search():
                    store.maintenance.discard(run.info.run_id)
            return super().read(size)

    with pytest.raises(MlflowException, match="send the file again"):
        repository.log_artifact_from_stream(Deleting(data.getvalue()), "f.bin")
    assert listed(repository) == []
    log(repository, "f.bin", "again")
    assert listed(repository) == [("f.bin", False, 5)]


def test_runs_that_are_written_to_are_few(address: str) -> None:
    """A server keeps only so many runs open; one that was ended is gone on with."""
    repository, most = Repository(f"holdall+{address}"), runs_of_roots.MOST_OPEN
    for round in range(2):
        for n in range(most + 3):
            log(repository, f"0/{n:032x}/artifacts/{round}.txt", f"{n}")
    assert len(runs_of_roots._open._own) <= most
    for n in range(most + 3):
        assert [path[-5:] for path, *_ in listed(repository, f"0/{n:032x}/artifacts")] == ["0.txt", "1.txt"]


def test_threads_that_end_each_others_runs_lose_nothing(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for one open run, threads that write to several end them all the time, and every file is there."""
    monkeypatch.setattr(runs_of_roots._open, "_most", 1)
    repository = Repository(f"holdall+{address}")
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda n: log(repository, f"0/{n % 4:032x}/artifacts/{n}.txt", f"{n}"), range(32)))
    found = [path for n in range(4) for path, *_ in listed(repository, f"0/{n:032x}/artifacts")]
    assert len(found) == 32
