"""Small operations wait, not for long and not in crowds, and none is lost when an answer is."""

from __future__ import annotations

import tracemalloc

import pytest
from tests.support.logs import entries_of
from tests.support.stores import Serial, tiny_store

from holdall.errors import ParamExistsError, RunEndedError
from holdall.format.document import Json
from holdall.runs.metrics import metric_ops, param_op, tag_op
from holdall.storage.memory import MemoryBucket
from holdall.trees.op_buffer import FLUSH_MAX_BYTES, FLUSH_MAX_OPS, MAX_PATIENCE, PATIENCE, OpBuffer


def points(count: int) -> list[Json]:
    return [op for step in range(count) for op in metric_ops({"loss": 1.0}, step, 0)]


@pytest.mark.parametrize(
    ("ops", "waiting"),
    [
        ([param_op(str(n), n) for n in range(FLUSH_MAX_OPS)], FLUSH_MAX_OPS - 1),
        (points(FLUSH_MAX_OPS), FLUSH_MAX_OPS - 2),  # they are one operation of many points
        (
            [tag_op(str(n), "x" * 8000) for n in range(30)],
            FLUSH_MAX_BYTES // 50_000,
        ),  # each letter may take six bytes of JSON,
    ],
    ids=["many", "many points", "much"],
)
def test_a_crowd_does_not_wait(ops: list[Json], waiting: int) -> None:
    """A thousand operations or points of them, or a megabyte, are due at once, and not before."""
    buffer = OpBuffer()
    due = [buffer.add(op, 0.0) for op in ops]
    assert due.index(True) >= waiting
    assert due[-1]


def test_an_operation_waits_five_seconds_and_longer_after_lost_races() -> None:
    """From the first that waits on; doubled for each race, up to 80 seconds."""
    buffer, op = OpBuffer(), tag_op("a", "b")
    assert not buffer.add(op, 100.0)
    assert not buffer.add(op, 100.0 + PATIENCE - 1)
    assert buffer.add(op, 100.0 + PATIENCE)
    buffer.clear()
    assert not buffer.add(op, 200.0)
    for _ in range(10):
        buffer.wait_longer()
    assert not buffer.add(op, 200.0 + MAX_PATIENCE - 1)
    assert buffer.add(op, 200.0 + MAX_PATIENCE)


def test_what_may_be_in_the_log_is_repeated_until_it_is_seen_there() -> None:
    """Two entries whose answers were lost: seeing the second confirms the first, which it repeats."""
    buffer, (a, b, c) = OpBuffer(), (tag_op(key, key) for key in "abc")
    buffer.add(a, 0.0)
    buffer.unconfirm("first")
    buffer.add(b, 0.0)
    buffer.unconfirm("second")
    buffer.add(c, 0.0)
    assert buffer.ops == [a, b, c]
    buffer.confirm("a rival's")
    assert buffer.ops == [a, b, c]
    buffer.confirm("second")
    assert buffer.ops == [c]
    buffer.clear()
    assert not buffer


def test_a_batch_that_makes_what_waits_old_is_written_with_few_entries() -> None:
    """What waited goes with the first of the batch; the rest of it waits anew, not each for an entry of its own."""
    bucket = MemoryBucket()
    run = tiny_store(bucket, pool=Serial()).runs.start()
    run.set_tags({"a": "b"})
    before = len(entries_of(bucket, run.id))
    run._location.ticks = lambda: 1_000.0
    run.set_tags({str(n): "x" for n in range(20)})
    assert len(entries_of(bucket, run.id)) == before + 1


def test_a_parameter_that_waits_has_one_value() -> None:
    """Another is refused before either is written, in one batch and in the next; of the batch nothing is logged."""
    run = tiny_store(MemoryBucket(), pool=Serial()).runs.start()
    run.log_params({"rate": 1, "depth": 2})
    with pytest.raises(ParamExistsError):
        run.log_params({"size": 3, "rate": 2})
    run.log_params({"rate": 1})
    assert run.record.data.params == {"rate": "1", "depth": "2"}


@pytest.mark.parametrize("resumed", [False, True])
def test_one_parameter_more_copies_none_of_those_there_are(resumed: bool) -> None:
    """Parameters that are logged one by one cost each the same: beside 10,000 in the log and 900 that wait, too."""
    store = tiny_store(MemoryBucket(), pool=Serial())
    run = store.runs.start()
    run.log_params({f"p{n}": n for n in range(10_000)})
    if resumed:
        run.finish()
        run = store.runs.resume(run.id)
    run._location.ticks = lambda: 0.0
    for n in range(900):
        run.log_param(f"q{n}", n)
    tracemalloc.start()
    run.log_param("one", "more")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000  # bytes: a dict of 900 texts has 37,000
    assert run.record.data.params["p9999"] == "9999"


def test_one_batch_gives_a_parameter_one_value() -> None:
    """Two values of one name are refused together, and nothing of the batch waits."""
    run = tiny_store(MemoryBucket(), pool=Serial()).runs.start()
    session = run._writing()
    with pytest.raises(ParamExistsError):
        session.buffer_ops(tag_op("a", "b"), param_op("rate", 1), param_op("rate", 2))
    run.flush()
    assert run.record.data.params == {}
    assert "a" not in run.record.data.tags


def test_nothing_waits_for_a_session_that_is_closed() -> None:
    """No entry would ever carry it: the caller hears of it, and opens another."""
    session = tiny_store(MemoryBucket(), pool=Serial()).runs.start()._writing()
    session.close()
    with pytest.raises(RunEndedError):
        session.buffer_ops(tag_op("a", "b"))
