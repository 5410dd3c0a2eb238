"""Models as ONNX: `holdall.onnx`, as users of MLflow know it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from holdall.missing_names import explaining
from holdall.modeling.saving.keywords import LogOptions, SaveOptions
from holdall.store import ModelInfo
from holdall.surfaces.fluent import models
from holdall.surfaces.fluent.keywords import list_keywords

__all__ = ["load_model", "log_model", "save_model"]

if not TYPE_CHECKING:
    __getattr__ = explaining(__name__, __all__)

_FLAVOR = "onnx"


class _Options(TypedDict, total=False):
    """Keyword arguments that only this flavor has.

    Attributes:
        onnx_execution_providers: Providers of onnxruntime, names or tuples of a name and options; the first that it
            has is used. CUDA and then the CPU when None.
        onnx_session_options: `inter_op_num_threads`, `intra_op_num_threads`, `execution_mode`,
            `graph_optimization_level` and `extra_session_config`, for onnxruntime.
        save_as_external_data: Keep tensors of 1 KiB and more in a file of their own, the default; needed where all of
            them have 2 GiB or more.
        all_tensors_to_one_file: As `onnx.save_model` has it, and so are the next three.
        location: The name of the file of tensors.
        size_threshold: Bytes from which on a tensor is kept in it.
        convert_attribute: Whether tensors of attributes are kept in it, too.
    """

    onnx_execution_providers: Sequence[Any] | None
    onnx_session_options: Mapping[str, Any] | None
    save_as_external_data: bool
    all_tensors_to_one_file: bool
    location: str | None
    size_threshold: int
    convert_attribute: bool


class _LogOptions(LogOptions, _Options, total=False): ...


class _SaveOptions(SaveOptions, _Options, total=False): ...


_listed = list_keywords(
    _Options, save_as_external_data=True, all_tensors_to_one_file=True, size_threshold=1024, convert_attribute=False
)


@_listed
def log_model(onnx_model: Any, artifact_path: str | None = None, **options: Unpack[_LogOptions]) -> ModelInfo:
    """Log a graph into the active run: one commit, complete when this returns.

    Args:
        onnx_model: The `onnx.ModelProto`; it is not changed.
        options: See `LogOptions` and `_Options`.

    Raises:
        ValueError: onnxruntime has no such option, or onnx cannot load the model again; nothing was logged.
        Others: as `holdall.log_model`.

    Example:
        >>> from onnx import helper
        >>> x, y = (helper.make_tensor_value_info(name, 1, [None]) for name in "xy")
        >>> graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "g", [x], [y])
        >>> model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        >>> with holdall.start_run():
        ...     info = holdall.onnx.log_model(model, name="m", pip_requirements=["onnx"])
        >>> holdall.onnx.load_model(info.model_uri).graph.node[0].op_type
        'Neg'
    """
    return models.log_model(onnx_model, flavor=_FLAVOR, artifact_path=artifact_path, **options)


@_listed
def save_model(
    onnx_model: Any, path: str | os.PathLike[str], *, mlflow_model: None = None, **options: Unpack[_SaveOptions]
) -> None:
    """Write a graph into a local folder, as `log_model` writes it into a run.

    Args:
        onnx_model: The `onnx.ModelProto`; it is not changed.
        options: See `SaveOptions` and `_Options`.

    Raises: as `log_model`; DestinationError, where there is something in the folder.

    Example:
        >>> from onnx import helper
        >>> x, y = (helper.make_tensor_value_info(name, 1, [None]) for name in "xy")
        >>> graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "g", [x], [y])
        >>> model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        >>> holdall.onnx.save_model(model, "folder", pip_requirements=["onnx"])
        >>> holdall.onnx.load_model("folder").graph.node[0].op_type
        'Neg'
    """
    models.save_model(onnx_model, path, flavor=_FLAVOR, mlflow_model=mlflow_model, **options)


def load_model(model_uri: str | os.PathLike[str], dst_path: str | None = None) -> Any:
    """Load the `onnx.ModelProto` at an address, checked.

    Args, raises: as `holdall.load_model`.

    Example:
        >>> from onnx import helper
        >>> x, y = (helper.make_tensor_value_info(name, 1, [None]) for name in "xy")
        >>> graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "g", [x], [y])
        >>> model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        >>> holdall.onnx.save_model(model, "m", pip_requirements=["onnx"])
        >>> holdall.onnx.load_model("m").graph.node[0].op_type
        'Neg'
    """
    return models.load_model(model_uri, dst_path, flavor=_FLAVOR)
