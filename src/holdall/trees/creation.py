"""A store is made: its bucket is tried, and then the descriptor is created, which there can be only once.

Of an encrypted store the first key slots come before the descriptor: so nobody writes what nobody could read again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from holdall.errors import ObjectExistsError, StoreExistsError
from holdall.format.layout import DESCRIPTOR
from holdall.format.records import Descriptor, encode_descriptor
from holdall.format.roots import Root, root_proof
from holdall.storage.bucket import Bucket
from holdall.storage.probe import Report, probe, refuse_unsafe
from holdall.storage.wrappers import with_shorter_deadline

_PATIENCE: Final = 10.0  # seconds that one request of a probe may take, retries included,
_WHOLE: Final = 60.0  # and beyond which none is sent again


@dataclass(frozen=True, slots=True)
class NewStore:
    """What a new store is to be like. Attributes: template, rounds, cipher, slots: as `Location.create` takes them."""

    template: Descriptor | None
    rounds: int
    cipher: str
    slots: Callable[[str, Root], object] | None


def create_store(
    bucket: Bucket, kind: NewStore, entropy: Callable[[int], bytes], clock: Callable[[], int]
) -> tuple[Report, Descriptor, Root | None]:
    """Create a store in a bucket that can keep one.

    Returns:
        What the bucket was found to do, the descriptor, and the root key of an encrypted store.

    Raises:
        StoreExistsError: There is one already.
        UnsafeBucketError: The bucket cannot keep the promise.
    """
    report = probe(
        with_shorter_deadline(bucket, _PATIENCE, whole=_WHOLE), token=entropy(16).hex(), rounds=kind.rounds, brief=True
    )
    refuse_unsafe(report)
    descriptor = _described(kind.template, entropy(16).hex(), clock())
    root = Root(0, entropy(32)) if kind.cipher else None
    if root and kind.slots:
        descriptor = replace(descriptor, cipher=kind.cipher, proof=root_proof(root, descriptor.store))
        _refuse_existing(bucket)
        kind.slots(descriptor.store, root)
    try:
        bucket.put(DESCRIPTOR, encode_descriptor(descriptor))
    except ObjectExistsError as error:
        raise StoreExistsError(bucket.url) from error
    return report, descriptor, root


def _described(template: Descriptor | None, store: str, time: int) -> Descriptor:
    """Return the descriptor of a store of this id, with the template's sizes if there is one."""
    if template is None:
        return Descriptor(store, time)
    return Descriptor(store, time, template.chunker, template.pack_size)


def _refuse_existing(bucket: Bucket) -> None:
    """Raise a StoreExistsError where there is a store: its key slots are not to be added to."""
    if any(info.key == DESCRIPTOR for info in bucket.list(DESCRIPTOR, limit=1)):
        raise StoreExistsError(bucket.url)
