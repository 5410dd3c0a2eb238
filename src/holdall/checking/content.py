"""The bytes of a file, held against its SHA-256."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from holdall.chunks.reader import ChunkReader
from holdall.errors import IntegrityError
from holdall.format import digest
from holdall.format.recipe import parse_recipe
from holdall.format.reference import Ref
from holdall.format.tree import Entry
from holdall.trees.blobs import RunBlobReader

Claim: TypeAlias = tuple[Ref, int, bytes]  # that what is there has this size and SHA-256
_CHUNKS: Final = 256  # of a file that are held at once,
_BYTES: Final = 32 << 20  # and about the bytes of them


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a file, once however many paths share them. Attributes: user (a path that has it)."""

    blobs: RunBlobReader | ChunkReader
    entry: Entry
    user: str

    def verify(self) -> None:
        """Read all of the content.

        Raises:
            IntegrityError: It is not what was logged.
        """
        hasher = digest.file_hash()
        for data in self._pieces():
            hasher.update(data)
        if hasher.digest() != self.entry.sha256:
            raise IntegrityError(self.user, "its content has another SHA-256 than was logged", self.entry.path)

    def _pieces(self) -> Iterator[bytes]:
        assert self.entry.content
        data = self.blobs.read([self.entry.content])[0]
        if self.entry.whole:
            yield data
            return
        chunks = parse_recipe(data).chunks
        some: list[Ref] = []
        for ref in chunks:
            some.append(ref)
            if len(some) == _CHUNKS or sum(each.raw for each in some) >= _BYTES:
                yield from self.blobs.read(some)
                some = []
        yield from self.blobs.read(some)
