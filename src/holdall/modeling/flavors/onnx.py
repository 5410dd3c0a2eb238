"""ONNX: graphs of any framework's making, run by onnxruntime.

    model.onnx           the graph, with its small tensors
    initializers.data    the others, unless `save_as_external_data` is off

Neither runs code: operators that are not ONNX's own cannot come with them. But
what onnxruntime is told beside them may, since there are providers that load
libraries whose names are among their options. Both files have the same bytes for
the same graph (MLflow gives the second a random name).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from holdall.errors import ContentError
from holdall.libraries import library
from holdall.modeling.files.places import named, within
from holdall.modeling.flavor import Parts, Predictor, root_module
from holdall.modeling.signatures import duck_types

_FILE: Final = "model.onnx"
_TENSORS: Final = "initializers.data"
_CPU: Final = "CPUExecutionProvider"
PROVIDERS: Final = ("CUDAExecutionProvider", _CPU)
_THREADS: Final = ("inter_op_num_threads", "intra_op_num_threads")
_MODES: Final = {"sequential": "ORT_SEQUENTIAL", "parallel": "ORT_PARALLEL"}
_LEVELS: Final = (0, 1, 2, 99)
# Those that MLflow reads. Others could do harm in the hands of a model: `optimized_model_filepath` writes a file.
_OPTIONS: Final = (*_THREADS, "execution_mode", "graph_optimization_level", "extra_session_config")
_log = logging.getLogger("holdall")


class OnnxFlavor:
    """See `Flavor`."""

    name = "onnx"
    loaders = ("mlflow.onnx",)

    def knows(self, kind: type) -> bool:
        """Return whether it is a message of ONNX; only a whole model can be kept."""
        return root_module(kind) == "onnx"

    def save(
        self,
        model: Any,
        folder: Path,
        *,
        onnx_execution_providers: Sequence[Any] | None = None,
        onnx_session_options: Mapping[str, Any] | None = None,
        save_as_external_data: bool = True,
        all_tensors_to_one_file: bool = True,
        location: str | None = None,
        size_threshold: int = 1024,
        convert_attribute: bool = False,
    ) -> Parts:
        """See `Flavor.save` and `holdall.onnx.log_model`. Cost: a copy of the model in memory."""
        onnx = library("onnx", "keeping an ONNX model")
        if not isinstance(model, onnx.ModelProto):
            raise TypeError(f"an onnx.ModelProto is needed, not a {type(model).__name__}")
        options = _checked(onnx_session_options)
        _refuse_absent(onnx, model)
        _refuse_elsewhere(location)
        copied = onnx.ModelProto()
        copied.CopyFrom(model)  # onnx takes the tensors out of what it writes to files of their own
        if save_as_external_data and all_tensors_to_one_file:
            location = _TENSORS if location is None else location
        onnx.save_model(
            copied,
            folder / _FILE,
            save_as_external_data=save_as_external_data,
            all_tensors_to_one_file=all_tensors_to_one_file,
            location=location,
            size_threshold=size_threshold,
            convert_attribute=convert_attribute,
        )
        try:
            onnx.checker.check_model(str(folder / _FILE))
        except Exception as error:  # onnx and protobuf have many, with no root of their own
            reason = str(error).strip().partition("\n")[0]
            raise ValueError(f"onnx could not load this model again: {reason}") from error
        own = {
            "onnx_version": onnx.__version__,
            "data": _FILE,
            "providers": _plain(PROVIDERS if onnx_execution_providers is None else onnx_execution_providers),
            "onnx_session_options": options,
        }
        return Parts(own=own, pyfunc={"data": _FILE}, modules={"onnx", "onnxruntime"})

    def load(self, folder: Path, parts: Parts) -> Any:
        """See `Flavor.load`. The graph is checked, and its tensors may only lie in the folder."""
        onnx = library("onnx", "loading an ONNX model")
        file = within(folder, _file(parts))
        try:
            onnx.checker.check_model(str(file))
            return onnx.load(file)
        except Exception as error:  # onnx and protobuf have many, with no root of their own
            raise ContentError(str(file), "an ONNX model", str(error).strip().partition("\n")[0]) from error

    def wrap(self, model: Any, parts: Parts, *, folder: Path, config: Mapping[str, Any]) -> Predictor:  # noqa: ARG002
        """See `Flavor.wrap`. onnxruntime reads the file; of the providers that it has, those that were named."""
        return _Session(_session(within(folder, _file(parts)), parts.own))

    def runs_code(self, parts: Parts) -> Sequence[str]:
        """None, unless the MLmodel file has options for a provider, or settings that we do not know."""
        given = parts.own.get("providers") or ()
        more = (parts.own.get("onnx_session_options") or {}).get("extra_session_config")
        plain = isinstance(given, str) or all(isinstance(each, str) for each in given)
        return [] if plain and not more else ["MLmodel"]


class _Session:
    """A graph that onnxruntime is ready to run."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._inputs = {each.name: each.type for each in session.get_inputs()}
        self._outputs = [each.name for each in session.get_outputs()]

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:  # noqa: ARG002
        """Return outputs by name: as a DataFrame of a DataFrame, else as a dictionary of arrays."""
        found = self._session.run(self._outputs, self._fed(data))
        named = dict(zip(self._outputs, found, strict=True))
        return _as_frame(named, len(data)) if duck_types.is_frame(data) else named

    def _fed(self, data: Any) -> dict[str, Any]:
        """Return arrays by input, doubles as floats where the graph takes floats: JSON knows no difference."""
        numpy = library("numpy", "running an ONNX model")
        fed = {name: numpy.asarray(each) for name, each in self._by_input(data).items()}
        floats = [name for name in fed if self._inputs.get(name) == "tensor(float)" and fed[name].dtype == "float64"]
        return {**fed, **{name: fed[name].astype("float32") for name in floats}}

    def _by_input(self, data: Any) -> Mapping[str, Any]:
        names = list(self._inputs)
        if isinstance(data, Mapping):
            return data
        if duck_types.is_frame(data):
            return {names[0]: data.values} if len(names) == 1 else {name: data[name].values for name in names}
        if not duck_types.is_ndarray(data):
            raise TypeError(f"an ONNX model takes a DataFrame, an array or a dictionary, not a {type(data).__name__}")
        if len(names) != 1:
            raise ValueError(f"one array cannot be all of the inputs {', '.join(names)}: give them by name")
        return {names[0]: data}


