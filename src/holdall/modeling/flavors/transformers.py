"""transformers: pipelines, and models with what turns text, sound or pictures into their input.

    model/                       the model's own files: config.json, model.safetensors
    components/<name>/           tokenizer, feature_extractor, image_processor, processor: what there is of them

None of it runs code when it is loaded: classes are transformers' own, weights
are safetensors (or, in folders of older writers, pickles that torch reads as
weights alone). A model with code of its own is refused, at both ends.

As a python_function, text goes in as a string, a list, or a table: of its only
column the values, of several the rows by name. What comes out is MLflow's: a
table for what classifies, a list of texts for what writes, and what the
pipeline itself says for most else; but of features all, as an array for each
text, where MLflow drops those of all texts but the first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from holdall.errors import ContentError
from holdall.libraries import library
from holdall.modeling.files.places import named, within
from holdall.modeling.files.transformers_configs import (
    FETCHING,
    attention_of,
    check_configs,
    quantizer_of,
    without_code,
)
from holdall.modeling.flavor import Parts, Predictor, root_module
from holdall.modeling.signatures import duck_types

_MODEL: Final = "model"
_COMPONENTS: Final = "components"
_NAMES: Final = ("feature_extractor", "tokenizer", "image_processor")
_QUANTIZED: Final = "quantized_by"  # what is not said here is not quantized
_PROCESSOR: Final = "processor"  # MLflow keeps it beside the components, and makes no pipeline of it
_TASKS: Final = {  # by how the names of models end
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
    "ForMaskedLM": "fill-mask",
    "ForCausalLM": "text-generation",
    "LMHeadModel": "text-generation",
    "ForImageClassification": "image-classification",
    "ForAudioClassification": "audio-classification",
    "Model": "feature-extraction",
}
_SPOKEN: Final = {"text-generation": "generated_text", "fill-mask": "token_str", "token-classification": "entity"}
_TABLES: Final = ("text-classification", "image-classification", "audio-classification")


class TransformersFlavor:
    """See `Flavor`."""

    name = "transformers"
    loaders = ("mlflow.transformers",)

    def knows(self, kind: type) -> bool:
        """Return whether it is a pipeline, or a model that transformers loads."""
        return root_module(kind) == "transformers" and kind.__name__ in ("Pipeline", "PreTrainedModel")

    def save(
        self,
        model: Any,
        folder: Path,
        *,
        processor: Any = None,
        task: str | None = None,
        torch_dtype: Any = None,
        model_card: str | None = None,
    ) -> Parts:
        """See `Flavor.save` and `holdall.transformers.log_model`."""
        transformers = library("transformers", "keeping a model of transformers")
        parts = _taken_apart(transformers, model) | ({_PROCESSOR: processor} if processor is not None else {})
        task = task or getattr(model, "task", None) or _task_of(parts[_MODEL], needed=len(parts) > 1)
        for name, part in parts.items():
            _refuse_foreign(transformers, name, part)
            part.save_pretrained(str(folder / (_MODEL if name == _MODEL else f"{_COMPONENTS}/{name}")))
        quantizer = _checked(folder)
        if model_card is not None:
            (folder / "model_card.md").write_text(str(model_card), encoding="utf-8")
        dtype = torch_dtype or getattr(parts[_MODEL], "dtype", None)
        own = {
            "transformers_version": transformers.__version__,
            "task": task,
            "instance_type": type(model).__name__ if isinstance(model, transformers.Pipeline) else None,
            "torch_dtype": None if dtype is None else str(dtype),
            "pipeline_model_type": type(parts[_MODEL]).__name__,
            "model_binary": _MODEL,
            _QUANTIZED: quantizer,
            "components": [name for name in _NAMES if name in parts],
            **{f"{name}_type": type(part).__name__ for name, part in parts.items() if name != _MODEL},
        }
        output = {key: value for key, value in own.items() if value is not None}
        predicts = task is not None and processor is None and len(parts) > 1
        modules = {"transformers", "torch", "safetensors", "tokenizers"}
        return Parts(own=output, pyfunc={} if predicts else None, modules=modules)

    def load(
        self,
        folder: Path,
        parts: Parts,
        *,
        return_type: str = "pipeline",
        device: Any = None,
        torch_dtype: Any = None,
        **options: Any,
    ) -> Any:
        """See `Flavor.load` and `holdall.transformers.load_model`; `options` are those of a pipeline."""
        if return_type not in ("pipeline", _COMPONENTS):
            raise ValueError(f"return_type={return_type!r} is neither 'pipeline' nor 'components'")
        transformers = library("transformers", "loading a model of transformers")
        found = _read(transformers, folder, parts.own, torch_dtype)
        if device is not None:
            found[_MODEL] = found[_MODEL].to(device)
        if return_type == _COMPONENTS:
            return {"task": parts.own.get("task"), **found}
        if len(found) == 1:
            return found[_MODEL]
        if _PROCESSOR in found:
            raise ValueError("it was kept with a processor, of which there are no pipelines: return_type='components'")
        return transformers.pipeline(str(parts.own["task"]), **{"trust_remote_code": False, **found, **options})

    def wrap(self, model: Any, parts: Parts, *, folder: Path, config: Mapping[str, Any]) -> Predictor:  # noqa: ARG002
        """See `Flavor.wrap`; `config` is what the pipeline is called with, unless a call says otherwise."""
        transformers = library("transformers", "predicting with a model of transformers")
        if not isinstance(model, transformers.Pipeline):
            taken = _taken_apart(transformers, model)
            model = transformers.pipeline(str(parts.own["task"]), trust_remote_code=False, **taken)
        return Spoken(model, config)

    def runs_code(self, parts: Parts) -> Sequence[str]:
        """None of it does; but a quantizer is code of others, and may be fetched."""
        return [f"{named(parts.own.get('model_binary') or _MODEL)}/config.json"] if parts.own.get(_QUANTIZED) else []


class Spoken:
    """A pipeline as a python_function."""

    def __init__(self, pipeline: Any, config: Mapping[str, Any]) -> None:
        self._pipeline, self._config = pipeline, dict(config)

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Return what the pipeline says, as MLflow shapes it."""
        asked, options = _asked(data), {**self._config, **(params or {})}
        if refused := [name for name in options if name in FETCHING]:
            raise ValueError(f"{', '.join(refused)}: what a pipeline is called with cannot fetch code or models")
        by_name = isinstance(asked, Mapping)
        output = self._pipeline(**asked, **options) if by_name else self._pipeline(asked, **options)
        shape = _shape(self._pipeline.task)
        return shape(output) if shape else output


