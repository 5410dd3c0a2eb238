"""Parts of a file that are cut side by side, and how they are dealt and joined: as if one process had cut it."""

from __future__ import annotations

import io
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.stores import TINY, entropy

from holdall.chunks.abandoned import last_packs
from holdall.chunks.claims import Claims, ClaimTable
from holdall.chunks.cutter import Block, Cutter, Part
from holdall.chunks.dealing import Deal
from holdall.chunks.joining import Stretch, fit
from holdall.chunks.pack_names import BLOCK, LentPackNames, PackNames
from holdall.chunks.pool import Pool
from holdall.errors import HoldallError
from holdall.format.digest import blob_id
from holdall.format.layout import PackName
from holdall.format.numbers import Sniffer
from holdall.format.recipe import Recipe, encode_recipe, join_recipes, parse_recipe
from holdall.format.reference import Ref
from holdall.storage.memory import MemoryBucket

POOL = Pool(workers=2)
LARGEST = TINY.chunker.max


def cut_part(data: bytes, start: int, stop: int, lead: int) -> tuple[int | None, list[bytes]]:
    """Where the first chunk of a part begins, and its chunks."""
    offset = max(0, start - lead) // 8 * 8
    part = Part(offset, start, stop, lambda at, count: data[at : at + count])
    blocks: list[Block] = []
    cutter = Cutter(POOL, TINY.chunker, lambda: memoryview(bytearray(5 * LARGEST)), blocks.append)
    cutter.cut(io.BytesIO(data[offset : stop + LARGEST]), 0, part)
    cutter.finish()
    return part.begin, [bytes(chunk.data) for block in blocks for chunk in block.chunks.result()]


def stretch(begin: int | None, chunks: list[bytes], number: int = 0) -> list[Stretch]:
    """A part as its worker tells of it."""
    if not chunks:
        return []
    refs, offset = [], 8
    for chunk in chunks:
        refs.append(Ref(blob_id(chunk), PackName(b"s" * 16, number), offset, len(chunk), len(chunk), 0))
        offset += len(chunk)
    size = sum(map(len, chunks))
    return [Stretch(begin or 0, size, encode_recipe(Recipe(size, bytes(32), tuple(refs))))]


def in_parts(data: bytes, cuts: list[int], lead: int) -> tuple[list[Stretch], list[tuple[int, int]]]:
    """The parts of some bytes, each cut on its own, without what two have in common; and the gaps between them."""
    bounds = [0, *sorted({cut for cut in cuts if 0 < cut < len(data)}), len(data)]
    parts = [cut_part(data, start, stop, lead) for start, stop in pairwise(bounds)]
    return fit([one for n, part in enumerate(parts) for one in stretch(*part, n)], len(data))


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 200_000), st.lists(st.integers(0, 200_000), max_size=4), st.integers(0, 99))
def test_parts_are_cut_as_the_whole_file(size: int, cuts: list[int], seed: int) -> None:
    """Whatever the parts, where bytes differ: the chunks are those of the file, and nothing is missing."""
    data = entropy(seed)(size)
    parts, gaps = in_parts(data, cuts, 16 * LARGEST)
    assert gaps == []
    joined = parse_recipe(join_recipes([part.recipe for part in parts], size, bytes(32)))
    ends = TINY.chunker.cut_points(data, final=True)
    assert [ref.id for ref in joined.chunks] == [blob_id(data[a:b]) for a, b in pairwise([0, *ends])]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 60_000)), min_size=1, max_size=5),
    st.lists(st.integers(0, 300_000), max_size=5),
    st.sampled_from([0, LARGEST, 16 * LARGEST]),
)
def test_what_parts_lack_is_the_gaps(pieces: list[tuple[bool, int]], cuts: list[int], lead: int) -> None:
    """Also where cuts cannot meet, in zeros or with no lead: parts and gaps together are the file, each byte once."""
    data = b"".join(entropy(n)(size) if noise else bytes(size) for n, (noise, size) in enumerate(pieces))
    parts, gaps = in_parts(data, cuts, lead)
    spans = sorted([*gaps, *((part.begin, part.begin + part.size) for part in parts)])
    assert [span[0] for span in spans] == [0, *(span[1] for span in spans[:-1])]
    assert spans[-1][1] == len(data)
    assert all(stop - start < 2 * LARGEST for start, stop in gaps)
    for part in parts:
        at = part.begin
        for ref in parse_recipe(part.recipe).chunks:
            assert ref.id == blob_id(data[at : at + ref.raw])
            at += ref.raw


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 50)), min_size=1, max_size=5), min_size=1, max_size=4)
)
def test_joined_recipes_are_that_of_all_their_chunks(parts: list[list[tuple[int, int]]]) -> None:
    """Byte for byte what `encode_recipe` makes of the chunks in a row; neighbours in a pack share an extent."""
    ends: dict[int, int] = {}
    recipes, chunks = [], []
    for part in parts:
        refs = []
        for pack, size in part:
            offset = ends.get(pack, 8)
            refs.append(Ref(blob_id(bytes(size)), PackName(b"s" * 16, pack), offset, size, size, 0))
            ends[pack] = offset + size
        recipes.append(encode_recipe(Recipe(sum(ref.raw for ref in refs), bytes(32), tuple(refs))))
        chunks += refs
    size = sum(ref.raw for ref in chunks)
    assert join_recipes(recipes, size, b"h" * 32) == encode_recipe(Recipe(size, b"h" * 32, tuple(chunks)))


