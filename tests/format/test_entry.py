"""Log entries and their operations: written as they are read, and nothing in them unchecked."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.format.strategies import digests, hexes, mutations, refs, refuses_or_parses
from tests.format.test_document import signed, texts, values

from holdall.errors import FormatError, UnsupportedFeatureError
from holdall.format.digest import blob_id
from holdall.format.entry import MAX_ENTRY, InlineBlob, LogEntry, encode_entry, parse_entry
from holdall.format.ops import STATUSES, check_op, integer, number
from holdall.format.reference import InEntry

LOG = "runs/" + "ab" * 16
counts = st.integers(0, 2**45)  # their sums are counts, too
steps = (
    st.integers(-(2**53), 2**53)
    | st.integers(2**53 + 1, 2**80).map(str)
    | st.integers(2**53 + 1, 2**80).map("-{}".format)
)
metric_values = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(["nan", "inf", "-inf"]) | steps
points = st.lists(st.tuples(texts, metric_values, steps, steps).map(list), max_size=4)
before = refs(st.just(InEntry(None)))


def op(name: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An operation with these fields."""
    return st.fixed_dictionaries({"op": st.just(name), **fields})


ops = st.one_of(
    op("open", session=hexes),
    op("close", session=hexes),
    op(
        "commit",
        tree=st.none() | before.map(lambda ref: ref.to_json()),
        files=counts, bytes=counts, new_bytes=counts, stored_bytes=counts,
    ),
    op("param", key=texts, value=texts),
    op("metric", points=points),
    op("tag", key=texts, value=st.none() | texts),
    op("status", status=st.sampled_from(STATUSES)),
    op("fence", generation=counts),
    op("environment", facts=before.map(lambda ref: ref.to_json())),
    op("pin", pin=texts, by=texts),
    op("unpin", pin=texts),
    op("tombstone"), op("restore"),  # and `purge`, which nothing may follow
    op("x-later", anything=values),
)  # fmt: skip
blobs = st.builds(
    lambda data, codec, kind, more: InlineBlob(blob_id(data), codec, len(data) + more, kind, data),
    st.binary(min_size=1, max_size=50), st.integers(0, 9), st.integers(0, 3), st.integers(0, 1000),
)  # fmt: skip


@st.composite
def log_entries(draw: st.DrawFn) -> LogEntry:
    """Any entry of a run's log."""
    n = draw(st.integers(0, 100))
    create = [{"op": "create", "experiment": "ab" * 8}] if n == 0 else []
    state = draw(st.none() | st.dictionaries(texts, st.integers(0, 9), max_size=3)) if n else None
    return LogEntry(
        log=LOG,
        n=n,
        write_id=draw(hexes),
        prev=draw(digests).hex() if n else None,
        time=draw(counts),
        writer=draw(texts),
        state_at=n if state is not None else draw(st.none() | st.integers(0, n - 1)) if n else None,
        ops=(*create, *draw(st.lists(ops, max_size=5))),
        blobs=tuple(draw(st.lists(blobs, max_size=3))),
        state=state,
    )


@given(log_entries())
def test_an_entry_survives_its_document(entry: LogEntry) -> None:
    """`parse_entry` takes back what `encode_entry` gives, and adds the digest that the next one chains to."""
    parsed = parse_entry(encode_entry(entry), entry.log, entry.n)
    assert len(parsed.sha256) == 64
    assert parsed == LogEntry(**{name: getattr(entry, name) for name in LogEntry.__slots__} | {"sha256": parsed.sha256})


@given(log_entries(), st.data())
def test_damaged_entries_are_refused_or_parsed(entry: LogEntry, data: st.DataObject) -> None:
    """Nothing but the two errors comes of an entry whose JSON was changed before it was signed."""
    bad = data.draw(mutations(encode_entry(entry).split(b"\n")[0]))
    refuses_or_parses(lambda data: parse_entry(data, entry.log, entry.n), signed(bad))


