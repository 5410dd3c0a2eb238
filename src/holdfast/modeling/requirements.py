"""What must be installed where a model is used.

    requirements.txt    one requirement per line, for pip
    conda.yaml          the same with Python and pip, for conda
    python_env.yaml     the same, for virtual environments

A model's requirements are the distributions that its own modules come from, in
the versions that are installed here. Nothing is started or loaded for that.

The first line is `mlflow==...`, as MLflow writes it: the programs that build an
environment from these files (`mlflow models serve` and all that stand on it)
run MLflow in it, and find a complete one. holdfast is listed where the model
itself imports it, as a subclass of `holdfast.pyfunc.PythonModel` does; who
serves with holdfast has it installed.
"""

from __future__ import annotations

import importlib.metadata
import platform
import re
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from holdfast.modeling.model import SPOKEN, dump_yaml

REQUIREMENTS, CONDA, PYTHON_ENV = "requirements.txt", "conda.yaml", "python_env.yaml"
_MLFLOW: Final = re.compile(r"mlflow(-skinny)?\b(?!-)", re.IGNORECASE)


def requirements_of(modules: Iterable[str]) -> list[str]:
    """The distributions that modules come from, as `name==version`, sorted; those of no distribution are left out.

    Cost: the first time in a process, a look at every distribution's list of files.
    """
    roots = {module.partition(".")[0] for module in modules} - sys.stdlib_module_names
    names = {name for root in roots for name in _distributions(root)}
    return sorted((f"{name}=={importlib.metadata.version(name)}" for name in names), key=str.lower)


def _distributions(root: str) -> list[str]:
    """The distributions of a module; what was installed since the last look is found by looking again."""
    return _all_distributions(len(sys.path)).get(root) or []


@lru_cache(maxsize=4)
def _all_distributions(_: int) -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()


def with_mlflow(requirements: Iterable[str]) -> list[str]:
    """These, and MLflow before them unless it is among them."""
    found = list(requirements)
    return found if any(_MLFLOW.match(line) for line in found) else [f"mlflow=={SPOKEN}", *found]


def environment_files(requirements: Iterable[str]) -> dict[str, bytes]:
    """The three files, by name."""
    lines = with_mlflow(requirements)
    pip = _version("pip")
    conda: dict[str, Any] = {
        "channels": ["conda-forge"],
        "dependencies": [f"python={platform.python_version()}", f"pip<={pip}" if pip else "pip", {"pip": lines}],
        "name": "mlflow-env",
    }
    tools = [f"{name}=={version}" for name in ("pip", "setuptools") if (version := _version(name))]
    python = {
        "python": platform.python_version(),
        "build_dependencies": [*tools, "wheel"],
        "dependencies": [f"-r {REQUIREMENTS}"],
    }
    return {REQUIREMENTS: "\n".join(lines).encode(), CONDA: dump_yaml(conda), PYTHON_ENV: dump_yaml(python)}


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
