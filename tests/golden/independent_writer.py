"""A writer of holdall stores, written from SPEC.md alone. Words in quotes are its sections.

It shares no chunk of anyone's, so that W3 holds by itself. What a log amounts to is in `independent_state.py`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import struct
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import zstandard
from blake3 import blake3
from tests.golden.independent_reader import Run, within
from tests.golden.independent_state import state_of

Json = dict[str, Any]
CHUNK, RECIPE, NODE, LAST = 0, 1, 2, 2**64 - 1
SIZES = {"min": 16384, "average": 65536, "max": 262144}

# --- "Chunker" ---

GEAR = [int.from_bytes(hashlib.md5(bytes([byte]) * 64).digest()[:8], "big") for byte in range(256)]
TABLE = """
     7 0000000018035100    8 0000001800035300    9 0000019000353000   10 0000590003530000   11 0000d90003530000
    12 0000d90103530000   13 0000d90303530000   14 0000d90313530000   15 0000d90f03530000   16 0000d90303537000
    17 0000d90703537000   18 0000d90707537000   19 0000d91707537000   20 0000d91747537000   21 0000d91767537000
    22 0000d93767537000   23 0000d93777537000
"""
MASK = {int(k): int(mask, 16) for k, mask in zip(TABLE.split()[::2], TABLE.split()[1::2], strict=True)}


def cut(data: bytes, low: int, average: int, high: int) -> list[int]:
    """Return the ends of the chunks of a file."""
    ends, start, k = [], 0, (average * average).bit_length() // 2
    small, large = MASK[k + 1], MASK[k - 1]
    while start < len(data):
        size = end = min(len(data) - start, high)
        middle, hash = min(average, end) // 2 * 2, 0
        for i in range(low // 2 * 2, end // 2 * 2) if len(data) - start > low else ():
            hash = (2 * hash + GEAR[data[start + i]]) & LAST
            if not hash & (small if i < middle else large):
                size = i
                break
        start += size
        ends.append(start)
    return ends


# --- "Blobs", "Packs", "References", "Recipes", "Trees" ---


def encode(data: bytes) -> tuple[int, bytes]:
    """Return a blob's codec and stored bytes: compressed where that saves much of many."""
    packed = zstandard.ZstdCompressor(write_content_size=True).compress(data) if len(data) > 256 else data
    return (1, packed) if len(packed) < 0.9 * len(data) else (0, data)