@given(log_entries(), st.integers(0, 100))
def test_an_entry_is_only_what_its_key_says(entry: LogEntry, n: int) -> None:
    """Read as another number, or from another log, it is refused."""
    data = encode_entry(entry)
    for log, other in ((LOG[:-1] + "0", entry.n), (LOG, n if n != entry.n else n + 1)):
        with pytest.raises(FormatError, match="it says that it is"):
            parse_entry(data, log, other)


@given(ops, st.data(), values)
def test_an_operation_with_a_wrong_field_is_refused_or_right(
    good: dict[str, Any], data: st.DataObject, value: object
) -> None:
    """Any value in any field passes or is damage; a missing field is damage; never another exception."""
    assert check_op(good, "it") == good["op"]
    name = data.draw(st.sampled_from(sorted(good)))
    refuses_or_parses(lambda _: check_op(good | {name: value}, "it"), b"")
    if name != "op" and not good["op"].startswith("x-"):
        with pytest.raises(FormatError, match=r"^it: "):
            check_op({key: value for key, value in good.items() if key != name}, "it")


@given(texts)
def test_an_unknown_operation_is_refused_by_name(name: str) -> None:
    """A later version's operation is no damage; one that begins with `x-` may be passed over."""
    assert check_op({"op": "x-" + name}, "it") == "x-" + name
    with pytest.raises(UnsupportedFeatureError, match="operation later"):
        check_op({"op": "later" + name}, "it")


@given(values)
def test_what_is_no_object_is_no_operation(value: Any) -> None:
    """Nor is an object without a name."""
    if isinstance(value, dict):
        value.pop("op", None)
    with pytest.raises(FormatError, match="is not an operation"):
        check_op(value, "it")


@pytest.mark.parametrize(
    ("value", "meaning"),
    [(1, 1), (-(2**53), -(2**53)), (2**53 + 1, None), (str(2**53), None), (str(2**53 + 1), 2**53 + 1)]
    + [
        (text, None)
        for text in ("1", "", "-0", "+9007199254740993", "09007199254740993", " 9007199254740993", "9" * 101)
    ]
    + [(True, None), (1.0, None), (None, None), ([], None), ({}, None)],
)
def test_integers_are_numbers_or_beyond_2_53_their_digits(value: object, meaning: int | None) -> None:
    """Each integer has one spelling."""
    assert integer(value) == meaning


def test_values_of_metrics_have_names_where_json_has_none() -> None:
    """Floats that JSON lacks are strings; booleans and other text are no numbers."""
    assert [number(value) for value in (1, 1.5, "inf", "-inf", str(2**60))] == [
        1,
        1.5,
        float("inf"),
        -float("inf"),
        2**60,
    ]
    assert str(number("nan")) == "nan"
    assert [number(value) for value in (True, "NaN", "1.5", None, 10**400, "1" * 400)] == [None] * 6


def test_a_large_entry_is_neither_written_nor_read() -> None:
    """More than 4 MiB is no entry."""
    draft = LogEntry(LOG, 1, "c" * 32, "d" * 64, 1, "x" * MAX_ENTRY, None, ())
    with pytest.raises(FormatError, match="more than an entry may have"):
        encode_entry(draft)
    with pytest.raises(FormatError, match="more than an entry may have"):
        parse_entry(bytes(MAX_ENTRY + 1), LOG, 1)


def test_a_writers_mistake_is_found_before_it_is_sent() -> None:
    """`encode_entry` checks operations as a reader would."""
    for wrong in ({"op": "param", "key": "a", "value": 1}, {"op": "create", "experiment": "ab" * 8}):
        with pytest.raises(FormatError):
            encode_entry(LogEntry(LOG, 1, "c" * 32, "d" * 64, 1, "x", None, (wrong,)))


def test_an_inline_blob_is_referred_to_from_its_own_entry() -> None:
    """By its index, without a number, until it is known."""
    ref = InlineBlob(blob_id(b"data"), 0, 4, 0, b"data").ref(2)
    assert (ref.location, ref.offset, ref.stored, ref.raw) == (InEntry(None), 2, 4, 4)
    assert "entry" not in ref.to_json()
