"""Models that were logged already, changed: what a run holds stays, and the changed model is a new one beside it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from holdall.modeling.loading.model_folder import local_folder
from holdall.modeling.model_info import ModelInfo
from holdall.modeling.revising import Change, revise_folder, with_requirements, with_signature
from holdall.surfaces.fluent.active import current_store


def set_signature(model_uri: str | os.PathLike[str], signature: Any) -> ModelInfo:
    """Give a model another signature: a new model beside it, since what a store holds never changes.

    The new model is in the same run, called `<name>-2` or the next free number. Where the address is a version
    of a registered model, it becomes the next version as well; aliases stay where they are. A local folder is
    changed in place.

    Args:
        model_uri: An address, as for `holdall.load_model`.
        signature: A signature, ours or MLflow's.

    Returns:
        What is known of the new model; use its `model_uri` from now on.

    Raises:
        SignatureError: It is no signature.
        Others: as `holdall.load_model`.

    Cost: reading the model and logging it; content that the store has is not sent again.

    Example:
        >>> with holdall.start_run():
        ...     old = holdall.pyfunc.log_model(name="m", python_model=lambda model_input: 1, pip_requirements=[])
        >>> new = holdall.models.set_signature(old.model_uri, holdall.models.infer_signature([1.5]))
        >>> new.name, new.signature.inputs
        ('m-2', [double (required)])
    """
    return _changed(model_uri, with_signature(signature))


def update_model_requirements(
    model_uri: str | os.PathLike[str], operation: Literal["add", "remove"], requirement_list: Sequence[str]
) -> ModelInfo:
    """Add requirements to a model's, or remove some: a new model beside it, as `set_signature` makes one.

    Args:
        model_uri: An address, as for `holdall.load_model`.
        operation: "add", which takes the place of a line for the same package; or "remove".
        requirement_list: Lines as pip has them; to remove one, the name of its package is enough.

    Returns:
        What is known of the new model; use its `model_uri` from now on.

    Raises:
        ValueError: There is no such operation, or a line names no package.
        Others: as `holdall.load_model`.

    Example:
        >>> with holdall.start_run():
        ...     old = holdall.pyfunc.log_model(name="m", python_model=lambda model_input: 1, pip_requirements=["a==1"])
        >>> new = holdall.models.update_model_requirements(old.model_uri, "add", ["a==2", "b"])
        >>> holdall.artifacts.load_text(f"{new.model_uri}/requirements.txt").split()
        [..., 'a==2', 'b']
    """
    return _changed(model_uri, with_requirements(operation, requirement_list))


def _changed(uri: str | os.PathLike[str], change: Change) -> ModelInfo:
    local = local_folder(uri)
    if local is not None:
        return revise_folder(Path(local), change).get_model_info(model_uri=str(uri))
    return current_store().revise_model(str(uri), change)
