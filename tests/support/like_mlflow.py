"""What MLflow does with the same data, quietly, and what two outcomes have in common."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

REFUSED = "(refused)"


def outcome(act: Callable[..., Any], *args: Any) -> Any:
    """What a call returns, or that it refuses; warnings and log lines aside."""
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return act(*args)
    except Exception:
        return REFUSED
    finally:
        logging.disable(logging.NOTSET)


def same(one: Any, other: Any) -> bool:
    """Whether two results are of the same kind and hold the same; numpy's own values count as Python's."""
    if isinstance(one, pd.DataFrame) and isinstance(other, pd.DataFrame):
        alike = list(one.columns) == list(other.columns) and list(one.index) == list(other.index)
        return alike and all(same(one[name], other[name]) for name in one.columns)
    if isinstance(one, pd.Series) and isinstance(other, pd.Series):
        return one.dtype == other.dtype and same(one.tolist(), other.tolist())
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and same(one.tolist(), other.tolist())
    if hasattr(one, "toarray") and hasattr(other, "toarray"):
        return type(one) is type(other) and same(one.toarray(), other.toarray())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(same(one[name], other[name]) for name in one)
    one, other = (each.item() if isinstance(each, np.generic) else each for each in (one, other))
    both_missing = one is not REFUSED and pd.api.types.is_scalar(one) and pd.api.types.is_scalar(other)
    if both_missing and pd.isna(one) and pd.isna(other):
        return True
    return type(one) is type(other) and bool(one == other)
