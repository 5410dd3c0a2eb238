"""Sixty calls of MLflow, as a project makes them over the months, each with what it answers.

No call knows where it is tracked. Ids and times differ from place to place, so no answer has one.
"""

import json
import math
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema


class Double(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input * 2


SIGNATURE = ModelSignature(Schema([ColSpec("double", "x")]), Schema([ColSpec("double", "x")]))
OTHER = ModelSignature(Schema([ColSpec("long", "x")]), Schema([ColSpec("long", "x")]))
FRAME = pd.DataFrame({"x": [1.0, 2.0]})
CALLS = {}


def call(function):
    CALLS[function.__name__.replace("_", " ")] = function
    return function


def paths(found):
    return [(each.path, each.is_dir, each.file_size) for each in found]


def facts(run):
    tags = {key: value for key, value in run.data.tags.items() if not key.startswith("mlflow.")}
    return run.info.run_name, run.info.status, run.info.lifecycle_stage, run.data.params, run.data.metrics, tags


def version(found):
    return found.name, int(found.version), found.current_stage, found.description, dict(found.tags), found.status


def model(found):
    return found.name, sorted(found.aliases.items()), found.description, dict(found.tags)


# --- experiments ---


@call
def create_an_experiment(c):
    c.experiment = mlflow.create_experiment("vision", tags={"team": "a"})
    return type(c.experiment)


@call
def create_it_again(c):
    mlflow.create_experiment("vision")


@call
def find_it_by_name(c):
    found = mlflow.get_experiment_by_name("vision")
    return found.experiment_id == c.experiment, found.name, found.lifecycle_stage, found.tags


@call
def find_none(c):
    return mlflow.get_experiment_by_name("none"), mlflow.get_experiment("0").name


@call
def tag_an_experiment(c):
    c.client.set_experiment_tag(c.experiment, "goal", "better")
    return mlflow.get_experiment(c.experiment).tags


@call
def search_experiments(c):
    by_tag = mlflow.search_experiments(filter_string="tags.team = 'a'")
    return [each.name for each in by_tag], [each.name for each in mlflow.search_experiments(order_by=["name ASC"])]


@call
def set_an_experiment(c):
    return mlflow.set_experiment("vision").experiment_id == c.experiment


# --- what a run says ---


@call
def start_a_run(c):
    c.run = mlflow.start_run(run_name="first", tags={"kind": "trial"}, description="the first").info.run_id
    return mlflow.active_run().info.status, mlflow.get_run(c.run).data.tags["mlflow.note.content"]


@call
def log_params(c):
    mlflow.log_params({"rate": 0.1, "depth": 3})
    return mlflow.log_param("solver", "lbfgs"), mlflow.get_run(c.run).data.params


@call
def change_a_param(c):
    mlflow.log_param("rate", 0.2)


@call
def say_a_param_again(c):
    return mlflow.log_param("rate", 0.1)


@call
def log_metrics(c):
    for step in range(3):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    mlflow.log_metrics({"auc": 0.75, "nothing": math.nan}, step=2)
    found = mlflow.get_run(c.run).data.metrics
    return found["loss"], found["auc"], math.isnan(found["nothing"])


@call
def log_no_metric(c):
    mlflow.log_metric("loss", "high")


@call
def read_a_history(c):
    return [(point.step, point.value) for point in c.client.get_metric_history(c.run, "loss")]


@call
def log_a_batch(c):
    c.client.log_batch(c.run, [Metric("batch", 1.5, 1_700_000_000_000, 7)], [Param("p", "q")], [RunTag("t", "u")])
    return [(m.step, m.timestamp, m.value) for m in c.client.get_metric_history(c.run, "batch")]


@call
def set_tags(c):
    mlflow.set_tags({"a": 1, "b": "two"})
    mlflow.set_tag("a", "one")
    mlflow.delete_tag("b")
    return facts(mlflow.get_run(c.run))[5]


@call
def log_a_bad_key(c):
    mlflow.log_param("what?", 1)


@call
def log_a_data_set(c):
    mlflow.log_input(mlflow.data.from_pandas(FRAME, name="numbers", source="numbers.csv"), context="training")
    (found,) = mlflow.get_run(c.run).inputs.dataset_inputs
    return found.dataset.name, found.dataset.digest, [(tag.key, tag.value) for tag in found.tags]


# --- what a run holds ---


@call
def log_a_text(c):
    mlflow.log_text("all is well", "notes/report.txt")
    return mlflow.artifacts.load_text(f"runs:/{c.run}/notes/report.txt")


@call
def log_it_again(c):
    mlflow.log_text("all was well", "notes/report.txt")
    return mlflow.artifacts.load_text(f"runs:/{c.run}/notes/report.txt")


@call
def log_dictionaries(c):
    mlflow.log_dict({"b": 1, "a": [1, 2]}, "config.yaml")
    mlflow.log_dict({"b": 1}, "config.json")
    return [mlflow.artifacts.load_text(f"runs:/{c.run}/config.{kind}") for kind in ("yaml", "json")]


@call
def log_a_file(c):
    (c.folder / "weights.bin").write_bytes(bytes(range(256)))
    mlflow.log_artifact(c.folder / "weights.bin", "model")
    return paths(mlflow.artifacts.list_artifacts(run_id=c.run, artifact_path="model"))


@call
def log_a_folder(c):
    (c.folder / "plots" / "deep").mkdir(parents=True)
    (c.folder / "plots" / "a.svg").write_text("<svg/>")
    (c.folder / "plots" / "deep" / "b.svg").write_text("<svg/>")
    mlflow.log_artifacts(str(c.folder / "plots"), "figures")
    return paths(c.client.list_artifacts(c.run, "figures")), paths(c.client.list_artifacts(c.run, "figures/deep"))


@call
def log_a_table(c):
    for each in (FRAME, FRAME * 10):
        mlflow.log_table(each, "table.json")
    return mlflow.load_table("table.json", run_ids=[c.run]).to_dict("list")


@call
def log_a_picture(c):
    mlflow.log_image(np.zeros((2, 3, 3), dtype=np.uint8), "black.png")
    return mlflow.artifacts.load_image(f"runs:/{c.run}/black.png").size


@call
def list_what_is_there(c):
    return paths(mlflow.artifacts.list_artifacts(run_id=c.run))


@call
def list_what_is_not(c):
    return mlflow.artifacts.list_artifacts(run_id=c.run, artifact_path="nowhere")


@call
def fetch_a_folder(c):
    local = Path(mlflow.artifacts.download_artifacts(f"runs:/{c.run}/figures", dst_path=c.new_folder()))
    return local.name, sorted(str(each.relative_to(local)) for each in local.rglob("*"))


@call
def fetch_a_file(c):
    local = mlflow.artifacts.download_artifacts(
        run_id=c.run, artifact_path="model/weights.bin", dst_path=c.new_folder()
    )
    return Path(local).read_bytes() == bytes(range(256)), Path(local).name


@call
def fetch_what_is_not_there(c):
    mlflow.artifacts.download_artifacts(f"runs:/{c.run}/nowhere/at/all.txt", dst_path=c.new_folder())


@call
def log_outside(c):
    mlflow.log_text("x", "../x.txt")


# --- runs ---


@call
def nest_a_run(c):
    with mlflow.start_run(run_name="inner", nested=True) as inner:
        mlflow.log_metric("loss", 0.25)
    return inner.data.tags["mlflow.parentRunId"] == c.run, mlflow.get_parent_run(inner.info.run_id).info.run_id == c.run


@call
def end_the_run(c):
    mlflow.end_run()
    found = mlflow.get_run(c.run)
    return facts(found)[:3], found.info.end_time >= found.info.start_time, mlflow.active_run()


@call
def fail_a_run(c):
    try:
        with mlflow.start_run(run_name="failed"):
            raise ValueError
    except ValueError:
        return mlflow.last_active_run().info.status


@call
def go_on_with_a_run(c):
    with mlflow.start_run(run_id=c.run) as run:
        mlflow.log_param("late", "yes")
    return facts(mlflow.get_run(run.info.run_id))[:2]


@call
def rename_a_run(c):
    c.client.update_run(c.run, name="renamed")
    return facts(mlflow.get_run(c.run))[0]


@call
def find_no_run(c):
    mlflow.get_run("0" * 32)


@call
def search_runs(c):
    found = mlflow.search_runs(filter_string="metrics.loss < 0.5 AND params.rate = '0.1'", output_format="list")
    return [facts(run)[0] for run in found]


@call
def search_runs_in_order(c):
    found = c.client.search_runs([c.experiment], order_by=["metrics.loss DESC", "attributes.run_name ASC"])
    return [run.info.run_name for run in found]


@call
def search_runs_as_a_frame(c):
    found = mlflow.search_runs(search_all_experiments=True, order_by=["attributes.run_name ASC"])
    kept = [name for name in found.columns if not name.startswith("tags.mlflow.") and "_id" not in name]
    return sorted(set(kept) - {"artifact_uri", "start_time", "end_time"}), found["tags.mlflow.runName"].tolist()


@call
def search_runs_by_pages(c):
    first = c.client.search_runs([c.experiment], max_results=2, order_by=["attributes.run_name ASC"])
    rest = c.client.search_runs(
        [c.experiment], max_results=2, order_by=["attributes.run_name ASC"], page_token=first.token
    )
    return [run.info.run_name for run in first], [run.info.run_name for run in rest], rest.token


@call
def search_by_a_bad_filter(c):
    c.client.search_runs([c.experiment], "colour = 'red'")


@call
def delete_and_restore_a_run(c):
    c.client.delete_run(c.run)
    gone = mlflow.get_run(c.run).info.lifecycle_stage, len(c.client.search_runs([c.experiment]))
    only = [run.info.run_name for run in c.client.search_runs([c.experiment], run_view_type=ViewType.DELETED_ONLY)]
    c.client.restore_run(c.run)
    return gone, only, mlflow.get_run(c.run).info.lifecycle_stage


# --- models ---


@call
def log_a_model(c):
    with mlflow.start_run(run_id=c.run):
        c.model = mlflow.pyfunc.log_model(
            name="double", python_model=Double(), signature=SIGNATURE, pip_requirements=[], params={"k": "v"}
        )
    return c.model.model_uri == f"models:/{c.model.model_id}", c.model.params, sorted(c.model.flavors)


@call
def load_it_by_its_id(c):
    return mlflow.pyfunc.load_model(c.model.model_uri).predict(FRAME).to_dict("list")


@call
def load_it_by_its_run(c):
    return mlflow.pyfunc.load_model(f"runs:/{c.run}/double").predict(FRAME).to_dict("list")


@call
def look_at_the_logged_model(c):
    found = mlflow.get_logged_model(c.model.model_id)
    return found.name, str(found.status), found.source_run_id == c.run, found.params, found.model_type


@call
def search_logged_models(c):
    found = mlflow.search_logged_models([c.experiment], filter_string="name = 'double'", output_format="list")
    return [each.model_id == c.model.model_id for each in found]


@call
def tag_the_logged_model(c):
    mlflow.set_logged_model_tags(c.model.model_id, {"checked": "yes", "by": "me"})
    c.client.delete_logged_model_tag(c.model.model_id, "by")
    tags = mlflow.get_logged_model(c.model.model_id).tags
    return {key: value for key, value in tags.items() if not key.startswith("mlflow.")}


@call
def list_the_models_files(c):
    found = c.client.list_logged_model_artifacts(c.model.model_id)
    return [path for path, is_dir, _ in paths(found)]


@call
def change_the_signature(c):
    mlflow.models.set_signature(c.model.model_uri, OTHER)
    found = mlflow.models.get_model_info(c.model.model_uri).signature == OTHER
    mlflow.models.set_signature(c.model.model_uri, SIGNATURE)
    return found


@call
def fetch_a_model_that_is_not_there(c):
    mlflow.get_logged_model("m-" + "0" * 32)


# --- the registry ---


@call
def register_it(c):
    found = mlflow.register_model(c.model.model_uri, "doubler", tags={"stage": "new"})
    return version(found), found.run_id == c.run, found.source == c.model.model_uri


@call
def register_it_by_its_run(c):
    return version(mlflow.register_model(f"runs:/{c.run}/double", "doubler"))


@call
def register_while_logging(c):
    with mlflow.start_run(run_id=c.run):
        info = mlflow.pyfunc.log_model(
            name="again", python_model=Double(), pip_requirements=[], registered_model_name="doubler"
        )
    return int(info.registered_model_version)


@call
def point_an_alias(c):
    c.client.set_registered_model_alias("doubler", "champion", "2")
    c.client.set_registered_model_alias("doubler", "production", "1")
    return version(c.client.get_model_version_by_alias("doubler", "champion"))


@call
def load_it_by_its_alias(c):
    loaded = mlflow.pyfunc.load_model("models:/doubler@champion")
    return loaded.predict(FRAME).to_dict("list"), mlflow.pyfunc.load_model(
        "models:/doubler/1"
    ).metadata.signature == SIGNATURE


@call
def describe_it(c):
    c.client.update_registered_model("doubler", "doubles")
    c.client.set_registered_model_tag("doubler", "team", "a")
    c.client.update_model_version("doubler", "1", "the first")
    c.client.set_model_version_tag("doubler", "1", "ok", "yes")
    c.client.delete_model_version_tag("doubler", "1", "stage")
    return model(c.client.get_registered_model("doubler")), version(c.client.get_model_version("doubler", "1"))


@call
def search_the_registry(c):
    models = mlflow.search_registered_models(filter_string="name ILIKE 'DOUB%' AND tags.team = 'a'")
    versions = mlflow.search_model_versions(filter_string="name = 'doubler'", order_by=["version_number ASC"])
    of_run = mlflow.search_model_versions(filter_string=f"run_id = '{c.run}'", order_by=["version_number DESC"])
    return list(map(model, models)), list(map(version, versions)), [int(each.version) for each in of_run]


@call
def move_it_through_stages(c):
    c.client.transition_model_version_stage("doubler", "1", "Production")
    c.client.transition_model_version_stage("doubler", "2", "Production", archive_existing_versions=True)
    return sorted((each.current_stage, int(each.version)) for each in c.client.get_latest_versions("doubler"))


@call
def copy_and_rename_it(c):
    copy = c.client.copy_model_version("models:/doubler/2", "live")
    c.client.rename_registered_model("live", "online")
    loaded = mlflow.pyfunc.load_model("models:/online/1").predict(FRAME).to_dict("list")
    return version(copy), version(c.client.get_model_version("online", "1")), loaded


@call
def look_at_a_registered_model(c):
    found = mlflow.models.get_model_info("models:/doubler/1")
    return found.signature == SIGNATURE, found.model_id == c.model.model_id, sorted(found.flavors)


@call
def fetch_a_registered_model(c):
    local = Path(mlflow.artifacts.download_artifacts("models:/doubler@champion", dst_path=c.new_folder()))
    return sorted(each.name for each in local.iterdir())


@call
def load_what_is_not_registered(c):
    mlflow.pyfunc.load_model("models:/nothing/1")


@call
def load_an_alias_that_is_not_there(c):
    mlflow.pyfunc.load_model("models:/doubler@nobody")


@call
def register_a_prompt(c):
    made = c.client.register_prompt("greeting", "Hello {{name}}", commit_message="first", tags={"lang": "en"})
    found = c.client.get_prompt_version("greeting", "1")
    return made.version, found.template, found.format(name="Ada"), [each.name for each in c.client.search_prompts()]


@call
def delete_versions_and_models(c):
    c.client.delete_model_version("doubler", "2")
    left = [
        int(each.version) for each in c.client.search_model_versions("name = 'doubler'", order_by=["version_number"])
    ]
    c.client.delete_registered_model("doubler")
    return left, [each.name for each in c.client.search_registered_models()]


@call
def delete_and_restore_an_experiment(c):
    c.client.delete_experiment(c.experiment)
    gone = mlflow.get_experiment(c.experiment).lifecycle_stage
    c.client.restore_experiment(c.experiment)
    return gone, mlflow.get_experiment(c.experiment).lifecycle_stage, facts(mlflow.get_run(c.run))[0]


def answers(c):
    """What each call answers, or the code of its error."""
    found = {}
    for name, function in CALLS.items():
        try:
            found[name] = json.loads(json.dumps(function(c), default=str))
        except MlflowException as error:
            found[name] = f"MlflowException {error.error_code}"
        except Exception as error:
            found[name] = f"{type(error).__name__}: {error}"
    return found
