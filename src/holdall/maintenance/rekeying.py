"""A store gets a new root key, from now on; and what older ones sealed is written anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from holdall.chunks.reader import ChunkReader
from holdall.collecting.compaction import Compactor, Moved
from holdall.errors import InvalidArgumentError
from holdall.format.layout import PackName
from holdall.keys.making import Maker, NewSlot
from holdall.keys.rekeying import begin, renewed_slots, undo
from holdall.keys.unlock import Unlock
from holdall.keys.unlocking import Opened
from holdall.maintenance.key_slot import KeySlot
from holdall.measuring.census import Census
from holdall.measuring.survey import Survey
from holdall.trees.location import Location


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


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What was sealed anew by the newest root; of a dry run, what would be.

    Attributes:
        packs: Those that older roots sealed, and that runs needed.
        run_ids: The runs that needed them.
        copied: Bytes that were written.
        failed: Runs that were left as they are, and why, by id; the next call tries them again.
        unknown: Runs that cannot be read: nothing is done before they are mended.
    """

    packs: tuple[str, ...] = ()
    run_ids: tuple[str, ...] = ()
    copied: int = 0
    failed: Mapping[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()


def rewrite(location: Location, *, dry_run: bool) -> Rewritten:
    """Seal anew what older roots sealed in packs. Raises, cost: as `KeySlots.rewrite`."""
    census = Census(location.bucket, keep_packs=True)
    survey = Survey(location, census, lambda _: "")
    if not survey.sound:
        return Rewritten(unknown=tuple(survey.unsound))
    busy = {bytes.fromhex(session) for run in survey.runs for session in run.sessions}
    asked = [pack for pack in survey.packs if pack not in census.condemned and pack.session not in busy]
    older = location.pool.map(partial(_is_older, location), asked)
    packs = frozenset(pack for pack, old in zip(asked, older, strict=True) if old)
    runs = tuple(sorted({survey.runs[run].id for pack in packs for run, *_ in survey.rows(pack)}))
    moved = Compactor(location, packs, anew=True).move(runs) if packs and not dry_run else Moved()
    return Rewritten(tuple(sorted(map(str, packs))), runs, moved.copied, moved.failed)


def _is_older(location: Location, pack: PackName) -> bool:
    """Return whether a pack has anything that an older root sealed, by its first and its last blob.

    A session may have begun by an older root and gone on by the newest. Cost: the footer, and two GETs.
    """
    ring = location.ring()
    assert ring is not None, "it was opened"
    newest = str(ring.own.roots[0].epoch)
    rows = ChunkReader(location.bucket, location.pool).footer(pack).rows
    for row in (rows[0], rows[-1]):
        stored = location.bucket.get_range(pack.key, row.offset, row.offset + row.stored)
        if ring.of_store.domain_of(row.ref(pack), stored).rpartition(" ")[2] != newest:
            return True
    return False
