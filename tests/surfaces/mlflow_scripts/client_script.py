"""The client: experiments, runs in batches, pages, and a registered model through its stages and aliases."""

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException, RestException

NOW = 1_767_225_600_000
client = MlflowClient()
id = client.create_experiment("client", tags={"team": "risk"})
client.set_experiment_tag(id, "stage", "draft")
try:
    client.create_experiment("client")
except MlflowException as error:
    taken = error.error_code

runs = []
for number in range(5):
    run = client.create_run(id, start_time=NOW + number, tags={"number": str(number)}, run_name=f"run-{number}")
    client.log_batch(
        run.info.run_id,
        metrics=[Metric("loss", 1.0 / (number + 1), NOW, step) for step in range(3)],
        params=[Param("rate", str(0.1 * number))],
        tags=[RunTag("mlflow.note.content", "in one call")],
    )
    client.log_dict(run.info.run_id, {"number": number}, "config.json")
    client.set_terminated(run.info.run_id, end_time=NOW + 100)
    runs.append(run.info.run_id)

pages, token = [], None
while True:
    page = client.search_runs([id], order_by=["metrics.loss ASC"], max_results=2, page_token=token)
    pages.append([run.info.run_name for run in page])
    token = page.token
    if not token:
        break

client.update_run(runs[0], name="renamed")
client.delete_run(runs[1])
client.restore_run(runs[1])
try:
    client.get_run("0" * 32)
except RestException as error:
    missing = error.error_code
except MlflowException as error:
    missing = error.error_code

model = client.create_registered_model("fraud", tags={"team": "risk"}, description="scores payments")
with mlflow.start_run(run_id=runs[4]):
    logged = mlflow.pyfunc.log_model(name="scorer", python_model=lambda model_input: model_input, pip_requirements=[])
version = client.create_model_version("fraud", logged.model_uri, runs[4], description="the first")
client.set_registered_model_alias("fraud", "champion", version.version)
client.set_model_version_tag("fraud", version.version, "checked", "yes")
champion = client.get_model_version_by_alias("fraud", "champion")
client.update_registered_model("fraud", description="scores all payments")

seen = {
    "taken": taken,
    "missing": missing,
    "pages": pages,
    "history": [(point.value, point.timestamp, point.step) for point in client.get_metric_history(runs[1], "loss")],
    "start": client.get_run(runs[3]).info.start_time,
    "end": client.get_run(runs[3]).info.end_time,
    "renamed": client.get_run(runs[0]).info.run_name,
    "stage": client.get_run(runs[1]).info.lifecycle_stage,
    "artifacts": [(file.path, file.is_dir) for file in client.list_artifacts(runs[0])],
    "config": mlflow.artifacts.load_dict(f"runs:/{runs[2]}/config.json"),
    "experiments": [one.name for one in client.search_experiments(ViewType.ALL, filter_string="tags.team = 'risk'")],
    "by name": client.get_experiment_by_name("client").experiment_id == id,
    "no such": client.get_experiment_by_name("no such"),
    "model": [model.name, client.get_registered_model("fraud").description, model.tags],
    "champion": [str(champion.version), champion.description, champion.tags, list(champion.aliases)],
    "versions": [str(one.version) for one in client.search_model_versions("name = 'fraud'")],
    "models": [one.name for one in client.search_registered_models("name LIKE 'fr%'")],
}