@pytest.mark.parametrize("at", [1, 9, 5000, 70_000, 199_999])
@pytest.mark.parametrize("name", ["torch.pt", "tensors.safetensors", "arrays.npz"])
def test_numbers_are_found_from_the_middle_of_a_file(name: str, at: int) -> None:
    """What is said of a block is the same where the file before it was only looked at."""
    data = memoryview(_file(name))
    whole, middle = Sniffer(), Sniffer()
    whole.feed(0, data[:at])
    middle.begin_at(at, lambda offset, count: bytes(data[offset : offset + count]))
    assert middle.feed(at, data[at:]) == whole.feed(at, data[at:])


def _file(name: str) -> bytes:
    """A file with numbers of several sizes, as a library writes it."""
    import numpy as np

    arrays: dict[str, Any] = {
        "a": np.arange(30_001, dtype=np.float32),
        "b": np.ones(9_999, dtype=np.uint8),
        "c": np.arange(20_000, dtype=np.float64),
    }
    made = io.BytesIO()
    if name.endswith(".npz"):
        np.savez(made, **arrays)
    elif name.endswith(".pt"):
        torch = pytest.importorskip("torch")
        torch.save({key: torch.from_numpy(array) for key, array in arrays.items()}, made)
    else:
        made.write(pytest.importorskip("safetensors.numpy").save(arrays))
    return made.getvalue()


# --- who writes what


@settings(max_examples=200)
@given(st.lists(st.integers(0, 5_000), max_size=12), st.integers(1, 6), st.randoms(use_true_random=False))
def test_a_deal_gives_every_byte_once(sizes: list[int], workers: int, order: object) -> None:
    """Whoever asks when, each file is dealt whole or in all of its parts, and no job twice."""
    deal = Deal(sizes, workers, least=64, most=256)
    whole: list[int] = []
    parts: dict[int, list[tuple[int, int]]] = {}
    while True:
        job = deal.take(order.randrange(workers))  # type: ignore[attr-defined]
        if job is None:
            break
        if job.part is None:
            whole += range(job.first, job.last)
        else:
            parts.setdefault(job.first, []).append((job.start, job.stop))
    assert sorted([*whole, *parts]) == list(range(len(sizes)))
    for file, spans in parts.items():
        spans.sort()
        assert [span[0] for span in spans] == [0, *(span[1] for span in spans[:-1])]
        assert spans[-1][1] == sizes[file]
        assert [(job.start, job.stop) for job in deal.split[file]] == spans


def test_files_that_fill_all_workers_stay_whole() -> None:
    """A file is read twice if it is cut into parts: that is not done where it helps nobody."""
    assert Deal([1000] * 8, 4, least=64, most=256).split == {}
    assert list(Deal([1000] * 8, 16, least=64, most=256).split) == list(range(8))
    assert list(Deal([1000, 10, 10], 2, least=64, most=256).split) == [0]


