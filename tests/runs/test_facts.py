"""Parameters, measurements and tags: kept exactly, in few requests."""

from __future__ import annotations

import decimal
import fractions
import math
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from tests.support.faulty import FaultyBucket
from tests.support.stores import tiny_location, tiny_store

from holdall.errors import (
    AccessDeniedError,
    CommitStateUnknownError,
    InvalidNameError,
    ParamExistsError,
    RunDeletedError,
    RunEndedError,
    TransientStorageError,
)
from holdall.storage.bucket import Bytes
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RequestCounter, TraceBucket
from holdall.store import Store
from holdall.trees.source import bytes_item
from holdall.trees.transaction import Transaction


@pytest.fixture
def bucket() -> MemoryBucket:
    """Where the store is."""
    return MemoryBucket()


@pytest.fixture
def store(bucket: MemoryBucket) -> Store:
    """A store with small chunks, whose clock ticks a second at each look."""
    return tiny_store(bucket)


def test_what_was_logged_is_read_by_another_process(bucket: MemoryBucket, store: Store) -> None:
    """Parameters as text, the last of each measurement, tags but for those removed; odd numbers survive."""
    run = store.runs.start(name="first", description="to see")
    run.log_params({"rate": 0.1, "layers": [1, 2], "none": None})
    run.log_metrics({"loss": 0.5}, step=1)
    run.log_metrics({"loss": float("nan"), "best": float("-inf")}, step=2)
    run.set_tags({"kind": "forest", "gone": "soon"})
    run.set_tags({"gone": None})
    run.finish()
    seen = tiny_store(bucket, create=False).runs.get(run.id).record
    assert seen.data.params == {"rate": "0.1", "layers": "[1, 2]", "none": "None"}
    assert math.isnan(seen.data.metrics["loss"])
    assert seen.data.metrics["best"] == -math.inf
    assert seen.data.tags == {"kind": "forest", "mlflow.runName": "first", "mlflow.note.content": "to see"}
    assert (seen.info.status, seen.info.run_name, seen.info.lifecycle_stage) == ("FINISHED", "first", "active")
    assert seen.info.end_time > seen.info.start_time  # type: ignore[operator]


def test_history_has_every_measurement_in_order(store: Store) -> None:
    """Steps that repeat or go back are kept as they were logged; the last is that of the highest step."""
    run = store.runs.start()
    for step, value in ((0, 1.0), (5, 2.0), (3, 3.0), (5, 4.0)):
        run.log_metrics({"loss": value, "other": 0}, step=step, timestamp=step)
        run.flush()
    assert [(m.step, m.value, m.timestamp) for m in run.history("loss")] == [(0, 1, 0), (5, 2, 5), (3, 3, 3), (5, 4, 5)]
    assert run.record.data.metrics["loss"] == 4.0
    assert run.history("never") == []


def test_a_parameter_is_logged_once(bucket: MemoryBucket, store: Store) -> None:
    """The same value again is nothing; another is an error naming both, here and in another process."""
    run = store.runs.start()
    run.log_params({"rate": 1})
    run.log_params({"rate": "1"})
    with pytest.raises(ParamExistsError, match=r"'1'; '2' was offered"):
        run.log_params({"rate": 2})
    run.flush()
    other = tiny_store(bucket, seed=9, create=False).runs.get(run.id)
    with pytest.raises(ParamExistsError):
        other.log_params({"rate": 2})
    assert run.record.data.params == {"rate": "1"}


def test_a_rivals_parameter_wins_and_the_loser_is_told(bucket: MemoryBucket, store: Store) -> None:
    """Of two processes that log one parameter differently, the one that wrote first has its way."""
    run = store.runs.start()
    other = tiny_store(bucket, seed=9, create=False).runs.get(run.id)
    other.log_params({"mine": 1})
    run.log_params({"mine": 2, "else": 3})
    other.flush()
    with pytest.raises(ParamExistsError):
        run.flush()
    run.flush()
    assert run.record.data.params == {"mine": "1", "else": "3"}


@pytest.mark.parametrize("key", ["", "/a", "a//b", "../a", "a\nb", "x" * 251, "a?b", "."])
def test_keys_that_mlflow_refuses_are_refused(store: Store, key: str) -> None:
    """A name that cannot be kept is a ValueError that says why, and nothing is logged."""
    run = store.runs.start()
    for verb in (run.log_params, run.log_metrics, run.set_tags):
        with pytest.raises(InvalidNameError):
            verb({key: 1})
    assert run.record.data.params == {}


