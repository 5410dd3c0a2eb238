"""Where a data set came from: `holdall.data.dataset_source`, as users of MLflow know it."""

from __future__ import annotations

from holdall.modeling.dataset_source import DatasetSource

__all__ = ["DatasetSource"]
