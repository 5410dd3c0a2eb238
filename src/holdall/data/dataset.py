"""What is said of data sets of every kind: `holdall.data.dataset`, as users of MLflow know it."""

from __future__ import annotations

from holdall.store import Dataset

__all__ = ["Dataset"]
