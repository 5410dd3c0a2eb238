"""Key slots are made and revoked.

Each has a number that no other has or had. Where a slot is revoked a mark is made first, which stays, and only then the
slot goes: so a number that has neither was never given.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from holdall.errors import (
    HoldallError,
    InvalidArgumentError,
    KeySlotNotFoundError,
    LastKeyError,
    ObjectExistsError,
    ObjectNotFoundError,
)
from holdall.format.document import encode_document
from holdall.format.layout import revoked_key, root_key, slot_key
from holdall.format.roots import Root, encode_older
from holdall.format.slots import (
    MAX_SLOT,
    By,
    ByKms,
    ByPassphrase,
    ByRecipient,
    Slot,
    check_label,
    encode_slot,
    kind_of,
    parse_slot,
)
from holdall.keys.identities import public_key, read_recipients
from holdall.keys.kms import wrap_by_kms
from holdall.keys.objects import MOST_READ, Listed, list_keys
from holdall.keys.wrapping import kms_context, wrap_by_passphrase, wrap_for_recipient
from holdall.storage.bucket import Bucket

_TRIES: Final = 20  # numbers that others may take meanwhile


@dataclass(frozen=True, slots=True)
class NewSlot:
    """What is to open a store: just one of a passphrase, a public key, and a key of AWS KMS.

    Attributes:
        passphrase: A passphrase.
        recipient: A public key, or the file of one.
        kms: The ARN, id or alias of a key in AWS KMS.
        label: Whose it is, for people.
        scrypt: What trying a passphrase costs: log_n, r, p.
    """

    passphrase: str | None = field(default=None, repr=False)
    recipient: str | None = None
    kms: str | None = None
    label: str = ""
    scrypt: tuple[int, int, int] = (17, 8, 1)

    def __post_init__(self) -> None:
        if sum(given is not None for given in (self.passphrase, self.recipient, self.kms)) != 1:
            raise InvalidArgumentError("give one of passphrase, recipient and kms")
        try:
            check_label(self.label)
        except ValueError as error:
            raise InvalidArgumentError(str(error)) from error

    def public(self) -> bytes:
        """Return the public key that `recipient` is, or that its file has. Raises: as `read_recipients`."""
        keys = read_recipients(self.recipient or "")
        if len(keys) != 1:
            raise InvalidArgumentError(f"{self.recipient} has {len(keys)} keys; add each by itself, as age1...")
        return keys[0]


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes and revokes key slots of a store.

    Attributes:
        bucket: Its objects.
        store: Its id, in hex.
        entropy: So many random bytes, as `os.urandom` gives them.
        clock: Milliseconds since 1970 UTC.
    """

    bucket: Bucket
    store: str
    entropy: Callable[[int], bytes]
    clock: Callable[[], int]

    def add(self, new: NewSlot, root: Root) -> Slot:
        """Make a slot that holds a root.

        Raises:
            InvalidArgumentError, SourceUnreadableError: What is to open it is no key, or the file of it cannot be read.
            KeyUnavailableError: AWS KMS refused.
            MissingLibraryError: The package cryptography is not installed.

        Cost: two listings, a PUT, and one more listing of the slot; for a passphrase 0.3 s of a processor, for AWS KMS
            a request there.
        """
        return self._add(list_keys(self.bucket).free(), new.label, root, self._wrapping(new))

    def again(self, slot: Slot, root: Root) -> Slot | None:
        """Make a slot that holds another root for whom a slot is; None for a passphrase, which only its owner can give.

        The slot must have been proven by an older root: anybody can make one for a key of their own.

        Raises, cost: as `add`.
        """
        match slot.by:
            case ByRecipient(recipient):
                wrap = self._for_recipient(recipient)
            case ByKms(key):
                wrap = self._for_kms(key)
            case _:
                return None
        return self._add(list_keys(self.bucket).free(), slot.label, root, wrap)

    def new_epoch(self, newer: Root, older: Root) -> None:
        """Make a newer root the store's: from now on its slots count, and writers seal with it.

        Its slots must be there before. Raises: ObjectExistsError: somebody else made a root of this epoch. Cost: a PUT.
        """
        data = encode_older(newer, older, self.store)
        try:
            self.bucket.put(root_key(newer.epoch), data)
        except ObjectExistsError:
            if self.bucket.get(root_key(newer.epoch), limit=len(data) + 1) != data:
                raise

    def revoke(self, number: int, *, root: Root | None = None, force: bool = False) -> None:
        """Delete a slot; that it was there stays known.

        Args:
            number: The slot's number.
            root: The newest root, where it is known: then a slot that is left counts if its maker had it.
            force: Whether it may be the last one.

        Raises:
            KeySlotNotFoundError: There is none of this number.
            LastKeyError: No other slot of the newest epoch would be left, and `force` is not set.

        Cost: four listings, a PUT, a DELETE, and a GET for each slot until one is found that is of the newest epoch.
        """
        listed = list_keys(self.bucket)
        if number in listed.live:
            self._mark(number, root, force)
        elif number not in listed.leftover:
            raise KeySlotNotFoundError(number, self.bucket.url)
        self.bucket.delete(slot_key(number))

    def _mark(self, number: int, root: Root | None, force: bool) -> None:
        """Mark a slot as revoked; the mark goes again if no other slot is left: two at once see each other's."""
        mark = encode_document({"store": self.store, "slot": number, "time": self.clock()})
        with suppress(ObjectExistsError):
            self.bucket.put(revoked_key(number), mark)
        if not force and not self._some_left(list_keys(self.bucket), root):
            self.bucket.delete(revoked_key(number))
            raise LastKeyError(number, self.bucket.url)

    def forget(self, slot: Slot) -> None:
        """Delete a slot of a store that was not made after all."""
        self.bucket.delete(slot_key(slot.number))

    def _some_left(self, listed: Listed, root: Root | None) -> bool:
        """Return whether a slot is left that holds the newest root, as far as that can be told."""
        for number in listed.live[:MOST_READ]:
            with suppress(HoldallError):
                slot = parse_slot(self.bucket.get(slot_key(number), limit=MAX_SLOT), number, self.store)
                if slot.epoch == listed.newest and (root is None or slot.proven_by(root)):
                    return True
        return False

    def _add(self, number: int, label: str, root: Root, wrap: Callable[[Slot, Root], Slot]) -> Slot:
        for _ in range(_TRIES):
            slot = wrap(Slot(self.store, number, root.epoch, self.clock(), label, None, ""), root)
            slot = replace(slot, proof=slot.proof_by(root))
            if self._put(slot):
                return slot
            number = list_keys(self.bucket).free()
        raise ObjectExistsError(self.bucket.url, slot_key(number), "others make key slots all the time")

    def _put(self, slot: Slot) -> bool:
        """Create a slot; return whether it is in force, and not one whose number was given meanwhile."""
        data = encode_slot(slot)
        try:
            self.bucket.put(slot_key(slot.number), data)
        except ObjectExistsError:
            with suppress(ObjectNotFoundError):
                if self.bucket.get(slot_key(slot.number), limit=MAX_SLOT) != data:
                    return False
        if any(info.key == revoked_key(slot.number) for info in self.bucket.list(slot_key(slot.number), limit=2)):
            self.bucket.delete(slot_key(slot.number))
            return False
        return True

    def _wrapping(self, new: NewSlot) -> Callable[[Slot, Root], Slot]:
        if new.passphrase is not None:
            return self._for_passphrase(new.passphrase, new.scrypt)
        return self._for_kms(new.kms) if new.kms is not None else self._for_recipient(new.public())

    def _for_passphrase(self, passphrase: str, cost: tuple[int, int, int]) -> Callable[[Slot, Root], Slot]:
        def wrap(slot: Slot, root: Root) -> Slot:
            by = ByPassphrase(self.entropy(16), *cost)
            slot = _opened_by(slot, by)
            return replace(slot, wrapped=wrap_by_passphrase(slot, by, passphrase, root.key))

        return wrap

    def _for_recipient(self, recipient: bytes) -> Callable[[Slot, Root], Slot]:
        def wrap(slot: Slot, root: Root) -> Slot:
            ephemeral = self.entropy(32)
            by = ByRecipient(recipient, public_key(ephemeral))
            slot = _opened_by(slot, by)
            return replace(slot, wrapped=wrap_for_recipient(slot, by, ephemeral, root.key))

        return wrap

    def _for_kms(self, key: str) -> Callable[[Slot, Root], Slot]:
        def wrap(slot: Slot, root: Root) -> Slot:
            named, wrapped = wrap_by_kms(self.bucket.url, key, kms_context(slot), root.key)
            return replace(_opened_by(slot, ByKms(named)), wrapped=wrapped)

        return wrap


def _opened_by(slot: Slot, by: By) -> Slot:
    return replace(slot, by=by, kind=kind_of(by))


def new_root(entropy: Callable[[int], bytes], epoch: int = 0) -> Root:
    """Return a new root of an epoch."""
    return Root(epoch, entropy(32))
