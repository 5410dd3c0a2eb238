"""What must be installed where a model is used.

    requirements.txt    one requirement per line, for pip
    constraints.txt     what `-c` said, if anything did
    conda.yaml          the same with Python and pip, for conda
    python_env.yaml     the same, for virtual environments

A model's requirements are the distributions that its own modules come from, in
the versions that are installed here. Nothing is started or loaded for that.

The first line is `mlflow==...`, as MLflow writes it: the programs that build an
environment from these files (`mlflow models serve` and all that stand on it)
run MLflow in it, and find a complete one. holdall is listed only where the
model itself imports it; who serves with holdall has it installed.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeAlias

from holdall.errors import InvalidArgumentError, SourceUnreadableError
from holdall.modeling.model import dump_yaml
from holdall.modeling.model_info import SPOKEN
from holdall.modeling.saving.privacy import public_environment, public_lines
from holdall.runs.plain_yaml import load_yaml

REQUIREMENTS, CONSTRAINTS, CONDA, PYTHON_ENV = "requirements.txt", "constraints.txt", "conda.yaml", "python_env.yaml"
Given: TypeAlias = str | os.PathLike[str] | Sequence[str] | None
_DESCRIBED: Final = (".dist-info", ".egg-info")
_NAME: Final = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_OPTION: Final = re.compile(r"\s*(-r|--requirement|-c|--constraint)[\s=]+(\S+)\s*")


def requirements_of(modules: Iterable[str]) -> list[str]:
    """Return the distributions that modules come from, as `name==version`, sorted; other modules are left out.

    Cost: the first time in a process, and after something was installed, a look at every distribution's list of files.
    """
    installed = _installed()
    roots = {module.partition(".")[0] for module in modules} - sys.stdlib_module_names
    names = {name for root in roots for name in _distributions(root, installed)}
    return sorted((f"{name}=={_public(importlib.metadata.version(name))}" for name in names), key=str.lower)


def environment_files(
    modules: Iterable[str],
    *,
    conda_env: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    pip_requirements: Given = None,
    extra_pip_requirements: Given = None,
) -> dict[str, bytes]:
    """Return the files that say what a model needs.

    Args:
        modules: What the model imports; its distributions are listed unless one of the next two says all.
        conda_env: An environment of conda, or the path of its file.
        pip_requirements: Lines as pip has them, `-r` and `-c` too; or the path of a file of them.
        extra_pip_requirements: The same, beside what `modules` say. What both name is as it is said here.

    Returns:
        Their contents, by name.

    Raises:
        ValueError: More than one of the three is given.
        SourceUnreadableError: A file that is named cannot be read.
    """
    if sum(each is not None for each in (conda_env, pip_requirements, extra_pip_requirements)) > 1:
        raise InvalidArgumentError("give one of conda_env, pip_requirements and extra_pip_requirements")
    if conda_env is not None:
        return _of_conda(conda_env)
    own_lines = public_lines(_lines(pip_requirements if pip_requirements is not None else extra_pip_requirements))
    inferred = requirements_of(modules) if pip_requirements is None else []
    named = {_name(line) for line in own_lines}
    lines = _with_mlflow([*(line for line in inferred if _name(line) not in named), *own_lines])
    constraints = "\n".join(line[3:] for line in lines if line.startswith("-c "))
    lines = [line for line in lines if not line.startswith("-c ")]
    files = {CONSTRAINTS: constraints.encode()} if constraints else {}
    return files | _files([*lines, *([f"-c {CONSTRAINTS}"] if constraints else [])])


# --- inside ---


def _files(lines: Sequence[str], conda: Mapping[str, Any] | None = None) -> dict[str, bytes]:
    pip, python = _version("pip"), platform.python_version()
    made = conda or {
        "channels": ["conda-forge"],
        "dependencies": [f"python={python}", f"pip<={pip}" if pip else "pip", {"pip": list(lines)}],
        "name": "mlflow-env",
    }
    tools = [f"{name}=={version}" for name in ("pip", "setuptools") if (version := _version(name))]
    named = {"python": python, "build_dependencies": [*tools, "wheel"], "dependencies": [f"-r {REQUIREMENTS}"]}
    return {
        REQUIREMENTS: "".join(f"{line}\n" for line in lines).encode(),
        CONDA: dump_yaml(made),
        PYTHON_ENV: dump_yaml(named),
    }


def _of_conda(given: str | os.PathLike[str] | Mapping[str, Any]) -> dict[str, bytes]:
    """Return the files of an environment of conda; MLflow is added to what it installs by pip."""
    env = public_environment(given if isinstance(given, Mapping) else load_yaml(_read(Path(given)), str(given)))
    others = [each for each in env.get("dependencies") or [] if not isinstance(each, Mapping)]
    mappings = [each for each in env.get("dependencies") or [] if isinstance(each, Mapping)]
    if odd := [each for each in mappings if list(each) != ["pip"]]:
        raise InvalidArgumentError(
            f"conda_env: its dependencies hold {dict(odd[0])}, where only a list of `pip` may be"
        )
    by_pip = [line for each in mappings for line in each["pip"] or []]
    known = {_name(str(each)) for each in others}
    lines = by_pip if "mlflow" in known else _with_mlflow(by_pip)
    env["dependencies"] = [*others, *([] if "pip" in known else ["pip"]), {"pip": lines}]
    return _files(lines, env)


def _with_mlflow(lines: list[str]) -> list[str]:
    return lines if {"mlflow", "mlflow-skinny"} & {_name(line) for line in lines} else [f"mlflow=={SPOKEN}", *lines]


def _lines(given: Given) -> list[str]:
    """Return requirements, one per line; each line of a file of constraints with `-c ` before it."""
    if given is None:
        return []
    if isinstance(given, str | os.PathLike):
        return list(_of_file(Path(given), ""))
    return [line for each in given for line in _expanded(str(each), Path())]


def _of_file(path: Path, mark: str) -> Iterator[str]:
    for line in _read(path).decode().replace("\\\n", "").splitlines():
        text = re.sub(r"(^|\s)#.*", "", line).strip()
        for each in _expanded(text, path.parent) if text else ():
            yield each if each.startswith("-c ") else mark + each


def _expanded(line: str, folder: Path) -> Iterator[str]:
    """Yield a line; or, if it names a file, what that says: no path of this machine is kept."""
    named = _OPTION.fullmatch(line)
    if named:
        yield from _of_file(folder / named[2], "-c " if "c" in named[1].lstrip("-")[:1] else "")
    else:
        yield line.strip()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceUnreadableError(str(path), f"cannot be read: {error.strerror}") from error


def _name(line: str) -> str:
    found = _NAME.match(line)
    return re.sub(r"[-_.]+", "-", found[1]).lower() if found else line


def _public(version: str) -> str:
    """Return a version without what only one builder's index has, as `+cpu`."""
    return version.partition("+")[0]


def _distributions(root: str, installed: frozenset[str]) -> list[str]:
    """Return the distributions of a module."""
    found = _all_distributions(installed).get(root)
    if found is None and _version(root) is not None:
        return [root]  # installed as what is being worked on, which lists no files
    return found or []


def _installed() -> frozenset[str]:
    """Where distributions describe themselves. To list these places takes a millisecond, to read them a second."""
    found = set[str]()
    for folder in sys.path:
        with suppress(OSError):  # an archive, or not there
            found.update(str(place) for place in Path(folder).iterdir() if place.suffix in _DESCRIBED)
    return frozenset(found)


@lru_cache(maxsize=1)
def _all_distributions(_: frozenset[str]) -> Mapping[str, list[str]]:
    """Return the distributions of every module; looked for again where something was installed since the last look."""
    return importlib.metadata.packages_distributions()


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