def _as_frame(named: Mapping[str, Any], rows: int) -> Any:
    """Return outputs as columns of as many rows as went in: numbers, or lists where there are several per row.

    MLflow flattens them all: of one output of n rows with k values it makes n * k rows, and fails on two that differ.
    """
    numpy, pandas = library("numpy", "running an ONNX model"), library("pandas", "giving a DataFrame back")
    arrays = {name: numpy.asarray(each) for name, each in named.items()}
    return pandas.DataFrame({name: _by_row(each, rows) for name, each in arrays.items()})


def _by_row(array: Any, rows: int) -> Any:
    deep = array.ndim > 1 and array.shape[0] == rows and array.size != rows
    return list(array) if deep else array.reshape(-1)


def _session(file: Path, own: Mapping[str, Any]) -> Any:
    """Return a session with what was named when the model was logged.

    Raises:
        ContentError: onnxruntime cannot run the graph.
    """
    runtime = library("onnxruntime", "running an ONNX model")
    given = own.get("providers") or PROVIDERS
    wanted = [
        tuple(each) if isinstance(each, list) else each for each in ([given] if isinstance(given, str) else given)
    ]
    here = [each for each in wanted if _name(each) in runtime.get_available_providers()]
    if here != wanted and wanted != list(PROVIDERS):
        _log.warning("this onnxruntime has not all of %s: using %s", wanted, here or _CPU)
    options = _session_options(runtime, own.get("onnx_session_options") or {})
    try:
        return runtime.InferenceSession(str(file), providers=here or [_CPU], sess_options=options)
    except Exception as error:  # each of its failures is a class of its own
        if here in ([], [_CPU]):
            raise ContentError(str(file), "a graph that onnxruntime can run", str(error)) from error
        _log.warning("onnxruntime cannot use %s: %s; using %s", here, error, _CPU)
        return runtime.InferenceSession(str(file), providers=[_CPU], sess_options=options)


def _session_options(runtime: Any, given: Mapping[str, Any]) -> Any:
    options = runtime.SessionOptions()
    for name in _THREADS:
        if given.get(name) is not None:
            setattr(options, name, given[name])
    if mode := given.get("execution_mode"):
        options.execution_mode = getattr(runtime.ExecutionMode, _MODES[str(mode).lower()])
    if (level := given.get("graph_optimization_level")) is not None:
        options.graph_optimization_level = runtime.GraphOptimizationLevel(level)
    for key, value in (given.get("extra_session_config") or {}).items():
        options.add_session_config_entry(key, value)
    return options


def _checked(options: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return options of a session. Raises: ValueError."""
    given = dict(options or {})
    if unknown := [name for name in given if name not in _OPTIONS]:
        raise ValueError(f"onnx_session_options knows {', '.join(_OPTIONS)}, and not {', '.join(unknown)}")
    if (mode := given.get("execution_mode")) and str(mode).lower() not in _MODES:
        raise ValueError(f"execution_mode={mode!r} is none of {', '.join(_MODES)}")
    if (level := given.get("graph_optimization_level")) is not None and level not in _LEVELS:
        raise ValueError(f"graph_optimization_level={level!r} is none of {', '.join(map(str, _LEVELS))}")
    return given or None


def _refuse_absent(onnx: Any, model: Any) -> None:
    """Refuse tensors that are named but not there: they lie in a file beside the one that was loaded.

    Raises:
        ValueError: There are some.
    """
    names, waiting = [], [model]
    while waiting:
        message = waiting.pop()
        if isinstance(message, onnx.TensorProto):
            if message.data_location == onnx.TensorProto.EXTERNAL:
                names.append(message.name or "one without a name")
            continue
        for field, value in message.ListFields():
            if field.message_type is not None:
                waiting += [value] if hasattr(value, "ListFields") else value
    if names:
        shown = ", ".join(sorted(names)[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        raise ValueError(
            f"tensors of this model were not loaded: {shown}; load it whole by onnx.load(path), or bring them by "
            "onnx.load_external_data_for_model(model, folder)"
        )


def _refuse_elsewhere(location: Any) -> None:
    try:
        taken = location is not None and named(location) in (".", _FILE)
    except ContentError as error:
        raise ValueError(f"location={location!r} leads out of the model's folder") from error
    if taken:
        raise ValueError(f"location={location!r} is no place for tensors")


def _name(provider: Any) -> Any:
    return provider[0] if isinstance(provider, tuple) and provider else provider


def _plain(providers: Sequence[Any]) -> list[Any]:
    return [list(each) if isinstance(each, tuple) else each for each in providers]


def _file(parts: Parts) -> str:
    return named(parts.own.get("data") or (parts.pyfunc or {}).get("data") or _FILE)


FLAVOR: Final = OnnxFlavor()
