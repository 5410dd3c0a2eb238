"""Train, log, register, load, predict, search: the first script of every tutorial."""

import mlflow
import mlflow.sklearn
import pandas as pd
from mlflow.models import infer_signature
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split

mlflow.set_tracking_uri(mlflow.get_tracking_uri())
mlflow.set_experiment("quickstart")

features, target = load_iris(return_X_y=True, as_frame=True)
train, test, train_target, test_target = train_test_split(features, target, test_size=0.2, random_state=42)
params = {"solver": "lbfgs", "max_iter": 1000, "random_state": 8888}

with mlflow.start_run(run_name="first", description="logistic regression") as run:
    model = LogisticRegression(**params).fit(train, train_target)
    predicted = model.predict(test)
    accuracy = accuracy_score(test_target, predicted)
    mlflow.log_params(params)
    mlflow.log_metric("accuracy", accuracy)
    mlflow.set_tag("purpose", "a first model")
    info = mlflow.sklearn.log_model(
        sk_model=model,
        name="iris_model",
        signature=infer_signature(train, model.predict(train)),
        input_example=train[:3],
        registered_model_name="tracking-quickstart",
        pip_requirements=["scikit-learn"],
    )

loaded = mlflow.pyfunc.load_model(info.model_uri)
again = mlflow.pyfunc.load_model("models:/tracking-quickstart/1")
estimator = mlflow.sklearn.load_model(info.model_uri)
table = pd.DataFrame(test, columns=features.columns)
table["predicted"] = loaded.predict(test)

found = mlflow.search_runs(experiment_names=["quickstart"], filter_string="metrics.accuracy > 0.9")
best = mlflow.search_runs(order_by=["metrics.accuracy DESC"], max_results=1, output_format="list")[0]
last = mlflow.last_active_run()

seen = {
    "predicted": table["predicted"].tolist() == predicted.tolist(),
    "by version": again.predict(test).tolist() == predicted.tolist(),
    "estimator": type(estimator).__name__,
    "inputs": info.signature.inputs.input_names(),
    "rows": len(found),
    "params": {name: found.iloc[0][f"params.{name}"] for name in params},
    "tag": found.iloc[0]["tags.purpose"],
    "accuracy": float(best.data.metrics["accuracy"]) == accuracy,
    "best is the run": best.info.run_id == run.info.run_id == last.info.run_id,
    "status": mlflow.get_run(run.info.run_id).info.status,
    "name": best.info.run_name,
    "note": best.data.tags["mlflow.note.content"],
    "version": int(mlflow.MlflowClient().get_latest_versions("tracking-quickstart")[0].version),
}
