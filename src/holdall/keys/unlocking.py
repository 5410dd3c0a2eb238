"""The roots of an encrypted store are found: some slot opens by what the user gave, and its root proves itself.

Anybody who may create objects can make a slot for anybody's public key, with a root of their own in it. So a root
counts only if it leads to the first one, which the store's descriptor proves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from holdall.errors import DamageError, HoldallError, KeyUnavailableError, MissingLibraryError, WrongKeyError
from holdall.format.roots import KEY, Root, open_older, root_proof
from holdall.format.slots import KMS, PASSPHRASE, RECIPIENT, ByKms, ByPassphrase, ByRecipient, Slot
from holdall.keys.identities import read_identities
from holdall.keys.kms import unwrap_by_kms
from holdall.keys.objects import Keys, Threads, read_keys
from holdall.keys.unlock import Unlock
from holdall.keys.wrapping import kms_context, unwrap_by_identity, unwrap_by_passphrase
from holdall.storage.bucket import Bucket

_MOST_WORK: Final = 1 << 26  # of scrypt for one passphrase, which is 64 slots of the usual cost
_AT_ONCE: Final = 8  # requests
_MOST_ASKED: Final = 16  # slots of AWS KMS


@dataclass(frozen=True, slots=True)
class Opened:
    """A store's keys, opened. Attributes: roots (newest epoch first), slot (which opened), keys (all there are)."""

    roots: tuple[Root, ...]
    slot: Slot
    keys: Keys = field(repr=False)


def find_roots(
    bucket: Bucket, store: str, unlock: Unlock, proof: str, threads: Threads | None = None
) -> tuple[Root, ...]:
    """Return the root keys of a store, the newest epoch's first, down to epoch 0.

    Raises, cost: as `open_keys`.
    """
    return open_keys(bucket, store, unlock, proof, threads).roots


def open_keys(bucket: Bucket, store: str, unlock: Unlock, proof: str, threads: Threads | None = None) -> Opened:
    """Open the key slots of a store by what a user gave.

    Args:
        bucket: Its objects.
        store: Its id, in hex.
        unlock: What the user gave.
        proof: What the descriptor says of the root of epoch 0: `root_proof` of it.
        threads: Do requests side by side; threads of its own do when None.

    Raises:
        KeyUnavailableError: Nothing was given for any of the slots, or only for those of older epochs.
        WrongKeyError: What was given opens none of them.
        FormatError, IntegrityError: No slot can be read, or the object that a newer root has for older ones.
        InvalidArgumentError, SourceUnreadableError: What was given is no key, or the file of it cannot be read.
        MissingLibraryError: The package cryptography is not installed.

    Cost: as `read_keys`, and 0.3 s of a processor for each slot that takes a passphrase, until one opens, if one is
        given; a request to AWS for each slot of AWS KMS, until one opens, if nothing else did.
    """
    with ThreadPoolExecutor(_AT_ONCE) as own:  # which begins no thread where others do the work
        keys = read_keys(bucket, store, threads or own)
    return _Search(bucket.url, store, unlock, proof, keys).run()


