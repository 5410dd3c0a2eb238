"""A reader of holdfast stores, written from the format's specification (SPEC.md) alone.

It shares no line with the program: where the two disagree, the program, the specification or the store is wrong. It
believes nothing that it can compute, and stops at the first damage. Numbers such as (9) are SPEC.md's sections.
"""

import base64
import hashlib
import json
import struct
import sys
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import zstandard
from blake3 import blake3

Ref = tuple[Any, ...]  # id, place, offset in a pack or index in an entry, stored, raw, codec
Entry = tuple[Any, ...]  # ("file", bytes, executable), ("link", to), FOLDER
CHUNK, RECIPE, NODE, FACTS, FOLDER, MIB, LAST = 0, 1, 2, 3, ("directory",), 1 << 20, 2**64 - 1
KNOWN = {"format": 1, "chunk_id": "blake3", "file_id": "sha256", "reader_features": []}
SUMS, FACT = ("files", "bytes", "new_bytes", "stored_bytes"), ("params", "tags", "metrics", "batches", "pins")
START = json.dumps({field: {} for field in ("sessions", "fences", "paths", *FACT)} | {"batches": []}
                   | dict.fromkeys(SUMS, 0) | {"deleted": False, "purged": False}
                   | dict.fromkeys(("experiment", "status", "started", "ended", "environment")))  # fmt: skip
SETS = {"tombstone": {"deleted": True}, "restore": {"deleted": False}, "purge": {"purged": True}}
PUTS = {"open": ("sessions", "session", "op"), "close": ("sessions", "session", ""), "pin": ("pins", "pin", "by"),
        "unpin": ("pins", "pin", ""), "param": ("params", "key", "value"), "tag": ("tags", "key", "value"),
        "fence": ("fences", "generation", "op")}  # run[first][op[second]] becomes op[third], or goes  # fmt: skip


class Damage(Exception):
    """The store breaks the law of its format, or needs what version 1 does not define."""


def must(condition: object, law: str) -> None:
    if not condition:
        raise Damage(law)


def document(path: Path, limit: int = 64 * MIB) -> tuple[dict[str, Any], str]:
    """The first line and its digest, which the second line must spell exactly (2)."""
    line, _, second = (data := path.read_bytes()).partition(b"\n")
    digest = hashlib.sha256(line).hexdigest()
    must(second == b'{"sha256":"%s"}\n' % digest.encode() and len(data) <= limit, f"{path} is damaged")
    return dict(json.loads(line.decode())), digest


