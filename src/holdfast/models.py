"""What models are made of, and models whatever their framework: `holdfast.models`, as users of MLflow know it."""

from __future__ import annotations

from holdfast.modeling.signature import ModelSignature, infer_signature
from holdfast.store import ModelInfo

__all__ = ["ModelInfo", "ModelSignature", "infer_signature"]
