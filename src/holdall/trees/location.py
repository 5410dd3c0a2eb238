"""One store's place: its bucket, its descriptor, and what a writer needs of the world.

Nothing is asked of the bucket before it is needed. The first reading gets the
descriptor; the first writing of a process creates the store if there is none,
and re-creates the canary, since a bucket that stopped honouring create-only
would let writers overwrite one another unseen.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar

from holdall.chunks.beside import beside
from holdall.chunks.damage import Damage
from holdall.chunks.observer import SILENT, Observer
from holdall.chunks.pool import Pool
from holdall.chunks.verification import PackVerifier
from holdall.errors import (
    HoldallError,
    IntegrityError,
    KeyUnavailableError,
    NotEncryptedError,
    ObjectNotFoundError,
    StoreExistsError,
    StoreNotFoundError,
    UnsupportedFeatureError,
    WrongKeyError,
)
from holdall.format.damage import DamageRecord
from holdall.format.document import MAX_DOCUMENT
from holdall.format.layout import CANARY, DESCRIPTOR, PackName
from holdall.format.names import PLAIN_NAMES, Names
from holdall.format.records import Descriptor, encode_canary, parse_descriptor
from holdall.format.roots import Root
from holdall.format.sealing import Sealing
from holdall.keys.ring import Ring
from holdall.keys.sealed_bucket import SealedBucket, sealing_of, writing_to
from holdall.keys.unlock import Unlock
from holdall.storage.bucket import Bucket
from holdall.storage.canary import set_canary
from holdall.storage.neighbours import is_remote, similar_address
from holdall.storage.probe import Report, check_canary
from holdall.storage.wrappers import with_shorter_deadline
from holdall.trees.creation import NewStore, create_store
from holdall.trees.damage import record_damage
from holdall.trees.stat_cache import StatCache
from holdall.workers.crew import NOBODY, Crew
from holdall.workers.per_process import PerProcess
from holdall.workers.worker import Worker

if TYPE_CHECKING:
    from holdall.storage.elsewhere.consent import Consent

T = TypeVar("T")
_REFUSE: Final = "set_store(..., create=False) or HOLDALL_CREATE=never refuses that"
_ONLY_ASKED: Final = "check the address; create=False or HOLDALL_CREATE=never keeps writers from making a store there: "
_UNLOCKED: Final = "check the address; where something is given that opens encrypted stores, none is made unasked: "
_log = logging.getLogger("holdall")
_RECORDING: Final = 5.0  # seconds that recording damage may delay the error that tells of it


@dataclass(frozen=True, slots=True)
class Sharing:
    """From how many bytes on work is shared among worker processes, and how many of them a part of a file has."""

    least: int = 256 << 20
    part: int = 64 << 20


SHARING: Final = Sharing()


@dataclass(slots=True)
class Location:
    """Where a store is and how to work there.

    Attributes:
        bucket: Its objects.
        pool: The threads and the byte budget that all work shares.
        clock: Milliseconds since 1970 UTC; it only informs, and may be put back.
        entropy: So many random bytes, as `os.urandom` gives them.
        sleep: Waits so many seconds.
        writer: Who signs log entries: program and version.
        ticks: Seconds that only go forward, for what is to happen after a while.
        damage: The packs that were found damaged here.
        verifier: What was tried of packs that others wrote.
        made: The ids of experiments that this process made.
        last_runs: By such an id, the log of the run with files that this process ended last, and its newest entry.
    """

    bucket: Bucket
    pool: Pool
    clock: Callable[[], int]
    entropy: Callable[[int], bytes]
    sleep: Callable[[float], None]
    writer: str
    environment: Callable[[], dict[str, Any]] | None = None  # what ran where; None: it is not recorded
    trusted: bool = False  # the user vouches that no one else writes here: no race is run
    cache: Path | None = None  # a folder for what searching remembers
    observer: Observer = SILENT  # is told how far transfers are
    ticks: Callable[[], float] = monotonic
    may_create: bool = True  # whether the first writing makes a store where none is
    stat_cache: StatCache | None = None  # what files held when they were read; None: each is read
    crew: Crew = NOBODY  # the worker processes that share large work,
    sharing: Sharing = SHARING  # and what is large
    references: Consent | None = None  # where content elsewhere may be read; None: where it usually may
    locate: Callable[[str], Any] | None = None  # what an address means, as the store that is here knows it
    unlock: Unlock | None = None  # what the user gives to open an encrypted store; None: nothing
    keyless: bool = False  # whether an encrypted store is looked after as it is seen without its keys
    names_paths: bool = False  # whether what is stored may name folders of this machine
    damage: Damage = field(init=False)
    verifier: PackVerifier = field(init=False)
    made: set[str] = field(default_factory=set, init=False)
    last_runs: dict[str, tuple[str, int]] = field(default_factory=dict, init=False)
    _descriptor: Descriptor | None = field(default=None, init=False)
    _asking: PerProcess[threading.Lock] = field(default_factory=PerProcess, init=False)
    _writable_in: int | None = field(default=None, init=False)
    _ring: Ring | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.unlock is not None and not isinstance(self.bucket, SealedBucket):
            self.bucket = SealedBucket(self.bucket, self.ring)  # who gives no key reads no encrypted store
        self.damage = Damage(self._record_damage)
        self.verifier = PackVerifier(self.bucket, self.pool, self.damage)

    def hurried(self, each: float, whole: float) -> Location:
        """Return the same place, for somebody who waits: seconds for each request, and for all of them."""
        other = replace(self, bucket=with_shorter_deadline(self.bucket, each, whole=whole))
        other._descriptor, other._ring = self._descriptor, self._ring
        return other

    @property
    def descriptor(self) -> Descriptor:
        """Return the store's descriptor.

        Raises:
            StoreNotFoundError: There is no store here.
            UnsupportedFeatureError: It needs a newer reader.
        """
        if self._descriptor is None:
            with self._asking.get(threading.Lock):  # threads that look beside one another ask once
                self._descriptor = self._descriptor or self._read_descriptor()
        return self._descriptor

    def require_store(self) -> None:
        """Find the store, and the keys of one that is encrypted, so that what is missing is named as such.

        Raises, cost: as `descriptor`.
        """
        self.descriptor  # noqa: B018

    def _read_descriptor(self) -> Descriptor:
        """Return the descriptor that the bucket has; of an encrypted store with the keys, which are found at once."""
        try:
            found = parse_descriptor(self.bucket.get(DESCRIPTOR, limit=MAX_DOCUMENT))
        except ObjectNotFoundError as error:
            raise self._not_found() from error
        if self.unlock is not None and self.unlock.required and not found.sealed:
            raise NotEncryptedError(self.bucket.url)
        if (was := self._descriptor) and (was.store, was.cipher, was.proof) != (found.store, found.cipher, found.proof):
            raise IntegrityError(DESCRIPTOR, "another store was put in the place of the one that was opened")
        if found.sealed and not self.keyless:
            from holdall.keys.unlocking import find_roots  # of which other stores need nothing

            roots = find_roots(self.bucket, found.store, self.unlock or Unlock(kms=False), found.proof)
            self._ring = Ring(roots, found.cipher, self.entropy, self.stored_in(), found.store)
        return found

    def _not_found(self) -> StoreNotFoundError:
        """Return the error; to who could mean an encrypted store it does not advise to make one that is not."""
        error = StoreNotFoundError(self.bucket.url)
        if self.unlock is not None:
            error.hint = _UNLOCKED + "holdall.open(url).maintenance.create(encrypt=True) makes an encrypted one"
            error.shell_hint = _UNLOCKED + "`holdall store init --encrypt URL` makes an encrypted one"
            if not self.unlock.required:
                error.hint += ", create() one in the open"
                error.shell_hint += ", `holdall store init URL` one in the open"
        return error

    def open_anew(self) -> None:
        """Find the keys of an encrypted store again: it has a newer root. Raises, cost: as `descriptor`."""
        with self._asking.get(threading.Lock):
            self._descriptor = self._read_descriptor()  # which puts the new keys in the place of the old ones

    def stored_in(self) -> Bucket:
        """Return the bucket as it is: nothing is opened or sealed on its way."""
        return self.bucket.inner if isinstance(self.bucket, SealedBucket) else self.bucket

    def ring(self) -> Ring | None:
        """Return the keys of the store, None if it is not encrypted. Raises, cost: as `descriptor`."""
        return self._ring if self.descriptor.sealed else None

    def or_without_keys(self) -> Location:
        """Return this place; of an encrypted store for which nothing was given that could open it, as it is seen then.

        Raises:
            WrongKeyError: What was given opens none of its key slots.

        Cost, and raises else: as `descriptor`.
        """
        try:
            self.require_store()
        except WrongKeyError:
            raise
        except KeyUnavailableError:
            return self.without_keys()
        return self

    def without_keys(self) -> Location:
        """Return the same place as somebody sees it who has no key of it: objects are read and written as they are."""
        bucket = self.bucket.inner if isinstance(self.bucket, SealedBucket) else self.bucket
        return replace(self, bucket=bucket, unlock=None, keyless=True)

    @property
    def memory_folder(self) -> Path | None:
        """Return the folder for what searching remembers; of an encrypted store None: it would be in the open."""
        return None if self.sealing.sealed else self.cache

    @property
    def sealing(self) -> Sealing:
        """Return how blobs are named, closed and opened here. Raises, cost: as `descriptor`, if a key was given."""
        return sealing_of(self.bucket)

    def sealing_for(self, log: str) -> Sealing:
        """Return how new blobs of a log are named and closed. Raises, cost: as `descriptor`, if a key was given."""
        return sealing_of(writing_to(self.bucket, log))

    @property
    def names(self) -> Names:
        """Return what names become here.

        Who gives no key cannot read an encrypted store, so nobody is asked whether this is one.

        Raises, cost: as `descriptor`, if a key was given.
        """
        ring = self.ring() if self.unlock is not None else None
        return ring.names if ring else PLAIN_NAMES

    def require_keys(self, experiment: str) -> None:
        """Make sure that an experiment's own keys are known, before something is written for it.

        Raises: ShreddedError: they were destroyed. KeyUnavailableError: they are missing. Cost: as `Ring.require`.
        """
        if (ring := self.ring()) is not None:
            ring.require(experiment)

    def refuse_shredded(self, run_id: str) -> None:
        """Raise a ShreddedError where a run that is not there was of an experiment whose own keys were destroyed.

        Cost: of an encrypted store a listing, and a GET where there are such keys.
        """
        if self.unlock is not None and (ring := self.ring()) is not None:
            ring.refuse_destroyed(run_id)

    def beside_descriptor(self, look: Callable[[], T]) -> T:
        """Return what a first look at the store returns, while which the descriptor is read, if it is not known yet.

        Nothing of the answer counts before the descriptor was accepted: what is wrong with that is raised first.

        Raises: as `descriptor`, and what `look` raises.
        """
        if self._descriptor is not None:
            return look()
        with beside(look) as answer:
            self.require_store()
            return answer()

    @contextmanager
    def workers(self, most: int) -> Iterator[list[Worker]]:
        """Have up to so many workers, and lend them their part of the pool's memory, which bounds all together.

        Cost: as `Crew.claim`.
        """
        with self.crew.claim(most) as workers:
            lent = self.crew.share * len(workers)
            self.pool.reserve(lent, force=True)
            try:
                yield workers
            finally:
                self.pool.release(lent)

    def create(
        self,
        template: Descriptor | None = None,
        *,
        rounds: int = 3,
        cipher: str = "",
        slots: Callable[[str, Root], object] | None = None,
    ) -> Report:
        """Create a store here, if the bucket can keep one.

        Args:
            template: Its chunk and pack sizes, where they are not to be the usual ones.
            rounds: How often writers are raced against each other, to see that one wins.
            cipher: The AEAD of an encrypted store; empty: it is not encrypted.
            slots: Creates the first key slots of an encrypted store, given its id and its root.

        Returns:
            What the bucket was found to do.

        Raises:
            StoreExistsError: There is one already.
            UnsafeBucketError: The bucket cannot keep the promise.
            NotEncryptedError: It would not be encrypted, and only one that is may be used.
        """
        if not cipher and self.unlock is not None and self.unlock.required:
            raise NotEncryptedError(self.bucket.url)
        kind = NewStore(template, 0 if self.trusted else rounds, cipher, slots)
        report, self._descriptor, root = create_store(self.bucket, kind, self.entropy, self.clock)
        self._ring = Ring([root], cipher, self.entropy, self.stored_in(), self._descriptor.store) if root else None
        return report

    def ready_to_write(self) -> Descriptor:
        """Return the descriptor of a store that may be written to, which is created if there is none.

        Raises:
            StoreNotFoundError: There is none, and it is not to be made unasked.
            UnsafeBucketError: The bucket does not honour create-only.
            UnsupportedFeatureError: The store needs a newer writer.

        Cost: once per process, two requests; about 60 more where a store is made, of which seven follow one another.
        """
        if self._writable_in != os.getpid():
            self._check_canary(self._fit_to_write())
        return self.descriptor

    def ready_to_write_while(self, look: Callable[[], T]) -> T:
        """Return what `look` returns, which reads, while the canary is created again; nothing is written before both.

        Raises: as `ready_to_write`, and what `look` raises. Cost: as both, but no longer than the slower one takes.
        """
        if self._writable_in == os.getpid():
            return look()
        checking = self.pool.submit(self._check_canary, self._fit_to_write())
        try:
            return look()
        finally:
            checking.result()

    def _fit_to_write(self) -> Descriptor:
        """Return the descriptor of a store that this writer knows how to write to."""
        try:
            descriptor = self.descriptor
        except StoreNotFoundError as error:
            if self.unlock is not None:
                raise
            if not self.may_create:
                error.hint = _ONLY_ASKED + "holdall.open(url).maintenance.create() does"
                error.shell_hint = _ONLY_ASKED + "`holdall store init URL` does"
                raise
            self._make()
            descriptor = self.descriptor
        for feature in descriptor.writer_features:
            raise UnsupportedFeatureError(DESCRIPTOR, f"writer feature {feature}")
        return descriptor

    def _check_canary(self, descriptor: Descriptor) -> None:
        canary = encode_canary(descriptor.store)
        check_canary(self.bucket, CANARY, canary)
        set_canary(self.bucket, CANARY, canary)
        self._writable_in = os.getpid()

    def _make(self) -> None:
        """Create the store; it is no error if another process does so at the same moment."""
        meant = similar_address(self.bucket, DESCRIPTOR)
        try:
            self.create(rounds=1)
        except StoreExistsError:
            return
        if meant or is_remote(self.bucket.url):
            asking = f"; did you mean {meant}?" if meant else ";"
            _log.warning("there was no store at %s, so one was made%s %s", self.bucket.url, asking, _REFUSE)

    def _record_damage(self, pack: PackName, detail: str, blobs: Sequence[bytes]) -> None:
        """Record the damage for all writers, if this process writes here; a reader writes nothing."""
        if self._writable_in == os.getpid():
            record = DamageRecord(pack, self.clock(), self.writer, detail, tuple(blobs))
            with suppress(HoldallError, OSError):  # the damage itself is what the caller must hear of
                record_damage(with_shorter_deadline(self.bucket, _RECORDING), record)
