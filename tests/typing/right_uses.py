"""A user's script, as one would write it: type checkers have nothing to say about it. Never run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import holdall
import holdall.keras
import holdall.lightgbm
import holdall.onnx
import holdall.pyfunc
import holdall.pytorch
import holdall.tensorflow
import holdall.transformers
import holdall.xgboost
from holdall import Client, LogFuture, MlflowClient, Run, Store, ViewType

Array = npt.NDArray[np.float64]


class Doubler(holdall.pyfunc.PythonModel):
    """A model of one's own."""

    def predict(self, context: Any, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """Twice the input."""
        return model_input * 2


class WithoutParams(holdall.pyfunc.PythonModel):
    """A model that has no parameters, as most have none."""

    def predict(self, context: Any, model_input: Any) -> Any:
        """The input."""
        return model_input

    def predict_stream(self, context: Any, model_input: list[str]) -> Iterator[str]:
        """The input, one by one."""
        yield from model_input


class WithoutContext(holdall.pyfunc.PythonModel):
    """A model that is given its data alone."""

    def predict(self, model_input: list[str], params: dict[str, Any] | None = None) -> list[str]:
        """The input."""
        return model_input


def batches(rows: Array, size: int) -> Iterator[Array]:
    """Some rows at a time."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def train(run: Run, rows: Array) -> float:
    """Log into the run that is given."""
    loss = 1.0
    run.log_param("batch", 32)
    run.log_params({"rate": 0.1, "layers": [64, 64]})
    for step, batch in enumerate(batches(rows, 32)):
        loss = float(batch.mean()) / (step + 1)
        run.log_metric("loss", loss, step)
    run.set_tags({"team": "vision", "ready": True})
    run.delete_tag("ready")
    entry = run.log_text("all is well\n", "report.txt")
    print(entry.path, entry.size)
    return loss


store: Store = holdall.set_store("./store", create=True)
experiment = holdall.set_experiment("digits")
print(experiment.experiment_id, experiment.name, holdall.__version__)

with holdall.start_run(run_name="first", tags={"kind": "forest"}) as run:
    final: float = train(run, np.ones((100, 4)))
    holdall.log_metrics({"final": final, "epochs": 3}, step=3)
    holdall.log_artifact(Path("model.pt"), "weights")
    holdall.log_artifacts("plots", artifact_path="plots")
    holdall.log_dict({"verdict": ["good"]}, "review.json")
    holdall.log_table({"x": [1, 2]}, "rows.json")
    pending: LogFuture | None = holdall.log_metric("late", 0.5, synchronous=False)
    if pending is not None:
        pending.wait()
    later = run.later(run.log_bytes, b"bytes", "raw.bin")
    print(later.result(timeout=10), later.done())
    info = holdall.log_model(Doubler(), "doubler", pip_requirements=["numpy"])
    print(info.model_uri, info.model_id, info.signature, info.flavors)
    with holdall.start_run(nested=True) as child:
        child_id: str = child.info.run_id

finished = holdall.get_run(run.info.run_id)
print(finished.info.status, finished.data.metrics["loss"], finished.data.params.get("rate"))
print(finished.to_dictionary()["info"], run.manifest, run.run_id == run.id)
for point in holdall.get_metric_history(run.id, "loss"):
    print(point.step, point.value + 1.0)

client = Client()
found = client.search_runs(
    [experiment.experiment_id], "metrics.loss < 0.5", ViewType.ACTIVE_ONLY, order_by=["metrics.loss"]
)
print([one.info.run_name for one in found])
again: MlflowClient = holdall.MlflowClient("./store")
version = holdall.register_model(info.model_uri, "doubler")
again.set_registered_model_alias("doubler", "champion", version.version)
print(version.name, again.get_registered_model("doubler").aliases)

model = holdall.pyfunc.load_model("models:/doubler@champion")
print(model.predict(np.ones(3)))
for face in (holdall.sklearn, holdall.xgboost, holdall.lightgbm, holdall.keras, holdall.tensorflow, holdall.onnx):
    face.load_model("models:/any/1")
holdall.sklearn.log_model(object(), name="forest", input_example=[[1.0]], serialization_format="skops", tags={"a": "b"})
holdall.xgboost.save_model(object(), "folder", model_format="ubj")
holdall.pytorch.log_state_dict({}, artifact_path="state")
holdall.transformers.load_model("models:/text/1")

path: str = holdall.artifacts.download_artifacts(run_id=run.id, artifact_path="report.txt", dst_path="here")
with holdall.artifacts.open_artifact(f"runs:/{run.id}/report.txt") as file:
    print(file.read(10))
with open(path) as local, store.runs.start(experiment="digits") as handle:
    handle.log_text(local.read(), "copy.txt")

opened = holdall.open("s3://bucket/prefix", endpoint_url="http://localhost:9000")
print(opened.url, opened.maintenance.stats().runs, opened.runs.search("params.rate = '0.1'", limit=10))
try:
    holdall.log_param("rate", 0.2, run_id=run.id)
except holdall.ParamExistsError as error:
    print(error.key, error.stored, error.hint, error.error_code, error.get_http_status_code())
except (holdall.RunNotFoundError, holdall.StorageError, holdall.HoldallError) as other:
    print(other.message)
if active := holdall.active_run():
    print(active.info.artifact_uri)
    holdall.end_run("KILLED")
