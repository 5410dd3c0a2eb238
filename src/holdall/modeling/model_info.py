"""What is known of one model: where it is, what its MLmodel file says, and what was said of it in its run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from holdall.display import Facts, Shown, own
from holdall.modeling.signatures.params import ParamSchema
from holdall.modeling.signatures.schema import Schema
from holdall.modeling.signatures.signature import ModelSignature
from holdall.runs.record import Metric

SPOKEN: Final = "3.17.2"  # the MLflow whose format our MLmodel files have


class SignatureSchemas:
    """The schemas that a signature holds, for what has one."""

    __slots__ = ()
    signature: ModelSignature | None

    def get_input_schema(self) -> Schema | None:
        """Return the input schema, or None if the model has no signature."""
        return self.signature.inputs if self.signature else None

    def get_output_schema(self) -> Schema | None:
        """Return the output schema, or None if the signature has none."""
        return self.signature.outputs if self.signature else None

    def get_params_schema(self) -> ParamSchema | None:
        """Return the parameters of a call, or None if it has none."""
        return self.signature.params if self.signature else None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ModelInfo(SignatureSchemas, Shown):
    """What `log_model` and `get_model_info` return: where a model is, and what is known of it.

    Attributes:
        model_uri: `models:/<model_id>`; for what no run logged as a model, the address that was asked for.
        model_id: `m-<run id>-<n>`.
        registered_model_version: The number of the version that was asked for or registered; None if there is none.
        name, artifact_path: Its path in the run.
        creation_timestamp: Milliseconds since 1970 UTC.
        params, tags, model_type, step: As they were logged, with what was set since.
        metrics: The last value of each metric that was logged for it.

    The other attributes are the MLmodel file's; see `holdall.models.Model`.
    """

    artifact_path: str
    model_uri: str
    model_id: str
    model_uuid: str
    name: str
    run_id: str
    flavors: Mapping[str, Mapping[str, Any]]
    creation_timestamp: int
    utc_time_created: str
    mlflow_version: str | None = SPOKEN
    signature: ModelSignature | None = None
    saved_input_example_info: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Sequence[Metric] | None = None
    model_type: str | None = None
    step: int = 0
    env_vars: None = None
    prompts: Sequence[Any] | None = None
    registered_model_version: int | None = None
    model_size_bytes: int | None = None
    is_signature_from_type_hint: bool = False
    holdall: Mapping[str, Any] | None = None

    @property
    def signature_dict(self) -> dict[str, str | None] | None:
        """The signature's three JSON texts."""
        return self.signature.to_dict() if self.signature else None

    def _shown(self) -> Facts:
        facts = {"name": self.name, "model_uri": self.model_uri, "flavors": list(self.flavors)}
        if self.signature:
            facts |= {"inputs": str(self.signature.inputs or ""), "outputs": str(self.signature.outputs or "")}
        version = self.registered_model_version
        return {**facts, "registered_model_version": version, "params": self.params, "tags": own(self.tags)}
