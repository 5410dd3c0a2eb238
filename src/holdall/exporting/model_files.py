"""The files of a model's folder, and what each is to other programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from holdall.errors import UnsupportedFileError
from holdall.format.tree import Kind
from holdall.modeling.files.copying import items_of

_CONFIGS: Final = ("MLmodel", ".json", ".yaml", ".yml", ".toml", ".cfg", ".ini", ".txt", ".jinja", ".model")
_DOCS: Final = (".md", ".rst", ".html", ".pdf")
_EXAMPLES: Final = ("input_example.json", "serving_input_example.json", "example.npz")


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file of a model. Attributes: path (in the model's folder), place (on this disk), size, executable."""

    path: str
    place: Path
    size: int
    executable: bool = False


def model_files(folder: Path) -> list[ModelFile]:
    """Return the files of a model's folder, in order; a link inside is the file that it leads to.

    Raises:
        UnsupportedFileError: A link leads out of the folder, or to no file.
    """
    found = []
    for item in items_of(folder):
        place = (folder / item.path).resolve()
        if item.kind is Kind.DIRECTORY:
            continue
        if not place.is_file() or not place.is_relative_to(folder.resolve()):
            raise UnsupportedFileError(item.path, "the link leads to no file of the model")
        found.append(ModelFile(item.path, place, place.stat().st_size, item.executable))
    return found


def kind_of(path: str) -> str:
    """Return what a file is in ModelPack's words: weight, weight.config, doc, code or dataset."""
    name = PurePosixPath(path).name
    if name.startswith(("README", "LICENSE", "NOTICE")) or name.endswith(_DOCS):
        return "doc"
    if name in _EXAMPLES:
        return "dataset"
    if name.endswith(".py") or path.startswith("code/"):
        return "code"
    return "weight.config" if name.endswith(_CONFIGS) else "weight"
