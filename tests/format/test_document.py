"""Documents: two lines of which the second proves the first."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.format.strategies import mutations, refuses_or_parses

from holdall.errors import FormatError
from holdall.format.document import count_of, encode_document, parse_document

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)
bodies = st.dictionaries(texts, values, max_size=5)


def signed(first: bytes) -> bytes:
    """A document with any first line, and its right digest."""
    return first + b'\n{"sha256":"' + sha256(first).hexdigest().encode() + b'"}\n'


@given(bodies)
def test_a_body_survives_its_document(body: dict[str, Any]) -> None:
    """`parse_document` takes back what `encode_document` gives, with the digest of the first line."""
    data = encode_document(body)
    assert parse_document(data, "it") == (body, sha256(data.split(b"\n")[0]).hexdigest())
    assert data == signed(data.split(b"\n")[0])


@given(bodies, st.data())
def test_no_flipped_bit_of_a_document_goes_unnoticed(body: dict[str, Any], data: st.DataObject) -> None:
    """Changing any one bit of a document makes reading it a FormatError."""
    document = bytearray(encode_document(body))
    document[data.draw(st.integers(0, len(document) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(FormatError, match=r"^it: "):
        parse_document(bytes(document), "it")


@given(st.binary(max_size=200))
def test_a_right_digest_does_not_make_json(first: bytes) -> None:
    """Any first line with its digest is a JSON object in UTF-8, or a FormatError; and can be written again."""
    refuses_or_parses(lambda data: encode_document(parse_document(data, "it")[0]), signed(first))


@given(bodies, st.data())
def test_damaged_json_is_refused_or_parsed(body: dict[str, Any], data: st.DataObject) -> None:
    """The same for JSON that was good once."""
    first = data.draw(mutations(json.dumps(body).encode()))
    refuses_or_parses(lambda data: encode_document(parse_document(data, "it")[0]), signed(first))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_document_or_refused(data: bytes) -> None:
    """Nothing but a FormatError comes of bytes that are no document."""
    refuses_or_parses(lambda data: parse_document(data, "it"), data)


@pytest.mark.parametrize(
    "first",
    [
        b'{"a":1,"a":2}',
        b'{"a":{"b":1,"b":1}}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":-1e400}',
        b'{"a":"\\udfff"}',
        b'{"\\ud83d":1}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'\xef\xbb\xbf{"a":1}',
        '{"a":1}'.encode("utf-16"),
        b'{"a":"\xff"}',
        b'{"a":1}{}',
        b"",
    ],
)
def test_what_other_readers_take_for_another_thing_is_refused(first: bytes) -> None:
    """Keys twice, numbers that are none, half surrogates and other encodings are no JSON here."""
    with pytest.raises(FormatError, match="not JSON"):
        parse_document(signed(first), "it")


def test_a_whole_surrogate_pair_is_a_letter() -> None:
    """Escapes that make a character of Unicode are read as that character."""
    assert parse_document(signed(b'{"a":"\\ud83d\\udea2"}'), "it")[0] == {"a": "🚢"}


def test_a_huge_document_is_refused_unread() -> None:
    """4 MiB are a document, one byte more is none."""
    whole = signed(b'{"a":"' + b"x" * ((4 << 20) - len(signed(b'{"a":""}'))) + b'"}')
    assert (len(whole), len(parse_document(whole, "it")[0])) == (4 << 20, 1)
    with pytest.raises(FormatError, match="not a document of two lines"):
        parse_document(signed(whole.split(b"\n")[0] + b" "), "it")


@pytest.mark.parametrize(
    ("widest", "message"),
    [(b"[" * 63 + b"]" * 63, "nests more than 64"), (b"9" * 4300, "Exceeds"), (b"1e308", "finite")],
)
def test_the_widest_json_is_read_and_no_wider(widest: bytes, message: str) -> None:
    """64 levels with the outermost, 4,300 digits, the largest exponent; and then no more."""
    wider = {b"[": b"[%b]" % widest, b"9": b"9" + widest, b"1": b"1e309"}[widest[:1]]
    assert "a" in parse_document(signed(b'{"a":%b}' % widest), "it")[0]
    with pytest.raises(FormatError, match=message):
        parse_document(signed(b'{"a":%b}' % wider), "it")


@pytest.mark.parametrize("value", [None, True, -1, 1.0, "1", 2**53, [], ...])
def test_a_count_is_an_integer_below_2_53(value: object) -> None:
    """Anything else in the place of a count is damage, and so is nothing."""
    with pytest.raises(FormatError, match="not a count"):
        count_of({} if value is ... else {"n": value}, "n", "it")
    assert [count_of({"n": n}, "n", "it") for n in (0, 2**53 - 1)] == [0, 2**53 - 1]


@pytest.mark.parametrize("body", [{"a": float("nan")}, {"a": float("inf")}, {"a": "\ud800"}])
def test_what_json_cannot_hold_is_not_written(body: dict[str, Any]) -> None:
    """A writer's mistake is a ValueError before anything is sent."""
    with pytest.raises(ValueError, match=r"JSON|surrogates"):
        encode_document(body)
