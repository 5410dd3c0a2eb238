"""A model as a folder: the flavor's files, and those that every model has.

MLmodel                      describes the rest; written last, by `committing`
model.pkl, ...               the flavor's
requirements.txt, conda.yaml, python_env.yaml [, constraints.txt]
input_example.json, serving_input_example.json      where there is an example
code/                        `code_paths`, which come before all else when it is loaded
artifacts/                   `artifacts`, which a Python model asks for by name
extra_files/                 `extra_files`
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

from holdall.modeling.files.copying import copy_local
from holdall.modeling.files.places import refuse_missing
from holdall.modeling.flavor import PYFUNC, Flavor, Parts
from holdall.modeling.model import Model, config_of
from holdall.modeling.saving.keywords import ModelExtras, Paths
from holdall.modeling.saving.pathless import pathless_files
from holdall.modeling.saving.privacy import is_private, warn_of_private, warn_of_secrets
from holdall.modeling.saving.requirements import CONDA, PYTHON_ENV, environment_files
from holdall.modeling.saving.trial import shown_signature
from holdall.modeling.signatures.example import make_example
from holdall.modeling.signatures.signature import as_signature

CODE, ARTIFACTS, EXTRA = "code", "artifacts", "extra_files"
Fetch: TypeAlias = Callable[[str, Path], None]  # an address, and where the file or folder there is to go


def save_files(
    flavor: Flavor,
    model: Any,
    folder: Path,
    extras: ModelExtras,
    options: Mapping[str, Any],
    fetch: Fetch,
    *,
    paths: bool,
) -> Model:
    """Write all files of a model but the MLmodel file.

    Args:
        flavor: The model's flavor.
        model: The model.
        folder: An empty folder.
        extras: What is kept with it, whatever its flavor.
        options: The keyword arguments of the flavor's own `save`.
        fetch: Copies the file at an address of `artifacts` or `extra_files`.
        paths: Whether its requirements may name a local path.

    Returns:
        What the MLmodel file is to say, without where and when it was logged.

    Raises:
        ValueError, TypeError: An argument that cannot be.
        SignatureError: A signature or example that cannot be.
        SourceUnreadableError: A file that is named cannot be read.
        MissingLibraryError: A library is not installed.
    """
    example = None if extras.input_example is None else make_example(extras.input_example)
    signature = None if extras.signature in (None, False) else as_signature(extras.signature)
    config = config_of(extras.model_config)
    if flavor.name == PYFUNC and config:
        options = {**options, "config": config}  # code that is a model asks for it when it runs
    warn_of_secrets("metadata", extras.metadata)
    warn_of_secrets("model_config", config)
    parts = flavor.save(model, folder, **options)
    _copy_code(extras.code_paths or (), folder / CODE)
    flavors = _flavors(flavor, parts, extras, config)
    if extras.artifacts and PYFUNC in flavors:
        flavors[PYFUNC]["artifacts"] = _fetch_artifacts(extras.artifacts, folder, fetch)
    if extras.extra_files and flavor.name in flavors:
        flavors[flavor.name]["extra_files"] = _fetch_extra(extras.extra_files, folder, fetch)
    needed = environment_files(
        parts.modules,
        conda_env=extras.conda_env,
        pip_requirements=extras.pip_requirements,
        extra_pip_requirements=extras.extra_pip_requirements,
    )
    _write(folder, needed if paths else pathless_files(needed))
    hinted = signature is None and extras.signature is not False and parts.hinted is not None
    signature = parts.hinted if hinted else signature
    if signature is None and example and extras.signature is not False and PYFUNC in flavors:
        entry = Parts(own=flavors.get(flavor.name, {}), pyfunc=flavors[PYFUNC])
        signature = shown_signature(example, lambda: flavor.wrap(model, entry, folder=folder, config=config))
    _write(folder, example.files if example else {})
    refuse_missing(flavors, folder)
    return Model(
        flavors=flavors,
        signature=signature,
        is_signature_from_type_hint=hinted,
        saved_input_example_info=example.info if example else None,
        metadata=extras.metadata,
        model_size_bytes=size(folder),
    )


def size(folder: Path) -> int:
    """Return how many bytes the files of a folder have, without what links lead to."""
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file() and not each.is_symlink())


# --- inside ---


def _flavors(flavor: Flavor, parts: Parts, extras: ModelExtras, config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    code = CODE if extras.code_paths else None
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


def _copy_code(paths: Paths, target: Path) -> None:
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
