"""A model into a folder: its own files, and what stands beside those of every model.

MLmodel                      what all of it is; written last, by whoever knows where it goes
model.pkl, ...               the flavor's
requirements.txt, conda.yaml, python_env.yaml [, constraints.txt]
input_example.json, serving_input_example.json      where there is an example
code/                        `code_paths`, which come before all else when it is loaded
extra_files/                 `extra_files`
"""

from __future__ import annotations

import copy
import logging
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from holdfast.modeling import kinds
from holdfast.modeling.example import Example, make_example
from holdfast.modeling.flavor import PYFUNC, Flavor, Parts
from holdfast.modeling.model import Model
from holdfast.modeling.requirements import CONDA, PYTHON_ENV, environment_files, requirements_of
from holdfast.modeling.signature import ModelSignature, as_signature, infer_signature

CODE, EXTRA = "code", "extra_files"
_log = logging.getLogger("holdfast")


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What is kept beside a model's own files, whatever its flavor; `holdfast.sklearn.log_model` explains each."""

    signature: Any = None
    input_example: Any = None
    conda_env: Any = None
    pip_requirements: Any = None
    extra_pip_requirements: Any = None
    code_paths: Sequence[str] | None = None
    extra_files: Sequence[str] | None = None
    metadata: Mapping[str, Any] | None = None
    model_config: Mapping[str, Any] | None = None


_BESIDE: Final = {field.name for field in fields(Beside)}


def parted(given: Mapping[str, Any]) -> tuple[Beside, dict[str, Any]]:
    """Keyword arguments, taken apart: those that every model has, and the flavor's own."""
    beside = {key: value for key, value in given.items() if key in _BESIDE}
    return Beside(**beside), {key: value for key, value in given.items() if key not in _BESIDE}


def save_files(flavor: Flavor, model: Any, folder: Path, beside: Beside, options: Mapping[str, Any]) -> Model:
    """Write a model, and all that stands beside it, but for the MLmodel file.

    Args:
        flavor: Whose model it is.
        model: The model.
        folder: An empty folder.
        beside: What else to keep.
        options: The flavor's own.

    Returns:
        What the MLmodel file is to say, without where and when it was logged.

    Raises:
        ValueError, TypeError: An argument that cannot be.
        SignatureError: A signature or example that cannot be.
        MissingLibraryError: A library is not installed.
    """
    example = None if beside.input_example is None else make_example(beside.input_example)
    signature = as_signature(beside.signature) if beside.signature else None
    parts = flavor.save(model, folder, **options)
    if signature is None and example and beside.signature is not False:
        signature = _inferred(flavor, model, parts, folder, example, beside.model_config or {})
    _write(folder, environment_files(requirements_of(parts.modules)))
    _write(folder, example.files if example else {})
    return Model(
        flavors=_flavors(flavor, parts, beside),
        signature=signature,
        saved_input_example_info=example.info if example else None,
        metadata=beside.metadata,
        model_size_bytes=sum(each.stat().st_size for each in folder.rglob("*") if each.is_file()),
    )


def _flavors(flavor: Flavor, parts: Parts, beside: Beside) -> dict[str, dict[str, Any]]:
    code = CODE if beside.code_paths else None
    found: dict[str, dict[str, Any]] = {}
    if flavor.name != PYFUNC:
        found[flavor.name] = {**parts.own, "code": code}
    if parts.pyfunc is not None:
        found[PYFUNC] = {
            "loader_module": flavor.loaders[0],
            "python_version": platform.python_version(),
            "env": {"conda": CONDA, "virtualenv": PYTHON_ENV},
            "code": code,
            **({"config": dict(beside.model_config)} if beside.model_config else {}),
            **parts.pyfunc,
        }
    return found


def _inferred(
    flavor: Flavor, model: Any, parts: Parts, folder: Path, example: Example, config: Mapping[str, Any]
) -> ModelSignature | None:
    """The signature that the example shows. A model that fails on it is kept all the same, and a warning says so."""
    if parts.pyfunc is None:
        return None
    data = copy.deepcopy(example.data)
    try:
        predictor = flavor.wrap(model, parts, folder=folder, config=config)
        output = predictor.predict(data, example.params) if example.params else predictor.predict(data)
    except Exception as error:
        _log.warning("no signature: the model fails on its input example: %s: %s", type(error).__name__, error)
        return None
    if kinds.is_frame(example.data) and kinds.is_ndarray(output) and output.ndim == 1:
        output = sys.modules["pandas"].Series(output)  # as MLflow has it: columns in, a column out
    return infer_signature(example.data, output, example.params)


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).write_bytes(data)
