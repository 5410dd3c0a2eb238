"""What the bucket is known to hold, as far as one session has looked.

There is no index of all chunks: it would grow with the store, and so would
any process that loads it. Instead a writer asks for hints to the smallest few chunk ids
of what it is about to write; a hint names a pack, and that pack's footer, read
by this session, is what it believes. While a stream runs along a known pack,
the next pack's footer is loaded without asking, and those behind it ahead of
its coming there. SPEC.md, "Hints" and "Garbage" (W2, W3).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence, Set
from concurrent.futures import Future
from functools import partial
from typing import Final, NamedTuple

from holdall.chunks.abandoned import last_packs
from holdall.chunks.damage import Damage
from holdall.chunks.garbage import look_at_garbage, packs_of_fence
from holdall.chunks.hints import Hints
from holdall.chunks.pool import Pool
from holdall.chunks.reader import ChunkReader
from holdall.chunks.verification import PackVerifier
from holdall.errors import DamageError, ObjectNotFoundError, StorageError
from holdall.format.layout import PackName
from holdall.format.pack import Footer
from holdall.format.reference import CHUNK, Ref
from holdall.storage.bucket import Bucket

CAPACITY: Final = 1 << 18  # chunks remembered, about 100 MB at most; those of 10 GiB, if they are of usual size
COPIES: Final = 4  # places remembered of one chunk
_ABANDONED: Final = 4  # sessions that never closed whose packs are looked for
_AT_ONCE: Final = 256  # packs whose footers are held against what is wanted before the next are loaded
_AHEAD: Final = 2  # footers that are asked for ahead of a walk
_MOST_OWED: Final = 64  # fences whose generations are read one by one; of more, one listing tells the same


class _Found(NamedTuple):
    """What asking for a footer brought, and the era in which it was asked for."""

    era: int
    footer: Footer | None


class GarbageState(NamedTuple):
    """What a session tells its workers: what they must not refer to, and packs that may have no hints."""

    condemned: tuple[PackName, ...]
    abandoned: tuple[PackName, ...]


class ChunkIndex:
    """The packs that a session may refer to, and where each of their blobs is. Safe between threads.

    Attributes:
        avoided: Packs that it is to refer to no more, though nothing is wrong with them: they are emptied.
        hints: What leads to more of them.
    """

    def __init__(self, bucket: Bucket, pool: Pool, verifier: PackVerifier | None = None) -> None:
        self._bucket, self._pool = bucket, pool
        self._verifier = verifier or PackVerifier(bucket, pool, Damage())
        self._reader = ChunkReader(bucket, pool)
        self.hints = Hints(bucket, pool, self._verifier.damage)
        self._lock = threading.Lock()  # what is known changes under it, in uploads' threads too
        self._looking = threading.RLock()  # one thread at a time looks at the garbage; taken before the other
        self._condemned: frozenset[PackName] | None = None  # None: it was not looked at yet
        self._owed: set[int] = set()  # generations of fences that were met and not read yet
        self.avoided: frozenset[PackName] = frozenset()
        self._era = 0
        self._refs: dict[bytes, tuple[Ref, ...]] = {}  # each blob's copies, never none
        self._packs: dict[PackName, tuple[bytes, ...]] = {}
        self._own: set[bytes] = set()  # the session whose knowledge it is, once it writes
        self._last_chunks: dict[PackName, bytes] = {}  # the last chunk of each pack that was not followed
        self._reached: PackName | None = None  # the last that was followed to, and after how many steps in a row
        self._steps = 0
        self._prefetched: dict[PackName, Future[_Found]] = {}  # asked for before it is needed
        self._left_early: set[PackName] = set()  # packs that a stream left before their end
        self._abandoned: list[bytes] = []  # sessions of the same log that may have left packs without hints,
        self._left: set[PackName] = set()  # and such packs

    def get(self, blob: bytes) -> Ref | None:
        """Return where a blob is, in a pack that may be referred to; of several copies the one met first."""
        copies = self._refs.get(blob)
        return copies[0] if copies else None

    def copies(self, blob: bytes) -> tuple[Ref, ...]:
        """Return all places of a blob that may be referred to: what was stored again against fragments has several."""
        return self._refs.get(blob, ())

    def is_allowed(self, ref: Ref) -> bool:
        """Return whether a blob's place may be referred to, as far as this session has met the collector."""
        return not self.has_garbage_state or ref.location not in self.condemned()

    def add_own_session(self, session: bytes) -> None:
        """Treat this session's packs as one's own: nothing is borrowed from them."""
        self._own.add(session)

    def begin_session(self, session: bytes) -> None:
        """Begin again at W2, as the session that this writes under is another now (W6).

        What the one before uploaded counts as another's from now on.
        """
        with self._looking:
            self._own = {session}
            self._begin_again()

    def start_verifying(self, refs: Iterable[Ref]) -> None:
        """Begin to try packs of other sessions that these are to be borrowed from; `verify` has the answer."""
        self._verifier.start(ref for ref in refs if not self._is_own(ref))

    def is_verified(self, ref: Ref) -> bool:
        """Return whether `verify` would not have to wait."""
        return self._is_own(ref) or self._verifier.is_done(ref)

    def verify(self, ref: Ref) -> bool:
        """Return whether a blob may be referred to there: it is in a pack of this session, or one that was tried."""
        return self._is_own(ref) or self._verifier.verify(ref)

    def _is_own(self, ref: Ref) -> bool:
        return isinstance(ref.location, PackName) and ref.location.session in self._own

    @property
    def era(self) -> int:
        """Return how often the session began again at W2: what was learned in an earlier era proves nothing."""
        return self._era

    def for_workers(self) -> GarbageState:
        """Return what workers must know before they read a footer: they take this session's look for their own (W2).

        Cost: as `condemned`, and a listing or two for each session that was abandoned.
        """
        self.begin_reading()
        return GarbageState(tuple(self.condemned()), tuple(self._list_abandoned()))

    def take_state(self, state: GarbageState) -> None:
        """Go by what another process of this session has seen of the garbage; it looks at what this one refers to."""
        with self._lock:
            self._condemned, self._left = frozenset(state.condemned), set(state.abandoned)

    def begin_reading(self) -> int:
        """Return the era in which footers that are read or written from now on count: its look at the garbage is done.

        Cost: as `condemned`.
        """
        while True:
            era = self._era
            self.condemned()
            if era == self._era:
                return era

    def add_footer(self, pack: PackName, footer: Footer, era: int | None = None) -> None:
        """Take in a footer that this session has read or written since it was in some era; now when None."""
        era = self.begin_reading() if era is None else era
        self.condemned()
        with self._lock:
            if era != self._era or pack in (self._condemned or ()) or pack in self._packs:
                return
            chunks = [row.id for row in footer.rows if row.kind == CHUNK]
            if chunks:
                self._last_chunks[pack] = chunks[-1]
            self._packs[pack] = tuple(row.id for row in footer.rows)
            for row in footer.rows:
                self._refs[row.id] = (*self._refs.get(row.id, ()), row.ref(pack))[-COPIES:]
            while len(self._refs) > CAPACITY and len(self._packs) > 1:
                self._remove(next(iter(self._packs)))

    def load_hinted(self, ids: Sequence[bytes]) -> bool:
        """Look for hints to some chunks, and believe the footers that they lead to.

        Returns:
            Whether asking on may find more: a new pack became known, or a hint led astray.

        Cost: one request for each id and one or two for each new pack, side by side; once, a listing for each session
        that was abandoned.
        """
        looking = None if self.has_garbage_state else self._pool.submit(self.condemned)
        hinted = self.hints.read(ids)  # they only name packs; W2 comes before any footer
        condemned = looking.result() if looking else self.condemned()
        left = self._list_abandoned() if len(hinted) < len(ids) else set()
        unknown = sorted((left | {*hinted.values()}) - self._packs.keys() - condemned)
        footers = self._pool.map(self._read_footer, unknown)
        # Learned in order, so that of two packs with one chunk the same is always chosen.
        believed = [self._add_if_found(pack, found) for pack, found in zip(unknown, footers, strict=True)]
        self.hints.unusable.update(pack for pack, there in zip(unknown, believed, strict=True) if not there)
        return any(believed) or any(map(self.hints.is_bad, hinted))

    def set_abandoned(self, sessions: Iterable[bytes]) -> None:
        """Name sessions that never closed: killed between a pack and its hints, they left what only a listing finds."""
        self._abandoned = [session for session in sessions if session not in self._own][:_ABANDONED]

    def _list_abandoned(self) -> set[PackName]:
        asked, self._abandoned = self._abandoned, []  # once is enough
        left, self._left = self._left, set()
        return left.union(*self._pool.map(partial(last_packs, self._bucket), asked))

    def load_next(self, ref: Ref, *, guess: bool = False) -> bool:
        """Load the footer of the next pack, where a stream has come to the end of a known one.

        Args:
            ref: The chunk behind which the stream has left what is known.
            guess: Whether to do so, too, where it left this pack before its end already.

        Returns:
            Whether a new pack became known.

        Cost: one request, which a walk of several steps finds made already; its end makes one or two too many.
        """
        pack = ref.location
        last = (
            self._last_chunks.get(pack) if isinstance(pack, PackName) else None
        )  # another thread may forget it meanwhile
        if not isinstance(pack, PackName) or last is None:
            return False
        if last != ref.id:
            self._left_early.add(pack)
            return False
        if pack in self._left_early and not guess:
            return False
        self._last_chunks.pop(pack, None)  # once is enough
        following = PackName(pack.session, pack.number + 1)
        if following in self._packs:
            return False
        asked = self._prefetched.pop(following, None)
        believed = self._add_if_found(following, asked.result() if asked else self._read_footer(following))
        if believed:
            self._prefetch(pack, following)
        return believed

    def _prefetch(self, pack: PackName, following: PackName) -> None:
        """Ask for the footers behind a pack while the stream runs along it: far away each takes as long as that.

        The more steps a walk has made, the surer it is to go on.
        """
        if pack == self._reached:
            self._steps += 1
        else:
            self._steps = 1
            self._prefetched.clear()  # of a walk that has ended
        self._reached, first = following, following.number + 1
        for number in range(first, first + min(self._steps // 2, _AHEAD)):
            name = PackName(following.session, number)
            if name not in self._packs and name not in self._prefetched:
                self._prefetched[name] = self._pool.submit(self._read_footer, name)

    def load_footers(self, packs: Iterable[PackName]) -> None:
        """Load the footers of these packs, but for those that are known or condemned.

        Cost: one or two requests for each, side by side.
        """
        condemned = self.condemned()  # W2 comes before any footer
        unknown = sorted(pack for pack in packs if pack not in self._packs and pack not in condemned)
        for pack, found in zip(unknown, self._pool.map(self._read_footer, unknown), strict=True):
            self._add_if_found(pack, found)

    def select_unusable(self, wanted: Mapping[PackName, Set[Ref]]) -> set[PackName]:
        """Return the packs that must not be referred to, or that lack one of the blobs that are wanted of them.

        Their footers are read where this session has not done so; of packs of others a blob is tried (W3a).

        Cost: one or two requests for each pack whose footer is not known, and one for each that is borrowed from.
        """
        unusable, packs = set(), sorted(wanted)
        for start in range(0, len(packs), _AT_ONCE):
            some = packs[start : start + _AT_ONCE]
            self.load_footers(some)
            unusable |= {pack for pack in some if any(ref not in self.copies(ref.id) for ref in wanted[pack])}
            good = [ref for pack in some if pack not in unusable for ref in wanted[pack]]
            self.start_verifying(good)
            unusable |= {pack for pack in some for ref in wanted[pack] if pack not in unusable and not self.verify(ref)}
        return unusable

    @property
    def has_garbage_state(self) -> bool:
        """Return whether the session has looked at the garbage state: only then is anything known to it."""
        return self._condemned is not None

    def note_fence(self, generation: int) -> None:
        """Note that a fence was met in the log (W4): what its generation names is owed a look from now on."""
        with self._lock:
            self._owed.add(generation)

    def condemned(self) -> frozenset[PackName]:
        """Return the packs that must not be referred to: condemned ones, and damaged ones as far as is known by now.

        Raises:
            GarbageStateError: That cannot be told. A fence whose generation could not be read stays owed.

        Cost: the first time, one listing; a request or two for each fence that was met since the last call.
        """
        condemned = self._condemned
        if condemned is None or self._owed:
            condemned = self._look()
        for found in (self._verifier.damage.packs, self.avoided):
            if not found <= condemned:
                with self._lock:
                    condemned = self._exclude(frozenset(found))
        return condemned

    def _look(self) -> frozenset[PackName]:
        """Look at the garbage (W2), where that was not done in this era, and read what fences speak of (W4)."""
        with self._looking:
            if len(self._owed) > _MOST_OWED:
                self._begin_again()
            if self._condemned is None:
                owed = frozenset(self._owed)  # met before the listing, which shows their generations if there are any
                found = look_at_garbage(self._bucket)
                with self._lock:
                    self.hints.unusable |= found.damaged
                    self._condemned = found.condemned | self.hints.unusable
                    self._owed -= owed if len(owed) > _MOST_OWED else owed & found.generations
            named = {generation: packs_of_fence(self._bucket, generation) for generation in sorted(self._owed)}
            with self._lock:
                condemned = self._exclude(frozenset().union(*(packs or () for packs in named.values())))
                self._owed -= named.keys()
            if None in named.values():  # a generation without objects (W7)
                self._begin_again()
                condemned = self._look()
            return condemned

    def _begin_again(self) -> None:
        """Believe no footer so far, and look at the garbage anew before the next (W6, W7)."""
        with self._lock:
            for known in (self._refs, self._packs, self._last_chunks, self._prefetched):
                known.clear()
            self.hints.forget()
            self._condemned = None
            self._era += 1  # not before: who sees the new era finds that it has not looked

    def _exclude(self, packs: frozenset[PackName]) -> frozenset[PackName]:
        """Exclude packs from now on, and forget their blobs. The lock is held."""
        if self._condemned is None:  # another thread began again: then nothing is known, and its look is to come
            return packs
        self._condemned |= packs
        for pack in packs & self._packs.keys():
            self._remove(pack)
        return self._condemned

    def _read_footer(self, pack: PackName) -> _Found:
        """Read a pack's footer; one that is gone, damaged or unreadable is as good as unknown."""
        era = self.begin_reading()
        try:
            return _Found(era, self._reader.footer(pack))
        except (StorageError, DamageError) as error:
            if isinstance(error, ObjectNotFoundError):
                self.hints.gone.add(pack)
            return _Found(era, None)

    def _add_if_found(self, pack: PackName, found: _Found) -> bool:
        if found.footer is not None:
            self.add_footer(pack, found.footer, found.era)
        return pack in self._packs

    def _remove(self, pack: PackName) -> None:
        self._last_chunks.pop(pack, None)
        self._left_early.discard(pack)
        for blob in self._packs.pop(pack):
            copies = tuple(ref for ref in self._refs.pop(blob, ()) if ref.location != pack)
            if copies:
                self._refs[blob] = copies
