"""Filters and orders find what MLflow finds: the same runs in both, the same questions, the same answers.

MLflow answers from a SQLite store of its own. Where holdall differs on purpose,
a table below says why, and the test of that table fails if it no longer differs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from holdall.errors import InvalidFilterError
from holdall.runs.search import RunSummary, parse_filter, parse_order_by

_DAY = 1_767_225_600_000  # the first of January 2026, in milliseconds

# --- the runs -------------------------------------------------------------------

_NAMES = ["base", "Base", "tuned_1", "tuned-1", "100%", "it's", 'say "hi"', "ünïcødé", "日本語", "a b", "", "tuned%1"]
_MODELS = ["resnet50", "ResNet50", "resnet_18", "resnet%18", "vit", "ViT-B/16", "it's", 'the "big" one', "", "línea"]
_LRS = ["0.1", "0.01", "1e-3", "10", "9", "0.10"]
_STATUSES = ["FINISHED", "FAILED", "KILLED", "RUNNING"]
_LOSSES = [0.5, 0.25, 0.0, -1.5, math.nan, 3.0, 0.5, 1e-9, 2.0**60, math.inf, -math.inf, 0.1]
_NOTES = ["a\nb", "50% done", "50 done", "C:\\dir\\", "naïve", "NAÏVE", "x" * 300, "ß", "AND", "params.x = 'a'"]


def _specified(i: int) -> dict[str, Any]:
    """The i-th run: each of its facts follows a cycle of its own, and each is missing now and then."""
    params = {"lr": _LRS[i % 6], "fixed": "same", "odd key": f"v{i % 3}", "a-b": str(i % 5), "opt.beta.1": "0.9"}
    params |= {"model": _MODELS[i % 10]} if i % 7 else {}
    params |= {"ключ": "значение" if i % 2 else "Значение"} if i % 3 else {}
    params |= {"select": "x", "train/path": f"/data/{i}", "1st": "one"} if i % 4 == 1 else {}
    metrics = {"loss": _LOSSES[i % 12]} if i % 8 else {}
    metrics |= {"acc": (i * 37 % 20) / 20, "train/f1 score": i / 40} if i % 5 else {"acc": math.nan}
    metrics |= {"rare": float(i)} if i % 11 == 0 else {}
    tags = {"note": _NOTES[i % 10]} if i % 6 else {}
    tags |= {"stage.name": "dev" if i % 2 else "prod", "a:b": "c"} if i % 9 else {}
    return {
        "name": _NAMES[i % 12] or f"run {i}",
        "user": ["ada", "Ada", "grace"][i % 3],
        "start": _DAY + (i * 13 % 10) * 1000,  # several start together
        "status": _STATUSES[i % 4],
        "params": params,
        "metrics": metrics,
        "tags": tags,
        "deleted": i % 10 == 3,
    }


@dataclass(frozen=True)
class Both:
    """The same runs twice."""

    client: Any
    views: Any
    errors: tuple[type[Exception], ...]
    experiments: list[str]
    runs: list[RunSummary]

    def theirs(self, text: str | None, order: Sequence[str] | None = None, view: str = "ALL") -> list[str]:
        """The ids of the runs that MLflow finds."""
        chosen = getattr(self.views, "ALL" if view == "ALL" else f"{view}_ONLY")
        found = self.client.search_runs(self.experiments, text or "", chosen, 1000, list(order or ()))
        return [run.info.run_id for run in found]

    def ours(self, text: str | None, order: Sequence[str] | None = None, view: str = "ALL") -> list[str]:
        """The ids of the runs that holdall finds."""
        chosen, sorting = parse_filter(text), parse_order_by(order)
        shown = [run for run in self.runs if view in ("ALL", run.lifecycle_stage.upper())]
        return [run.run_id for run in sorting.sorted(run for run in shown if chosen.matches(run, dict))]

    def named(self, text: str) -> str:
        """A filter with `{0}`, `{1}`, ... replaced by ids of runs."""
        return re.sub(r"\{(\d)}", lambda found: self.runs[int(found[1])].run_id, text)


@pytest.fixture(scope="module")
def mlflow() -> Iterator[SimpleNamespace]:
    """MLflow, told not to call home; imported here, since it takes a second or two."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        patch.setenv("DO_NOT_TRACK", "true")
        from mlflow.entities import Metric, Param, ViewType
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient

        yield SimpleNamespace(Client=MlflowClient, Error=MlflowException, Metric=Metric, Param=Param, View=ViewType)


