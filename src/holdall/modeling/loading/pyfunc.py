"""Any model as one thing with `predict`, whatever its framework."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from holdall.errors import ContentError, NotFoundError
from holdall.modeling.files.places import within
from holdall.modeling.flavor import PYFUNC, Predictor
from holdall.modeling.model import Model
from holdall.modeling.python_model import FunctionModel, PythonPredictor, as_hinted
from holdall.modeling.signatures.duck_types import is_pydantic_type
from holdall.modeling.signatures.enforcement import check_rows, conform, hinted_rows
from holdall.modeling.signatures.example import parse_example
from holdall.modeling.signatures.params import conform_params


class PyFuncModel:
    """A loaded model.

    Attributes:
        metadata: What its MLmodel file says.
        model_config: Its configuration, as it was loaded with.
    """

    def __init__(
        self, native: Any, predictor: Predictor, metadata: Model, folder: Path, config: Mapping[str, Any]
    ) -> None:
        self._native, self._predictor, self._folder = native, predictor, folder
        self.metadata = metadata
        self.model_config = {**(metadata.flavors[PYFUNC].get("config") or {}), **config}

    def __repr__(self) -> str:
        where = self.model_id or self.metadata.artifact_path or "a folder"
        return f"<{type(self).__name__} {self.loader_module} of {where}>"

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Return predictions for data, which is checked against the signature first.

        Args:
            data: What the signature's inputs say; anything the model takes where there is none.
            params: Parameters of the call; what is left out has its default.

        Raises:
            SchemaMismatchError: The signature does not admit the data or a parameter; it names which.
        """
        data, params = self._admitted(data, params)
        return self._predictor.predict(data, params) if params else self._predictor.predict(data)

    def predict_stream(self, data: Any, params: Mapping[str, Any] | None = None) -> Iterator[Any]:
        """Yield predictions one by one, from a model that makes them so.

        Raises:
            TypeError: It does not.
            SchemaMismatchError: As `predict`.
        """
        stream = getattr(self._predictor, "predict_stream", None)
        if stream is None or not self.metadata.flavors[PYFUNC].get("streamable"):
            raise TypeError(f"a model of {self.loader_module} gives its predictions all at once; call predict")
        data, params = self._admitted(data, params)
        takes_params = "params" in inspect.signature(stream).parameters
        return iter(stream(data, params=params) if takes_params else stream(data))

    def get_raw_model(self) -> Any:
        """Return the framework's object."""
        return self._native

    def unwrap_python_model(self) -> Any:
        """Return the `PythonModel`, or the function, that was logged.

        Raises:
            TypeError: It is a model of a framework; `get_raw_model` has that.
        """
        if not isinstance(self._predictor, PythonPredictor):
            raise TypeError(f"a model of {self.loader_module} is no Python model; call get_raw_model")
        model = self._predictor.model
        return model.func if type(model).__name__ in (FunctionModel.__name__, "_FunctionPythonModel") else model

    @property
    def input_example(self) -> Any:
        """The example that was logged with it, as data for `predict`; None if there is none.

        Raises:
            NotFoundError: It was named, but its file is not there.
        """
        info = self.metadata.saved_input_example_info
        if not info:
            return None
        file = within(self._folder, info.get("artifact_path"))
        try:
            return parse_example(file.read_bytes(), info, self.metadata.get_input_schema())
        except FileNotFoundError as error:
            raise NotFoundError(f"the model names an input example that is not there: {file.name}") from error
        except (ValueError, KeyError) as error:
            raise ContentError(file.name, "an input example", str(error)) from error

    @property
    def model_id(self) -> str | None:
        """`m-<run id>-<n>`; None if no run logged it."""
        return self.metadata.model_id

    @property
    def loader_module(self) -> str:
        """Who loads it, in MLflow's words."""
        return str(self.metadata.flavors[PYFUNC]["loader_module"])

    def _admitted(self, data: Any, params: Mapping[str, Any] | None) -> tuple[Any, dict[str, Any] | None]:
        """Return data and parameters as the signature wants them."""
        signature = self.metadata.signature
        schema = signature.inputs if signature else None
        if self.metadata.is_signature_from_type_hint and schema:  # a function with type hints gets what it was given
            admitted = hinted_rows(data, schema)
            check_rows(self._records(admitted), schema)
        else:
            admitted = conform(data, schema)
        return admitted, conform_params(params, signature.params if signature else None)

    def _records(self, data: Any) -> Any:
        """Rows as the pydantic models that the hints ask for, which know what may be left out; all else as it is."""
        hints = getattr(getattr(self._predictor, "model", None), "predict_type_hints", None)
        hint = getattr(hints, "input", None)
        if not any(map(is_pydantic_type, get_args(hint))):
            return data
        try:
            return as_hinted(data, hint)
        except ValueError:  # the schema says better what it is
            return data
