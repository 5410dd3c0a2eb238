"""A collector of the model: G3 to G8, and what it does where one of them is dropped.

The first mark is left out: a generation condemns any set of packs there are. So no age, listing or mark that chooses
candidates matters for safety; it only decides how much writers must copy for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.protocol.states import (
    GONE,
    RUNS,
    Collector,
    Config,
    Generation,
    Log,
    State,
    Step,
    bits,
    fold,
    name,
    number_of,
    put,
    subsets,
)

(
    IDLE,
    CONDEMN,
    WAIT_1,
    WAIT_2,
    WAIT_3,
    LIST_RUNS,
    FENCE,
    LIST_AGAIN,
    MARK,
    VERDICT,
    DELETE,
    FINISH,
    END,
    FENCE_EARLY,
    PUBLISH,
) = range(15)


class _Turn(NamedTuple):
    """One collector in one state, with its fields taken apart."""

    config: Config
    state: State
    j: int
    pc: int
    g: int
    todo: Any  # runs, as bits; while it waits, what was there when the wait began
    marked: int
    rest: int  # packs that are still to be deleted
    left: int  # generations that it may still begin

    @property
    def who(self) -> str:
        return f"G{self.j}:"

    @property
    def generation(self) -> Generation:
        return self.state[2][self.g]

    def at(self, pc: int, todo: Any = 0, marked: int = 0, rest: int = 0) -> Collector:
        """The collector at another place of its program."""
        return pc, self.g, todo, marked, rest, self.left

    def then(
        self,
        me: Collector,
        *,
        packs: int | None = None,
        log: tuple[int, Log] | None = None,
        generations: tuple[Generation, ...] | None = None,
        other: tuple[Any, ...] | None = None,
    ) -> State:
        """The state where the collector is this: collectors are interchangeable, so sorted."""
        old, logs, before, writers, collectors, rest = self.state
        return (
            old if packs is None else packs,
            logs if log is None else put(logs, *log),
            before if generations is None else generations,
            writers,
            tuple(sorted(put(collectors, self.j, me))),
            rest if other is None else other,
        )


def collector_steps(config: Config, state: State, j: int) -> Iterator[Step]:
    """What a collector can do next."""
    turn = _Turn(config, state, j, *state[4][j])
    return _PROGRAM[turn.pc](turn)


def _idle(turn: _Turn) -> Iterator[Step]:
    """G3, or a new generation."""
    config, logs, generations, left = turn.config, turn.state[1], turn.state[2], turn.left
    incomplete = [g for g, (_, _, done) in enumerate(generations) if done is None]
    for g in incomplete:
        first = LIST_AGAIN if "Gf" in config.off else LIST_RUNS
        yield f"{turn.who}list gc: finish g{g}", turn.then((first, g, 0, 0, 0, left))
    if "G8r" in config.off and left and generations and generations[-1][2] == GONE:  # nothing tells that it was given
        yield turn.who + "list gc", turn.then((CONDEMN, len(generations) - 1, 0, 0, 0, left - 1))
    if left and len(generations) < config.generations and (config.multi or not incomplete):
        listed = _there(logs) if "G5l" in config.off else 0
        yield turn.who + "list gc", turn.then((CONDEMN, len(generations), listed, 0, 0, left - 1))


def _condemn(turn: _Turn) -> Iterator[Step]:
    """G4."""
    packs, logs, generations, *_ = turn.state
    off, g = turn.config.off, turn.g
    again = "G8r" in off and len(generations) > g and generations[g][2] == GONE
    if len(generations) > g and not again:  # another was first
        yield f"{turn.who}condemn g{g} exists: finish it", turn.then(turn.at(LIST_RUNS))
        return
    if off & {"G6", "G6o"}:  # then the first mark is all there is: it is a perfect one
        for log in logs:
            packs &= ~(0 if fold(log).purged else fold(log).refs)
    for chosen in subsets(packs):
        if "G4" in off:
            yield f"{turn.who}choose {name(chosen)}", turn.then(turn.at(FENCE_EARLY, _there(logs), 0, chosen))
            continue
        new = (chosen, None, None)
        more = put(generations, g, new) if again else (*generations, new)
        yield f"{turn.who}condemn g{g} {name(chosen)}", turn.then(_after_condemn(turn), generations=more)


def _after_condemn(turn: _Turn) -> Collector:
    if turn.config.quarantine:
        return IDLE, 0, 0, 0, 0, turn.left
    if "G6o" in turn.config.off:
        return turn.at(LIST_AGAIN, turn.todo)
    if turn.config.waits:
        return turn.at(WAIT_1, turn.todo)
    return turn.at(FENCE if "G5l" in turn.config.off and turn.todo else LIST_RUNS, turn.todo)


def _fences_first(turn: _Turn) -> Iterator[Step]:
    """G4 dropped: fences before what they speak of."""
    _, logs, generations, *_ = turn.state
    if turn.pc == PUBLISH:
        more = (*generations, (turn.rest, None, None))
        yield f"{turn.who}condemn g{turn.g} {name(turn.rest)}", turn.then(turn.at(LIST_AGAIN), generations=more)
        return
    for bit in bits(turn.todo):
        run = number_of(bit)
        said, left = fold(logs[run]), turn.todo & ~bit
        fenced = (run, (*logs[run], ("f", turn.g))) if said.opens and not said.purged else None
        me = turn.at(FENCE_EARLY if left else PUBLISH, left, 0, turn.rest)
        yield f"{turn.who}fence {RUNS[run]}", turn.then(me, log=fenced)


def _wait(turn: _Turn) -> Iterator[Step]:
    """A wait is as long as a listing may be behind: what was there when it began is seen after it."""
    _, logs, generations, _, _, rest = turn.state
    if not turn.todo:
        yield turn.who + "begin to wait", turn.then(turn.at(turn.pc, (*map(len, logs), len(generations))))
        return
    twice = turn.pc == WAIT_1 and turn.config.waits > 1
    then = LIST_AGAIN if turn.pc == WAIT_3 else WAIT_2 if twice else LIST_RUNS
    seen = put(rest, 6, tuple(map(max, rest[6], turn.todo)))
    yield turn.who + "waited", turn.then(turn.at(then), other=seen)


def _fence(turn: _Turn) -> Iterator[Step]:
    """G5."""
    config, logs, g = turn.config, turn.state[1], turn.g
    for bit in bits(turn.todo):
        run, left = number_of(bit), turn.todo & ~bit
        after = VERDICT if "G6o" in config.off else WAIT_3 if config.waits > 2 else LIST_AGAIN
        me = turn.at(FENCE if left else after, left, turn.marked)
        for log, how in _heads(turn, run):
            said = fold(log)
            if not said.opens or said.purged or said.fences >> g & 1 or ("G5t" in config.off and said.deleted):
                yield f"{turn.who}pass over {RUNS[run]}{how}", turn.then(me)
            elif log == logs[run]:  # else its creation is refused, and it looks again
                yield f"{turn.who}fence g{g} {RUNS[run]}", turn.then(me, log=(run, (*log, ("f", g))))
                if config.closer:
                    shut = tuple(("c", number_of(session)) for session in bits(said.opens))
                    yield f"{turn.who}close sessions of {RUNS[run]}", turn.then(me, log=(run, log + shut))


def _mark(turn: _Turn) -> Iterator[Step]:
    """G6."""
    off = turn.config.off
    if not turn.todo:
        yield turn.who + "marked", turn.then(turn.at(VERDICT, 0, turn.marked))
        return
    for bit in bits(turn.todo):
        run, left = number_of(bit), turn.todo & ~bit
        after = MARK if left else LIST_RUNS if "G6o" in off else VERDICT
        for log, how in _heads(turn, run):
            said = fold(log)
            live = 0 if said.purged or ("G6d" in off and said.deleted) else said.refs
            me = turn.at(after, left, turn.marked | live & turn.generation[0])
            yield f"{turn.who}mark {RUNS[run]}{how}", turn.then(me)


def _list_runs(turn: _Turn) -> Iterator[Step]:
    for listed, how in _listed(turn):
        fences = listed if "G5" not in turn.config.off else 0
        yield f"{turn.who}list runs{how}", turn.then(turn.at(FENCE if fences else LIST_AGAIN, fences, turn.marked))


def _list_again(turn: _Turn) -> Iterator[Step]:
    if "G6" in turn.config.off:
        yield from _decide(turn, 0)
        return
    for listed, how in _listed(turn):
        yield f"{turn.who}list runs again{how}", turn.then(turn.at(MARK, listed))


def _decide(turn: _Turn, marked: int) -> Iterator[Step]:
    """G7: the verdict; where that is dropped, each collector's own."""
    generations, g, off = turn.state[2], turn.g, turn.config.off
    condemn, verdict, done = turn.generation
    doomed = condemn & ~marked
    if "G7" not in off:
        generations = generations if verdict is not None else put(generations, g, (condemn, doomed, done))
        doomed = doomed if verdict is None else verdict
    if "G8" not in off:
        me = turn.at(DELETE if doomed else FINISH, 0, doomed, doomed)
        yield f"{turn.who}verdict g{g} {name(doomed)}", turn.then(me, generations=generations)
        return
    if done is None:
        generations = put(generations, g, (condemn, generations[g][1], doomed))
    me = turn.at(DELETE if doomed else END, 0, doomed, doomed)
    yield f"{turn.who}done g{g} {name(doomed)}", turn.then(me, generations=generations)


