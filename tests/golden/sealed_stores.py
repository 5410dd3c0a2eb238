"""Encrypted golden stores: what each holds, and how its bytes in `sealed/` were made.

    python -m tests.golden.sealed_stores FOLDER

As with the others, clock and randomness are no such things. Nonces are always the same, which only a vector may do:
threads seal beside one another, so bytes that are drawn would not come again.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Callable
from functools import partial
from math import sin
from pathlib import Path
from typing import Final

from tests.golden.builder import World, build, file, folder, lines, link, noise, text
from tests.golden.stores import SMALL, commit, end, note

from holdall.chunks.pool import Pool
from holdall.format.changes import remove_op
from holdall.format.document import encode_document
from holdall.format.layout import RUNS, generation_key, log_key
from holdall.format.records import Descriptor, encode_generation
from holdall.format.reference import JSON_BLOB
from holdall.format.roots import Root
from holdall.format.sealed_entry import public_sha256
from holdall.keys.bech32 import encode
from holdall.keys.identities import SECRET, public_key, public_text
from holdall.keys.making import Maker, NewSlot
from holdall.keys.unlock import Unlock
from holdall.naming.registry import Registry
from holdall.trees.location import Location
from holdall.trees.replacing import Replacing
from holdall.trees.session import Draft, Session
from holdall.trees.snapshot import InlineBlobs
from holdall.trees.source import Item

PASSPHRASE: Final = "correct horse battery staple"
IDENTITY: Final = encode(SECRET, bytes(range(32))).upper()
FOLDER: Final = Path(__file__).parent / "sealed"
_NONCE: Final = bytes(range(12))


class SealedWorld(World):
    """A world whose store is encrypted: slot 0 for a passphrase, slot 1 for an identity."""

    def __init__(self, name: str, cipher: str) -> None:
        self._cipher = cipher
        super().__init__(name, chunker=SMALL, pack_size=8 << 10)

    def add_slots(self, store: str, root: Root) -> None:
        """Make a slot of each kind that holds a root."""
        maker = Maker(self.bucket, store, self._entropy, self.location.clock)
        maker.add(NewSlot(passphrase=PASSPHRASE, label="anna", scrypt=(10, 1, 1)), root)
        maker.add(NewSlot(recipient=public_text(public_key(bytes(range(32)))), label="ci"), root)

    def new_epoch(self) -> None:
        """Begin the next epoch: its slots first."""
        ring, store = self.location.ring(), self.location.descriptor.store
        assert ring
        older = Root(len(self.roots) - 1, self.roots[-1])
        newer = Root(older.epoch + 1, self.entropy(32))
        self.roots.append(newer.key)
        self.add_slots(store, newer)
        Maker(self.bucket, store, self._entropy, self.location.clock).new_epoch(newer, older)
        self.another_process()

    def fence_without_key(self, log: str, n: int, generation: int) -> None:
        """Append a plain entry behind one that has a checkpoint, as a collector does that has no key."""
        prev = public_sha256(self.bucket.objects[log_key(log, n - 1)], log)
        said = {"log": log, "n": n, "write_id": self.entropy(16).hex(), "prev": prev, "time": self.location.clock()}
        said |= {"writer": "a collector", "state_at": n - 1, "ops": [{"op": "fence", "generation": generation}]}
        self.bucket.put(log_key(log, n), encode_document(said))

    def _create_store(self, template: Descriptor) -> None:
        self.roots: list[bytes] = []
        self.location.create(template, cipher=self._cipher, slots=self._first_slots)

    def _first_slots(self, store: str, root: Root) -> None:
        self.roots.append(root.key)
        self.add_slots(store, root)

    def _entropy(self, size: int) -> bytes:
        return _NONCE if size == len(_NONCE) else self.entropy(size)

    def _arrive(self) -> Location:
        unlock = Unlock(passphrase=PASSPHRASE)
        pool = Pool(workers=4)
        return Location(
            self.bucket, pool, self._clock.__next__, self._entropy, _no_sleep, "holdall golden", unlock=unlock
        )


def everything(cipher: str) -> SealedWorld:
    """Files in packs and inline, measurements, versions, a registered model, a run that was deleted, a second epoch."""
    world = SealedWorld(f"sealed {cipher}", cipher)
    session = world.begin("a secret experiment")
    _say(world, session)
    commit(session, _files())
    end(session)
    _versions(world)
    _register(world, session)
    _delete(world)
    world.new_epoch()
    session = world.begin("a secret experiment")
    later = [file("again/table", lines("table", 66_000)), file("later.txt", b"under a later root\n")]
    commit(session, later)
    end(session)
    world.bucket.put(generation_key(0, "condemn"), encode_generation(0, "condemn", []))
    world.fence_without_key(session.journal.log, 3, 0)
    world.bucket.put(generation_key(0, "done"), encode_generation(0, "done", []))
    return world


def brief(cipher: str) -> SealedWorld:
    """A few files, in one epoch."""
    world = SealedWorld(f"brief {cipher}", cipher)
    session = world.begin()
    note(session, {"op": "param", "key": "secret-param", "value": "secret-value"})
    commit(session, [file("dir/note.txt", b"inline\n"), file("table", lines("brief", 66_000))])
    end(session)
    return world


def _say(world: SealedWorld, session: Session) -> None:
    carried = InlineBlobs([], world.location.sealing)
    facts = carried.place(json.dumps({"host": "secret-host", "user": "secret-user"}).encode(), JSON_BLOB)
    session.append(lambda: Draft([{"op": "environment", "facts": facts.to_json()}], carried.blobs))
    for n in range(3):
        points = [["secret/loss", 1 / (n + 1), n, 1_750_000_000_000 + n]]
        note(session, {"op": "metric", "points": [*points, ["steps", str(2**60), n, 1_750_000_000_000]]})
    params = [{"op": "param", "key": f"secret-{n}", "value": f"välue {n}"} for n in range(3)]
    tags = [{"op": "tag", "key": f"tag {n}", "value": "told"} for n in range(2)]
    note(session, *params, *tags, {"op": "tag", "key": "tag 0", "value": None})


def _files() -> list[Item]:
    waves = struct.pack("<400f", *(sin(n * n / 9) * (1 + n % 5) for n in range(400)))
    header = json.dumps({"t": {"dtype": "F32", "shape": [400], "data_offsets": [0, len(waves)]}}).encode()
    return [
        file("model/weights.safetensors", struct.pack("<Q", len(header)) + header + waves),
        file("model/MLmodel", b"flavors: {}\n"),
        file("table", lines("table", 66_000)),
        file("noise.bin", noise("sealed noise", 9_000)),
        file("words.txt", text("sealed words", 6_000)),
        file("note.txt", b"a small secret\n"),
        file("empty"),
        file("bin/tool", b"#!/bin/sh\n", executable=True),
        link("bin/latest", "tool"),
        folder("void"),
    ]


def _versions(world: SealedWorld) -> None:
    session = world.begin("a secret experiment", versioned=True)
    for epoch in range(3):
        items = [file("log.txt", b"epoch %d\n" % epoch), file("last.bin", noise(f"weights {epoch}", 3_000))]
        commit(session, items, Replacing())
    commit(session, [file("plots/1.svg", b"<svg/>")])
    note(session, remove_op(["plots"]))
    end(session)


def _register(world: SealedWorld, session: Session) -> None:
    registry = Registry(world.location)
    uri = f"runs:/{session.journal.log.removeprefix(RUNS)}/model"
    for n in (1, 2):
        registry.register(uri, "a secret model", tags={"secret": str(n)}, description=f"version {n}, in secret")
    registry.set_alias("a secret model", "champion", 2)


def _delete(world: SealedWorld) -> None:
    session = world.begin("another experiment")
    commit(session, [file("gone.txt", b"deleted\n")])
    end(session, "KILLED")
    session = Session.resume(world.location, session.journal.log) or session
    session.append(lambda: Draft([{"op": "tombstone"}]), closing=True)


def _no_sleep(seconds: float) -> None:
    raise AssertionError("nobody races here")


MAKERS: Final[dict[str, Callable[[], World]]] = {
    "aes-256-gcm": partial(everything, "aes-256-gcm"),
    "chacha20-poly1305": partial(everything, "chacha20-poly1305"),
    "other": partial(brief, "aes-256-gcm"),
}


def write(into: Path) -> None:
    """Write every encrypted store into a folder. Raises: FileExistsError: one of its files is there."""
    for name, maker in MAKERS.items():
        for key, data in build(maker).items():
            place = into / name / key
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("xb") as out:
                out.write(data)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.golden.sealed_stores FOLDER")
    write(Path(sys.argv[1]))
