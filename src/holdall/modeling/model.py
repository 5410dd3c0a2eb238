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

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import IO, Any, Final, cast

from holdall.errors import ContentError, InvalidURIError, SignatureError
from holdall.libraries import library
from holdall.modeling.model_info import SPOKEN, ModelInfo, SignatureSchemas
from holdall.modeling.records.logged import LoggedModel
from holdall.modeling.signatures.signature import ModelSignature
from holdall.runs.plain_yaml import load_yaml

FILE: Final = "MLmodel"
MAX_FILE: Final = 64 << 20  # bytes of one


@dataclass(frozen=True, slots=True, kw_only=True)
class Model(SignatureSchemas):
    """What an MLmodel file says.

    Attributes:
        flavors: By name, what each needs to load the model; see `Parts`.
        artifact_path: The model's path in its run.
        run_id, model_id: The run that logged it, and its id; None for a model that was saved to a folder.
        model_uuid: The same as `model_id`, or a random name.
        utc_time_created: As `2026-02-13 20:00:00.000000`.
        model_size_bytes: The size of all its files but this one.
        metadata: Values that were given when it was logged.
        holdall: What holdall says beyond MLflow: `version` and `environment`.
        more: The keys that have no attribute here.
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

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("more", "signature")}
        body = {key: value for key, value in values.items() if value is not None or key in _ALWAYS}
        if self.signature:
            body["signature"] = self.signature.to_dict()
        return plain_values({**self.more, **body})  # type: ignore[no-any-return]

    def to_bytes(self) -> bytes:
        """Return the bytes of the file. Raises: TypeError, for what is no plain value."""
        return dump_yaml(self.to_dict())

    def to_yaml(self, stream: IO[str] | None = None) -> str:
        """Return the text of the file, or write it to a stream. Raises: TypeError, for what is no plain value."""
        text = self.to_bytes().decode()
        if stream is not None:
            stream.write(text)
        return text

    def to_json(self) -> str:
        """Return it as JSON. Raises: TypeError, for what is no plain value."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_dict(cls, model_dict: Mapping[str, Any]) -> Model:
        """Return what `to_dict` gave. Raises: ContentError, as `load`."""
        return parse_model(dump_yaml(plain_values(model_dict)), FILE)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Model:
        """Read the MLmodel file of a local folder, or such a file.

        Raises:
            InvalidURIError: It is an address in a store, whose file `holdall.open().models.describe(uri)` reads.
            ContentError: There is none, or it says what cannot be.
        """
        if str(path).startswith(("runs:", "models:")):
            raise InvalidURIError(str(path), "Model.load reads local files; use holdall.open().models.describe(uri)")
        place = Path(path) / FILE if Path(path).is_dir() else Path(path)
        try:
            with place.open("rb") as file:
                return parse_model(file.read(MAX_FILE + 1), str(place))
        except FileNotFoundError as error:
            raise ContentError(str(path), "a model", f"it has no {FILE} file here") from error

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the MLmodel file, at this very path. Raises: TypeError, for what is no plain value."""
        Path(path).write_bytes(self.to_bytes())

    def add_flavor(self, name: str, **params: Any) -> Model:
        """Add a flavor to `flavors`, or give one other values, in place as MLflow does. Returns: itself."""
        cast("dict[str, Any]", self.flavors)[name] = params
        return self

    def get_model_info(self, logged_model: LoggedModel | None = None, model_uri: str = "") -> ModelInfo:
        """Return what is known of the model.

        Args:
            logged_model: What its run says of it; None if no run logged it as a model.
            model_uri: Its address, where there is no record.
        """
        record = logged_model or LoggedModel(
            model_id=self.model_id or "", source_run_id=self.run_id or "", path=self.artifact_path or ""
        )
        return ModelInfo(
            artifact_path=record.path,
            model_uri=model_uri or record.model_uri,
            model_id=record.model_id,
            model_uuid=self.model_uuid or "",
            name=record.name,
            run_id=record.source_run_id,
            creation_timestamp=record.creation_timestamp,
            utc_time_created=str(self.utc_time_created),
            params=record.params,
            tags=record.tags,
            metrics=record.metrics or None,
            model_type=record.model_type,
            step=record.step,
            **{name: getattr(self, name) for name in _SHARED},
        )

    @staticmethod
    def log(artifact_path: str | None = None, flavor: Any = None, **kwargs: Any) -> Any:
        """Log a model by the module of its flavor, such as `holdall.sklearn`.

        Returns:
            What `flavor.log_model(artifact_path, **kwargs)` returns, a ModelInfo.
        """
        return flavor.log_model(**({"artifact_path": artifact_path} if artifact_path else {}), **kwargs)


_SHARED: Final = (  # attributes of a ModelInfo that an MLmodel file says
    "flavors",
    "mlflow_version",
    "signature",
    "saved_input_example_info",
    "metadata",
    "prompts",
    "model_size_bytes",
    "is_signature_from_type_hint",
    "holdall",
)
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
    for flavor, entry in [("", body), *body["flavors"].items()]:
        for key, shape in _SHAPES.get(flavor, {}).items():
            value = entry.get(key)
            if value is not None and not isinstance(value, shape):
                needed = "names and values" if shape is dict else "a list"
                raise ContentError(path, "an MLmodel file", f"its {key} is {type(value).__name__}, not {needed}")


def dump_yaml(body: Any) -> bytes:
    """Return plain values as YAML, keys in alphabetical order.

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
    """Return a model's configuration: as it was given, or what the YAML file says that was named.

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
    """Return the same with mappings as dictionaries and tuples as lists, which is what YAML knows."""
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
