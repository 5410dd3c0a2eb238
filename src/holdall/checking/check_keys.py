"""The key slots of an encrypted store, and the roots of later epochs: can somebody open it, as far as no key tells?"""

from __future__ import annotations

from holdall.checking.findings import Problem
from holdall.errors import DamageError
from holdall.format.document import parse_document
from holdall.format.layout import SLOTS, root_key, slot_key
from holdall.format.roots import check_store
from holdall.keys.objects import Keys, read_keys
from holdall.storage.bucket import Bucket


def check_keys(bucket: Bucket, store: str) -> list[Problem]:
    """Return what is wrong with a store's keys. Cost: two listings, and a GET for each slot and later epoch."""
    keys = read_keys(bucket, store)
    found = [Problem(slot_key(number), str(error)) for number, error in sorted(keys.damaged.items())]
    if not any(slot.epoch == keys.listed.newest for slot in keys.slots.values()):
        found.append(Problem(SLOTS, "no key slot holds the newest root key: nobody who has not opened the store can"))
    return found + _roots(keys, store)


def _roots(keys: Keys, store: str) -> list[Problem]:
    found = []
    for epoch in range(1, keys.listed.newest + 1):
        what = root_key(epoch)
        if epoch not in keys.roots:
            found.append(Problem(what, "it is missing: what was sealed before that epoch cannot be read"))
            continue
        try:
            check_store(parse_document(keys.roots[epoch], what)[0], store, what)
        except DamageError as error:
            found.append(Problem(what, str(error)))
    return found
