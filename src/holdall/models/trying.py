"""A model tried out on data, as a server would, in this process."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from holdall.modeling.signatures.enforcement import conform
from holdall.modeling.signatures.example import convert_input_example_to_serving_input
from holdall.modeling.signatures.schema import Schema
from holdall.surfaces import serving
from holdall.surfaces.fluent.active import current_store

_TYPES: Final = {"json": "application/json", "csv": "text/csv"}


def predict(
    model_uri: str,
    input_data: Any = None,
    input_path: str | os.PathLike[str] | None = None,
    content_type: str = "json",
    output_path: str | os.PathLike[str] | None = None,
    env_manager: str = "local",
) -> None:
    """Ask a model once, by the scoring protocol, and print its predictions as JSON.

    Args:
        model_uri: An address, as for `holdall.load_model`.
        input_data: Data as for `input_example`; or a text that is the request's body.
        input_path: A file with the request's body. Exactly one of these two is given.
        content_type: The format of the body, "json" or "csv".
        output_path: A file to write to, instead of printing.
        env_manager: Must be "local": predictions are made in this Python.

    Raises:
        ValueError: An argument has a value that it cannot have.
        PayloadError, SchemaMismatchError: The body cannot be read, or not as what the signature says.
        MissingLibraryError: numpy or pandas is not installed.
        Others: as `holdall.load_model`.

    Example:
        >>> holdall.pyfunc.save_model("m", python_model=lambda model_input: sum(model_input), pip_requirements=[])
        >>> holdall.models.predict("m", [1, 2])
        {"predictions": 3}
    """
    if env_manager != "local":
        raise ValueError(f"env_manager={env_manager!r}: predictions are made in this Python, which is 'local'")
    if (input_data is None) == (input_path is None):
        raise ValueError("give either input_data or input_path")
    if content_type not in _TYPES:
        raise ValueError(f"content_type={content_type!r} is none of {', '.join(_TYPES)}")
    body = Path(input_path).read_bytes() if input_path is not None else _body(input_data)
    answer = serving.predict(current_store, model_uri, body, _TYPES[content_type]) + "\n"
    if output_path is None:
        sys.stdout.write(answer)
    else:
        Path(output_path).write_text(answer, encoding="utf-8")


def validate_serving_input(model_uri: str, serving_input: str | Mapping[str, Any]) -> Any:
    """Ask a model as a server would, before one is started with it.

    Args:
        model_uri: An address, as for `holdall.load_model`.
        serving_input: The body of a request, as JSON or as a dictionary, such as
            `convert_input_example_to_serving_input` gives.

    Returns:
        The model's predictions, as `predict` of the loaded model returns them.

    Raises: as `predict`.

    Example:
        >>> holdall.pyfunc.save_model("m", python_model=lambda model_input: len(model_input), pip_requirements=[])
        >>> holdall.models.validate_serving_input("m", {"inputs": [1, 2]})
        2
    """
    body = serving_input if isinstance(serving_input, str) else json.dumps(serving_input)
    return serving.ask(current_store, model_uri, body.encode(), _TYPES["json"]).predictions


def validate_schema(data: Any, expected_schema: Schema) -> None:
    """Check data against a schema, as a loaded model checks its input.

    Args:
        data: A DataFrame, an array, a dictionary, a list or a value.
        expected_schema: The schema, such as `info.signature.inputs`.

    Raises:
        SchemaMismatchError: The schema does not admit the data; it names what.

    Example:
        >>> schema = holdall.models.infer_signature([{"x": 1.5}]).inputs
        >>> holdall.models.validate_schema([{"x": 2.5}], schema)
        >>> holdall.models.validate_schema([{"y": 2.5}], schema)
        Traceback (most recent call last):
        holdall.errors.SchemaMismatchError: ...
    """
    conform(data, expected_schema)


def _body(data: Any) -> bytes:
    text = data if isinstance(data, str) else convert_input_example_to_serving_input(data)
    return str(text).encode()
