"""The keyword arguments that saving a model takes, whatever its framework, said once.

Every flavor's `log_model` and `save_model` ends in `**options: Unpack[LogOptions]`
or `Unpack[SaveOptions]`, so that type checkers know each of them, and
`surfaces.fluent.spelled_out` puts them into `help()`. What reaches `Models.log` is taken apart here:
what every model has (`ModelExtras`), and what only its flavor takes.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any, Final, TypeAlias, TypedDict

from holdall.modeling.flavor import Flavor

Paths: TypeAlias = Sequence[str | os.PathLike[str]]
Lines: TypeAlias = str | os.PathLike[str] | Sequence[str]
Config: TypeAlias = str | os.PathLike[str] | Mapping[str, Any]


class SaveOptions(TypedDict, total=False):
    """Keyword arguments of every flavor's `save_model` and `log_model`.

    Attributes:
        conda_env: The conda environment that the model needs, as a dictionary or the path of its file. Only one of
            `conda_env`, `pip_requirements` and `extra_pip_requirements` can be given.
        pip_requirements: All lines of its requirements.txt, or the path of such a file.
        extra_pip_requirements: Lines that are added to those that are found from what the model imports.
        code_paths: Files and folders of code that are kept with the model; `sys.path` begins with them once it is
            loaded.
        signature: The model's input and output schemas, ours or MLflow's. None: inferred from `input_example`, if
            there is one. False: no signature.
        input_example: Data that the model accepts; or a tuple of that and of parameters.
        metadata: More values for the MLmodel file, by name.
        extra_files: Files that are kept with the model: local paths, `runs:/...` or `models:/...`.
    """

    conda_env: Config | None
    pip_requirements: Lines | None
    extra_pip_requirements: Lines | None
    code_paths: Paths | None
    signature: Any
    input_example: Any
    metadata: Mapping[str, Any] | None
    extra_files: Paths | None


class LogOptions(SaveOptions, total=False):
    """Keyword arguments of every flavor's `log_model`: those of `save_model`, and these.

    Attributes:
        name: The model's path in the run; "model" when None.
        run_id: The run to log to; the active one when None.
        registered_model_name: Register the model as the next version of this registered model.
        await_registration_for: Accepted for MLflow's sake; a version is READY at once.
        params: Parameters of the logged model, by name.
        tags: Tags of the logged model, by name.
        model_type: A word for the kind of model, for people.
        step: The training step that the model is from.
        model_id: Must be None: the run gives the model its id.
    """

    name: str | None
    run_id: str | None
    registered_model_name: str | None
    await_registration_for: int | None
    params: Mapping[str, Any] | None
    tags: Mapping[str, Any] | None
    model_type: str | None
    step: int
    model_id: str | None


DEFAULTS: Final[Mapping[str, Any]] = {"await_registration_for": 300, "step": 0}  # of the above; None for all others


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelExtras:
    """What is kept with a model's own files, whatever its flavor. Attributes: as in `SaveOptions`, and two more.

    Attributes:
        artifacts: Files that a Python model reads, by a name of their own.
        model_config: The configuration that a python_function is called with.
    """

    signature: Any = None
    input_example: Any = None
    conda_env: Config | None = None
    pip_requirements: Lines | None = None
    extra_pip_requirements: Lines | None = None
    code_paths: Paths | None = None
    artifacts: Mapping[str, str] | None = None
    extra_files: Sequence[str] | None = None
    metadata: Mapping[str, Any] | None = None
    model_config: Config | None = None


_LISTS: Final = ("code_paths", "extra_files", "skops_trusted_types")
_NAMED: Final = ("artifacts", "metadata")
_EXTRAS: Final = {field.name for field in fields(ModelExtras)}

# keyword arguments of MLflow that no flavor has here, and what to do instead
_INSTEAD: Final = {
    "infer_code_paths": "list the files in code_paths",
    "resources": "they are for Databricks; put what the model needs into metadata",
    "auth_policy": "it is for Databricks",
    "uv_project_path": "give pip_requirements",
    "uv_groups": "give pip_requirements",
    "uv_extras": "give pip_requirements",
    "prompts": "there is no registry of prompts; put the prompt into model_config or metadata",
    "code_path": "it is called code_paths",
    "registered_model_name": "Store.log_model registers what it logs",
}


def split_kwargs(given: Mapping[str, Any], flavor: Flavor) -> tuple[ModelExtras, dict[str, Any]]:
    """Split keyword arguments into those that every model has and the flavor's own.

    Raises:
        TypeError: The flavor has no such argument; a string is given for a list, which would be taken letter by
            letter; or a dictionary is needed.
    """
    for key in _LISTS:
        if isinstance(given.get(key), str | bytes | os.PathLike):
            raise TypeError(f"{key} is a list; for one, write {key}=[{given[key]!r}]")
    for key in _NAMED:
        if not isinstance(given.get(key), Mapping | None):
            raise TypeError(f"{key} is a dictionary, not a {type(given[key]).__name__}")
    extras = {key: value for key, value in given.items() if key in _EXTRAS}
    options = {key: value for key, value in given.items() if key not in _EXTRAS}
    return ModelExtras(**extras), _known(options, flavor)


def _known(options: dict[str, Any], flavor: Flavor) -> dict[str, Any]:
    """Return the flavor's options without those of MLflow that are None. Raises: TypeError, for one it has not."""
    taken = inspect.signature(flavor.save).parameters
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in taken.values()):
        return options
    own = [name for name, each in taken.items() if each.kind is inspect.Parameter.KEYWORD_ONLY]
    unknown = [name for name in options if name not in own]
    for name in unknown:
        if options.pop(name) or name not in _INSTEAD:
            raise TypeError(f"models of flavor {flavor.name!r} take no argument {name!r}{_hint(name, own)}")
    return options


def _hint(name: str, own: Sequence[str]) -> str:
    if name in _INSTEAD:
        return f": {_INSTEAD[name]}"
    near = get_close_matches(name, [*own, *_EXTRAS, *LogOptions.__annotations__], n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; its own are {', '.join(own)}" if own else ""
