"""A writer of the model: W1 to W7, and what it does where one of them is dropped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.protocol.states import (
    GONE,
    P0,
    Config,
    Folded,
    Log,
    State,
    Step,
    Writer,
    bits,
    condemned,
    fold,
    name,
    own_pack,
    put,
    session_of,
)

START, LOOKED, OPENED, LOOKING, WORK, DONE = range(6)
_SESSIONS = 4  # that a writer opens at most


class _Turn(NamedTuple):
    """One writer in one state, with its fields taken apart."""

    config: Config
    state: State
    i: int
    pc: int
    run: int
    begun: int
    e: int
    known: int
    read: int
    left: int
    uploads: int
    log: Log
    said: Folded

    @classmethod
    def of(cls, config: Config, state: State, i: int) -> _Turn:
        pc, run, begun, e, known, read, left, uploads = state[3][i]
        log = state[1][run]
        return cls(config, state, i, pc, run, begun, e, known, read, left, uploads, log, fold(log))

    @property
    def who(self) -> str:
        return "AB"[self.i] + ":"

    @property
    def me(self) -> int:
        return session_of(self.i, self.begun)

    @property
    def current(self) -> bool:
        """Whether every entry was taken in."""
        return self.read == len(self.log)

    def be(self, **changes: Any) -> Writer:
        """The writer with some of its fields changed."""
        return self._replace(**changes)[3:11]

    def then(
        self, writer: Writer, *, packs: int | None = None, entries: Log = (), rest: tuple[Any, ...] | None = None
    ) -> State:
        """The state where the writer is this, and its log has more entries."""
        old, logs, generations, writers, collectors, rest_before = self.state
        return (
            old if packs is None else packs,
            put(logs, self.run, self.log + entries) if entries else logs,
            generations,
            put(writers, self.i, writer),
            collectors,
            rest_before if rest is None else rest,
        )


def writer_steps(config: Config, state: State, i: int) -> Iterator[Step]:
    """What a writer can do next."""
    turn = _Turn.of(config, state, i)
    if turn.pc == START:
        yield from _begin(turn)
    elif turn.pc == LOOKED:
        yield from _looked_too_early(turn)
    elif turn.pc != DONE:
        if not turn.current:  # what others wrote, before anything can be appended
            yield from _read_log(turn)
            if _shut(turn):
                return
        yield from _go_on(turn)


def _looks(turn: _Turn) -> list[tuple[int, str]]:
    """What W2's listing may show, which may be behind."""
    if "W2" in turn.config.off:
        return [(0, "")]
    generations, rest = turn.state[2], turn.state[5]
    found = {condemned(turn.config, generations): ""}
    if turn.config.stale:
        for seen in range(rest[6][-1], len(generations)):
            found.setdefault(condemned(turn.config, generations, seen), " (stale)")
    return list(found.items())


def _begin(turn: _Turn) -> Iterator[Step]:
    off, who = turn.config.off, turn.who
    if turn.said.purged:
        return
    if off & {"W1", "W1b"}:
        for e, how in _looks(turn):
            yield f"{who}look at gc{how}", turn.then(turn.be(pc=LOOKED, e=e, known=0, read=len(turn.log)))
    elif not turn.said.deleted:
        cached = turn.config.reuse if "W3b" in off else turn.known  # what W6 leaves is nothing
        opened = turn.be(pc=OPENED, e=0, known=cached, read=len(turn.log) + 1)
        yield who + "open", turn.then(opened, entries=(("o", turn.me),))


def _looked_too_early(turn: _Turn) -> Iterator[Step]:
    """W1 dropped: it looked before it opened."""
    packs, who = turn.state[0], turn.who
    if not turn.current:
        yield who + "read log", turn.then(turn.be(read=len(turn.log)))
        return
    after = len(turn.log) + 1
    if "W1b" not in turn.config.off:
        yield who + "open", turn.then(turn.be(pc=WORK, read=after), entries=(("o", turn.me),))
        return
    for pack in bits(turn.config.reuse & packs & ~turn.e & ~turn.known):
        yield f"{who}footer {name(pack)}", turn.then(turn.be(known=turn.known | pack))
    if turn.uploads < turn.config.writers[turn.i][3]:
        pack = own_pack(turn.i, turn.uploads)
        uploaded = turn.be(known=turn.known | pack, uploads=turn.uploads + 1)
        yield f"{who}upload {name(pack)}", turn.then(uploaded, packs=packs | pack)
    for pack in bits(turn.known & ~turn.e):
        opened = turn.be(pc=WORK, read=after, left=turn.left - 1)
        yield f"{who}open and commit {name(pack)}", turn.then(opened, entries=(("oC", turn.me, pack),))


def _shut(turn: _Turn) -> bool:
    """Whether another closed the session, as far as the next step reads, and W6 heeds it."""
    stop = turn.read + 1 if turn.config.stepwise else len(turn.log)
    return "W6" not in turn.config.off and ("c", turn.me) in turn.log[turn.read : stop]


