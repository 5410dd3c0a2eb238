"""Models of transformers: `holdall.transformers`, as users of MLflow know it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from holdall.store import ModelInfo
from holdall.surfaces.fluent import models

__all__ = ["load_model", "log_model", "save_model"]

_FLAVOR = "transformers"


def log_model(
    transformers_model: Any,
    artifact_path: str | None = None,
    processor: Any = None,
    task: str | None = None,
    torch_dtype: Any = None,
    model_card: str | None = None,
    code_paths: Sequence[str] | None = None,
    registered_model_name: str | None = None,
    signature: Any = None,
    input_example: Any = None,
    await_registration_for: int | None = 300,
    pip_requirements: Any = None,
    extra_pip_requirements: Any = None,
    conda_env: Any = None,
    metadata: Mapping[str, Any] | None = None,
    model_config: Mapping[str, Any] | None = None,
    prompt_template: None = None,
    save_pretrained: bool = True,
    prompts: None = None,
    name: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    step: int = 0,
    model_id: str | None = None,
    base_model_path: None = None,
    extra_files: Sequence[str] | None = None,
    **kwargs: Any,
) -> ModelInfo:
    """Log a pipeline, or a model and its tokenizer, into the active run: one commit, complete when this returns.

    Args:
        transformers_model: A pipeline; a model; or a dictionary of "model" and any of "tokenizer",
            "feature_extractor" and "image_processor".
        processor: A processor that comes along; then the model is loaded in parts, and is no python_function.
        task: What the pipeline is for, such as "text-classification"; found from the model's class when None.
        torch_dtype: The dtype to load the weights as; their own when None.
        model_card: What to tell people of the model, as Markdown.
        model_config: What the pipeline is called with as a python_function, such as `{"max_new_tokens": 20}`.
        prompt_template: Of MLflow; None.
        prompts: Of MLflow; None.
        base_model_path: Of MLflow; None.
        save_pretrained: True: a store has all of a model, and what several have in common once.
        kwargs: `run_id`, of the run to log to instead of the active one.
        conda_env: The environment that the model needs, as conda has it, or the path of its file; or else
        pip_requirements: all lines of it as pip has them, or the path of a file; or else
        extra_pip_requirements: lines beside those that are found from what the model imports.
        code_paths: Files and folders of code that come along, and before all other when it is loaded.
        signature: What it takes and gives, ours or MLflow's. None: inferred from `input_example`, if there is
            one. False: none.
        input_example: Data that the model takes; or a tuple of that and of parameters.
        metadata: What else to say in the MLmodel file: plain values by name.
        extra_files: Files that come along, by address.
        params: What to say of the model, by name.
        tags: The same, for words that may change.
        model_type: What kind of model it is, for people.
        step: Where in the training it belongs.
        registered_model_name: Make it the next version of this registered model as well.
        await_registration_for: Nothing has to be waited for: a version is READY when it is there.
        model_id: Models have the id that the run gives them; None.
        name: Its path in the run; "model" when None.
        artifact_path: What `name` was called before.

    Returns:
        Where it is, `model_uri` and `model_id`, and what is known of it.

    Raises:
        TypeError: It is none of these.
        ValueError: An argument has a value that it cannot have, or the model brings classes of its own; nothing was
            logged.
        NoActiveRunError, ArtifactExistsError, MissingLibraryError: As `holdall.sklearn.log_model`.

    Cost: as `holdall.pytorch.log_model`.
    """
    _refuse(prompt_template, save_pretrained, prompts, base_model_path)
    return models.log_model(
        transformers_model,
        name,
        flavor=_FLAVOR,
        artifact_path=artifact_path,
        processor=processor,
        task=task,
        torch_dtype=torch_dtype,
        model_card=model_card,
        code_paths=code_paths,
        registered_model_name=registered_model_name,
        signature=signature,
        input_example=input_example,
        await_registration_for=await_registration_for,
        pip_requirements=pip_requirements,
        extra_pip_requirements=extra_pip_requirements,
        conda_env=conda_env,
        metadata=metadata,
        model_config=model_config,
        params=params,
        tags=tags,
        model_type=model_type,
        step=step,
        model_id=model_id,
        extra_files=extra_files,
        **kwargs,
    )


def save_model(
    transformers_model: Any,
    path: str | os.PathLike[str],
    processor: Any = None,
    task: str | None = None,
    torch_dtype: Any = None,
    model_card: str | None = None,
    code_paths: Sequence[str] | None = None,
    mlflow_model: None = None,
    signature: Any = None,
    input_example: Any = None,
    pip_requirements: Any = None,
    extra_pip_requirements: Any = None,
    conda_env: Any = None,
    metadata: Mapping[str, Any] | None = None,
    model_config: Mapping[str, Any] | None = None,
    prompt_template: None = None,
    save_pretrained: bool = True,
    base_model_path: None = None,
    **kwargs: Any,
) -> None:
    """Write a pipeline or model into a local folder. Args: as `log_model`; `mlflow_model` is refused.

    Raises:
        DestinationError: There is something in the folder.
        TypeError, ValueError, MissingLibraryError: As `log_model`.
    """
    _refuse(prompt_template, save_pretrained, None, base_model_path)
    models.save_model(
        transformers_model,
        path,
        flavor=_FLAVOR,
        mlflow_model=mlflow_model,
        processor=processor,
        task=task,
        torch_dtype=torch_dtype,
        model_card=model_card,
        code_paths=code_paths,
        signature=signature,
        input_example=input_example,
        pip_requirements=pip_requirements,
        extra_pip_requirements=extra_pip_requirements,
        conda_env=conda_env,
        metadata=metadata,
        model_config=model_config,
        **kwargs,
    )


def load_model(
    model_uri: str | os.PathLike[str],
    dst_path: str | None = None,
    return_type: str = "pipeline",
    device: Any = None,
    base_model_path: None = None,
    **kwargs: Any,
) -> Any:
    """The pipeline at an address, on the CPU; the model alone, where it was logged alone.

    Args:
        model_uri: Where it is, as for `holdall.load_model`.
        dst_path: A folder to keep its files in.
        return_type: "components" for a dictionary of the model, its tokenizer and the like, and the task.
        device: Where the model is to be.
        base_model_path: Of MLflow; None.
        kwargs: `torch_dtype`, and what `transformers.pipeline` takes.

    Raises:
        ValueError: There is no pipeline of it, and `return_type` asks for one.
        What `holdall.load_model` does.
    """
    _refuse(None, True, None, base_model_path)
    return models.load_model(model_uri, dst_path, flavor=_FLAVOR, return_type=return_type, device=device, **kwargs)


def _refuse(prompt_template: Any, save_pretrained: bool, prompts: Any, base_model_path: Any) -> None:
    """Say no to what would leave something out, rather than leave it out in silence."""
    given = {"prompt_template": prompt_template, "prompts": prompts, "base_model_path": base_model_path}
    given["save_pretrained=False"] = None if save_pretrained else False
    for name, value in given.items():
        if value is not None:
            raise ValueError(f"{name} is not for models in holdall, which keeps all of a model and calls it as it is")
