"""A model into a folder: its own files, and what stands beside those of every model.

MLmodel                      what all of it is; written last, by whoever knows where it goes
model.pkl, ...               the flavor's
requirements.txt, conda.yaml, python_env.yaml [, constraints.txt]
input_example.json, serving_input_example.json      where there is an example
code/                        `code_paths`, which come before all else when it is loaded
artifacts/                   `artifacts`, which a Python model asks for by name
extra_files/                 `extra_files`
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Final, TypeAlias

from holdall.modeling.files.copying import copy_local
from holdall.modeling.files.places import refuse_missing
from holdall.modeling.flavor import PYFUNC, Flavor, Parts
from holdall.modeling.model import Model, config_of
from holdall.modeling.saving.privacy import is_private, warn_of_private, warn_of_secrets
from holdall.modeling.saving.requirements import CONDA, PYTHON_ENV, environment_files
from holdall.modeling.saving.trial import shown_signature
from holdall.modeling.signatures.example import make_example
from holdall.modeling.signatures.signature import as_signature

CODE, ARTIFACTS, EXTRA = "code", "artifacts", "extra_files"
Fetch: TypeAlias = Callable[[str, Path], None]  # an address, and where the file or folder there is to go


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What is kept beside a model's own files, whatever its flavor; `holdall.sklearn.log_model` explains each."""

    signature: Any = None
    input_example: Any = None
    conda_env: str | os.PathLike[str] | Mapping[str, Any] | None = None
    pip_requirements: str | Sequence[str] | None = None
    extra_pip_requirements: str | Sequence[str] | None = None
    code_paths: Sequence[str | os.PathLike[str]] | None = None
    artifacts: Mapping[str, str] | None = None
    extra_files: Sequence[str] | None = None
    metadata: Mapping[str, Any] | None = None
    model_config: str | os.PathLike[str] | Mapping[str, Any] | None = None


_LISTS: Final = ("code_paths", "extra_files", "skops_trusted_types")
_NAMED: Final = ("artifacts", "metadata")
_BESIDE: Final = {field.name for field in fields(Beside)}


def parted(given: Mapping[str, Any]) -> tuple[Beside, dict[str, Any]]:
    """Keyword arguments, taken apart: those that every model has, and the flavor's own.

    Raises:
        TypeError: A text is given for a list, which would be taken letter by letter; or what has no names for names.
    """
    for key in _LISTS:
        if isinstance(given.get(key), str | bytes | os.PathLike):
            raise TypeError(f"{key} is a list; for one, write {key}=[{given[key]!r}]")
    for key in _NAMED:
        if not isinstance(given.get(key), Mapping | None):
            raise TypeError(f"{key} is a dictionary, not a {type(given[key]).__name__}")
    beside = {key: value for key, value in given.items() if key in _BESIDE}
    return Beside(**beside), {key: value for key, value in given.items() if key not in _BESIDE}


