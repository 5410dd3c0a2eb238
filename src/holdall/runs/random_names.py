"""Names for runs that nobody named: two words that are easy to say, and a number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

_HOW: Final = """
    amber brave brisk calm clever dapper eager early fair fleet gentle glad happy keen kind lively lucky
    merry mild neat noble plain proud quick quiet rapid rare sharp shy silent sleek smart solid steady swift
"""
_WHO: Final = """
    auk bear bee boar carp cat colt crab crane crow deer dove duck elk ewe finch fox frog goat goose gull hare
    hawk hen heron ibis jay kite lark lynx mink mole moth mule newt otter owl ox perch pike quail ram rook seal
"""


def drawn_name(entropy: Callable[[int], bytes]) -> str:
    """Return a name by lot, such as `brisk-heron-123`. `entropy` gives so many random bytes."""
    how, who, number = (int.from_bytes(entropy(2)) for _ in range(3))
    hows, whos = _HOW.split(), _WHO.split()
    return f"{hows[how % len(hows)]}-{whos[who % len(whos)]}-{number % 1000}"
