"""Data sets of every kind, which are one class here: `holdall.data.dataset`, as users of MLflow know it."""

from __future__ import annotations

from holdall.store import Dataset

__all__ = ["Dataset"]
