"""Where a framework is not installed, the error says what to install, and its models can be looked at all the same."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from holdall.errors import MissingLibraryError
from holdall.modeling.flavor import Parts
from holdall.modeling.flavor_registry import flavor_named

MODELS: Mapping[str, Mapping[str, Any]] = {
    "xgboost": {"data": "model.ubj"},
    "lightgbm": {"data": "model.lgb"},
    "onnx": {"data": "model.onnx"},
    "keras": {"data": "data"},
    "tensorflow": {"model_type": "keras", "data": "data", "save_format": "tf", "custom_objects": []},
}


@pytest.mark.parametrize("name", MODELS)
def test_what_is_not_installed_is_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By loading and by saving; what a model is, and whether it runs code, is known without it."""
    monkeypatch.setitem(sys.modules, name, None)  # as if it were not there: importing it fails
    flavor, parts = flavor_named(name), Parts(own=MODELS[name])
    assert flavor.runs_code(parts) == []
    for attempt in (lambda: flavor.load(tmp_path, parts), lambda: flavor.save(object(), tmp_path)):
        with pytest.raises(MissingLibraryError) as caught:
            attempt()
        assert caught.value.package == name
        assert f"holdall[{name}]" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_graph_is_run_by_another_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX alone loads it; onnxruntime is named by what needs it."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingLibraryError, match="onnxruntime"):
        flavor_named("onnx").wrap(None, Parts(own=MODELS["onnx"]), folder=tmp_path, config={})
