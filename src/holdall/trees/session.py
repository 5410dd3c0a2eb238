"""One process writing to one run's log.

A session is opened in the log before it looks at any pack (W1), follows the log entry by entry, and is closed in it
at the end (W5). One that refers to no new pack need never be: what it logs are entries that stand alone. If another
closes it meanwhile, it goes on under a new name, from the beginning (W6).
Appending is a loop: build the entry from what the log says now, try to create it, and if a rival took the number, take
the rival's entry in and build again (SPEC.md, "Committing"). Threads share a session; another process opens its own.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import ChainMap
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from holdall.chunks.chunk_index import ChunkIndex
from holdall.chunks.observer import SILENT, Transfer
from holdall.chunks.pack_names import PackNames
from holdall.chunks.reader import ChunkReader
from holdall.chunks.writer import ChunkWriter
from holdall.errors import HoldallError, RegisteredPathError, RunDeletedError, RunEndedError
from holdall.format.document import Json
from holdall.format.entry import InlineBlob, LogEntry, fits
from holdall.keys.sealed_bucket import writing_to
from holdall.storage.ending import the_end
from holdall.trees import snapshot
from holdall.trees.blobs import RunBlobReader
from holdall.trees.draft import Draft
from holdall.trees.journal import Journal
from holdall.trees.location import Location
from holdall.trees.log import append_entry, next_entry
from holdall.trees.op_buffer import OpBuffer, refuse_other_value, refuse_other_values
from holdall.trees.previous import Beginning, PreviousVersions
from holdall.trees.snapshot import PackNeededError
from holdall.trees.view import View

__all__ = ["STATE_EVERY", "Draft", "Session"]

STATE_EVERY: Final = 64
_log = logging.getLogger("holdall")


class Session:
    """Writes to one log. Made by `start` for a new log, by `resume` for one that is there."""

    def __init__(self, location: Location, log: str, journal: Journal | None = None, *, opened: bool = True) -> None:
        self._descriptor = location.ready_to_write()
        self.location, self.pid = location, os.getpid()
        self.bucket = writing_to(location.bucket, log)  # for what it writes
        self.id = location.entropy(16)
        self.chunk_index = ChunkIndex(location.bucket, location.pool, location.verifier)
        self.journal = journal or Journal(location.bucket, location.pool, log)
        self.blobs = RunBlobReader(location.bucket, location.pool, self.journal, location.damage)
        self.view = View(self.blobs)
        self.opened = opened  # whether the log says so, or its first entry will
        self.closed = False
        self.keeps: object = None  # the handle that writes by it: found again for as long as this is unfinished
        self.lock = threading.RLock()
        self.pack_names = PackNames(self.id)
        self._buffer = OpBuffer()
        self._tried = 0  # the entry for which a state was tried last
        self._shut = False  # whether the log says that it is closed, and another said so

    @classmethod
    def start(
        cls,
        location: Location,
        log: str,
        ops: Sequence[Json],
        blobs: Sequence[InlineBlob] = (),
        *,
        opened: bool = True,
        journal: Journal | None = None,
    ) -> Session | None:
        """Start a session in a log that it creates. Returns None if another has created it. Cost: one PUT."""
        session = cls(location, log, journal, opened=opened)
        create, *rest = ops
        first = Draft([create, *([session._op("open")] if opened else ()), *rest], blobs)
        if session.append(lambda: None if session.view.head else first) is None:
            return None
        session._track()
        return session

    @classmethod
    def resume(
        cls,
        location: Location,
        log: str,
        ops: Sequence[Json] = (),
        *,
        deleted: bool = False,
        packs: ChunkReader | None = None,
        load: Callable[[RunBlobReader], View | None] = View.load,
        journal: Journal | None = None,
        opened: bool = True,
    ) -> Session | None:
        """Start a session in an existing log, and append `ops` at once. Returns None if there is none, or no longer.

        Args:
            location: The store.
            log: Such as `runs/<id>`.
            ops: What else the entry does that opens it.
            deleted: Whether a deleted run is written to as well.
            packs: What reads its packs, where that is not the usual reader.
            load: What makes a view of its log.
            journal: What reads the log, where that is not the usual one.
            opened: Whether the log says at once that it is open; else when it first looks at packs, or never.

        Raises:
            RunDeletedError: The run was deleted, and that matters.

        Cost: reading the log's end, one PUT; none where nothing is appended.
        """
        session = cls(location, log, journal, opened=opened)
        session.blobs.packs = packs or session.blobs.packs
        view = load(session.blobs)
        if view is None or view.state.purged:
            return None
        session.view = view
        if view.state.deleted and not deleted:
            raise RunDeletedError(session._run_id)
        if opened:
            session.chunk_index.set_abandoned(map(bytes.fromhex, sorted(view.state.sessions)))
        draft = Draft([session._op("open"), *ops] if opened else ops, opening=opened)
        if (opened or ops) and session.append(lambda: draft, closing=deleted) is None:
            return None
        session._track()
        return session

    @property
    def unfinished(self) -> bool:
        """Return whether the log lacks something of it: operations that wait for an entry, or its `close`."""
        return not self.closed and (self.opened or bool(self._buffer))

    def _track(self) -> None:
        """Have it closed when this process ends, if the log then lacks something of it."""
        (_open_sessions.add if self.unfinished else _open_sessions.discard)(self)

    def open(self, *, closing: bool = False) -> None:
        """See that the log says that this session is open, as it must before it looks at any pack (W1).

        `closing`: as for `append`.

        Raises:
            RunDeletedError: The run was deleted.

        Cost: one PUT, the first time.
        """
        with self.lock:
            if self.opened:
                return
            abandoned = map(bytes.fromhex, sorted(self.view.state.sessions))
            draft = Draft([self._op("open")], opening=True)
            if self.append(lambda: draft, closing=closing) is None:
                raise RunDeletedError(self._run_id)
            self.opened = True
            self._track()
            self.chunk_index.set_abandoned(abandoned)

    def writer(self, transfer: Transfer = SILENT, *, previous: bool = False) -> ChunkWriter:
        """Return a writer of packs under this session's name.

        Args:
            transfer: Is told of every byte that is safe.
            previous: Whether it looks where the last versions of the paths that it is given are.
        """
        self.open()
        location, descriptor = self.location, self._descriptor
        beginning, own = Beginning.of(location, self.view), (self.view, self.blobs)
        return ChunkWriter(
            self.bucket,
            location.pool,
            self.chunk_index,
            self.pack_names,
            descriptor.chunker,
            descriptor.pack_size,
            transfer,
            previous=PreviousVersions(location.bucket, location.pool, beginning, own) if previous else None,
        )

    def append(self, build: Callable[[], Draft | None], *, closing: bool = False) -> LogEntry | None:
        """Add one entry to the log, however many others write to it.

        Args:
            build: Makes the entry from `view` as it is now. Called again after
                each lost race; it may raise, or return None when nothing is left to do.
            closing: Whether this adds nothing to the run, which one that is deleted allows.

        Returns:
            The entry as it was written; None if there was nothing to do, or the run was purged: nothing follows that.

        Raises:
            RunDeletedError: The run was deleted.
            CommitStateUnknownError: The bucket stopped answering at the decisive moment.

        Cost: one PUT; for each lost race a GET, a listing and what else was missed; a listing before it refuses.
        """
        with self.lock:
            written = append_entry(
                self.location, self._create, partial(self._build, build, closing=closing), self._absorb, self._lost_race
            )
            if written:
                self._buffer.clear()
                self._track()
            return written

    def buffer_ops(self, *ops: Json) -> None:
        """Buffer small operations for the next entry: that of a commit, of the end, or one of their own.

        They are written at once when a thousand or a megabyte wait, or when the
        first has waited five seconds; there is no timer, so that is looked at here.

        Raises:
            ParamExistsError: The run has a parameter with another value; then none of them is logged.
            RunEndedError: The session was closed.
        """
        with self.lock:
            if self.closed:
                raise RunEndedError(self._run_id)
            refuse_other_values(self._run_id, ops, ChainMap({}, self.view.state.params, self._buffer.params))
            now = self.location.ticks()
            for op in ops:
                if self._buffer.add(op, now):
                    self.flush()
            self._track()

    def flush(self) -> None:
        """Write the buffered operations. Cost: one PUT, if there are any."""
        with self.lock:
            if self._buffer:
                self.append(lambda: Draft([]))

    def follow(self) -> None:
        """Take in what others wrote. Cost: a listing, and a GET for each entry that is new."""
        with self.lock:
            self._follow()

    def refuse_registered(self, paths: Sequence[str]) -> None:
        """Refuse paths that would be new below a registered one. Cost: none, but a listing before it refuses.

        Raises:
            RegisteredPathError: One would be, as the log is now: a pin may have been taken back by another.
        """
        with self.lock:
            try:
                self.view.refuse_registered(paths)
            except RegisteredPathError:
                self._follow()
                self.view.refuse_registered(paths)

    def _drop_repeated(self) -> None:
        """Drop parameters that a rival wrote meanwhile with the same value; another value is an error."""
        known = self.view.state.params
        for op in self._buffer.drop_params(known):
            refuse_other_value(self._run_id, op, known)

    @property
    def _run_id(self) -> str:
        return self.journal.log.rpartition("/")[2]

    def close(self, ops: Sequence[Json] | Callable[[], Sequence[Json]] = (), *, final: bool = False) -> None:
        """End the session (W5) by an entry with these operations, or those made for each try; not if it was purged."""
        with self.lock:
            if the_end.running:
                _open_sessions.discard(self)  # if this fails, it is not tried again
            if not self.closed:
                if ops or (self.opened and not self._shut) or self._buffer:
                    made = ops if callable(ops) else lambda: ops
                    self.append(lambda: Draft([*made(), *self._closing()], final=final), closing=not final)
                self.closed = True
                if self.view.head and self.view.state.bytes:
                    self.location.last_runs[self.view.state.experiment] = self.journal.log, self.view.head.n
        _open_sessions.discard(self)

    def close_with(self, build: Callable[[], Draft | None]) -> LogEntry | None:
        """End the session (W5) in the entry that `build` makes. Returns, raises and cost: as `append`."""

        def closing() -> Draft | None:
            draft = build()
            return replace(draft, ops=[*draft.ops, *self._closing()]) if draft else None

        with self.lock:
            written = self.append(closing)
            self.closed = written is not None
        if written:
            _open_sessions.discard(self)
        return written

    def _closing(self) -> list[Json]:
        """Return what an entry says that ends the session; asked anew for each try, as that may have opened it."""
        return [self._op("close")] if self.opened else []

    def _op(self, name: str) -> Json:
        return {"op": name, "session": self.id.hex()}

    def _build(self, build: Callable[[], Draft | None], *, closing: bool) -> LogEntry | None:
        """Return the next entry, given the log as it is known now; None when there is nothing to write."""
        if self.closed:
            raise RunEndedError(self._run_id)
        if self.view.state.deleted and not closing and not self.view.state.purged:
            self._follow()  # another may have restored it since that was seen
        if not closing and (self.view.state.deleted or self.view.state.purged):
            raise RunDeletedError(self._run_id)
        if self.view.state.purged:  # nothing follows a purge
            return None
        if self._shut:
            self._begin_again()
            return self._build(build, closing=closing)
        self._drop_repeated()
        known = self.view.next
        draft = build()
        if draft and self.view.next != known:  # it looked at the log, and all that is said above may be so no longer
            return self._build(build, closing=closing)
        try:
            return self._entry(draft) if draft else None
        except PackNeededError:  # by its checkpoint
            self.open(closing=closing)
            return self._build(build, closing=closing)

    def _begin_again(self) -> None:
        """Open a new session, as this one was closed (W6): what it uploaded counts as another's from then on."""
        fresh = self.location.entropy(16)
        draft = Draft([{"op": "open", "session": fresh.hex()}], opening=True)
        self._shut = False
        try:
            opened = self.append(lambda: draft, closing=True)
        except BaseException:
            self._shut = True
            raise
        if opened:  # not before: what it looks at, and packs under its name, come after its opening
            self.id = fresh
            self.pack_names.begin(fresh)
            self.chunk_index.begin_session(fresh)

    def _create(self, entry: LogEntry) -> LogEntry:
        """Try to create an entry; if it is unknown whether that worked, its small operations are unconfirmed."""
        try:
            return self.journal.create(entry)
        except BaseException:  # an interrupt, too, may come when the entry is there already
            self._buffer.unconfirm(entry.write_id)
            raise

    def _entry(self, draft: Draft) -> LogEntry:
        head, n = self.view.head, self.view.next
        state_at = head.state_at if head else None
        state: dict[str, Any] | None = None
        blobs = list(draft.blobs)
        due = draft.final or n - max(state_at or 0, self._tried) >= STATE_EVERY
        if not draft.opening and (draft.state or due) and self.chunk_index.has_garbage_state:
            self.chunk_index.condemned()  # what fences speak of, before something may refer to packs
        if draft.state:
            state, state_at = draft.state(self.view, blobs), n
        elif head is not None and due and not draft.opening:
            packs = self.writer() if self.opened else snapshot.NoPacks()
            state = snapshot.build(self.view, packs, blobs, final=draft.final)
            state_at, self._tried = n if state else state_at, n
        plain = next_entry(self.location, self.journal.log, self.view, ops := [*self._buffer.ops, *draft.ops])
        plain = replace(plain, time=plain.time if draft.time is None else draft.time, blobs=tuple(draft.blobs))
        if not state:
            return plain
        kept = [op for group in self.view.state.groups.values() for op in group.repeated()]
        entry = replace(plain, ops=(*kept, *ops), state_at=state_at, blobs=tuple(blobs), state=state)
        return entry if draft.state or not kept or fits(entry) else plain  # a checkpoint is advice, what is logged not

    def _absorb(self, entry: LogEntry) -> None:
        for op in entry.ops if self.opened else ():
            if op["op"] == "fence":  # owed before the entry counts as taken in, until its generation was read (W4)
                self.chunk_index.note_fence(op["generation"])
        self.view.absorb(entry)
        self._buffer.confirm(entry.write_id)
        self._shut |= any(op["op"] == "close" and op["session"] == self.id.hex() for op in entry.ops)

    def _lost_race(self) -> None:
        self._buffer.wait_longer()
        self._follow()

    def _follow(self) -> None:
        for entry in self.journal.read_after(self.view.next):
            self._absorb(entry)


_open_sessions: set[Session] = set()


def close_sessions(location: Location | None = None) -> None:
    """Close what this process left open, in one store or, at exit, in any; a session of a parent is the parent's."""
    for session in list(_open_sessions):
        if session.pid == os.getpid() and location in (None, session.location):
            try:
                session.close()
            except HoldallError as error:
                _log.warning("session %s stays open in %s: %s", session.id.hex(), session.journal.log, error)


the_end.register(close_sessions)
