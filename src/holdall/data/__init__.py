"""Data sets, described for `holdall.log_input`: `holdall.data`, as users of MLflow know it.

dataset = holdall.data.from_pandas(frame, source="s3://bucket/train.parquet", name="customers")
holdall.log_input(dataset, context="training")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdall.missing_names import explaining
from holdall.modeling.dataset_frames import from_huggingface, from_polars, from_spark, from_tensorflow
from holdall.modeling.dataset_source import DatasetSource, get_source
from holdall.store import Dataset, DatasetInput, from_numpy, from_pandas

__all__ = [
    "Dataset",
    "DatasetInput",
    "DatasetSource",
    "from_huggingface",
    "from_numpy",
    "from_pandas",
    "from_polars",
    "from_spark",
    "from_tensorflow",
    "get_source",
]

if not TYPE_CHECKING:
    __getattr__ = explaining(__name__, __all__)