@pytest.fixture(scope="module")
def both(mlflow: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """Forty runs of two experiments, written through MLflow and described to holdall."""
    folder = tmp_path_factory.mktemp("mlflow")
    client = mlflow.Client(f"sqlite:///{folder}/runs.db")
    experiments = [client.create_experiment(name, f"{folder.as_uri()}/{name}") for name in ("first", "second")]
    runs = [_written(mlflow, client, experiments[i % 2], _specified(i)) for i in range(40)]
    yield Both(client, mlflow.View, (mlflow.Error, ValueError), experiments, runs)
    client._tracking_client.store._dispose_engine()


def _written(mlflow: SimpleNamespace, client: Any, experiment: str, spec: dict[str, Any]) -> RunSummary:
    tags = {**spec["tags"], "mlflow.user": spec["user"]}
    run = client.create_run(experiment, spec["start"], tags, spec["name"])
    params = [mlflow.Param(key, value) for key, value in spec["params"].items()]
    metrics = [mlflow.Metric(key, value, spec["start"], 0) for key, value in spec["metrics"].items()]
    client.log_batch(run.info.run_id, metrics, params)
    end = None if spec["status"] == "RUNNING" else spec["start"] + 5000
    if end:
        client.set_terminated(run.info.run_id, spec["status"], end)
    if spec["deleted"]:
        client.delete_run(run.info.run_id)
    return RunSummary(
        run_id=run.info.run_id,
        experiment_id=experiment,
        run_name=spec["name"],
        status=spec["status"],
        start_time=spec["start"],
        end_time=end,
        artifact_uri=run.info.artifact_uri,
        user_id=spec["user"],
        lifecycle_stage="deleted" if spec["deleted"] else "active",
        params=spec["params"],
        metrics=spec["metrics"],
        tags={**tags, "mlflow.runName": spec["name"]},
    )


# --- the same answers -----------------------------------------------------------

FILTERS = [
    # params, and how keys and values are quoted
    "params.model = 'resnet50'",
    'params.model = "resnet50"',
    "param.model='resnet50'",
    "parameter.model = 'resnet50'",
    "parameters.model = 'resnet50'",
    "`params`.`model` = 'vit'",
    "params.`odd key` = 'v1'",
    "params.\"odd key\" = 'v1'",
    "params.'odd key' = 'v1'",
    "params.`a-b` != '3'",
    'params."train/path" LIKE "/data/1%"',
    "params.`opt.beta.1` = '0.9' AND params.lr = '9'",
    "params.ключ = 'значение'",
    "params.`ключ` LIKE '_начение'",
    "params.select = 'x'",
    "params.1st = 'one'",
    "params.model = ''",
    "params.model != ''",
    "params.model != 'resnet50'",
    'params.model = "it\'s"',
    "params.model = 'the \"big\" one'",
    "params.lr = '0.1'",
    "params.lr != '0.10'",
    "params.absent = 'x'",
    "params.absent != 'x'",
    "params.fixed = 'same'",
    # LIKE and ILIKE
    "params.model LIKE 'resnet%'",
    "params.model LIKE 'RESNET%'",
    "params.model like '%18'",
    "params.model LIKE 'resnet_18'",
    "params.model LIKE '%'",
    "params.model LIKE ''",
    "params.model LIKE '%t%'",
    "params.model LIKE '%s%t%5%'",
    "params.model LIKE 'resnet'",
    "params.model ILIKE 'RESNET__'",
    "params.model Ilike 'vit%'",
    "params.model LIKE 'l_nea'",
    "params.model LIKE '%.%'",
    "tags.note LIKE 'a_b'",
    "tags.note LIKE '50% done'",
    "tags.note LIKE '%\\'",
    "tags.note LIKE '%[a]%'",
    "tags.note ILIKE 'na_ve'",
    'tags.note LIKE "%\'%"',
    # tags
    "tags.note = 'AND'",
    "tag.note = 'C:\\dir\\'",
    "tags.note = \"params.x = 'a'\"",
    "tags.`stage.name` = 'dev'",
    "tags.stage.name != 'dev'",
    'tags."a:b" = "c"',
    "tags.mlflow.user = 'ada'",
    "tags.`mlflow.runName` LIKE 'tuned%'",
    "tags.note = 'a\nb'",
    # missing or not
    "params.model IS NULL",
    "params.model is not null",
    "tags.note IS  NULL AND params.model IS NOT NULL",
    "tags.`stage.name` IS NULL AND metrics.acc > 0.2",
    "params.absent IS NULL",
    # metrics, NaN and infinity
    "metrics.loss < 0.5",
    "metrics.loss <= 0.5",
    "metrics.loss = 0.5",
    "metrics.loss != 0.5",
    "metrics.loss > -1.5",
    "metrics.loss >= 0",
    "metrics.loss = 0",
    "metric.loss = -1.5e0",
    "metrics.loss > 1E9",
    "metrics.loss < -1e300",
    "metrics.loss >= 1e300",
    "metrics.loss = 1152921504606846976",
    "metrics.loss < .2",
    "metrics.loss > 2.",
    "metrics.loss>-2 AND metrics.loss<3",
    "metrics.`train/f1 score` > 0.5",
    'metrics."train/f1 score" <= 0.5',
    "metrics.acc != 0",
    "metrics.rare > 10",
    "metrics.rare != 11",
    "metrics.absent != 1",
    # attributes
    "status = 'FINISHED'",
    "attributes.status = 'FAILED'",
    "attribute.status != 'FINISHED'",
    "attr.status LIKE 'F%'",
    "run.status ILIKE 'f%d'",
    "`status` = 'RUNNING'",
    '"status" = "KILLED"',
    "run_name = 'base'",
    "run_name ILIKE 'base'",
    "run_name != 'base'",
    "`run name` LIKE 'tuned_1'",
    "`Run name` = '日本語'",
    'attributes.`Run Name` = "it\'s"',
    '"Run name" LIKE "%\u00fc%"',
    "user_id = 'ada'",
    "attributes.user_id ILIKE 'ADA'",
    "artifact_uri LIKE '%/first/%'",
    f"start_time = {_DAY}",
    f"attributes.start_time > {_DAY + 4000}",
    f"created >= {_DAY + 4000} AND Created < {_DAY + 8000}",
    f"start_time < {_DAY}.5",
    "start_time > -1",
    "start_time > 1.7e12",
    f"end_time != {_DAY + 5000}",
    f"attributes.end_time <= {_DAY + 9000}",
    "run_id = '{0}'",
    "run_id != '{0}'",
    "run_id IN ('{0}', '{1}')",
    'run_id in ("{0}","{2}",)',
    "attributes.run_id NOT IN ('{0}')",
    "run_id NOT  IN ('{0}', 'x') AND run_id IN ('{1}','{0}')",
    "run_id LIKE '%a%'",
    # several conditions
    "params.model LIKE 'r%' and metrics.loss < 1 And status = 'FINISHED'",
    "metrics.loss = 0.5 AND metrics.loss = 0.5",
    "metrics.loss > 1 AND metrics.loss < 1",
    "params.lr='9'AND params.fixed='same'",
    "\n params.lr = '9'\n\tAND tags.note != 'AND' ",
]

ORDERS: list[list[str]] = [
    [],
    ["start_time"],
    ["start_time DESC"],
    ["attributes.start_time ASC"],
    ["created desc"],
    ["end_time"],
    ["end_time DESC"],
    ["metrics.loss"],
    ["metrics.loss DESC"],
    ["metrics.acc ASC", "metrics.loss Desc"],
    ["metrics.`train/f1 score` DESC"],
    ['metrics."train/f1 score"'],
    ["metrics.rare DESC", "params.model"],
    ["metrics.absent"],
    ["params.model"],
    ["params.model DESC"],
    ["param.lr", "attr.start_time"],
    ["parameters.`odd key` DESC", "parameter.ключ"],
    ["params.'a-b' DESC", "status"],
    ["tags.note"],
    ["tag.`stage.name` DESC", "run_name"],
    ["tags.mlflow.user", "metrics.loss"],
    ["status DESC", "user_id", "run_id DESC"],
    ["run_name"],
    ["run.run_name DESC"],
    ["`start_time`", '"run_id" DESC'],
    ["artifact_uri"],
    ["user_id\nDESC"],
]


@pytest.mark.parametrize("text", FILTERS)
@pytest.mark.every(2)
@pytest.mark.every(2)
def test_a_filter_finds_what_mlflow_finds(both: Both, text: str) -> None:
    """The same runs, deleted ones included, in the same order."""
    asked = both.named(text)
    assert both.ours(asked) == both.theirs(asked)


@pytest.mark.parametrize("order", ORDERS, ids=", ".join)
@pytest.mark.every(2)
def test_an_order_sorts_as_mlflow_sorts(both: Both, order: list[str]) -> None:
    """Ties, NaN and missing values stand where MLflow puts them, whatever is filtered and shown."""
    for text, view in [(None, "ALL"), ("params.fixed = 'same'", "ACTIVE"), ("metrics.acc > 0.1", "DELETED")]:
        assert both.ours(text, order, view) == both.theirs(text, order, view)


def test_the_questions_tell_runs_apart(both: Both) -> None:
    """Most filters find some runs and leave out others, and orders differ, so that agreeing means something."""
    found = [len(both.ours(both.named(text))) for text in FILTERS]
    assert sum(0 < n < len(both.runs) for n in found) > 85
    assert len({tuple(both.ours(None, order)) for order in ORDERS}) > 20


# --- the same refusals ----------------------------------------------------------

BAD_FILTERS = [
    " ",
    "params.x",
    "params.x =",
    "= 'a'",
    "params.x = a",
    "params.x = 3",
    "params.x = `a`",
    "params.x = NULL",
    "params.x = 'a",
    'params.x = "a',
    "params.`x = 'a'",
    "params.x == 'a'",
    "params.x <> 'a'",
    "params.x > 'a'",
    "params.x ! = 'a'",
    "params.x NOT LIKE 'a'",
    "params.x RLIKE 'a'",
    "params.x BETWEEN 'a' AND 'b'",
    "params.x IN ('a', 'b')",
    "params.x = ('a')",
    "params.x LIKE",
    "params.x NOT NULL",
    "params.x IS 'a'",
    "params.x IS NULL NULL",
    "params.x = 'a' OR params.y = 'b'",
    "(params.x = 'a')",
    "NOT params.x = 'a'",
    "params.x = 'a', params.y = 'b'",
    "params.x = 'a' && params.y = 'b'",
    "params.x = 'a'; params.y = 'b'",
    "params.x = 'a';",
    "params.x = 'a' -- all",
    "params.x = 'a' /* all */",
    "params.x = 'a' LIMIT 5",
    "params.x = 'a' 'b'",
    "params.x = params.y",
    "params.a-b = 'a'",
    "params.a/b = 'a'",
    "params.a:b = 'a'",
    "params .x = 'a'",
    "\"params\".x = 'a'",
    "`params.x` = 'a'",
    ".x = 'a'",
    "PARAMS.x = 'a'",
    "foo.x = 'a'",
    "foo = 'a'",
    "'status' = 'FINISHED'",
    "'a' = params.x",
    "metrics.m = 'a'",
    "metrics.m > inf",
    "metrics.m > nan",
    "metrics.m > +1",
    "metrics.m > - 1",
    "metrics.m > 0x10",
    "metrics.m > 1_000",
    "metrics.m > 1 + 1",
    "metrics.m > metrics.n",
    "metrics.m == 1",
    "metrics.m => 1",
    "metrics.m LIKE '1'",
    "metrics.m IN (1, 2)",
    "metrics.m IS NULL",
    "1 < metrics.m",
    "metrics.train/f1 > 1",
    "status > 'A'",
    "status IN ('FINISHED')",
    "status = FINISHED",
    "status IS NULL",
    "Status = 'FINISHED'",
    "Run name = 'a'",
    "run_name IN ('a')",
    "start_time = 'a'",
    "start_time LIKE '1'",
    "end_time IS NULL",
    "CREATED > 1",
    "experiment_id = '1'",
    "lifecycle_stage = 'active'",
    "run_id IN ()",
    "run_id IN (a)",
    "run_id IN (1)",
    "run_id IN 'a'",
    "run_id IN ('a'",
    "run_id IN ('a',, 'b')",
    "run_id NOT ('a')",
    "dataset.colour = 'a'",
    "é",
    "\x00",
]

BAD_ORDERS = [
    "",
    " ",
    "metrics",
    "metrics.m sideways",
    "metrics.m DESC ASC",
    "metrics.m DESC NULLS LAST",
    "metrics.m, params.p",
    "metrics.m > 1",
    "metrics.a-b",
    "metrics.m;",
    "(metrics.m)",
    "-metrics.m",
    "DESC",
    "foo",
    "foo.m",
    "'metrics.m'",
    '"metrics".m',
    "Start_time",
    "timestamp",
    "experiment_id",
    "dataset.name",
    "1",
]


@pytest.mark.parametrize("text", BAD_FILTERS)
def test_a_filter_that_mlflow_refuses_is_refused(both: Both, text: str) -> None:
    """Neither answers."""
    with pytest.raises(both.errors):
        both.theirs(text)
    with pytest.raises(InvalidFilterError):
        parse_filter(text)


@pytest.mark.parametrize("clause", BAD_ORDERS)
def test_an_order_that_mlflow_refuses_is_refused(both: Both, clause: str) -> None:
    """Neither answers."""
    with pytest.raises(both.errors):
        both.theirs(None, [clause])
    with pytest.raises(InvalidFilterError):
        parse_order_by([clause])


@pytest.mark.parametrize("order", [["start_time", "created DESC"], ["metrics.m", "metric.m DESC"]], ids=", ".join)
def test_sorting_twice_by_the_same_is_refused(both: Both, order: list[str]) -> None:
    """By whatever alias, as in MLflow."""
    with pytest.raises(both.errors):
        both.theirs(None, order)
    with pytest.raises(InvalidFilterError):
        parse_order_by(order)


# --- where holdall differs on purpose ------------------------------------------

_LOST = "half a condition got lost on the way; answering without it would widen the answer in silence"
_ACCIDENT = "MLflow reads another key than the one meant, and finds nothing; backticks say what is meant"

REFUSED_HERE = {
    "params.fixed = 'same' AND": _LOST,
    "AND params.fixed = 'same'": _LOST,
    "AND": _LOST,
    "params.fixed = 'same' AND AND params.lr = '9'": _LOST,
    "params.fixed = 'same' params.lr = '9'": "a forgotten AND, or a forgotten half",
    "run_id IN ('a' 'b')": "a forgotten comma: MLflow looks for the run 'ab'",
    "run_id IN (('a', 'b'))": "parentheses within parentheses mean nothing",
    "params. fixed = 'same'": _ACCIDENT,
    "params..fixed = 'same'": _ACCIDENT,
    "params.a.`b c` = 'same'": _ACCIDENT,
    "params.[fixed] = 'same'": _ACCIDENT,
    "params.fixed[0] = 'same'": _ACCIDENT,
    "params.fixed() = 'same'": _ACCIDENT,
    "params. = 'same'": "no key is empty",
    "params.`` = 'same'": "no key is empty",
    "params.fixed = 'it\\'s'": "a backslash is a backslash, and this text ends after it; MLflow reads on",
    "dataset.name = 'a'": "filters do not look at datasets",
    "dataset.name IN ('a', 'b')": "filters do not look at datasets",
}

ACCEPTED_HERE = {
    "params.from = 'a'": "some keywords of SQL are no keys in MLflow, others are; here all are",
    "params.in = 'a'": "likewise",
    "metrics.5 > 1": "a key may be a number",
    "params.opt.beta.1 = '0.9'": "likewise",
    "metrics.acc < 1e+3": "Python writes numbers like that",
    "metrics.acc < .5e3": "likewise",
    "params.fixed = 'a\\' AND params.lr = 'b'": "a text may end with a backslash; in MLflow only the last one",
}

ANSWERED_OTHERWISE = {
    "params.model = 'it''s'": "two quotes are one, as in SQL; MLflow keeps both, and cannot ask for some texts",
    "metrics.loss > 1.7976931348623157e308": "infinity is more than any number; MLflow stores the largest for it",
    "tags.note ILIKE 'naïve'": "letters outside ASCII have two cases as well, as in PostgreSQL but not in SQLite",
}

ORDERS_REFUSED_HERE = {
    '"metrics".m DESC': "double quotes are for keys, as in filters",
    "`metrics.m` DESC": "quotes stand around the key alone, as in filters",
    'metrics.m "DESC"': "a keyword is not quoted",
    "metrics.": "no key is empty",
}

ORDERS_ACCEPTED_HERE = {
    " metrics.m DESC ": "space around a clause means nothing",
    "`Run name`": "filters know this alias",
    "metrics.from": "all keywords of SQL may be keys",
    'metrics.`a"b`': "a key may hold any character",
}


@pytest.mark.parametrize("text", REFUSED_HERE)
def test_a_filter_refused_on_purpose(both: Both, text: str) -> None:
    """MLflow answers; holdall asks what is meant."""
    both.theirs(text)
    with pytest.raises(InvalidFilterError):
        parse_filter(text)


@pytest.mark.parametrize("text", ACCEPTED_HERE)
def test_a_filter_answered_on_purpose(both: Both, text: str) -> None:
    """MLflow refuses; holdall answers."""
    both.ours(text)
    with pytest.raises(both.errors):
        both.theirs(text)


@pytest.mark.parametrize("text", ANSWERED_OTHERWISE)
def test_a_filter_answered_otherwise_on_purpose(both: Both, text: str) -> None:
    """Both answer, and holdall finds runs that MLflow does not."""
    assert set(both.ours(text)) > set(both.theirs(text))


@pytest.mark.parametrize("clause", ORDERS_REFUSED_HERE)
def test_an_order_refused_on_purpose(both: Both, clause: str) -> None:
    """MLflow sorts; holdall asks what is meant."""
    both.theirs(None, [clause])
    with pytest.raises(InvalidFilterError):
        parse_order_by([clause])


@pytest.mark.parametrize("clause", ORDERS_ACCEPTED_HERE)
def test_an_order_accepted_on_purpose(both: Both, clause: str) -> None:
    """MLflow refuses; holdall sorts."""
    parse_order_by([clause])
    with pytest.raises(both.errors):
        both.theirs(None, [clause])