def _asked(data: Any) -> Any:
    """Return what a pipeline takes: strings for what has one column, dictionaries for what has names."""
    if duck_types.is_frame(data):
        rows = data.to_dict(orient="records")
        return data.iloc[:, 0].tolist() if len(data.columns) == 1 else rows
    return data.tolist() if duck_types.is_ndarray(data) else data


def _shape(task: str) -> Callable[[Any], Any] | None:
    if task in _TABLES:
        return lambda output: library("pandas", "a table of labels").DataFrame(output)
    if task == "feature-extraction":
        return _features
    if task in _SPOKEN:
        return lambda output: [_word(each, task) for each in _per_input(output)]
    return None


def _features(output: Any) -> Any:
    """Return the vectors of a text's tokens, an array of (tokens, size); of several texts a list of these."""
    numpy = library("numpy", "the features of a text")
    return [numpy.array(each[0]) for each in output] if isinstance(output[0][0][0], list) else numpy.array(output[0])


def _word(output: Any, task: str) -> str:
    """Return the likeliest of several answers; of tokens all their labels."""
    if task == "token-classification":
        return ",".join(each.get("entity_group") or each["entity"] for each in output)
    return str(output[0][_SPOKEN[task]])


def _per_input(output: Any) -> list[Any]:
    """Return answers as a list of lists: of one text, a pipeline gives its list alone."""
    return output if output and isinstance(output[0], list) else [output]


# --- inside ---


