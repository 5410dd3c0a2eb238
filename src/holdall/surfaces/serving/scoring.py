"""One request to one model: bytes in, an answer out, and never an exception.

    200 {"predictions": ...}          what the model says
    400 BAD_REQUEST                   the body cannot be read, or the model failed on it
    400 INVALID_PARAMETER_VALUE       data or params break the model's signature; the message names the column
    413 REQUEST_TOO_LARGE             more bytes than the server takes (see `app`), or more memory (see `bound`)
    413 ANSWER_TOO_LARGE              the predictions as JSON are longer than that memory
    415 (text)                        a Content-Type that is none of the three, or none at all
    500 INTERNAL_ERROR                the model gave what JSON cannot say

The error's body is MLflow's, `{"error_code", "message", "sqlstate",
"error_class"}`, without the `stack_trace` that MLflow adds for a failing model:
that names files of the server to whoever asks. It goes to the log. Messages
are not MLflow's: they name the column, and of the data at most the one value
that is wrong.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from typing import Final

from holdall.errors import OversizedPayloadError, PayloadError, SchemaMismatchError
from holdall.store import PyFuncModel
from holdall.surfaces.serving.answers import error_json, predictions_json
from holdall.surfaces.serving.bound import Bound
from holdall.surfaces.serving.requests import JSON, read_payload, unsupported

INVALID: Final = "INVALID_PARAMETER_VALUE"
_log: Final = logging.getLogger("holdall")


@dataclass(frozen=True, slots=True)
class Answer:
    """A response. Attributes: status, body, media_type."""

    status: int
    body: str
    media_type: str = JSON


def score(model: PyFuncModel, body: bytes, content_type: str, max_memory: int = sys.maxsize) -> Answer:
    """Return a model's response to a request. Cost: the prediction's; it blocks."""
    if reason := unsupported(content_type):
        return Answer(415, reason, "text/plain")
    try:
        asked = read_payload(body, content_type, model, Bound(max_memory))
        given = model.predict(asked.data, asked.params)
    except OversizedPayloadError as error:
        return refused(413, "REQUEST_TOO_LARGE", str(error))
    except PayloadError as error:
        return refused(400, "BAD_REQUEST", str(error))
    except SchemaMismatchError as error:
        message = f"Failed to enforce schema: {error}"
        return refused(400, INVALID, message, INVALID if _is_param(error, model) else "SCHEMA_ENFORCEMENT_FAILED")
    except (Exception, SystemExit) as error:  # a model that exits ends no server
        _log.exception("the model failed on a request")
        return refused(400, "BAD_REQUEST", f"the model failed: {type(error).__name__}; the server's log has the rest")
    try:
        return Answer(200, predictions_json(given, bare=asked.bare, most=max_memory))
    except OversizedPayloadError as error:
        return refused(413, "ANSWER_TOO_LARGE", str(error))
    except (TypeError, ValueError, RecursionError) as error:
        _log.exception("the model's predictions are no JSON")
        return refused(500, "INTERNAL_ERROR", f"the model's predictions cannot be written as JSON: {error}")


def refused(status: int, code: str, message: str, error_class: str = INVALID) -> Answer:
    """Return a response that says what is wrong."""
    return Answer(status, error_json(code, message, error_class))


def _is_param(error: SchemaMismatchError, model: PyFuncModel) -> bool:
    """Return whether an error is about the envelope or the parameters of a request, not its data."""
    params = model.metadata.get_params_schema() or ()
    return error.column.partition("[")[0] in ("params", "inputs", *(each.name for each in params))
