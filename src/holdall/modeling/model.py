"""The MLmodel file: what a folder says of the model in it.

    flavors:                       by name, what each needs to load it
      python_function: {...}       the one that all models have
      sklearn: {...}
    signature: {inputs, outputs, params}      each a JSON text, or null
    saved_input_example_info: {...}
    model_id, run_id, artifact_path, utc_time_created, ...

It is the field's format, keys in alphabetical order, and is read back by
MLflow; `mlflow_version` says which MLflow writes it like this. What holdall
has to say beside it (versions, hardware, CUDA, git) stands under `holdall`,
which MLflow carries along unread. Keys that we do not know survive. No path in
it is absolute.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from holdall.errors import ContentError, SignatureError
from holdall.modeling.signatures.params import ParamSchema
from holdall.modeling.signatures.schema import Schema
from holdall.modeling.signatures.signature import ModelSignature
from holdall.runs.plain_yaml import load_yaml
from holdall.runs.record import Metric
from holdall.runs.rendering import library

FILE: Final = "MLmodel"
MAX_FILE: Final = 64 << 20  # bytes of one
SPOKEN: Final = "3.17.2"  # the MLflow whose format this is


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What an MLmodel file says.

    Attributes:
        flavors: By name, what each says; see `Parts`.
        artifact_path: Where it is in its run.
        run_id, model_id: Who logged it; None for a model that was saved to a folder.
        model_uuid: The same as `model_id`, or a random name.
        utc_time_created: As `2026-02-13 20:00:00.000000`.
        model_size_bytes: Of all its files but this one.
        metadata: What its maker said of it.
        holdall: What holdall says beyond MLflow: `version` and `environment`.
        more: The keys that we have no name for.
    """

    flavors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    signature: ModelSignature | None = None
    saved_input_example_info: Mapping[str, Any] | None = None
    artifact_path: str | None = None
    run_id: str | None = None
    model_id: str | None = None
    model_uuid: str | None = None
    utc_time_created: str | None = None
    model_size_bytes: int | None = None
    metadata: Mapping[str, Any] | None = None
    mlflow_version: str | None = SPOKEN
    prompts: list[Any] | None = None
    is_signature_from_type_hint: bool = False
    type_hint_from_example: bool = False
    holdall: Mapping[str, Any] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    def get_input_schema(self) -> Schema | None:
        """What it takes; None if nobody said."""
        return self.signature.inputs if self.signature else None

    def get_output_schema(self) -> Schema | None:
        """What it gives; None if nobody said."""
        return self.signature.outputs if self.signature else None

    def get_params_schema(self) -> ParamSchema | None:
        """The parameters of a call; None if it has none."""
        return self.signature.params if self.signature else None

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        said = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("more", "signature")}
        body = {key: value for key, value in said.items() if value is not None or key in _ALWAYS}
        if self.signature:
            body["signature"] = self.signature.to_dict()
        return plain_values({**self.more, **body})  # type: ignore[no-any-return]

    def to_yaml(self) -> bytes:
        """As the file. Raises: TypeError, where something in it is no plain value."""
        return dump_yaml(self.to_dict())


_ALWAYS: Final = ("model_id", "prompts")
_NAMES: Final = {f.name for f in fields(Model)} - {"more", "signature"}


def parse_model(data: bytes, path: str = FILE) -> Model:
    """Read an MLmodel file.

    Raises:
        ContentError: It is none, or says what cannot be.
    """
    if len(data) > MAX_FILE:
        raise ContentError(path, "an MLmodel file", f"it has more than {MAX_FILE} bytes")
    body = load_yaml(data, path)
    if not isinstance(body, dict) or not _is_flavors(body.get("flavors")):
        raise ContentError(path, "an MLmodel file", "it names no flavors")
    try:
        signature = ModelSignature.from_dict(body["signature"]) if body.get("signature") else None
    except (SignatureError, TypeError, AttributeError) as error:
        raise ContentError(path, "an MLmodel file", f"its signature: {error}") from error
    _check_shapes(body, path)
    known = {key: value for key, value in body.items() if key in _NAMES}
    more = {key: value for key, value in body.items() if key not in _NAMES and key != "signature"}
    return Model(**known, signature=signature, more=more)


