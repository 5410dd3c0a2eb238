"""Autologging, which is not here: scripts that switch it off go on, and those that switch it on are told what to do."""

from __future__ import annotations

from typing import Any

from holdall.errors import InvalidArgumentError


def autolog(
    log_input_examples: bool = False,
    log_model_signatures: bool = True,
    log_models: bool = True,
    log_datasets: bool = True,
    log_traces: bool = True,
    disable: bool = False,
    exclusive: bool = False,
    disable_for_unsupported_versions: bool = False,
    silent: bool = False,
    extra_tags: dict[str, str] | None = None,
    exclude_flavors: list[str] | None = None,
) -> None:
    """Do nothing with `disable=True`: nothing is logged that a script does not log.

    Args:
        disable: True. All others are MLflow's, and have no meaning here.

    Raises:
        InvalidArgumentError: Without `disable=True`, for there is no autologging here.

    Example:
        >>> holdall.autolog(disable=True)
    """
    autolog_flavor(disable=disable)


def autolog_flavor(*, disable: bool = False, **options: Any) -> None:
    """Do nothing with `disable=True`, as `holdall.autolog`, for one flavor.

    Args:
        disable: True.
        options: Those of MLflow's flavor, which have no meaning here.

    Raises:
        InvalidArgumentError: Without `disable=True`.

    Example:
        >>> holdall.sklearn.autolog(disable=True)
    """
    if not disable:
        raise InvalidArgumentError(
            "nothing is logged by itself here: there is no autologging; remove this line, and call "
            "log_params, log_metrics and log_model where the model is fitted"
        )
