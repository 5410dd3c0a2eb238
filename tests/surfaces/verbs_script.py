"""The verbs as a user of MLflow writes them; `test_like_mlflow.py` runs this text twice.

Once as it stands, and once with its one `import mlflow` replaced. What it saw
is written to `seen.json` in the folder that it runs in, by field.
"""

import hashlib
import io
import json
import os
import re
from collections import namedtuple
from pathlib import Path

import matplotlib as mpl
import mlflow
import numpy as np
import pandas as pd
import plotly.graph_objects as go
from PIL import Image

mpl.use("Agg")
from matplotlib import pyplot as plt

Pair = namedtuple("Pair", "key value")
DAY = 1_767_225_600_000  # the first of January 2026, in milliseconds
seen, ids = {}, {}


def about(run):
    """What a user reads of a run."""
    info, data = run.info, run.data
    return {
        "id": info.run_id,
        "name": info.run_name,
        "experiment": ids.get(info.experiment_id),
        "status": info.status,
        "stage": info.lifecycle_stage,
        "user": info.user_id,
        "started": isinstance(info.start_time, int) and info.start_time > DAY,
        "ended": isinstance(info.end_time, int) and info.end_time >= info.start_time,
        "artifact_uri": info.artifact_uri,
        "params": data.params,
        "metrics": {key: repr(value) for key, value in data.metrics.items()},
        "tags": data.tags,
    }


def history(metrics):
    """Measurements as a user reads them."""
    return [[metric.key, repr(metric.value), metric.step, metric.timestamp] for metric in metrics]


def listing(found):
    """Lines of a listing: size by path, None for a directory."""
    return [[info.path, info.is_dir, info.file_size] for info in found]


def rows(frame):
    """A table: the type of each column, then its rows."""
    return {"types": {str(key): str(kind) for key, kind in frame.dtypes.items()}, "rows": frame.values.tolist()}


def digest(data):
    """How content is told apart."""
    return hashlib.sha256(data).hexdigest()[:16]


def pixels(path):
    """What a picture shows, whatever its file says besides."""
    with Image.open(path) as image:
        return [image.mode, *image.size, digest(image.tobytes())]


def refused(work, *args, **kwargs):
    """Whether a call raises."""
    try:
        work(*args, **kwargs)
    except Exception:
        return True
    return False


# --- what there is to log -------------------------------------------------------

Path("weights.bin").write_bytes(bytes(range(256)) * 300)
Path("notes.txt").write_text("räksmörgås\r\nline two\n", newline="")
for name, data in {"model/config.json": b"{}", "model/layers/0.bin": b"\0" * 1000, "model/empty": b""}.items():
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(data)
ramp = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
wide = np.linspace(0, 1, 600 * 20).reshape(20, 600)
axes = plt.figure(figsize=(2, 1)).add_subplot()
axes.plot([1, 4, 9])
bars = go.Figure(go.Bar(x=["a", "b"], y=[1, 2]))
settings = {"b": [1, {"c": None}], "a": "é", "when": pd.Timestamp("2026-01-02")}
plain = {"b": [1, {"c": None}], "a": "é", "rate": 1e-3}
answers = pd.DataFrame({"question": ["why", "how"], "score": [0.25, 1.0], "tries": [1, 2], "sure": [True, False]})

# --- one run with everything, and a child in it ----------------------------------

client = mlflow.MlflowClient()
made = mlflow.create_experiment("vision", tags={"team": "a"})
there = mlflow.set_experiment("vision")
ids[there.experiment_id] = "<vision>"
mlflow.set_experiment_tag("stage", 2)
client.set_experiment_tag(made, "stage", 3)

