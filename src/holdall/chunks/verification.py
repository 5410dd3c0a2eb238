"""Is it true what a pack of somebody else says that it holds?

A footer says which chunks a pack has, and nothing makes it true: bits rot, and
a writer of objects can claim anybody's chunks over zeros. What a commit
borrows it never reads, so it would be found out when the source is gone. So
before anything refers to a pack of another session, one chunk of those that it
borrows, drawn by lot, is fetched and decoded, once for each pack and process.

    what is wrong with a pack          one chunk, by lot        all that is borrowed
    all of it, or its footer's claims  found, always            found
    one chunk of n                     found once in n times    found

The price of the first is one small ranged GET for each pack, which goes on
while the stream is read further: a block keeps its buffer until the answer has
come, and what was refuted is stored again from there. The second is for who
shares a bucket with people who are not trusted (`verify_shared`).
"""

from __future__ import annotations

import secrets
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Final, TypeAlias

from holdall.chunks.damage import Damage
from holdall.chunks.delivery import decode_verified
from holdall.chunks.plan import Range, plan_ranges
from holdall.chunks.pool import Pool
from holdall.errors import IntegrityError, ObjectTooShortError, StorageError
from holdall.format.layout import PackName
from holdall.format.reference import Ref
from holdall.format.sealing import Sealing
from holdall.keys.sealed_bucket import sealing_of
from holdall.storage.bucket import Bucket
from holdall.workers.per_process import PerProcess

_MAX_RESULTS: Final = 1 << 18  # answers that are remembered: packs, or chunks where each is tried
_ATTEMPTS: Final = 2  # networks err more often than disks

_Subject: TypeAlias = PackName | Ref


class _Results:
    """What one process has asked."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.proofs: dict[_Subject, Future[bool]] = {}


class PackVerifier:
    """What an opened store has tried of packs that it would borrow from. Safe between threads, picklable.

    Args:
        bucket: Where the packs are.
        pool: Whose threads ask.
        damage: Is told of what is wrong.
        verify_all: Whether each borrowed blob is tried, not one of each pack.
        draw: A random number below another; nobody may know it beforehand.
    """

    def __init__(
        self,
        bucket: Bucket,
        pool: Pool,
        damage: Damage,
        *,
        verify_all: bool = False,
        draw: Callable[[int], int] = secrets.randbelow,
    ) -> None:
        self._bucket, self._pool, self.damage, self.verify_all, self._draw = bucket, pool, damage, verify_all, draw
        self._results: PerProcess[_Results] = PerProcess()  # threads do not survive a fork

    def start(self, refs: Iterable[Ref]) -> None:
        """Begin to verify what is about to be borrowed, unless it was. Cost: a small request for each new pack."""
        results = self._of_this_process()
        by_pack: defaultdict[PackName, dict[Ref, None]] = defaultdict(dict)
        with results.lock:
            for ref in refs:
                if isinstance(ref.location, PackName) and self._subject(ref) not in results.proofs:
                    by_pack[ref.location][ref] = None
            for span in self._select_ranges([list(some) for some in by_pack.values()]):
                proof = self._pool.submit_with_budget(span.stop - span.start, partial(self._fetch_and_check, span))
                results.proofs.update((self._subject(ref), proof) for ref in span.refs)
            for old in list(results.proofs)[: max(len(results.proofs) - _MAX_RESULTS, 0)]:
                del results.proofs[old]

    def is_done(self, ref: Ref) -> bool:
        """Return whether `verify` would not have to wait."""
        proof = self._of_this_process().proofs.get(self._subject(ref))
        return proof is not None and proof.done()

    def verify(self, ref: Ref) -> bool:
        """Return whether a blob may be borrowed, as far as it is tried; waits for the answer."""
        while (proof := self._of_this_process().proofs.get(self._subject(ref))) is None:
            self.start([ref])
        return proof.result()

    def tried_packs(self) -> list[PackName]:
        """Return the packs of which a blob was tried and found right."""
        proofs = list(self._of_this_process().proofs.items())
        return [pack for pack, proof in proofs if isinstance(pack, PackName) and _is_proved(proof)]

    def take_over(self, packs: Iterable[PackName]) -> None:
        """Believe what a worker of this process, or the process of this worker, has tried (W3a)."""
        results, proved = self._of_this_process(), Future[bool]()
        proved.set_result(True)
        with results.lock:
            for pack in packs:
                results.proofs.setdefault(pack, proved)

    def _subject(self, ref: Ref) -> _Subject:
        assert isinstance(ref.location, PackName), "nothing else is borrowed"
        return ref if self.verify_all else ref.location

    def _select_ranges(self, packs: Sequence[list[Ref]]) -> list[Range]:
        if self.verify_all:
            return plan_ranges(ref for refs in packs for ref in refs)
        return [Range.over([refs[self._draw(len(refs))]]) for refs in packs]

    def _fetch_and_check(self, span: Range) -> bool:
        """Fetch blobs; return whether they are intact, and note what is damaged."""
        wrong: list[bytes] = []
        for _ in range(_ATTEMPTS):
            try:
                body = memoryview(self._bucket.get_range(span.pack.key, span.start, span.stop))
            except ObjectTooShortError:
                self.damage.wrong(span.pack, "the pack is cut off")
                return False
            except StorageError:  # gone, or out of reach: then it is better stored than borrowed
                self.damage.gone(span.pack)
                return False
            sealing = sealing_of(self._bucket)
            wrong = [ref.id for ref in span.refs if not _is_intact(ref, body[ref.offset - span.start :], sealing)]
            if not wrong:
                return True
        self.damage.wrong(span.pack, "it does not hold what its footer says", wrong)
        return False

    def _of_this_process(self) -> _Results:
        return self._results.get(_Results)


def _is_proved(proof: Future[bool]) -> bool:
    return proof.done() and not proof.cancelled() and proof.exception() is None and proof.result()


def _is_intact(ref: Ref, stored: memoryview, sealing: Sealing) -> bool:
    try:
        decode_verified(ref, stored[: ref.stored], sealing, f"pack {ref.location}")
    except IntegrityError:
        return False
    return True
