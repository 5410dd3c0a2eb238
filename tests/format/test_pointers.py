"""What says where content is: read as it was written, and refused when it is anything else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdall.errors import FormatError
from holdall.format.paths import POINTER as ENDING
from holdall.format.paths import stands_for
from holdall.format.pointers import Pinned, Pointer, candidates, encode_pointer, parse_pointer

ONE = Pointer("s3://b/k", (Pinned("", 9, '"e"', "v", 5, bytes(32)),))
TWO = Pointer("s3://b/", (Pinned("a/b", 0), Pinned("c", 2, modified=1)))


@pytest.mark.parametrize("pointer", [ONE, TWO, Pointer("s3://b/", ())])
def test_a_pointer_is_read_as_it_was_written(pointer: Pointer) -> None:
    """All fields, and the same bytes again."""
    data = encode_pointer(pointer)
    assert parse_pointer(data, "x") == pointer
    assert encode_pointer(parse_pointer(data, "x")) == data


def test_what_the_specification_shows_is_a_pointer() -> None:
    """The example of SPEC.md, with whole digests."""
    head = '{"holdall_reference":1,"uri":"s3://other/data/","folder":true,"files":2,"bytes":102}\n'
    first = '{"path":"a.csv","size":100,"etag":"\\"9b74\\"","version":"3/L4kq","sha256":"sha256:' + "0" * 64 + '"}\n'
    pointer = parse_pointer((head + first + '{"path":"b.csv","size":2,"etag":"\\"5d41\\""}\n').encode(), "x")
    assert [(each.path, each.size, each.version) for each in pointer.objects] == [
        ("a.csv", 100, "3/L4kq"),
        ("b.csv", 2, None),
    ]


def _changed(line: int, **fields: object) -> bytes:
    lines = [json.loads(each) for each in encode_pointer(TWO).splitlines()]
    lines[line] |= fields
    return b"".join(json.dumps(each).encode() + b"\n" for each in lines)


WRONG: dict[str, bytes] = {
    "empty": b"",
    "no newline at its end": encode_pointer(TWO)[:-1],
    "no pointer": b'{"a":1}\n',
    "a later version": _changed(0, holdall_reference=2),
    "true for 1": _changed(0, holdall_reference=True),
    "no address": _changed(0, uri=None),
    "an address that does not print": _changed(0, uri="s3://b/\x1b[2J/"),
    "an address that is too long": _changed(0, uri="s3://" + "b" * 2048 + "/"),
    "a folder that is none": _changed(0, folder=False),
    "an object that is one": _changed(0, uri="s3://b"),
    "wrong sums": _changed(0, bytes=3),
    "wrong count": _changed(0, files=3),
    "a path that leads out": _changed(1, path="../x"),
    "no path": _changed(1, path=""),
    "paths that do not ascend": _changed(1, path="d"),
    "a path twice": _changed(1, path="c"),
    "a negative size": _changed(1, size=-1),
    "a size that is no count": _changed(1, size=2**60),
    "a size that is a text": _changed(1, size="0"),
    "an ETag that is none": _changed(1, etag=1),
    "an ETag that is too long": _changed(1, etag="e" * 1025),
    "a digest that is none": _changed(1, sha256="sha256:00"),
    "a time that is none": _changed(1, modified=1.5),
    "a line that is too long": _changed(1, more="x" * 20_000),
    "deep JSON": b"[" * 100_000 + b"\n",
    "a null byte": _changed(1, path="a\x00b"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_pointer_is_refused(name: str) -> None:
    """By name, and before anything of it is believed."""
    with pytest.raises(FormatError):
        parse_pointer(WRONG[name], "x")


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_be_refused(data: bytes) -> None:
    """Whatever a stranger writes: a pointer, or a FormatError."""
    try:
        parse_pointer(data, "x")
    except FormatError:
        return
    raise AssertionError("random bytes made a pointer")


def test_the_nearest_pointer_comes_first() -> None:
    """Of a path and the folders above it."""
    assert candidates("a/b/c") == [(f"a/b/c{ENDING}", ""), (f"a/b{ENDING}", "c"), (f"a{ENDING}", "b/c")]


def test_what_a_pointer_stands_for() -> None:
    """Its path without the ending; a name that is the ending alone stands for nothing."""
    assert stands_for(f"a/b{ENDING}") == "a/b"
    assert [stands_for(path) for path in ("a", ENDING, f"a/{ENDING}")] == [None, None, None]
