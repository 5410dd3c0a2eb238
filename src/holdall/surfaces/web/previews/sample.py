"""A file of a run as its preview reads it: by ranges, and not more than `BUDGET` bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from holdall.surfaces.web.sniffing import HEAD, markup_of, media_type_of, text_of
from holdall.terminal import printable_lines

BUDGET: Final = 1 << 20
TEXT: Final = 256 << 10
"""Bytes of a text that are shown."""


class NoPreview(Exception):
    """A file is not what it seemed to be, or too much would be read to show it; another kind is tried."""


class Ranged(Protocol):
    """What a sample needs of an open file."""

    def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return many ranges."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What is shown of a file.

    Attributes:
        kind: What it is, for people.
        template: The part of the page that shows it, in `templates/previews`.
        facts: What that shows.
        notes: What is left out, and why.
    """

    kind: str
    template: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Sample:
    """A file, and what was read of it so far.

    Attributes:
        path: Its path in the run.
        uri: Its address.
        size: Its bytes.
        head: The first of them.
        left: How many more may be read.
    """

    def __init__(self, file: Ranged, path: str, size: int, uri: str = "") -> None:
        self._file, self.path, self.uri, self.size, self.left = file, path, uri, size, BUDGET
        self.head = b""
        self.head = self.read(0, min(HEAD, size))

    @property
    def suffix(self) -> str:
        """Return the end of its name, in small letters."""
        name = self.path.rpartition("/")[2].lower()
        return name[name.rfind(".") :] if "." in name else ""

    @property
    def media_type(self) -> str | None:
        """Return the type that its first bytes say, of what browsers show."""
        return media_type_of(self.head)

    @property
    def markup(self) -> str | None:
        """Return "html" or "svg" if it begins as such a document."""
        return markup_of(self.head)

    @property
    def is_text(self) -> bool:
        """Return whether its first bytes are text."""
        return text_of(self.head, whole=self.size <= len(self.head)) is not None

    def read(self, start: int, stop: int) -> bytes:
        """Return a range of it. Raises: NoPreview: That is more than may be read."""
        stop = min(stop, self.size)
        if stop <= start:
            return b""
        if stop <= len(self.head):
            return self.head[start:stop]
        if stop - start > self.left:
            raise NoPreview(f"more than {BUDGET} bytes of it would be read")
        self.left -= stop - start
        return self._file.read_ranges([(start, stop)])[0]

    def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return many ranges of it, read side by side, as readers of the core ask for them. Raises: as `read`."""
        wanted = sum(stop - start for start, stop in ranges)
        if wanted > self.left or any(not 0 <= start <= stop <= self.size for start, stop in ranges):
            raise NoPreview(f"more than {BUDGET} bytes of it would be read")
        self.left -= wanted
        return self._file.read_ranges(ranges)

    def prefix(self, most: int) -> bytes:
        """Return its first bytes, not more than `most`. Raises: as `read`."""
        rest = self.read(len(self.head), min(most, self.size)) if most > len(self.head) else b""
        return (self.head + rest)[:most]

    def whole(self) -> bytes:
        """Return all of it. Raises: NoPreview: That is more than may be read."""
        if self.size > self.left + len(self.head):
            raise NoPreview(f"it has more than {BUDGET} bytes")
        return self.prefix(self.size)

    def text(self, most: int = TEXT) -> tuple[str, str]:
        """Return the text at its beginning, printable, and the name of its encoding. Raises: NoPreview: It is none."""
        found = text_of(self.prefix(most), whole=self.size <= most)
        if found is None:
            raise NoPreview("it is no text")
        return printable_lines(found[0].replace("\r\n", "\n")), found[1]

    def stream(self) -> io.BufferedIOBase:
        """Return it as a file that a library may read and seek in, within the budget."""
        return _Stream(self)


class _Stream(io.BufferedIOBase):
    def __init__(self, sample: Sample) -> None:
        self._sample, self._at = sample, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._sample.size}[whence]
        if base + offset < 0:
            raise OSError("before the beginning")
        self._at = base + offset
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        stop = self._sample.size if size is None or size < 0 else self._at + size
        found = self._sample.read(self._at, stop)
        self._at += len(found)
        return found
