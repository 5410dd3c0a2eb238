"""What is said of a logged model after it was logged: metrics, tags, parameters; and finding it by them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression
from tests.support.faulty import FaultyBucket
from tests.support.stores import tiny_store

from holdall.errors import ArtifactNotFoundError, InvalidFilterError, InvalidURIError, ParamExistsError
from holdall.modeling.records.logged import logged_models
from holdall.modeling.records.model_search import chosen
from holdall.runs.inputs import Dataset
from holdall.storage.memory import MemoryBucket
from holdall.store import Run, Store

MODEL = LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])
TEST = Dataset("test", "abc", "local", "{}")


@pytest.fixture
def bucket() -> FaultyBucket:
    return FaultyBucket(MemoryBucket())


@pytest.fixture
def store(bucket: FaultyBucket) -> Store:
    return tiny_store(bucket)


def _log(store: Store, run: Run, name: str = "model", **said: Any) -> str:
    return store.models.log(run, MODEL, name, pip_requirements=[], **said).model_id


def _measured(store: Store, id: str) -> list[tuple[Any, ...]]:
    return [(one.key, one.value, one.step, one.dataset_name, one.run_id) for one in store.models.get(id).metrics]


def test_a_metric_of_a_model_is_in_both(store: Store, run: Run) -> None:
    """The run has the whole series, the model the last value for each data set."""
    id = _log(store, run)
    for step, value in enumerate((0.5, 0.75)):
        store.models.log_metrics(run, {"acc": value}, model_id=id, step=step, timestamp=step)
    store.models.log_metrics(run, {"acc": 0.25}, model_id=id, timestamp=9, dataset=TEST)
    assert [one.value for one in run.history("acc")] == [0.5, 0.75, 0.25]
    assert _measured(store, id) == [("acc", 0.75, 1, None, run.id), ("acc", 0.25, 0, "test", run.id)]


def test_measuring_the_runs_own_model_asks_for_nothing(store: Store, run: Run, bucket: FaultyBucket) -> None:
    """What is said rides on the next entry, as the measurement does: two calls are one entry, and nothing is read."""
    id, before = _log(store, run), len(bucket.requests)
    store.models.log_metrics(run, {"acc": 1, "loss": 2}, model_id=id)
    store.models.log_metrics(run, {"acc": 3, "loss": 4}, model_id=id)
    assert len(bucket.requests) == before
    run.flush()
    assert [verb for verb, _ in bucket.requests[before:]] == ["put"]


def test_another_run_may_measure_a_model_whose_run_has_ended(store: Store, run: Run) -> None:
    """Both logs tell of it at once; the ended run stays as it ended."""
    id = _log(store, run)
    run.finish()
    other = store.runs.start()
    store.models.log_metrics(other, {"acc": float("nan"), "f1": 1}, model_id=id, dataset=("test", "abc"))
    found = {one.key: one for one in store.models.get(id).metrics}
    assert str(found["acc"].value) == "nan"
    assert (found["f1"].dataset_digest, found["f1"].run_id, found["f1"].model_id) == ("abc", other.id, id)
    assert store.runs.get(run.id).record.info.status == "FINISHED"


def test_a_model_that_is_not_there_is_not_measured(store: Store, run: Run) -> None:
    """Then nothing is logged at all."""
    with pytest.raises(ArtifactNotFoundError):
        store.models.log_metrics(run, {"acc": 1}, model_id=f"m-{run.id}-1")
    with pytest.raises(InvalidURIError):
        store.models.log_metrics(run, {"acc": 1}, model_id="model")
    assert run.record.data.metrics == {}


def test_tags_are_set_and_removed(store: Store, run: Run) -> None:
    """Also those that the model was logged with; other models of the run keep theirs."""
    id, other = (_log(store, run, name, tags={"by": "ada", "kept": "yes"}) for name in ("one", "two"))
    store.models.set_tags(id, {"by": None, "stage": 3, "x" * 250: "long"})
    assert store.models.get(id).tags == {"kept": "yes", "stage": "3", "x" * 250: "long"}
    assert store.models.get(other).tags == {"by": "ada", "kept": "yes"}


def test_a_parameter_stays(store: Store, run: Run) -> None:
    """The same again is fine, another value is not, and then none of them is logged."""
    id = _log(store, run, params={"depth": 3})
    store.models.log_params(id, {"depth": "3", "rate": 0.5})
    with pytest.raises(ParamExistsError):
        store.models.log_params(id, {"new": 1, "rate": 0.25})
    assert store.models.get(id).params == {"depth": "3", "rate": "0.5"}


FILTERS = {
    "metrics.acc > 0.5": ["b"],
    "metrics.acc < 0.5": ["a", "b"],
    "metrics.acc > 0.5 AND metrics.acc < 0.5": ["b"],
    "params.depth = '2' AND tags.team LIKE 'ri%'": ["b"],
    "name IN ('a', 'c')": ["a", "c"],
    "tags.team IS NULL": ["a", "c"],
    "model_type = 'tree'": ["c"],
    "source_run_id = 'x'": [],
    "status = 'READY' AND creation_timestamp > 0": ["a", "b", "c"],
}


@pytest.fixture
def three(store: Store, run: Run) -> Store:
    a, b = _log(store, run, "a", params={"depth": 1}), _log(store, run, "b")
    _log(store, run, "c", model_type="tree")
    store.models.log_params(b, {"depth": 2})
    store.models.set_tags(b, {"team": "risk"})
    store.models.log_metrics(run, {"acc": 0.25}, model_id=a, timestamp=1)
    store.models.log_metrics(run, {"acc": 0.125}, model_id=b, timestamp=1)
    store.models.log_metrics(run, {"acc": 0.75}, model_id=b, timestamp=2, dataset=TEST)
    return store


@pytest.mark.parametrize("filter", FILTERS)
def test_models_are_found_by_what_was_said(three: Store, filter: str) -> None:
    """When they were logged, and since."""
    assert sorted(model.name for model in three.models.search(filter)) == FILTERS[filter]


def test_only_measurements_on_the_data_sets_asked_for_count(three: Store) -> None:
    """In filters and in orders; models without one come last."""
    on = [{"dataset_name": "test", "dataset_digest": "abc"}]
    assert [model.name for model in three.models.search("metrics.acc > 0", datasets=on)] == ["b"]
    assert [model.name for model in three.models.search(order_by=["metrics.acc DESC"])][:2] == ["b", "a"]
    theirs = {"field_name": "metrics.acc", "ascending": True, "dataset_name": "test"}
    assert [model.name for model in three.models.search(order_by=[theirs, "name DESC"])] == ["b", "c", "a"]


@pytest.mark.parametrize(
    "given", [{"filter": "colour = 'red'"}, {"order_by": ["metrics."]}, {"order_by": [{"ascending": True}]}], ids=str
)
def test_what_is_not_understood_is_refused(three: Store, given: dict[str, Any]) -> None:
    """A filter or an order that is none."""
    with pytest.raises(InvalidFilterError):
        three.models.search(**given)


def test_models_of_deleted_runs_are_not_found(three: Store, run: Run) -> None:
    """Until the run is restored."""
    run.delete()
    assert three.models.search() == []
    run.restore()
    assert len(three.models.search()) == 3


hostile = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
said = ["time", "key", "value", "step", "run", "name", "digest"]
record = ["path", "flavors", "tags", "params", "metrics", "model_id", "creation_timestamp"]
bodies = st.dictionaries(st.sampled_from(said + record), hostile).map(json.dumps)


@given(bodies, st.dictionaries(st.sampled_from(["tag.0", "param.0", "metric.0", "metric.1"]), bodies))
def test_any_tags_may_stand_where_models_should(record: str, said: dict[str, str]) -> None:
    """What cannot be understood is passed over; what can has the types that it should have."""
    tags = {"holdall.model.1": record} | {f"holdall.model.1.{key}": text for key, text in said.items()}
    found = logged_models("0" * 32, tags)
    assert chosen(found, None, None, ["creation_timestamp", "name", "model_type"]) == found
    for model in found:
        assert model.model_id == f"m-{'0' * 32}-1"
        assert isinstance(model.path, str)
        assert all(isinstance(metric.value, float) for metric in model.metrics)
        assert all(isinstance(each, dict) for each in (model.tags, model.params))


def test_sixteen_who_say_different_things_are_all_heard(store: Store, run: Run) -> None:
    """Nobody reads before writing, so nobody's word is lost."""
    id, other = _log(store, run), store.runs.start()

    def say(i: int) -> None:
        store.models.set_tags(id, {f"tag {i}": i})
        store.models.log_params(id, {f"param {i}": i})
        store.models.log_metrics(other, {f"metric {i}": i}, model_id=id)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(say, range(16)))
    found = store.models.get(id)
    assert (len(found.tags), len(found.params), len(found.metrics)) == (16, 16, 16)
