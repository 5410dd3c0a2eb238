"""Changes of models that were logged already: another signature, other requirements.

What a run holds never changes, so a model that is changed is a new model beside
the old one (`Models.revise`). A folder of this machine is changed in place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeAlias

from holdall.modeling.loading.loader import read_model
from holdall.modeling.model import FILE, Model, dump_yaml
from holdall.modeling.saving.privacy import public_lines
from holdall.modeling.saving.requirements import CONDA, REQUIREMENTS
from holdall.modeling.signatures.signature import as_signature
from holdall.runs.plain_yaml import load_yaml

Change: TypeAlias = Callable[[Path, Model], Model]  # a model's folder, and what it says -> what it says then
_NAME: Final = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


def with_signature(signature: Any) -> Change:
    """Return the change that gives a model another signature. Raises: SignatureError."""
    found = as_signature(signature)
    return lambda _, mlmodel: replace(mlmodel, signature=found, is_signature_from_type_hint=False)


def with_requirements(operation: str, lines: Sequence[str]) -> Change:
    """Return the change that adds requirements to a model's, or removes them.

    Args:
        operation: "add", which takes the place of a line for the same package; or "remove".
        lines: Lines as pip has them; to remove one, its package is enough.

    Raises:
        ValueError: There is no such operation, or a line names no package.
        TypeError: `lines` is no list.
    """
    if operation not in ("add", "remove"):
        raise ValueError(f"operation={operation!r} is neither 'add' nor 'remove'")
    if isinstance(lines, str):
        raise TypeError(f"requirement_list is a list; for one, write [{lines!r}]")
    lines = public_lines(lines) if operation == "add" else lines
    names = {_package(line): line for line in lines}
    if None in names:
        raise ValueError(f"{names[None]!r} names no package")

    def change(folder: Path, mlmodel: Model) -> Model:
        def changed(known: Sequence[Any]) -> list[Any]:
            kept = [each for each in known if not isinstance(each, str) or _package(each) not in names]
            return [*kept, *(lines if operation == "add" else ())]

        file = folder / REQUIREMENTS
        known = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        file.write_text("\n".join(changed(known)) + "\n", encoding="utf-8")
        _change_conda(folder / CONDA, changed)
        return mlmodel

    return change


def revise_folder(folder: Path, change: Change) -> Model:
    """Change a model of this machine in place. Returns: what its MLmodel file says then. Raises: ContentError."""
    mlmodel = change(folder, read_model(folder))
    mlmodel.save(folder / FILE)
    return mlmodel


def _change_conda(file: Path, changed: Callable[[Sequence[Any]], list[Any]]) -> None:
    """Change what a conda environment installs by pip, if there is one and it installs anything by pip."""
    body = load_yaml(file.read_bytes(), str(file)) if file.exists() else None
    for each in (body or {}).get("dependencies") or () if isinstance(body, dict) else ():
        if isinstance(each, dict) and isinstance(each.get("pip"), list):
            each["pip"] = changed(each["pip"])
            file.write_bytes(dump_yaml(body))


def _package(line: str) -> str | None:
    """Return the package that a line is about, in pip's spelling; None for a line that names none."""
    found = _NAME.match(line)
    return re.sub(r"[-_.]+", "-", found[1]).lower() if found else None
