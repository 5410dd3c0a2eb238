"""What holds of every engine: order, bounds, errors as they were raised, lost workers' work done again."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.support.depth import DEEP

import holdall
from holdall.collecting.collector import Collector, Policy
from holdall.engines.mapping import TRIES, Engine
from holdall.engines.opening import ENGINES, open_engine
from holdall.engines.threads import ThreadEngine
from holdall.errors import ArtifactExistsError, InvalidArgumentError, MissingLibraryError, WorkerLostError

LIBRARIES = {"threads": "threading", "ray": "ray", "dask": "distributed"}


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Each engine, with two workers on this machine."""
    pytest.importorskip(LIBRARIES[request.param], reason=f"pip install 'holdall[{request.param}]'")
    with open_engine(request.param, workers=2) as opened:
        yield opened


# Which can be killed; one shows it where seconds count.
of_processes = pytest.mark.parametrize("engine", ["ray", "dask"] if DEEP else ["ray"], indirect=True)


def square(shard: int) -> int:
    return shard * shard


def refuse(shard: int) -> int:
    if shard == 2:
        raise ArtifactExistsError("run", f"path {shard}", "a", "b")
    return shard


def killed(deaths: int, folder: Path, shard: int) -> int:
    """Kill this very process over shard 1, so many times; and leave a file each time that a shard is begun."""
    number = len(list(folder.glob(f"{shard}-*")))
    (folder / f"{shard}-{number}").touch()
    if shard == 1 and number < deaths:
        os.kill(os.getpid(), signal.SIGKILL)
    return square(shard)


def test_results_come_in_the_shards_order(engine: Engine) -> None:
    """However many shards there are, and none at all; an engine may be used more than once."""
    assert list(engine.map(square, range(20))) == [n * n for n in range(20)]
    assert list(engine.map(square, [])) == []


def test_shards_are_taken_some_at_a_time(engine: Engine) -> None:
    """Not more than two a worker are out while the first result is awaited: an endless stream is no trouble."""
    endless = itertools.count()
    results = engine.map(square, endless)
    assert next(results) == 0
    assert next(endless) == 2 * engine.workers
    results.close()  # type: ignore[attr-defined]


def test_a_functions_own_error_is_raised_as_it_is(engine: Engine) -> None:
    """Its type, its facts, its text; what came before it was yielded, and the engine works on."""
    results = engine.map(refuse, range(5))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ArtifactExistsError) as caught:
        next(results)
    assert type(caught.value) is ArtifactExistsError
    assert caught.value.path == "path 2"
    assert list(engine.map(square, [3])) == [9]


def test_a_collection_reads_and_fences_by_any_engine(engine: Engine, tmp_path: Path) -> None:
    """Workers read the runs and write the fences; the same packs go."""
    store = holdall.open(str(tmp_path / "store"))
    for name in ("kept", "open"):
        run = store.runs.start(name=name)
        run.log_bytes(random.Random(name).randbytes(300_000), "a.bin")
        if name == "kept":
            run.finish()
    pack = next((tmp_path / "store" / "packs").glob("*/*"))
    orphan = tmp_path / "store" / "packs" / "ab" / ("ab" * 16 + "-00000000")
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(pack.read_bytes())
    found = Collector(store._location, engine, Policy(delay=0)).perform()
    assert (found.freed.packs, found.fenced) == (1, 1)
    assert not orphan.exists()
    run.finish()
    assert store.maintenance.check().intact


@of_processes
def test_a_lost_workers_shard_is_done_again(engine: Engine, tmp_path: Path) -> None:
    """A worker that is killed over a shard costs that shard a second try, and nobody a result."""
    found = list(engine.map(partial(killed, 1, tmp_path), range(6)))
    assert found == [n * n for n in range(6)]
    assert len(list(tmp_path.glob("1-*"))) >= 2


@of_processes
def test_a_shard_that_kills_every_worker_is_named(engine: Engine, tmp_path: Path) -> None:
    """After so many tries it is given up, with an error that says which shard it was."""
    with pytest.raises(WorkerLostError, match="given 1 was lost") as caught:
        list(engine.map(partial(killed, 99, tmp_path), range(3)))
    assert (caught.value.shard, caught.value.engine) == ("1", engine.name)
    assert TRIES <= len(list(tmp_path.glob("1-*"))) <= TRIES + 1


def test_threads_share_this_process() -> None:
    """Nothing is pickled: what cannot be travels, and what is returned is the very thing."""
    lock = threading.Lock()
    with open_engine() as engine:
        assert isinstance(engine, ThreadEngine)
        assert list(engine.map(lambda shard: shard, [lock])) == [lock]


def test_nothing_runs_once_a_call_was_given_up() -> None:
    """Who stops listening waits for what has begun; what has not is never done."""
    begun: list[int] = []
    with open_engine("threads", workers=1) as engine:
        results = engine.map(begun.append, range(100))
        next(results)
        results.close()  # type: ignore[attr-defined]
        told = list(begun)
    assert begun == told
    assert len(told) <= 3


@pytest.mark.parametrize("name", ["ray", "dask"])
def test_a_library_that_is_not_there_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to install; and only an engine that was asked for imports its own."""
    monkeypatch.setitem(sys.modules, LIBRARIES[name], None)
    with pytest.raises(MissingLibraryError, match=rf"pip install 'holdall\[{name}\]'"):
        open_engine(name)


@pytest.mark.parametrize(("name", "workers", "told"), [("spark", None, "none of threads"), ("threads", 0, "one")])
def test_an_engine_that_cannot_be_is_refused(name: str, workers: int | None, told: str) -> None:
    """By name, and by the number of its workers."""
    with pytest.raises(InvalidArgumentError, match=told):
        open_engine(name, workers)


def test_a_script_that_starts_dask_unguarded_is_told_so(tmp_path: Path) -> None:
    """Dask's processes run the script anew: without a guard they would begin it once more, and do not start."""
    pytest.importorskip("distributed", reason="pip install 'holdall[dask]'")
    script = tmp_path / "script.py"
    script.write_text("from holdall.engines.opening import open_engine\nopen_engine('dask', 1)\n")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=200)
    assert done.returncode == 1
    assert "if __name__ == '__main__':" in done.stderr
