"""Cases of what is wrong in tables of bytes: recipes, tree nodes, packs, encoded blobs."""

from __future__ import annotations

import struct
from dataclasses import replace

import zstandard
from tests.golden.rejected_builder import DAMAGE, DATA, PACK, REF, UNKNOWN, case, patched

from holdall.format.codec import encode, encode_planes
from holdall.format.digest import sha256
from holdall.format.layout import PackName
from holdall.format.pack import PackBuilder
from holdall.format.recipe import Recipe, encode_recipe
from holdall.format.reference import InEntry, Ref
from holdall.format.tree import Child, Entry, Kind, encode_node


def tables() -> None:
    """All of them."""
    for make in (_recipes, _nodes, _children, _packs, _blobs):
        make()


def _children() -> None:
    """Nodes that are whole, and are not what the row above speaks of: a level, a first path, a fence, the node."""
    leaf = encode_node(0, [Entry("a", Kind.DIRECTORY), Entry("c", Kind.DIRECTORY)])
    for name, level, first, fence, part in (
        ("level", 1, "a", "", "is of level 0"),
        ("first", 0, "b", "", "does not begin where"),
        ("fence", 0, "a", "c", "reaches beyond"),
    ):
        case("child", name, f"{level} {first} {fence}\n".encode() + leaf, DAMAGE, part)
    here = encode_node(
        0, [Entry("a", size=len(DATA), sha256=sha256(DATA), content=replace(REF, location=InEntry(None)))]
    )
    two = here[:8] + struct.pack("<I", 2) + here[12:40] + struct.pack("<16sQ", bytes(16), 7) + here[40:]
    case("carried", "twice", two, DAMAGE, "lists the entry that carries it twice")


def _recipes() -> None:
    good = encode_recipe(Recipe(len(DATA), sha256(DATA), (REF,)))
    chunk = 48 + 12 + 24 + 12  # where the only chunk's row begins
    for name, at, new, error, part in (
        ("magic", 0, b"HFT1", DAMAGE, "does not begin like one"),
        ("of-recipes", 0, b"HFR2", UNKNOWN, "recipes of recipes"),
        ("sealed", 0, b"HFRS", UNKNOWN, "sealed recipes"),
        ("file-algorithm", 4, b"\2", UNKNOWN, "hash algorithms 2 and 1"),
        ("blob-algorithm", 5, b"\2", UNKNOWN, "hash algorithms 1 and 2"),
        ("zero", 6, b"\1", DAMAGE, "tables do not fill it"),
        ("size", 8, b"\1", DAMAGE, "do not add up to"),
        ("places", 48, b"\2", DAMAGE, "tables do not fill it"),
        ("many-chunks", 56, b"\xff\xff\xff\xff", DAMAGE, "tables do not fill it"),
        ("inline-place", 60, bytes(16), DAMAGE, "refers to a log entry"),
        ("pack-number", 60 + 23, b"\1", DAMAGE, "too large"),
        ("behind-a-pack", 88, struct.pack("<I", (1 << 30) - 29), DAMAGE, "no pack has a byte"),
        ("no-such-place", 84, b"\1", DAMAGE, "has no location 1"),
        ("extent-empty", 92, b"\0", DAMAGE, "extents do not add up"),
        ("chunk-bomb", chunk + 36, struct.pack("<I", (16 << 20) + 1), DAMAGE, "cannot be"),
        ("chunk-empty", chunk + 36, bytes(4), DAMAGE, "cannot be"),
    ):
        case("recipe", name, patched(good, at, new), error, part)
    twice = encode_recipe(Recipe(2 * len(DATA), sha256(DATA), (REF, replace(REF, location=PackName(PACK.session, 4)))))
    case("recipe", "place-twice", patched(twice, 60 + 24, twice[60:84]), DAMAGE, "lists a location twice")
    case("recipe", "cut-off", good[:-1], DAMAGE, "tables do not fill it")
    case("recipe", "trailing", good + b"\0", DAMAGE, "tables do not fill it")


