"""Predictions as JSON, in MLflow's words.

Its surprises are kept:

    DataFrame, Series          records: [{"x": 1.0}, ...]; a Series without a name has the column "0"
    array, of any depth        lists; an array of dates in nanoseconds becomes integers
    bytes                      base64, with a newline after every 76 characters and at the end
    dates and times            ISO 8601
    NaN, Infinity              NaN, Infinity: no JSON by the book, but what Python's json writes and reads
"""

from __future__ import annotations

import base64
import datetime
import json
import sys
from collections.abc import Iterator
from typing import Any, Final

import numpy
import pandas

from holdall.errors import OversizedPayloadError
from holdall.modeling.signatures.duck_types import is_a, python_value

_ROWS: Final = 1000  # of one block


def predictions_json(predictions: Any, *, bare: bool = False, most: int = sys.maxsize) -> str:
    """Return the response with predictions.

    Args:
        predictions: What a model gave.
        bare: Without `{"predictions": ...}` around it.
        most: Characters that an answer may have.

    Raises:
        OversizedPayloadError: It would have more; rows are written by blocks, and no block after that.
        TypeError, ValueError: There is something in it that JSON cannot say.
    """
    told, left = [], most
    for block in _blocks(predictions):
        told.append(block)
        left -= len(block)
        if left < 0:
            raise OversizedPayloadError(f"the predictions are more than {most} characters of JSON; ask for fewer rows")
    text = "".join(told)
    return text if bare else f'{{"predictions": {text}}}'


def error_json(code: str, message: str, error_class: str) -> str:
    """Return the response to a request that failed, with MLflow's error code."""
    state = "KAM01" if error_class == "SCHEMA_ENFORCEMENT_FAILED" else "KAM00"
    return json.dumps({"error_code": code, "message": message, "sqlstate": state, "error_class": error_class})


def _blocks(predictions: Any) -> Iterator[str]:
    """Yield the JSON of predictions, in pieces of so many rows."""
    if isinstance(predictions, pandas.Series):
        predictions = pandas.DataFrame(predictions)
    rows = len(predictions) if _has_rows(predictions) else 0
    if not rows:
        yield json.dumps(_plain(predictions), cls=_Encoder)
        return
    for n in range(0, rows, _ROWS):
        at = predictions.iloc if isinstance(predictions, pandas.DataFrame) else predictions
        block = json.dumps(_plain(at[n : n + _ROWS]), cls=_Encoder)
        yield ("[" if not n else ", ") + block[1:-1] + ("]" if n + _ROWS >= rows else "")


def _has_rows(predictions: Any) -> bool:
    if isinstance(predictions, numpy.ndarray):
        return predictions.ndim > 0
    return type(predictions) in (list, tuple) or isinstance(predictions, pandas.DataFrame)


def _plain(predictions: Any) -> Any:
    if isinstance(predictions, pandas.DataFrame):
        return predictions.to_dict(orient="records")
    return predictions.tolist() if isinstance(predictions, numpy.ndarray) else predictions


class _Encoder(json.JSONEncoder):
    def default(self, value: Any) -> Any:
        """Return JSON's form of a value that it lacks. Raises: TypeError."""
        if isinstance(value, numpy.ndarray):
            return value.tolist()
        if isinstance(value, numpy.generic):
            return python_value(value)
        if isinstance(value, bytes | bytearray):
            return base64.encodebytes(value).decode("ascii")
        if isinstance(value, datetime.date | datetime.time):
            return value.isoformat()
        if is_a(value, "pydantic", "BaseModel"):
            return value.model_dump()
        return super().default(value)
