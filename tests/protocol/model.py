"""An explicit-state model of the garbage protocol: what SPEC.md, "Garbage", demands of writers and collectors.

All interleavings are explored, breadth first, so that a counter-example is a shortest one. Not modelled as steps,
because they are interleavings already: a crash (an actor that takes no further step), a pause of any length (others go
first), a zombie (a paused actor that goes on). Collectors are interchangeable, and so are writers where a configuration
says that they are alike.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.protocol.model_collector import collector_steps
from tests.protocol.model_writer import DONE, START, writer_steps
from tests.protocol.states import GONE, RUNS, Config, Entry, Log, State, Step, fold, name, put


class Explored(NamedTuple):
    """What exploring a configuration found.

    Attributes:
        lost: What was lost, and how; empty where nothing is.
        trace: The steps to that, as few as can be.
        states: How many states were seen.
    """

    lost: str
    trace: list[str]
    states: int


def explore(config: Config, limit: int = 400_000) -> Explored:
    """Look at all states of a configuration, until one loses something.

    Raises:
        RuntimeError: There are more than `limit`.
    """
    first = _canonical(config, _initial(config))
    parents: dict[State, tuple[str, State] | None] = {first: None}
    queue = deque([first])
    while queue:
        state = queue.popleft()
        if lost := _lost(config, state):
            return Explored(lost, _trace(parents, state), len(parents))
        for label, after in _steps(config, state):
            after = _canonical(config, after)
            if after not in parents:
                parents[after] = label, state
                queue.append(after)
        if len(parents) > limit:
            raise RuntimeError(f"more than {limit} states")
    return Explored("", [], len(parents))


def _trace(parents: dict[State, tuple[str, State] | None], state: State) -> list[str]:
    trace: list[str] = []
    while step := parents[state]:
        label, state = step
        trace.append(label)
    return trace[::-1]


def _initial(config: Config) -> State:
    old = (*config.old, *(0 for _ in range(config.runs - len(config.old))))
    logs: tuple[Log, ...] = tuple(
        ((("C", packs), *((("t",),) if run in config.purge else ())) if packs else ()) for run, packs in enumerate(old)
    )
    packs = 0
    for each in old:
        packs |= each
    writers = tuple((START, run, 0, 0, 0, 0, commits, 0) for run, commits, _, _ in config.writers)
    collectors = tuple((0, 0, 0, 0, 0, config.each) for _ in range(config.collectors))
    listed = (*map(len, logs), 0) if config.stale else ()
    registry = 0 if config.registry else -1
    flips = (0,) * len(config.flip)
    return (
        packs,
        logs,
        (),
        writers,
        collectors,
        (registry, (), config.late, config.twice_put, config.twice_delete, flips, listed),
    )


def _steps(config: Config, state: State) -> Iterator[Step]:
    yield from _people(config, state)
    yield from _registry(config, state)
    for i in range(len(state[3])):
        yield from writer_steps(config, state, i)
    for j, collector in enumerate(state[4]):
        if j == 0 or collector != state[4][j - 1]:  # interchangeable, and sorted
            yield from collector_steps(config, state, j)
    yield from _network(config, state)


def _lost(config: Config, state: State) -> str:
    packs, logs, _, _, _, rest = state
    for run, log in enumerate(logs):
        said = fold(log)
        if not said.purged and said.refs & ~packs:
            return f"run {RUNS[run]} refers to {name(said.refs & ~packs)}, which is gone"
    if rest[0] >= 0 and _version_stands(config, rest[0]) and fold(logs[0]).purged:
        return "a version's run is purged"
    return ""


# --- people, the registry, the network ---


def _people(config: Config, state: State) -> Iterator[Step]:
    packs, logs, generations, writers, collectors, rest = state

    def said(run: int, entry: Entry) -> tuple[Log, ...]:
        return put(logs, run, (*logs[run], entry))

    for run in config.purge:
        now = fold(logs[run])
        if now.deleted and not now.purged and (not now.pins or "R2" in config.off):
            before = tuple(("-",) for _ in logs[run]) if config.forget else logs[run]
            purged = put(logs, run, (*before, ("P",)))
            yield f"purge {RUNS[run]}", (packs, purged, generations, writers, collectors, rest)
    for at, run in enumerate(config.flip):
        done = rest[5][at]
        if done < 2 and logs[run] and not fold(logs[run]).purged:
            entry, what = (("t",), "tombstone") if done == 0 else (("r",), "restore")
            after = put(rest, 5, put(rest[5], at, done + 1))
            yield f"{what} {RUNS[run]}", (packs, said(run, entry), generations, writers, collectors, after)
    for g, (condemn, verdict, done) in enumerate(generations):
        if config.undo and verdict is None and done is None:
            yield f"undo g{g}", (packs, logs, put(generations, g, (condemn, 0, None)), writers, collectors, rest)
        if config.retire and done is not None and done != GONE:
            retired = put(generations, g, (condemn, verdict, GONE))
            yield f"retire g{g}", (packs, logs, retired, writers, collectors, rest)
    for at, seen in enumerate((*map(len, logs), len(generations)) if config.stale else ()):
        if rest[6][at] != seen:
            after = put(rest, 6, put(rest[6], at, seen))
            yield "listings catch up", (packs, logs, generations, writers, collectors, after)


def _registry(config: Config, state: State) -> Iterator[Step]:
    """Pin, version, drop, unpin; the version is of run 0."""
    packs, logs, generations, writers, collectors, rest = state
    at, off = rest[0], config.off
    if at < 0:
        return

    def after(entry: Entry | None, at: int) -> State:
        more = put(logs, 0, (*logs[0], entry)) if entry else logs
        return packs, more, generations, writers, collectors, put(rest, 0, at)

    if "R5" in off and at == 1 and fold(logs[0]).pins:
        yield "unpin what has no version", after(("u", 0), at)
    begin = ("version", "pin") if "R1" in off else ("pin", "version")
    end = ("unpin", "drop") if "R4" in off else ("drop", "unpin")
    match (*begin, *end, "")[at]:
        case "pin" if not fold(logs[0]).purged or "R3" in off:
            yield "R:pin D", after(("p", 0), at + 1)
        case "unpin":
            yield "R:unpin D", after(("u", 0), at + 1)
        case "version" | "drop" as step:
            yield f"R:{step}", after(None, at + 1)


def _version_stands(config: Config, at: int) -> bool:
    return at in ((1, 2) if "R1" in config.off else (2, 3) if "R4" in config.off else (2,))


def _network(config: Config, state: State) -> Iterator[Step]:
    """What was under way arrives; or it never does."""
    packs, logs, generations, writers, collectors, rest = state
    for at, late in enumerate(rest[1]):
        after = put(rest, 1, rest[1][:at] + rest[1][at + 1 :])
        match late:
            case ("entry", run, n, entry) if len(logs[run]) == n:
                more = put(logs, run, (*logs[run], entry))
                label = f"late commit {name(entry[1])} in {RUNS[run]}"
                yield label, (packs, more, generations, writers, collectors, after)
            case ("pack", pack) if not packs & pack:
                yield f"late PUT {name(pack)}", (packs | pack, logs, generations, writers, collectors, after)
            case ("delete", pack) if packs & pack:
                yield f"late DELETE {name(pack)}", (packs & ~pack, logs, generations, writers, collectors, after)


# --- symmetry: writers A and B of runs 1 and 2 are renamed into each other ---


def _canonical(config: Config, state: State) -> State:
    return min(state, _swapped(state), key=_order) if config.symmetric else state


def _order(state: State) -> Any:
    return state if all(None not in generation for generation in state[2]) else repr(state)


def _swapped(state: State) -> State:
    packs, logs, generations, writers, collectors, rest = state

    def swap(mask: int) -> int:
        return mask & 3 | (mask >> 2 & 15) << 6 | (mask >> 6 & 15) << 2

    def entry(said: Entry) -> Entry:
        return (said[0], said[1] ^ 4) if said[0] in "oc" else (said[0], swap(said[1])) if said[0] in "CS" else said

    def maybe(mask: Any) -> Any:
        return swap(mask) if isinstance(mask, int) else mask

    def todo(runs: Any) -> Any:
        return runs & ~6 | (runs >> 1 & 1) << 2 | (runs >> 2 & 1) << 1 if isinstance(runs, int) else runs

    def message(late: tuple[Any, ...]) -> tuple[Any, ...]:
        kind, *what = late
        return (kind, 3 - what[0], what[1], entry(what[2])) if kind == "entry" else (kind, swap(what[0]))

    renamed = tuple(
        (pc, run if pc == DONE else 3 - run, begun, swap(e), swap(known), read, left, uploads)
        for pc, run, begun, e, known, read, left, uploads in reversed(writers)
    )
    return (
        swap(packs),
        (logs[0], tuple(map(entry, logs[2])), tuple(map(entry, logs[1])), *logs[3:]),
        tuple(tuple(map(maybe, generation)) for generation in generations),
        tuple((DONE, i + 1, *w[2:]) if w[0] == DONE else w for i, w in enumerate(renamed)),
        tuple(sorted((pc, g, todo(t), swap(m), swap(r), left) for pc, g, t, m, r, left in collectors)),
        put(rest, 1, tuple(sorted(map(message, rest[1]), key=repr))),
    )
