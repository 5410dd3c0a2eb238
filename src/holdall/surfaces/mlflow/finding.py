"""The store that an artifact's address is in: the nearest one above it that has a descriptor.

MLflow makes a repository at any depth: of a run's root, of a model's folder in it, of the whole store in a server. So
the address is walked upwards, from where MLflow's own folders begin, until there is a store. What was found is known
from then on, and nothing is asked again in this process.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from holdall.errors import InvalidURIError, StoreNotFoundError
from holdall.settings import read_settings
from holdall.store import Store
from holdall.surfaces.mlflow.addresses import PREFIX, forget_store, store_address, store_at
from holdall.surfaces.mlflow.roots import depth_of_owner

_PLACE: Final = re.compile(r"(?P<place>[a-z0-9]+://[^/]+|)(?P<path>/.*|)", re.DOTALL)
_known: dict[str, Store | None] = {}  # by address: what is there; None where no store was


@dataclass(frozen=True, slots=True)
class Address:
    """An artifact's address, taken apart. Attributes: uri (as it was given), place (its bucket), names (below it)."""

    uri: str
    place: str
    names: tuple[str, ...]

    def above(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield each address where its store may be, the nearest first, and the names below it."""
        depth = depth_of_owner(self.names)
        for count in range(len(self.names) if depth is None else depth, -1, -1):
            if at := "/".join((self.place, *self.names[:count])):
                yield at, self.names[count:]


def parse_address(uri: str) -> Address:
    """Take an artifact's address apart.

    Raises:
        InvalidURIError: It is none, or names what cannot be in a store.
    """
    text = str(uri)
    if "?" in text or "#" in text:
        raise InvalidURIError(text, "an artifact's address has no settings; they are in the environment")
    found = _PLACE.fullmatch(store_address(text)) if text.startswith(PREFIX) else None
    if found is None or not (found["place"] or found["path"]):
        raise InvalidURIError(text, "an artifact's address is such as holdall+s3://bucket/prefix")
    names = tuple(found["path"].strip("/").split("/")) if found["path"].strip("/") else ()
    if {"", ".", ".."} & set(names) or any("\\" in name or "\0" in name for name in names):
        raise InvalidURIError(text, "a name in it is empty, '.' or '..', or holds a backslash or a NUL")
    return Address(text, found["place"], names)


def find_store(address: Address) -> tuple[Store, tuple[str, ...]]:
    """Return the store that an address is in, and the names below the store's own address.

    Raises:
        StoreNotFoundError: There is none above it.

    Cost: none where this process found it before; else a GET for each folder on the way.
    """
    for at, below in address.above():
        if store := _known[at] if at in _known else _look(at):
            return store, below
    for at, _ in address.above():
        _known.pop(at, None)  # somebody may make one
    error = StoreNotFoundError(address.uri)
    where = next(reversed([at for at, _ in address.above() if at != address.place]), address.place)
    how, option = ("encrypt=True", "--encrypt ") if read_settings().unlock else ("", "")
    error.hint = f"make one where all artifacts are to be below: holdall.open({where!r}).maintenance.create({how})"
    error.shell_hint = f"`holdall store init {option}{where}`"
    raise error


def look_anew(address: Address) -> None:
    """Forget the store that an address is in: whoever was refused may have other credentials by the next time."""
    for at, _ in address.above():
        if _known.pop(at, None):
            forget_store(at)


def _look(at: str) -> Store | None:
    store: Store | None = store_at(at)
    try:
        store.id  # type: ignore[union-attr]  # noqa: B018  # asks for the descriptor
    except StoreNotFoundError:
        store = None
    _known[at] = store
    return store
