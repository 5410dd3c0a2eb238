"""The worlds in which the model is explored: where nothing may be lost, and for each rule one where it is needed."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tests.protocol.states import P0, Config, own_pack

BASE: Final = Config(writers=((1, 2, 2, 1),), generations=2, each=2)
TWO: Final = Config(writers=((1, 1, 1, 1), (2, 1, 1, 0)), runs=3)
ONE_RUN: Final = Config(writers=((1, 1, 1, 1), (1, 1, 1, 0)))
JOIN: Final = Config(writers=((1, 1, 1, 0),), runs=4, old=(P0, 0, 0, P0), purge=(0, 3), collectors=2)
TWO_COLLECTORS: Final = Config(writers=((1, 1, 1, 0),), collectors=2, generations=2)
LATE: Final = Config(writers=((1, 2, 2, 0),), late=1)
FLIP: Final = Config(flip=(1,))
CLOSE: Final = Config(closer=True)
CLOSE_TWO: Final = Config(writers=((1, 1, 1, 0), (1, 1, 1, 0)), closer=True)
_COMPACT: Final = Config(kinds=("compact", ""), old=(0, P0), purge=(), reuse=P0 | own_pack(0, 0))
COMPACT: Final = replace(_COMPACT, writers=((1, 1, 1, 1), (2, 1, 1, 0)), runs=3)
COMPACT_RUN: Final = replace(_COMPACT, writers=((1, 1, 1, 1), (1, 1, 1, 0)))
REGISTRY: Final = Config(writers=((1, 1, 1, 0),), registry=True)
TWICE: Final = replace(TWO, old=(), purge=(1,), flip=(1,), reuse=own_pack(0, 0))
STALE: Final = Config(writers=((1, 1, 1, 0),), stale=True, waits=2)
RETIRE: Final = Config(retire=True)
UNDO: Final = Config(writers=((1, 1, 1, 0),), collectors=2, undo=True)
THREADS: Final = Config(threads=True)


def _without(config: Config, rule: str) -> Config:
    return replace(config, off=frozenset({rule}))


SAFE: Final[dict[str, Config]] = {
    "one writer, two commits in up to two sessions, two generations": BASE,
    "two writers with runs of their own": TWO,
    "two symmetric writers": replace(TWO, writers=((1, 1, 1, 1), (2, 1, 1, 1)), symmetric=True),
    "two sessions in one run": ONE_RUN,
    "two collectors, one finishes the other's; two runs purged meanwhile": JOIN,
    "the same, and the entries before a purge are removed": replace(JOIN, forget=True),
    "two collectors, two generations": TWO_COLLECTORS,
    "two incomplete generations beside each other": replace(TWO_COLLECTORS, multi=True),
    "a generation in quarantine while the next is condemned": replace(
        TWO_COLLECTORS, collectors=1, each=2, multi=True, quarantine=True
    ),
    "a generation is undone": UNDO,
    "a commit in doubt is delivered late": LATE,
    "a run that is written to is deleted and restored": FLIP,
    "the collector closes sessions of others": CLOSE,
    "the same, two sessions in one run": CLOSE_TWO,
    "a look at gc/ that takes its time while another thread reads the log": THREADS,
    "compaction by a checkpoint, another run refers to old and new packs": COMPACT,
    "compaction by a checkpoint, a session of the same run beside it": COMPACT_RUN,
    "pin, version, drop, unpin against purge": REGISTRY,
    "inline commits before and after the look at gc/": Config(writers=((1, 2, 1, 1),), inline=True),
    "a pack's PUT is delivered twice": replace(TWICE, twice_put=1),
    "a DELETE is delivered twice": replace(TWICE, twice_delete=1),
    "PUT and DELETE twice, done generations stay in E": replace(
        TWICE, twice_put=1, twice_delete=1, on=frozenset({"Ed"})
    ),
    "stale listings, two waits, heads by GET": STALE,
    "stale listings and heads, three waits": replace(_without(STALE, "A2h"), waits=3),
    "objects of done generations are removed, numbers never come again": RETIRE,
    "E is the verdict once there is one": replace(TWO_COLLECTORS, on=frozenset({"Ev"})),
}

# a rule -> what is done without it, and a world where that hurts
NEEDED: Final[dict[str, tuple[str, Config]]] = {
    "W1": ("look at gc/ before `open`", TWO),
    "W1b": ("the entry that opens refers to packs", TWO),
    "W2": ("do not look at gc/ at all", TWO),
    "W3a": ("refer to packs in E", ONE_RUN),
    "W3b": ("believe footers and recipes read before this W2", TWO),
    "W4": ("pass over fences", TWO),
    "W4a": ("a fence counts as met though its generation could not be read", TWO),
    "W4o": ("one's own uncommitted packs need not obey fences", TWO),
    "W4t": ("a fence that comes while another thread looks at gc/ is passed over", THREADS),
    "W5": ("close, then commit", TWO),
    "W6": ("go on after another closed the session", CLOSE),
    "W6s": ("what was staged before another closed the session counts as one's own", CLOSE),
    "W7": ("a fence whose generation's objects are gone means nothing", RETIRE),
    "W8": ("append without having taken in all entries before", TWO),
    "G4": ("fences before condemn", TWO),
    "G5": ("no fences", TWO),
    "G5l": ("fences by a listing from before condemn", TWO),
    "G5t": ("no fence in a deleted run", FLIP),
    "G6": ("no mark after the fences, a perfect one before", TWO),
    "G6o": ("the second mark before the fences", TWO),
    "G6d": ("deleted runs are not live", replace(FLIP, old=(P0, P0))),
    "Gf": ("who finishes a generation trusts that its fences are there", JOIN),
    "G7": ("each collector deletes what it marked itself", JOIN),
    "G8": ("done before the deletes", Config(writers=((1, 1, 1, 0),))),
    "G8r": ("objects of done generations are removed, so that a number comes again", replace(RETIRE, each=2)),
    "R1": ("version before pin", REGISTRY),
    "R2": ("purge does not heed pins in the same log", REGISTRY),
    "R3": ("pin after purge", REGISTRY),
    "R4": ("unpin before drop", REGISTRY),
    "R5": ("unpin what has no version", REGISTRY),
    "C1": ("the compactor deletes the old pack itself when no run refers to it", COMPACT),
    "N1": (
        "a name is used again, and a DELETE comes twice",
        replace(TWICE, writers=((1, 2, 2, 2), (2, 1, 1, 0)), purge=(), flip=(), twice_delete=1),
    ),
    "A1": ("both a pack's PUT and its DELETE are delivered twice", replace(TWICE, twice_put=1, twice_delete=1)),
    "A2": ("stale listings, no wait", replace(STALE, waits=0)),
    "A2w": ("stale listings, one wait", replace(STALE, waits=1)),
    "A2h": ("stale listings, two waits, and heads by listings alone", STALE),
}

# Of rules that are about writers and collectors, not about what else a network or registry does.
REPLAYED: Final = (
    "W1", "W1b", "W2", "W3a", "W3b", "W4", "W4a", "W4o", "W5", "W6", "W6s", "W7", "W8",
    "G4", "G5", "G5l", "G5t", "G6", "G6o", "G6d", "Gf", "G7", "G8",
)  # fmt: skip

# of minutes and gigabytes
LONG: Final[dict[str, Config]] = {
    "two collectors, two generations, writer reopens": replace(TWO_COLLECTORS, writers=((1, 1, 2, 1),)),
    "the same, E is the verdict": replace(TWO_COLLECTORS, writers=((1, 1, 2, 1),), on=frozenset({"Ev"})),
    "two sessions in one run, two generations": replace(ONE_RUN, generations=2, each=2, stepwise=True),
    "late commits, two of them, closing collector": replace(LATE, late=2, closer=True, generations=2, each=2),
    "compaction, two collectors": replace(COMPACT, collectors=2),
    "closing collectors, two": replace(CLOSE_TWO, collectors=2),
    "threads, closed by the collector, two generations": replace(
        THREADS, closer=True, generations=2, each=2, writers=((1, 2, 2, 1),)
    ),
    "retired generations, two of them": replace(RETIRE, writers=((1, 2, 2, 1),), generations=2, each=2),
    "stale listings, two writers": replace(STALE, writers=((1, 1, 1, 0), (2, 1, 1, 0)), runs=3),
}


def without(rule: str) -> Config:
    """The world in which a rule is needed, without it."""
    return _without(NEEDED[rule][1], rule)
