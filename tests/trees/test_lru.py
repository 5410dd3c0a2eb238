"""A memory that has a bound."""

from __future__ import annotations

import pickle

import pytest

from holdall.trees.lru import LruCache


def held(cache: LruCache[str, bytes], keys: str = "abcdef") -> str:
    return "".join(key for key in keys if key in cache)


def test_what_was_not_used_for_longest_goes_first() -> None:
    """Reading is a use, one by one or together; asking whether it is there is none."""
    cache: LruCache[str, bytes] = LruCache(3)
    for key in "abc":
        cache.put(key, key.encode())
    assert cache["a"] == b"a"
    assert cache.get_all("bx") == {"b": b"b"}
    assert "c" in cache
    cache.put("d", b"d")
    cache.put("a", b"A")
    cache.put("e", b"e")
    assert (held(cache), cache["a"]) == ("ade", b"A")


def test_the_bound_counts_what_entries_cost() -> None:
    """One that is replaced counts once, and one alone may cost more than all may."""
    cache: LruCache[str, bytes] = LruCache(10, len)
    for _ in range(3):
        cache.put("a", bytes(5))
    cache.put("b", bytes(5))
    assert held(cache) == "ab"
    cache.put("c", bytes(11))
    assert held(cache) == "c"
    cache.put("d", bytes(10))
    assert held(cache) == "d"


def test_many_are_held_together_until_they_were_used() -> None:
    """What is added stays until the next eviction, which may spare some of it."""
    cache: LruCache[str, bytes] = LruCache(2)
    for key in "abcde":
        cache.add(key, b"")
    assert held(cache) == "abcde"
    cache.evict(spare=2)
    assert held(cache) == "bcde"
    cache.evict()
    assert held(cache) == "de"
    with pytest.raises(KeyError):
        cache["a"]


def test_a_copy_elsewhere_holds_the_same_and_goes_its_own_way() -> None:
    cache: LruCache[str, bytes] = LruCache(2)
    cache.put("a", b"1")
    copy = pickle.loads(pickle.dumps(cache))
    copy.put("b", b"2")
    copy.put("c", b"3")
    assert (held(cache), held(copy)) == ("a", "bc")
