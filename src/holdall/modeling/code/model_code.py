"""The code that models bring, put before all other; unless a module of its name is another one already.

Python knows a module by its name alone, for the whole process: of two models
that both bring a `helpers.py`, the second would run the first's. Loading one
under a private name would not do, for pickles and imports inside functions name
modules, too. So a model whose code differs from what has its name is refused,
and one whose code is the same shares it: a model that was just logged, from the
files that were logged; a second version with the same code.

What counts is what was there when a model was loaded: its files may be gone by
now, and its modules need not all have been imported yet.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, TypeAlias

from holdall.errors import ModelCodeConflictError
from holdall.modeling.code.bytecode import import_from

_Files: TypeAlias = dict[str, bytes]  # of a module: their digests, by their paths below the folder of code
_lock: Final = threading.Lock()
_claimed: Final[dict[str, tuple[Path, _Files]]] = {}  # by a module's name, what a model brought for it


def use_code(folder: Path) -> None:
    """Put the modules of a folder before all other.

    Raises:
        ModelCodeConflictError: One has the name of a module that another model brought, or that this process
            imported, and other content. Nothing was changed.

    Cost: reading the folder, and what is loaded of the same names.
    """
    brought = {name: dict(_digests(folder, each)) for name, each in _modules(folder).items()}
    with _lock:
        for name, files in brought.items():
            _refuse_other(name, files, folder)
        for name, files in brought.items():
            _claimed.setdefault(name, (folder, files))
        import_from(folder)
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
            importlib.invalidate_caches()


# --- inside ---


def _modules(folder: Path) -> Mapping[str, Path]:
    """Return the files and folders that can be imported by one name."""
    found = {}
    for each in folder.iterdir():
        name = each.name.partition(".")[0] if each.suffix == ".py" else each.name
        if name.isidentifier() and not name.startswith("__") and (each.suffix == ".py" or _holds_code(each)):
            found[name] = each
    return found


def _holds_code(path: Path) -> bool:
    return path.is_dir() and next(path.rglob("*.py"), None) is not None


def _digests(top: Path, path: Path) -> Iterator[tuple[str, bytes]]:
    for file in [path] if path.is_file() else sorted(path.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            yield file.relative_to(top).as_posix(), hashlib.sha256(file.read_bytes()).digest()


def _refuse_other(name: str, files: _Files, folder: Path) -> None:
    if name in _claimed:
        where, there = _claimed[name]
        if there != files:
            raise ModelCodeConflictError(name, str(folder), f"another model's, from {where}")
    elif name in sys.modules and name not in sys.stdlib_module_names:
        origin = _origin(name)
        if origin is None or any(_digest(origin / path) != digest for path, digest in files.items()):
            raise ModelCodeConflictError(name, str(folder), f"from {origin or 'no file'}")


def _origin(name: str) -> Path | None:
    """Return the folder in which a loaded module was found; None if it is of no file."""
    module = sys.modules[name]
    places = list(getattr(module, "__path__", ())) or [getattr(module, "__file__", None)]
    return Path(places[0]).parent if places[0] else None


def _digest(path: Path) -> bytes | None:
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return None
