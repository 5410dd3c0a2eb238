"""Tables of pandas, described: `holdall.data.pandas_dataset`, as users of MLflow know it."""

from __future__ import annotations

from holdall.modeling.kept_datasets import PandasDataset
from holdall.store import from_pandas

__all__ = ["PandasDataset", "from_pandas"]
