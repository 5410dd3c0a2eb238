"""What each role may ask of a bucket: actions, by how keys begin.

SPEC.md, "Objects and keys", has the keys. All roles read all of a store, but for those that are limited to
experiments. What a role creates is what its verbs create; nothing is ever overwritten.

    listing     a pattern of what may be asked for: `*` stands for any characters, `?` for one
    the others  how keys begin; "" is every key
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from holdall.errors import InvalidArgumentError

ROLES: Final = ("reader", "writer", "collector", "owner")
ALL: Final = ("",)
WHOLE: Final = ("holdall.json", "canary")  # which are whole keys
# Of a pack the whole session has to be named, 32 digits: who does not know one finds none.
KNOWN_PACK: Final = "packs/??/????????????????????????????????-*"
_SHARED: Final = ("packs/", "hints/", "gc/damaged/")  # what all writers create, whatever they write


@dataclass(frozen=True, slots=True)
class Rights:
    """What may be asked of a bucket.

    Attributes:
        list: Patterns of the prefixes that may be listed.
        get: How keys begin that may be read.
        put: How keys begin at which an object may be created, if there is none.
        delete: How keys begin that may be removed.
    """

    list: tuple[str, ...] = ()
    get: tuple[str, ...] = ()
    put: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()


_READER: Final = Rights(list=("*",), get=ALL)
_RIGHTS: Final = {
    "reader": _READER,
    "writer": replace(_READER, put=("canary", "experiments/", "runs/", "models/", "names/", *_SHARED)),
    "collector": replace(
        _READER,
        put=("canary", "runs/", "packs/", "hints/", "gc/", "catalog/", "probe/"),
        delete=("runs/", "packs/", "hints/", "gc/damaged/", "catalog/", "shares/", "probe/"),
    ),
    "owner": Rights(list=("*",), get=ALL, put=ALL, delete=ALL),
}


def rights_of(role: str, experiments: Sequence[str] = ()) -> Rights:
    """Return what a role may ask for.

    Args:
        role: One of `ROLES`.
        experiments: Ids of the experiments that a reader or writer is limited to; all when there are none.

    Raises:
        InvalidArgumentError: No such role, one that cannot be limited, or what is no experiment's id.

    Example:
        >>> from holdall.access import rights_of
        >>> rights_of("reader").put
        ()
    """
    if role not in ROLES:
        raise InvalidArgumentError(f"there is no role {role!r}: {', '.join(ROLES[:-1])} and {ROLES[-1]} are")
    if not experiments:
        return _RIGHTS[role]
    for id in experiments:
        if not re.fullmatch("[0-9a-f]{16}", id):
            raise InvalidArgumentError(f"{id!r} is no experiment's id, which is 16 hex digits")
    if role not in ("reader", "writer"):
        raise InvalidArgumentError(f"a {role} works on all of a store: only a reader or a writer can have experiments")
    return _limited(role, experiments)


def _limited(role: str, experiments: Sequence[str]) -> Rights:
    runs = sorted({f"runs/{id[:8]}" for id in experiments})
    own = (*sorted({f"experiments/{id}/" for id in experiments}), *runs)
    # Keys of their own that other experiments have stay closed, though the store's are known.
    keys = ("keys/slots/", "keys/roots/", *sorted({f"keys/experiments/{id[:8]}" for id in experiments}))
    known = ("holdall.json", *keys, *own)
    # In an encrypted store who begins a run looks whether an experiment of these 8 digits has keys of its own.
    begun = sorted({f"experiments/{id[:8]}" for id in experiments})
    listed = (*(f"{key}*" for key in ("holdall.json", *keys, *begun, *runs)), KNOWN_PACK)
    if role == "reader":
        return Rights(list=listed, get=(*known, "packs/"))
    return Rights(list=(*listed, "gc/*"), get=(*known, "packs/", "hints/", "gc/"), put=("canary", *own, *_SHARED))


def folder(prefix: str) -> str:
    """Return a prefix with one slash behind it; nothing for a whole bucket."""
    clean = prefix.rstrip("/")
    return f"{clean}/" if clean else ""
