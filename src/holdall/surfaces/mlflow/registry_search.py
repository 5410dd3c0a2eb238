"""What searches of MLflow's registry mean, by MLflow's own grammar: filters, orders, pages.

    models      name  tags.x                                        by name
    versions    name  version_number  run_id  source_path  tags.x   the latest change first

Prompts are registered models with a tag, and are found by who asks for that tag alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.prompt.constants import IS_PROMPT_TAG_KEY
from mlflow.store.entities.paged_list import PagedList
from mlflow.utils.search_utils import SearchModelUtils, SearchModelVersionUtils, SearchUtils

from holdall.surfaces.mlflow.errors import refused

T = TypeVar("T", ModelVersion, RegisteredModel)
_LATEST_FIRST: Final = ["last_updated_timestamp DESC", "name ASC", "version_number DESC"]
_ATTRIBUTES: Final = {"version_number": "version", "timestamp": "last_updated_timestamp"}
_ANY_MODEL: Final = RegisteredModel("any", 0, 0)
_ANY_VERSION: Final = ModelVersion("any", 1, 0, 0, source="any", run_id="any")  # type: ignore[arg-type]  # as theirs
Conditions = list[dict[str, Any]]


def names_meant(conditions: Conditions) -> list[str] | None:
    """Return the names of which a model must have one to match; None if it may have any."""
    meant: set[str] | None = None
    for condition in conditions:
        if (condition["type"], condition["key"]) == ("attribute", "name") and condition["comparator"] in ("=", "IN"):
            given = {condition["value"]} if condition["comparator"] == "=" else set(condition["value"])
            meant = given if meant is None else meant & given
    return None if meant is None else sorted(meant)


def model_conditions(filter_string: str | None) -> Conditions:
    """Return the conditions of a filter of models. Raises: MlflowException."""
    return _checked(
        SearchModelUtils.parse_search_filter(filter_string),
        lambda each: SearchModelUtils._does_registered_model_match_clauses(_ANY_MODEL, each),
    )


def version_conditions(filter_string: str | None) -> Conditions:
    """Return the conditions of a filter of versions. Raises: MlflowException."""
    return _checked(
        SearchModelVersionUtils.parse_search_filter(filter_string),
        lambda each: SearchModelVersionUtils._does_model_version_match_clauses(_ANY_VERSION, each),
    )


def model_matches(model: RegisteredModel, conditions: Conditions) -> bool:
    """Return whether a model meets all conditions."""
    return _of_that_kind(model._tags, conditions) and all(
        SearchModelUtils._does_registered_model_match_clauses(model, each) for each in _others(conditions)
    )


def version_matches(version: ModelVersion, conditions: Conditions) -> bool:
    """Return whether a version meets all conditions."""
    return _of_that_kind(version._tags, conditions) and all(
        SearchModelVersionUtils._does_model_version_match_clauses(version, each) for each in _others(conditions)
    )


def models_in_order(models: Sequence[RegisteredModel], order_by: Sequence[str] | None) -> list[RegisteredModel]:
    """Return models in an order, by name where it leaves something open. Raises: MlflowException."""
    keys = [SearchUtils.parse_order_by_for_search_registered_models(each) for each in order_by or ()]
    return _sorted(models, keys, [("name", True)], order_by)


def versions_in_order(versions: Sequence[ModelVersion], order_by: Sequence[str] | None) -> list[ModelVersion]:
    """Return versions in an order, by name and number where it leaves something open. Raises: MlflowException."""
    given = order_by or _LATEST_FIRST
    keys = [SearchModelVersionUtils.parse_order_by_for_search_model_versions(each)[1:] for each in given]
    return _sorted(versions, keys, [("name", True), ("version", False)], order_by)


def page_of(found: list[T], max_results: int, page_token: str | None) -> PagedList[T]:
    """Return one page of what was found, with MLflow's token of the next. Raises: MlflowException."""
    start = SearchUtils.parse_start_offset_from_page_token(page_token)
    end = start + max_results
    return PagedList(found[start:end], SearchUtils.create_page_token(end) if end < len(found) else None)


def check_max_results(max_results: object, most: int) -> None:
    """Raise MlflowException for a page of no size."""
    if isinstance(max_results, int | float) and max_results > most:
        told = f"It must be at most {most}, but got value {max_results}"
        raise refused(f"Invalid value for request parameter max_results. {told}")
    if not isinstance(max_results, int) or max_results < 1:
        raise refused(f"Invalid value for max_results. It must be a positive integer, but got {max_results}")


def _checked(conditions: Conditions, match: Callable[[dict[str, Any]], bool]) -> Conditions:
    """Return conditions that were tried, so that a wrong one is an error even where nothing is registered."""
    for each in conditions:
        if each["key"] in SearchModelVersionUtils.NUMERIC_ATTRIBUTES and not _is_whole(each["value"]):
            raise refused(f"Invalid value for numeric attribute '{each['key']}': {each['value']!r}")
        match(each)
    return conditions


def _is_whole(value: object) -> bool:
    return isinstance(value, int) or (
        isinstance(value, str) and re.fullmatch(r"\s*-?[0-9]{1,18}\s*", value) is not None
    )


def _asks_for_prompts(conditions: Conditions) -> bool:
    for each in conditions:
        if each["type"] == "tag" and each["key"] == IS_PROMPT_TAG_KEY:
            return (each["comparator"], each["value"].lower()) in (("=", "true"), ("!=", "false"))
    return False


def _of_that_kind(tags: dict[str, str], conditions: Conditions) -> bool:
    return _asks_for_prompts(conditions) or tags.get(IS_PROMPT_TAG_KEY) != "true"


def _others(conditions: Conditions) -> Conditions:
    """Return the conditions that are left where that on the tag of prompts said only that none is wanted."""
    if _asks_for_prompts(conditions):
        return conditions
    return [each for each in conditions if each["key"] != IS_PROMPT_TAG_KEY]


def _sorted(
    things: Sequence[T], keys: list[tuple[str, bool]], last: list[tuple[str, bool]], order_by: Sequence[str] | None
) -> list[T]:
    named = [(_ATTRIBUTES.get(key, key), ascending) for key, ascending in keys]
    if len({key for key, _ in named}) < len(named):
        raise refused(f"`order_by` contains duplicate fields: {order_by}", "INTERNAL_ERROR")
    found = list(things)
    for key, ascending in reversed(named + [each for each in last if each[0] not in dict(named)]):
        found.sort(key=lambda thing: getattr(thing, key), reverse=not ascending)
    return found
