"""Which models a run used and which it made, as facts of the run.

    holdall.model_input.<16 hex>     {"time", "model"}             a model that the run used
    holdall.model_output.<16 hex>    {"time", "model", "step"}     a model of another run that it made something of

What a run logged itself is its output without a word: `holdall.model.<n>` says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

from holdall.errors import InvalidURIError
from holdall.format.layout import parse_model_id
from holdall.runs.reserved_tags import remark, remarks, texts
from holdall.runs.values import LoggedModelInput, LoggedModelOutput, RunOutputs

_LOGGED: Final = re.compile(r"holdall\.model\.([1-9][0-9]{0,9})")


def model_input_tag(given: LoggedModelInput, time: int) -> dict[str, str]:
    """Return the tag that says that a run used a model. Raises: InvalidURIError."""
    id = _checked(given.model_id)
    return remark("model_input", [id], {"time": time, "model": id})


def model_output_tag(given: LoggedModelOutput, time: int) -> dict[str, str]:
    """Return the tag that says that a run made a model, at a step. Raises: InvalidURIError."""
    id, step = _checked(given.model_id), int(given.step)
    return remark("model_output", [id, step], {"time": time, "model": id, "step": step})


def model_inputs_of(tags: Mapping[str, str]) -> list[LoggedModelInput]:
    """Return the models that a run's tags say it used, the oldest first."""
    return [LoggedModelInput(body["model"]) for body in remarks(tags, "model_input") if texts(body, "model")]


def outputs_of(run_id: str, tags: Mapping[str, str]) -> RunOutputs:
    """Return the models that a run logged, in that order, and those that its tags say it made besides."""
    logged = sorted((int(found[1]), value) for key, value in tags.items() if (found := _LOGGED.fullmatch(key)))
    own = {f"m-{run_id}-{n}": _step(value) for n, value in logged}
    said = [
        LoggedModelOutput(body["model"], body["step"])
        for body in remarks(tags, "model_output")
        if texts(body, "model") and type(body.get("step")) is int
    ]
    return RunOutputs([*(LoggedModelOutput(id, step) for id, step in own.items() if step is not None), *said])


def _step(text: str) -> int | None:
    """Return the step of a logged model, which is 0 where nothing is said; None where the tag is none of ours."""
    try:
        body = json.loads(text)
        step = body.get("step", 0)
    except (ValueError, AttributeError, RecursionError):
        return None
    return step if type(step) is int else None


def _checked(model_id: str) -> str:
    if not isinstance(model_id, str) or not parse_model_id(model_id):
        raise InvalidURIError(str(model_id), "a logged model's id is m-<run id>-<number>")
    return model_id
