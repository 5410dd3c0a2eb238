"""What the garbage protocol's model is about: a bucket, logs, generations, writers and collectors as one value.

    packs        a set of names, as bits: bit 0 is the old pack P0, bit 1 the old pack P1, then each writer's own
    logs         of each run the entries: o(session) c(session) C(packs) S(packs) f(generation) t r P p(pin) u(pin) -
    generations  of each what `condemn`, `verdict` and `done` name; None where an object is not there, GONE once removed
    writers      of each its place in its program, its run, how often it began, E, the packs whose footers it has read,
                 how much of the log it has taken in, commits left, packs uploaded
    collectors   of each its place in its program, its generation, what is to do, what is marked, what is left to
                 delete, generations that it may still begin
    rest         the registry's step, messages under way, how many may still be delayed, what listings show

A step of the model is one request, or one answer that is as good as atomic.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NamedTuple, TypeAlias

P0, P1 = 1, 2
GONE: Final = "gone"
RUNS: Final = "DABEF"  # what runs are called in traces

Entry: TypeAlias = tuple[Any, ...]
Log: TypeAlias = tuple[Entry, ...]
Generation: TypeAlias = tuple[Any, ...]
Writer: TypeAlias = tuple[int, ...]
Collector: TypeAlias = tuple[Any, ...]
Rest: TypeAlias = tuple[Any, ...]
State: TypeAlias = tuple[int, tuple[Log, ...], tuple[Generation, ...], tuple[Writer, ...], tuple[Collector, ...], Rest]
Step: TypeAlias = tuple[str, State]


@dataclass(frozen=True)
class Config:
    """A bounded world, with the rules that hold in it.

    Attributes:
        writers: Of each its run, commits, sessions and uploads.
        kinds: Of each writer, "" or "compact".
        runs: How many; run 0 is D, which holds P0.
        old: What runs 0.. refer to at the beginning.
        reuse: Packs that hints and caches lead to.
        collectors: How many.
        generations: How many there may be at most.
        each: How many one collector begins.
        multi: Whether a collector may begin a generation beside an incomplete one.
        quarantine: Whether a generation waits between `condemn` and its fences.
        purge: Runs that may be purged; they are deleted already.
        forget: Whether the entries before a purge are removed.
        flip: Runs that may be deleted and restored, once each.
        inline: Whether writers commit inline, too.
        threads: Whether a session's look at `gc/` takes its time while others of its threads read the log.
        late: Commits whose answer is lost and that are delivered at any time later, or never.
        twice_put: PUTs of packs that are delivered a second time, at any time.
        twice_delete: DELETEs that are.
        closer: Whether the collector may close sessions instead of fencing them.
        undo: Whether somebody may decide a generation as "delete nothing".
        registry: Whether a version is registered and dropped.
        retire: Whether the objects of done generations may be removed.
        stale: Whether listings may miss what is new.
        waits: Of the collector, each as long as a listing may be behind.
        stepwise: Whether entries of others are taken in one by one.
        symmetric: Whether the two writers are alike but for their names.
        off: Rules that are dropped.
        on: Relaxations that are allowed.
    """

    writers: tuple[tuple[int, int, int, int], ...] = ((1, 1, 1, 1),)
    kinds: tuple[str, ...] = ()
    runs: int = 2
    old: tuple[int, ...] = (P0,)
    reuse: int = P0
    collectors: int = 1
    generations: int = 1
    each: int = 1
    multi: bool = False
    quarantine: bool = False
    purge: tuple[int, ...] = (0,)
    forget: bool = False
    flip: tuple[int, ...] = ()
    inline: bool = False
    threads: bool = False
    late: int = 0
    twice_put: int = 0
    twice_delete: int = 0
    closer: bool = False
    undo: bool = False
    registry: bool = False
    retire: bool = False
    stale: bool = False
    waits: int = 0
    stepwise: bool = False
    symmetric: bool = False
    off: frozenset[str] = frozenset()
    on: frozenset[str] = frozenset()


class Folded(NamedTuple):
    """What a log amounts to. Attributes: refs, opens, pins, fences (as bits), deleted, purged."""

    refs: int
    opens: int
    deleted: bool
    purged: bool
    pins: int
    fences: int


@cache
def fold(log: Log) -> Folded:
    """What the entries of a log amount to."""
    refs = opens = pins = fences = 0
    deleted = purged = False
    for kind, *said in log:
        match kind:
            case "C":
                refs |= said[0]
            case "o":
                opens |= 1 << said[0]
            case "oC":  # opens and commits at once
                opens |= 1 << said[0]
                refs |= said[1]
            case "c":
                opens &= ~(1 << said[0])
            case "f":
                fences |= 1 << said[0]
            case "S":
                refs = said[0]
            case "t" | "r":
                deleted = kind == "t"
            case "P":
                purged = True
            case "p":
                pins |= 1 << said[0]
            case "u":
                pins &= ~(1 << said[0])
    return Folded(refs, opens, deleted, purged, pins, fences)


@cache
def bits(mask: int) -> tuple[int, ...]:
    """The members of a set, each as a set."""
    return tuple(1 << i for i in range(mask.bit_length()) if mask >> i & 1)


@cache
def subsets(mask: int) -> tuple[int, ...]:
    """All sets of these but the empty one."""
    each = bits(mask)
    return tuple(sum(x for j, x in enumerate(each) if m >> j & 1) for m in range(1, 1 << len(each)))


def put(values: tuple[Any, ...], i: int, value: Any) -> tuple[Any, ...]:
    """The tuple with another value at i."""
    return (*values[:i], value, *values[i + 1 :])


def number_of(bit: int) -> int:
    """Which member a set of one has."""
    return bit.bit_length() - 1


def own_pack(writer: int, number: int) -> int:
    """The name of a writer's pack."""
    return 4 << (writer * 4 + number)


def session_of(writer: int, begun: int) -> int:
    """The session of a writer that began so often before."""
    return writer * 4 + begun


def condemned(config: Config, generations: tuple[Generation, ...], seen: int | None = None) -> int:
    """E: what the garbage state keeps writers from, as far as `seen` generations were listed."""
    packs = 0
    for condemn, verdict, done in generations[:seen]:
        if done is None:
            packs |= verdict if verdict is not None and "Ev" in config.on else condemn
        elif "Ed" in config.on and done != GONE:
            packs |= done
    return packs


def name(packs: int) -> str:
    """What traces call a set of packs."""
    return ",".join(_called(number_of(bit)) for bit in bits(packs)) or "{}"


def _called(number: int) -> str:
    return f"P{number}" if number < 2 else f"{'ab'[(number - 2) // 4]}{(number - 2) % 4}"
