"""What each golden store holds, and which corner of the format it keeps."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from itertools import pairwise
from math import sin
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.golden.builder import World, file, folder, lines, link, noise, text

from holdall.checking.repair import Repair
from holdall.format.changes import remove_op, trim_op
from holdall.format.chunking import Chunker
from holdall.format.codec import encode, encode_planes
from holdall.format.damage import DamageRecord
from holdall.format.digest import blob_id, sha256
from holdall.format.document import Json
from holdall.format.layout import RUNS, PackName, generation_key, hint_key, log_key, parse_key
from holdall.format.pack import PackBuilder, parse_footer
from holdall.format.recipe import Recipe, encode_recipe
from holdall.format.records import encode_generation
from holdall.format.reference import CHUNK, JSON_BLOB, NODE, RECIPE
from holdall.format.sealing import PLAIN
from holdall.format.tree import Entry, encode_node
from holdall.naming.registry import Registry
from holdall.runs.verifying import signing_op
from holdall.signing.keys import SigningKey
from holdall.trees.damage import record_damage
from holdall.trees.replacing import Replacing
from holdall.trees.session import Draft, Session
from holdall.trees.snapshot import InlineBlobs
from holdall.trees.source import Item
from holdall.trees.transaction import Transaction

SMALL: Final = Chunker(256, 1024, 4096)


def inline() -> World:
    """All that needs no pack: small files, links, empty ones, odd names."""
    world = World("inline")
    session = world.begin()
    odd = ("new\nline", "carriage\rreturn", "two  spaces ", "#comment", "-dash", "*star", "漢字 ☃", "e\u0301", "\u00e9")
    commit(
        session,
        [
            file("readme.txt", b"Hold fast.\n"),
            file("copy/of/readme.txt", b"Hold fast.\n"),
            file("empty"),
            file("bin/tool", b"#!/bin/sh\necho hold fast\n", executable=True),
            file("bin/nothing", executable=True),
            link("bin/latest", "tool"),
            link("bin/up", "../readme.txt"),
            link("nowhere", "not/there yet"),
            folder("void"),
            *(file(f"odd/{name}", name.encode()) for name in odd),
            link("odd/link\nto", "new\nline"),
            folder("odd/folder\rvoid"),
            file("order/a/b", b"a directory comes before what only begins like it"),
            *(file(f"order/a{end}", end.encode()) for end in ("!", "-/b", ".b", "b/c")),
        ],
    )
    commit(session, [file("log.txt", text("compressible", 3_000))])
    commit(session, [file("noise.bin", noise("incompressible", 300))])
    end(session)
    end(world.begin(experiment="an experiment / of its own"), "KILLED")
    return world


def shared() -> World:
    """Several packs with two hints each, chunks by a plan, raw and compressed; a second run that shares most."""
    world = World("shared", chunker=SMALL, pack_size=8 << 10)
    session = world.begin()
    waves = [sin(n * n / 9) * (1 + n % 5) for n in range(400)]
    tensor = struct.pack(f"<{len(waves)}f", *waves)
    table = {"t": {"dtype": "F32", "shape": [len(waves)], "data_offsets": [0, len(tensor)]}}
    header = json.dumps(table).encode()
    model = noise("weights", 4_000) + text("vocabulary", 12_000) + noise("more weights", 1_000)
    files = {
        "model.safetensors": struct.pack("<Q", len(header)) + header + tensor,
        "unnamed.bin": b"\1\2\3" + struct.pack(f"<{len(waves)}d", *waves),
        "letters": b"".join(sha256(bytes([n])).hex().encode() for n in range(30)),
        "table": lines("table", 66_000),
        "model/weights.bin": model,
        "model/config.json": b'{"layers": 3}\n',
    }
    commit(session, [file(path, data) for path, data in sorted(files.items())])
    commit(session, [file("notes.txt", b"small, and later\n")])
    end(session)
    world.another_process()
    session = world.begin()
    edited = model[:8_000] + b"a line that was put in\n" + model[8_000:]
    again = [file("again/table", files["table"]), file("again/empty"), file("weights.bin", edited)]
    commit(session, [*again, file("model.safetensors", files["model.safetensors"])])
    end(session)
    return world


def planes() -> World:
    """Numbers of 2, 4 and 8 bytes in planes, cut at every offset from their beginning."""
    world = World("planes")
    session = world.begin()
    waves = [sin(n / 9) * (1 + n % 5) for n in range(1_500)]
    doubles = struct.pack(f"<{len(waves)}d", *waves)
    floats = struct.pack(f"<{len(waves)}f", *waves)
    halves = b"".join(floats[n + 2 : n + 4] for n in range(0, len(floats), 4))
    pack, builder, entries = PackName(session.id, 0), PackBuilder(), []
    for item, data in ((2, halves), (4, floats), (8, doubles)):
        step = len(data) // (item + 1)
        cuts = [0, *(step * n + n for n in range(1, item + 1)), len(data)]
        refs = []
        for start, stop in pairwise(cuts):
            codec, stored = encode_planes(data[start:stop], item, -start % item)
            row = builder.add(blob_id(data[start:stop]), CHUNK, codec, stored, stop - start)
            refs.append(row.ref(pack))
        recipe = encode_recipe(Recipe(len(data), sha256(data), tuple(refs)))
        content = builder.add(blob_id(recipe), RECIPE, *encode(recipe), len(recipe)).ref(pack)
        entries.append(Entry(f"{item}.bin", size=len(data), sha256=sha256(data), content=content, whole=False))
    node = encode_node(0, entries)
    root = builder.add(blob_id(node), NODE, *encode(node), len(node)).ref(pack)
    world.bucket.put(pack.key, bytes(builder.finish()))
    size = sum(entry.size for entry in entries)
    counts = {"files": len(entries), "bytes": size, "new_bytes": size, "stored_bytes": builder.size - 8}
    session.append(lambda: Draft([{"op": "commit", "tree": root.to_json(), **counts}]))
    end(session)
    return world


def extremes() -> World:
    """A log of measurements in many entries, which its last checkpoint has in one block, with their extremes."""
    world = World("extremes")
    session = world.begin()
    for n in range(12):
        time = 1_750_000_000_000 + n
        loss: Any = 1 / (n + 1) if n != 4 else "nan"
        points = [["loss", loss, n, time], ["steps", str(2**60), -n, time], ["ünïcödé", n, n, time]]
        odd = [["lost", "nan", n, time], ["wide", ["inf", 0.0, -0.0, "nan"][n % 4], n, time]]
        note(session, {"op": "metric", "points": [*points[: 3 if n % 4 == 0 else 2], *odd]})
    note(session, {"op": "metric", "points": [["once", 0.25, 0, 0]]})
    commit(session, [file("report.txt", b"extremes")])
    end(session)
    again = Session.resume(world.location, session.journal.log) or session
    note(again, {"op": "metric", "points": [["loss", -0.5, 99, 0]]})
    end(again, "FAILED")
    return world


def crowded() -> World:
    """A state too large for its entry, over a tree of two levels whose inline files went to a pack."""
    world = World("crowded")
    session = world.begin()
    deep = "/".join(["a very long name that takes much room in a node"] * 18)
    commit(session, [folder(f"{deep}/{n:03}") for n in range(100)])
    shared = [noise(f"shared {n}", 1_500) for n in range(3)]
    packed = [file(f"packed/{n}", data) for n, data in enumerate(shared)]
    commit(session, [*packed, file("packed/table", lines("large", 64_000))])
    for n, data in enumerate(shared):  # so small that each entry carries them itself
        commit(session, [file(f"folded/{n}/{i:02}", data) for i in range(30)])
    commit(session, [file("folded/alone", noise("alone", 300))])
    note(session, {"op": "param", "key": "long", "value": "🌊" * 5_500})
    end(session)
    return world


def gathered() -> World:
    """Tiny commits that the run's end brings together: content inline in the entry of its own checkpoint."""
    world = World("gathered")
    session = world.begin()
    for n in range(18):
        commit(session, [file(f"tiny/{n:02}", text(f"tiny {n % 2}", 150))])
    end(session)
    return world


