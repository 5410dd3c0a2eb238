"""An encrypted store is made, with its first key slot: what is given to make it opens it."""

from __future__ import annotations

from typing import Final

from holdall.errors import InvalidArgumentError, StoreExistsError
from holdall.format.roots import Root
from holdall.format.slots import Slot
from holdall.keys.cipher import fitting_cipher
from holdall.keys.identities import public_key, public_text, read_identities
from holdall.keys.making import Maker, NewSlot
from holdall.keys.unlock import Unlock
from holdall.storage.probe import Report
from holdall.trees.location import Location

LEAST: Final = 8  # characters of a passphrase


def create_encrypted(location: Location, recipient: str | None, kms: str | None, label: str) -> Report:
    """Make an encrypted store, whose first key is one of those that are given. Raises: as `Maintenance.create`."""
    new = checked(_first(location.unlock, recipient, kms, label))
    made: list[tuple[Maker, Slot]] = []

    def make(store: str, root: Root) -> None:
        maker = maker_of(location, store)
        made.append((maker, maker.add(new, root)))

    try:
        return location.create(cipher=fitting_cipher(), slots=make)
    except StoreExistsError:
        for maker, slot in made:  # somebody else made a store meanwhile, of which this is no key
            maker.forget(slot)
        raise


def _first(unlock: Unlock | None, recipient: str | None, kms: str | None, label: str) -> NewSlot:
    """Return what is to open a new store."""
    if unlock is None:
        raise InvalidArgumentError(
            "who makes an encrypted store opens it, by holdall.open(url, unlock=holdall.Unlock(passphrase=...)), or "
            "HOLDALL_PASSPHRASE, HOLDALL_IDENTITY or HOLDALL_KMS"
        )
    if recipient is not None or kms is not None:
        return NewSlot(None, recipient, kms, label)
    if (passphrase := unlock.given_passphrase()) is not None:
        return NewSlot(passphrase, label=label)
    for given in unlock.identities:
        return NewSlot(recipient=public_text(public_key(read_identities(given)[0])), label=label)
    raise InvalidArgumentError("give a passphrase, an identity, a recipient or a key in AWS KMS, which is to open it")


def maker_of(location: Location, store: str) -> Maker:
    """Return what makes key slots of a store."""
    return Maker(location.bucket, store, location.entropy, location.clock)


def checked(new: NewSlot) -> NewSlot:
    """Return what is to open a store. Raises: InvalidArgumentError: a passphrase that is guessed at once."""
    if new.passphrase is not None and len(new.passphrase) < LEAST:
        raise InvalidArgumentError(
            f"a passphrase has at least {LEAST} characters, better five random words: whoever reads the bucket can "
            "guess it at leisure"
        )
    return new
