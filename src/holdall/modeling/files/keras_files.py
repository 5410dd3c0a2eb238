"""Keras 3's own files, whose bytes depend on the model alone, and its models as predictors.

    model.keras    a zip: metadata.json (version, date), config.json, model.weights.h5

Keras writes into it when it was saved, so that the same model never gives the
same bytes twice. Here the time is that of the first zip file. In its safe mode,
which is the default, Keras runs no code that is in such a file; but before 3.14
there were ways around that, or out of the folder.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from holdall.errors import ContentError
from holdall.libraries import library
from holdall.modeling.signatures import duck_types

FILE: Final = "model.keras"
_SAFE_SINCE: Final = (3, 14)
_METADATA: Final = "metadata.json"
_CONFIG: Final = "config.json"
_READ: Final = ("vocabulary", "vocabulary_file", "vocab_file", "idf_weights")  # of these a text is a file's name
_LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)


def save_keras(model: Any, file: Path, given: Mapping[str, Any] | None) -> None:
    """Write a Keras model; `given` is what else its `save` takes. Cost: the file is written twice."""
    model.save(file, **(given or {}))
    if zipfile.is_zipfile(file):
        dated = file.rename(file.with_suffix(".dated"))
        _copy_undated(dated, file)
        dated.unlink()
        _refuse_elsewhere(file)


def _refuse_elsewhere(file: Path) -> None:
    """Refuse a model whose layers read files that it does not have with it: they name them as they were given.

    Raises:
        ValueError: There is one.
    """
    with zipfile.ZipFile(file) as archive:
        waiting = [json.loads(archive.read(_CONFIG))] if _CONFIG in archive.namelist() else []
    while waiting:
        each = waiting.pop()
        for key, value in each.items() if isinstance(each, dict) else ():
            if isinstance(value, str) and (key in _READ or (Path(value).is_absolute() and Path(value).exists())):
                raise ValueError(
                    f"a layer reads {value!r} ({key}), which is no part of the model: give it the content, as a "
                    "list of words"
                )
        waiting += each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()


def load_keras(load_model: Any, file: Path, **options: Any) -> Any:
    """Return what a Keras file holds, by one of the functions that load them.

    Raises:
        ContentError: It is none, has code in it, or needs classes that are not here.
    """
    if not file.exists():
        raise ContentError(str(file), "a model of Keras 3", "there is no such file; an older Keras may have made it")
    try:
        return load_model(file, **options)
    except (ValueError, TypeError, OSError, zipfile.BadZipFile, ImportError) as error:
        raise ContentError(str(file), "a Keras model that can be loaded here", _reason(error)) from error


def is_safe_here() -> bool:
    """Whether the Keras that is installed keeps code in a file from running; one that is not there runs none."""
    try:
        version = importlib.metadata.version("keras")
    except importlib.metadata.PackageNotFoundError:
        return True
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2]) >= _SAFE_SINCE


class KerasPredictor:
    """A Keras model: DataFrames in and out, else arrays, lists or dictionaries of them."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:  # noqa: ARG002
        """Return what `call` gives; parameters say nothing to it, as MLflow has it."""
        if duck_types.is_frame(data):
            pandas = library("pandas", "giving a DataFrame back")
            return pandas.DataFrame(self._call(data.values), index=data.index)
        if not (duck_types.is_ndarray(data) or isinstance(data, list | tuple | Mapping)):
            raise TypeError(f"Keras takes a DataFrame, arrays, lists or a dictionary, not a {type(data).__name__}")
        return self._call(data)


def _reason(error: Exception) -> str:
    """Return what went wrong, out of pages that quote the model's whole configuration."""
    return str(error).rpartition("Exception encountered: ")[2].partition("Full object config")[0].partition("\n")[0]


def _copy_undated(source: Path, target: Path) -> None:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            undated = zipfile.ZipInfo(info.filename, _LONG_AGO)
            if info.filename == _METADATA:
                new.writestr(undated, json.dumps({**json.loads(old.read(info)), "date_saved": "1980-01-01@00:00:00"}))
                continue
            with old.open(info) as read, new.open(undated, "w", force_zip64=info.file_size >= 1 << 31) as write:
                shutil.copyfileobj(read, write, 1 << 20)
