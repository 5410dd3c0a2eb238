"""What takes MLflow's place takes its arguments: the same names, in the same order, with the same defaults.

Where not, a table here says why, and a row that no longer differs fails. Arguments of our own
come after all of MLflow's, or by name alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from inspect import Parameter
from typing import Any

import mlflow
import mlflow.artifacts
import pytest

import holdall

# what MLflow takes and holdall does not, at the end of a call, and why
LEFT_OUT: dict[str, tuple[list[str], str]] = {}

# other defaults, and why
DEFAULTS: dict[tuple[str, str], str] = {
    ("search_runs", "output_format"): "a list where pandas is not installed",
    ("search_logged_models", "output_format"): "a list where pandas is not installed",
    ("log_image", "synchronous"): "None, as for the other verbs: at once",
}


def _pairs() -> dict[str, tuple[Callable[..., Any], Callable[..., Any]]]:
    """What both have: MLflow's, and holdall's."""
    places = {
        "": (mlflow, holdall, holdall.__all__),
        "artifacts.": (mlflow.artifacts, holdall.artifacts, holdall.artifacts.__all__),
        "Client.": (mlflow.MlflowClient, holdall.Client, dir(holdall.Client)),
    }
    return {
        f"{prefix}{name}": (getattr(theirs, name), getattr(ours, name))
        for prefix, (theirs, ours, names) in places.items()
        for name in names
        if not name.startswith("_") and inspect.isfunction(getattr(ours, name)) and hasattr(theirs, name)
    }


PAIRS = _pairs()


def _parameters(verb: Callable[..., Any]) -> list[Parameter]:
    return list(inspect.signature(verb).parameters.values())


@pytest.mark.parametrize("name", PAIRS)
def test_arguments_come_in_mlflows_order(name: str) -> None:
    """A call that is right there, by position or name, means the same here."""
    theirs, ours = map(_parameters, PAIRS[name])
    left_out = LEFT_OUT.get(name, ([], ""))[0]
    wanted = [one.name for one in theirs if one.name not in left_out]
    assert [one.name for one in theirs][len(wanted) :] == left_out
    by_position = [one.name for one in theirs if one.kind is Parameter.POSITIONAL_OR_KEYWORD and one.name in wanted]
    assert [one.name for one in ours][: len(by_position)] == by_position
    assert set(wanted) <= {one.name for one in ours}
    more = [one for one in ours if one.name not in wanted]
    assert [one.name for one in more if one.default is Parameter.empty] == []


@pytest.mark.parametrize("name", PAIRS)
def test_defaults_are_mlflows(name: str) -> None:
    """What is left out means the same."""
    theirs, ours = ({one.name: one.default for one in _parameters(verb)} for verb in PAIRS[name])
    differing = {key for key in theirs.keys() & ours.keys() if theirs[key] != ours[key]}
    assert differing == {key for verb, key in DEFAULTS if verb == name}


def test_the_tables_speak_of_what_there_is() -> None:
    """Each row is about a verb of both, and what is left out is MLflow's."""
    assert {*LEFT_OUT, *(name for name, _ in DEFAULTS)} <= PAIRS.keys()
    for name, (left_out, _) in LEFT_OUT.items():
        assert set(left_out) <= set(inspect.signature(PAIRS[name][0]).parameters)
    assert len(PAIRS) > 90


def test_a_client_is_made_as_mlflows(tmp_path: Any) -> None:
    """Two addresses, by position too; a registry elsewhere is refused with a sentence."""
    url = str(tmp_path / "store")
    for client in (holdall.Client(url), holdall.Client(url, None), holdall.Client(url, url)):
        assert client.store.url == holdall.Client(tracking_uri=url, registry_uri=url).store.url
    with pytest.raises(holdall.errors.InvalidURIError, match="own registry"):
        holdall.Client(url, str(tmp_path / "other"))


def test_calls_by_position_mean_the_same(tmp_path: Any) -> None:
    """Those whose order was another one, as a script of MLflow's writes them."""
    client = holdall.Client(str(tmp_path / "store"))
    id = client.create_experiment("e", None, {"team": "a"})
    run = client.create_run(id, None, {"kind": "x"}, "first")
    assert (run.info.run_name, run.data.tags["kind"]) == ("first", "x")
    later = client.log_metric(run.info.run_id, "loss", 0.5, 7, 3, False)
    client.log_param(run.info.run_id, "rate", 0.1, True)
    client.set_tag(run.info.run_id, "stage", "draft", None)
    client.log_batch(run.info.run_id, (), (), (), False).wait()  # type: ignore[union-attr]
    assert later is not None
    later.wait()
    client.set_terminated(run.info.run_id, "FINISHED")
    (point,) = client.get_metric_history(run.info.run_id, "loss")
    assert (point.value, point.timestamp, point.step) == (0.5, 7, 3)
    assert client.search_experiments(1, 10, "name = 'e'", ["name ASC"])[0].tags == {"team": "a"}
    assert client.get_run(run.info.run_id).data.params == {"rate": "0.1"}
    assert client.create_run(id, 1_600_000_000_000).info.start_time == 1_600_000_000_000