with mlflow.start_run(run_name="parent", tags={"kind": "full", "round": 1}, description="all **verbs**") as parent:
    ids[parent.info.run_id] = "<parent>"
    seen["active"] = {
        "is the run": mlflow.active_run().info.run_id == parent.info.run_id,
        "status": mlflow.active_run().info.status,
        "name": mlflow.active_run().info.run_name,
        "second refused": refused(mlflow.start_run),
    }
    seen["value of log_param"] = mlflow.log_param("rate", 0.1)
    mlflow.log_params({"layers": [64, 32], "dropout": None, "opt.beta 1/x": True, "empty": ""})
    mlflow.log_param("rate", "0.1")
    seen["other value of a param refused"] = refused(mlflow.log_param, "rate", 0.2)
    for step, loss in enumerate([3.0, 2.5, 2.25]):
        mlflow.log_metric("loss", loss, step=step, timestamp=DAY + step)
    mlflow.log_metric("late", 1.0, step=5, timestamp=DAY)
    mlflow.log_metric("late", 7.0, step=3, timestamp=DAY + 9)
    mlflow.log_metric("tie", 1.0, step=1, timestamp=DAY + 9)
    mlflow.log_metric("tie", 2.0, step=1, timestamp=DAY + 8)
    mlflow.log_metrics({"accuracy": 1, "val/f1 score": 0.1 + 0.2}, step=2, timestamp=DAY)
    mlflow.log_metric("gone wrong", float("nan"), timestamp=DAY)
    mlflow.log_metric("off the scale", float("inf"), timestamp=DAY)
    background = mlflow.log_metric("later", 0.5, step=1, timestamp=DAY, synchronous=False)
    background.wait()
    mlflow.set_tag("stage", "draft")
    mlflow.set_tag("stage", "ready")
    mlflow.set_tags({"count": 3, "none": None, "passing": "soon gone"})
    mlflow.delete_tag("passing")
    seen["at once"] = {
        "history by a client": history(client.get_metric_history(parent.info.run_id, "loss")),
        "params by the verb": mlflow.get_run(parent.info.run_id).data.params,
        "rate of the handle": parent.data.params.get("rate"),
    }

    seen["returned"] = [
        mlflow.log_artifact("weights.bin"),
        mlflow.log_artifact(Path("notes.txt"), artifact_path="texts/deep"),
        mlflow.log_artifact("model", "checkpoints"),
        mlflow.log_artifacts("model", artifact_path="flat"),
        mlflow.log_text("grüße\n", "texts/greeting.txt"),
        mlflow.log_text("<p>no newline</p>", "page.html"),
        mlflow.log_dict(settings, "config/settings.json"),
        mlflow.log_dict(plain, "config/plain.yaml"),
        mlflow.log_dict([1, "two"], "config/list.data"),
        mlflow.log_stream(io.BytesIO(b"streamed" * 5000), "streams/bytes.bin"),
        mlflow.log_figure(axes.figure, "figures/line.png", save_kwargs={"dpi": 50}),
        mlflow.log_figure(bars, "figures/bars.html"),
        mlflow.log_image(ramp, "images/ramp.png"),
        mlflow.log_image(Image.fromarray(ramp), artifact_file="images/ramp.jpg"),
        mlflow.log_image(wide, key="val/wide", step=7, timestamp=DAY, synchronous=True),
        mlflow.log_table({"n": [1, 2], "word": ["one", "two"]}, "tables/numbers.json"),
        mlflow.log_table(pd.DataFrame({"n": [3], "word": ["three"]}), artifact_file="tables/numbers.json"),
        mlflow.log_table(answers, "tables/answers.parquet"),
        mlflow.log_table(answers.head(1), "tables/answers.parquet"),
    ]
    seen["refused"] = {
        "a figure of no library": refused(mlflow.log_figure, object(), "figures/none.png"),
        "an image under a name and a key": refused(mlflow.log_image, ramp, "a.png", key="a"),
        "an image with a strange key": refused(mlflow.log_image, ramp, key="a*b"),
        "a path out of the run": refused(mlflow.log_text, "x", "../x.txt"),
        "an absolute path": refused(mlflow.log_text, "x", "/x.txt"),
        "a table of another kind": refused(mlflow.log_table, {"a": [1]}, "a.csv"),
        "a file that is not there": refused(mlflow.log_artifact, "absent.bin"),
        "a metric that is no number": refused(mlflow.log_metric, "word", "high"),
    }

    with mlflow.start_run(run_name="child", nested=True) as child:
        ids[child.info.run_id] = "<child>"
        mlflow.log_metric("loss", 9)
        mlflow.log_table({"n": [4], "word": ["four"]}, "tables/numbers.json")
        mlflow.log_text("for the parent", "from_child.txt", run_id=parent.info.run_id)
    seen["after the child"] = mlflow.active_run().info.run_id

