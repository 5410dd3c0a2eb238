"""A model accepts its own example: as it was given, as its file gives it back, and as its request serves it."""

from __future__ import annotations

import json
import logging
import warnings
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pytest
from mlflow.models.signature import _infer_signature_from_input_example
from mlflow.models.utils import _Example
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from tests.modeling.signatures.example_cases import CASES
from tests.support.like_mlflow import REFUSED, outcome

from holdall import pyfunc
from holdall import sklearn as flavor
from holdall.modeling.signatures.example import SERVING_FILE
from holdall.surfaces.serving.requests import JSON
from holdall.surfaces.serving.scoring import score

NONE: Final = "no signature"
# What MLflow does with them, and why we do something else.
STRICTER: Final = "MLflow's own file of it gives something else back, and its server refuses it or hands over that"
WIDER: Final = "MLflow does not accept this data by the signature that it inferred from it; we do"
FLOAT: Final = "MLflow writes no example of it; ours holds the float next to it"
DIFFERENT: Final = {
    **{name: FLOAT for name in CASES if name.endswith("longdouble")},
    "array of S": STRICTER,
    "array of StringDType": STRICTER,
    "array of records": STRICTER,
    "names of two levels": STRICTER,
    **{
        name: STRICTER
        for name in CASES
        if name.endswith(("of bytes", "bytes alone", "numpy's time", "numpy's time alone"))
    },
    **{name: WIDER for name in CASES if name.startswith("categories")},
    **{f"{name} of pandas' time": WIDER for name in ("list", "rows", "row of a list", "rows of lists")},
    **{f"row of an object of {name}": WIDER for name in ("time", "time with a zone", "pandas' time")},
    **{name: WIDER for name in CASES if name.endswith("longdouble")},
    "list of lists": WIDER,
    "list of lists of text": WIDER,
    "series": WIDER,
    "series without a name": WIDER,
    "series with gaps": WIDER,
    "sparse array": WIDER,
}


class Answering:
    """A model that answers anything."""

    def predict(self, data: Any, params: Any = None) -> Any:
        return np.array([1.0])


def answer(model_input: Any, params: Any = None) -> Any:
    return np.array([1.0])


def theirs(given: Any) -> Any:
    example = _Example(given)
    found = _infer_signature_from_input_example(example, Answering())
    return found.inputs.to_json() if found else NONE


def served(model: Any, folder: Path) -> Any:
    found = score(model, (folder / SERVING_FILE).read_bytes(), JSON)
    assert found.status == 200, found.body
    answer = json.loads(found.body)
    return answer["predictions"] if isinstance(answer, dict) else answer  # a chat's is not wrapped


@pytest.mark.parametrize("name", CASES)
@pytest.mark.every(4)
@pytest.mark.every(2)
def test_a_model_accepts_its_own_example(name: str, tmp_path: Path) -> None:
    """Whatever it is made of, in all three forms; and it has a signature where MLflow gives it one that holds."""
    given = CASES[name]
    expected = outcome(theirs, given)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = outcome(
            lambda: pyfunc.save_model(str(tmp_path), python_model=answer, input_example=given, pip_requirements=[])
        )
        if found is REFUSED:  # JSON cannot hold it, and nothing was written
            assert expected is REFUSED
            return
        model = pyfunc.load_model(str(tmp_path))
        model.predict(given[0] if isinstance(given, tuple) else given)
        model.predict(model.input_example)
        if name != "names of two levels":  # a request has no such columns
            served(model, tmp_path)
    signature = model.metadata.signature
    inputs = signature.inputs.to_json() if signature and signature.inputs else NONE
    assert (inputs != expected) == (name in DIFFERENT)


TEXTS = ["good film", "bad film"]
FLOWERS = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "b": [0.0, 1.0, 0.0, 1.0]})
PIPELINE = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, [1, 0])
NEIGHBOURS = KNeighborsClassifier(1).fit(FLOWERS, [0, 0, 1, 1])
MODELS: dict[str, tuple[Any, Any, bool]] = {
    "a text pipeline by a list": (PIPELINE, TEXTS, False),
    "a text pipeline by an array": (PIPELINE, np.array(TEXTS), True),
    "neighbours by a row": (NEIGHBOURS, {"a": 4.0, "b": 1.0}, True),
    "neighbours by rows": (NEIGHBOURS, FLOWERS.to_dict(orient="records"), True),
    "neighbours by a frame": (NEIGHBOURS, FLOWERS, True),
    "neighbours by nullable numbers": (NEIGHBOURS, FLOWERS.convert_dtypes(), True),
}


@pytest.mark.parametrize(("model", "example", "has_signature"), MODELS.values(), ids=MODELS)
def test_an_example_is_predicted_on_and_served(
    model: Any, example: Any, has_signature: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The model is tried on what its signature makes of the example; one that fails on that has none, and says so."""
    with caplog.at_level(logging.WARNING):
        flavor.save_model(model, str(tmp_path), input_example=example, serialization_format="cloudpickle")
    assert ("no signature" not in caplog.text) == has_signature
    loaded = pyfunc.load_model(str(tmp_path))
    assert (loaded.metadata.signature is not None) == has_signature
    once = loaded.predict(example).tolist()
    assert loaded.predict(loaded.input_example).tolist() == once == served(loaded, tmp_path)


def test_the_warning_says_what_does_not_fit(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The column, and what its values are."""
    example = pd.DataFrame({"age": pd.array([1, None], dtype="Int64")})
    pyfunc.save_model(str(tmp_path), python_model=answer, input_example=example)
    assert "no signature: its input example fits no signature: SchemaMismatchError: age: expected long" in caplog.text
