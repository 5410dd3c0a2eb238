"""The signature that an example shows, tried on the example itself before it is believed.

    infer      the schema of the example; one that no schema describes shows no signature
    conform    the example held against it, as `predict` will hold it
    predict    with what came out of that: a model may take lists and fail on the table that is made of one
    read back  the example's file and its request: what JSON loses, a signature would get wrong

What fails on the way leaves the model without a signature, and a warning says
why: then it takes whatever it took before. The order is MLflow's; that the files
are read back is not, which keeps signatures that refuse the very example that
lies beside them (bytes in dictionaries, times finer than JSON writes them).
"""

from __future__ import annotations

import copy
import logging
import sys
from collections.abc import Callable
from typing import Any

from holdall.modeling.flavor import Predictor
from holdall.modeling.signatures import duck_types
from holdall.modeling.signatures.enforcement import conform
from holdall.modeling.signatures.example import FILE, SERVING_FILE, Example, parse_example, parse_request
from holdall.modeling.signatures.inference import infer_schema
from holdall.modeling.signatures.params import conform_params, infer_params
from holdall.modeling.signatures.schema import Schema
from holdall.modeling.signatures.signature import ModelSignature, infer_signature

_log = logging.getLogger("holdall")


def shown_signature(example: Example, wrap: Callable[[], Predictor]) -> ModelSignature | None:
    """Return the signature that an example and the model's answer to it show; None if the model would not keep it.

    Args:
        example: What the model is given.
        wrap: Makes the python_function of the model.

    Cost: one prediction, and two copies of the example.
    """
    try:
        schema = infer_schema(example.data)
        params = infer_params(example.params) if example.params else None
        admitted = conform(copy.deepcopy(example.data), schema)
        _refuse_other(example, schema, admitted)
        given = conform_params(example.params, params)
    except Exception as error:
        _warn("its input example fits no signature", error)
        return None
    try:
        predictor = wrap()
        output = predictor.predict(admitted, given) if given else predictor.predict(admitted)
    except Exception as error:
        _warn("the model fails on its input example", error)
        return None
    if not schema.is_tensor_spec() and duck_types.is_ndarray(output) and output.ndim == 1:
        output = sys.modules["pandas"].Series(output)  # as MLflow has it: columns in, a column out
    return ModelSignature(schema, infer_signature(None, output).outputs if output is not None else None, params)


# --- inside ---


def _refuse_other(example: Example, schema: Schema, admitted: Any) -> None:
    """Refuse a schema by which the example's own files say something else. Raises: ValueError."""
    read = {
        FILE: parse_example(example.files[FILE], example.info, schema),
        SERVING_FILE: parse_request(example.files[SERVING_FILE], schema),
    }
    for file, back in read.items():
        if back is not None and not duck_types.alike(conform(back, schema), admitted):
            raise ValueError(f"{file} does not give it back as it is, for JSON cannot hold it")


def _warn(what: str, error: Exception) -> None:
    _log.warning("no signature: %s: %s: %s", what, type(error).__name__, error)
