"""A store is not copied into itself: neither may lie inside the other."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from holdall.errors import InvalidArgumentError, ObjectNotFoundError, StoreNotFoundError
from holdall.format.document import MAX_DOCUMENT
from holdall.format.layout import DESCRIPTOR
from holdall.format.records import parse_descriptor
from holdall.storage.neighbours import is_remote
from holdall.trees.location import Location


def refuse_nested(source: Location, target: Location) -> None:
    """Raise InvalidArgumentError where one of two stores is, or is to be made, below the other's root.

    Objects of the inner one would be foreign to the outer one, whatever copies, counts or empties that. Of two servers
    with addresses that look so, the outer one is asked whether it has the inner one.

    Cost: none; a request or two where an address begins with the other.
    """
    here, there = _root(source.bucket.url), _root(target.bucket.url)
    for outer, inner, above, below in ((here, there, source, target), (there, here, target, source)):
        if outer and inner.startswith(outer) and inner != outer and _holds(above, below, inner.removeprefix(outer)):
            raise InvalidArgumentError(
                f"{target.bucket.url} and {source.bucket.url} are one inside the other: "
                "choose a destination beside the source"
            )


def _holds(outer: Location, inner: Location, place: str) -> bool:
    """Return whether the outer bucket shows the inner store below `place`; True where that cannot be told yet."""
    if not is_remote(outer.bucket.url):
        return True
    try:
        known = inner.descriptor.store
    except StoreNotFoundError:
        return True
    with suppress(ObjectNotFoundError):
        return parse_descriptor(outer.bucket.get(f"{place}{DESCRIPTOR}", limit=MAX_DOCUMENT)).store == known
    return False


def _root(url: str) -> str:
    """Return a store's address such that what is below it begins with it; "" for one that nothing is below."""
    if url.startswith("memory:"):
        return ""
    return f"{url if is_remote(url) else Path(url.removeprefix('file://')).resolve()}".rstrip("/") + "/"