seen["no active run"] = mlflow.active_run() is None
last = mlflow.last_active_run()
seen["last"] = [last.info.run_id, last.info.status, last.data.tags["stage"]]

# --- runs that end otherwise ----------------------------------------------------

failed = mlflow.start_run(run_name="failed")
ids[failed.info.run_id] = "<failed>"
mlflow.log_params({"rate": 0.5})
mlflow.end_run("FAILED")

try:
    with mlflow.start_run(run_name="raised") as raised:
        ids[raised.info.run_id] = "<raised>"
        raise KeyError("on purpose")
except KeyError:
    pass

with mlflow.start_run(run_id=raised.info.run_id) as resumed:
    seen["resumed"] = [resumed.info.run_id, mlflow.get_run(resumed.info.run_id).info.status]
    mlflow.log_metric("again", 1, 4, timestamp=DAY)

other = client.create_run(there.experiment_id, run_name="by the client", tags={"kind": "other"})
id = other.info.run_id
ids[id] = "<other>"
seen["created"] = about(other)
client.log_param(id, "rate", 2)
client.log_metric(id, "loss", 4.5, DAY + 1, 1)
client.set_tag(id, "stage", "raw")
client.set_tag(id, "passing", "x")
client.delete_tag(id, "passing")
batch = client.get_metric_history(parent.info.run_id, "loss")
client.log_batch(id, metrics=batch, params=[Pair("batch", "8")], tags=[Pair("in", "one go")])
client.log_artifact(id, "notes.txt", "texts")
client.log_artifacts(id, "model")
client.log_text(id, "by id", "said.txt")
client.log_dict(id, {"by": "id"}, "said.json")
client.log_stream(id, io.BytesIO(b"by id"), "said.bin")
client.log_figure(id, bars, "said.html")
client.log_image(id, ramp, "said.png")
client.log_table(id, {"n": [5], "word": ["five"]}, "tables/numbers.json")
client.set_tag(id, "mlflow.runName", "renamed")
client.set_terminated(id, "KILLED")
seen["ended by the client"] = about(client.get_run(id))

client.delete_run(failed.info.run_id)
seen["deleted"] = {
    "stage": client.get_run(failed.info.run_id).info.lifecycle_stage,
    "logging refused": refused(client.log_metric, failed.info.run_id, "loss", 1.0),
    "shown": sorted(run.info.run_name for run in client.search_runs([there.experiment_id])),
    "asked for": [run.info.run_name for run in client.search_runs([there.experiment_id], run_view_type=2)],
}
client.restore_run(failed.info.run_id)
mlflow.delete_run(raised.info.run_id)
seen["deleted"]["by the verb"] = mlflow.get_run(raised.info.run_id).info.lifecycle_stage
mlflow.restore_run(raised.info.run_id)

# --- reading back ---------------------------------------------------------------

for run_id, name in ids.items():
    if name == "<vision>":
        continue
    seen[f"run {name}"] = about(mlflow.get_run(run_id))
for key in ("loss", "late", "tie", "val/f1 score", "gone wrong", "off the scale", "later", "absent"):
    seen[f"history of {key}"] = history(client.get_metric_history(parent.info.run_id, key))
seen["history of a batch"] = history(client.get_metric_history(id, "loss"))

experiment = client.get_experiment_by_name("vision")
second, third = client.create_experiment("second", tags={"team": "b"}), mlflow.create_experiment("third")
client.delete_experiment(second)
mlflow.delete_experiment(third)
seen["experiment"] = {
    "same id": {made, there.experiment_id, experiment.experiment_id, mlflow.get_experiment(made).experiment_id}
    == {made},
    "set": [there.name, there.lifecycle_stage],
    "found": [experiment.name, experiment.lifecycle_stage, experiment.tags],
    "created": isinstance(experiment.creation_time, int) and experiment.creation_time > DAY,
    "absent": mlflow.get_experiment_by_name("absent"),
    "made twice refused": refused(client.create_experiment, "vision"),
    "filtered": [one.name for one in mlflow.search_experiments(filter_string="name LIKE 'vis%'")],
    "active": sorted(one.name for one in client.search_experiments()),
    "deleted": sorted(one.name for one in mlflow.search_experiments(view_type=2)),
    "deleted stage": client.get_experiment(second).lifecycle_stage,
    "deleted set refused": refused(mlflow.set_experiment, "second"),
}
client.restore_experiment(second)
seen["experiment"]["restored"] = mlflow.get_experiment(second).lifecycle_stage

