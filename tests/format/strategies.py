"""Values of the format, drawn at random, and the law that every parser keeps."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from holdall.errors import FormatError, InvalidPathError, UnsupportedFeatureError
from holdall.format.digest import sha256
from holdall.format.layout import PackName
from holdall.format.paths import check_path, resolve, sort_key
from holdall.format.reference import InEntry, Ref
from holdall.format.tree import Entry, Kind

digests = st.binary(min_size=32, max_size=32)
hexes = st.binary(min_size=16, max_size=16).map(bytes.hex)
sessions = st.binary(min_size=16, max_size=16).filter(any)
packs = st.builds(PackName, sessions, st.integers(0, 2**32 - 1))
numbers = st.integers(0, 2**29)  # a pack has 1 GiB at most
places = packs | st.builds(InEntry, st.none() | numbers)


@st.composite
def refs(draw: st.DrawFn, places: st.SearchStrategy[PackName | InEntry] = places, most: int = 1 << 20) -> Ref:
    """A reference to a blob of at most so many bytes."""
    raw = draw(st.integers(1, most))
    stored = draw(st.integers(1, raw + 64))
    return Ref(draw(digests), draw(places), draw(numbers), stored, raw, draw(st.integers(0, 2)))


def _is_path(text: str) -> bool:
    try:
        return bool(check_path(text))
    except InvalidPathError:
        return False


letters = st.characters(exclude_categories=["Cs"], exclude_characters="/\\\0") | st.sampled_from("ab.-\n\r é")
names = st.text(letters, min_size=1, max_size=8)
paths = st.lists(names, min_size=1, max_size=4).map("/".join).filter(_is_path)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """A file, link or directory."""
    path, kind = draw(paths), draw(st.sampled_from(Kind))
    if kind is Kind.DIRECTORY:
        return Entry(path, kind)
    if kind is Kind.LINK:
        return Entry(path, kind, target=draw(paths.filter(lambda target: resolve(path, target) is not None)))
    executable = draw(st.booleans())
    if draw(st.booleans()):
        return Entry(path, kind, 0, sha256(b""), executable)
    content, whole = draw(refs()), draw(st.booleans())
    size = content.raw if whole else draw(st.integers(1, 2**64 - 1))
    return Entry(path, kind, size, draw(digests), executable, content, whole)


def as_a_tree(found: list[Entry]) -> list[Entry]:
    """Those of some entries that can stand in one tree, in its order."""
    kept: dict[str, Entry] = {}
    for entry in sorted(found, key=lambda entry: sort_key(entry.path)):
        names = entry.path.split("/")
        above = ["/".join(names[:depth]) for depth in range(1, len(names) + 1)]
        if all(kept[path].kind is Kind.DIRECTORY and path != entry.path for path in above if path in kept):
            kept[entry.path] = entry
    return list(kept.values())


trees = st.lists(entries(), min_size=1, max_size=12).map(as_a_tree)


@st.composite
def mutations(draw: st.DrawFn, good: bytes) -> bytes:
    """Good bytes with a few of them changed, cut out or doubled."""
    data = bytearray(good)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["set", "cut", "insert", "double"])):
            case "set":
                new = draw(st.binary(min_size=1, max_size=4) | st.sampled_from([b"\xff\xff\xff\xff", bytes(4)]))
                data[at : at + len(new)] = new
            case "cut":
                del data[at : at + draw(st.integers(1, 60))]
            case "insert":
                data[at:at] = draw(st.binary(min_size=1, max_size=8))
            case _:
                data[at:at] = data[at : at + draw(st.integers(1, 60))]
    return bytes(data)


def refuses_or_parses(parse: Callable[[bytes], object], data: bytes) -> None:
    """The law of all parsers: a value, or one of two errors, and never another."""
    try:
        parse(data)
    except (FormatError, UnsupportedFeatureError):
        pass
    except Exception as error:
        raise AssertionError(f"a parser raised {error!r}") from error
