"""All keys that a store's readers and writers have: of its roots, and of the experiments that have their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from holdall.format.layout import RUNS
from holdall.format.names import KeyedNames
from holdall.format.roots import Root
from holdall.format.sealing import DomainKeys, Keyring


class Ring:
    """The keys of an encrypted store, once they were found.

    Args:
        roots: Its roots, the newest first; the last one is that of epoch 0.
        cipher: The AEAD of its descriptor.
        entropy: So many random bytes, for nonces.
        experiments: The keys of those experiments that have their own, by their ids.

    Attributes:
        known: All keys, the store's newest first.
        names: What names become.
    """

    def __init__(
        self,
        roots: Sequence[Root],
        cipher: str,
        entropy: Callable[[int], bytes],
        experiments: Mapping[str, DomainKeys] | None = None,
    ) -> None:
        store = [DomainKeys(root.key, cipher, str(root.epoch)) for root in roots]
        self._own = {id[:8]: keys for id, keys in (experiments or {}).items()}
        self.known = (*store, *(experiments or {}).values())
        self.names = KeyedNames(roots[-1].key)
        self._store = Keyring(store[0], self.known, entropy)
        self._of_experiments = {id: Keyring(keys, self.known, entropy) for id, keys in self._own.items()}

    def __repr__(self) -> str:
        return f"Ring({len(self.known)} keys)"

    def sealing(self, log: str) -> Keyring:
        """Return how new content of a log (or of a key in it) is sealed: by its experiment's keys, or the store's."""
        if log.startswith(RUNS):
            return self._of_experiments.get(log[len(RUNS) : len(RUNS) + 8], self._store)
        return self._store