def abandoned() -> World:
    """One generation of garbage that is done, one that is not; fences in the log of who wrote meanwhile.

    All of it is of writers that died between their packs and their commits: open sessions, and orphans with hints.
    """
    world = World("abandoned", chunker=SMALL, pack_size=8 << 10)
    orphans: list[list[PackName]] = []
    for content in (lines("lost", 66_000), lines("found", 66_000), lines("never", 66_000)):
        session, before = world.begin(), _packs(world)
        commit(session, [file("before.txt", b"this was committed\n")])
        with world.dying(session.journal.log):
            commit(session, [file("lost.txt", content)])
        orphans.append(sorted(_packs(world) - before))
    session = world.begin()
    for generation, packs in enumerate(orphans[:2]):
        world.bucket.put(generation_key(generation, "condemn"), encode_generation(generation, "condemn", packs))
        note(session, {"op": "fence", "generation": generation})
    for name in orphans[0]:
        footer = parse_footer(world.bucket.get(name.key), str(name))
        for row in footer.rows:
            world.bucket.delete(hint_key(row.id))
        world.bucket.delete(name.key)
    world.bucket.put(generation_key(0, "done"), encode_generation(0, "done", orphans[0]))
    commit(session, [file("found.txt", lines("found", 66_000))])
    end(session)
    return world


