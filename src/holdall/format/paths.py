"""Which paths a run may hold, and in which order.

The rules hold on the way in and on the way out: a store that some other
program wrote must not be able to write outside the folder it is fetched to.
SPEC.md, "Trees".
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from holdall.errors import InvalidPathError

MAX_PATH: Final = 1024
POINTER: Final = ".holdall-reference"  # how the path of a file ends that says where content is ("Content elsewhere")
REFERS: Final = "holdall.references"  # a tag: the run has such files
MAX_VERSIONED_PATH: Final = 1007  # bytes of a path of a versioned run: its earlier versions have 17 more
_USUAL: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")  # valid for certain


def stands_for(path: str) -> str | None:
    """Return the path that a pointer at this path stands for; None where none has such a path."""
    found = path.removesuffix(POINTER)
    return found if found != path and found and not found.endswith("/") else None


def check_path(path: str) -> str:
    """Return the path as it is. Raises: InvalidPathError, which says what is wrong with it."""
    if len(path) <= MAX_PATH and _USUAL.fullmatch(path):
        return path
    reason = _fault(path)
    if not reason and any(name in ("", ".", "..") for name in path.split("/")):
        reason = "it is absolute" if path.startswith("/") else "a name in it is empty, '.' or '..'"
    if reason:
        raise InvalidPathError(path, reason)
    return path


def check_versioned_path(path: str) -> str:
    """Return a path of a versioned run as it is. Raises: InvalidPathError: It has no room for its versions."""
    if (size := len(check_path(path).encode())) > MAX_VERSIONED_PATH:
        raise InvalidPathError(path, f"it has {size} bytes, more than {MAX_VERSIONED_PATH} in a versioned run")
    return path


def check_link(path: str, target: str) -> str:
    """Return the target of a link at `path`, which stays inside the run for certain. Raises: InvalidPathError.

    With `..` at its beginning only, going up begins in the link's own folder, which is no link; each name then
    leads into the run or to another link, of which the same holds.
    """
    reason = _fault(target)
    if not reason and target.startswith("/"):
        reason = "the link's target is absolute"
    if not reason and resolve(path, target) is None:
        reason = f"the link's target {target!r} lies outside"
    if not reason and _climbs_late(target):
        reason = f"the link's target {target!r} has '..' behind a name, which may be a link itself and lead elsewhere"
    if reason:
        raise InvalidPathError(path, f"link to {target!r}: {reason}")
    return target


def resolve(path: str, target: str) -> str | None:
    """Return where a link at `path` leads, lexically: "" is the root, None is outside."""
    names = path.split("/")[:-1]
    for name in target.split("/"):
        if name == "..":
            if not names:
                return None
            names.pop()
        elif name not in ("", "."):
            names.append(name)
    return "/".join(names)


def _climbs_late(target: str) -> bool:
    """Return whether a `..` follows a name: a disk goes up from where that name leads, if it is a link."""
    names = [name for name in target.split("/") if name not in ("", ".")]
    return any(name != ".." and after == ".." for name, after in pairwise(names))


def sort_key(path: str) -> bytes:
    """Return a key that sorts `/` below every other byte: a directory is followed by all that it holds."""
    return path.encode().replace(b"/", b"\0")


def ancestors(path: str) -> list[str]:
    """Return the directories above a path, outermost first."""
    names = path.split("/")
    return ["/".join(names[:depth]) for depth in range(1, len(names))]


def _fault(text: str) -> str:
    """Return what is wrong with the bytes of a path or target; "" if nothing is."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return "it is not valid UTF-8"
    if not 0 < size <= MAX_PATH:
        return "it is empty" if not size else f"it has {size} bytes, more than {MAX_PATH}"
    return "it holds a NUL" if "\0" in text else "it holds a backslash" if "\\" in text else ""
