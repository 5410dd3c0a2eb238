"""What MLflow's autologging logs of some estimators, as JSON, for holdall's to be compared with.

python tests/integrations/autolog_of_mlflow.py | tail -1 > tests/integrations/autolog_of_mlflow.json
"""

import json
import tempfile
from importlib.metadata import version

import mlflow
import sklearn.metrics
from sklearn.cluster import KMeans  # noqa: F401  # they are in the codes below
from sklearn.datasets import make_classification
from sklearn.linear_model import LinearRegression, LogisticRegression  # noqa: F401
from sklearn.model_selection import GridSearchCV  # noqa: F401
from sklearn.pipeline import make_pipeline  # noqa: F401
from sklearn.preprocessing import StandardScaler  # noqa: F401
from sklearn.tree import DecisionTreeClassifier  # noqa: F401

ESTIMATORS = [
    "LogisticRegression(max_iter=20, C=0.5)",
    "LinearRegression()",
    "KMeans(2, n_init=1, random_state=0)",
    "make_pipeline(StandardScaler(), DecisionTreeClassifier(max_depth=2, random_state=0))",
    "GridSearchCV(DecisionTreeClassifier(random_state=0), {'max_depth': [1, 2, 3]}, cv=2)",
]


def told(tags: dict[str, str]) -> dict[str, str]:
    """What tags say of the estimator, and nothing of who ran it."""
    return {key: tags[key] for key in tags if key.startswith(("estimator", "mlflow.autologging"))}


mlflow.set_tracking_uri(f"sqlite:///{tempfile.mkdtemp()}/mlflow.db")
mlflow.sklearn.autolog(log_models=False, silent=True)
X_test, y = make_classification(60, 4, n_classes=2, random_state=0)
client, fits = mlflow.MlflowClient(), dict[str, object]()
for code in ESTIMATORS:
    model = eval(code)
    model.fit(X_test, y)
    predicted = model.predict(X_test)
    for _ in range(2):
        sklearn.metrics.mean_squared_error(y, predicted)
    model.score(X_test, y)
    last = mlflow.last_active_run()
    assert last
    run = client.get_run(last.info.run_id)
    children = client.search_runs(["0"], f"tags.mlflow.parentRunId = '{run.info.run_id}'")
    fits[code] = [[each.data.params, each.data.metrics, told(each.data.tags)] for each in (run, *children)]
print(json.dumps({"versions": {name: version(name) for name in ("mlflow-skinny", "scikit-learn")}, "fits": fits}))
