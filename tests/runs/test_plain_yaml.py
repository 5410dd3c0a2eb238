"""YAML of anybody's: plain values, or an error that names the file, at the cost of its own length."""

from __future__ import annotations

import tracemalloc

import pytest

from holdall.errors import ContentError
from holdall.modeling.model import parse_model
from holdall.runs.plain_yaml import load_yaml
from holdall.runs.rendering import parse_dict

LAUGHS = b"a0: &a0 [x, x]\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 9)
)
MERGES = b"a0: &a0 {x: 1}\n" + b"".join(b"a%d: &a%d {<<: [*a%d, *a%d]}\n" % (n, n, n - 1, n - 1) for n in range(1, 40))
BAD = {
    "aliases of aliases": LAUGHS,
    "merges of merges": MERGES,
    "what contains itself": b"flavors: &a\n  x: *a\n",
    "base 60": b"a: 1" + b":1" * 20_000,
    "endless digits": b"a: " + b"9" * 5_000,
    "depth": b"- " * 50_000,
    "a truth that is none": b"a: !!bool maybe",
    "a time that is none": b"a: !!timestamp then",
    "a number that is none": b"a: !!int ''",
    "a list for a mapping": b"a: !!map [1]",
    "a key that is a list": b"? [a]\n: b",
    "a command": b"!!python/object/apply:os.system [exit]",
    "other bytes": b"\xff\xfe\xfa",
}  # fmt: skip


@pytest.mark.parametrize("read", [load_yaml, parse_model, lambda data, path: parse_dict(data, f"{path}.yml")])
@pytest.mark.parametrize("case", BAD)
def test_what_is_not_plain_is_refused(case: str, read: object) -> None:
    """By every reader of YAML, within a few megabytes."""
    tracemalloc.start()
    with pytest.raises(ContentError):
        read(BAD[case], "MLmodel")  # type: ignore[operator]
    assert tracemalloc.get_traced_memory()[1] < 32 << 20
    tracemalloc.stop()


def test_names_for_parts_are_yaml() -> None:
    """Writers use them for what stands in two places; that is no bomb."""
    assert load_yaml(b"a: &a [1, 2]\nb: *a\nc: {d: *a}\n", "it") == {"a": [1, 2], "b": [1, 2], "c": {"d": [1, 2]}}
    assert load_yaml(b"", "it") is None
