"""Any model as one thing with `predict`, whatever its framework."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdfast.modeling.enforcement import conform
from holdfast.modeling.flavor import PYFUNC, Predictor
from holdfast.modeling.model import Model
from holdfast.modeling.params import conform_params


class PyFuncModel:
    """A loaded model.

    Attributes:
        metadata: What its MLmodel file says.
    """

    def __init__(self, native: Any, predictor: Predictor, metadata: Model, config: Mapping[str, Any]) -> None:
        self._native, self._predictor = native, predictor
        self.metadata = metadata
        self.model_config = dict(config)

    def __repr__(self) -> str:
        where = self.model_id or self.metadata.artifact_path or "a folder"
        return f"<{type(self).__name__} {self.loader_module} of {where}>"

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Predictions for data, held against the signature before the model sees it.

        Args:
            data: What the signature's inputs say; anything the model takes where there is none.
            params: Parameters of the call; what is left out has its default.

        Raises:
            SchemaMismatchError: The signature does not admit the data or a parameter; it names which.
        """
        signature = self.metadata.signature
        data = conform(data, signature.inputs if signature else None)
        params = conform_params(params, signature.params if signature else None)
        return self._predictor.predict(data, params) if params else self._predictor.predict(data)

    def get_raw_model(self) -> Any:
        """The framework's object."""
        return self._native

    @property
    def model_id(self) -> str | None:
        """`m-<run id>-<n>`; None if no run logged it."""
        return self.metadata.model_id

    @property
    def loader_module(self) -> str:
        """Who loads it, in MLflow's words."""
        return str(self.metadata.flavors[PYFUNC]["loader_module"])


def wrapped(model: Model, native: Any, predictor: Predictor, config: Mapping[str, Any]) -> PyFuncModel:
    """A loaded model."""
    said = model.flavors[PYFUNC].get("config") or {}
    return PyFuncModel(native, predictor, model, {**said, **config})
