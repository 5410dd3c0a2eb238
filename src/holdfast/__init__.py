"""A content-addressed artifact store for machine learning that needs only a bucket.

    import holdfast

    holdfast.set_store("s3://bucket/experiments")
    with holdfast.start_run() as run:
        holdfast.log_artifact("model.pt")
    holdfast.artifacts.download_artifacts(f"runs:/{run.id}", dst_path="elsewhere")

Names are looked up when they are first used: importing holdfast loads no other
package.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast import artifacts, errors
    from holdfast.errors import HoldfastError
    from holdfast.store import Run, Store
    from holdfast.surfaces.fluent import active_run, end_run, log_artifact, log_artifacts, set_store, start_run
    from holdfast.surfaces.fluent import open_store as open

__all__ = [
    "HoldfastError",
    "Run",
    "Store",
    "active_run",
    "artifacts",
    "end_run",
    "errors",
    "log_artifact",
    "log_artifacts",
    "open",
    "set_store",
    "start_run",
]

# name -> the module that has it, and its name there ("" for the module itself)
_HOMES = {
    "HoldfastError": ("holdfast.errors", "HoldfastError"),
    "Run": ("holdfast.store", "Run"),
    "Store": ("holdfast.store", "Store"),
    "artifacts": ("holdfast.artifacts", ""),
    "errors": ("holdfast.errors", ""),
    "open": ("holdfast.surfaces.fluent", "open_store"),
} | {
    name: ("holdfast.surfaces.fluent", name)
    for name in ("active_run", "end_run", "log_artifact", "log_artifacts", "set_store", "start_run")
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'holdfast' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    found = import_module(module)
    return getattr(found, attribute) if attribute else found


def __dir__() -> list[str]:
    return sorted(__all__)