class Blobs:
    """Blobs on their way into an entry, where `pack` is None, or into the pack of this name."""

    def __init__(self, pack: str | None) -> None:
        self.pack, self.body, self.rows, self.inline = pack, b"HOLDPAK1", b"", list[Json]()

    @property
    def location(self) -> bytes:
        """Return the 24 bytes that a table has for it."""
        session, _, number = self.pack.partition("-") if self.pack else ("0" * 32, "", f"{LAST:x}")
        return struct.pack("<16sQ", bytes.fromhex(session), int(number, 16))

    def add(self, kind: int, data: bytes) -> Json:
        """Add a blob; return the reference to it, as JSON."""
        codec, stored = encode(data)
        id = blake3(data).digest()
        ref = {"id": f"blake3:{id.hex()}", "codec": codec, "raw": len(data), "stored": len(stored)}
        if self.pack is None:
            self.inline.append({**ref, "kind": kind, "data": base64.b64encode(stored).decode()})
            del self.inline[-1]["stored"]
            return {**ref, "blob": len(self.inline) - 1}
        at = len(self.body)
        self.body += stored
        self.rows += struct.pack("<32sIIIBBH", id, at, len(stored), len(data), codec, kind, 0)
        return {**ref, "pack": self.pack, "offset": at}

    def object(self) -> bytes:
        """Return the whole pack."""
        footer = struct.pack("<II32s", len(self.rows) // 48, len(self.body), blake3(self.body).digest()) + self.rows
        return self.body + footer + hashlib.sha256(footer).digest() + struct.pack("<Q8s", len(footer), b"HOLDPAK1")


def reference(ref: Json, location: int) -> bytes:
    """Return the 49 bytes of a reference to a blob in a location of the table."""
    id, offset = bytes.fromhex(ref["id"][7:]), ref.get("offset", ref.get("blob"))
    return struct.pack("<32s4IB", id, location, offset, ref["stored"], ref["raw"], ref["codec"])


def recipe(data: bytes, chunks: list[Json], location: bytes) -> bytes:
    """Return the recipe of a file whose chunks lie back to back in one pack."""
    head = struct.pack("<4sBBHQ32sIII", b"HFR1", 1, 1, 0, len(data), hashlib.sha256(data).digest(), 1, 1, len(chunks))
    extent = struct.pack("<III", 0, chunks[0]["offset"], len(chunks))
    return head + location + extent + b"".join(reference(ref, 0)[:32] + reference(ref, 0)[40:] for ref in chunks)


def node(files: Mapping[str, bytes], contents: Mapping[str, tuple[int, Json, bytes]]) -> bytes:
    """Return a leaf with these files; a tree of less than 1 MiB needs no other node."""
    locations = list(dict.fromkeys(location for _, _, location in contents.values()))
    rows = b""
    for path in sorted(files, key=lambda path: path.encode().replace(b"/", b"\0")):
        name, data = path.encode(), files[path]
        content, ref, location = contents.get(path, (0, {}, b""))
        rows += struct.pack(f"<H{len(name)}sBB", len(name), name, 0, 0)
        rows += struct.pack("<Q32sB", len(data), hashlib.sha256(data).digest(), content)
        rows += reference(ref, locations.index(location)) if content else b""
    return struct.pack("<4s4B2I", b"HFT1", 0, 1, 1, 0, len(locations), len(files)) + b"".join(locations) + rows


# --- "Objects and keys", "Documents" ---


def document(body: Json) -> bytes:
    """Return the two lines of a document."""
    line = json.dumps(body, separators=(",", ":")).encode()
    return line + b'\n{"sha256":"%s"}\n' % hashlib.sha256(line).hexdigest().encode()


def now() -> int:
    """Return the time in ms since 1970 UTC."""
    return time.time_ns() // 1_000_000


class Store:
    """A store in a folder; `random` gives so many bytes, `clock` the time."""

    def __init__(
        self, root: Path, random: Callable[[int], bytes] = secrets.token_bytes, clock: Callable[[], int] = now
    ) -> None:
        self.root, self.random, self.clock = root, random, clock

    def create(self, key: str, data: bytes) -> bool:
        """Create an object; return False where there is one."""
        temporary, path = self.root / ".tmp" / secrets.token_hex(8), self.root / key
        for folder in (temporary.parent, path.parent):
            folder.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            file.write(data)
            os.fsync(file.fileno())
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            return False
        finally:
            temporary.unlink()
        return True

    def found(self) -> None:
        """Make the store: "Descriptor and canary"."""
        body = {"format": 1, "store": self.random(16).hex(), "created": self.clock()}
        body |= {"reader_features": [], "writer_features": [], "chunk_id": "blake3", "file_id": "sha256"}
        body |= {"chunker": {"name": "fastcdc2020"} | SIZES, "pack_size": 32 << 20}
        assert self.create("holdall.json", document(body))
        assert self.create("canary", document({"canary": body["store"]}))

    def start(self, experiment: str, *, versioned: bool = False) -> Session:
        """Begin a run, in an experiment that is made if there is none: steps 1 to 3 of "Committing"."""
        about = json.loads((self.root / "holdall.json").read_bytes().split(b"\n")[0])
        assert (about["format"], about["reader_features"], about["writer_features"]) == (1, [], [])
        assert not self.create("canary", document({"canary": about["store"]})), "the bucket overwrites"
        owner = hashlib.sha256(experiment.encode()).hexdigest()[:16]
        born = self.entry(f"experiments/{owner}", [], None, [{"op": "create", "name": experiment}])
        self.create(f"experiments/{owner}/log/{LAST:016x}", document(born))  # "exists" is as good
        session = Session(self, f"runs/{owner[:8]}{self.random(12).hex()}")
        create = {"op": "create", "experiment": owner} | ({"paths": "versioned"} if versioned else {})
        ops = [create, {"op": "open", "session": session.id}]
        session.append(lambda _: ([*ops, {"op": "status", "status": "RUNNING"}], [], None))
        return session

    def entry(self, log: str, entries: list[Json], prev: str | None, ops: list[Json]) -> Json:
        """Draft the entry that follows some entries of a log."""
        state_at = entries[-1]["state_at"] if entries else None
        said = {"log": log, "n": len(entries), "write_id": self.random(16).hex(), "prev": prev, "time": self.clock()}
        return said | {"writer": "independent 1", "state_at": state_at, "ops": ops}


class Session:
    """One writer of one run's log. Attributes: id; before, called before an entry is created."""

    def __init__(self, store: Store, log: str) -> None:
        self.store, self.log, self.id, self.packs = store, log, store.random(16).hex(), 0
        self.before: Callable[[], object] = lambda: None
        self.held: dict[str, tuple[bytes, tuple[int, Json, bytes]]] = {}  # what it committed, and where
        self.earlier: dict[tuple[str, int], tuple[bytes, tuple[int, Json, bytes]]] = {}  # by path and entry

    def append(self, build: Callable[[Run], tuple[list[Json], list[Json], Json | None]]) -> int:
        """Append an entry, for which `build` makes ops, inline blobs and a checkpoint: steps 6 and 7.

        Returns its number.
        """
        while True:
            run = Run(self.store.root, self.log)
            n, prev = len(run.entries), None
            if n:
                newest = (self.store.root / self.log / "log" / f"{LAST - n + 1:016x}").read_bytes()
                prev = hashlib.sha256(newest.split(b"\n")[0]).hexdigest()
            ops, blobs, state = build(run)
            draft = self.store.entry(self.log, run.entries, prev, ops)
            draft |= ({"blobs": blobs} if blobs else {}) | ({"state": state, "state_at": n} if state else {})
            key = f"{self.log}/log/{LAST - n:016x}"
            self.before()
            created = self.store.create(key, document(draft))
            standing = json.loads((self.store.root / key).read_bytes().split(b"\n")[0])
            if created or standing["write_id"] == draft["write_id"]:
                return int(draft["n"])

    def commit(self, files: Mapping[str, bytes], *ops: Json, inline: bool = True) -> int:
        """Commit files, and do other ops in the same entry; return its number.

        Small files lie inline in the entry where `inline` says so, as does the tree; all else goes to a pack.
        """
        assert not (self.store.root / "gc").exists(), "W2: this writer knows no garbage"
        pack = Blobs(f"{self.id}-{self.packs:08x}")
        small = Blobs(None) if inline else pack
        contents = {}
        for path, data in files.items():
            ends = cut(data, *SIZES.values())
            into = small if len(ends) == 1 else pack
            refs = [into.add(CHUNK, data[start:end]) for start, end in zip([0, *ends], ends, strict=False)]
            if len(refs) > 1:
                contents[path] = (2, pack.add(RECIPE, recipe(data, refs, pack.location)), pack.location)
            elif refs:
                contents[path] = (1, refs[0], into.location)
        root = small.add(NODE, node(files, contents))
        if pack.rows:
            self.packs += 1
            assert self.store.create(f"packs/{self.id[:2]}/{pack.pack}", pack.object())
        stored = len(pack.body) - 8 + sum(len(base64.b64decode(blob["data"])) for blob in small.inline)
        new = sum(len(data) for data in files.values())
        counts = {"files": len(files), "bytes": new, "new_bytes": new, "stored_bytes": stored}

        def build(run: Run) -> tuple[list[Json], list[Json], None]:
            held = run.fold(0)  # "Immutability" and "Versioned runs", against the log as it is now
            parents = {path[:at] for path in {**held, **files} for at, byte in enumerate(path) if byte == "/"}
            taken = {path for path in held if not is_versioned(run) or held[path][0] == "directory"}
            assert not {*taken, *parents} & files.keys(), "a path is taken"
            assert not parents & {path for path, entry in held.items() if entry[0] != "directory"}, "a path is taken"
            return [{"op": "commit", "tree": root, **counts}, *ops], small.inline, None

        n = self.append(build)
        here = struct.pack("<16sQ", bytes(16), n)
        for path, data in files.items():
            content, ref, location = contents.get(path, (0, {}, b""))
            if path in self.held:
                self.earlier[path, n] = self.held[path]
            self.held[path] = data, (content, ref, here if "blob" in ref else location)
        return n

    def remove(self, path: str) -> int:
        """Take a path, and all below it, out of a versioned run; return the entry's number."""
        n = self.append(lambda run: ([{"op": "remove", "paths": [path]}], [], None))
        for gone in [held for held in self.held if within(held, [path])]:
            self.earlier[gone, n] = self.held.pop(gone)
        return n

    def trim(self, path: str, before: int) -> int:
        """End what a path, and all below it, held until an entry before one; return the entry's number."""
        self.earlier = {
            (name, until): old
            for (name, until), old in self.earlier.items()
            if until >= before or not within(name, [path])
        }
        return self.append(lambda run: ([{"op": "trim", "path": path, "before": before}], [], None))

    def end(self) -> int:
        """End the run, with a checkpoint, whose files are where they were: step 8. Returns the entry's number."""

        def build(run: Run) -> tuple[list[Json], list[Json], Json]:
            known = run.fold(0).keys() == self.held.keys() and run.earlier.keys() == self.earlier.keys()
            assert known, "of a rival's files this writer does not know where they are"
            versions = {f"{until:016x}/{path}": old for (path, until), old in self.earlier.items()}
            small, state = Blobs(None), state_of(run.entries)
            state |= {"tree": root(small, self.held), "inline": 0}
            state |= {"versions": root(small, versions)} if is_versioned(run) else {}
            for _, (_, ref, _) in [*self.held.values(), *versions.values()]:
                state["inline"] += ref["stored"] if "blob" in ref else 0
            return self.last_ops(), small.inline, state

        return self.append(build)

    def last_ops(self) -> list[Json]:
        """Return the ops that end the run and the session."""
        return [{"op": "status", "status": "FINISHED"}, {"op": "close", "session": self.id}]


def root(small: Blobs, held: Mapping[str, tuple[bytes, tuple[int, Json, bytes]]]) -> Json | None:
    """Return the root of a tree of these files, whose blobs go with others; None where there are none."""
    files = {path: data for path, (data, _) in held.items()}
    contents = {path: where for path, (_, where) in held.items() if where[0]}
    return small.add(NODE, node(files, contents)) if files else None


def is_versioned(run: Run) -> bool:
    """Return whether the paths of a run may change."""
    return bool(run.entries) and run.entries[0]["ops"][0].get("paths") == "versioned"
