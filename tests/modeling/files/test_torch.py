"""Tensors of torch are arrays to a signature, an example, and what is held against them.

It is imported by nothing in this room but its flavor.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from holdall.modeling.signatures.enforcement import conform
from holdall.modeling.signatures.example import make_example
from holdall.modeling.signatures.inference import infer_schema

ROWS = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
TENSORS: dict[str, tuple[Any, str]] = {
    "float32": (torch.tensor(ROWS), "float32"),
    "float64": (torch.tensor(ROWS, dtype=torch.float64), "float64"),
    "float16": (torch.tensor(ROWS, dtype=torch.float16), "float16"),
    "whole": (torch.tensor(ROWS, dtype=torch.int64), "int64"),
    "bfloat16, which numpy lacks": (torch.tensor(ROWS, dtype=torch.bfloat16), "float32"),
    "still learning": (torch.tensor(ROWS, requires_grad=True), "float32"),
}


@pytest.mark.parametrize(("tensor", "dtype"), TENSORS.values(), ids=TENSORS)
@pytest.mark.parametrize("named", [False, True], ids=["alone", "named"])
def test_a_tensor_is_the_array_that_numpy_makes_of_it(tensor: Any, dtype: str, named: bool) -> None:
    """Its schema, what passes for it, and its example."""
    array = np.array(ROWS, dtype)
    given, like = ({"a": tensor}, {"a": array}) if named else (tensor, array)
    schema = infer_schema(given)
    assert schema == infer_schema(like)
    passed = conform(given, schema)["a"] if named else conform(given, schema)
    assert passed.dtype == dtype
    assert np.array_equal(passed, array)
    assert make_example(given).files == make_example(like).files