def test_values_that_cannot_be_kept_are_refused(store: Store) -> None:
    """A measurement must be a number, a parameter has 6,000 characters at most."""
    run = store.runs.start()
    with pytest.raises(InvalidNameError, match="not a number"):
        run.log_metrics({"loss": "high"})
    with pytest.raises(InvalidNameError, match="6001 characters"):
        run.log_params({"text": "x" * 6001})


def test_small_things_ride_on_the_next_entry() -> None:
    """A thousand measurements cost one PUT; a commit takes along what waits."""
    count, inner = RequestCounter(), MemoryBucket()
    run = tiny_store(TraceBucket(inner, count)).runs.start()
    run._location.ticks = lambda: 1.0
    count.clear()
    for step in range(998):
        run.log_metrics({"loss": step}, step=step)
    assert count.total == 0
    run.log_metrics({"loss": 0})
    assert dict(count.requests) == {"put": 1}
    run.set_tags({"a": "b"})
    run.log_bytes(b"x", "a.txt")
    assert dict(count.requests) == {"put": 2}
    run.finish()
    assert dict(count.requests) == {"put": 3}
    assert len(run.history("loss")) == 999


@pytest.mark.parametrize("put_back", [0, -86_400_000, 86_400_000], ids=["as it was", "back", "forward"])
def test_what_waits_is_written_after_five_seconds(put_back: int) -> None:
    """The first call after five seconds writes what waits, whatever the clock is set to, so a SIGKILL loses no more."""
    count, now = RequestCounter(), [0.0]
    run = tiny_store(TraceBucket(MemoryBucket(), count)).runs.start()
    run._location.ticks = lambda: now[0]
    count.clear()
    run.log_metrics({"loss": 1})
    time = run._location.clock() + put_back
    run._location.clock = lambda: time
    now[0] = 4.999
    run.log_metrics({"loss": 2})
    assert count.total == 0
    now[0] = 5.0
    run.log_metrics({"loss": 3})
    assert dict(count.requests) == {"put": 1}


class ATensor:
    """One element of a library that has neither `item` nor `__float__`, such as tensorflow."""

    def numpy(self) -> Any:
        return np.array([[1.5]])


@pytest.mark.parametrize(
    "value",
    [
        *(1.5, "1.5", b"1.5", decimal.Decimal("1.5"), fractions.Fraction(3, 2)),
        *(np.float16(1.5), np.float32(1.5), np.longdouble(1.5), np.array(1.5), np.array([1.5]), np.array([[1.5]])),
        *(np.array(["1.5"]), np.ma.array([1.5]), np.matrix([[1.5]]), pd.Series([1.5]), pd.array([1.5], "Float64")[0]),
        *(torch.tensor(1.5), torch.tensor([1.5]), torch.tensor([[1.5]], requires_grad=True), ATensor()),
    ],
    ids=lambda value: f"{type(value).__module__}.{type(value).__name__}{getattr(value, 'shape', '')}",
)
@pytest.mark.filterwarnings("error::UserWarning", "error::RuntimeWarning", "error::DeprecationWarning")
def test_one_number_is_a_number_whatever_holds_it(bucket: MemoryBucket, value: Any) -> None:
    """Arrays, tensors and the like of one element, as a value, and as step and time where they are whole."""
    run = tiny_store(bucket).runs.start()
    run.log_metrics({"m": value})
    assert run.record.data.metrics == {"m": 1.5}


@pytest.mark.parametrize(
    "step", [3, 3.0, np.int8(3), np.array([3]), np.array(3), torch.tensor(3), torch.tensor([3])], ids=repr
)
def test_one_whole_number_is_a_step(bucket: MemoryBucket, step: Any) -> None:
    """Likewise."""
    run = tiny_store(bucket).runs.start()
    run.log_metrics({"m": 1}, step=step, timestamp=step)
    assert [(one.step, one.timestamp) for one in run.history("m")] == [(3, 3)]