def _delete(turn: _Turn) -> Iterator[Step]:
    packs, *_, other = turn.state
    pack = turn.rest & -turn.rest
    left = turn.rest & ~pack
    me = turn.at(DELETE if left else FINISH, 0, turn.marked, left)
    if not left and "G8" in turn.config.off:
        me = (IDLE if turn.left else END, 0, 0, 0, 0, turn.left)
    yield f"{turn.who}delete {name(pack)}", turn.then(me, packs=packs & ~pack)
    if other[4]:
        under_way = put(put(other, 4, other[4] - 1), 1, tuple(sorted((*other[1], ("delete", pack)), key=repr)))
        yield f"{turn.who}delete {name(pack)} twice", turn.then(me, packs=packs & ~pack, other=under_way)


def _finish(turn: _Turn) -> Iterator[Step]:
    """G8. What was deleted is what was decided, which `marked` holds by then."""
    condemn, verdict, done = turn.generation
    generations = turn.state[2]
    if done is None:
        generations = put(generations, turn.g, (condemn, verdict, turn.marked))
    me = (IDLE if turn.left or turn.config.quarantine else END, 0, 0, 0, 0, turn.left)
    yield f"{turn.who}done g{turn.g}", turn.then(me, generations=generations)


def _there(logs: tuple[Log, ...]) -> int:
    return sum(1 << run for run, log in enumerate(logs) if log)