@lru_cache(maxsize=8)
def pack(path: Path) -> dict[int, tuple[Any, ...]]:
    """All of a pack, verified: what its rows say, by their offsets (5)."""
    data, rows, at = path.read_bytes(), {}, 8
    digest, length, magic = struct.unpack("<32sQ8s", data[-48:])
    must(magic == data[:8] == b"HOLDPAK1" and len(data) <= 1 << 30, f"{path} is {data[:8]!r}, which is unknown")
    footer, end = data[-48 - length : -48], len(data) - 48 - length
    said = ((length - 40) // 48, end, blake3(data[:end]).digest())
    must(hashlib.sha256(footer).digest() == digest, f"the footer of {path} is damaged")
    must(struct.unpack("<II32s", footer[:40]) == said, f"the body of {path} is damaged")
    for id, offset, stored, raw, codec, kind, zero in struct.iter_unpack("<32sIIIBBH", footer[40:]):
        must(offset == at and kind <= FACTS and zero == 0, f"a row of {path} is wrong")
        rows[offset], at = (data[at : at + stored], f"blake3:{id.hex()}", stored, raw, codec, kind), at + stored
    must(rows and at == end, f"the rows of {path} do not fill it")
    return rows


def decode(data: bytes, raw: int, codec: int) -> bytes:
    """The three codecs (4); a plane is raw or zstd itself."""
    if codec == 0:
        return data
    if codec == 1:
        frame = zstandard.get_frame_parameters(data)
        must(data[:4] == b"\x28\xb5\x2f\xfd" and not frame.dict_id and frame.content_size == raw, "a wrong zstd frame")
        return zstandard.ZstdDecompressor().decompress(data, allow_extra_data=False)
    must(codec == 2, f"codec {codec} is unknown")
    item, head, tail, bitmap = data[:4]
    must(item in (2, 4, 8) and head < item and tail < item and not bitmap >> item, "a wrong header of planes")
    sizes, body, out = struct.unpack_from(f"<{item}I", data, 4), BytesIO(data[4 + 4 * item :]), bytearray(raw)
    count, rest = divmod(raw - head - tail, item)
    out[:head], out[raw - tail :] = body.read(head), body.read(tail)
    for plane, size in enumerate(sizes):  # a plane of a wrong length does not fit its slice
        out[head + plane : raw - tail : item] = decode(body.read(size), count, bitmap >> plane & 1)
    must(rest == 0 and len(out) == raw and not body.read(), "wrong lengths of planes")
    return bytes(out)


def check_path(path: str, target: str) -> None:
    """A path is clean, and a link there stays inside of the run (8)."""
    names, depth = path.split("/"), path.count("/")
    must(len(path.encode()) <= 1024 and not {"", ".", ".."} & {*names}, f"path {path!r}")
    must(target and target[0] != "/" and not {"\0", "\\"} & {*path, *target}, f"path {path!r} or link to {target!r}")
    for name in target.split("/"):
        depth += -1 if name == ".." else name not in ("", ".")
        must(depth >= 0, f"the link {path!r} leads out of the run")


class Table(BytesIO):
    """A binary table, read from its beginning to its end."""

    def take(self, layout: str) -> tuple[Any, ...]:
        return struct.unpack("<" + layout, self.read(struct.calcsize("<" + layout)))

    def text(self) -> bytes:
        return bytes(self.take(f"{self.take('H')[0]}s")[0])

    def places(self, count: int, carrier: Any) -> None:
        """Packs by name, entries by number, and -1 for what cannot be: the carrier's entry in a pack (6)."""
        found, own = [self.take("16sQ") for _ in range(count)], carrier if isinstance(carrier, int) else -1
        must(len({*found}) == count and all(n < 1 << 32 for session, n in found if any(session)), "a table of places")
        self.place = [f"{s.hex()}-{n:08x}" if any(s) else own if n == LAST else n for s, n in found]

    def ref(self) -> Ref:
        id, place, *rest = self.take("32s4IB")
        return (f"blake3:{id.hex()}", self.place[place], *rest)


class Run:
    """A run's log, its chain verified (9), and all that it refers to."""

    def __init__(self, root: Path, log: str) -> None:
        self.root, self.log, self.file, self.now = root, log, lru_cache(maxsize=None)(self._file), 0
        self.entries: list[dict[str, Any]] = []
        law: list[Any] = [log, 0, None, None]
        for n, path in enumerate(sorted((root / log / "log").glob("[0-9a-f]" * 16), reverse=True)):
            entry, digest = document(path, 4 * MIB)
            law[1], law[3] = n, n if "state" in entry else law[3]
            must(path.name == f"{LAST - n:016x}", f"{log} has no entry {n}")
            must("sealed" not in entry, f"{path} is sealed, which is unknown")
            must([entry[field] for field in ("log", "n", "prev", "state_at")] == law, f"{path} is not {law}")
            self.entries.append(entry)
            law[2] = digest

    def blob(self, kind: int, *ref: Any) -> bytes:
        """What a reference means, if its place says the same of it; no entry refers to a later one (6)."""
        id, place, offset, stored, raw, codec = ref
        if isinstance(place, str):
            row = pack(self.root / "packs" / place[:2] / place)[offset]
        else:
            must(0 <= place <= self.now and offset >= 0, f"{self.log}, entry {self.now}, refers to {place}")
            inline = self.entries[place]["blobs"][offset]
            data = base64.b64decode(inline["data"], validate=True)
            row = (data, inline["id"], len(data), inline["raw"], inline["codec"], inline["kind"])
        must(row[1:] == (id, stored, raw, codec, kind), f"{place} says otherwise of {id}")
        must(0 < raw <= {CHUNK: 16, NODE: 1}.get(kind, 256) * MIB and stored <= raw + 64, f"{id} is of {raw} bytes")
        out = decode(row[0], raw, codec)
        must(len(out) == raw and "blake3:" + blake3(out).hexdigest() == id, f"{id} is not what it was")
        return out

    def _file(self, size: int, digest: bytes, content: int, *ref: Any) -> bytes:
        data = self.blob(content - 1, *ref) if content else b""
        if content == RECIPE + 1:  # its chunks, which are in packs only (7)
            table, out = Table(data), []
            *head, places, extents, chunks = table.take("4sBBHQ32s3I")
            must(head == [b"HFR1", 1, 1, 0, size, digest], f"a recipe begins with {head}")
            table.places(places, None)
            for place, at, count in [table.take("3I") for _ in range(extents)]:
                must(count and isinstance(table.place[place], str), "an extent is wrong")
                for id, stored, raw, codec in [table.take("32sIIB") for _ in range(count)]:
                    out.append(self.blob(CHUNK, f"blake3:{id.hex()}", table.place[place], at, stored, raw, codec))
                    at += stored
            must(len(out) == chunks > 0 and not table.read(), "a recipe counts wrong")
            data = b"".join(out)
        must(len(data) == size and hashlib.sha256(data).digest() == digest, f"a file of {self.log} is not what it was")
        return data

    def tree(self, ref: Ref, at: int | None = None, first: bytes | None = None) -> list[tuple[bytes, Entry]]:
        """The rows below a node that must be at a level and begin with a path (8)."""
        table, out = Table(self.blob(NODE, *ref)), []
        magic, level, *ones, count, rows = table.take("4s4B2I")
        must(magic == b"HFT1" and ones == [1, 1, 0] and level < 8 and rows, f"a node is {magic!r}, which is unknown")
        table.places(count, ref[1])
        for row in range(rows):
            path = table.text()
            must((row or first in (None, path)) and at in (None, level), f"the node at {path!r} is misplaced")
            if level:
                out += self.tree(table.ref(), level - 1, path)
                continue
            kind, flags = table.take("BB")
            file = table.take("Q32sB") if kind == 0 else (0, b"", 0)
            must(kind <= 2 and flags <= (kind == 0) and file[2] <= 2, f"{path!r} is of kinds {kind, flags, file[2]}")
            entry: Entry = ("link", table.text().decode()) if kind == 1 else FOLDER
            if kind == 0:
                entry = ("file", self.file(*file, *(table.ref() if file[2] else ())), flags == 1)
            out.append((path, entry))
        must(not table.read(), "a node is too long")
        return out

    def json_ref(self, ref: dict[str, Any]) -> Ref:
        place = (ref["pack"], ref["offset"]) if "pack" in ref else (ref.get("entry", self.now), ref["blob"])
        return (ref["id"], *place, ref["stored"], ref["raw"], ref["codec"])

    def facts(self, ref: dict[str, Any]) -> dict[str, Any]:
        return dict(json.loads(self.blob(FACTS, *self.json_ref(ref))))

    def paths(self, tree: dict[str, Any] | None) -> dict[str, Entry]:
        """All that a tree holds; what was purged is not there to be read."""
        found, last = {}, b""
        if tree is not None and not any(op["op"] == "purge" for entry in self.entries for op in entry["ops"]):
            for path, entry in self.tree(self.json_ref(tree)):
                must(last < (last := path.replace(b"/", b"\0")), f"{path!r} is out of order")
                check_path(path.decode(), str(entry[1]) if entry[0] == "link" else "x")
                found[path.decode()] = entry
        return found

    def state(self, n: int) -> dict[str, Any]:
        """What the entries before n amount to, as entry n says (10)."""
        self.now, state = n, self.entries[n]["state"]
        facts = self.facts(state["facts"]) if "facts" in state else state
        state = {**state, **{field: facts[field] for field in FACT}, "paths": self.paths(state["tree"])}
        state["environment"] = state["environment"] and self.facts(state["environment"])
        for field, op in (("sessions", "open"), ("fences", "fence")):
            must(sorted(set(state[field])) == state[field], f"{field} are not sorted")
            state[field] = dict.fromkeys(state[field], op)
        return {field: state[field] for field in json.loads(START)}

    def fold(self, start: int) -> dict[str, Any]:
        """Apply all entries from one on, to its state or to nothing; every state met must agree."""
        run = self.state(start) if start else json.loads(START)
        for n, entry in list(enumerate(self.entries))[start:]:
            must("state" not in entry or self.state(n) == run, f"the state of {self.log}, entry {n}, is wrong")
            self.now = n
            for op in entry["ops"]:
                self.apply(run, op)
            must(run["started"] is not None, f"{self.log} begins without create")
        held = run["paths"]
        above = {path[:at] for path in held for at, byte in enumerate(path) if byte == "/"}
        must(all(held.get(path, FOLDER) == FOLDER for path in above), f"{self.log} has a path below a file or link")
        return run

    def apply(self, run: dict[str, Any], op: dict[str, Any]) -> None:
        name, time = op["op"], self.entries[self.now]["time"]
        if name in PUTS:
            field, key, value = PUTS[name]
            run[field].pop(op[key], None)
            run[field].update([(op[key], op[value])] if value and op[value] is not None else [])
        elif name in SETS:
            run.update(SETS[name])
        elif name == "create":
            must(self.log[5:13] == op["experiment"][:8] and not run["started"], f"{self.log} is created wrong")
            run.update(experiment=op["experiment"], started=time)
        elif name == "status":
            run.update(status=op["status"], ended=None if op["status"] in ("RUNNING", "SCHEDULED") else time)
        elif name == "environment":
            run["environment"] = self.facts(op["facts"])
        elif name == "commit":
            run.update({field: run[field] + op[field] for field in SUMS})
            for path, entry in self.paths(op["tree"]).items():
                must(run["paths"].setdefault(path, entry) == entry, f"{self.log}, entry {self.now}, changes {path!r}")
        elif name == "metric":
            for key, *new in op["points"]:
                *old, count = run["metrics"].get(key, (*new, 0))
                newest = [int(part) for part in new[1:]] >= [int(part) for part in old[1:]]
                run["metrics"][key] = [*(new if newest else old), count + 1]
                run["batches"] = sorted({*run["batches"], self.now})
        else:
            must(name.startswith("x-"), f"operation {name!r} is unknown")


def manifest(paths: dict[str, Entry]) -> str:
    """What `sha256sum -c` accepts (13)."""
    text = ""
    for path, entry in sorted(paths.items(), key=lambda item: item[0].encode()):
        name, to = (part.replace("\n", "\\n").replace("\r", "\\r") for part in (path, str(entry[-1])))
        if entry[0] == "file":
            text += "\\" * (name != path) + f"{hashlib.sha256(entry[1]).hexdigest()}  {name}\n"
        else:
            text += f"# link {name} -> {to}\n" if entry[0] == "link" else f"# directory {name}/\n"
    return text


def read_store(folder: str | Path) -> dict[str, dict[str, Entry]]:
    """All runs of a store, each read from its newest state on and from its beginning."""
    if "holdfast" in sys.modules:
        raise RuntimeError("this reader is worth nothing where the program is at hand: holdfast is imported")
    runs, root = {}, Path(folder)
    try:
        about, _ = document(root / "holdfast.json")
        for field, value in {**KNOWN, "chunker": {**about["chunker"], "name": "fastcdc2020"}}.items():
            must(about[field] == value, f"{field} {about[field]!r} is unknown")
        must(not (root / "relocations").exists(), "relocations are unknown")
        for pattern in ("canary", "experiments/*/log/*", "models/*/log/*", "names/*/log/*", "gc/*/*", "hints/*"):
            found = [document(path)[0].get("canary", about["store"]) == about["store"] for path in root.glob(pattern)]
            must(all(found), "the canary is of another store")
        for path in sorted(root.glob("runs/*")):
            run = Run(root, f"runs/{path.name}")
            runs[path.name] = (whole := run.fold(0))["paths"]
            must(run.fold(run.entries[-1]["state_at"] or 0) == whole, f"{run.log} reads in two ways")
    except Exception as error:  # whatever Python trips over is damage, too
        raise error if isinstance(error, Damage) else Damage(f"malformed: {error!r}") from error
    return runs


if __name__ == "__main__":
    try:
        for run_id, paths in read_store(sys.argv[1]).items():
            print(f"# run {run_id}\n{manifest(paths)}", end="")
    except Damage as error:
        sys.exit(f"{sys.argv[1]}: {error}")