def test_neighbours_are_dealt_to_one_worker() -> None:
    """Each begins with a stretch of its own, and takes from the end of another's when that is done."""
    deal = Deal([1000] * 8, 2, least=64, most=256)
    first = [job.first for _ in range(4) if (job := deal.take(0))]
    assert first == [0, 1, 2, 3]
    last = deal.take(0)
    assert last is not None
    assert last.first == 7


# --- who stores what two have met


def test_the_first_who_claims_a_chunk_stores_it() -> None:
    """The others leave it to him; what he meets again is still his."""
    chunks = [blob_id(bytes([n])) for n in range(200)]
    with ClaimTable(1000) as table:
        first, second = Claims(table.path, 1), Claims(table.path, 2)
    assert all(first.claim(chunk) for chunk in chunks[:100])
    assert [second.claim(chunk) for chunk in chunks] == [False] * 100 + [True] * 100
    assert second.left == dict.fromkeys(chunks[:100], 1)
    assert all(first.claim(chunk) for chunk in chunks[:100])


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is a file, which a kill may leave")
def test_a_table_is_in_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a process that is killed leaves none; and it needs no folder that can be written to."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with ClaimTable(1) as table:
        assert list(tmp_path.iterdir()) == []
        first, second = Claims(table.path, 1), Claims(table.path, 2)
    assert (first.claim(bytes(32)), second.claim(bytes(32))) == (True, False)


def test_a_full_table_and_none_leave_nothing_to_others() -> None:
    """Then a chunk may be stored by each; it is never left to somebody who does not know of it."""
    with ClaimTable(1) as table:
        first, second, nobody = Claims(table.path, 1), Claims(table.path, 2), Claims(None, 3)
    claimed = [blob_id(n.to_bytes(4)) for n in range(20_000)]
    assert all(map(first.claim, claimed))
    others = sum(not second.claim(chunk) for chunk in claimed)
    assert 0 < others == len(second.left) < len(claimed) / 2
    assert all(map(nobody.claim, claimed))


# --- names of packs


def test_no_number_is_given_twice() -> None:
    """A process, its workers, and those that get what others left: all have numbers of their own."""
    names = PackNames(b"s" * 16)
    lent = [LentPackNames(names.lend()) for _ in range(3)]
    given_names = [next(names), *(next(one) for one in lent for _ in range(3))]
    names.take_back(lent[0].left)
    given_names += [next(names), next(LentPackNames(names.lend())), next(LentPackNames(names.lend()))]
    assert len(set(given_names)) == len(given_names)
    assert [name.number for name in given_names[:2]] == [0, BLOCK]
    assert given_names[-2].number == BLOCK + 3


def test_what_was_lent_for_another_session_is_not_taken_back() -> None:
    """A session that began again gives its own numbers alone."""
    names = PackNames(b"s" * 16)
    lent = names.lend()
    names.begin(b"t" * 16)
    names.take_back(lent)
    assert names.lend().session == next(names).session == b"t" * 16


def test_numbers_end_with_an_error() -> None:
    """Whoever has none left says so, and does not use another's."""
    lent = LentPackNames(PackNames(b"s" * 16).lend())
    lent._next = lent._stop - 1
    next(lent)
    with pytest.raises(HoldallError, match="no more numbers"):
        next(lent)


def test_the_last_packs_of_each_process_of_a_session_are_found(tmp_path: Path) -> None:
    """What a killed session has left lies at the end of each of its blocks, however many packs it has."""
    bucket, session = MemoryBucket(), b"s" * 16
    for start, count in ((0, 1200), (BLOCK, 3), (2 * BLOCK, 20)):
        for number in range(start, start + count):
            bucket.put(PackName(session, number).key, b"")
    found = [pack.number for pack in last_packs(bucket, session)]
    assert found[8:] == [*range(BLOCK, BLOCK + 3), *range(2 * BLOCK + 12, 2 * BLOCK + 20)]


@pytest.mark.parametrize("size", [None, 0, 1, 4099])
def test_a_table_of_claims_that_is_none_is_done_without(size: int | None, tmp_path: Path) -> None:
    """One that somebody has removed, emptied or cut: all that is new is stored."""
    path = tmp_path / "table"
    if size is not None:
        path.write_bytes(bytes(size))
    claims = Claims(str(path), 1)
    assert claims.claim(b"a" * 32)
    assert Claims(str(path), 2).claim(b"a" * 32)
    assert not claims.left
