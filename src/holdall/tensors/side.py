"""One of the two models that are compared: its files, opened once each, and what is read of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

from holdall.chunks.beside import side_by_side
from holdall.format.chunk_table import Chunks
from holdall.tensors.archive import content_starts, inflate
from holdall.tensors.layout import in_rows
from holdall.tensors.stored import Extent, Held, Member, RangedFile, Stored

STEP: Final = 4 << 20  # bytes of a tensor that are read at once, where it is read for itself
_WHAT: Final = "an archive of tensors"
Part = tuple[str, int, int]  # of a file: its path, first byte, and the byte after the last


class CutFile(RangedFile, Protocol):
    """A file that knows its chunks. Attributes: chunks (None where it is not in the store's packs)."""

    @property
    def chunks(self) -> Chunks | None: ...


class Files(Protocol):
    """Where the files of a model are."""

    def open(self, path: str) -> CutFile:
        """Return a file by its whole path."""
        ...


class Side:
    """A model's files, to be read."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def chunks(self, path: str) -> Chunks | None:
        """Return the chunks of a file."""
        return self._files.open(path).chunks

    def read(self, parts: Sequence[Part]) -> list[bytes]:
        """Return the bytes of some parts; those of each file are planned together, and the files read side by side."""
        by_path: dict[str, list[int]] = defaultdict(list)
        for n, (path, _, _) in enumerate(parts):
            by_path[path].append(n)

        def read(path: str) -> list[bytes]:
            return self._files.open(path).read_ranges([parts[n][1:] for n in by_path[path]])

        found = [b""] * len(parts)
        for numbers, some in zip(by_path.values(), side_by_side(read, by_path), strict=True):
            for n, data in zip(numbers, some, strict=True):
                found[n] = data
        return found

    def located(self, tensors: Sequence[Stored]) -> list[Stored]:
        """Return tensors, those in uncompressed entries of archives with the place that the entries' headers say."""
        found = list(tensors)
        archives: dict[str, list[int]] = defaultdict(list)
        for n, tensor in enumerate(tensors):
            if isinstance(tensor.place, Member) and not tensor.place.deflated:
                archives[tensor.place.path].append(n)
        for path, numbers in archives.items():
            members = [place for n in numbers if isinstance(place := tensors[n].place, Member)]
            starts = content_starts(self._files.open(path), _WHAT, members)
            for n, start, member in zip(numbers, starts, members, strict=True):
                found[n] = replace(tensors[n], place=Extent(path, start + member.skip))
        return found

    def blocks(self, tensor: Stored, *, sorted: bool) -> Iterator[bytes]:
        """Yield a tensor's bytes, some MiB at a time; `sorted`: its numbers in the order of its shape, all at once."""
        blocks = self._blocks(tensor)
        if sorted and tensor.strides is not None:
            blocks = iter([in_rows(tensor, b"".join(blocks))])
        return blocks

    def _blocks(self, tensor: Stored) -> Iterator[bytes]:
        match tensor.place:
            case Held(data):
                yield data
            case Extent(path, start):
                yield from self._stretch(path, start, start + tensor.extent)
            case Member() as member:
                yield from self._inflated(member, tensor.extent)

    def _stretch(self, path: str, start: int, stop: int) -> Iterator[bytes]:
        for at in range(start, stop, STEP):
            yield self.read([(path, at, min(at + STEP, stop))])[0]

    def _inflated(self, member: Member, size: int) -> Iterator[bytes]:
        """Yield so many bytes of a compressed entry, behind those that come before the tensor."""
        file = self._files.open(member.path)
        (start,) = content_starts(file, _WHAT, [member])
        at, stop = 0, member.skip + size
        for block in inflate(self._stretch(member.path, start, start + member.stored), member, member.path, _WHAT):
            yield block[max(member.skip - at, 0) : max(stop - at, 0)]
            at += len(block)


class ByteReader:
    """Bytes that come in blocks, taken in other portions."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self._held = blocks, bytearray()

    def take(self, size: int) -> bytes:
        """Return the next so many bytes; fewer where there are no more."""
        while len(self._held) < size and (block := next(self._blocks, None)) is not None:
            self._held += block
        found = bytes(self._held[:size])
        del self._held[:size]
        return found


def little_endian(tensor: Stored, data: bytes) -> Any:
    """Return bytes of a tensor's numbers as an array of bytes, each number with the byte first that weighs least."""
    import numpy as np

    found = np.frombuffer(data, "u1")
    if not tensor.big_endian or not tensor.dtype.has_values:
        return found
    item = tensor.dtype.item // (2 if tensor.dtype.name.startswith("complex") else 1)
    return found.view(f"u{item}").byteswap().view("u1")
