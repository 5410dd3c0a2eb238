"""The tags that a run begins with, or goes on with: those given, and what arguments say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdall.errors import InvalidNameError
from holdall.runs.arguments import named_values
from holdall.runs.times import STARTED, time_tag


def merged_tags(tags: Mapping[str, Any] | None, words: Mapping[str, Any]) -> dict[str, Any]:
    """Merge tags and the arguments that set tags too. Raises: InvalidNameError where the two do not agree."""
    said = named_values("tags", tags)
    for key, value in words.items():
        if value is not None and str(said.setdefault(key, value)) != str(value):
            raise InvalidNameError("tag", key, f"it says {said[key]!r}, and the argument for it {value!r}")
    return said


def first_tags(tags: Mapping[str, Any] | None, words: Mapping[str, Any], start_time: int | None) -> dict[str, Any]:
    """Return the tags of a run that begins. Raises: InvalidNameError."""
    said = merged_tags(tags, words)
    return said if start_time is None else said | time_tag(STARTED, "start_time", start_time)
