"""A run's times that somebody else knows, and the models that it used and made."""

from __future__ import annotations

import pytest

from holdall.chunks.pool import Pool
from holdall.errors import InvalidNameError, InvalidURIError
from holdall.runs.links import model_input_tag, model_inputs_of, model_output_tag, outputs_of
from holdall.runs.values import LoggedModelInput, LoggedModelOutput, RunStatus
from holdall.storage.memory import MemoryBucket
from holdall.store import Store, ViewType

BEGAN, ENDED = 1_600_000_000_000, 1_600_000_060_000
MODEL = "m-" + "0" * 32 + "-1"


@pytest.fixture
def store() -> Store:
    return Store._over(MemoryBucket(), Pool())


def test_a_run_begins_and_ends_when_it_is_said_to(store: Store) -> None:
    """Times that are given are the run's, in its record and in searches, for every reader."""
    run = store.runs.start(start_time=BEGAN)
    run.finish(end_time=ENDED)
    (found,) = store.runs.search(f"start_time = {BEGAN} AND end_time = {ENDED}")
    assert (found.info.start_time, found.info.end_time) == (BEGAN, ENDED)
    assert store.runs.get(run.id).record.info == found.info


def test_a_later_end_is_not_the_earlier_one(store: Store) -> None:
    """A run that goes on has no end, and when it ends without a time, that is when it does."""
    run = store.runs.start()
    run.finish(end_time=ENDED)
    again = store.runs.resume(run.id)
    assert again.record.info.end_time is None
    again.finish()
    assert (again.record.info.end_time or 0) > ENDED


@pytest.mark.parametrize("time", [-1, 1.5, "1600000000000", True, 2**53])
def test_a_time_is_milliseconds(store: Store, time: object) -> None:
    """What is no time is refused before anything is written."""
    with pytest.raises(InvalidNameError, match="milliseconds"):
        store.runs.start(start_time=time)  # type: ignore[arg-type]
    run = store.runs.start()
    with pytest.raises(InvalidNameError, match="milliseconds"):
        run.finish(end_time=time)  # type: ignore[arg-type]
    assert run.record.info.status == "RUNNING"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"time": "x"}', '{"time": -1}', '{"time": 1e400}', "[" * 100_000])
def test_a_foreign_time_is_passed_over(store: Store, text: str) -> None:
    """Tags are anyone's to set: what is no time leaves the log's own."""
    run = store.runs.start()
    try:
        run.set_tags({"holdall.started": text, "holdall.ended": text})
    except InvalidNameError:  # it is too long for a tag
        return
    run.finish()
    assert run.record.info.start_time > ENDED
    assert (run.record.info.end_time or 0) > ENDED


def test_what_runs_beside_a_run_is_stopped_with_it(store: Store) -> None:
    """Before the run ends, once, in reverse order; what fails then does not keep it from ending."""
    run, stopped = store.runs.start(), list[str]()
    run._before_end(lambda: stopped.append(run.record.info.status))
    run._before_end(lambda: 1 / 0)
    run.finish()
    run.finish()
    assert stopped == ["RUNNING"]
    assert run.record.info.status == "FINISHED"


def test_models_that_a_run_used_and_made_are_facts_of_it(store: Store) -> None:
    """They are said by id, once however often, and read back; other tags are passed over."""
    run = store.runs.start()
    for _ in range(2):
        run.set_tags(model_input_tag(LoggedModelInput(MODEL), 1))
        run.set_tags(model_output_tag(LoggedModelOutput(MODEL, 7), 1))
    run.set_tags({"holdall.model.1": '{"path": "m", "step": 3}', "holdall.model.2": "nonsense"})
    record = run.record
    assert record.inputs.model_inputs == [LoggedModelInput(MODEL)]
    assert record.outputs.model_outputs == [LoggedModelOutput(f"m-{run.id}-1", 3), LoggedModelOutput(MODEL, 7)]
    assert model_inputs_of({"holdall.model_input.0": "{}"}) == []
    assert outputs_of(run.id, {"holdall.model_output.0": '{"time": 1, "model": "m", "step": "s"}'}).model_outputs == []
    with pytest.raises(InvalidURIError, match="m-<run id>-<number>"):
        model_input_tag(LoggedModelInput("iris"), 1)


def test_tags_of_an_experiment_are_set_in_one_entry(store: Store) -> None:
    """All of them or none; None removes one."""
    id = store.experiments.create("e", {"a": 1})
    store.experiments.set_tags(id, {"a": None, "b": 2, "c": 3})
    assert store.experiments.get(id).tags == {"b": "2", "c": "3"}
    with pytest.raises(InvalidNameError):
        store.experiments.set_tags(id, {"d": 1, "": 2})
    assert "d" not in store.experiments.get(id).tags


def test_statuses_and_views_have_mlflows_numbers_and_words() -> None:
    """As MLflow has them, in both directions."""
    mlflow = pytest.importorskip("mlflow.entities")
    for number in mlflow.RunStatus.all_status():
        word = mlflow.RunStatus.to_string(number)
        if word in ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"):
            assert (RunStatus.from_string(word), RunStatus.to_string(number)) == (number, word)
            assert RunStatus.is_terminated(number) == mlflow.RunStatus.is_terminated(number)
    for view in (1, 2, 3):
        assert ViewType.to_string(view) == mlflow.ViewType.to_string(view)
        assert ViewType.from_string(mlflow.ViewType.to_string(view)) == view
    with pytest.raises(ValueError, match="no status"):
        RunStatus.from_string("DONE")
    with pytest.raises(ValueError, match="no view"):
        ViewType.from_string("some")
