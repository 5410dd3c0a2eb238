"""Who may open an encrypted store: its key slots are listed, added and revoked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from holdall.errors import DamageError, InvalidArgumentError, KeyUnavailableError, MissingLibraryError
from holdall.format.document import MAX_DOCUMENT
from holdall.format.layout import DESCRIPTOR
from holdall.format.records import Descriptor, parse_descriptor
from holdall.format.roots import Root
from holdall.format.slots import ByKms, ByRecipient, Slot
from holdall.keys.identities import public_text
from holdall.keys.making import NewSlot
from holdall.keys.objects import Keys, read_keys
from holdall.keys.rekeying import is_renewable
from holdall.keys.unlock import Unlock
from holdall.keys.unlocking import Opened, open_keys
from holdall.maintenance.encrypting import checked, maker_of
from holdall.maintenance.key_slot import KeySlot
from holdall.maintenance.rekeying import Rekeyed, Rewritten, begin_epoch, given_passphrases, rewrite, told
from holdall.trees.location import Location


class KeySlots:
    """The key slots of an encrypted store: each holds its root key, wrapped so that one secret opens it."""

    def __init__(self, location: Location) -> None:
        self._location = location

    def list(self) -> list[KeySlot]:
        """Return all key slots, those that were revoked too, by their numbers; none of a store that is not encrypted.

        What was given to open the store is tried, and if nothing opens they are listed all the same.

        Cost: as opening the store.

        Example:
            >>> [(slot.number, slot.kind, slot.proven) for slot in sealed.maintenance.keys.list()]
            [(0, 'passphrase', True)]
        """
        if not (found := self._described()).sealed:
            return []
        opened = self._opened_if_any()
        keys = opened.keys if opened else read_keys(self._location.bucket, found.store, self._location.pool)
        live = [_shown(slot, keys, opened) for slot in keys.slots.values()]
        damaged = [KeySlot(number, damage=str(error)) for number, error in keys.damaged.items()]
        revoked = [KeySlot(number, revoked=True) for number in keys.listed.gone]
        return sorted([*live, *damaged, *revoked], key=lambda slot: slot.number)

    def add(
        self,
        *,
        passphrase: str | None = None,
        recipient: str | None = None,
        kms: str | None = None,
        label: str = "",
    ) -> KeySlot:
        """Let one more secret open the store: just one of these is given.

        Args:
            passphrase: A passphrase of at least 8 characters; five or six random words are good ones.
            recipient: A public key, `age1...`, or the file of one: who has its identity opens the store.
            kms: The ARN, id or alias of a key in AWS KMS: who may use that opens the store.
            label: Whose it is, for people; everybody who can read the bucket can read it.

        Returns:
            The new slot.

        Raises:
            KeyUnavailableError, WrongKeyError: Nothing was given that opens the store; or AWS KMS refuses.
            InvalidArgumentError: The store is not encrypted, or this is no key.
            MissingLibraryError: The package cryptography is not installed.

        Cost: as opening the store; two listings, a PUT and a listing more.

        Example:
            >>> sealed.maintenance.keys.add(passphrase="on paper, in the safe", label="recovery").number
            1
        """
        new = checked(NewSlot(passphrase, recipient, kms, label))
        self._location.ready_to_write()
        opened = self._opened()
        slot = maker_of(self._location, self._descriptor().store).add(new, opened.roots[0])
        return _shown(slot, opened.keys, opened)

    def revoke(self, number: int, *, force: bool = False) -> None:
        """Delete a key slot, so that its secret opens the store no more for who has not opened it yet.

        Who had it may have kept the root key, and with that goes on reading all that the bucket gives them. What is
        written from now on is safe from them once the store is rekeyed, and they cannot read the bucket any more at all
        once their access to that is taken.

        Args:
            number: The slot's number.
            force: Whether it may be the last one: then nobody can ever read the store. Only then is no key needed:
                without one nobody can tell whether a slot that is left opens the store, or was put there by a stranger.

        Raises:
            KeyUnavailableError, WrongKeyError: Nothing was given that opens the store, and `force` is not set.
            KeySlotNotFoundError: There is none of this number.
            LastKeyError: It is the last that opens the store.
            InvalidArgumentError: The store is not encrypted.

        Cost: as opening the store; three listings, a PUT and a DELETE, and a GET for each slot until one is left over.

        Example:
            >>> slot = sealed.maintenance.keys.add(passphrase="until the end of May", label="guest")
            >>> sealed.maintenance.keys.revoke(slot.number)
            >>> sealed.maintenance.keys.list()[slot.number].revoked
            True
        """
        store = self._descriptor().store
        opened = self._opened_if_any() if force else self._opened()
        root = opened.roots[0] if opened else None
        maker_of(self._location, store).revoke(number, root=root, force=force)

    def rekey(self, *, passphrase: str | None = None, dry_run: bool = False) -> Rekeyed:
        """Begin a new root key: from now on everything is sealed by it, and only slots that hold it open the store.

        Slots of public keys and of AWS KMS are made anew by themselves, and so is that of the passphrase that opens the
        store here. Other passphrases only their owners know: their slots go, and are named. Experiments with keys of
        their own get new ones with it.

        What was written before stays sealed by the older roots, which the newest opens: readable as before, for
        whoever has a key, and also for who has kept an older root and can still read the bucket. Content that is
        logged anew is not found there, and stored once more. Processes that opened the store before go on: they write
        by the older root until they open it anew, and say so when they meet what the new one sealed.

        Args:
            passphrase: A passphrase that is to open the store: one that a slot takes, which is made anew, or a new one.
            dry_run: Whether only to say which slots would be kept.

        Raises:
            KeyUnavailableError, WrongKeyError: Nothing was given that opens the store; or AWS KMS refuses.
            InvalidArgumentError: The store is not encrypted, or no key would open it.
            ObjectExistsError: Somebody else rekeyed it at the same moment.

        Cost: as opening the store; for each slot that is made anew as `add`, for each that goes as `revoke`; a PUT.

        Example:
            >>> sealed.maintenance.keys.rekey().epoch
            1
        """
        new = None if passphrase is None else checked(NewSlot(passphrase))
        opened, location = self._opened(), self._location
        slots = self.list()
        given = given_passphrases(location.unlock, passphrase)
        if dry_run:
            kept = {slot.number for slot in opened.keys.slots.values() if is_renewable(slot, opened.roots[0], given)}
            return told(slots, kept, opened.roots[0].epoch + 1, done=False)
        location.ready_to_write()
        kept, epoch = begin_epoch(maker_of(location, self._descriptor().store), opened, given, new)
        if passphrase is not None:
            location.unlock = replace(location.unlock or Unlock(), passphrase=passphrase)
        location.open_anew()
        return told(slots, kept, epoch, done=True)

    def rewrite(self, *, dry_run: bool = False) -> Rewritten:
        """Seal anew, by the newest root, the content of runs that older ones sealed: files, and how they are cut.

        Each blob is opened, named and sealed anew, and each run that needs it gets one more entry, with the same paths
        and new places, as a compaction does; the next garbage collections delete the older packs. The older entries of
        logs stay as they were, sealed by the older roots: with them parameters, metrics, tags and small files of that
        time. Interrupted, what was done is done, and the next call goes on. Packs of runs that are being written stay.

        Args:
            dry_run: Whether only to say what would be rewritten.

        Raises:
            KeyUnavailableError, WrongKeyError: Nothing was given that opens the store.
            InvalidArgumentError: The store is not encrypted.

        Cost: as `Maintenance.du`, four requests for each pack; then reading and writing what older roots sealed, once
            for all runs that share it, and three PUTs for each run that needs it.

        Example:
            >>> sealed.maintenance.keys.rewrite(dry_run=True).copied
            0
        """
        self._descriptor()
        self._location.require_store()  # and open it
        if not dry_run:
            self._location.ready_to_write()
        return rewrite(self._location, dry_run=dry_run)

    def _described(self) -> Descriptor:
        """Return what the store is, also where nothing opens it: no key was given, or no slot can be read."""
        try:
            return self._location.descriptor
        except (KeyUnavailableError, MissingLibraryError, DamageError):
            return parse_descriptor(self._location.bucket.get(DESCRIPTOR, limit=MAX_DOCUMENT))

    def _descriptor(self) -> Descriptor:
        """Return what an encrypted store is. Raises: InvalidArgumentError: it is another."""
        if not (found := self._described()).sealed:
            raise InvalidArgumentError(f"the store at {self._location.bucket.url} is not encrypted: it has no keys")
        return found

    def _opened(self) -> Opened:
        found, unlock = self._descriptor(), self._location.unlock or Unlock(kms=False)
        return open_keys(self._location.bucket, found.store, unlock, found.proof, self._location.pool)

    def _opened_if_any(self) -> Opened | None:
        try:
            return self._opened()
        except (KeyUnavailableError, MissingLibraryError, DamageError):
            return None


def _shown(slot: Slot, keys: Keys, opened: Opened | None) -> KeySlot:
    key = slot.by.key if isinstance(slot.by, ByKms) else ""
    return KeySlot(
        number=slot.number,
        kind=slot.kind,
        label=slot.label,
        key=public_text(slot.by.recipient) if isinstance(slot.by, ByRecipient) else key,
        made=slot.time,
        epoch=slot.epoch,
        current=slot.epoch == keys.listed.newest,
        opened=opened is not None and slot.number == opened.slot.number,
        proven=_proven(slot, opened.roots) if opened else None,
    )


def _proven(slot: Slot, roots: Sequence[Root]) -> bool:
    return any(slot.proven_by(root) for root in roots if root.epoch == slot.epoch)
