"""A content-addressed artifact store for machine learning that needs only a bucket.

    import holdall

    holdall.set_store("s3://bucket/experiments")
    with holdall.start_run() as run:
        holdall.log_artifact("model.pt")
    holdall.artifacts.download_artifacts(f"runs:/{run.id}", dst_path="elsewhere")

Names are looked up when they are first used: importing holdall loads no other
package.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdall import (
        artifacts,
        data,
        errors,
        keras,
        lightgbm,
        models,
        onnx,
        pyfunc,
        pytorch,
        registry,
        sklearn,
        tensorflow,
        transformers,
        xgboost,
    )
    from holdall.errors import HoldallError
    from holdall.store import Run, Store, ViewType
    from holdall.surfaces.fluent.active import (
        active_run,
        end_run,
        last_active_run,
        set_experiment,
        set_store,
        start_run,
    )
    from holdall.surfaces.fluent.active import open_store as open
    from holdall.surfaces.fluent.client import Client
    from holdall.surfaces.fluent.client import Client as MlflowClient
    from holdall.surfaces.fluent.finding import (
        create_experiment,
        delete_experiment,
        delete_run,
        get_experiment,
        get_experiment_by_name,
        get_metric_history,
        get_run,
        load_table,
        restore_run,
        search_experiments,
        search_runs,
        set_experiment_tag,
    )
    from holdall.surfaces.fluent.logged import (
        delete_logged_model_tag,
        get_logged_model,
        log_model_params,
        search_logged_models,
        set_logged_model_tags,
    )
    from holdall.surfaces.fluent.models import load_model, log_model
    from holdall.surfaces.fluent.registering import register_model
    from holdall.surfaces.fluent.verbs import (
        delete_tag,
        log_artifact,
        log_artifacts,
        log_dict,
        log_figure,
        log_image,
        log_input,
        log_metric,
        log_metrics,
        log_param,
        log_params,
        log_stream,
        log_table,
        log_text,
        set_tag,
        set_tags,
    )

__all__ = [
    "Client",
    "HoldallError",
    "MlflowClient",
    "Run",
    "Store",
    "ViewType",
    "active_run",
    "artifacts",
    "create_experiment",
    "data",
    "delete_experiment",
    "delete_logged_model_tag",
    "delete_run",
    "delete_tag",
    "end_run",
    "errors",
    "get_experiment",
    "get_experiment_by_name",
    "get_logged_model",
    "get_metric_history",
    "get_run",
    "keras",
    "last_active_run",
    "lightgbm",
    "load_model",
    "load_table",
    "log_artifact",
    "log_artifacts",
    "log_dict",
    "log_figure",
    "log_image",
    "log_input",
    "log_metric",
    "log_metrics",
    "log_model",
    "log_model_params",
    "log_param",
    "log_params",
    "log_stream",
    "log_table",
    "log_text",
    "models",
    "onnx",
    "open",
    "pyfunc",
    "pytorch",
    "register_model",
    "registry",
    "restore_run",
    "search_experiments",
    "search_logged_models",
    "search_runs",
    "set_experiment",
    "set_experiment_tag",
    "set_logged_model_tags",
    "set_store",
    "set_tag",
    "set_tags",
    "sklearn",
    "start_run",
    "tensorflow",
    "transformers",
    "xgboost",
]

_ACTIVE, _FINDING = "holdall.surfaces.fluent.active", "holdall.surfaces.fluent.finding"
_MODELS, _VERBS = "holdall.surfaces.fluent.models", "holdall.surfaces.fluent.verbs"

# where each name is: the module itself, or the module and what it is called there
_HOMES = {
    "HoldallError": ("holdall.errors", "HoldallError"),
    "Run": ("holdall.store", "Run"),
    "Store": ("holdall.store", "Store"),
    "ViewType": ("holdall.store", "ViewType"),
    "Client": ("holdall.surfaces.fluent.client", "Client"),
    "MlflowClient": ("holdall.surfaces.fluent.client", "Client"),
    "artifacts": ("holdall.artifacts", ""),
    "data": ("holdall.data", ""),
    "errors": ("holdall.errors", ""),
    "load_model": (_MODELS, "load_model"),
    "log_model": (_MODELS, "log_model"),
    "register_model": ("holdall.surfaces.fluent.registering", "register_model"),
    "registry": ("holdall.registry", ""),
    "open": (_ACTIVE, "open_store"),
}
for _name in (
    "keras",
    "lightgbm",
    "models",
    "onnx",
    "pyfunc",
    "pytorch",
    "sklearn",
    "tensorflow",
    "transformers",
    "xgboost",
):
    _HOMES[_name] = (f"holdall.{_name}", "")
for _name in ("active_run", "end_run", "last_active_run", "set_experiment", "set_store", "start_run"):
    _HOMES[_name] = (_ACTIVE, _name)
for _name in (
    "create_experiment",
    "delete_experiment",
    "delete_run",
    "get_experiment",
    "get_experiment_by_name",
    "get_metric_history",
    "get_run",
    "load_table",
    "restore_run",
    "search_experiments",
    "search_runs",
    "set_experiment_tag",
):
    _HOMES[_name] = (_FINDING, _name)
for _name in (
    "delete_logged_model_tag",
    "get_logged_model",
    "log_model_params",
    "search_logged_models",
    "set_logged_model_tags",
):
    _HOMES[_name] = ("holdall.surfaces.fluent.logged", _name)
for _name in __all__:
    _HOMES.setdefault(_name, (_VERBS, _name))


_INSTEAD = {"set_tracking_uri": "set_store", "get_tracking_uri": "open", "get_artifact_uri": "active_run"}
_LATER = {"autolog", "evaluate"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'holdall' has no attribute {name!r}{_suggestion(name)}")
    module, attribute = _HOMES[name]
    found = import_module(module)
    return getattr(found, attribute) if attribute else found


def _suggestion(name: str) -> str:
    """The public name that was perhaps meant. Names with underscores are asked for by tools, not by people."""
    if name.startswith("_"):
        return ""
    from difflib import get_close_matches

    if name in _INSTEAD:
        return f"; here it is {_INSTEAD[name]!r}"
    if name in _LATER:
        return ": that is not here yet; `holdall guide mlflow` says what is"
    near = get_close_matches(name, __all__, n=1, cutoff=0.5) or [other for other in __all__ if other.startswith(name)]
    return f"; did you mean {near[0]!r}?" if near else ""


def __dir__() -> list[str]:
    return sorted(__all__)
