"""A model of one's own: a class with artifacts, logged with its file, loaded from the registry and asked."""

import json
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.models.signature import ModelSignature, infer_signature
from mlflow.pyfunc import PythonModel
from mlflow.types.schema import ColSpec, DataType, ParamSchema, ParamSpec, Schema


class Scaler(PythonModel):
    """Multiplies a column by what a file says, and adds what the caller says."""

    def load_context(self, context):
        self.factors = json.loads(Path(context.artifacts["factors"]).read_text())

    def predict(self, context, model_input, params=None):
        shift = (params or {}).get("shift", 0.0)
        return model_input["x"] * self.factors["x"] + shift


Path("factors.json").write_text(json.dumps({"x": 3.0}))
data = pd.DataFrame({"x": [1.0, 2.0], "name": ["a", "b"]})
signature = ModelSignature(
    inputs=Schema([ColSpec(DataType.double, "x"), ColSpec(DataType.string, "name")]),
    outputs=Schema([ColSpec(DataType.double)]),
    params=ParamSchema([ParamSpec("shift", DataType.double, 0.0)]),
)
inferred = infer_signature(data, pd.Series([3.0, 6.0]), params={"shift": 0.0})

mlflow.set_experiment("custom model")
with mlflow.start_run() as run:
    info = mlflow.pyfunc.log_model(
        name="scaler",
        python_model=Scaler(),
        artifacts={"factors": "factors.json"},
        signature=signature,
        input_example=data,
        registered_model_name="scaler",
        pip_requirements=["pandas"],
        metadata={"owner": "team a"},
    )

loaded = mlflow.pyfunc.load_model("models:/scaler/1")
described = mlflow.models.get_model_info(info.model_uri)
refused = None
try:
    loaded.predict(pd.DataFrame({"name": ["a"]}))
except mlflow.exceptions.MlflowException as error:
    refused = error.error_code
Path("saved").mkdir()
kept = {"artifacts": {"factors": "factors.json"}, "signature": signature, "pip_requirements": ["pandas"]}
mlflow.pyfunc.save_model("saved/scaler", python_model=Scaler(), **kept)

seen = {
    "predicted": loaded.predict(data).tolist(),
    "shifted": loaded.predict(data, params={"shift": 1.0}).tolist(),
    "saved": mlflow.pyfunc.load_model("saved/scaler").predict(data).tolist(),
    "inputs": signature.inputs.to_dict(),
    "inferred": inferred.inputs.to_dict() == signature.inputs.to_dict(),
    "params": signature.params.to_dict(),
    "flavors": sorted(described.flavors),
    "metadata": described.metadata,
    "run": described.run_id == run.info.run_id == loaded.metadata.run_id,
    "refused": refused,
    "unwrapped": type(loaded.unwrap_python_model()).__name__,
    "last": mlflow.last_logged_model().model_id == info.model_id,
}
