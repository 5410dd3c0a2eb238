"""A search over hyperparameters: a parent run, a child for each try, the best of them found by a query."""

import mlflow
from mlflow.entities import RunStatus, ViewType
from mlflow.tracking import MlflowClient


def loss_of(rate, depth):
    return (rate - 0.1) ** 2 + 0.01 * abs(depth - 3)


experiment = mlflow.set_experiment("sweep")
with mlflow.start_run(run_name="sweep", tags={"kind": "parent"}) as parent:
    tries = [(rate, depth) for rate in (0.01, 0.1, 1.0) for depth in (2, 3)]
    mlflow.log_param("tries", len(tries))
    for number, (rate, depth) in enumerate(tries):
        with mlflow.start_run(run_name=f"try-{number}", nested=True) as child:
            mlflow.log_params({"rate": rate, "depth": depth})
            for step in range(3):
                mlflow.log_metric("loss", loss_of(rate, depth) + 1 / (step + 1), step=step)
            mlflow.log_metrics({"final": loss_of(rate, depth), "number": number})
    mlflow.log_metric("best", min(loss_of(*one) for one in tries))

children = mlflow.search_runs(
    experiment_ids=[experiment.experiment_id],
    filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'",
    order_by=["metrics.final ASC"],
)
client = MlflowClient()
best = client.get_run(children.iloc[0].run_id)
history = client.get_metric_history(best.info.run_id, "loss")
client.delete_run(children.iloc[-1].run_id)
left = client.search_runs([experiment.experiment_id], "params.depth = '3' AND metrics.number >= 0")
gone = client.search_runs([experiment.experiment_id], run_view_type=ViewType.DELETED_ONLY)

try:
    with mlflow.start_run(run_name="fails"):
        raise RuntimeError("out of memory")
except RuntimeError:
    failed = mlflow.last_active_run()

seen = {
    "children": len(children),
    "best": best.data.params,
    "history": [(point.step, round(point.value, 6)) for point in history],
    "parent of the best": mlflow.get_parent_run(best.info.run_id).info.run_name,
    "parent of the parent": mlflow.get_parent_run(parent.info.run_id),
    "left": len(left),
    "gone": [run.info.lifecycle_stage for run in gone],
    "failed": mlflow.get_run(failed.info.run_id).info.status,
    "terminated": RunStatus.is_terminated(RunStatus.from_string(best.info.status)),
    "params as text": sorted({type(text).__name__ for text in best.data.params.values()}),
}