found = mlflow.search_runs(output_format="list", order_by=["attributes.run_name ASC"])
seen["search"] = {
    "list": [run.info.run_name for run in found],
    "filter": [run.info.run_name for run in mlflow.search_runs([made], "params.rate = '0.1'", output_format="list")],
    "latest first": [run.info.run_name for run in mlflow.search_runs(output_format="list", max_results=2)],
    "names": len(mlflow.search_runs(experiment_names=["vision"], filter_string="metrics.loss < 4")),
}
frame = mlflow.search_runs(filter_string="tags.kind LIKE '%'", order_by=["attributes.run_name ASC"])
seen["frame"] = {
    "first": list(frame.columns)[:6],
    "groups": list(dict.fromkeys(column.partition(".")[0] for column in frame.columns[6:])),
    "columns": sorted(frame.columns),
    "types": {column: str(kind) for column, kind in frame.dtypes.items()},
    "cells": {
        column: [cell if isinstance(cell, str) else repr(cell) for cell in frame[column].tolist()]
        for column in sorted(frame.columns)
        if column not in ("experiment_id", "start_time", "end_time")
    },
}
seen["empty frame"] = len(mlflow.search_runs(filter_string="params.rate = 'none'"))

seen["table json"] = rows(mlflow.load_table("tables/numbers.json", run_ids=[parent.info.run_id]))
seen["table parquet"] = rows(mlflow.load_table("tables/answers.parquet", [parent.info.run_id]))
columns = ["run_id", "params.rate", "tags.stage"]
every = mlflow.load_table("tables/numbers.json", run_ids=[parent.info.run_id, id], extra_columns=columns)
seen["table of two runs"] = rows(every.astype(object))
seen["table by the client"] = rows(client.load_table(made, "tables/numbers.json", run_ids=[child.info.run_id]))
everywhere = mlflow.load_table("tables/numbers.json", extra_columns=["run_id"])
seen["table of all runs"] = sorted(map(str, everywhere["n"]))

run_id = parent.info.run_id
uri = f"runs:/{run_id}"
for path in (None, "texts", "checkpoints", "checkpoints/model", "flat", "config", "figures", "images", "page.html"):
    seen[f"listing of {path}"] = listing(mlflow.artifacts.list_artifacts(run_id=run_id, artifact_path=path))
seen["listing of tables"] = listing(client.list_artifacts(run_id, "tables"))
seen["listing of absent"] = listing(client.list_artifacts(run_id, "absent"))
seen["listing by uri"] = listing(mlflow.artifacts.list_artifacts(f"{uri}/checkpoints/model/layers"))
seen["listing of the other"] = listing(client.list_artifacts(id))

seen["loaded"] = {
    "text": mlflow.artifacts.load_text(f"{uri}/texts/greeting.txt"),
    "json": mlflow.artifacts.load_dict(f"{uri}/config/settings.json"),
    "data": mlflow.artifacts.load_dict(f"{uri}/config/list.data"),
    "image": np.asarray(mlflow.artifacts.load_image(f"{uri}/images/ramp.png")).tolist() == ramp.tolist(),
    "image is": type(mlflow.artifacts.load_image(f"{uri}/images/ramp.png")).__name__ == "PngImageFile",
    "no dict": refused(mlflow.artifacts.load_dict, f"{uri}/texts/greeting.txt"),
    "no image": refused(mlflow.artifacts.load_image, f"{uri}/texts/greeting.txt"),
    "no text": refused(mlflow.artifacts.load_text, f"{uri}/images/ramp.png"),
    "absent": refused(mlflow.artifacts.load_text, f"{uri}/absent.txt"),
    "absent download": refused(mlflow.artifacts.download_artifacts, f"{uri}/absent", dst_path="absent"),
    "uri and id": refused(mlflow.artifacts.download_artifacts, uri, run_id=run_id),
    "neither": refused(mlflow.artifacts.download_artifacts),
}


