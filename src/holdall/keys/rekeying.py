"""A new root key: slots for it first, then its epoch, and only then the older slots go.

Killed before the epoch, the new slots hold a root that leads nowhere, and the older ones open as before; killed after
it, the older ones open nothing any more, and whoever has a new one reads all. The next call removes what was left.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from holdall.errors import HoldallError, KeySlotNotFoundError
from holdall.format.roots import Root
from holdall.format.slots import ByPassphrase, Slot
from holdall.keys.making import Maker, NewSlot, new_root
from holdall.keys.unlocking import Opened
from holdall.keys.wrapping import unwrap_by_passphrase


@dataclass(slots=True)
class Renewed:
    """What a new epoch has. Attributes: root, made (its slots), dropped (older ones without a slot of the new root)."""

    root: Root
    made: list[Slot] = field(default_factory=list)
    dropped: list[Slot] = field(default_factory=list)


def renewed_slots(maker: Maker, opened: Opened, passphrases: Sequence[str]) -> Renewed:
    """Make slots of a new root for those who have one of the newest, as far as that can be done without them.

    Args:
        maker: Makes slots.
        opened: The store's keys.
        passphrases: Those that were given: a slot that one of them opens is made anew.

    Raises:
        KeyUnavailableError: AWS KMS refused; nothing was changed.

    Cost: as `Maker.add` for each, and for each slot of a passphrase what trying one costs.
    """
    found = Renewed(new_root(maker.entropy, opened.roots[0].epoch + 1))
    try:
        for slot in sorted(opened.keys.slots.values(), key=lambda slot: slot.number):
            again = _again(maker, slot, opened.roots[0], found.root, passphrases)
            if again:
                found.made.append(again)
            else:
                found.dropped.append(slot)
    except HoldallError:
        undo(maker, found)
        raise
    return found


def undo(maker: Maker, found: Renewed) -> None:
    """Delete the slots of an epoch that does not begin."""
    for slot in found.made:
        with suppress(HoldallError):
            maker.forget(slot)


def begin(maker: Maker, opened: Opened, found: Renewed) -> None:
    """Begin the new epoch, and revoke all older slots.

    Raises:
        ObjectExistsError: Somebody else began one; then nothing was changed.
    """
    try:
        maker.new_epoch(found.root, opened.roots[0])
    except HoldallError:
        undo(maker, found)
        raise
    for number in (*opened.keys.listed.live, *opened.keys.listed.leftover):
        with suppress(KeySlotNotFoundError):
            maker.revoke(number, root=found.root, force=True)


def is_renewable(slot: Slot, root: Root, passphrases: Sequence[str]) -> bool:
    """Return whether a slot can be made anew without its owner. Cost: what trying the passphrases costs."""
    ours = slot.epoch == root.epoch and slot.proven_by(root)
    return ours and (not isinstance(slot.by, ByPassphrase) or _opening(slot, slot.by, root, passphrases) is not None)


def _again(maker: Maker, slot: Slot, root: Root, newer: Root, passphrases: Sequence[str]) -> Slot | None:
    """Return a slot of the new root for whom a slot is; None for a stranger's, an older one, another's passphrase."""
    if slot.epoch != root.epoch or not slot.proven_by(root):
        return None
    if not isinstance(slot.by, ByPassphrase):
        return maker.again(slot, newer)
    passphrase = _opening(slot, slot.by, root, passphrases)
    if passphrase is None:
        return None
    cost = slot.by.log_n, slot.by.r, slot.by.p
    return maker.add(NewSlot(passphrase=passphrase, label=slot.label, scrypt=cost), newer)


def _opening(slot: Slot, by: ByPassphrase, root: Root, passphrases: Sequence[str]) -> str | None:
    return next((each for each in passphrases if unwrap_by_passphrase(slot, by, each) == root.key), None)
