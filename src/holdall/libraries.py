"""Libraries that only some users need, imported when something asks for them.

Here, and nowhere else, such a library is imported by its name, so that its
absence is always the same error. What already holds an object of numpy or
pandas imports them with a plain statement: they are loaded by then.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from holdall.errors import MissingLibraryError


def library(name: str, purpose: str, package: str | None = None) -> Any:
    """Import a library that only some users need.

    Args:
        name: The module to import.
        purpose: What it is for, in the words that begin the error.
        package: What to install, where it is called otherwise.

    Raises:
        MissingLibraryError: It cannot be imported.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingLibraryError(package or name, purpose, str(error)) from error


def installed(name: str) -> bool:
    """Return whether a library can be found; it is not imported."""
    return importlib.util.find_spec(name) is not None
