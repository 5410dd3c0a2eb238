"""Content that is elsewhere: a file of a run that says where, and what was there.

    data/train.csv.holdall-reference       the file; `data/train.csv` is what it stands for
    {"holdall_reference":1,"uri":"s3://other/train.csv","folder":false,"files":1,"bytes":9}
    {"path":"","size":9,"etag":"\\"5eb6..\\"","version":"3/L4..","modified":1750000000000}

It is a file like any other to whoever does not know of it. Its digest is in the
run's manifest, so what it pins cannot be changed unseen. SPEC.md, "Content
elsewhere".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from holdall.errors import FormatError, InvalidPathError
from holdall.format.digest import SHA256, parse, show
from holdall.format.document import count_of, parse_object
from holdall.format.paths import POINTER, check_path

MAX_POINTER: Final = 256 << 20  # bytes of one
MAX_LINE: Final = 16 << 10
MAX_URI: Final = 2_048  # characters
_MAGIC: Final = "holdall_reference"
_TEXT: Final = 1_024  # characters of an ETag, a version


@dataclass(frozen=True, slots=True)
class Pinned:
    """One object elsewhere, as it was when it was referenced.

    Attributes:
        path: Below the address of the pointer; "" if that is the object.
        size: Bytes.
        etag: As the server gave it, its quotes included.
        version: The server's id of this version.
        modified: Milliseconds since 1970 UTC.
        sha256: 32 bytes, if it was read; else empty.
    """

    path: str
    size: int
    etag: str | None = None
    version: str | None = None
    modified: int | None = None
    sha256: bytes = b""

    def to_json(self) -> dict[str, Any]:
        """Return the line that says so."""
        body: dict[str, Any] = {"path": self.path, "size": self.size}
        told = {"etag": self.etag, "version": self.version, "modified": self.modified}
        body |= {name: value for name, value in told.items() if value is not None}
        return body | ({"sha256": show(SHA256, self.sha256)} if self.sha256 else {})


@dataclass(frozen=True, slots=True)
class Pointer:
    """What a pointer says. Attributes: uri (of the object, or of the folder, then with a slash at its end), objects."""

    uri: str
    objects: tuple[Pinned, ...]

    @property
    def folder(self) -> bool:
        """Return whether it stands for a folder."""
        return self.uri.endswith("/")

    @property
    def size(self) -> int:
        """Return the bytes of all objects together."""
        return sum(each.size for each in self.objects)

    def at(self, path: str) -> Pinned | None:
        """Return the object at a path below the address, or None."""
        return next((each for each in self.objects if each.path == path), None)

    def below(self, path: str) -> Iterator[Pinned]:
        """Yield the objects at or below a path."""
        return (each for each in self.objects if not path or each.path == path or each.path.startswith(path + "/"))


def encode_pointer(pointer: Pointer) -> bytes:
    """Return the bytes of a pointer. The same objects make the same bytes."""
    objects = sorted(pointer.objects, key=lambda each: each.path.encode())
    head = {_MAGIC: 1, "uri": pointer.uri, "folder": pointer.folder, "files": len(objects), "bytes": pointer.size}
    return b"".join(_line(body) for body in (head, *(each.to_json() for each in objects)))


def parse_pointer(data: bytes, where: str) -> Pointer:
    """Return what a pointer says.

    Raises:
        FormatError: It is none, or breaks a rule of SPEC.md, "Content elsewhere".
    """
    if len(data) > MAX_POINTER or not data.endswith(b"\n"):
        raise FormatError(where, "it is no reference to content elsewhere")
    lines = data[:-1].split(b"\n")
    head, uri = _parsed(lines[0], where), None
    uri = head.get("uri")
    if head.get(_MAGIC) != 1 or type(head[_MAGIC]) is not int:
        raise FormatError(where, "it is no reference to content elsewhere, or one of a later version")
    if not isinstance(uri, str) or not 0 < len(uri) <= MAX_URI or not uri.isprintable():
        raise FormatError(where, "its address is none")
    if head.get("folder") is not uri.endswith("/"):
        raise FormatError(where, "a folder's address, and no other, ends with a slash")
    pointer = Pointer(uri, tuple(_pinned(_parsed(line, where), where, folder=uri.endswith("/")) for line in lines[1:]))
    if count_of(head, "files", where) != len(pointer.objects) or count_of(head, "bytes", where) != pointer.size:
        raise FormatError(where, "its sums are not those of its objects")
    _check_order([each.path for each in pointer.objects], where, folder=pointer.folder)
    return pointer


def candidates(path: str) -> list[tuple[str, str]]:
    """Return where the pointer for a path may be, the nearest first, each with the path below its address."""
    names = path.split("/")
    ends = range(len(names), 0, -1)
    return [("/".join(names[:end]) + POINTER, "/".join(names[end:])) for end in ends]


def _line(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _parsed(line: bytes, where: str) -> Mapping[str, Any]:
    if len(line) > MAX_LINE:
        raise FormatError(where, "a line of it is too long")
    return parse_object(line, where, "a line of it")


def _pinned(body: Mapping[str, Any], where: str, *, folder: bool) -> Pinned:
    path, modified, sha256 = body.get("path"), body.get("modified"), body.get("sha256")
    if not isinstance(path, str) or bool(path) != folder:
        raise FormatError(where, "an object of it has no path, or one where there is none")
    try:
        path = check_path(path) if path else ""
    except InvalidPathError as error:
        raise FormatError(where, str(error)) from error
    etag, version = (body.get(name) for name in ("etag", "version"))
    if not all(text is None or (isinstance(text, str) and len(text) <= _TEXT) for text in (etag, version)):
        raise FormatError(where, "an ETag or a version of it is no text")
    return Pinned(
        path,
        count_of(body, "size", where),
        etag,
        version,
        None if modified is None else count_of(body, "modified", where),
        b"" if sha256 is None else parse(SHA256, sha256, where),
    )


def _check_order(paths: Iterable[str], where: str, *, folder: bool) -> None:
    found = [path.encode() for path in paths]
    if (not folder and len(found) != 1) or any(a >= b for a, b in pairwise(found)):
        raise FormatError(where, "its objects do not ascend, or are not one where there is one")
