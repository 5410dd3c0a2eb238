"""A model's folder on this disk, for as long as somebody needs it.

What is in a store is fetched, verified, into a folder of its own. That folder
is gone when the model that was loaded from it is gone: a model that keeps none
of its files open is loaded and its folder removed; one that is asked for its
files later (a python_function with artifacts) keeps it until it is collected;
one that brought code, whose modules may be imported at any time, until the
process ends.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

_STORED = ("runs:", "models:")


def local_folder(uri: str | os.PathLike[str]) -> Path | None:
    """The folder that an address means, if it is one of this machine; None if it is of a store."""
    text = os.fspath(uri)
    if text.startswith("file:"):
        return Path(unquote(urlsplit(text).path))
    return None if text.startswith(_STORED) else Path(text)


class Fetched:
    """A folder with a model in it.

    Attributes:
        folder: Where it is.
        own: Whether it came out of the store.
    """

    def __init__(self, uri: str | os.PathLike[str], download: Callable[..., Path], dst_path: str | None) -> None:
        local = local_folder(uri)
        self.own, self._temporary = local is None, ""
        if local is not None:
            self.folder = local
        elif dst_path is not None:
            self.folder = download(uri, dst_path)
        else:
            self._temporary = tempfile.mkdtemp(prefix="holdall-")
            try:
                self.folder = download(uri, self._temporary)
            except BaseException:
                self.drop()
                raise

    def drop(self) -> None:
        """Remove the folder, if it was made for this."""
        if self._temporary:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def keep_for(self, model: object) -> None:
        """Keep the folder as long as an object lives."""
        if self._temporary:
            weakref.finalize(model, shutil.rmtree, self._temporary, ignore_errors=True)

    def keep(self) -> None:
        """Keep the folder until the process ends."""
        if self._temporary:
            atexit.register(shutil.rmtree, self._temporary, ignore_errors=True)