def aliased() -> World:
    """Two registered models: versions, one of them deleted, an alias that moved, stages, a rename, a name set free.

    Their entries have checkpoints, and one carries a state.
    """
    world = World("aliased")
    session = world.begin()
    commit(session, [file("first/MLmodel", b"flavors: {}\n"), file("second/MLmodel", b"flavors: {second: {}}\n")])
    end(session)
    registry, uri = Registry(world.location), f"runs:/{session.journal.log.removeprefix(RUNS)}"
    for path in ("first", "second", "first"):
        registry.register(f"{uri}/{path}", "früh & spät", tags={"path": path}, description=path)
    (model,) = registry.search_models()
    registry.delete_version(model.name, 3)
    for version in (1, 2, 1):
        registry.set_alias(model.name, "champion", version)
    registry.set_stage(model.name, 1, "Production")
    registry.set_stage(model.name, 2, "Production", archive_existing_versions=True)
    registry.rename_model(model.name, "later")
    registry.copy_version("models:/later@champion", "served")
    registry.create_model("gone", tags={"a": "b"}, description="for a moment")
    registry.delete_model("gone")
    return world


def mended() -> World:
    """A damaged pack, the record that says so, its content logged again elsewhere, and a run that was given that."""
    world = World("mended", chunker=SMALL, pack_size=4 << 10)
    session = world.begin()
    commit(session, [file("text.txt", lines("mended", 90_000)), file("note.txt", b"small")])
    end(session)
    pack = min(_packs(world))
    data = bytearray(world.bucket.objects[pack.key])
    data[100] ^= 1
    world.bucket.objects[pack.key] = bytes(data)
    first = parse_footer(bytes(data), str(pack)).rows[0]
    location = world.location
    told = DamageRecord(pack, location.clock(), location.writer, "a bit was flipped", (first.id,))
    record_damage(world.bucket, told)
    world.another_process()
    again = world.begin()
    commit(again, [file("again.txt", lines("mended", 90_000))])
    end(again)
    world.another_process()
    repair = Repair(world.location)
    for plan in list(repair.plan([session.journal.log.removeprefix(RUNS)])):
        repair.perform(plan)
    return world


