"""What a run was given: facts that are said once, found again, and hostile to nobody."""

from __future__ import annotations

import json
from typing import Any

import mlflow.data
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.data.dataset import Dataset as TheirDataset
from tests.support.stores import tiny_store

from holdall.errors import InvalidNameError
from holdall.runs.inputs import Dataset, as_dataset, inputs_of
from holdall.runs.reserved_tags import remark, remarks
from holdall.storage.memory import MemoryBucket
from holdall.store import Run, Store

THEIRS: Any = mlflow.data  # its names are made when they are asked for

TRAIN = Dataset("train", "abc", "s3", '{"uri": "s3://bucket/train"}', '{"mlflow_colspec": []}', '{"num_rows": 2}')
FRAME = pd.DataFrame({"a": [1.5, 2.0]})


@pytest.fixture
def store() -> Store:
    return tiny_store(MemoryBucket())


@pytest.fixture
def run(store: Store) -> Run:
    return store.runs.start()


def test_an_input_is_read_back_by_everyone(store: Store, run: Run) -> None:
    """By the run, by its record, and by a search, with its tags."""
    run.log_input(TRAIN, context="training", tags={"part": 1})
    run.finish()
    for record in (run.record, store.runs.search()[0]):
        (found,) = record.inputs.dataset_inputs
        assert found.dataset == TRAIN
        assert found.context == "training"
        assert {tag.key: tag.value for tag in found.tags} == {"mlflow.data.context": "training", "part": "1"}


def test_the_same_twice_is_one_and_another_purpose_is_another(run: Run) -> None:
    """A loop that says its data set each time says it once."""
    for context in ("training", "training", "evaluation", None):
        run.log_input(TRAIN, context=context)
    assert sorted(str(one.context) for one in run.record.inputs.dataset_inputs) == ["evaluation", "training"]


def test_inputs_stand_in_the_order_of_logging(store: Store, run: Run) -> None:
    """Also within a millisecond, and where one is said again, by whoever goes on with the run."""
    run._location.clock = lambda: 5
    names = [f"data {n}" for n in (7, 3, 9, 1, 8, 2)]
    for name in names:
        run.log_input(Dataset(name, "abc", "local", "{}"), context="training")
    run.log_input(Dataset(names[0], "abc", "local", "{}", profile="{}"), context="training")
    run.finish()
    other = tiny_store(run._location.bucket, seed=4, create=False).runs.resume(run.id)
    other._location.clock = lambda: 5
    for name in (names[2], "last"):
        other.log_input(Dataset(name, "abc", "local", "{}"), context="training")
    other.finish()
    found = store.runs.get(run.id).record.inputs.dataset_inputs
    assert [one.dataset.name for one in found] == [*names, "last"]
    assert found[0].dataset.profile == "{}"


def test_a_long_schema_is_a_file_of_the_run(run: Run) -> None:
    """The fact stays small and says where the whole is; files of other inputs are not in its way."""
    for text in ("a" * 5000, "b" * 5000):
        fact = run.log_input(Dataset("wide", "abc", "local", "{}", schema=text))
        path = json.loads(fact.schema or "")["artifact"]
        assert run.read(path).decode() == text
    assert all(len(value) < 2000 for value in run.record.data.tags.values())


@pytest.mark.parametrize(
    "theirs",
    [
        THEIRS.from_pandas(FRAME, source="data.csv", name="frame"),
        THEIRS.from_pandas(FRAME, source="data.csv", name="frame")._to_mlflow_entity(),
        THEIRS.from_numpy(np.zeros(3)).to_dict(),
    ],
    ids=["data set", "entity", "mapping"],
)
def test_mlflows_data_sets_are_taken_as_they_are(run: Run, theirs: Any) -> None:
    """All five words come along, the digest as MLflow made it."""
    run.log_input(theirs)
    (found,) = run.record.inputs.dataset_inputs
    words = theirs.to_dict() if isinstance(theirs, TheirDataset) else theirs
    words = words if isinstance(words, dict) else {key: getattr(words, key) for key in found.dataset.to_dict()}
    assert found.dataset.to_dict() == words


@pytest.mark.parametrize(
    "given", [FRAME, {"name": "x"}, "train.csv", None, 3, {**TRAIN.to_dict(), "digest": 7}], ids=str
)
def test_what_is_no_data_set_is_refused(run: Run, given: Any) -> None:
    """The data itself, too: the error says how to describe it."""
    with pytest.raises(TypeError, match=r"holdall\.data\.from_pandas"):
        run.log_input(given)
    assert run.record.inputs.dataset_inputs == []


@pytest.mark.parametrize("words", [{"name": ""}, {"digest": ""}, {"name": "x" * 501}, {"digest": "x" * 101}], ids=str)
def test_a_data_set_has_a_name_and_a_digest(words: dict[str, str]) -> None:
    """Neither is empty nor endless."""
    with pytest.raises(InvalidNameError):
        as_dataset({**TRAIN.to_dict(), **words})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
bodies = st.dictionaries(
    st.sampled_from(["time", "name", "digest", "source_type", "source", "schema", "tags"]), json_values
)


@given(st.one_of(st.text(max_size=50), bodies.map(json.dumps), json_values.map(json.dumps)))
def test_any_tag_may_stand_where_an_input_should(text: str) -> None:
    """What cannot be understood is passed over; what can is well formed."""
    for found in inputs_of({"holdall.input.0123456789abcdef": text}).dataset_inputs:
        assert as_dataset(found.dataset.to_dict() | {"name": "n", "digest": "d", "source_type": "t"})
        assert all(isinstance(tag.value, str) for tag in found.tags)


def test_nested_beyond_measure_is_passed_over() -> None:
    """A tag that would exhaust the parser is one of those that say nothing."""
    assert inputs_of({"holdall.input.0123456789abcdef": "[" * 100_000}).dataset_inputs == []


def test_remarks_of_one_kind_are_not_those_of_another() -> None:
    """A kind that begins like another has remarks of its own, the oldest first."""
    tags = remark("a", [1], {"time": 2}) | remark("a", [2], {"time": 1}) | remark("a.b", [1], {"time": 0})
    assert [body["time"] for body in remarks(tags, "a")] == [1, 2]
    assert [body["time"] for body in remarks(tags, "a.b")] == [0]
