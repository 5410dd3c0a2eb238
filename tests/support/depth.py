"""How deep the tests look: `HOLDALL_TESTS=deep python -m pytest ...` tries what takes minutes more.

Each law is tried either way. What a table multiplies (every bit, every format with
every setting) is thinned out in the usual run, evenly, from another one on each time:
loops by `thinned`, tables of parameters by the marker `every`. Hypothesis makes ten
times the examples in a deep run.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from typing import Final, TypeVar

T = TypeVar("T")
DEEP: Final = os.environ.get("HOLDALL_TESTS") == "deep"
FIRST: Final = "HOLDALL_TESTS_FIRST"  # with which case of a table the session begins, for its workers to find


def thinned(cases: Sequence[T], step: int) -> Sequence[T]:
    """Every so many of the cases, so that a few runs try all; in a deep run all of them.

    From which one on is drawn once a session, alike in its workers, which must collect the same tests.
    """
    return (
        cases if DEEP else cases[int(os.environ.get(FIRST) or random.randrange(step)) % min(step, len(cases)) :: step]
    )


def examples(usual: int) -> int:
    """So many of Hypothesis's examples; in a deep run ten times that."""
    return 10 * usual if DEEP else usual