def replaced() -> World:
    """A run whose paths were replaced, removed and trimmed, ended and gone on with; and one that goes on."""
    world = World("replaced")
    session = world.begin(versioned=True)
    for epoch in range(6):
        items = [file("log.txt", b"epoch %d\n" % epoch)]
        items += [file("last.bin", lines(f"weights {epoch}", 66_000))] if epoch in (1, 4) else []
        commit(session, items, Replacing(keep_last=2 if epoch > 3 else None))
    commit(session, [file("plots/1.svg", b"<svg/>"), link("plots/last", "1.svg"), folder("plots/void")])
    note(session, remove_op(["plots", "never/there"]))
    end(session)
    session = Session.resume(world.location, session.journal.log, [{"op": "status", "status": "RUNNING"}]) or session
    commit(session, [file("log.txt", b"epoch 6\n"), file("plots", b"a file now")], Replacing())
    note(session, trim_op("plots", 9), trim_op("log.txt", 6))
    end(session)
    session = world.begin(versioned=True)
    commit(session, [file("a", b"1"), file("d/b", b"2")])
    note(session, remove_op(["d"]), remove_op(["a"]))
    commit(session, [file("d", b"a file now"), file("a", b"1")])
    commit(session, [file("a", b"1", executable=True)], Replacing())
    note(session, trim_op("", 3))
    return world


def purged() -> World:
    """Runs that were purged: of their logs most entries are left, or a few, or only the last; and one that was not."""
    world = World("purged", chunker=SMALL, pack_size=8 << 10)
    session = world.begin()
    commit(session, [file("note.txt", b"kept\n")])
    end(session)
    for left in ((0, 1, 2, 3, 4), (1, 3), ()):
        world.another_process()
        session = world.begin()
        commit(session, [file("secret.txt", b"hunter2\n")])
        commit(session, [file("another.txt", text("secret", 500))])
        end(session)
        session = Session.resume(world.location, session.journal.log) or session
        session.append(lambda: Draft([{"op": "tombstone"}]))
        purge = session.append(lambda: Draft([{"op": "purge"}]), closing=True)
        assert purge
        for n in range(purge.n):
            if n not in left:
                world.bucket.delete(log_key(session.journal.log, n))
    return world


def signed() -> World:
    """Files of a run that are signed while it goes on, all of it as it ends, and one that got more afterwards."""
    world = World("signed")
    store = world.location.descriptor.store
    key = SigningKey._of(Ed25519PrivateKey.from_private_bytes(bytes([1] * 32)))

    def sign(session: Session, of: str, path: str) -> Json:
        return signing_op(
            key, session.journal.log.removeprefix("runs/"), session.view, of, path, store, world.location.clock()
        )

    for more in (False, True):
        session = world.begin()
        commit(
            session, [file("model/MLmodel", b"flavors: {}\n"), link("model/latest", "MLmodel"), folder("model/void")]
        )
        commit(session, [file('odd "name" ☃', b"odd\n")])
        for path in ("model", 'odd "name" ☃', ""):
            note(session, sign(session, "files", path))
        session.close(
            lambda session=session: [{"op": "status", "status": "FINISHED"}, sign(session, "run", "")],  # type: ignore[misc]
            final=True,
        )
        if more:
            again = Session.resume(world.location, session.journal.log) or session
            commit(again, [file("more.txt", b"more\n")])
            end(again)
    return world


MAKERS: Final[dict[str, Callable[[], World]]] = {
    maker.__name__: maker
    for maker in (
        inline,
        shared,
        planes,
        extremes,
        crowded,
        gathered,
        abandoned,
        aliased,
        mended,
        replaced,
        signed,
        purged,
    )
}


def commit(session: Session, items: Sequence[Item], replacing: Replacing | None = None) -> None:
    """Log items, in one commit."""
    transaction = Transaction(session, replacing=replacing)
    transaction.stage(items)
    transaction.publish()


def note(session: Session, *ops: dict[str, Any]) -> None:
    """Append one entry of operations."""
    session.append(lambda: Draft(ops))


def end(session: Session, status: str = "FINISHED") -> None:
    """End a run."""
    session.close([{"op": "status", "status": status}], final=True)


def _facts(session: Session, facts: dict[str, str]) -> None:
    carried = InlineBlobs([], PLAIN)
    ref = carried.place(repr(facts).replace("'", '"').encode(), JSON_BLOB)
    session.append(lambda: Draft([{"op": "environment", "facts": ref.to_json()}], carried.blobs))


def _packs(world: World) -> set[PackName]:
    """The packs that are there."""
    keys = map(parse_key, world.bucket.objects)
    return {key.pack for key in keys if key and key.kind == "pack" and key.pack}
