"""The configuration of a model that is code, while the code runs: `ModelConfig`, ours and MLflow's.

    config = ModelConfig(development_config={"depth": 3})     in the file of the model
    config.get("depth")

Run by hand, the file sees its `development_config`; run as a model, what the
model was logged with, or what the caller of `load_model` set instead.
"""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from holdall.modeling.model import config_of

_MLFLOW: Final = "mlflow.models.model_config"
_running: Final = threading.RLock()  # one file of code at a time: what it sets and asks for is of the whole process
_config: Final[list[dict[str, Any]]] = []


class ModelConfig:
    """The configuration of the model that is being loaded.

    Args:
        development_config: What it is while the file runs by itself: names and values, or a YAML file of them.

    Raises:
        FileNotFoundError: There is none: the model was logged without, or the file is not there.
    """

    def __init__(self, *, development_config: str | os.PathLike[str] | Mapping[str, Any] | None = None) -> None:
        self._values = _config[-1] if _config else config_of(development_config)
        if not self._values:
            raise FileNotFoundError("this model has no configuration: log it with model_config=")

    def to_dict(self) -> dict[str, Any]:
        """Return all of it."""
        return dict(self._values)

    def get(self, key: str) -> Any:
        """Return one value. Raises: KeyError."""
        if key not in self._values:
            raise KeyError(f"{key!r} is not in the model's configuration, which has {', '.join(self._values)}")
        return self._values[key]


@contextmanager
def configured(config: Mapping[str, Any], *, for_mlflow: bool) -> Iterator[None]:
    """While code runs: what either `ModelConfig` says in it. `for_mlflow`: the code imports MLflow."""
    with _running:
        theirs = _module() if for_mlflow else None
        _config.append(dict(config))
        if theirs:
            theirs._set_model_config(dict(config) or "")
        try:
            yield
        finally:
            _config.pop()
            if theirs:
                theirs._set_model_config(None)


def _module() -> Any:
    try:
        return importlib.import_module(_MLFLOW)
    except ImportError:
        return None