# What is walked through when a model is loaded, and so must be of this shape, by flavor; None is as good as absent.
_SHAPES: Final[Mapping[str, Mapping[str, type]]] = {
    "": {"saved_input_example_info": dict, "metadata": dict, "holdall": dict},
    "python_function": {"config": dict, "artifacts": dict},
    "sklearn": {"skops_trusted_types": list},
    "lightgbm": {"skops_trusted_types": list},
    "onnx": {"providers": list, "onnx_session_options": dict},
    "xgboost": {"model_params": dict},
}


def _check_shapes(body: Mapping[str, Any], path: str) -> None:
    """Refuse an MLmodel file in which a text, say, stands where names and values are read. Raises: ContentError."""
    for flavor, said in [("", body), *body["flavors"].items()]:
        for key, shape in _SHAPES.get(flavor, {}).items():
            value = said.get(key)
            if value is not None and not isinstance(value, shape):
                needed = "names and values" if shape is dict else "a list"
                raise ContentError(path, "an MLmodel file", f"its {key} is {type(value).__name__}, not {needed}")


def dump_yaml(body: Any) -> bytes:
    """Plain values as YAML, keys in alphabetical order.

    Raises:
        TypeError: There is something in it that is none.
        MissingLibraryError: There is no PyYAML.
    """
    yaml = library("yaml", "writing an MLmodel file", "pyyaml")
    try:
        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        return bytes(yaml.dump(body, Dumper=dumper, default_flow_style=False, allow_unicode=True, encoding="utf-8"))
    except yaml.representer.RepresenterError as error:
        raise TypeError(f"only plain values can be kept in {FILE}: {error}") from error


def config_of(given: str | os.PathLike[str] | Mapping[str, Any] | None) -> dict[str, Any]:
    """A model's configuration: as it was given, or what the YAML file says that was named.

    Raises:
        ContentError: The file is not plain YAML with names.
    """
    if given is None or isinstance(given, Mapping):
        return dict(given or {})
    found = load_yaml(Path(given).read_bytes(), str(given))
    if not isinstance(found, dict):
        raise ContentError(str(given), "a model's configuration", "it has no names")
    return found


def plain_values(value: Any) -> Any:
    """The same with mappings as dictionaries and tuples as lists, which is what YAML knows."""
    if isinstance(value, Mapping):
        return {key: plain_values(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(each) for each in value]
    return value


def _is_flavors(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(name, str) and isinstance(each, dict) for name, each in value.items())
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What `log_model` returns: where the model is now, and what is known of it.

    Attributes:
        model_uri: `models:/<model_id>`.
        model_id: `m-<run id>-<n>`.
        registered_model_version: The number that it was registered under; None if it was not.
        name, artifact_path: Its path in the run.
        creation_timestamp: Milliseconds since 1970 UTC.
        params, tags, model_type, step: As they were given.
        metrics: Nothing yet; what was measured later is in the run.

    The other attributes are the MLmodel file's.
    """

    artifact_path: str
    model_uri: str
    model_id: str
    model_uuid: str
    name: str
    run_id: str
    flavors: Mapping[str, Mapping[str, Any]]
    creation_timestamp: int
    utc_time_created: str
    mlflow_version: str | None = SPOKEN
    signature: ModelSignature | None = None
    saved_input_example_info: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Sequence[Metric] | None = None
    model_type: str | None = None
    step: int = 0
    env_vars: None = None
    prompts: list[Any] | None = None
    registered_model_version: int | None = None

    @property
    def signature_dict(self) -> dict[str, str | None] | None:
        """The signature's three JSON texts."""
        return self.signature.to_dict() if self.signature else None
