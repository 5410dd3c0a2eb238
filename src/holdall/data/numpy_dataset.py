"""Arrays of numpy, described: `holdall.data.numpy_dataset`, as users of MLflow know it."""

from __future__ import annotations

from holdall.modeling.kept_datasets import NumpyDataset
from holdall.store import from_numpy

__all__ = ["NumpyDataset", "from_numpy"]
