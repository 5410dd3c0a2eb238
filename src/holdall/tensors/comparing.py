"""The numbers of pairs of tensors, compared in bounded memory, and only those that chunks leave open.

1. What chunks prove to be the same is not read.
2. Of the rest both sides are read, many tensors in one plan; where nothing differs, that was all.
3. Of a tensor that differs, the rest of a is read too: for its norm, and for what is not finite.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from holdall.chunks.beside import side_by_side
from holdall.tensors.difference import TensorChange
from holdall.tensors.layout import lie_alike, obstacle
from holdall.tensors.measuring import Measure
from holdall.tensors.sharing import Range, unproven
from holdall.tensors.side import STEP, ByteReader, Part, Side, little_endian
from holdall.tensors.stored import Extent, Held, Member, Nowhere, Stored

_TOGETHER: Final = 16 << 20  # bytes of both sides that are read at once
MAX_INFLATED: Final = 4 << 30  # bytes of a compressed tensor that are compared
_UNREAD: Final = "its numbers were not read"


@dataclass(slots=True)
class _Compared:
    """A pair, and what is known of it. Attributes: open (its bytes in a that no chunk proves; all where in doubt)."""

    a: Stored
    b: Stored
    open: list[Range] = field(default_factory=list)
    note: str = ""
    measure: Measure | None = None

    @property
    def alike(self) -> bool:
        """Whether the two are of one kind, so that the same bytes in them are the same numbers."""
        kinds = [(one.dtype, one.big_endian) for one in (self.a, self.b)]
        return kinds[0] == kinds[1] and (lie_alike(self.a, self.b) or self.a.strides == self.b.strides)

    @property
    def in_places(self) -> bool:
        """Whether numbers of the two that are compared lie at like distances in their files."""
        extents = isinstance(self.a.place, Extent) and isinstance(self.b.place, Extent)
        return extents and lie_alike(self.a, self.b)

    @property
    def shared(self) -> int:
        return max(self.a.nbytes - sum(stop - start for start, stop in self.open), 0) if self.alike else 0


def compare(a: Side, b: Side, pairs: Sequence[tuple[Stored, Stored]], *, values: bool) -> list[TensorChange]:
    """Return what became of tensors that both models have.

    Args:
        a: The files of one model, and
        b: of the other.
        pairs: A tensor of each.
        values: Whether to read what chunks leave open; if not, such tensors are "unread".
    """
    found = [_Compared(one, other) for one, other in pairs]
    same_shape = [each for each in found if each.a.shape == each.b.shape]
    for each in same_shape:
        each.open = _open(a, b, each)
    left = [each for each in same_shape if each.open]
    _locate(a, b, left)
    for each in left:
        each.note = obstacle(each.a, each.b) or _too_much(each.a, each.b)
    if values:
        _measure(a, b, [each for each in left if each.open and not each.note])
    return [_change(each) for each in found]


def _open(a: Side, b: Side, pair: _Compared) -> list[Range]:
    """Return the bytes of a tensor that chunks do not prove to be in the other one, at the same place."""
    one, other = pair.a, pair.b
    if Nowhere in (type(one.place), type(other.place)):
        return [(0, max(one.nbytes, 1))]
    everything = [(0, one.nbytes)] if one.nbytes else []
    if not pair.alike:
        return everything
    match one.place, other.place:
        case Held(data), Held(others):
            return [] if data == others else everything
        case Extent(path, start), Extent(others_path, other_start):
            found = unproven(a.chunks(path), start, b.chunks(others_path), other_start, one.extent)
            return found if one.extent == one.nbytes else everything if found else []
        case Member() as entry, Member() as others_entry if _twins(entry, others_entry):
            length = entry.end - entry.header
            chunks = a.chunks(entry.path), b.chunks(others_entry.path)
            return everything if unproven(chunks[0], entry.header, chunks[1], others_entry.header, length) else []
    return everything


def _twins(a: Member, b: Member) -> bool:
    """Return whether two entries may be the same to the byte, with their headers."""
    told = [(one.end - one.header, one.stored, one.size, one.skip, one.deflated) for one in (a, b)]
    return told[0] == told[1]


def _too_much(*tensors: Stored) -> str:
    if any(isinstance(one.place, Member) and one.place.size > MAX_INFLATED for one in tensors):
        return "it is compressed, and more than 4 GiB when it is not"
    return ""


def _locate(a: Side, b: Side, pairs: Sequence[_Compared]) -> None:
    """Find where entries of archives begin, and hold their chunks against each other once more."""
    entries = [pair for pair in pairs if Member in (type(pair.a.place), type(pair.b.place))]
    for pair, one, other in zip(
        entries, a.located([pair.a for pair in entries]), b.located([pair.b for pair in entries]), strict=True
    ):
        pair.a, pair.b = one, other
        pair.open = _open(a, b, pair)


# --- reading ---


@dataclass(frozen=True, slots=True)
class _Piece:
    """Bytes of a pair that are read: a part of a's file, and of b's; None where b has the same."""

    pair: _Compared
    a: Part
    b: Part | None

    @property
    def size(self) -> int:
        return self.a[2] - self.a[1] + (self.b[2] - self.b[1] if self.b else 0)


def _measure(a: Side, b: Side, pairs: Sequence[_Compared]) -> None:
    for pair in pairs:
        pair.measure = Measure(pair.a.dtype, pair.b.dtype)
    placed = [pair for pair in pairs if pair.in_places]
    _read(a, b, (piece for pair in placed for piece in _pieces(pair, _aligned(pair), both=True)))
    differing = [pair for pair in placed if pair.measure and pair.measure.differs]
    _read(a, b, (piece for pair in differing for piece in _pieces(pair, _closed(pair), both=False)))
    for pair in pairs:
        if not pair.in_places:
            _stream(a, b, pair)


def _aligned(pair: _Compared) -> list[Range]:
    """Return the open bytes of a, in whole numbers."""
    item, found = pair.a.dtype.item, list[Range]()
    for start, stop in pair.open:
        start, stop = start // item * item, -(-stop // item) * item
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], stop
        else:
            found.append((start, stop))
    return found


def _closed(pair: _Compared) -> list[Range]:
    """Return the bytes of a that are not open."""
    edges = [0, *(edge for part in _aligned(pair) for edge in part), pair.a.nbytes]
    return [(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True) if start < stop]


def _pieces(pair: _Compared, ranges: Iterable[Range], *, both: bool) -> Iterator[_Piece]:
    one, other = pair.a.place, pair.b.place
    assert isinstance(one, Extent)
    assert isinstance(other, Extent)
    item_a, item_b = pair.a.dtype.item, pair.b.dtype.item
    step = STEP // item_a * item_a or item_a
    for start, stop in ranges:
        for at in range(start, stop, step):
            end = min(at + step, stop)
            first, last = at // item_a * item_b, end // item_a * item_b
            b = (other.path, other.start + first, other.start + last) if both else None
            yield _Piece(pair, (one.path, one.start + at, one.start + end), b)


def _read(a: Side, b: Side, pieces: Iterable[_Piece]) -> None:
    """Read pieces, many at once, and add them to what is known of their pairs."""
    for group in _groups(pieces):
        of_b = [piece for piece in group if piece.b]
        wanted = [(a, [piece.a for piece in group]), (b, [piece.b for piece in of_b if piece.b])]
        ours, theirs = side_by_side(lambda each: each[0].read(each[1]), wanted)
        others = dict(zip(map(id, of_b), theirs, strict=True))
        for piece, data in zip(group, ours, strict=True):
            pair, other = piece.pair, others.get(id(piece))
            assert pair.measure
            numbers = None if other is None else little_endian(pair.b, other)
            pair.measure.add(little_endian(pair.a, data), numbers)


def _groups(pieces: Iterable[_Piece]) -> Iterator[list[_Piece]]:
    group: list[_Piece] = []
    for piece in pieces:
        if group and sum(other.size for other in group) + piece.size > _TOGETHER:
            yield group
            group = []
        group.append(piece)
    if group:
        yield group


def _stream(a: Side, b: Side, pair: _Compared) -> None:
    """Compare a pair of which one is compressed, held, or in another order."""
    assert pair.measure
    mixed = not lie_alike(pair.a, pair.b)
    one, other = (ByteReader(side.blocks(tensor, sorted=mixed)) for side, tensor in ((a, pair.a), (b, pair.b)))
    numbers = STEP // max(pair.a.dtype.item, pair.b.dtype.item) or 1
    while data := one.take(numbers * pair.a.dtype.item):
        others = other.take(numbers * pair.b.dtype.item)
        pair.measure.add(little_endian(pair.a, data), little_endian(pair.b, others))


# --- what became of them ---


def _change(pair: _Compared) -> TensorChange:
    kinds_differ = pair.a.shape != pair.b.shape or pair.a.dtype != pair.b.dtype
    read = pair.measure.differs if pair.measure else False
    change, note = "changed" if kinds_differ or read else "same", pair.note
    if not kinds_differ and pair.open and pair.measure is None:
        change, note = "unread", pair.note or _UNREAD
    if pair.measure and not pair.a.dtype.has_values:
        note = "compared as bytes"
    result = pair.measure.result if pair.measure and change == "changed" else None
    shared = pair.shared if pair.a.shape == pair.b.shape else 0
    return TensorChange(pair.b.name, change, pair.a.info, pair.b.info, shared, result, note)
