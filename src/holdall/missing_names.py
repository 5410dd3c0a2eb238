"""What to say about a name that is not there: where it is instead, or what was perhaps meant.

`INSTEAD` is for the names of MLflow that this package does not have, and for
its own old ones. A key is the full name without the package: `"autolog"`,
`"pyfunc.spark_udf"`. A value completes "module 'holdall' has no attribute
'autolog': ...".
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from difflib import get_close_matches
from typing import Final, NoReturn

INSTEAD: Final[dict[str, str]] = {
    "autolog": "that is not here yet; `holdall guide mlflow` says what is",
    "evaluate": "that is not here yet; `holdall guide mlflow` says what is",
    "data.get_dataset_source_from_json": "read the JSON of `dataset.source`",
    "data.get_registered_sources": "`holdall.data.get_source` reads every kind",
    "data.load_delta": "read the table, and describe it with `holdall.data.from_pandas(df, source=path)`",
    "models.EvaluationArtifact": "there is no evaluation; log what you measured with `holdall.log_metrics`",
    "models.EvaluationMetric": "there is no evaluation; log what you measured with `holdall.log_metrics`",
    "models.EvaluationResult": "there is no evaluation; log what you measured with `holdall.log_metrics`",
    "models.FlavorBackend": "a flavor of your own has the shape of `holdall.modeling.flavor.Flavor`",
    "models.MetricThreshold": "there is no evaluation; log what you measured with `holdall.log_metrics`",
    "models.Resource": "it is for Databricks; put what the model needs into `metadata`",
    "models.ResourceType": "it is for Databricks; put what the model needs into `metadata`",
    "models.add_libraries_to_model": "log the wheels as `extra_files`, and their lines as `pip_requirements`",
    "models.build_docker": "`holdall model export` writes a folder that any image can serve by `holdall model serve`",
    "models.evaluate": "measure it yourself, and log it with `holdall.log_metrics(metrics, model_id=...)`",
    "models.infer_pip_requirements": "`log_model` infers them; `holdall.pyfunc.get_model_dependencies` has them",
    "models.list_evaluators": "there are none; log what you measured with `holdall.log_metrics`",
    "models.make_metric": "measure it yourself, and log it with `holdall.log_metrics(metrics, model_id=...)`",
    "models.set_retriever_schema": "there is no retriever; put it into `metadata`",
    "pyfunc.ChatAgent": "derive from `holdall.pyfunc.PythonModel`, and take the messages as its input",
    "pyfunc.ChatModel": "derive from `holdall.pyfunc.PythonModel`, and take the messages as its input",
    "pyfunc.ResponsesAgent": "derive from `holdall.pyfunc.PythonModel`, and take the messages as its input",
    "pyfunc.add_to_model": "`log_model` makes the MLmodel file; `holdall.models.Model.add_flavor` changes one",
    "pyfunc.load_pyfunc": "it is called `holdall.pyfunc.load_model`",
    "pyfunc.spark_udf": "load the model with `holdall.pyfunc.load_model` in a pandas UDF of your own",
}


def explain(module: str, name: str, known: Collection[str]) -> str:
    """Return the text of the AttributeError for a name that a module does not have.

    Args:
        module: The module's full name.
        name: What was asked for. Names that begin with an underscore are asked for by tools, and get no advice.
        known: The names that the module has.
    """
    return f"module {module!r} has no attribute {name!r}{_advice(module, name, known)}"


def explain_attribute(kind: str, name: str, known: Collection[str]) -> str:
    """Return the text of the AttributeError for a name that an object of a public class does not have."""
    return f"{kind!r} object has no attribute {name!r}{_advice(f'holdall.{kind}', name, known)}"


def explaining(module: str, known: Collection[str]) -> Callable[[str], NoReturn]:
    """Return the `__getattr__` of a module: it raises the AttributeError that `explain` words."""

    def getter(name: str) -> NoReturn:
        raise AttributeError(explain(module, name, known))

    return getter


def _advice(module: str, name: str, known: Collection[str]) -> str:
    if name.startswith("_"):
        return ""
    place = f"{module}.{name}".removeprefix("holdall.")
    for known_as in (place, name):  # `autolog` is the same word in every flavor
        if known_as in INSTEAD:
            return f": {INSTEAD[known_as]}"
    near = get_close_matches(name, known, n=1, cutoff=0.5) or sorted(other for other in known if other.startswith(name))
    return f"; did you mean {near[0]!r}?" if near else ""