def save_files(
    flavor: Flavor, model: Any, folder: Path, beside: Beside, options: Mapping[str, Any], fetch: Fetch
) -> Model:
    """Write a model, and all that stands beside it, but for the MLmodel file.

    Args:
        flavor: Whose model it is.
        model: The model.
        folder: An empty folder.
        beside: What else to keep.
        options: The flavor's own.
        fetch: Brings what an address of `artifacts` or `extra_files` means.

    Returns:
        What the MLmodel file is to say, without where and when it was logged.

    Raises:
        ValueError, TypeError: An argument that cannot be.
        SignatureError: A signature or example that cannot be.
        SourceUnreadableError: A file that is named cannot be read.
        MissingLibraryError: A library is not installed.
    """
    example = None if beside.input_example is None else make_example(beside.input_example)
    signature = None if beside.signature in (None, False) else as_signature(beside.signature)
    config = config_of(beside.model_config)
    if flavor.name == PYFUNC and config:
        options = {**options, "config": config}  # code that is a model asks for it when it runs
    warn_of_secrets("metadata", beside.metadata)
    warn_of_secrets("model_config", config)
    parts = flavor.save(model, folder, **options)
    _copy_code(beside.code_paths or (), folder / CODE)
    flavors = _flavors(flavor, parts, beside, config)
    if beside.artifacts and PYFUNC in flavors:
        flavors[PYFUNC]["artifacts"] = _fetch_artifacts(beside.artifacts, folder, fetch)
    if beside.extra_files and flavor.name in flavors:
        flavors[flavor.name]["extra_files"] = _fetch_extra(beside.extra_files, folder, fetch)
    _write(
        folder,
        environment_files(
            parts.modules,
            conda_env=beside.conda_env,
            pip_requirements=beside.pip_requirements,
            extra_pip_requirements=beside.extra_pip_requirements,
        ),
    )
    hinted = signature is None and beside.signature is not False and parts.hinted is not None
    signature = parts.hinted if hinted else signature
    if signature is None and example and beside.signature is not False and PYFUNC in flavors:
        said = Parts(own=flavors.get(flavor.name, {}), pyfunc=flavors[PYFUNC])
        signature = shown_signature(example, lambda: flavor.wrap(model, said, folder=folder, config=config))
    _write(folder, example.files if example else {})
    refuse_missing(flavors, folder)
    return Model(
        flavors=flavors,
        signature=signature,
        is_signature_from_type_hint=hinted,
        saved_input_example_info=example.info if example else None,
        metadata=beside.metadata,
        model_size_bytes=sum(
            each.stat().st_size for each in folder.rglob("*") if each.is_file() and not each.is_symlink()
        ),
    )


# --- inside ---


def _flavors(flavor: Flavor, parts: Parts, beside: Beside, config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    code = CODE if beside.code_paths else None
    found: dict[str, dict[str, Any]] = {}
    if flavor.name != PYFUNC:
        found[flavor.name] = {**parts.own, "code": code}
    if parts.pyfunc is not None:
        found[PYFUNC] = {
            "loader_module": flavor.loaders[0],
            "python_version": platform.python_version(),
            "env": {"conda": CONDA, "virtualenv": PYTHON_ENV},
            "code": code,
            **({"config": dict(config)} if config else {}),
            **parts.pyfunc,
        }
    return found


def _copy_code(paths: Sequence[str | os.PathLike[str]], target: Path) -> None:
    whole = list(dict.fromkeys(Path(path).resolve() for path in paths))
    if len({path.name for path in whole}) < len(whole):
        named = ", ".join(map(str, whole))
        raise ValueError(f"two of code_paths have one name, and each is logged by its own: {named}; rename one")
    left: set[str] = set()
    for path in whole:
        if is_private(path):
            raise ValueError(f"code_paths: {str(path)!r} may hold credentials, and all who load the model can read it")
        copy_local(path, target / path.name, without=partial(_is_left, path, left))
    warn_of_private(left)


def _is_left(root: Path, left: set[str], path: str) -> bool:
    """Whether a path below a root is private, or below something that is; notes that."""
    parts = PurePosixPath(path).parts
    for n in range(len(parts)):
        if is_private(found := root.joinpath(*parts[: n + 1])):
            left.add(str(found))
            return True
    return False


def _fetch_artifacts(uris: Mapping[str, str], folder: Path, fetch: Fetch) -> dict[str, dict[str, str]]:
    """What a Python model asks for by name; of where it came from, only what means the same elsewhere is kept."""
    found: dict[str, dict[str, str]] = {}
    for name, uri in uris.items():
        base = str(uri).rstrip("/").rpartition("/")[2]
        taken = any(each["path"] == f"{ARTIFACTS}/{base}" for each in found.values())
        path = f"{ARTIFACTS}/{name}/{base}" if taken else f"{ARTIFACTS}/{base}"
        fetch(str(uri), folder / path)
        found[name] = {"path": path, "uri": str(uri) if str(uri).startswith(("runs:", "models:")) else base}
    return found


def _fetch_extra(uris: Sequence[str], folder: Path, fetch: Fetch) -> list[dict[str, str]]:
    paths = [f"{EXTRA}/{str(uri).rstrip('/').rpartition('/')[2]}" for uri in uris]
    if len(set(paths)) < len(paths):
        raise ValueError(f"two of extra_files have one name: {', '.join(paths)}")
    for uri, path in zip(uris, paths, strict=True):
        fetch(str(uri), folder / path)
    return [{"path": path} for path in paths]


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).write_bytes(data)
