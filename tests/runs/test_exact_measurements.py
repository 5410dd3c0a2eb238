"""Measurements are read as they were taken: minus zero has its sign, and steps of every size are written."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from holdall.format.document import Json
from holdall.format.ops import measured, number
from holdall.store import Store

ZEROS = {"float": -0.0, "float64": np.float64(-0.0), "float32": np.float32(-0.0), "array": np.array([-0.0])}


def negative(value: Any) -> bool:
    return value == 0 and math.copysign(1, value) < 0


@pytest.mark.parametrize("value", [-0.0, 0.0, 0])
def test_a_number_keeps_its_sign(value: Json) -> None:
    """In an operation of the format too."""
    assert negative(measured(value)) == negative(number(value)) == (str(value) == "-0.0")


@pytest.mark.parametrize("given", ZEROS)
def test_minus_zero_is_read_as_it_was_measured(tmp_path: Path, given: str) -> None:
    """Last value, series, search, table; by this process, another one, and the command line."""
    url = str(tmp_path / "store")
    run = Store.open(url).runs.start(experiment="e")
    for step in range(3):
        run.log_metrics({"z": ZEROS[given], "plus": 0.0}, step=step)
    run.finish()
    store = Store.open(url)
    record = store.runs.get(run.id).record
    assert negative(record.data.metrics["z"])
    assert not negative(record.data.metrics["plus"])
    assert all(negative(point.value) for point in store.runs.get(run.id).history("z"))
    found = store.runs.search("metrics.z >= 0")
    assert [negative(each.data.metrics["z"]) for each in found] == [True]
    assert negative(store.runs.frame(found)["metrics.z"][0])
    command = [sys.executable, "-m", "holdall", "--store", url, "run", "show", "--json", run.id]
    shown = subprocess.run(command, capture_output=True, check=True).stdout
    assert b'"z": -0.0' in shown
    json.loads(shown)


@pytest.mark.parametrize(
    "value", [sign * (base + more) for sign in (1, -1) for base in (2**53, 2**62) for more in (-1, 0, 1)]
)
def test_steps_and_times_of_every_size_can_be_written(tmp_path: Path, value: int) -> None:
    """2^53 itself was taken, and then no entry could hold it: the run lost its points and could not end."""
    url = str(tmp_path / "store")
    run = Store.open(url).runs.start(experiment="e")
    run.log_metrics({"m": 1.5}, step=value, timestamp=value)
    run.finish()
    point = Store.open(url).runs.get(run.id).history("m")[0]
    assert (point.step, point.timestamp) == (value, value)