def fetched(name, place, root):
    """What a download made, and where it says that it is."""
    seen[f"{name} is at"] = [os.path.isabs(place), os.path.relpath(place, root)]
    place, root = Path(place).resolve(), Path(root).resolve()
    for file in sorted(place.rglob("*")) if place.is_dir() else [place]:
        if file.is_file():
            seen[f"{name}: {file.relative_to(root).as_posix()}"] = digest(file.read_bytes())


Path("there").mkdir()
fetched("all", mlflow.artifacts.download_artifacts(run_id=run_id, dst_path="all"), "all")
fetched("folder", mlflow.artifacts.download_artifacts(f"{uri}/checkpoints/model", dst_path="new/folder"), "new/folder")
fetched(
    "file", mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="texts/greeting.txt", dst_path="f"), "f"
)
fetched("client", client.download_artifacts(run_id, "texts/deep", "there"), "there")
temporary = client.download_artifacts(id, "said.txt")
fetched("temporary", temporary, Path(temporary).parent)
wide_file, small_file = sorted(Path("all/images").glob("val~wide*"), key=lambda file: file.suffix)
page = Path("all/figures/bars.html").read_text()
seen["drawn"] = {
    "line.png": pixels("all/figures/line.png"),
    "bars.html but for the id": digest(re.sub(r"figure-\w{16}|\w{8}(-\w{4}){3}-\w{12}", "", page).encode()),
    "wide": [pixels(wide_file), pixels(small_file)],
}
seen["yaml"] = Path("all/config/plain.yaml").read_text()

# --- registered models ----------------------------------------------------------


def version(found):
    """What a user reads of a version."""
    return {
        "is": [found.name, str(found.version), found.current_stage, found.status, found.status_message],
        "source": found.source,
        "run": found.run_id,
        "user": found.user_id,
        "said": [found.description, found.tags, found.run_link, sorted(found.aliases)],
        "times": found.last_updated_timestamp >= found.creation_timestamp > DAY,
    }


def model(found):
    """What a user reads of a registered model."""
    return {
        "is": [found.name, found.description, found.tags],
        "aliases": {alias: str(number) for alias, number in found.aliases.items()},
        "latest": numbers(found.latest_versions),
        "times": found.last_updated_timestamp >= found.creation_timestamp > DAY,
    }


def numbers(found):
    """Versions by name, number and stage."""
    return [[one.name, str(one.version), one.current_stage] for one in found]


with mlflow.start_run(run_name="registered") as run:
    for folder in ("first", "second"):
        mlflow.log_text("flavors: {}\n", f"{folder}/MLmodel")
