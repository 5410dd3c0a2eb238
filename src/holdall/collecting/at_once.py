"""Collecting some packs at once: a generation of their own, without delay and quarantine.

It is one like any other (SPEC.md, G4 to G8): who writes meanwhile is fenced, and a pack that something refers to after
all is spared. Killed anywhere, the next collection finishes it.
"""

from __future__ import annotations

from itertools import islice

from holdall.collecting.fencing import fence_all
from holdall.collecting.following import list_runs
from holdall.collecting.generations import decide, list_garbage, settle
from holdall.collecting.marks import Marks, mark
from holdall.collecting.sweeping import sweep
from holdall.engines.opening import open_engine
from holdall.format.layout import PackName
from holdall.format.records import MOST_CONDEMNED
from holdall.trees.location import Location


def collect_packs(location: Location, packs: frozenset[PackName], *, most: int = MOST_CONDEMNED) -> frozenset[PackName]:
    """Delete those of some packs that no run refers to, and return which these are; not those that were refused.

    Args:
        location: The store.
        packs: Any number of packs.
        most: How many one generation takes: more of them go by several, one after the other.

    Raises:
        LiveContentError: What some run refers to cannot be told; nothing was deleted.

    Cost: two GETs for each run that has ended, its trees and recipes; two and a PUT for each with an open session; the
        deletion.
    """
    location.ready_to_write()
    left = iter(sorted(packs))
    gone = frozenset[PackName]()
    while some := frozenset(islice(left, most)):
        gone |= _collect(location, some)
    return gone


def _collect(location: Location, packs: frozenset[PackName]) -> frozenset[PackName]:
    """Delete what one generation may name."""
    bucket = location.bucket
    marks = Marks(len(packs), location.entropy(16), packs)
    with open_engine() as engine:
        mark(location, engine, marks, list_runs(bucket))
        state = list_garbage(bucket)
        number = state.next
        while not settle(bucket, number, "condemn", packs)[1]:
            number += 1  # another collector's
        fence_all(location, engine, (run.log for run in list_runs(bucket) if marks.may_be_open(run)), [number])
        mark(location, engine, marks, list_runs(bucket))
    verdict = decide(bucket, number, packs, marks.needed)
    swept = sweep(location, number, verdict, state.damaged, marks.needed)
    if swept.done:
        settle(bucket, number, "done", verdict)
    return frozenset(pack for pack in verdict if pack.key not in swept.refused)
