"""A store gets a new root key, from now on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from holdall.errors import InvalidArgumentError
from holdall.keys.making import Maker, NewSlot
from holdall.keys.rekeying import begin, renewed_slots, undo
from holdall.keys.unlock import Unlock
from holdall.keys.unlocking import Opened
from holdall.maintenance.key_slot import KeySlot


@dataclass(frozen=True, slots=True)
class Rekeyed:
    """What a new root key means, or did.

    Attributes:
        epoch: Of the new root; they count up from 0.
        kept: Key slots whose owners open the store as before, as they were.
        dropped: Key slots that nothing can be made of without their owners: passphrases that were not given, and what
            was damaged, older or a stranger's. Whose they were must be added again.
        done: Whether this call did it; not so of a dry run.
    """

    epoch: int
    kept: tuple[KeySlot, ...] = ()
    dropped: tuple[KeySlot, ...] = ()
    done: bool = False


def given_passphrases(unlock: Unlock | None, passphrase: str | None) -> list[str]:
    """Return the passphrases that the caller has: the one that is given now, and the one that opened the store."""
    opening = unlock.given_passphrase() if unlock else None
    return list(dict.fromkeys(each for each in (passphrase, opening) if each is not None))


def begin_epoch(maker: Maker, opened: Opened, passphrases: list[str], new: NewSlot | None) -> tuple[set[int], int]:
    """Begin a new epoch; return the numbers of older slots that were made anew, and its number.

    `new`: What is to open it besides, if anything. Raises: as `KeySlots.rekey`.
    """
    found = renewed_slots(maker, opened, passphrases)
    dropped = {slot.number for slot in found.dropped}
    if new is not None and not any(slot.kind == "passphrase" for slot in found.made):
        found.made.append(maker.add(new, found.root))
    if not found.made:
        undo(maker, found)
        raise InvalidArgumentError("no key would open the store: give a passphrase of one of its slots, or a new one")
    begin(maker, opened, found)
    return opened.keys.slots.keys() - dropped, found.root.epoch


def told(slots: Sequence[KeySlot], kept: set[int], epoch: int, *, done: bool) -> Rekeyed:
    """Return what is said of a new epoch to people."""
    live = [slot for slot in slots if not slot.revoked]
    return Rekeyed(
        epoch,
        tuple(slot for slot in live if slot.number in kept),
        tuple(slot for slot in live if slot.number not in kept),
        done,
    )
