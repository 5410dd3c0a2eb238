"""What was done to a store that no log tells: collections, keys, shares, damage that was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from holdall.auditing.record import AuditRecord
from holdall.errors import HoldallError
from holdall.format.damage import parse_damage
from holdall.format.document import MAX_DOCUMENT
from holdall.format.layout import EXPERIMENTS, GARBAGE, SHARES, Key, parse_key
from holdall.format.records import parse_generation
from holdall.storage.bucket import ObjectInfo
from holdall.trees.location import Location

_KEYS: Final = "keys/"
_GENERATIONS: Final = {"condemn": "condemned", "verdict": "decided to delete", "done": "deleted"}
_OF_EXPERIMENTS: Final = {
    "keys": "gave an experiment keys of its own",
    "shredded": "destroyed the keys that an experiment had of its own",
}
_WITHOUT_WORDS: Final = {"slot": "added a key slot", "revoked": "revoked a key slot", "root": "began a new root key"}


def others(location: Location, is_recent: Callable[[int | None], bool]) -> Iterator[AuditRecord]:
    """Yield what is new enough, by keys. Cost: three listings, and a GET for each document of a collection."""
    for prefix in (GARBAGE, _KEYS, SHARES):
        for info in location.bucket.list(prefix):
            key = parse_key(info.key)
            if key and is_recent(info.modified):
                yield from _of_key(location, key, info)


def _of_key(location: Location, key: Key, info: ObjectInfo) -> Iterator[AuditRecord]:
    blank = AuditRecord(f"{key.kind}", None, info.modified)
    try:
        if key.kind in _GENERATIONS:
            yield replace(blank, log=f"{GARBAGE}{key.number}", did=(_collected(location, key, info.key),))
        elif key.kind == "damaged" and key.pack:
            found = parse_damage(location.bucket.get(info.key, limit=MAX_DOCUMENT), key.pack)
            what = (f"found it damaged: {found.detail[:200]}",)
            yield replace(blank, log=f"packs/{key.pack}", claimed=found.time, writer=found.writer[:200], did=what)
        elif key.kind in _WITHOUT_WORDS:
            yield replace(blank, log=f"{_KEYS}{key.number}", did=(_WITHOUT_WORDS[key.kind],))
        elif key.kind in _OF_EXPERIMENTS:
            yield replace(blank, log=f"{EXPERIMENTS}{key.experiment}", did=(_OF_EXPERIMENTS[key.kind],))
        elif key.share:
            what = (f"shared '{key.share.name}' of run {key.share.run_id} by a link",)
            yield replace(blank, log=f"{SHARES}{key.share.id}", did=what)
    except HoldallError as error:
        yield replace(blank, log=info.key, problem=str(error))


def _collected(location: Location, key: Key, name: str) -> str:
    packs = parse_generation(location.bucket.get(name, limit=MAX_DOCUMENT), key.number, key.kind)
    return f"{_GENERATIONS[key.kind]} {len(packs):,} pack{'s' * (len(packs) != 1)}"
