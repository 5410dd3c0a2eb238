"""No bytes make a parser raise anything but an error of the tree."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.format.strategies import mutations
from tests.fuzz.targets import TARGETS
from tests.support.depth import examples


@pytest.mark.parametrize("name", TARGETS)
def test_a_good_object_is_reached(name: str) -> None:
    """Each target has what it begins from, and what is named for it is not refused for its shell alone."""
    assert TARGETS[name].seeds


@pytest.mark.parametrize("name", TARGETS)
@given(st.data())
@settings(max_examples=examples(50), deadline=None)
@pytest.mark.every(2)
def test_changed_bytes_parse_or_are_refused(name: str, data: st.DataObject) -> None:
    """A few bytes of a good object changed, cut out or doubled."""
    target = TARGETS[name]
    target.try_on(data.draw(mutations(data.draw(st.sampled_from(target.seeds)))))


@pytest.mark.parametrize("name", TARGETS)
@given(st.binary(max_size=200))
@settings(max_examples=examples(25), deadline=None)
def test_any_bytes_parse_or_are_refused(name: str, data: bytes) -> None:
    """Nothing at all, or noise."""
    TARGETS[name].try_on(data)


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("bomb", [b"[" * 100_000, b"\xff" * 100_000, b"9" * 100_000, b'{"a":' * 20_000, b"- " * 50_000])
@pytest.mark.every(2)
def test_a_hundred_kilobytes_cost_some_megabytes(name: str, bomb: bytes) -> None:
    """Nesting, large numbers and large counts are refused before anything is made for them."""
    target = TARGETS[name]
    tracemalloc.start()
    target.try_on(bomb)
    target.try_on(target.seeds[0][:40] + bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 << 20
