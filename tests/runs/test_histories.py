"""Measurements of many runs and metrics: read in few waves, and again only what is new."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.support.faulty import FaultyBucket
from tests.support.stores import Serial, tiny_store
from tests.support.waves import LatentBucket, counted

from holdall.errors import FormatError, InvalidArgumentError, LogGapError, RunNotFoundError
from holdall.format.entry import encode_entry, parse_entry
from holdall.format.layout import log_key, run_log
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.store import Histories, Store


def filled(bucket: MemoryBucket, runs: int, entries: int, *, end: bool = True) -> list[Run]:
    """Runs of which each measured two metrics in each of so many entries."""
    seed = len(bucket.objects)
    store = tiny_store(bucket, create=not seed, seed=seed, pool=Serial())
    found = [store.runs.start(name=f"run {number}") for number in range(runs)]
    for number, run in enumerate(found):
        for step in range(entries):
            run.log_metrics({"loss": number + 1 / (step + 1), "accuracy": step / 7}, step=step)
            run.flush()
        if end:
            run.finish()
    return found


def reader(bucket: MemoryBucket | LatentBucket | FaultyBucket) -> Store:
    """A store as another process opens it."""
    return tiny_store(bucket, create=False, seed=7)


def rows(found: Histories) -> dict[tuple[str, str], list[tuple[int, float, int]]]:
    return {(one.run_id, one.key): list(zip(one.steps, one.values, one.times, strict=True)) for one in found}


def test_they_are_what_each_runs_history_is() -> None:
    """Point for point, for every key, of runs with blocks, without, and that go on."""
    bucket = MemoryBucket()
    runs = [*filled(bucket, 2, 150), *filled(bucket, 1, 70, end=False)]
    store = reader(bucket)
    found = rows(store.runs.histories(runs))
    assert list(found) == [(run.id, key) for run in runs for key in ("accuracy", "loss")]
    for run, key in found:
        points = store.runs.get(run).history(key)
        assert found[run, key] == [(point.step, point.value, point.timestamp) for point in points]
    assert rows(store.runs.get(runs[0].id).histories()) == {
        at: some for at, some in found.items() if at[0] == runs[0].id
    }


def test_many_runs_are_read_in_a_few_waves() -> None:
    """Ended runs: a listing and a GET each, and one for each other block; not one request for a key more."""
    inner = MemoryBucket()
    runs = filled(inner, 12, 140)
    bucket = LatentBucket(inner)
    one = counted(bucket, lambda: reader(bucket).runs.histories(runs, ["loss"]))
    both = counted(bucket, lambda: reader(bucket).runs.histories(runs, points=50))
    assert one.waves <= 4
    assert len(one.requests) <= 1 + 12 * 4
    assert len(both.requests) == len(one.requests)
    single = counted(bucket, lambda: reader(bucket).runs.get(runs[0].id).histories())
    assert len(single.requests) <= 1 + 4


def test_only_what_is_new_is_read() -> None:
    """A listing of one key for each run, and a GET for each entry more; nothing else, however long they are."""
    inner = MemoryBucket()
    runs = filled(inner, 3, 100, end=False)
    bucket = LatentBucket(inner)
    store = reader(bucket)
    before = store.runs.histories(runs, ["loss"], points=20)
    found: list[Histories] = []
    look = lambda: found.append(store.runs.histories(runs, ["loss"], points=20, since=before))  # noqa: E731
    assert [request.verb for request in counted(bucket, look).requests] == ["list"] * 3
    assert rows(found[0]) == rows(before)
    assert found[0].cursor == before.cursor
    for step in (100, 101):
        runs[1].log_metrics({"loss": -1.0 * step}, step=step)
        runs[1].flush()
    cost = counted(bucket, look)
    assert sorted(request.verb for request in cost.requests) == ["get", "get", "list", "list", "list"]
    assert cost.waves == 2
    assert found[1].cursor != before.cursor
    assert found[1][runs[1].id, "loss"].values[-1] == -101
    assert found[1][runs[1].id, "loss"].count == 102
    assert rows(found[1]) == rows(reader(inner).runs.histories(runs, ["loss"], points=20))
    assert before[runs[1].id, "loss"].count == 100, "what was answered before stays as it is"


@pytest.mark.parametrize("axis", ["step", "time", "relative"])
def test_going_on_is_reading_all(axis: str) -> None:
    """Thinned and smoothed as if it had been read at once, also where a metric or a run comes later."""
    bucket = MemoryBucket()
    (run,) = filled(bucket, 1, 30, end=False)
    ask = {"points": 16, "smoothing": 0.8, "axis": axis}
    store = reader(bucket)
    since = store.runs.histories([run], **ask)  # type: ignore[arg-type]
    for step in range(30, 90):
        run.log_metrics({"loss": step % 5, "late": step}, step=step)
        run.flush()
        since = store.runs.histories([run], since=since, **ask)  # type: ignore[arg-type]
    other = filled(bucket, 1, 3)[0]
    now = store.runs.histories([run, other], since=since, **ask)  # type: ignore[arg-type]
    whole = reader(bucket).runs.histories([run, other], **ask)  # type: ignore[arg-type]
    assert now.to_dictionary() == whole.to_dictionary()
    assert len(now) == 5
    relative = whole[other.id, "loss"].x[0]
    assert (axis == "step", relative) == (True, 0) or relative > 0


def _replaced(bucket: MemoryBucket, run: Run, n: int) -> None:
    key = log_key(run_log(run.id), n)
    entry = parse_entry(bucket.objects[key], run_log(run.id), n)
    bucket.objects[key] = encode_entry(replace(entry, time=entry.time + 1))


def _shortened(bucket: MemoryBucket, run: Run, n: int) -> None:
    for number in range(n - 1, n + 1):
        del bucket.objects[log_key(run_log(run.id), number)]


@pytest.mark.parametrize("change", [_replaced, _shortened])
def test_a_log_that_is_another_is_read_anew(change: Callable[[MemoryBucket, Run, int], None]) -> None:
    """A store that was restored from a copy, and written to since: nothing of what was read before is believed."""
    bucket = MemoryBucket()
    (run,) = filled(bucket, 1, 5)
    before = reader(bucket).runs.histories([run])
    change(bucket, run, 6)
    if change is _replaced:  # what follows it continues that
        with reader(bucket).runs.resume(run.id) as again:
            again.log_metrics({"loss": 7.0}, step=9)
    now, whole = reader(bucket).runs.histories([run], since=before), reader(bucket).runs.histories([run])
    assert rows(now) == rows(whole)


def test_a_run_that_is_purged_while_it_is_followed_is_said_to_be_gone() -> None:
    """Its entries are gone or going; the one that purged it tells."""
    bucket = MemoryBucket()
    gone, stays = filled(bucket, 2, 5)
    before = reader(bucket).runs.histories([gone, stays])
    store = reader(bucket)
    store.runs.get(gone.id).delete()
    store.maintenance.purge(store.maintenance.plan_purge(gone.id))
    for since in (before, None):
        found = reader(bucket).runs.histories([gone, stays], since=since)
        assert list(found.unreadable) == [gone.id]
        assert isinstance(found.unreadable[gone.id], RunNotFoundError)
        assert found[stays.id, "loss"].count == 5
    with pytest.raises(RunNotFoundError):
        reader(bucket).runs.get(gone.id).histories()


def test_another_question_is_answered_anew() -> None:
    """With another axis, other metrics or another number of points, what was answered before is of no use."""
    bucket = MemoryBucket()
    (run,) = filled(bucket, 1, 40)
    store = reader(bucket)
    before = store.runs.histories([run], ["loss"], points=16)
    now = store.runs.histories([run], ["loss", "accuracy"], since=before)
    assert now[run.id, "loss"].count == now[run.id, "accuracy"].count == len(now[run.id, "loss"]) == 40


def test_a_run_that_cannot_be_read_is_named_and_hides_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """One that is none, one that is gone, one whose log lacks an entry: each with its error."""
    bucket = MemoryBucket()
    good, torn, gone = filled(bucket, 3, 5, end=False)
    before = reader(bucket).runs.histories([good, torn, gone])
    del bucket.objects[log_key(run_log(torn.id), 2)]
    for key in [key for key in bucket.objects if key.startswith(f"{run_log(gone.id)}/")]:
        del bucket.objects[key]
    for since in (None, before):
        found = reader(bucket).runs.histories([good, torn, gone, "no run", "0" * 32], since=since)
        assert found[good.id, "loss"].count == 5
        assert {run: type(error) for run, error in found.unreadable.items()}.items() >= {
            "no run": RunNotFoundError,
            "0" * 32: RunNotFoundError,
            gone.id: RunNotFoundError,
        }.items()
        json.dumps(found.to_dictionary(), allow_nan=False)
    assert isinstance(reader(bucket).runs.histories([torn]).unreadable.get(torn.id), LogGapError | FormatError | None)


def test_what_is_not_finite_is_a_mark() -> None:
    """In JSON null where it was, with its place and its name as MLflow writes it; exact otherwise."""
    bucket = MemoryBucket()
    run = tiny_store(bucket).runs.start()
    for step, value in enumerate([0.1, math.nan, math.inf, -math.inf, 1e-320, -0.0]):
        run.log_metrics({"loss": value}, step=2**53 + step)
    run.finish()
    (found,) = reader(bucket).runs.histories([run], ["loss"], smoothing=0.5)
    said = json.loads(json.dumps(found.to_dictionary(), allow_nan=False))
    assert said["values"] == [0.1, None, None, None, 1e-320, -0.0]
    assert said["steps"] == [2**53 + step for step in range(6)]
    marks = [(mark["step"] - 2**53, mark["value"]) for mark in said["marks"]]
    assert marks == [(1, "NaN"), (2, "Infinity"), (3, "-Infinity")]
    assert said["smoothed"][0] == 0.1
    assert said["smoothed"][1:4] == [None] * 3


def test_points_of_one_step_stay_in_the_order_of_logging() -> None:
    """And steps that come out of order are put in order."""
    bucket = MemoryBucket()
    run = tiny_store(bucket).runs.start()
    for step, value in [(5, 1.0), (2, 2.0), (2, 3.0), (5, 4.0), (0, 5.0)]:
        run.log_metrics({"loss": value}, step=step)
    run.finish()
    (found,) = reader(bucket).runs.histories([run])
    assert (found.steps, found.values) == ((0, 2, 2, 5, 5), (5.0, 2.0, 3.0, 1.0, 4.0))


def test_how_much_is_shown_is_said() -> None:
    """Never a silent sample."""
    bucket = MemoryBucket()
    (run,) = filled(bucket, 1, 1200)
    store = reader(bucket)
    few, all_of_it = store.runs.histories([run], ["loss"], points=100), store.runs.histories([run], ["loss"])
    assert few[run.id, "loss"].extent == f"{len(few[run.id, 'loss'])} of 1,200 points"
    assert not few[run.id, "loss"].is_whole
    assert all_of_it[run.id, "loss"].extent == "1,200 points"
    assert [point.step for point in all_of_it[run.id, "loss"].points] == list(range(1200))


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ({"axis": "epoch"}, "axis 'epoch'"),
        ({"scale": "cubic"}, "scale 'cubic'"),
        ({"points": 3}, "too few"),
        ({"smoothing": 1}, "no weight"),
    ],
)
def test_a_question_that_is_none_is_refused(question: dict[str, object], said: str) -> None:
    """Before anything is asked."""
    bucket = FaultyBucket(MemoryBucket())
    store = tiny_store(bucket)
    bucket.requests.clear()
    with pytest.raises(InvalidArgumentError, match=said):
        store.runs.histories(["0" * 32], **question)  # type: ignore[arg-type]
    assert bucket.requests == []


def test_a_part_of_the_axis_is_read_with_all_its_points() -> None:
    """Of a part there are more points than of the whole, counted by themselves, smoothed by all that came before."""
    bucket = MemoryBucket()
    [run] = filled(bucket, 1, 150, end=False)
    store = reader(bucket)
    whole = store.runs.histories([run], ["loss"], smoothing=0.9)
    part = store.runs.histories([run], ["loss"], points=20, smoothing=0.9, between=(100, 115))[run.id, "loss"]
    assert (part.steps, part.extent) == (tuple(range(100, 116)), "16 points")
    assert part.smoothed == (whole[run.id, "loss"].smoothed or ())[100:116]
    run.log_metrics({"loss": 0.5}, step=101)
    run.flush()
    found = store.runs.histories([run], ["loss"], between=(100, 115), since=whole)[run.id, "loss"]
    assert (found.count, found.values[2]) == (17, 0.5)
    with pytest.raises(InvalidArgumentError, match="between"):
        store.runs.histories([run], between=(2, 1))
