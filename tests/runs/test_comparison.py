"""Runs beside each other: what differs, and so what is the same, read in a few waves."""

from __future__ import annotations

import json
import math

import pytest
from tests.support.stores import tiny_store
from tests.support.waves import LatentBucket, counted

from holdall.errors import InvalidArgumentError, RunNotFoundError
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.store import Comparison, Store


def lab(bucket: MemoryBucket, count: int = 3) -> list[Run]:
    """Runs that differ in something of each kind, and are the same in something of each."""
    store, found = tiny_store(bucket), []
    for number in range(count):
        run = store.runs.start(name=f"run {number}", tags={"team": "vision", "number": number})
        run.log_params({"rate": number / 10, "model": "forest"})
        run.log_metrics({"loss": number / 7, "nan": math.nan, "one": 1.0} | ({"only": 3.0} if number == 1 else {}))
        run.log_text("the same", "readme.txt")
        run.log_text(f"weights {number}", "model/weights.bin")
        run.finish()
        found.append(run)
    return found


def compared(bucket: MemoryBucket) -> Comparison:
    return tiny_store(bucket, create=False, seed=5).runs.compare(lab(bucket))


def test_what_differs_is_told_by_kind_and_key() -> None:
    """A value of each run, None where it has none; NaN is the same as NaN, and a file as another of its bytes."""
    found = compared(MemoryBucket())
    assert found.of("params") == {"rate": ["0.0", "0.1", "0.2"]}
    assert found.of("metrics") == {"loss": [0.0, 1 / 7, 2 / 7], "only": [None, 3.0, None]}
    assert found.of("tags") == {"mlflow.runName": ["run 0", "run 1", "run 2"], "number": ["0", "1", "2"]}
    assert list(found.of("artifacts")) == ["model/weights.bin"]
    assert [one["bytes"] for one in found.of("artifacts")["model/weights.bin"]] == [9] * 3
    same = {(row.kind, row.key) for row in found.same}
    assert same >= {("params", "model"), ("metrics", "nan"), ("tags", "team"), ("artifacts", "readme.txt")}
    assert {(row.kind, row.key) for row in found.differing}.isdisjoint(same)
    assert found.of("params", everything=True)["model"] == ["forest"] * 3


def test_it_is_printed_as_a_table() -> None:
    """Names and ids above, what is the same left out, and nothing that steers a terminal."""
    bucket = MemoryBucket()
    found = compared(bucket)
    lines = str(found).splitlines()
    assert lines[0].split() == ["run", "0", "run", "1", "run", "2"]
    assert all(one.info.run_id in lines[1] for one in found.runs)
    assert any(line.split() == ["rate", "0.0", "0.1", "0.2"] for line in lines)
    assert "readme.txt" not in str(found)
    assert any(line.split() == ["only", "-", "3", "-"] for line in lines)
    assert "readme.txt" in str(found.table(everything=True))


def test_it_is_plain_values() -> None:
    """For JSON: of what is the same one value."""
    bucket = MemoryBucket()
    said = json.loads(json.dumps(compared(bucket).to_dictionary()))
    assert [one["run_name"] for one in said["runs"]] == ["run 0", "run 1", "run 2"]
    assert said["same"]["params"] == {"model": "forest"}
    assert said["params"] == {"rate": ["0.0", "0.1", "0.2"]}


def test_runs_are_compared_in_a_few_waves() -> None:
    """A listing, the newest entry, and the trees that are not in it: not one wave for each run."""
    inner = MemoryBucket()
    runs = [run.id for run in lab(inner, 12)]
    bucket = LatentBucket(inner)

    def reader() -> Store:
        return tiny_store(bucket, create=False, seed=5)

    whole = counted(bucket, lambda: reader().runs.compare(runs))
    facts = counted(bucket, lambda: reader().runs.compare(runs, kinds=["params", "metrics"]))
    assert whole.waves <= 3
    assert facts.waves == 2
    assert len(facts.requests) == 1 + 2 * 12


def test_what_a_process_logs_is_compared_with_the_rest() -> None:
    """What waits to be written is written before."""
    bucket = MemoryBucket()
    store = tiny_store(bucket)
    one, other = store.runs.start(), store.runs.start()
    one.log_params({"rate": 1})
    assert store.runs.compare([one, other.id], kinds=["params"]).of("params") == {"rate": ["1", None]}


def test_what_cannot_be_compared_is_said() -> None:
    """One run, a kind that is none, a run that is none."""
    bucket = MemoryBucket()
    one, other, _ = lab(bucket)
    store = tiny_store(bucket, create=False, seed=5)
    with pytest.raises(InvalidArgumentError, match="two runs"):
        store.runs.compare([one])
    with pytest.raises(InvalidArgumentError, match="'colours' cannot be compared: there are params"):
        store.runs.compare([one, other], kinds=["colours"])
    for missing in ("0" * 32, "no id"):
        with pytest.raises(RunNotFoundError):
            store.runs.compare([one, missing])
