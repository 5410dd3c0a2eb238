"""All keys that a store's readers and writers have: of its roots, and of the experiments that have their own.

The latter are looked for when the first run of one is read, or begun: a store that has none pays no request for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from holdall.errors import AccessDeniedError, FormatError, KeyUnavailableError, ShreddedError
from holdall.format.layout import RUNS
from holdall.format.names import KeyedNames
from holdall.format.roots import Root
from holdall.format.sealing import DomainKeys, Keyring
from holdall.keys.own import Own, OwnKeys
from holdall.storage.bucket import Bucket

T = TypeVar("T")


class Ring:
    """The keys of an encrypted store, once they were found.

    Args:
        roots: Its roots, the newest first; the last one is that of epoch 0.
        cipher: The AEAD of its descriptor.
        entropy: So many random bytes, for nonces.
        bucket: Where experiments' own keys are.
        store: The store's id, in hex.

    Attributes:
        known: All keys, the store's newest first; it grows.
        names: What names become.
        own: The experiments' own keys, as objects.
    """

    def __init__(
        self, roots: Sequence[Root], cipher: str, entropy: Callable[[int], bytes], bucket: Bucket, store: str
    ) -> None:
        store_keys = [DomainKeys(root.key, cipher, str(root.epoch)) for root in roots]
        self.known: list[DomainKeys] = list(store_keys)
        self.names = KeyedNames(roots[-1].key)
        self.own = OwnKeys(bucket, store, cipher, tuple(roots))
        self._entropy = entropy
        self._store = self._keyring(store_keys[0])
        self._rings: dict[str, Keyring] = {}  # by the first digits of an experiment's id, as runs' ids have them
        self._destroyed: dict[str, tuple[str, int]] = {}  # by the same: the id, and when that was
        self._asked: set[str] = set()

    def __repr__(self) -> str:
        return f"Ring({len(self.known)} keys)"

    def sealing(self, log: str) -> Keyring:
        """Return how new content of a log (or of a key in it) is sealed: by its experiment's keys, or the store's.

        Raises:
            ShreddedError: The experiment's keys were destroyed.
        """
        digits = _digits(log)
        self._refuse_destroyed(digits)
        return self._rings.get(digits, self._store)

    @property
    def of_store(self) -> Keyring:
        """Return how what belongs to no experiment is sealed."""
        return self._store

    def opened(self, key: str, work: Callable[[Sequence[DomainKeys]], T]) -> T:
        """Return what `work` makes of an object by all keys that are known, or by those that are new since.

        Raises:
            FormatError: No key opens it, or it is damaged.
            ShreddedError: It is of an experiment whose keys were destroyed.
            KeyUnavailableError: The store was rekeyed since it was opened.

        Cost: where it does not open, two listings and a few GETs, once for each experiment.
        """
        digits = _digits(key)
        try:
            return work(self.known)
        except FormatError:
            if not self._look_once(digits):
                raise
        return work(self.known)

    def require(self, experiment: str) -> None:
        """Make sure that the keys which an experiment has of its own are known, before something is sealed for it.

        Raises:
            ShreddedError: They were destroyed.
            KeyUnavailableError: They are missing.

        Cost: a listing and a GET, the first time.
        """
        if experiment[:8] not in self._rings:
            self._learn(self.own.find(experiment))
        self._refuse_destroyed(experiment[:8])
        if experiment[:8] not in self._rings:
            reason = f"experiment {experiment} has keys of its own, and {self._missing()}"
            raise KeyUnavailableError(self.own.bucket.url, reason)

    def is_destroyed(self, experiment: str) -> int | None:
        """Return when an experiment's own keys were destroyed, in ms since 1970 UTC; None: not. Cost: a listing."""
        self._learn(self.own.find(experiment))
        return self._destroyed.get(experiment[:8], (experiment, None))[1]

    def refuse_destroyed(self, run_id: str) -> None:
        """Raise a ShreddedError if the keys of a run's experiment were destroyed. Cost: a listing, and a few GETs."""
        self._learn(self.own.find(run_id[:8]))
        self._refuse_destroyed(run_id[:8])

    @property
    def has_destroyed(self) -> bool:
        """Return whether any own keys are known to be destroyed: what does not open may be of their experiment."""
        return bool(self._destroyed)

    def forget(self, experiment: str) -> None:
        """Drop an experiment's own keys, which were destroyed."""
        if ring := self._rings.pop(experiment[:8], None):
            name = ring.own.name.partition(" ")[0]
            self.known[:] = [keys for keys in self.known if keys.name.partition(" ")[0] != name]
        self._learn(self.own.find(experiment))

    def _look_once(self, digits: str) -> bool:
        """Return whether there are keys of an experiment that were not known; looked for once."""
        before = len(self.known)
        if digits and digits not in self._asked:
            self._learn(self.own.find(digits))
            self._asked.add(digits)
        self._refuse_destroyed(digits)
        if len(self.known) == before and self.own.is_rekeyed():
            raise KeyUnavailableError(self.own.bucket.url, "it was rekeyed since it was opened here: open it anew")
        return len(self.known) > before

    def _look_for_all(self) -> bool:
        """Return whether any experiment has keys that were not known. Cost: a listing, and a GET for each."""
        before = len(self.known)
        with suppress(AccessDeniedError):  # who may read some experiments only
            self._learn(self.own.find())
        return len(self.known) > before

    def _learn(self, found: dict[str, Own]) -> None:
        for id, own in found.items():
            if own.destroyed is not None:
                self._destroyed[id[:8]] = id, own.destroyed
            elif own.domains and id[:8] not in self._rings:
                self.known.extend(own.domains)
                self._rings[id[:8]] = self._keyring(own.domains[0])

    def _keyring(self, own: DomainKeys) -> Keyring:
        return Keyring(own, self.known, self._entropy, self._look_for_all)

    def _refuse_destroyed(self, digits: str) -> None:
        if digits in self._destroyed:
            raise ShreddedError(*self._destroyed[digits])

    def _missing(self) -> str:
        if self.own.is_rekeyed():
            return "the store was rekeyed since it was opened here: open it anew"
        return "the object that holds them, below keys/experiments/, is missing or another store's: restore it"


def _digits(key: str) -> str:
    """Return the digits that the ids of a run and of its experiment share; empty where a key is of no run."""
    return key[len(RUNS) : len(RUNS) + 8] if key.startswith(RUNS) else ""
