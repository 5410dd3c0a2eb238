"""What a model takes, what it gives, and the parameters of a call, as one value.

It stands in the `MLmodel` file as three JSON texts, or nulls:

    inputs: '[{"type": "double", "name": "x", "required": true}]'
    outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}]'
    params: null

MLflow's own signatures are taken as they are, by their `to_dict`. How data
becomes a schema is the business of `inference`; how it is held against one,
of `enforcement`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holdall.errors import SignatureError
from holdall.modeling.signatures.data_types import AnyType
from holdall.modeling.signatures.duck_types import is_record_type
from holdall.modeling.signatures.inference import infer_schema
from holdall.modeling.signatures.params import ParamSchema, infer_params
from holdall.modeling.signatures.schema import ColSpec, Schema
from holdall.modeling.signatures.type_hints import schema_from_type
from holdall.terminal import warn


@dataclass(frozen=True, slots=True, repr=False)
class ModelSignature:
    """The schemas of a model's inputs, outputs and parameters; None where one is not known.

    Inputs and outputs may also be given as a dataclass or pydantic model, and all
    three as MLflow's objects.

    Raises:
        SignatureError: None of the three is given, or one is no schema.
    """

    inputs: Schema | None = None
    outputs: Schema | None = None
    params: ParamSchema | None = None

    def __post_init__(self) -> None:
        for name in ("inputs", "outputs"):
            object.__setattr__(self, name, _schema(name, getattr(self, name)))
        object.__setattr__(self, "params", _params(self.params))
        if self.inputs is None and self.outputs is None and self.params is None:
            raise SignatureError("a signature", "it needs at least one of inputs, outputs and params")

    def __repr__(self) -> str:
        return f"inputs: \n  {self.inputs!r}\noutputs: \n  {self.outputs!r}\nparams: \n  {self.params!r}\n"

    def to_dict(self) -> dict[str, str | None]:
        """Return the three JSON texts, byte for byte MLflow's."""
        return {
            "inputs": self.inputs.to_json() if self.inputs else None,
            "outputs": self.outputs.to_json() if self.outputs else None,
            "params": self.params.to_json() if self.params else None,
        }

    @classmethod
    def from_dict(cls, texts: Mapping[str, Any]) -> ModelSignature:
        """Return the signature of three JSON texts.

        Raises:
            SignatureError: One is no JSON, or not of a schema; or there is none.
        """
        inputs, outputs, params = (texts.get(name) or None for name in ("inputs", "outputs", "params"))
        return cls(
            Schema.from_json(inputs) if inputs else None,
            Schema.from_json(outputs) if outputs else None,
            ParamSchema.from_json(params) if params else None,
        )


def as_signature(value: Any) -> ModelSignature:
    """Return a signature of ours, or of MLflow, or a dictionary of its three texts, as ours.

    Raises:
        SignatureError: It is none of these.
    """
    if isinstance(value, ModelSignature):
        return value
    texts = value.to_dict() if hasattr(value, "to_dict") else value
    if not isinstance(texts, Mapping):
        raise SignatureError(f"signature of type {type(value).__name__}", "it is none, and has no to_dict()")
    return ModelSignature.from_dict(texts)


def infer_signature(
    model_input: Any = None, model_output: Any = None, params: Mapping[str, Any] | None = None
) -> ModelSignature:
    """Return the signature of a model that takes such data and gives such data.

    Args:
        model_input: What it takes: a DataFrame or Series; an array, sparse matrix (csr, csc) or
            tensor; a dictionary of arrays or of anything; a list, of dictionaries too; a single value; a
            dataclass or pydantic model, as a class or as objects.
        model_output: What it gives, likewise.
        params: Parameters of a call, with the values that are their defaults.

    Returns:
        Its schemas. Where none describes the data, `Any` stands there, and a warning says why.

    Raises:
        SignatureError: A parameter is neither a value, a list of values, nor a dictionary; or nothing is given.

    Cost: see `infer_schema`; imports nothing.

    Example:
        >>> import pandas
        >>> holdall.models.infer_signature(pandas.DataFrame({"rooms": [1, 2]}), [10.0, 20.0]).inputs
        ['rooms': long (required)]
    """
    return ModelSignature(
        _inferred("inputs", model_input),
        _inferred("outputs", model_output),
        infer_params(params) if params else None,
    )


# --- inside ---


def _inferred(name: str, data: Any) -> Schema | None:
    if data is None:
        return None
    try:
        return infer_schema(data)
    except SignatureError as error:
        warn(f"the {name} are taken as anything, and nothing about them is checked: {error}", stacklevel=3)
        return Schema([ColSpec(AnyType())])


def _schema(name: str, given: Any) -> Schema | None:
    if given is None or isinstance(given, Schema):
        return given
    if is_record_type(given):
        return schema_from_type(given)
    if hasattr(given, "to_json"):
        return Schema.from_json(given.to_json())
    raise SignatureError(f"{name} of type {type(given).__name__}", "a Schema, dataclass or pydantic model is expected")


def _params(given: Any) -> ParamSchema | None:
    if given is None or isinstance(given, ParamSchema):
        return given
    if hasattr(given, "to_json"):
        return ParamSchema.from_json(given.to_json())
    raise SignatureError(f"params of type {type(given).__name__}", "a ParamSchema is expected")
