"""A store, or parts of it, in one file, for a machine without a network.

A bundle is a store of its own that nobody adds to: it has a descriptor, with
the chunk sizes of its source, logs and packs, and is read as any store is.
What is copied out of it is a copy of the first source, as far as the marks in
it say so: so a later bundle brings up to date what an earlier one has made.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from holdall.copying.copy import Manner, Tell, Wanted, copy_store
from holdall.copying.mirroring import mirror
from holdall.copying.report import CopyReport
from holdall.engines.mapping import Engine
from holdall.errors import InvalidArgumentError
from holdall.format.layout import CANARY, DESCRIPTOR
from holdall.format.records import Descriptor, encode_canary, encode_descriptor
from holdall.storage.bundle import BundleWriter
from holdall.trees.location import Location


def write_mirror(source: Location, path: Path) -> CopyReport:
    """Make a bundle of all of an encrypted store, as it is: it opens with the store's keys.

    Raises:
        DestinationError: Something is there already, or the disk is full.
    """
    with BundleWriter(path) as bucket:
        report = mirror(source, bucket)
        bucket.finish()
    return replace(report, destination=str(path))


def write_bundle(
    source: Location, path: Path, wanted: Wanted, manner: Manner, engine: Engine, tell: Tell | None = None
) -> CopyReport:
    """Make a bundle of a store, or of what is wanted of it.

    Args: as `copy_store`; `path` is the bundle, which must not be there.

    Raises:
        DestinationError: Something is there already, or the disk is full.
        InvalidArgumentError: The engine's workers are not in this process; or what is encrypted would lie in the open,
            unasked.
        Others: as `copy_store`.
    """
    if engine.distant:
        raise InvalidArgumentError(f"a bundle is made in one process, not by {engine.name}")
    like = source.descriptor
    if like.sealed and not manner.decrypt:
        raise InvalidArgumentError(
            f"{source.bucket.url} is encrypted, and a bundle of a part of it would lie in the open: make one of all "
            "that it holds, which stays encrypted, or say that it may lie open (--decrypt, decrypt=True)"
        )
    with BundleWriter(path) as bucket:
        made = Descriptor(source.entropy(16).hex(), source.clock(), like.chunker, like.pack_size)
        bucket.put(DESCRIPTOR, encode_descriptor(made))
        bucket.put(CANARY, encode_canary(made.store))
        there = Location(bucket, source.pool, source.clock, source.entropy, source.sleep, source.writer, None, True)
        report = copy_store(source, there, wanted, manner, engine, tell)
        bucket.finish()
    return replace(report, destination=str(path))