def _taken_apart(transformers: Any, model: Any) -> dict[str, Any]:
    """Return the model, and what is before it; by MLflow's names."""
    if isinstance(model, transformers.Pipeline):
        named = {name: getattr(model, name, None) for name in _NAMES}
        return {_MODEL: model.model, **{name: part for name, part in named.items() if part is not None}}
    if isinstance(model, transformers.PreTrainedModel):
        return {_MODEL: model}
    if isinstance(model, Mapping) and isinstance(model.get(_MODEL), transformers.PreTrainedModel):
        unknown = set(model) - {_MODEL, *_NAMES}
        if unknown:
            raise ValueError(f"{', '.join(map(str, unknown))}: of components there are {', '.join((_MODEL, *_NAMES))}")
        return dict(model)
    raise TypeError(
        f"a pipeline of transformers, a model, or a dictionary of 'model' and 'tokenizer' is needed, "
        f"not a {type(model).__name__}"
    )


def _task_of(model: Any, *, needed: bool) -> str | None:
    """Return what a model does, by its class."""
    for end, task in _TASKS.items():
        if type(model).__name__.endswith(end):
            return task
    if needed:
        raise ValueError(f"what a {type(model).__name__} does is not known: give task='text-classification' or another")
    return None


def _checked(folder: Path) -> str | None:
    """Return what was just saved, held against what could be loaded again. Returns: what it was quantized by.

    Raises:
        ValueError: It names code or files that are not in the folder.
    """
    without_code(folder)
    quantizer = quantizer_of(folder / _MODEL)
    try:
        check_configs(folder, quantized=quantizer is not None)
    except ContentError as error:
        raise ValueError(f"it could not be loaded again: {error.reason}; log it as a PythonModel") from error
    return quantizer


def _refuse_foreign(transformers: Any, name: str, part: Any) -> None:
    if getattr(transformers, type(part).__name__, None) is not type(part):
        raise ValueError(
            f"the {name} is a {type(part).__module__}.{type(part).__name__}, none of transformers' own: "
            "everyone who loads it needs that code; log it as a PythonModel, with code_paths"
        )


def _read(transformers: Any, folder: Path, own: Mapping[str, Any], dtype: Any) -> dict[str, Any]:
    """Return the model and its components, out of their folders.

    Raises:
        ContentError: They are not there, are damaged, or bring code of their own.
    """
    if "model_binary" not in own or own.get("peft_adaptor"):
        raise ContentError(str(folder), "a whole model of transformers", "it has no weights, or only a part of them")
    names = [*own.get("components", ()), *([_PROCESSOR] if f"{_PROCESSOR}_type" in own else ())]
    places = {_MODEL: (named(own["model_binary"]), str(own.get("pipeline_model_type")))}
    places |= {name: (f"{_COMPONENTS}/{name}", str(own.get(f"{name}_type"))) for name in names}
    found = {}
    for name, (path, kind) in places.items():
        maker: Any = getattr(transformers, kind, None)
        if not isinstance(maker, type) or not issubclass(maker, _kinds(transformers, name)):
            raise ContentError(str(folder), "made of transformers' own classes", f"its {name} is a {kind}")
        place = within(folder, path)
        check_configs(place, quantized=bool(own.get(_QUANTIZED)))
        options = _of_model(place, dtype or own.get("torch_dtype")) if name == _MODEL else {}
        try:
            found[name] = cast("Any", maker).from_pretrained(
                str(place), local_files_only=True, trust_remote_code=False, **options
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise ContentError(str(place), f"a {kind}", f"{type(error).__name__}: {error}") from error
    return found


def _of_model(place: Path, dtype: Any) -> dict[str, Any]:
    attention = {"attn_implementation": attention_of(place)}
    return {"dtype": _dtype(dtype), **attention, "use_kernels": False, "weights_only": True}


def _kinds(transformers: Any, name: str) -> tuple[type, ...]:
    """Return what a part may be; transformers has other classes that load things, and some of those run code."""
    if name == _MODEL:
        return (transformers.PreTrainedModel,)
    names = ("PreTrainedTokenizerBase", "FeatureExtractionMixin", "ImageProcessingMixin", "ProcessorMixin")
    return tuple(getattr(transformers, each) for each in names)


def _dtype(given: Any) -> Any:
    """Return a dtype of torch, or its name with or without `torch.`; None leaves the model's own."""
    if not isinstance(given, str):
        return given
    torch = library("torch", "loading weights")
    found = getattr(torch, given.removeprefix("torch."), None)
    if not isinstance(found, torch.dtype):
        raise ContentError(given, "a dtype of torch", "torch knows none of this name")
    return found


FLAVOR: Final = TransformersFlavor()
