"""Which run is the active one: of tasks, threads and what they begin; and going on with a run."""

from __future__ import annotations

import asyncio
import pickle
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from pathlib import Path
from typing import Any

import pytest

import holdall
from holdall.errors import ActiveRunError, InvalidNameError, NoActiveRunError, RunDeletedError, RunNotFoundError
from holdall.surfaces.fluent import active


@pytest.fixture(autouse=True)
def store(tmp_path: Path) -> Iterator[holdall.Store]:
    """A store in a folder, current for one test, and nothing active."""
    active._state.__init__()  # type: ignore[misc]
    yield holdall.set_store(str(tmp_path / "store"))
    active._state.__init__()  # type: ignore[misc]


def owner() -> str | None:
    """The run that a verb would log to."""
    run = holdall.active_run()
    return run.run_id if run else None


async def together(*tasks: Any) -> list[Any]:
    """What tasks return that run side by side."""
    return await asyncio.gather(*tasks)


# --- tasks ---


async def _work(name: str, turns: int = 3) -> tuple[str, list[str | None]]:
    with holdall.start_run(run_name=name) as run:
        seen = []
        for n in range(turns):
            await asyncio.sleep(0)
            holdall.log_metric("n", n, step=n)
            holdall.log_param("name", name)
            seen.append(owner())
        return run.run_id, seen


def test_tasks_log_into_their_own_runs(store: holdall.Store) -> None:
    """Five tasks that each start a run, and take turns, do not meet: MLflow's share the thread's stack."""
    found = asyncio.run(together(*(_work(f"task {n}") for n in range(5))))
    assert len({run_id for run_id, _ in found}) == 5
    for run_id, seen in found:
        assert set(seen) == {run_id}
        record = store.runs.get(run_id).record
        assert record.data.params == {"name": record.info.run_name}
        assert record.info.status == "FINISHED"


def test_a_task_works_on_the_run_that_it_was_begun_in() -> None:
    """Tasks begun within a run log into it; their own, nested, are its children, and they end none but these."""

    async def child(n: int) -> tuple[str | None, str]:
        before = owner()
        holdall.log_metric("children", n)
        with holdall.start_run(nested=True) as run:
            await asyncio.sleep(0)
            assert owner() == run.run_id
            parent = run.data.tags["mlflow.parentRunId"]
        await asyncio.sleep(0)
        return (before, parent) if owner() == before else (None, "")

    async def main() -> list[tuple[str | None, str]]:
        with pytest.raises(ActiveRunError):
            holdall.start_run()
        return await together(*(child(n) for n in range(3)))

    with holdall.start_run() as run:
        assert asyncio.run(main()) == [(run.run_id, run.run_id)] * 3
        assert owner() == run.run_id
    assert owner() is None


def test_a_task_beside_one_with_a_run_has_none() -> None:
    """It is refused, rather than logged into a stranger's run; and it may start its own."""

    async def with_run(gate: asyncio.Event, done: asyncio.Event) -> None:
        with holdall.start_run():
            gate.set()
            await done.wait()

    async def without(gate: asyncio.Event, done: asyncio.Event) -> bool:
        await gate.wait()
        with pytest.raises(NoActiveRunError):
            holdall.log_metric("a", 1)
        holdall.end_run()  # which is nobody's here
        started = holdall.start_run()
        holdall.end_run()
        done.set()
        return started.run_id != owner()

    async def main() -> Any:
        gate, done = asyncio.Event(), asyncio.Event()
        return await together(with_run(gate, done), without(gate, done))

    assert asyncio.run(main())[1] is True


def test_a_run_that_a_task_left_open_is_the_threads() -> None:
    """As in a notebook, whose cells are tasks one after the other: the next sees it, and may end it."""

    async def start() -> str:
        return holdall.start_run().run_id

    async def look() -> str | None:
        return owner()

    run_id = asyncio.run(start())
    assert Context().run(owner) == run_id
    assert asyncio.run(look()) == run_id
    holdall.end_run()
    assert owner() is None


def test_a_thread_of_a_task_logs_into_the_tasks_run() -> None:
    """`asyncio.to_thread` gives a thread the task's context: it works on that run, among several."""

    async def task() -> bool:
        with holdall.start_run() as run:
            await asyncio.sleep(0)
            return await asyncio.to_thread(owner) == run.run_id

    async def main() -> list[bool]:
        return await together(task(), task(), task())

    assert asyncio.run(main()) == [True, True, True]


def test_a_thread_beside_several_tasks_is_refused() -> None:
    """A pool's thread does not know which of two tasks it works for; of one alone it does, as ever."""

    async def task(count: int, begun: list[str], done: list[str | None]) -> str | None:
        with holdall.start_run() as run:
            begun.append(run.run_id)
            while len(begun) < count:
                await asyncio.sleep(0)
            with ThreadPoolExecutor(1) as pool:
                done.append(found := await asyncio.get_running_loop().run_in_executor(pool, owner))
            while len(done) < count:
                await asyncio.sleep(0)
            return "its own" if found == run.run_id else found

    async def main(count: int) -> list[str | None]:
        begun, done = list[str](), list[str | None]()
        return await together(*(task(count, begun, done) for _ in range(count)))

    assert asyncio.run(main(1)) == ["its own"]
    assert asyncio.run(main(2)) == [None, None]


# --- threads: as they were ---


