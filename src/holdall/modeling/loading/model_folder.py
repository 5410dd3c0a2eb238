"""A model's folder on this disk, for as long as it is needed.

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
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from holdall.errors import DestinationError
from holdall.format.tree import Entry

_STORED = ("runs:", "models:")


def local_folder(uri: str | os.PathLike[str]) -> Path | None:
    """Return the folder that an address means, if it is one of this machine; None if it is of a store."""
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

    def __init__(
        self,
        uri: str | os.PathLike[str],
        download: Callable[..., Path],
        dst_path: str | None,
        held: Callable[[str], Iterable[Entry]] = lambda _: (),
    ) -> None:
        """Fetch it.

        Args:
            uri: Where the model is.
            download: Writes what is at an address into a folder.
            dst_path: The folder to keep it in; a new one, for a while, when None.
            held: What a stored model has, by paths below its folder; asked where something lay in `dst_path` before.

        Raises:
            DestinationError: There are files in its place that are not the model's; and what `download` raises.
        """
        local = local_folder(uri)
        self.own, self._temporary = local is None, ""
        if local is not None:
            self.folder = local
        elif dst_path is not None:
            used = Path(dst_path).is_dir() and any(Path(dst_path).iterdir())
            self.folder = download(uri, dst_path)
            if used:
                _refuse_strangers(self.folder, {entry.path for entry in held(str(uri))})
        else:
            self._temporary = tempfile.mkdtemp(prefix="holdall-")
            try:
                self.folder = download(uri, self._temporary)
            except BaseException:
                self.drop()
                raise

    def __enter__(self) -> Fetched:
        """Remove the folder where what is done with it fails; where it does not, `drop` or `keep` it."""
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Drop it, after an error."""
        if kind is not None:
            self.drop()

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


def _refuse_strangers(folder: Path, own: set[str]) -> None:
    """What lay there before would be loaded as if it were of the store. Compiled code of an earlier loading goes."""
    for cache in [place for place in folder.rglob("__pycache__") if place.is_dir() and not place.is_symlink()]:
        if not any(f"/{name}/".startswith(f"/{cache.relative_to(folder).as_posix()}/") for name in own):
            shutil.rmtree(cache)
    places = [place for place in folder.rglob("*") if place.is_symlink() or not place.is_dir()]
    if strangers := sorted({place.relative_to(folder).as_posix() for place in places} - own):
        shown = ", ".join(strangers[:3]) + (f" and {len(strangers) - 3} more" if len(strangers) > 3 else "")
        raise DestinationError(str(folder), f"files lie here that are not the model's: {shown}")