@pytest.mark.parametrize(
    "value",
    [
        *(None, "high", 1j, [1.5], (1,), {}, 10**400, np.array([1, 2]), np.array([]), np.array([1j]), ...),
        *(torch.tensor([1.0, 2.0]), torch.tensor([]), pd.Series([1, 2]), np.datetime64("2024"), np.array([None])),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_one_number_is_refused(bucket: MemoryBucket, value: Any) -> None:
    """Each library's own way of saying so becomes one error, and nothing is logged."""
    run = tiny_store(bucket).runs.start()
    with pytest.raises(InvalidNameError, match="is not a number"):
        run.log_metrics({"good": 1, "m": value})
    assert run.record.data.metrics == {}


def test_a_batch_is_logged_whole_or_not_at_all(bucket: MemoryBucket) -> None:
    """Two values of a parameter, or anything that cannot be kept, and none of it is; otherwise one entry has it."""
    run = tiny_store(bucket).runs.start()
    good = {"metrics": [("m", 1, 0, 5)], "params": [("p", 1)], "tags": [("t", 1)]}
    for word, bad in {
        "params": [("p", 1), ("p", 2)],
        "tags": [("", 1)],
        "metrics": [("m", 1, 0, 5), ("n", "high", 0, 5)],
    }.items():
        with pytest.raises((InvalidNameError, ParamExistsError)):
            run.log_batch(**{**good, word: bad})  # type: ignore[arg-type]
        data = run.record.data
        assert (data.metrics, data.params, "t" in data.tags) == ({}, {}, False)
    run.log_batch(**{**good, "params": [("p", 1), ("p", "1"), ("q", 2)]})  # type: ignore[arg-type]
    assert run.record.data.params == {"p": "1", "q": "2"}
    assert run.history("m")[0].timestamp == 5


def test_a_search_finds_what_this_process_just_logged(bucket: MemoryBucket) -> None:
    """What waits to be written is written first, as where a run is read; a deleted run is in nobody's way."""
    store = tiny_store(bucket)
    run, gone = store.runs.start(), store.runs.start()
    gone.log_metrics({"loss": 1})
    Store(tiny_location(bucket, seed=3, create=False)).runs.get(gone.id).delete()
    run.log_metrics({"loss": 0.5})
    run.log_params({"rate": 0.1})
    run.set_tags({"kind": "x"})
    found = store.runs.search("metrics.loss < 1 AND params.rate = '0.1' AND tags.kind = 'x'")
    assert [one.info.run_id for one in found] == [run.id]


class Silent:
    """A bucket that writes a run's entries and then neither answers nor lets them be read."""

    def __init__(self, inner: MemoryBucket) -> None:
        self.inner, self.url, self.silent = inner, inner.url, False

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def put(self, key: str, data: Bytes) -> None:
        self.inner.put(key, data)
        self._fall_silent(key)

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        self._fall_silent(key)
        return self.inner.get(key, limit=limit)

    def _fall_silent(self, key: str) -> None:
        if self.silent and key.startswith("runs/"):
            raise TransientStorageError(self.url, key, "no answer")


def test_an_entry_of_unknown_fate_is_not_written_twice() -> None:
    """Measurements whose entry did land, though nobody could tell, are not logged again."""
    bucket = Silent(MemoryBucket())
    run = tiny_store(bucket).runs.start()  # type: ignore[arg-type]
    run.log_metrics({"loss": 1}, step=1)
    bucket.silent = True
    with pytest.raises(CommitStateUnknownError):
        run.flush()
    bucket.silent = False
    run.log_metrics({"loss": 2}, step=2)
    run.finish()
    assert [m.step for m in run.history("loss")] == [1, 2]


@pytest.mark.parametrize("step", [np.int64(3), np.int32(3), 3.0, True + 2])
def test_steps_of_any_integer_type_are_kept(store: Store, step: Any) -> None:
    """What numpy counts with is a step, and a float of milliseconds a time."""
    run = store.runs.start()
    run.log_metrics({"loss": np.float32(0.5)}, step=step, timestamp=1_700_000_000_000.7)  # type: ignore[arg-type]
    run.log_metrics({"loss": 1}, step=2**62)
    run.finish()
    assert [(m.step, m.value) for m in run.history("loss")] == [(3, 0.5), (2**62, 1.0)]
    assert run.history("loss")[0].timestamp == 1_700_000_000_000


@pytest.mark.parametrize("step", ["3", 2**63, float("nan"), [1]])
def test_an_odd_value_is_refused_at_once_and_spoils_nothing(store: Store, step: Any) -> None:
    """What cannot be kept is an error of the call that brings it; the run goes on and ends as ever."""
    run = store.runs.start()
    odd = (
        partial(run.log_metrics, {"loss": 1}, step=step),
        partial(run.log_metrics, {"huge": 10**400}),
        partial(run.finish, "DONE"),
    )
    for refused in odd:
        with pytest.raises(InvalidNameError):
            refused()
    run.log_metrics({"loss": 2})
    run.finish()
    assert run.record.data.metrics == {"loss": 2.0}


def test_much_at_once_is_written_in_several_entries(store: Store) -> None:
    """Thousands of long parameters, tags and measurements never make an entry that is too large."""
    run = store.runs.start()
    run.log_params({f"p{n}": "x" * 6000 for n in range(900)})
    run.set_tags({f"t{n}": "é" * 8000 for n in range(300)})
    run.log_metrics({f"m{n}": n for n in range(20_000)})
    run.finish()
    seen = run.record.data
    assert (len(seen.params), len(seen.tags) >= 300, len(seen.metrics)) == (900, True, 20_000)
    assert store.maintenance.check().problems == []


def test_several_parameters_are_logged_all_or_none(store: Store) -> None:
    """If one of them has another value already, the others of the call are not logged either."""
    run = store.runs.start()
    run.log_params({"b": 1})
    with pytest.raises(ParamExistsError):
        run.log_params({"a": 1, "b": 2})
    assert run.record.data.params == {"b": "1"}


def test_an_ended_session_takes_nothing_more(store: Store) -> None:
    """A commit that was staged before the end is refused after it; a measurement begins a session anew."""
    run = store.runs.start()
    transaction = Transaction(run._writing())
    transaction.stage([bytes_item("late.txt", b"late")])
    run.finish()
    with pytest.raises(RunEndedError):
        transaction.publish()
    run.log_metrics({"late": 1})
    run.finish()
    assert run.record.data.metrics == {"late": 1.0}
    assert run.manifest == {}
    assert store.maintenance.check().problems == []


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), AccessDeniedError("b", "k", "expired"), TransientStorageError("b", "k")]
)
def test_an_entry_that_landed_is_not_sent_again_whatever_was_raised(error: BaseException) -> None:
    """An interrupt or a refusal after the PUT took effect does not double what it carried."""
    armed = [False]

    def fail(number: int, when: str, verb: str, key: str) -> None:
        if armed[0] and when == "after" and verb == "put" and key.startswith("runs/"):
            armed[0] = False
            raise error

    run = tiny_store(FaultyBucket(MemoryBucket(), on=fail)).runs.start()
    run.log_metrics({"loss": 1}, step=1)
    armed[0] = True
    with suppress(type(error)):
        run.flush()
    assert not armed[0]
    run.log_metrics({"loss": 2}, step=2)
    run.finish()
    assert [m.step for m in run.history("loss")] == [1, 2]