def _read_log(turn: _Turn) -> Iterator[Step]:
    """W4, W6, W7."""
    off, generations = turn.config.off, turn.state[2]
    stop = turn.read + 1 if turn.config.stepwise else len(turn.log)
    if _shut(turn):
        if turn.begun + 1 < _SESSIONS:
            staged = turn.known if "W6s" in off else 0
            again = turn.be(pc=START, begun=turn.begun + 1, e=0, known=staged, read=stop)
            yield turn.who + "closed by another", turn.then(again)
        return
    pc, e, known = turn.pc, turn.e, turn.known
    heeds = pc == WORK or (pc == LOOKING and "W4t" not in off)
    for kind, *said in turn.log[turn.read : stop]:
        if kind != "f" or not heeds or "W4" in off:
            continue
        condemn, _, done = generations[said[0]] if said[0] < len(generations) else (0, None, None)
        if done == GONE:
            pc, known = (OPENED, 0) if "W7" not in off else (pc, known)
            continue
        if "W4a" in off:  # the read of its generation failed, and the entry counts as taken in
            what = f"{turn.who}read log, g{said[0]} could not be read"
            yield what, turn.then(turn.be(read=stop))
        more = condemn if done is None else done
        e |= more & ~sum(own_pack(turn.i, j) for j in range(4)) if "W4o" in off else more
        known &= ~e
    yield turn.who + "read log", turn.then(turn.be(pc=pc, e=e, known=known, read=stop))


def _go_on(turn: _Turn) -> Iterator[Step]:
    said, who = turn.said, turn.who
    writable = turn.current and not said.deleted and not said.purged
    if turn.config.inline and turn.left and writable and turn.pc in (OPENED, WORK):
        committed = turn.be(read=len(turn.log) + 1, left=turn.left - 1)
        yield who + "commit inline", turn.then(committed, entries=(("C", 0),))
    if turn.pc == LOOKING:
        yield who + "has looked", turn.then(turn.be(pc=WORK))
        return
    if turn.pc == OPENED:
        for e, how in _looks(turn):
            looked = turn.be(pc=LOOKING if turn.config.threads else WORK, e=e)
            yield f"{who}look at gc{how}", turn.then(looked)
        if turn.current and not said.purged and turn.left < turn.config.writers[turn.i][1]:
            yield from _close(turn)
        return
    yield from _stage(turn)
    if turn.left and (writable or ("W8" in turn.config.off and not said.deleted and not said.purged)):
        yield from _commit(turn)
    yield from _delete_as_compactor(turn)
    if turn.current and not said.purged:
        yield from _close(turn)


def _stage(turn: _Turn) -> Iterator[Step]:
    """Read footers of others, and upload."""
    packs, rest, off, who = turn.state[0], turn.state[5], turn.config.off, turn.who
    for pack in bits(turn.config.reuse & packs & ~turn.known):
        if not turn.e & pack or "W3a" in off:
            yield f"{who}footer {name(pack)}", turn.then(turn.be(known=turn.known | pack))
    if turn.uploads < turn.config.writers[turn.i][3] and turn.left:
        pack = own_pack(turn.i, 0 if "N1" in off else turn.uploads)
        e = turn.e & ~pack if "N1" in off else turn.e
        known = turn.known | pack
        yield (
            f"{who}upload {name(pack)}",
            turn.then(turn.be(e=e, known=known, uploads=turn.uploads + 1), packs=packs | pack),
        )
        if rest[3]:
            under_way = put(put(rest, 3, rest[3] - 1), 1, tuple(sorted((*rest[1], ("pack", pack)), key=repr)))
            twice = turn.then(turn.be(known=known, uploads=turn.uploads + 1), packs=packs | pack, rest=under_way)
            yield f"{who}upload {name(pack)} twice", twice


def _commit(turn: _Turn) -> Iterator[Step]:
    rest, who, n = turn.state[5], turn.who, len(turn.log)
    compacts = bool(turn.config.kinds) and turn.config.kinds[turn.i] == "compact"
    for pack in bits(turn.known & ~turn.e if "W3a" not in turn.config.off else turn.known):
        if compacts:  # a checkpoint with the same content, that of P0 copied into the pack
            if not turn.said.refs & P0 or pack & 3:
                continue
            refs = turn.said.refs & ~P0 | pack
            entry, what = ("S", refs), f"{who}state {name(refs)}"
        else:
            entry, what = ("C", pack), f"{who}commit {name(pack)}"
        yield what, turn.then(turn.be(read=n + 1, left=turn.left - 1), entries=(entry,))
        if rest[2]:
            late = tuple(sorted((*rest[1], ("entry", turn.run, n, entry)), key=repr))
            under_way = put(put(rest, 2, rest[2] - 1), 1, late)
            yield f"{what} in doubt", turn.then(turn.be(left=turn.left - 1), rest=under_way)


def _delete_as_compactor(turn: _Turn) -> Iterator[Step]:
    """C1 dropped: who copied P0's content deletes it itself, when no run refers to it."""
    packs, logs = turn.state[0], turn.state[1]
    if "C1" not in turn.config.off or turn.left or not packs & P0 or turn.config.kinds[turn.i] != "compact":
        return
    if not any(fold(log).refs & P0 for log in logs):
        yield turn.who + "nothing refers to P0: delete it", turn.then(turn.be(), packs=packs & ~P0)


def _close(turn: _Turn) -> Iterator[Step]:
    after, closed = turn.read + 1, (("c", turn.me),)
    if "W5" in turn.config.off:  # it closes, and goes on
        if turn.said.opens >> turn.me & 1:
            yield turn.who + "close, and go on", turn.then(turn.be(read=after), entries=closed)
    elif turn.left and turn.begun + 1 < turn.config.writers[turn.i][2]:
        again = turn.be(pc=START, begun=turn.begun + 1, e=0, known=0, read=after)
        yield turn.who + "close", turn.then(again, entries=closed)
    elif not turn.left:
        done = turn.be(pc=DONE, e=0, known=0, read=0, left=0, uploads=0)
        yield turn.who + "close", turn.then(done, entries=closed)
