"""What is logged says nothing of where its code lay, and a name that cannot be is refused before anything is logged."""

from __future__ import annotations

import importlib.util
import io
import pickle
from pathlib import Path

import pandas as pd
import pytest

import holdall
from holdall.errors import InvalidNameError
from holdall.modeling.files.pickling import dump_noting_modules

CODE = """
OFFSET = 3

def outer(data):
    def inner(row):
        return row + OFFSET
    return [inner(row) for row in data]

class Model:
    def predict(self, data):
        return outer(data)
"""


def test_a_function_that_goes_in_whole_leaves_its_folder_behind(tmp_path: Path) -> None:
    """Neither in its code, nor in what is nested in it, nor in its module's globals; and it works again."""
    source = tmp_path / "private folder" / "my_code.py"
    source.parent.mkdir()
    source.write_text(CODE)
    spec = importlib.util.spec_from_file_location("my_code", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    stream = io.BytesIO()
    module.outer.__module__ = module.Model.__module__ = "__main__"
    dump_noting_modules([module.outer, module.Model()], stream, by_value=True)
    assert b"private folder" not in stream.getvalue()
    outer, model = pickle.loads(stream.getvalue())
    assert outer([1, 2]) == model.predict([1, 2]) == [4, 5]


def test_a_name_that_cannot_be_registered_is_refused_before_anything_is_logged(tmp_path: Path) -> None:
    """The run is as it was, so the same call with another name goes through."""
    holdall.set_store(str(tmp_path / "store"))

    def double(model_input: pd.DataFrame) -> pd.DataFrame:
        return model_input * 2

    with holdall.start_run() as run:
        with pytest.raises(InvalidNameError):
            holdall.pyfunc.log_model(python_model=double, name="m", registered_model_name="a/b:c")
        assert holdall.artifacts.list_artifacts(f"runs:/{run.id}") == []
        info = holdall.pyfunc.log_model(python_model=double, name="m", registered_model_name="ok")
    assert info.registered_model_version == 1