ids[run.info.run_id] = "<registered>"
uri, registered = f"runs:/{run.info.run_id}", {}
seen["registry"] = registered
registered["created"] = model(client.create_registered_model("fraud", tags={"team": 1}, description="finds it"))
registered["version 1"] = version(
    client.create_model_version("fraud", f"{uri}/first", run.info.run_id, tags={"ok": True}, run_link="there")
)
registered["version 2"] = version(client.create_model_version("fraud", f"{uri}/second", description="better"))
registered["version 3"] = version(mlflow.register_model(f"{uri}/first", "fraud", tags={"by": "verb"}))
registered["new by verb"] = version(mlflow.register_model(f"{uri}/second", "spam"))
client.set_registered_model_alias("fraud", "champion", "2")
client.set_registered_model_alias("fraud", "champion", 1)
client.set_registered_model_alias("fraud", "challenger", "2")
client.delete_registered_model_alias("fraud", "challenger")
client.delete_registered_model_alias("fraud", "absent")
registered["aliased"] = version(client.get_model_version_by_alias("fraud", "champion"))
registered["staged"] = version(client.transition_model_version_stage("fraud", "1", "production"))
registered["taken over"] = version(client.transition_model_version_stage("fraud", 2, "Production", True))
registered["archived"] = version(client.get_model_version("fraud", "1"))
registered["stages"] = client.get_model_version_stages("fraud", "1")
registered["latest"] = numbers(client.get_latest_versions("fraud"))
registered["latest of some"] = numbers(client.get_latest_versions("fraud", ["None", "Production", "Staging"]))
registered["download uri"] = client.get_model_version_download_uri("fraud", "1")
client.set_registered_model_tag("fraud", "kind", 2)
client.set_registered_model_tag("fraud", "passing", 2)
client.delete_registered_model_tag("fraud", "passing")
client.set_model_version_tag("fraud", "1", "checked", True)
client.set_model_version_tag("fraud", key="by stage", value=1, stage="Archived")
client.set_model_version_tag("fraud", "1", "passing", 1)
client.delete_model_version_tag("fraud", "1", "passing")
client.delete_model_version_tag("fraud", "1", "absent")
registered["said of it"] = model(client.update_registered_model("fraud", "finds more"))
registered["said of a version"] = version(client.update_model_version("fraud", "1", "good"))
registered["whole"] = model(client.get_registered_model("fraud"))
client.rename_registered_model("fraud", "scam")
registered["renamed"] = model(client.get_registered_model("scam"))
registered["copied"] = version(client.copy_model_version("models:/scam@champion", "served"))
for name, text in {
    "all": None,
    "name": "name = 'scam'",
    "like": "name LIKE 'sp%'",
    "tag": "tags.ok = 'True'",
    "run": f"run_id = '{run.info.run_id}' and name = 'served'",
    "number": "version_number >= 2 AND name = 'scam'",
}.items():
    found = client.search_model_versions(text, order_by=["name ASC", "version_number DESC"])
    registered[f"versions: {name}"] = numbers(found)
registered["versions: two"] = numbers(client.search_model_versions(order_by=["name DESC"], max_results=2))
for name, text in {"all": None, "like": "name ILIKE 'S%'", "tag": "tags.team = '1'", "none": "name = 'x'"}.items():
    registered[f"models: {name}"] = [one.name for one in client.search_registered_models(text)]
registered["models: turned round"] = [one.name for one in client.search_registered_models(order_by=["name DESC"])]
client.delete_model_version("scam", "3")
registered["after a deletion"] = version(client.create_model_version("scam", f"{uri}/first", run.info.run_id))
client.delete_model_version("scam", "1")
registered["left"] = model(client.get_registered_model("scam"))
client.delete_registered_model("spam")
registered["anew"] = [
    model(client.create_registered_model("spam")),
    numbers(client.search_model_versions("name='spam'")),
]
for name, work, *given in (
    ("a model twice", client.create_registered_model, "scam"),
    ("a slash in its name", client.create_registered_model, "a/b"),
    ("no name", client.create_registered_model, ""),
    ("a name that is taken", client.rename_registered_model, "scam", "served"),
    ("an absent model", client.get_registered_model, "fraud"),
    ("a version of an absent model", client.create_model_version, "fraud", f"{uri}/first"),
    ("a deleted version", client.get_model_version, "scam", "1"),
    ("a version that is none", client.get_model_version, "scam", "first"),
    ("a deleted version's alias", client.get_model_version_by_alias, "scam", "champion"),
    ("an alias like a version", client.set_registered_model_alias, "scam", "v1", "2"),
    ("an alias of nothing", client.set_registered_model_alias, "scam", "champion", "9"),
    ("a stage that is none", client.transition_model_version_stage, "scam", "2", "Shelf"),
    ("archiving the archived", client.transition_model_version_stage, "scam", "2", "Archived", True),
    ("neither version nor stage", client.set_model_version_tag, "scam", None, "key", "value"),
    ("a copy of a run", client.copy_model_version, f"{uri}/first", "copy"),
    ("an absent path", mlflow.register_model, f"{uri}/absent", "absent"),
    ("a filter that is none", client.search_model_versions, "colour = 'red'"),
):
    registered[f"refused: {name}"] = refused(work, *given)

# --- what models were trained and measured on ----------------------------------


