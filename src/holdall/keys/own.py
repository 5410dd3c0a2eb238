"""The keys that experiments have of their own: made, found, and destroyed.

create    the wrapped key, then the mark of the experiment, and only then whoever calls begins its log
find      by the first digits of an experiment's id, as ids of runs begin with them
destroy   the mark first, so that what is destroyed never looks like what was lost; then the wrapped key
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from holdall.errors import DamageError, IntegrityError, NotDeletedError, ObjectExistsError, ObjectNotFoundError
from holdall.format.layout import OWN_KEYS, own_keys_key, own_mark_key, parse_key, root_key, shredded_key
from holdall.format.own_keys import (
    MAX_OWN,
    encode_mark,
    encode_own,
    encode_shredded,
    own_root,
    parse_own,
    parse_shredded,
    unwrap_own,
    wrap_own,
)
from holdall.format.roots import KEY, Root
from holdall.format.sealing import DomainKeys
from holdall.storage.bucket import Bucket
from holdall.storage.server_clock import keeps_versions

_MOST: Final = 4096  # experiments with keys of their own, of which all are looked for at once
_SALT: Final = 16


@dataclass(frozen=True, slots=True)
class Own:
    """What there is of an experiment's own keys.

    Attributes:
        domains: Its keys, the newest root's first; none where they were destroyed, or no root of ours opens them.
        destroyed: When they were destroyed, in ms since 1970 UTC; None: they were not.
    """

    domains: tuple[DomainKeys, ...] = field(default=(), repr=False)
    destroyed: int | None = None


@dataclass(frozen=True, slots=True)
class OwnKeys:
    """Where the own keys of experiments are, and the roots that open them. Attributes: roots (newest first)."""

    bucket: Bucket
    store: str
    cipher: str
    roots: tuple[Root, ...] = field(repr=False)

    def find(self, digits: str = "") -> dict[str, Own]:
        """Return the experiments with keys of their own whose ids begin with these digits.

        Raises:
            FormatError, IntegrityError: An object that holds them is damaged, or another's.

        Cost: a listing, and a GET for each.
        """
        listed = self.bucket.list(f"{OWN_KEYS}{digits}", limit=2 * _MOST)
        keys = [key for info in listed if (key := parse_key(info.key))]
        times = {key.experiment: self._when(key.experiment) for key in keys if key.kind == "shredded"}
        found = {id: Own(destroyed=time) for id, time in times.items() if time is not None}
        there = {key.experiment for key in keys if key.kind == "keys"} - found.keys()
        return found | {id: Own(self._domains(id)) for id in sorted(there)}

    def create(self, experiment: str, entropy: Callable[[int], bytes], time: int) -> None:
        """Give an experiment keys of its own, before anything else of it is there.

        Cost: two PUTs; where an earlier try was interrupted, its key is taken.
        """
        own = wrap_own(entropy(KEY), self.roots[0], self.store, experiment, entropy(_SALT))
        for key, data in (
            (own_keys_key(experiment), encode_own(own)),
            (own_mark_key(experiment), encode_mark(self.store, experiment, time)),
        ):
            with suppress(ObjectExistsError):
                self.bucket.put(key, data)

    def destroy(self, experiment: str, time: int) -> None:
        """Destroy an experiment's own keys, and see that they are gone. Interrupted, it goes on when called again.

        Raises:
            NotDeletedError: The object is there still.
            IntegrityError: There is a mark that nobody made who has a root.

        Cost: a PUT, a DELETE and a listing.
        """
        key = own_keys_key(experiment)
        with suppress(ObjectExistsError):
            self.bucket.put(shredded_key(experiment), encode_shredded(self.roots[0], self.store, experiment, time))
        if self._when(experiment) is None:  # somebody without a root put it there
            raise IntegrityError(shredded_key(experiment), "nobody with a key of the store made it; delete it first")
        self.bucket.delete(key)
        if any(info.key == key for info in self.bucket.list(key, limit=1)):
            raise NotDeletedError(self.bucket.url, key, "it is there after it was deleted", {})

    def keeps_versions(self) -> bool:
        """Return whether the bucket was seen, as something was written, to keep older versions."""
        return keeps_versions(self.bucket)

    def is_rekeyed(self) -> bool:
        """Return whether the store has a newer root than these. Cost: a listing of one line."""
        following = root_key(self.roots[0].epoch + 1)
        return any(info.key == following for info in self.bucket.list(following, limit=1))

    def _when(self, experiment: str) -> int | None:
        """Return when an experiment's keys were destroyed, if whoever says so had a root."""
        with suppress(DamageError):
            data = self.bucket.get(shredded_key(experiment), limit=MAX_OWN)
            return parse_shredded(data, experiment, self.store, self.roots)
        return None

    def _domains(self, experiment: str) -> tuple[DomainKeys, ...]:
        try:
            own = parse_own(self.bucket.get(own_keys_key(experiment), limit=MAX_OWN), experiment, self.store)
        except ObjectNotFoundError:  # destroyed meanwhile
            return ()
        wrapping: Sequence[Root] = [root for root in self.roots if root.epoch == own.epoch]
        key = unwrap_own(own, wrapping[0]) if wrapping else None
        if key is None:
            return ()
        since = [root for root in self.roots if root.epoch >= own.epoch]
        return tuple(
            DomainKeys(own_root(key, root, self.store, experiment), self.cipher, f"{experiment} {root.epoch}")
            for root in since
        )