def _nodes() -> None:
    file = Entry("a", size=len(DATA), sha256=sha256(DATA), content=REF)
    good, path, kind = encode_node(0, [file]), 16 + 24 + 2, 16 + 24 + 3
    for name, at, new, error, part in (
        ("magic", 0, b"HFT2", DAMAGE, "does not begin like one"),
        ("sealed", 0, b"HFTS", UNKNOWN, "sealed nodes"),
        ("level", 4, b"\x08", DAMAGE, "header is wrong"),
        ("algorithm", 5, b"\2", UNKNOWN, "hash algorithms 2 and 1"),
        ("zero", 7, b"\1", DAMAGE, "header is wrong"),
        ("no-rows", 12, b"\0", DAMAGE, "header is wrong"),
        ("many-rows", 12, b"\xff\xff\xff\xff", DAMAGE, "a row of it is wrong"),
        ("here-in-a-pack", 16, bytes(16) + b"\xff" * 8, DAMAGE, "is in a pack"),
        ("path-nul", path, b"\0", DAMAGE, "NUL"),
        ("path-dot", path, b".", DAMAGE, "a name in it is empty"),
        ("path-absolute", path, b"/", DAMAGE, "absolute"),
        ("path-utf-8", path, b"\xff", DAMAGE, "a row of it is wrong"),
        ("path-backslash", path, b"\\", DAMAGE, "backslash"),
        ("kind", kind, b"\3", DAMAGE, "is of kind 3"),
        ("flags", kind + 1, b"\2", DAMAGE, "with flags 2"),
        ("size", kind + 2, b"\1", DAMAGE, "bytes and a blob of"),
        ("content", kind + 42, b"\3", DAMAGE, "content 3"),
        ("content-empty", kind + 42, b"\0", DAMAGE, "content 0"),
        ("behind-a-pack", kind + 43 + 36, struct.pack("<I", (1 << 30) - 29), DAMAGE, "no pack has a byte"),
        ("no-such-place", kind + 43 + 32, b"\1", DAMAGE, "a row of it is wrong"),
    ):
        case("node", name, patched(good, at, new), error, part)
    link, folder = Entry("a", Kind.LINK, target="b"), Entry("a", Kind.DIRECTORY)
    large = Ref(REF.id, PACK, 8, 100, (1 << 20) + 1, 1)
    for name, level, rows, part in (
        ("unsorted", 0, [file, Entry("Z", Kind.DIRECTORY)], "do not ascend"),
        ("twice", 0, [file, folder], "do not ascend"),
        ("slash-order", 0, [Entry("a-", Kind.DIRECTORY), Entry("a/b", Kind.DIRECTORY)], "do not ascend"),
        ("below-a-file", 0, [file, Entry("a/b", Kind.DIRECTORY)], "lies in it"),
        ("below-a-link", 0, [link, Entry("a/b", Kind.DIRECTORY)], "lies in it"),
        ("link-outside", 0, [Entry("a/b", Kind.LINK, target="../../c")], "lies outside"),
        ("link-climbs-late", 0, [Entry("z", Kind.LINK, target="a/b/c/../outside")], "behind a name"),
        ("link-climbs-again", 0, [Entry("a/b", Kind.LINK, target="../a/./../b")], "behind a name"),
        ("link-climbs-at-the-end", 0, [Entry("a", Kind.LINK, target="b/..")], "behind a name"),
        ("link-absolute", 0, [Entry("a", Kind.LINK, target="/etc/passwd")], "absolute"),
        ("link-empty", 0, [Entry("a", Kind.LINK, target="")], "it is empty"),
        ("path-up", 0, [Entry("../a", Kind.DIRECTORY)], "a name in it is empty"),
        ("path-long", 0, [Entry("a" * 1025, Kind.DIRECTORY)], "more than 1024"),
        ("child-bomb", 1, [Child("a", large)], "cannot be"),
    ):
        case("node", name, encode_node(level, rows), DAMAGE, part)
    case("node", "trailing", good + b"\0", DAMAGE, "do not fill it")
    case("node", "cut-off", good[:-1], DAMAGE, "a row of it is wrong")


