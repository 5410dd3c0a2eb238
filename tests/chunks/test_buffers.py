"""Buffers: used again, counted, and given back by whoever forgets them."""

from __future__ import annotations

import gc

import pytest

from holdfast.chunks.buffers import Buffers
from holdfast.chunks.pool import Pool


def free(pool: Pool) -> int:
    """Bytes of the budget that nobody holds."""
    return pool._mine().free


def test_what_is_brought_back_is_used_again() -> None:
    """The same memory, and not counted twice."""
    pool = Pool(memory=1000)
    buffers = Buffers(pool, 400, most=5)
    first = buffers.take()
    assert first is not None
    first[:3] = b"abc"
    buffers.bring_back(first)
    assert buffers.take() is first
    assert free(pool) == 600


def test_there_are_no_more_than_the_budget_or_the_owner_allows() -> None:
    """None is the answer then, and at all costs there is one."""
    pool = Pool(memory=1000)
    roomy, strict = Buffers(pool, 400, most=9), Buffers(pool, 10, most=1)
    assert [roomy.take() is None for _ in range(3)] == [False, False, True]
    assert [strict.take() is None for _ in range(2)] == [False, True]
    assert roomy.take(at_all_costs=True) is not None
    assert strict.take(at_all_costs=True) is not None
    assert free(pool) == 1000 - 3 * 400 - 2 * 10


@pytest.mark.parametrize("politely", [True, False])
def test_the_budget_gets_back_what_an_owner_held(politely: bool) -> None:
    """When the owner lets go, and when it is simply forgotten; once."""
    pool = Pool(memory=1000)
    buffers = Buffers(pool, 400, most=2)
    buffers.take()
    if politely:
        buffers.let_go()
    del buffers
    gc.collect()
    assert free(pool) == 1000


def test_a_task_is_let_in_when_buffers_hold_everything() -> None:
    """An idle owner of all memory keeps no reader waiting for ever."""
    pool = Pool(memory=1000)
    kept = Buffers(pool, 1000, most=1).take()
    assert pool.submit_holding(500, lambda: "read").result(timeout=10) == "read"
    assert pool.run_holding(500, lambda: "read here") == "read here"
    assert kept is not None