def in_thread(work: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def test_threads_work_on_the_main_threads_run() -> None:
    """A thread that started none logs into the script's run; it neither ends it nor is refused a run of its own."""
    with holdall.start_run() as run:
        assert in_thread(owner) == run.run_id
        in_thread(holdall.end_run)
        assert owner() == run.run_id

        def own() -> bool:
            with holdall.start_run() as mine:
                return owner() == mine.run_id and "mlflow.parentRunId" not in mine.data.tags

        assert in_thread(own)
        assert owner() == run.run_id


def test_four_threads_do_not_meet() -> None:
    """Each with a run of its own."""
    gate = threading.Barrier(4)

    def work(_: int) -> bool:
        with holdall.start_run() as run:
            gate.wait(100)
            seen = owner()
            gate.wait(100)
            return seen == run.run_id

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))


def test_an_active_run_travels() -> None:
    """Pickled within a task, it is a handle elsewhere."""

    async def main() -> Any:
        return pickle.loads(pickle.dumps(holdall.start_run()))

    assert asyncio.run(main()).run_id == owner()


# --- going on with a run ---


def test_a_resumed_run_is_running_for_everybody(tmp_path: Path) -> None:
    """The handle, the verb, and another process see at once that it goes on, and what it is called now."""
    with holdall.start_run(run_name="first") as first:
        pass
    with holdall.start_run(run_id=first.run_id, run_name="second", tags={"a": 1}, description="what") as run:
        elsewhere = holdall.Store.open(str(tmp_path / "store")).runs.get(first.run_id).record
        for seen in (run.info, holdall.get_run(first.run_id).info, elsewhere.info):
            assert (seen.status, seen.run_name, seen.end_time) == ("RUNNING", "second", None)
        assert elsewhere.data.tags.items() >= {"a": "1", "mlflow.note.content": "what"}.items()
    assert run.info.status == "FINISHED"


@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize("how", ["with", "verb"])
def test_a_run_resumed_inside_its_own_block_ends_with_it(ended: bool, how: str) -> None:
    """Whether it was ended before, and whether the inner one has a block of its own."""
    with holdall.start_run() as run:
        if ended:
            holdall.end_run()
        again = holdall.start_run(run_id=run.run_id, nested=not ended)
        if how == "with":
            with again:
                holdall.log_metric("a", 1)
    assert owner() is None
    assert holdall.get_run(run.run_id).info.status == "FINISHED"


def test_what_is_left_open_inside_a_block_ends_with_it() -> None:
    """Leaving a block ends its run, and none below it; one begun inside that nobody ended ends as the block does."""
    with holdall.start_run() as outer:
        with pytest.raises(KeyError), holdall.start_run(nested=True) as run:
            inner = holdall.start_run(nested=True)
            raise KeyError
        assert owner() == outer.run_id
    assert [holdall.get_run(each.run_id).info.status for each in (outer, run, inner)] == [
        "FINISHED",
        "FAILED",
        "FAILED",
    ]


# --- what cannot be ---


def test_a_parent_must_be_there(store: holdall.Store) -> None:
    """One that is not, or was deleted, is refused, and no run is begun."""
    with pytest.raises(RunNotFoundError):
        holdall.start_run(parent_run_id="0" * 32)
    with holdall.start_run() as gone:
        pass
    holdall.delete_run(gone.run_id)
    with pytest.raises(RunDeletedError):
        holdall.start_run(parent_run_id=gone.run_id)
    with pytest.raises(RunNotFoundError):
        holdall.Client().create_run(store.experiments.id_of("Default"), tags={"mlflow.parentRunId": "0" * 32})
    assert owner() is None
    assert len(store.runs.search(stage=None)) == 1


@pytest.mark.parametrize(
    ("words", "key"),
    [
        ({"description": "a"}, "mlflow.note.content"),
        ({"run_name": "a"}, "mlflow.runName"),
        ({"parent_run_id": "0" * 32}, "mlflow.parentRunId"),
    ],
)
def test_a_tag_that_says_otherwise_is_refused(words: dict[str, Any], key: str) -> None:
    """An argument and a tag that mean the same and differ; the same twice is no error."""
    with holdall.start_run() as before:
        pass
    with pytest.raises(InvalidNameError, match=key):
        holdall.start_run(tags={key: "b"}, **words)
    if key != "mlflow.parentRunId":
        with pytest.raises(InvalidNameError, match=key):
            holdall.start_run(run_id=before.run_id, tags={key: "b"}, **words)
        with holdall.start_run(tags={key: "a"}, **words) as run:
            assert run.data.tags[key] == "a"
    assert owner() is None


@pytest.mark.parametrize("id", [[], [1], 0, 1.5, {}, "", "nope", b"", True, "0" * 16, "../x"], ids=repr)
def test_what_is_no_experiments_id_is_refused(id: Any) -> None:
    """By a name of the tree; nothing that is false means the default experiment."""
    for call in (
        lambda: holdall.start_run(experiment_id=id),
        lambda: holdall.Client().create_run(id),
        lambda: holdall.get_experiment(id),
        lambda: holdall.Client().get_experiment(id),
    ):
        with pytest.raises((InvalidNameError, holdall.errors.NotFoundError)):
            call()


def test_ids_that_are_none_mean_no_runs(store: holdall.Store) -> None:
    """Neither the beginning of an id nor an empty one finds runs; one text for a list is refused."""
    store.runs.start().finish()
    id = store.experiments.id_of("Default")
    assert len(holdall.search_runs([id], output_format="list")) == 1
    for ids in ([""], [id[:8]], [id[:1]], ["../"], [id[:8] + "0" * 8]):
        assert holdall.search_runs(ids, output_format="list") == []
    with pytest.raises(TypeError, match="list of ids"):
        holdall.search_runs(id)
