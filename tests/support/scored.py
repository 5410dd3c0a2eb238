"""Models that say what they were given, for the tests of serving; MLflow and holdall load them alike."""

from __future__ import annotations

import datetime
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

GO = threading.Event()

ANSWERS: dict[str, Any] = {
    "frame": pd.DataFrame({"x": [1.5, float("nan")], "n": [1, 2], "s": ["a", None]}),
    "dates": pd.DataFrame({"t": pd.to_datetime(["2024-05-01T00:00:00.000", "2024-05-02T03:04:05.678"])}),
    "series": pd.Series([1, 2], name="y"),
    "unnamed series": pd.Series([0.5]),
    "array": np.array([[1, 2], [3, 4]], dtype="int8"),
    "infinite": np.array([float("inf"), float("nan")]),
    "date array": np.array(["2024-05-01"], dtype="datetime64[ns]"),
    "day array": np.array(["2024-05-01"], dtype="datetime64[D]"),
    "bytes array": np.array([b"abc"]),
    "object array": np.array([b"abc", 1, None], dtype=object),
    "scalar": np.float32(0.1),
    "text": "yes",
    "nothing": None,
    "nested": {"a": np.arange(3), "b": [np.int64(1), {"c": b"\x00\xff"}], "d": datetime.date(2024, 5, 1)},
    "time": [datetime.datetime(2024, 5, 1, 2, 3), datetime.time(4, 5), pd.Timestamp("2024-05-01")],
    "long bytes": [bytes(100)],
    "set": {1, 2},
    "tuple": (1, 2),
}


class Echo:
    """Predicts what it was given, with all types."""

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        return {"data": told(data), "params": repr(params or None)}  # no params are {} there, the default here


class Fixed:
    """Predicts always the same."""

    def __init__(self, name: str) -> None:
        self.name = name

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        if self.name == "failing":
            raise ZeroDivisionError("secret")
        if self.name == "exiting":
            raise SystemExit("secret")
        if self.name == "slow":
            GO.wait(60)
            return "slow"
        return ANSWERS[self.name]


def told(data: Any) -> Any:
    """A value as texts that show its types."""
    if isinstance(data, pd.DataFrame):
        columns = {str(name): [str(data[name].dtype), [told(cell) for cell in data[name]]] for name in data.columns}
        return {"frame": columns, "rows": len(data), "names": repr(list(data.columns))}
    if isinstance(data, np.ndarray):
        return {"array": str(data.dtype), "shape": list(data.shape), "values": repr(data.tolist())}
    if isinstance(data, dict):
        return {"dict": {name: told(value) for name, value in data.items()}}
    if isinstance(data, list):
        return {"list": [told(value) for value in data]}
    if isinstance(data, np.generic):
        data = data.item()  # single values stay Python's own here; a column's dtype is told with it
    return f"{type(data).__name__} {data!r}"


def _load_pyfunc(path: str) -> Any:
    name = Path(path).read_text()
    return Echo() if name == "echo" else Fixed(name)


def write_model(folder: Path, name: str, signature: dict[str, Any] | None = None, **more: Any) -> Path:
    """A model's folder, as MLflow writes it."""
    import yaml

    folder.mkdir(parents=True)
    (folder / "name.txt").write_text(name)
    flavor = {"loader_module": "tests.support.scored", "data": "name.txt", "python_version": "3.11.0"}
    body = {"flavors": {"python_function": flavor}, "mlflow_version": "3.17.2", "signature": signature} | more
    (folder / "MLmodel").write_text(yaml.safe_dump(body))
    return folder
