"""Data sets, described for `holdfast.log_input`: `holdfast.data`, as users of MLflow know it.

dataset = holdfast.data.from_pandas(frame, source="s3://bucket/train.parquet", name="customers")
holdfast.log_input(dataset, context="training")
"""

from __future__ import annotations

from holdfast.store import Dataset, DatasetInput, from_numpy, from_pandas

__all__ = ["Dataset", "DatasetInput", "from_numpy", "from_pandas"]
