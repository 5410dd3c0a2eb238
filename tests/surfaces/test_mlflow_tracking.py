"""MLflow's tracking store over a store answers as MLflow's own over a database, verb by verb."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import (
    Dataset,
    DatasetInput,
    Experiment,
    ExperimentTag,
    InputTag,
    LoggedModel,
    LoggedModelInput,
    LoggedModelOutput,
    LoggedModelParameter,
    LoggedModelStatus,
    LoggedModelTag,
    Metric,
    Param,
    Run,
    RunStatus,
    RunTag,
    ViewType,
)
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.abstract_store import AbstractStore
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from holdall.surfaces.mlflow.plugin import tracking_store


class Trial:
    """One case on one store: its experiments and runs by names that are the same on every store."""

    def __init__(self, store: Any, case: str) -> None:
        self.store, self.case = store, case
        self.names: dict[str, str] = {}

    def experiment(self, name: str = "", **given: Any) -> str:
        """Create an experiment and return its id."""
        name = f"{self.case}/{name}"
        id = self.store.create_experiment(name, None, [ExperimentTag(*each) for each in given.items()])
        self.names[id] = f"<{name}>"
        return str(id)

    def run(self, experiment: str, name: str = "run", start: int = 1000, **tags: Any) -> str:
        """Start a run and return its id."""
        run = self.store.create_run(experiment, "unknown", start, [RunTag(*each) for each in tags.items()], name)
        self.names[run.info.run_id] = f"<{name}>"
        return str(run.info.run_id)

    def model(self, experiment: str, name: str, run: str | None, **params: str) -> str:
        """Begin a model and return its id."""
        params_ = [LoggedModelParameter(*each) for each in params.items()]
        model = self.store.create_logged_model(experiment, name, run, [], params_, "kind")
        self.names[model.model_id] = f"<{name}>"
        return str(model.model_id)

    def models(self, experiments: list[str], filter: str | None = None, **given: Any) -> list[str]:
        """Return the names of the models that a filter means, in order."""
        return [model.name for model in self.store.search_logged_models(experiments, filter, **given)]

    def code(self, verb: Callable[..., Any], *args: Any, **given: Any) -> str:
        """Return the code of the error that a verb raises; "" where it raises none."""
        try:
            verb(*args, **given)
        except MlflowException as error:
            return str(error.error_code)
        return ""

    def batch(self, run: str, metrics: Any = (), params: Any = (), tags: Any = ()) -> None:
        """Log a batch, said shortly."""
        self.store.log_batch(
            run,
            [Metric(*each) for each in metrics],
            [Param(*each) for each in params],
            [RunTag(*each) for each in tags],
        )

    def found(self, experiments: list[str], filter: str = "", **given: Any) -> list[str]:
        """Return the names of the runs that a filter means, in order."""
        given = {"run_view_type": ViewType.ACTIVE_ONLY, **given}
        return [run.info.run_name for run in self.store.search_runs(experiments, filter, **given)]

    def plain(self, found: Any) -> Any:
        """Return an answer without ids, times of now, and addresses."""
        if isinstance(found, Run) and found.inputs:
            return [self.plain(dict(found.info)), found.data.to_dictionary(), self.plain(found.inputs.to_dictionary())]
        if isinstance(found, LoggedModel):
            return self.plain(found.to_dictionary())
        if isinstance(found, Experiment):
            return self.plain(dict(found))
        if isinstance(found, Metric):
            return (found.key, str(found.value), found.timestamp, found.step)
        if isinstance(found, dict):
            return {key: self.plain(value) for key, value in found.items() if key not in _UNTOLD}
        if isinstance(found, list | tuple):
            return [self.plain(each) for each in found]
        return self.names.get(found, found) if isinstance(found, str) else found


_STAMPS = ("creation_timestamp", "last_updated_timestamp")
_UNTOLD = (
    "artifact_uri",
    "artifact_location",
    "creation_time",
    "last_update_time",
    "workspace",
    "trace_location",
    *_STAMPS,
)


def _below(parent: str) -> dict[str, Any]:
    return {"mlflow.parentRunId": parent}


CASES: dict[str, Callable[[Trial], Any]] = {}


def case(answer: Callable[[Trial], Any]) -> Callable[[Trial], Any]:
    """Make a case of a function that returns what a store answers."""
    CASES[answer.__name__.replace("_", " ").strip()] = answer
    return answer


# --- experiments ----------------------------------------------------------------


@case
def _an_experiment_is_made_and_found(t: Trial) -> Any:
    id = t.experiment("a", team="x")
    return [t.store.get_experiment(id), t.store.get_experiment_by_name(f"{t.case}/a")]


@case
def _what_is_not_there_says_so(t: Trial) -> Any:
    s, gone = t.store, "f" * 32
    return [
        t.code(s.get_experiment, "999999"),
        s.get_experiment_by_name("no such"),
        t.code(s.get_run, gone),
        t.code(s.delete_run, gone),
        t.code(s.restore_run, gone),
        t.code(s.log_metric, gone, Metric("a", 1, 1, 1)),
        t.code(s.log_batch, gone, [], [Param("a", "b")], []),
        t.code(s.set_tag, gone, RunTag("a", "b")),
        t.code(s.delete_tag, gone, "a"),
        t.code(s.update_run_info, gone, RunStatus.FINISHED, 1, None),
        t.code(s.create_run, "999999", "u", 1, [], "n"),
        t.code(s.delete_experiment, "999999"),
        t.code(s.restore_experiment, "999999"),
        t.code(s.set_experiment_tag, "999999", ExperimentTag("a", "b")),
        t.code(s.delete_experiment_tag, "999999", "a"),
        t.code(s.log_inputs, gone, [], []),
    ]


@case
def _an_experiment_is_made_once(t: Trial) -> Any:
    t.experiment("a")
    return [t.code(t.store.create_experiment, name, None, []) for name in (f"{t.case}/a", "", None, 3, "x" * 501)]


@case
def _the_default_experiment_is_there(t: Trial) -> Any:
    return [t.store.get_experiment("0").name, t.store.get_experiment_by_name("Default").experiment_id]


@case
def _experiments_are_deleted_and_restored_with_their_runs(t: Trial) -> Any:
    id, s = t.experiment("a"), t.store
    t.run(id)
    seen: list[Any] = [t.code(s.restore_experiment, id)]
    s.delete_experiment(id)
    seen += [t.code(s.delete_experiment, id), s.get_experiment(id).lifecycle_stage, t.found([id])]
    seen += [t.found([id], run_view_type=ViewType.DELETED_ONLY), t.code(s.create_run, id, "u", 1, [], "late")]
    seen += [
        t.code(s.set_experiment_tag, id, ExperimentTag("a", "b")),
        t.code(s.create_experiment, f"{t.case}/a", None, []),
    ]
    s.restore_experiment(id)
    return [*seen, s.get_experiment(id).lifecycle_stage, t.found([id])]


@case
def _an_experiment_is_renamed(t: Trial) -> Any:
    id, other, s = t.experiment("a"), t.experiment("b"), t.store
    t.run(id)
    s.rename_experiment(id, f"{t.case}/c")
    seen = [s.get_experiment(id), s.get_experiment_by_name(f"{t.case}/c").experiment_id, t.found([id])]
    s.rename_experiment(id, f"{t.case}/d")
    s.rename_experiment(other, f"{t.case}/c")
    seen += [s.get_experiment_by_name(f"{t.case}/{name}").name for name in "cd"]
    codes = [t.code(s.rename_experiment, id, wrong) for wrong in ("", None, "x" * 501)]
    names = sorted(one.name for one in s.search_experiments(filter_string=f"name LIKE '{t.case}/%'"))
    s.delete_experiment(id)
    return [*seen, codes, names, t.code(s.rename_experiment, id, "x"), t.code(s.rename_experiment, "999999", "x")]


@case
def _experiments_have_tags(t: Trial) -> Any:
    id, s = t.experiment("a", first="1"), t.store
    s.set_experiment_tag(id, ExperimentTag("first", "2"))
    s.set_experiment_tag(id, ExperimentTag("second", "3"))
    s.delete_experiment_tag(id, "second")
    codes = [t.code(s.delete_experiment_tag, id, "second"), t.code(s.set_experiment_tag, id, ExperimentTag("", "x"))]
    return [s.get_experiment(id).tags, codes]


@case
def _experiments_are_searched(t: Trial) -> Any:
    for name in "abcd":
        t.experiment(name, letter=name, many="yes" if name in "ab" else "no")
    begin = f"name LIKE '{t.case}/%'"

    def found(filter: str, **given: Any) -> list[str]:
        page = t.store.search_experiments(filter_string=f"{begin} AND {filter}" if filter else begin, **given)
        return [one.name for one in page]

    return [
        found("", order_by=["name"]),
        found("", order_by=["name DESC"], max_results=2),
        found("tags.many = 'yes'", order_by=["name"]),
        found("tags.many != 'yes'", order_by=["name ASC"]),
        found("tags.letter ILIKE 'A'"),
        found("name ILIKE '%/B'"),
        found("tags.other = 'x'"),
        [t.code(found, wrong) for wrong in ("nam = 'x'", "name", "name = 3", "tags.a > 3", "creation_time = 'x'")],
        [t.code(t.store.search_experiments, max_results=n) for n in (0, -1, None, 10**6)],
        t.code(found, "", order_by=["tags.letter"]),
        t.code(found, "", page_token="not a token"),
    ]


@case
def _experiments_come_in_pages(t: Trial) -> Any:
    for n in range(5):
        t.experiment(f"{n}")
    pages, token = [], None
    while True:
        page = t.store.search_experiments(
            filter_string=f"name LIKE '{t.case}/%'", order_by=["name"], max_results=2, page_token=token
        )
        pages.append([one.name for one in page])
        if not (token := page.token):
            return pages


# --- runs -----------------------------------------------------------------------


@case
def _a_run_is_started_and_ended(t: Trial) -> Any:
    id, s = t.experiment(), t.store
    run = t.run(id, "first", team="x")
    seen = [s.get_run(run)]
    info = s.update_run_info(run, RunStatus.FINISHED, 2000, "second")
    return [*seen, dict(info)["run_name"], info.status, info.end_time, s.get_run(run)]


@case
def _a_run_has_one_name(t: Trial) -> Any:
    id, s, named = t.experiment(), t.store, [RunTag("mlflow.runName", "by tag")]
    run = s.create_run(id, "u", 1, named, None)
    s.set_tag(run.info.run_id, RunTag("mlflow.runName", "later"))
    later = s.get_run(run.info.run_id)
    return [
        run.info.run_name,
        t.code(s.create_run, id, "u", 1, named, "by argument"),
        later.info.run_name,
        later.data.tags,
        bool(s.create_run(id, "u", 1, [], None).info.run_name),
        run.info.user_id,
        s.get_run(run.info.run_id).info.user_id,
    ]


@case
def _a_run_has_each_status(t: Trial) -> Any:
    id, seen = t.experiment(), []
    run = t.run(id)
    for n, status in enumerate(("SCHEDULED", "FINISHED", "FAILED", "KILLED")):
        t.store.update_run_info(run, RunStatus.from_string(status), 5000 + n if n else None, None)
        info = t.store.get_run(run).info
        seen.append((info.status, info.end_time))
    t.store.update_run_info(run, RunStatus.RUNNING, None, None)
    seen.append((t.store.get_run(run).info.status, None))
    for status, end in (("RUNNING", 7), ("SCHEDULED", 8), ("FINISHED", -9), ("FAILED", 10)):
        info = t.store.update_run_info(run, RunStatus.from_string(status), end, None)
        seen += [(info.status, info.end_time), t.store.get_run(run).info.end_time]
    t.store.update_run_info(run, None, 11, None)
    return [*seen, t.store.get_run(run).info.end_time]


@case
def _a_deleted_run_takes_nothing(t: Trial) -> Any:
    id, s = t.experiment(), t.store
    run = t.run(id)
    s.delete_run(run)
    codes = [
        t.code(s.log_metric, run, Metric("a", 1, 1, 1)),
        t.code(s.log_param, run, Param("a", "b")),
        t.code(s.set_tag, run, RunTag("a", "b")),
        t.code(s.delete_tag, run, "a"),
        t.code(s.update_run_info, run, RunStatus.FINISHED, 1, None),
        t.code(s.log_inputs, run, [], []),
    ]
    stage = s.get_run(run).info.lifecycle_stage
    s.restore_run(run)
    return [codes, stage, s.get_run(run).info.lifecycle_stage, t.code(s.log_param, run, Param("a", "b"))]


@case
def _a_child_says_its_parent(t: Trial) -> Any:
    id = t.experiment()
    parent = t.run(id, "parent")
    t.run(id, "child", **_below(parent))
    lost = t.run(id, "lost", **_below("f" * 32))
    tag = t.store.get_run(lost).data.tags["mlflow.parentRunId"]
    return [t.found([id], f"tags.mlflow.parentRunId = '{parent}'"), tag]


# --- measurements, parameters, tags ---------------------------------------------


@case
def _measurements_are_read_back(t: Trial) -> Any:
    run, s = t.run(t.experiment()), t.store
    for step in (2, 0, 1):
        s.log_metric(run, Metric("loss", 0.5 - step / 10, 100 + step, step))
    t.batch(run, [("loss", 9.0, 50, 7), ("nan", math.nan, 1, 0), ("loss", 0.3, 102, 2), ("other", 1, 1, 0)])
    s.log_metric(run, Metric("nan", 3.0, 1, 0))
    return [
        s.get_metric_history(run, "loss"),
        s.get_metric_history(run, "none"),
        s.get_metric_history(run, "loss", max_results=2),
        sorted((key, str(value)) for key, value in s.get_run(run).data.metrics.items()),
    ]


@case
def _a_series_comes_in_pages(t: Trial) -> Any:
    run, pages, token = t.run(t.experiment()), [], None
    t.batch(run, [("loss", n, n, n) for n in range(7)])
    while True:
        page = t.store.get_metric_history(run, "loss", max_results=3, page_token=token)
        pages.append([one.step for one in page])
        if not (token := page.token):
            return [pages, t.code(t.store.get_metric_history, run, "loss", 3, "wrong")]


@case
def _the_plots_of_the_interface_get_their_points(t: Trial) -> Any:
    id, s = t.experiment(), t.store
    runs = [t.run(id, name) for name in ("one", "two")]
    for n, run in enumerate(runs):
        t.batch(run, [("loss", step * (n + 1), step, step) for step in range(25 + n)])

    def points(found: Any) -> list[Any]:
        return [(t.names[one.run_id], one.key, one.value, one.step) for one in found]

    return [
        points(s.get_metric_history_bulk_interval(runs, "loss", 5, None, None)),
        points(s.get_metric_history_bulk_interval(runs, "loss", 3, 4, 11)),
        points(s.get_metric_history_bulk_interval(runs, "loss", 1, None, None)),
        points(s.get_metric_history_bulk_interval(runs, "none", 5, None, None)),
        points(s.get_metric_history_bulk_interval_from_steps(runs[0], "loss", [3, 5, 99], 10)),
        sorted(points(s.get_metric_history_bulk(runs, "loss", 100))),
        t.code(s.get_metric_history_bulk_interval, runs, "loss", 5, 1, None),
        s.get_max_step_for_metric(runs[1], "loss"),
    ]


@case
def _parameters_stay(t: Trial) -> Any:
    run, s = t.run(t.experiment()), t.store
    t.batch(run, params=[("a", "1"), ("b", "2")])
    s.log_param(run, Param("a", "1"))
    return [
        t.code(s.log_param, run, Param("a", "2")),
        t.code(t.batch, run, params=[("c", "1"), ("b", "3")]),
        t.code(t.batch, run, params=[("d", "1"), ("d", "2")]),
        s.get_run(run).data.params,
    ]


@case
def _tags_change(t: Trial) -> Any:
    run, s = t.run(t.experiment()), t.store
    t.batch(run, tags=[("a", "1"), ("b", "2"), ("b", "3")])
    s.set_tag(run, RunTag("a", "2"))
    s.delete_tag(run, "b")
    return [t.code(s.delete_tag, run, "b"), s.get_run(run).data.tags]


@case
def _what_cannot_be_logged_is_refused(t: Trial) -> Any:
    run, s = t.run(t.experiment()), t.store
    return [
        [t.code(s.log_metric, run, Metric(*wrong)) for wrong in _WRONG_METRICS],
        [t.code(s.log_param, run, Param(*wrong)) for wrong in (("", "x"), ("/a", "x"), ("a" * 251, "x"), ("a;b", "x"))],
        [
            t.code(s.set_tag, run, RunTag(*wrong))
            for wrong in (("", "x"), ("..", "x"), ("a" * 251, "x"), ("a", "x" * 8001))
        ],
        t.code(t.batch, run, [("a", n, 1, n) for n in range(1001)]),
        t.code(t.batch, run, params=[(f"p{n}", "x") for n in range(101)]),
        t.code(t.batch, run, tags=[(f"t{n}", "x") for n in range(101)]),
        t.code(t.batch, run, [("a", 1, 1, 1), ("", 1, 1, 1)], [("p", "1")]),
        t.code(s.log_batch, "not an id!", [], [], []),
        s.get_run(run).data.params,
        s.get_run(run).data.metrics,
    ]


_WRONG_METRICS: Any = (
    ("a", "text", 1, 1),
    ("a", None, 1, 1),
    ("", 1, 1, 1),
    ("../a", 1, 1, 1),
    ("a", 1, None, 1),
    ("a", 1, -1, 1),
    ("a", 1, 1, "x"),
    ("a", True, 1, 1),
)


# --- searches -------------------------------------------------------------------

FILTERS = (
    "metrics.loss < 0.25",
    "metrics.loss >= 0.2 AND params.model = 'forest'",
    "metrics.`odd key` = 1",
    "metrics.loss != 0.1",
    "params.model != 'forest'",
    "params.model LIKE 'f%'",
    "params.model ILIKE 'F%'",
    "params.none = 'x'",
    "params.none IS NULL",
    "params.model IS NOT NULL",
    "tags.team = 'a'",
    "tags.team IS NULL",
    'tags."team" != "a"',
    "attributes.status = 'FINISHED'",
    "status != 'FINISHED'",
    "attributes.start_time >= 2000",
    "start_time < 2000",
    "end_time > 0",
    "run_name = 'one'",
    "attributes.run_name LIKE '%o%'",
    "`run name` = 'two'",
    "user_id = 'unknown'",
    "attribute.artifact_uri LIKE '%artifacts'",
    "datasets.name = 'train'",
    "dataset.name LIKE 'tr%'",
    "datasets.digest = 'd1'",
    "dataset.context = 'eval'",
    "datasets.name = 'none'",
    "datasets.name IN ('train', 'other')",
    "",
)
ORDERS: tuple[list[str], ...] = (
    ["metrics.loss"],
    ["metrics.loss DESC"],
    ["params.model ASC", "metrics.loss DESC"],
    ["tags.team DESC"],
    ["attributes.start_time ASC"],
    ["start_time DESC"],
    ["run_name"],
    ["status", "run_name DESC"],
    ["end_time DESC"],
    ["metrics.`odd key` DESC"],
)
MISTAKES = (
    "metrics.loss < 'x'",
    "metrics.loss LIKE 3",
    "params.model = forest",
    "params.model = 3",
    "nothing.a = 'x'",
    "attributes.nothing = 'x'",
    "metrics.loss",
    "metrics.loss < 1 OR metrics.loss > 2",
    "datasets.nothing = 'x'",
    "= 3",
    "run_id IN 'x'",
    "metrics.loss < 1 AND",
)


@case
def _runs_are_searched(t: Trial) -> Any:
    id, other, s = t.experiment("a"), t.experiment("b"), t.store
    one, two = t.run(id, "one", 1000, team="a"), t.run(id, "two", 2000, team="b")
    three, _four = t.run(id, "three", 3000), t.run(other, "four", 500)
    t.batch(one, [("loss", 0.1, 1, 0), ("odd key", 1, 1, 0)], [("model", "forest")])
    t.batch(two, [("loss", 0.2, 1, 0)], [("model", "Forest")])
    t.batch(three, [("loss", math.nan, 1, 0)], [("model", "line")])
    s.update_run_info(one, RunStatus.FINISHED, 1500, None)
    train, test = (Dataset(name, digest, "local", "{}") for name, digest in (("train", "d1"), ("test", "d2")))
    s.log_inputs(two, [DatasetInput(train, [InputTag("mlflow.data.context", "train")])], [])
    s.log_inputs(three, [DatasetInput(test, [InputTag("mlflow.data.context", "eval")])], [])
    chosen = {filter: t.found([id], filter) for filter in FILTERS}
    ordered = {str(order): t.found([id, other], order_by=order) for order in ORDERS}
    refused = {wrong: t.code(t.found, [id], wrong) for wrong in MISTAKES}
    by_id = t.found([id], f"run_id IN ('{one}', '{two}')"), t.found([id], f"attributes.run_id NOT IN ('{one}')")
    return [chosen, ordered, refused, by_id, t.code(t.found, [id], order_by=["nothing.x"]), t.found([])]


@case
def _runs_come_in_pages(t: Trial) -> Any:
    id = t.experiment()
    for n in range(5):
        t.run(id, f"r{n}", 1000 + n)
    pages, token = [], None
    while True:
        page = t.store.search_runs([id], "", ViewType.ALL, max_results=2, page_token=token)
        pages.append([one.info.run_name for one in page])
        if not (token := page.token):
            break
    return [
        pages,
        [t.code(t.found, [id], max_results=n) for n in (0, -1, 10**6)],
        t.code(t.found, [id], page_token="x"),
    ]


# --- inputs ---------------------------------------------------------------------


@case
def _a_run_says_what_it_was_given(t: Trial) -> Any:
    id, s = t.experiment(), t.store
    run = t.run(id)
    long = '{"columns": "' + "x" * 3000 + '"}'
    train = Dataset("train", "d1", "local", '{"uri": "a"}', long, '{"rows": 3}')
    s.log_inputs(run, [DatasetInput(train, [InputTag("mlflow.data.context", "train"), InputTag("k", "v")])], [])
    s.log_inputs(run, [DatasetInput(train, [InputTag("mlflow.data.context", "again")])])
    wrong = [
        t.code(s.log_inputs, run, [DatasetInput(Dataset("n", "d" * 37, "local", "{}"), [])]),
        t.code(s.log_inputs, run, [DatasetInput(Dataset("n", "d", "local", "{}"), [InputTag("k" * 256, "v")])]),
    ]
    seen = s._search_datasets([id])
    told = [(t.names[one.experiment_id], one.name, one.digest, one.context) for one in seen]
    [found] = s.search_runs([id], "", ViewType.ALL)
    return [s.get_run(run), wrong, told, found.inputs.to_dictionary()["dataset_inputs"]]


# --- logged models --------------------------------------------------------------


@case
def _a_model_is_begun_and_ended(t: Trial) -> Any:
    id, s = t.experiment(), t.store
    run = t.run(id)
    model = t.model(id, "forest", run, kind="tree", depth="3")
    seen = [s.get_logged_model(model)]
    s.finalize_logged_model(model, LoggedModelStatus.READY)
    seen += [s.get_logged_model(model), bool(s.create_logged_model(id).name)]
    s.finalize_logged_model(model, LoggedModelStatus.FAILED)
    return [*seen, s.get_logged_model(model).status, t.code(s.create_logged_model, id, "a/b")]


@case
def _a_model_has_tags_and_parameters(t: Trial) -> Any:
    id, s = t.experiment(), t.store
    model = t.model(id, "forest", t.run(id), kind="tree")
    s.set_logged_model_tags(model, [LoggedModelTag("kind", "wood"), LoggedModelTag("new", "x")])
    s.delete_logged_model_tag(model, "new")
    s.log_logged_model_params(model, [LoggedModelParameter("leaves", "7")])
    return [s.get_logged_model(model), t.code(s.delete_logged_model_tag, model, "new")]


@case
def _a_model_that_is_not_there(t: Trial) -> Any:
    id, s = t.experiment(), t.store
    deleted = t.model(id, "forest", t.run(id))
    s.delete_logged_model(deleted)
    return [
        [
            t.code(s.get_logged_model, gone),
            t.code(s.finalize_logged_model, gone, LoggedModelStatus.READY) if gone != deleted else "",
            t.code(s.delete_logged_model_tag, gone, "a"),
            t.code(s.set_logged_model_tags, gone, [LoggedModelTag("a", "b")]) if gone != deleted else "",
        ]
        for gone in ("m-" + "0" * 32, "nothing", deleted)
    ] + [s.get_logged_model(deleted, allow_deleted=True).name, t.models([id])]


@case
def _a_model_is_measured(t: Trial) -> Any:
    id, s = t.experiment(), t.store
    run, other = t.run(id), t.run(id, "other")
    model = t.model(id, "forest", run)
    s.log_metric(run, Metric("acc", 0.5, 1, 3, model_id=model, dataset_name="test", dataset_digest="d"))
    s.log_batch(other, [Metric("acc", 0.75, 2, 4, model_id=model), Metric("plain", 1, 1, 1)], [], [])
    found = [
        (one.key, one.value, one.step, one.dataset_name, t.names[one.run_id])
        for one in s.get_logged_model(model).metrics
    ]
    return [sorted(found), s.get_run(run).data.metrics, s.get_run(other).data.metrics]


@case
def _runs_say_which_models_they_used_and_made(t: Trial) -> Any:
    id, s = t.experiment(), t.store
    run, other = t.run(id), t.run(id, "other")
    model = t.model(id, "forest", run)
    s.log_outputs(run, [LoggedModelOutput(model, 7)])
    s.log_inputs(other, [], [LoggedModelInput(model)])
    s.log_outputs(other, [LoggedModelOutput(model, 9)])
    outputs = [
        [(t.names[one.model_id], one.step) for one in s.get_run(each).outputs.model_outputs] for each in (run, other)
    ]
    return [outputs, [t.names[one.model_id] for one in s.get_run(other).inputs.model_inputs]]


@case
def _models_are_searched(t: Trial) -> Any:
    id, s = t.experiment(), t.store
    run = t.run(id)
    t.model(id, "bare", run)
    for n, name in enumerate(("ash", "beech", "cedar")):
        model = t.model(id, name, run, letter=name[0], size=str(n))
        s.set_logged_model_tags(model, [LoggedModelTag("even", str(n % 2 == 0))])
        s.log_metric(run, Metric("acc", n / 4, 1, 0, model_id=model, dataset_name="test", dataset_digest=f"d{n}"))
        s.finalize_logged_model(model, LoggedModelStatus.READY if n else LoggedModelStatus.FAILED)
    by_name = [{"field_name": "name"}]
    filters = (
        "name = 'ash'",
        "name LIKE '%e%'",
        "params.letter = 'b'",
        "tags.even = 'True'",
        "metrics.acc > 0.2",
        "metrics.acc > 0.2 AND params.size = '2'",
        "model_type = 'none'",
        "creation_timestamp > 1",
    )
    orders: tuple[Any, ...] = (
        [{"field_name": "name", "ascending": False}],
        [{"field_name": "metrics.acc", "ascending": False}],
        [{"field_name": "metrics.acc", "dataset_name": "test"}],
    )
    return [
        {filter: t.models([id], filter, order_by=by_name) for filter in filters},
        [t.models([id], order_by=order) for order in orders],
        t.models([id], datasets=[{"dataset_name": "test", "dataset_digest": "d1"}]),
        t.models([id], "metrics.acc > 0", datasets=[{"dataset_name": "test"}], order_by=by_name),
        [t.code(t.models, [id], wrong) for wrong in ("nothing = 'x'", "metrics.acc")],
        t.code(t.models, [id], datasets=[{"dataset_digest": "d1"}]),
        t.code(t.models, [id], order_by=[{"field_name": "params.size"}]),
    ]


@case
def _models_come_in_pages(t: Trial) -> Any:
    id, s = t.experiment(), t.store
    run, pages, token = t.run(id), [], None
    for name in "abcde":
        t.model(id, name, run)
    while True:
        page = s.search_logged_models([id], max_results=2, order_by=[{"field_name": "name"}], page_token=token)
        pages.append([model.name for model in page])
        if not (token := page.token):
            return pages


# --- garbage --------------------------------------------------------------------


@case
def _what_was_deleted_is_forgotten(t: Trial) -> Any:
    id, s = t.experiment("a", team="x"), t.store
    run, _kept = t.run(id, "gone"), t.run(id, "kept")
    model = t.model(id, "forest", _kept)
    s.delete_logged_model(model)
    s.delete_run(run)
    deleted = [run in s._get_deleted_runs(), run in s._get_deleted_runs(older_than=10**9)]
    deleted += [model in s._get_deleted_logged_models(), model in s._get_deleted_logged_models(older_than=10**9)]
    s._hard_delete_run(run)
    s._hard_delete_logged_model(model)
    codes = [t.code(s.get_run, run), t.code(s._hard_delete_run, run), t.code(s.get_logged_model, model, True)]
    seen = t.found([id], run_view_type=ViewType.ALL), run in s._get_deleted_runs()
    codes += [t.code(s._hard_delete_experiment, id)]
    s.delete_experiment(id)
    s._hard_delete_experiment(id)
    codes += [t.code(s.get_experiment, id), t.code(s.get_run, _kept), t.code(s.restore_experiment, id)]
    codes += [s.get_experiment_by_name(f"{t.case}/a")]
    again = t.experiment("a", new="y")
    return [deleted, codes, seen, s.get_experiment(again), t.found([again], run_view_type=ViewType.ALL)]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AbstractStore, AbstractStore]]:
    """MLflow's own store over sqlite, and MLflow's tracking store over a store in memory."""
    folder: Path = tmp_path_factory.mktemp("mlflow")
    theirs = SqlAlchemyStore(f"sqlite:///{folder}/mlflow.db", str(folder / "artifacts"))
    yield theirs, tracking_store(f"holdall+memory://{folder.name}")
    theirs._dispose_engine()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.every(2)
def test_the_store_answers_as_mlflows_own(stores: tuple[AbstractStore, AbstractStore], name: str) -> None:
    """Every verb answers alike, with the same error codes, but for ids, addresses and the time of now."""
    answers = []
    for store in stores:
        trial = Trial(store, name)
        answers.append(trial.plain(CASES[name](trial)))
    assert answers[1] == answers[0]
