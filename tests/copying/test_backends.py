"""Between any two backends, by any engine, watched or not: the copy is the same."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import pytest
from tests.support.copied import known, noise, pair
from tests.support.worker import Place, place_of

from holdall.copying.copy import Manner, Wanted, copy_store
from holdall.engines.mapping import Engine
from holdall.store import Store

S = TypeVar("S")
T = TypeVar("T")
_numbers = iter(range(1000))


def somewhere(request: pytest.FixtureRequest, backend: str, folder: Path) -> Place:
    """A place for a new store: a dict, a folder, S3, or a filesystem that fsspec knows."""
    folder.mkdir()
    if backend == "memory":
        return Place(f"memory://copies-{next(_numbers)}")
    if backend == "fsspec":
        return Place(f"local://{folder}/store", {"unsafe_single_writer": True, "auto_mkdir": True})
    return place_of(request, backend, folder)


NEAR = ("memory", "local", "fsspec")
PAIRS = [(here, there) for here in NEAR for there in NEAR]


@pytest.mark.parametrize(("here", "there"), [*PAIRS, ("local", "moto"), ("moto", "fsspec"), ("moto", "moto")])
@pytest.mark.every(3)
def test_a_store_is_copied_from_each_backend_to_each(
    here: str, there: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Runs and models are the same in the copy, which is intact; again, and nothing is sent."""
    source = somewhere(request, here, tmp_path / "here").store()
    target = somewhere(request, there, tmp_path / "there")
    with source.runs.start(experiment="a") as run:
        run.log_bytes(noise(90_000), "model/weights.bin")
        run.log_metric("loss", 0.5)
    source.registry.register(f"runs:/{run.id}/model", "fraud")
    report = source.maintenance.copy_to(target.url, options=target.options)
    assert report.complete
    copy = target.store()
    assert known(copy.runs.get(run.id)) == known(source.runs.get(run.id))
    assert copy.registry.get_version("fraud", 1).digest == source.registry.get_version("fraud", 1).digest
    assert copy.maintenance.check().problems == []
    again = source.maintenance.copy_to(copy)
    assert ([done.outcome for done in again.runs], [done.outcome for done in again.models]) == (["same"], ["same"])


class Distant(Engine):
    """Workers that get nothing but what was pickled, as on other machines; and one that is lost at first."""

    def __init__(self) -> None:
        super().__init__(2)
        self.lost = 0

    def _submit(self, function: Callable[[S], T], shard: S) -> Any:
        work = pickle.dumps((function, shard))
        done: Future[bytes] = Future()

        def run() -> None:
            task, given = pickle.loads(work)
            done.set_result(pickle.dumps(task(given)))

        threading.Thread(target=run).start()
        return done

    def _result(self, handle: Future[bytes]) -> Any:
        return pickle.loads(handle.result(60))

    def _drop(self, handle: Any) -> None:
        handle.result(60)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        return None


def test_workers_on_other_machines_make_the_same_copy(tmp_path: Path) -> None:
    """What is handed to a worker can be pickled, and so can what comes back; the result is as that of threads."""
    source = Store.open(str(tmp_path / "here"))
    for n in range(4):
        with source.runs.start(experiment=f"{n % 2}") as run:
            run.log_bytes(noise(80_000, n), "a.bin")
    target = Store.open(str(tmp_path / "there"))
    for expected in ("new", "same"):
        report = copy_store(source._location, target._location, Wanted(), Manner(), Distant())
        assert [done.outcome for done in report.runs] == [expected] * 4
    assert all(known(target.runs.get(id)) == known(source.runs.get(id)) for id in source.maintenance.run_ids())


class Watching:
    """An observer that adds up what it is told."""

    def __init__(self) -> None:
        self.verbs: list[str] = []
        self.done = self.saved = 0

    def begin(self, verb: str, _total: int | None) -> Watching:
        self.verbs.append(verb)
        return self

    def add(self, done: int, saved: int = 0) -> None:
        self.done, self.saved = self.done + done, self.saved + saved

    def __enter__(self) -> Watching:
        return self

    def __exit__(self, *_: object) -> None:
        return None


def test_a_copy_tells_how_far_it_is() -> None:
    """An observer hears of every byte of the files that go to packs, and which of them need not travel."""
    stores = pair()
    for n in range(2):
        with stores.source.runs.start() as run:
            run.log_bytes(noise(100_000) + noise(10_000, n), "a.bin")
    source, watching = stores.source, Watching()
    source._location.observer = watching
    source.maintenance.copy_to(stores.copy, workers=1)
    assert watching.verbs == ["copy"]
    assert watching.done == 220_000
    assert 80_000 < watching.saved <= 110_000
