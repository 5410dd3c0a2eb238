"""Libraries that only some users need, imported when something asks for them."""

from __future__ import annotations

import importlib
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
