"""Looks beside one another."""

from __future__ import annotations

import threading

import pytest
from tests.support.stores import tiny_location

from holdall.chunks.beside import beside, side_by_side
from holdall.errors import StoreNotFoundError
from holdall.storage.memory import MemoryBucket
from holdall.store import Store


def test_two_looks_meet() -> None:
    """The function runs while the body does: each waits for the other."""
    both = threading.Barrier(2, timeout=20)
    with beside(both.wait) as answer:
        assert {both.wait(), answer()} == {0, 1}


def test_an_error_is_raised_to_who_asks() -> None:
    """What went wrong beside is raised by its answer, and is no one's where the body fails first."""
    with pytest.raises(ZeroDivisionError), beside(lambda: 1 // 0) as answer:
        answer()
    with pytest.raises(KeyError), beside(lambda: 1 // 0):
        raise KeyError


def test_many_looks_keep_their_order() -> None:
    """Results come in the order of the items, and those of a wrong one as its error."""
    assert side_by_side(lambda n: n * n, range(40)) == [n * n for n in range(40)]
    assert side_by_side(str, []) == []
    with pytest.raises(ZeroDivisionError):
        side_by_side(lambda n: 1 // n, [2, 0])


def test_a_store_that_is_not_there_is_named_first() -> None:
    """Whatever the first listing finds, what is said is that there is no store."""
    store = Store(tiny_location(MemoryBucket(), create=False))
    with pytest.raises(StoreNotFoundError):
        store.runs.get("0" * 32).record  # noqa: B018
    with pytest.raises(StoreNotFoundError):
        store.experiments.get("0" * 16)
    with pytest.raises(StoreNotFoundError):
        store.registry.get_model("fraud")
    with pytest.raises(StoreNotFoundError):
        store.experiments.all()
