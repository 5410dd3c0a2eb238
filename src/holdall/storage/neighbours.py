"""What is beside the place where a store is about to be made.

An address is typed by hand, and a mistyped one is as good as any other: the
runs go there and are missed where they were looked for. So the maker of a
store unasked first looks what the level above holds, one request at most, and
says so where that is a store itself or something of nearly the same name.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from holdall.errors import StorageError
from holdall.storage.bucket import Bucket

_ALIKE: Final = 0.75
_OWN: Final = ("memory:", "file:")  # nobody else looks there


@runtime_checkable
class _WithLevelAbove(Protocol):
    def level_above(self) -> Iterable[str]: ...


def is_remote(url: str) -> bool:
    """Return whether an address is no folder of this machine: others may look for a store there."""
    return "://" in url and not url.startswith(_OWN)


def similar_address(bucket: Bucket, descriptor: str) -> str | None:
    """Return the address that was perhaps meant, where there is no store at this one yet.

    Args:
        bucket: Where there is none.
        descriptor: The key that every store has.

    Cost: one request at most, without a second attempt; what it cannot tell is nothing.
    """
    adapter: object = bucket
    while not isinstance(adapter, _WithLevelAbove) and hasattr(adapter, "inner"):
        adapter = adapter.inner
    above, _, name = bucket.url.rpartition("/")
    if not isinstance(adapter, _WithLevelAbove):
        return None
    try:
        there = {found.rstrip("/") for found in adapter.level_above()} - {name}
    except StorageError:
        return None
    if descriptor in there:
        return above
    if not is_remote(bucket.url):  # where looking costs nothing, only stores are meant
        there = {found for found in there if (Path(above) / found / descriptor).is_file()}
    return _near(above, name, there)


def _near(above: str, name: str, there: Iterable[str]) -> str | None:
    by_letters = {found.casefold().replace("_", "-"): found for found in sorted(there)}
    wanted = name.casefold().replace("_", "-")
    near = difflib.get_close_matches(wanted, by_letters, n=1, cutoff=_ALIKE)
    return f"{above}/{by_letters[near[0]]}" if near else None
