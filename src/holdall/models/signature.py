"""Signatures of models: `holdall.models.signature`, as users of MLflow know it."""

from __future__ import annotations

from holdall.modeling.signatures.signature import ModelSignature, infer_signature
from holdall.models.changing import set_signature

__all__ = ["ModelSignature", "infer_signature", "set_signature"]