def _packs() -> None:
    builder = PackBuilder()
    builder.add(REF.id, 0, *encode(DATA), len(DATA))
    good = bytes(builder.finish())
    row = builder.size + 40  # where the only row of the footer begins

    def footer(name: str, at: int, new: bytes, part: str) -> None:
        """A footer that was changed before its digest was made."""
        wrong = patched(good, at, new)
        case("pack", name, patched(wrong, len(good) - 48, sha256(wrong[builder.size : -48])), DAMAGE, part)

    end = len(good) - 8
    many = struct.pack("<Q", 40 + 48 * ((1 << 18) + 1))
    case("pack", "too-many-blobs", patched(good, len(good) - 16, many), DAMAGE, "cannot be")
    case("pack", "sealed", patched(good, end, b"HOLDPAKS"), UNKNOWN, "sealed packs")
    case("pack", "magic-at-end", patched(good, end, b"HOLDPAK2"), DAMAGE, "does not end like a pack")
    case("pack", "magic-at-begin", patched(good, 0, b"HOLDPAK2"), DAMAGE, "which its footer does not say")
    case("pack", "cut-off", good[:-1], DAMAGE, "does not end like a pack")
    case("pack", "tiny", good[-40:], DAMAGE, "shorter than the end of a pack")
    case("pack", "leading", b"x" + good, DAMAGE, "which its footer does not say")
    case("pack", "body-bit", patched(good, 9, b"\xff"), DAMAGE, "body does not match")
    case("pack", "footer-bit", patched(good, row, b"\xff"), DAMAGE, "footer does not match")
    case("pack", "footer-length", patched(good, end - 8, b"\x59"), DAMAGE, "cannot be")
    footer("count", builder.size, b"\2", "does not add up")
    footer("body-length", builder.size + 4, b"\1", "does not add up")
    footer("offset", row + 32, b"\x09", "row 0 of its footer is wrong")
    footer("kind", row + 45, b"\4", "of kind 4")
    footer("node-bomb", row + 40, struct.pack("<IBB", (1 << 20) + 1, 1, 2), "cannot be")
    footer("zero", row + 46, b"\1", "row 0 of its footer is wrong")
    footer("chunk-bomb", row + 40, struct.pack("<I", (16 << 20) + 1), "cannot be")


def _blobs() -> None:
    """First two bytes: the codec, and how many bytes are promised, in units of ten."""

    def blob(name: str, codec: int, stored: bytes, error: str, part: str, raw: int = len(DATA)) -> None:
        case("blob", name, bytes([codec, raw // 10]) + stored, error, part)

    packed = encode(DATA)[1]
    planes = encode_planes(DATA, 4, 1)[1]
    unsized = zstandard.ZstdCompressor(write_content_size=False).compress(DATA)
    blob("raw-short", 0, DATA[:-1], DAMAGE, "are stored uncompressed")
    blob("delta", 3, DATA, UNKNOWN, "codec delta")
    blob("codec-4", 4, DATA, UNKNOWN, "codec 4")
    blob("zstd-none", 1, DATA, DAMAGE, "not a zstd frame")
    blob("zstd-unsized", 1, unsized, DAMAGE, "frame promises")
    blob("zstd-other-size", 1, packed, DAMAGE, "frame promises 200 bytes, not 190", 190)
    blob("zstd-trailing", 1, packed + b"\0", DAMAGE, "not a zstd frame")
    blob("zstd-two-frames", 1, packed + packed, DAMAGE, "not a zstd frame")
    blob("zstd-cut-off", 1, packed[:-1], DAMAGE, "not a zstd frame")
    blob("zstd-dictionary", 1, _with_dictionary(packed), DAMAGE, "wants dictionary")
    blob("zstd-skippable", 1, b"\x50\x2a\x4d\x18" + struct.pack("<I", len(DATA)) + DATA, DAMAGE, "frame")
    for name, at, new, part in (
        ("item", 0, b"\3", "header of planes"),
        ("head", 1, b"\4", "header of planes"),
        ("tail", 2, b"\4", "header of planes"),
        ("bitmap", 3, b"\x10", "header of planes"),
        ("phase", 1, b"\2", "cannot make 200 bytes"),
        ("length", 4, b"\xff\xff\xff\xff", "do not add up"),
    ):
        blob(f"planes-{name}", 2, patched(planes, at, new), DAMAGE, part)
    blob("planes-trailing", 2, planes + b"\0", DAMAGE, "do not add up")
    blob("planes-tiny", 2, planes[:3], DAMAGE, "header of planes")


def _with_dictionary(frame: bytes) -> bytes:
    """A zstd frame that names dictionary 7: the flag in its header, then the id."""
    single = frame[4] & 0x20
    at = 5 if single else 6
    return frame[:4] + bytes([frame[4] | 1]) + frame[5:at] + b"\7" + frame[at:]