def test_of_two_doubtful_entries_the_second_takes_the_first_along() -> None:
    """One entry never landed, the next did: what that carried of the first is not sent a third time."""
    plan: list[str] = []

    def fail(number: int, when: str, verb: str, key: str) -> None:
        if plan and plan[0] == when and verb == "put" and key.startswith("runs/"):
            plan.pop(0)
            raise AccessDeniedError("b", key, "expired")

    run = tiny_store(FaultyBucket(MemoryBucket(), on=fail)).runs.start()
    for step, when in ((1, "before"), (2, "after")):
        run.log_params({f"p{step}": step})
        run.log_metrics({"loss": step}, step=step)
        plan.append(when)
        with pytest.raises(AccessDeniedError):
            run.flush()
    with pytest.raises(ParamExistsError):
        run.log_params({"p1": "other"})
    run.log_metrics({"loss": 3}, step=3)
    run.finish()
    assert [m.step for m in run.history("loss")] == [1, 2, 3]
    assert run.record.data.params == {"p1": "1", "p2": "2"}


def test_a_foreign_file_among_a_logs_entries_is_passed_over(bucket: MemoryBucket, store: Store) -> None:
    """A file manager's droppings in a run's folder stop neither readers nor writers, and are reported."""
    run = store.runs.start()
    bucket.put(f"runs/{run.id}/log/.DS_Store", b"finder")
    run.log_bytes(b"x", "a.txt")
    other = tiny_store(bucket, seed=5, create=False)
    other.runs.get(run.id).log_bytes(b"y", "b.txt")
    assert other.runs.get(run.id).manifest.keys() == {"a.txt", "b.txt"}
    assert other.maintenance.check().foreign == [f"runs/{run.id}/log/.DS_Store"]


