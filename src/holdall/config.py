"""Addresses and system metrics, under MLflow's name: `holdall.config`. All but the switch below is in `holdall` too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdall.missing_names import explaining
from holdall.surfaces.fluent.address import (
    get_registry_uri,
    get_tracking_uri,
    is_tracking_uri_set,
    set_registry_uri,
    set_tracking_uri,
)
from holdall.surfaces.fluent.system_metrics import (
    disable_system_metrics_logging,
    enable_system_metrics_logging,
    set_system_metrics_node_id,
    set_system_metrics_samples_before_logging,
    set_system_metrics_sampling_interval,
)

__all__ = [
    "disable_system_metrics_logging",
    "enable_async_logging",
    "enable_system_metrics_logging",
    "get_registry_uri",
    "get_tracking_uri",
    "is_tracking_uri_set",
    "set_registry_uri",
    "set_system_metrics_node_id",
    "set_system_metrics_samples_before_logging",
    "set_system_metrics_sampling_interval",
    "set_tracking_uri",
]

if not TYPE_CHECKING:
    __getattr__ = explaining(__name__, __all__)


def enable_async_logging(enable: bool = True) -> None:  # MLflow's
    """Do nothing: a verb logs in the background where its call says `synchronous=False`.

    Args:
        enable: Accepted for MLflow's sake; what a verb logs is in the bucket when it returns, either way.

    Example:
        >>> holdall.config.enable_async_logging()
    """