@dataclass
class _Search:
    url: str
    store: str
    unlock: Unlock
    proof: str
    keys: Keys
    tried: list[str] = field(default_factory=list)  # what was held against slots and opened none
    older: int = -1  # the newest epoch that opened, which is not the newest of all

    def run(self) -> Opened:
        for opens in (self._by_identities, self._by_passphrase, self._by_kms, self._by_asking):
            for slot, key in opens():
                if found := self._proven(slot, key):
                    return found
        raise self._failure()

    def _of(self, kind: str) -> list[Slot]:
        """Return the slots of a kind, in the order in which they are tried.

        Those of the newest epoch come first; last those of one that has not begun, which anybody can say. Of an epoch
        those that cost the least: a stranger's that costs the most must not keep the owner's from being tried.
        """
        newest = self.keys.listed.newest
        slots = [slot for slot in self.keys.slots.values() if slot.kind == kind]
        return sorted(slots, key=lambda slot: (slot.epoch > newest, -slot.epoch, _work(slot), slot.number))

    def _by_identities(self) -> Iterator[tuple[Slot, bytes | None]]:
        slots = self._of(RECIPIENT)
        for identity in [each for given in self.unlock.identities for each in read_identities(given)] if slots else ():
            self.tried.append("an identity")
            for slot in slots:
                assert isinstance(slot.by, ByRecipient)
                yield slot, unwrap_by_identity(slot, slot.by, identity)

    def _by_passphrase(self) -> Iterator[tuple[Slot, bytes | None]]:
        yield from self._try(self.unlock.given_passphrase)

    def _by_asking(self) -> Iterator[tuple[Slot, bytes | None]]:
        if self.unlock.ask is not None:
            yield from self._try(self.unlock.ask)

    def _try(self, give: Callable[[], str | None]) -> Iterator[tuple[Slot, bytes | None]]:
        slots = self._of(PASSPHRASE)
        passphrase = give() if slots else None
        if passphrase is None:
            return
        self.tried.append("a passphrase")
        left = _MOST_WORK
        for slot in slots:
            assert isinstance(slot.by, ByPassphrase)
            left -= slot.by.work
            if left < 0:
                self.tried.append(f"not held against slot {slot.number} and others, which would take too long")
                return
            try:
                yield slot, unwrap_by_passphrase(slot, slot.by, passphrase)
            except MemoryError:
                self.tried.append(f"slot {slot.number} takes more memory than there is")

    def _by_kms(self) -> Iterator[tuple[Slot, bytes | None]]:
        for slot in self._of(KMS)[:_MOST_ASKED] if self.unlock.kms else ():
            assert isinstance(slot.by, ByKms)
            try:
                yield slot, unwrap_by_kms(self.url, slot.by.key, kms_context(slot), slot.wrapped)
            except (KeyUnavailableError, MissingLibraryError) as error:
                self.tried.append(error.reason)

    def _proven(self, slot: Slot, key: bytes | None) -> Opened | None:
        """Return what a slot opens, if its root is one of this store's, and the newest."""
        if key is None or len(key) != KEY:
            return None
        roots = [Root(slot.epoch, key)]
        while roots[-1].epoch:
            data = self.keys.roots.get(roots[-1].epoch)
            older = None if data is None else open_older(data, roots[-1], self.store)
            if older is None:
                break
            roots.append(older)
        if root_proof(roots[-1], self.store) != self.proof or not slot.proven_by(roots[0]):
            self.tried.append(f"slot {slot.number} holds no root of this store: somebody else put it there")
            return None
        if slot.epoch < self.keys.listed.newest:
            self.older = max(self.older, slot.epoch)
            return None
        return Opened(tuple(roots), slot, self.keys)

    def _failure(self) -> HoldallError:
        if self.older >= 0:
            newest = self.keys.listed.newest
            return KeyUnavailableError(
                self.url,
                f"what was given opens root key {self.older}, and the store has root key {newest} since a rekey: "
                "who has a key of that must add this one again",
            )
        if not self.keys.slots and self.keys.damaged:
            error = _first(self.keys)
            error.hint = error.shell_hint = _RESTORE
            return error
        kinds = Counter(slot.kind for slot in self.keys.slots.values())
        there = ", ".join(f"{number} for {_NAMES.get(kind, repr(kind))}" for kind, number in kinds.items())
        has = f"it has key slots: {there}" if there else "it has no key slot"
        damage = f"; {len(self.keys.damaged)} are damaged: {_first(self.keys)}" if self.keys.damaged else ""
        if self.tried:
            return WrongKeyError(self.url, f"none opened by what was tried ({'; '.join(self.tried)}); {has}{damage}")
        return KeyUnavailableError(self.url, f"nothing was given that could open it; {has}{damage}")


_RESTORE: Final = "no key slot can be read: restore the objects below keys/slots/ from a copy of the store"
_NAMES: Final = {PASSPHRASE: "a passphrase", RECIPIENT: "an identity", KMS: "a key of AWS KMS"}


def _work(slot: Slot) -> int:
    return slot.by.work if isinstance(slot.by, ByPassphrase) else 0


def _first(keys: Keys) -> DamageError:
    return next(iter(keys.damaged.values()))
