"""Models of transformers: `holdall.transformers`, as users of MLflow know it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from holdall.missing_names import explaining
from holdall.modeling.saving.keywords import LogOptions, SaveOptions
from holdall.store import ModelInfo
from holdall.surfaces.fluent import models
from holdall.surfaces.fluent.autologging import autolog_flavor as autolog
from holdall.surfaces.fluent.keywords import list_keywords

__all__ = ["autolog", "load_model", "log_model", "save_model"]

if not TYPE_CHECKING:
    __getattr__ = explaining(__name__, __all__)

_FLAVOR = "transformers"
_WHOLE = "is not for models in holdall, which keeps all of a model and calls it as it is"


class _Options(TypedDict, total=False):
    """Keyword arguments that only this flavor has.

    Attributes:
        processor: A processor that is kept with it; then the model is loaded in parts, and is no python_function.
        task: The task of the pipeline, such as "text-classification"; found from the model's class when None.
        torch_dtype: The dtype to load the weights as; their own when None.
        model_card: What to tell people of the model, as Markdown.
        model_config: Keyword arguments of the pipeline's call as a python_function, such as `{"max_new_tokens": 20}`.
        save_pretrained: Must be True: a store has all of a model, and what several have in common once.
        prompt_template: Must be None.
        prompts: Must be None.
        base_model_path: Must be None.
    """

    processor: Any
    task: str | None
    torch_dtype: Any
    model_card: str | None
    model_config: Mapping[str, Any] | None
    save_pretrained: bool
    prompt_template: None
    prompts: None
    base_model_path: None


class _LogOptions(LogOptions, _Options, total=False): ...


class _SaveOptions(SaveOptions, _Options, total=False): ...


_listed = list_keywords(_Options, save_pretrained=True)


@_listed
def log_model(transformers_model: Any, artifact_path: str | None = None, **options: Unpack[_LogOptions]) -> ModelInfo:
    """Log a pipeline, or a model and its tokenizer, into the active run: one commit, complete when this returns.

    Args:
        transformers_model: A pipeline; a model; or a dictionary of "model" and any of "tokenizer",
            "feature_extractor" and "image_processor".
        options: See `LogOptions` and `_Options`.

    Raises:
        ValueError: An argument has a value that it cannot have, or the model brings classes of its own; nothing was
            logged.
        Others: as `holdall.log_model`.

    Cost: as `holdall.pytorch.log_model`.

    Example:
        >>> import transformers
        >>> config = transformers.BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, vocab_size=9)
        >>> model = transformers.BertModel(config)
        >>> with holdall.start_run():
        ...     info = holdall.transformers.log_model({"model": model}, name="m", pip_requirements=["transformers"])
        >>> info.name
        'm'
    """
    return models.log_model(transformers_model, flavor=_FLAVOR, artifact_path=artifact_path, **_checked(options))


@_listed
def save_model(
    transformers_model: Any,
    path: str | os.PathLike[str],
    *,
    mlflow_model: None = None,
    **options: Unpack[_SaveOptions],
) -> None:
    """Write a pipeline or model into a local folder, as `log_model` writes it into a run.

    Args:
        transformers_model: As for `log_model`.
        options: See `SaveOptions` and `_Options`.

    Raises: as `log_model`; DestinationError, where there is something in the folder.

    Example:
        >>> import transformers
        >>> config = transformers.BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, vocab_size=9)
        >>> model = transformers.BertModel(config)
        >>> holdall.transformers.save_model({"model": model}, "folder", pip_requirements=["transformers"])
    """
    models.save_model(transformers_model, path, flavor=_FLAVOR, mlflow_model=mlflow_model, **_checked(options))


def load_model(
    model_uri: str | os.PathLike[str],
    dst_path: str | None = None,
    return_type: str = "pipeline",
    device: Any = None,
    base_model_path: None = None,
    **kwargs: Any,
) -> Any:
    """Load the pipeline at an address, on the CPU; the model alone, where it was logged alone.

    Args:
        model_uri: Where it is, as for `holdall.load_model`.
        dst_path: A folder to keep its files in.
        return_type: "components" for a dictionary of the model, its tokenizer and the like, and the task.
        device: Where the model is to be.
        base_model_path: Must be None.
        kwargs: `torch_dtype`, and what `transformers.pipeline` takes.

    Raises:
        ValueError: There is no pipeline of it, and `return_type` asks for one.
        Others: as `holdall.load_model`.

    Example:
        >>> import transformers
        >>> config = transformers.BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, vocab_size=9)
        >>> model = transformers.BertModel(config)
        >>> holdall.transformers.save_model({"model": model}, "m", pip_requirements=["transformers"])
        >>> sorted(holdall.transformers.load_model("m", return_type="components"))
        ['model', 'task']
    """
    _checked({"base_model_path": base_model_path})
    return models.load_model(model_uri, dst_path, flavor=_FLAVOR, return_type=return_type, device=device, **kwargs)


def _checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options without those of MLflow that would leave something out of the model, refusing these."""
    options = dict(given)
    if not options.pop("save_pretrained", True):
        raise ValueError(f"save_pretrained=False {_WHOLE}")
    for name in ("prompt_template", "prompts", "base_model_path"):
        if options.pop(name, None) is not None:
            raise ValueError(f"{name} {_WHOLE}")
    return options