def test_background_failures_that_were_seen_are_not_raised_again(store: Store) -> None:
    """Who waits for an outcome has its error; the end of the run then has none of it."""
    run = store.runs.start()
    outcome = run.later(run.log_params, {"": 1})
    with pytest.raises(InvalidNameError):
        outcome.wait()
    run.finish()
    assert run.state.status == "FINISHED"


def test_a_deleted_run_is_read_but_not_written_to(bucket: MemoryBucket, store: Store) -> None:
    """A tombstone hides a run from searches and from writers, and is taken back."""
    run = store.runs.start()
    run.log_bytes(b"x", "a.txt")
    run.delete()
    assert run.record.info.lifecycle_stage == "deleted"
    assert run.read("a.txt") == b"x"
    with pytest.raises(RunDeletedError):
        run.log_bytes(b"y", "b.txt")
    run.restore()
    run.log_bytes(b"y", "b.txt")
    assert run.record.info.lifecycle_stage == "active"
    assert tiny_store(bucket, create=False).maintenance.check().problems == []


def test_background_work_keeps_its_order_and_raises_at_the_end(store: Store) -> None:
    """Futures are done in order; what failed unseen makes the run FAILED and is raised by its end."""
    run, order = store.runs.start(), list[Any]()
    gate = threading.Event()
    run.later(gate.wait)
    futures = [run.later(order.append, n) for n in range(20)]
    gate.set()
    for future in futures:
        future.result()
    assert order == list(range(20))
    run.later(run.log_bytes, b"a", "a.txt")
    run.later(run.log_bytes, b"b", "a.txt")
    with pytest.raises(Exception, match="already holds other content"):
        run.finish()
    assert run.state.status == "FAILED"
    assert run.read("a.txt") == b"a"


def test_the_folded_log_agrees_with_its_states(bucket: MemoryBucket) -> None:
    """After hundreds of entries of every small kind, every state that is carried is what came before it."""
    store = tiny_store(bucket)
    run = store.runs.start()
    for n in range(200):
        run.log_params({f"p{n}": n})
        run.log_metrics({"m": n, f"m{n % 7}": 1}, step=n)
        run.set_tags({f"t{n % 5}": n if n % 3 else None})
        run.flush()
    run.finish()
    assert store.maintenance.check().problems == []
    again = tiny_store(bucket, create=False).runs.get(run.id)
    assert len(again.history("m")) == 200
    assert len(again.record.data.params) == 200


@pytest.mark.parametrize(("ending", "status"), [("os.kill(os.getpid(), signal.SIGTERM)", "KILLED"), ("1/0", "FAILED")])
@pytest.mark.parametrize("block", [True, False])
def test_a_process_that_ends_badly_says_so(tmp_path: Path, ending: str, status: str, *, block: bool) -> None:
    """SIGTERM makes an active run KILLED and an exception FAILED, within a `with` block and without."""
    start = "with holdall.start_run() as run:\n    " if block else "run = holdall.start_run()\n"
    body = f"print(run.id, flush=True); holdall.log_metric('loss', 1); {ending}"
    code = f"import os, signal, holdall\n{start}{body}\n"
    environment = os.environ | {"HOLDALL_STORE": str(tmp_path / "store")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode in (1, 128 + signal.SIGTERM)
    record = Store.open(str(tmp_path / "store")).runs.get(done.stdout.strip()).record
    assert (record.info.status, record.data.metrics) == (status, {"loss": 1.0})


def test_experiments_are_made_once_and_named(bucket: MemoryBucket) -> None:
    """Creating one twice is an error, using it is not; tags and deletion are kept."""
    location = tiny_location(bucket)
    experiments = Store(location).experiments
    id = experiments.create("vision", {"team": "a"})
    with pytest.raises(Exception, match="'vision' already"):
        experiments.create("vision")
    assert experiments.use("vision").experiment_id == id
    experiments.set_tag(id, "team", "b")
    experiments.delete(id)
    with pytest.raises(Exception, match="was deleted"):
        experiments.use("vision")
    experiments.restore(id)
    found = experiments.named("vision")
    assert found is not None
    assert (found.tags, found.lifecycle_stage) == ({"team": "b"}, "active")
    assert [e.name for e in experiments.all()] == ["vision"]
    assert experiments.named("none such") is None
    assert Store(location).maintenance.check().problems == []
