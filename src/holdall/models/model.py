"""What is known of models: `holdall.models.model`, as users of MLflow know it."""

from __future__ import annotations

from holdall.models import get_model_info, set_model, update_model_requirements
from holdall.store import Model, ModelInfo

__all__ = ["Model", "ModelInfo", "get_model_info", "set_model", "update_model_requirements"]