class Plain(mlflow.pyfunc.PythonModel):
    """A model as small as can be."""

    def predict(self, context, model_input, params=None):
        """What went in."""
        return model_input


def logged(found):
    """What a user reads of a logged model."""
    return {
        "is": [found.name, found.model_type, found.model_uri == f"models:/{found.model_id}", found.source_run_id],
        "params": dict(found.params),
        "tags": {key: value for key, value in found.tags.items() if not key.startswith("mlflow.")},
        "metrics": sorted(
            [one.key, one.value, one.step, one.timestamp, str(one.dataset_name), str(one.dataset_digest), one.run_id]
            for one in found.metrics or ()
        ),
    }


def inputs(run_id):
    """What a user reads of what a run was given."""
    found = mlflow.get_run(run_id).inputs.dataset_inputs
    return [[vars_of(one.dataset), {tag.key: tag.value for tag in one.tags}] for one in found]


def vars_of(dataset):
    """The words of a data set."""
    return [getattr(dataset, name) for name in ("name", "digest", "source_type", "source", "schema", "profile")]


table = pd.DataFrame({"size": [1.5, 2.0], "kind": ["a", None], "y": [True, False]})
measured = mlflow.data.from_pandas(table, source="s3://bucket/table.csv", targets="y", name="table", digest="aa")
arrays = mlflow.data.from_numpy(np.zeros((4, 2)), source="https://example.com/a.npy", targets=np.ones(4), digest="bb")
with mlflow.start_run(run_name="given") as run:
    ids[run.info.run_id] = "<given>"
    mlflow.log_input(measured, context="training", tags={"part": "1"})
    plain = mlflow.pyfunc.log_model(
        name="plain", python_model=Plain(), pip_requirements=[], params={"depth": 3}, tags={"a": "b"}, model_type="echo"
    ).model_id
    mlflow.log_metric("acc", 0.5, step=1, timestamp=DAY, model_id=plain)
    mlflow.log_metrics({"acc": 0.25, "f1": 0.75}, timestamp=DAY, model_id=plain, dataset=measured)
with mlflow.start_run(run_name="measuring") as other:
    ids[other.info.run_id] = "<measuring>"
    mlflow.log_input(arrays)
client.log_metric(other.info.run_id, "acc", 0.875, DAY, 2, dataset_name="other", dataset_digest="c", model_id=plain)
client.log_inputs(other.info.run_id, mlflow.get_run(run.info.run_id).inputs.dataset_inputs)
seen["inputs"] = {"of the first": inputs(run.info.run_id), "of the other": sorted(inputs(other.info.run_id), key=str)}
seen["logged"] = models = {"first": logged(mlflow.get_logged_model(plain))}
mlflow.set_logged_model_tags(plain, {"stage": 1, "passing": "x", "later": "x"})
mlflow.delete_logged_model_tag(plain, "passing")
client.set_logged_model_tags(plain, {"by": "client"})
client.delete_logged_model_tag(plain, "later")
mlflow.log_model_params({"rate": 0.5}, plain)
client.log_model_params(plain, {"width": "8"})
models["then"] = logged(client.get_logged_model(plain))
models["files"] = [one.path for one in client.list_logged_model_artifacts(plain)]
for text in (None, "metrics.acc > 0.8", "metrics.acc > 0.9", "params.rate = '0.5'", "tags.by LIKE 'cl%'", "name = 'x'"):
    found = client.search_logged_models([run.info.experiment_id], filter_string=text)
    models[f"found: {text}"] = [one.name for one in found]
sets = [{"dataset_name": "table", "dataset_digest": "aa"}]
for text in ("metrics.acc > 0.2", "metrics.acc > 0.4"):
    found = mlflow.search_logged_models([run.info.experiment_id], text, datasets=sets, output_format="list")
    models[f"on the table: {text}"] = [one.name for one in found]
models["refused"] = refused(client.get_logged_model, f"m-{'0' * 32}-1")

# --- tracking: addresses, pages, and what the top level has of the client ---