def _listed(turn: _Turn) -> list[tuple[int, str]]:
    """What listing the runs may show."""
    logs, rest = turn.state[1], turn.state[5]
    found = {_there(logs): ""}
    if turn.config.stale:
        found.setdefault(sum(1 << run for run, log in enumerate(logs) if log and rest[6][run]), " (stale)")
    return list(found.items())


def _heads(turn: _Turn, run: int) -> list[tuple[Log, str]]:
    """What reading a log may show: all of it, or a stale listing's newest entry."""
    log, rest = turn.state[1][run], turn.state[5]
    found = {log: ""}
    if turn.config.stale and rest[6][run] < len(log) and "A2h" in turn.config.off:  # else GET of entry n+1 tells
        found.setdefault(log[: rest[6][run]], " (stale)")
    return list(found.items())


_PROGRAM = {
    IDLE: _idle,
    CONDEMN: _condemn,
    WAIT_1: _wait,
    WAIT_2: _wait,
    WAIT_3: _wait,
    LIST_RUNS: _list_runs,
    FENCE: _fence,
    LIST_AGAIN: _list_again,
    MARK: _mark,
    VERDICT: lambda turn: _decide(turn, turn.marked),
    DELETE: _delete,
    FINISH: _finish,
    END: lambda turn: iter(()),
    FENCE_EARLY: _fences_first,
    PUBLISH: _fences_first,
}
