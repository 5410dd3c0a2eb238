"""Autologging of the frameworks that have none here: scripts that switch it off go on, others are told what to do."""

from __future__ import annotations

from typing import Any

from holdall.errors import InvalidArgumentError


def autolog_flavor(*, disable: bool = False, **options: Any) -> None:
    """Do nothing with `disable=True`: of this framework nothing is logged that a script does not log.

    Args:
        disable: True.
        options: Those of MLflow's flavor, which have no meaning here.

    Raises:
        InvalidArgumentError: Without `disable=True`.

    Example:
        >>> holdall.keras.autolog(disable=True)
    """
    if not disable:
        raise InvalidArgumentError(
            "of this framework nothing is logged by itself: give its trainer a callback of holdall.integrations, or "
            "call log_params, log_metrics and log_model; `holdall guide training` shows how"
        )