seen["tracking"] = tracking = {"set": mlflow.is_tracking_uri_set()}
mlflow.set_tracking_uri(mlflow.get_tracking_uri())
mlflow.set_registry_uri(mlflow.get_registry_uri())
tracking["one place"] = mlflow.get_tracking_uri() == mlflow.get_registry_uri() == client.tracking_uri
made = mlflow.create_experiment("paged", None, {"a": "1", "b": "2"})
ids[made] = "<paged>"
mlflow.set_experiment("paged")
mlflow.set_experiment_tags({"c": 3, "d": 4})
mlflow.delete_experiment_tag("a")
client.delete_experiment_tag(made, "d")
tracking["tags"] = {key: text for key, text in mlflow.get_experiment(made).tags.items() if len(key) == 1}
mlflow.delete_experiment(made)
tracking["deleted"] = mlflow.get_experiment(made).lifecycle_stage
mlflow.restore_experiment(made)
tracking["restored"] = mlflow.get_experiment(made).lifecycle_stage
with mlflow.start_run(run_name="outer") as outer, mlflow.start_run(run_name="inner", nested=True) as inner:
    ids |= {outer.info.run_id: "<outer>", inner.info.run_id: "<inner>"}
    tracking["ends of addresses"] = [
        mlflow.get_artifact_uri("a/b.txt").endswith("/a/b.txt"),
        mlflow.get_artifact_uri().count(inner.info.run_id),
    ]
    mlflow.log_inputs(datasets=[measured, arrays], contexts=["training", "validation"], tags_list=[None, {"x": "y"}])
    last = mlflow.pyfunc.log_model(name="last", python_model=Plain(), pip_requirements=[])
    mlflow.log_outputs([])
    mlflow.log_metric("later", 1.0, synchronous=False)
    mlflow.flush_async_logging()
    mlflow.flush_artifact_async_logging()
    mlflow.flush_trace_async_logging()
mlflow.autolog(disable=True)
mlflow.enable_system_metrics_logging()
mlflow.disable_system_metrics_logging()
mlflow.set_system_metrics_sampling_interval(60)
mlflow.set_system_metrics_samples_before_logging(2)
mlflow.set_system_metrics_node_id("node")
tracking["parents"] = [mlflow.get_parent_run(inner.info.run_id).info.run_name, client.get_parent_run(outer.info.run_id)]
tracking["inputs"] = sorted(inputs(inner.info.run_id), key=str)
tracking["last"] = mlflow.last_logged_model().model_id == last.model_id
tracking["outputs"] = [one.model_id == last.model_id for one in mlflow.get_run(inner.info.run_id).outputs.model_outputs]
timed = client.create_run(made, start_time=DAY, run_name="timed").info.run_id
ids[timed] = "<timed>"
client.log_outputs(timed, [])
client.update_run(timed, name="renamed")
client.set_terminated(timed, "FAILED", DAY + 1)
tracking["timed"] = [
    getattr(client.get_run(timed).info, name) for name in ("run_name", "status", "start_time", "end_time")
]
client.update_run(timed, status="KILLED")
tracking["status"] = client.get_run(timed).info.status
pages, token = [], None
while token or not pages:
    page = client.search_runs([made], order_by=["attributes.run_name ASC"], max_results=2, page_token=token)
    pages.append([one.info.run_name for one in page])
    token = page.token
tracking["pages"] = pages
for name in ("a-model", "b-model", "c-model"):
    client.create_registered_model(name)
    client.create_model_version(name, last.model_uri)
first = client.search_registered_models("name LIKE '_-model'", max_results=2)
rest = client.search_registered_models("name LIKE '_-model'", max_results=2, page_token=first.token)
tracking["models"] = [[one.name for one in first], [one.name for one in rest], rest.token or None]
mlflow.set_model_version_tag("a-model", "1", "stage", 5)
tracking["registry"] = {
    "models": [one.name for one in mlflow.search_registered_models(filter_string="name LIKE '_-model'")],
    "some": [one.name for one in mlflow.search_registered_models(2, "name LIKE '_-model'", ["name DESC"])],
    "versions": [one.name for one in mlflow.search_model_versions(filter_string="tags.stage = '5'")],
}

Path("seen.json").write_text(json.dumps({"ids": ids, "seen": seen}))
