"""A reader of holdall stores, written from SPEC.md alone; it trusts nothing. Words in quotes are its sections."""

import base64
import hashlib
import json
import struct
import sys
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, TypeAlias

import zstandard
from blake3 import blake3

Ref: TypeAlias = tuple[Any, ...]  # id, place, offset or index, stored, raw, codec
Entry: TypeAlias = tuple[Any, ...]  # ("file", bytes, executable) and others
CHUNK, RECIPE, NODE, FACTS, FOLDER, MIB, LAST = 0, 1, 2, 3, ("directory",), 1 << 20, 2**64 - 1
KNOWN = {"format": 1, "chunk_id": "blake3", "file_id": "sha256", "reader_features": []}
OPS = "create open close commit remove trim param metric tag status fence environment pin unpin tombstone restore purge"


def document(path: Path, limit: int = 64 * MIB) -> tuple[dict[str, Any], str]:
    line, _, second = (data := path.read_bytes()).partition(b"\n")
    digest = hashlib.sha256(line).hexdigest()
    assert second == b'{"sha256":"%s"}\n' % digest.encode() and len(data) <= limit, f"{path} is damaged"
    return dict(json.loads(line.decode())), digest


@lru_cache(maxsize=8)
def pack(path: Path) -> dict[int, tuple[Any, ...]]:
    data, rows, at = path.read_bytes(), {}, 8
    digest, length, magic = struct.unpack("<32sQ8s", data[-48:])
    assert magic == data[:8] == b"HOLDPAK1" and len(data) <= 1 << 30, f"{path} is {data[:8]!r}, which is unknown"
    footer, end = data[-48 - length : -48], len(data) - 48 - length
    said = struct.pack("<II32s", (length - 40) // 48, end, blake3(data[:end]).digest())
    assert hashlib.sha256(footer).digest() == digest and footer[:40] == said, f"{path} is damaged"
    for id, offset, stored, raw, codec, kind, zero in struct.iter_unpack("<32sIIIBBH", footer[40:]):
        assert offset == at and kind <= FACTS and zero == 0, f"a row of {path} is wrong"
        rows[offset], at = (data[at : at + stored], f"blake3:{id.hex()}", stored, raw, codec, kind), at + stored
    assert rows and at == end, f"the rows of {path} do not fill it"
    return rows


def decode(data: bytes, raw: int, codec: int) -> bytes:
    """The three codecs of "Blobs"; a plane is raw or zstd itself."""
    if codec == 0:
        return data
    if codec == 1:
        frame = zstandard.get_frame_parameters(data)
        assert data[:4] == b"\x28\xb5\x2f\xfd" and not frame.dict_id and frame.content_size == raw, "a wrong zstd frame"
        return zstandard.ZstdDecompressor().decompress(data, allow_extra_data=False)
    assert codec == 2, f"codec {codec} is unknown"
    item, head, tail, bitmap = data[:4]
    assert item in (2, 4, 8) and head < item and tail < item and not bitmap >> item, "a wrong header of planes"
    sizes, body, out = struct.unpack_from(f"<{item}I", data, 4), BytesIO(data[4 + 4 * item :]), bytearray(raw)
    count, rest = divmod(raw - head - tail, item)
    out[:head], out[raw - tail :] = body.read(head), body.read(tail)
    for plane, size in enumerate(sizes):  # a plane of a wrong length does not fit its slice
        out[head + plane : raw - tail : item] = decode(body.read(size), count, bitmap >> plane & 1)
    assert rest == 0 and len(out) == raw and not body.read(), "wrong lengths of planes"
    return bytes(out)


class Table(BytesIO):
    def take(self, layout: str) -> tuple[Any, ...]:
        return struct.unpack("<" + layout, self.read(struct.calcsize("<" + layout)))

    def text(self) -> bytes:
        return bytes(self.take(f"{self.take('H')[0]}s")[0])

    def places(self, count: int, carrier: Any) -> None:
        found, own = [self.take("16sQ") for _ in range(count)], carrier if isinstance(carrier, int) else -1
        assert len({*found}) == count and all(n < 1 << 32 for session, n in found if any(session)), "a table of places"
        self.place = [f"{s.hex()}-{n:08x}" if any(s) else own if n == LAST else n for s, n in found]

    def ref(self) -> Ref:
        id, place, *rest = self.take("32s4IB")
        return (f"blake3:{id.hex()}", self.place[place], *rest)


class Run:
    def __init__(self, root: Path, log: str) -> None:
        self.root, self.log, self.file, self.now = root, log, lru_cache(maxsize=None)(self._file), 0
        self.entries: list[dict[str, Any]] = []
        self.earlier: dict[tuple[str, int], Entry] = {}  # of a versioned run, by path and entry, as of the last `fold`
        law: list[Any] = [log, 0, None, None]
        for n, path in enumerate(sorted((root / log / "log").glob("[0-9a-f]" * 16), reverse=True)):
            entry, digest = document(path, 4 * MIB)
            law[1], law[3] = n, n if "state" in entry else law[3]
            assert path.name == f"{LAST - n:016x}", f"{log} has no entry {n}"
            said = [entry.get(field) for field in ("log", "n", "prev", "state_at", "sealed")]
            assert said == [*law, None], f"{path} says {said}, not {law}"
            self.entries, law[2] = [*self.entries, entry], digest

    def blob(self, kind: int, *ref: Any) -> bytes:
        id, place, offset, stored, raw, codec = ref
        if isinstance(place, str):
            row = pack(self.root / "packs" / place[:2] / place)[offset]
        else:
            assert 0 <= place <= self.now and offset >= 0, f"{self.log}, entry {self.now}, refers to {place}"
            inline = self.entries[place]["blobs"][offset]
            data = base64.b64decode(inline["data"], validate=True)
            row = (data, inline["id"], len(data), inline["raw"], inline["codec"], inline["kind"])
        assert row[1:] == (id, stored, raw, codec, kind), f"{place} says otherwise of {id}"
        assert 0 < raw <= {CHUNK: 16, NODE: 1}.get(kind, 256) * MIB and stored <= raw + 64, f"{id} is of {raw} bytes"
        out = decode(row[0], raw, codec)
        assert len(out) == raw and "blake3:" + blake3(out).hexdigest() == id, f"{id} is not what it was"
        return out

    def _file(self, size: int, digest: bytes, content: int, *ref: Any) -> bytes:
        data = self.blob(content - 1, *ref) if content else b""
        if content == RECIPE + 1:  # its chunks, which are in packs only: "Recipes"
            table, out = Table(data), []
            *head, places, extents, chunks = table.take("4sBBHQ32s3I")
            assert head == [b"HFR1", 1, 1, 0, size, digest], f"a recipe begins with {head}"
            table.places(places, None)
            for place, at, count in [table.take("3I") for _ in range(extents)]:
                assert count and isinstance(table.place[place], str), "an extent is wrong"
                for id, stored, raw, codec in [table.take("32sIIB") for _ in range(count)]:
                    out.append(self.blob(CHUNK, f"blake3:{id.hex()}", table.place[place], at, stored, raw, codec))
                    at += stored
            assert len(out) == chunks > 0 and not table.read(), "a recipe counts wrong"
            data = b"".join(out)
        assert len(data) == size and hashlib.sha256(data).digest() == digest, f"a file of {self.log} is not what it was"
        return data

    def tree(self, ref: Ref, at: int | None = None, first: bytes | None = None) -> list[tuple[bytes, Entry]]:
        table, out = Table(self.blob(NODE, *ref)), []
        magic, level, *ones, count, rows = table.take("4s4B2I")
        assert magic == b"HFT1" and ones == [1, 1, 0] and level < 8 and rows, f"a node is {magic!r}, which is unknown"
        table.places(count, ref[1])
        for row in range(rows):
            path = table.text()
            assert (row or first in (None, path)) and at in (None, level), f"the node at {path!r} is misplaced"
            if level:
                out += self.tree(table.ref(), level - 1, path)
                continue
            kind, flags = table.take("BB")
            file = table.take("Q32sB") if kind == 0 else (0, b"", 0)
            assert kind <= 2 and flags <= (kind == 0) and file[2] <= 2, f"{path!r} is of kinds {kind, flags, file[2]}"
            entry = ("link", table.text().decode()) if kind == 1 else FOLDER
            is_file = kind == 0 and ("file", (*file, *(table.ref() if file[2] else ())), flags == 1)
            out.append((path, is_file or entry))
        assert not table.read(), "a node is too long"
        return out

    def paths(self, ref: dict[str, Any] | None) -> dict[str, Entry]:
        found, last, said = {}, b"", {"entry": self.now, **(ref or {})}
        place = (said["pack"], said["offset"]) if "pack" in said else (said["entry"], said.get("blob"))
        for path, entry in self.tree((said["id"], *place, said["stored"], said["raw"], said["codec"])) if ref else ():
            assert last < (last := path.replace(b"/", b"\0")), f"{path!r} is out of order"
            assert not {"", ".", ".."} & {*path.decode().split("/")} and b"\\" not in path, f"{path!r} is no path"
            found[path.decode()] = entry
        return found

    def whole(self, entry: Entry) -> Entry:
        return ("file", self.file(*entry[1]), entry[2]) if entry[0] == "file" else entry

    def fold(self, start: int) -> dict[str, Entry]:
        """All paths, from the state of one entry on, or from nothing; a checkpoint says what was before it: "State"."""
        self.now, state = start, self.entries[start].get("state", {}) if start else {}
        free = self.entries[0]["ops"][0].get("paths") == "versioned"
        assert not start or ("versions" in state) == free, f"{self.log} has a checkpoint of another kind of run"
        held = {path: entry if free else self.whole(entry) for path, entry in self.paths(state.get("tree")).items()}
        earlier = {(path[17:], int(path[:16], 16)): old for path, old in self.paths(state.get("versions")).items()}
        for n, entry in list(enumerate(self.entries))[start:]:
            self.now, was = n, dict(held)
            for op in entry["ops"]:
                assert op["op"] in OPS.split() or op["op"].startswith("x-"), f"operation {op['op']!r} is unknown"
                assert free or op["op"] not in ("remove", "trim"), f"{self.log} is not versioned"
                if op["op"] == "commit":
                    new = {path: entry if free else self.whole(entry) for path, entry in self.paths(op["tree"]).items()}
                    assert free or not new.keys() & held.keys(), f"{self.log}, entry {n}, changes what is there"
                    self.give_up(held, was, earlier, [path for path in new if not same(new[path], held.get(path))])
                    held.update(new)
                elif op["op"] == "remove":
                    self.give_up(held, was, earlier, [path for path in held if within(path, op["paths"])])
                elif op["op"] == "trim":
                    over = [(p, until) for p, until in earlier if until < op["before"] and within(p, [op["path"]])]
                    earlier = {version: old for version, old in earlier.items() if version not in over}
            above = {path[:at] for path in held for at, byte in enumerate(path) if byte == "/"}
            assert all(held.get(path, FOLDER) == FOLDER for path in above), f"{self.log}: a path below a file or link"
        self.earlier = {version: self.whole(old) for version, old in earlier.items()}
        return {path: self.whole(entry) for path, entry in held.items()} if free else held

    def give_up(self, held: Any, was: Any, earlier: Any, paths: list[str]) -> None:
        """ "Versioned runs": what a path held before an entry is an earlier version; what within one, is none."""
        for path in paths:
            if path in held and held.pop(path) != FOLDER and path in was:
                earlier[path, self.now] = was.pop(path)


def same(entry: Entry, other: Entry | None) -> bool:
    def identity(kind: str, *rest: Any) -> tuple[Any, ...]:
        return (kind, rest[0][:2], rest[1]) if kind == "file" else (kind, *rest)

    return other is not None and identity(*entry) == identity(*other)


def within(path: str, tops: list[str]) -> bool:
    return any(not top or path == top or path.startswith(f"{top}/") for top in tops)


def manifest(paths: dict[str, Entry]) -> str:
    text = ""  # "Manifest"
    for path, (kind, *rest) in sorted(paths.items(), key=lambda item: item[0].encode()):
        if kind == "file":
            name = path.replace("\n", "\\n").replace("\r", "\\r")
            text += "\\" * (name != path) + f"{hashlib.sha256(rest[0]).hexdigest()}  {name}\n"
        else:
            text += f"# {kind} " + " -> ".join(json.dumps(part, ensure_ascii=False) for part in (path, *rest)) + "\n"
    return text


def is_purged(run: Path) -> bool:
    newest, _ = document(min((run / "log").glob("[0-9a-f]" * 16)), 4 * MIB)
    return any(op["op"] == "purge" for op in newest["ops"])  # "A purged log": nothing else of it counts


def read_store(folder: str | Path) -> dict[str, dict[str, Entry]]:
    """All runs of a store, each read from its newest state on and, where no pack is damaged, from its beginning."""
    assert "holdall" not in sys.modules, "this reader is worth nothing where the program is at hand"
    runs, root = {}, Path(folder)
    about, _ = document(root / "holdall.json")
    for field, value in {**KNOWN, "chunker": {**about["chunker"], "name": "fastcdc2020"}}.items():
        assert about[field] == value, f"{field} {about[field]!r} is unknown"
    for path in sorted(root.glob("runs/*")):
        if is_purged(path):
            continue
        run = Run(root, f"runs/{path.name}")
        runs[path.name] = run.fold(run.entries[-1]["state_at"] or 0)
        damaged = [*root.glob("gc/damaged/*")]  # then only what the newest state says need be there: "State", "Garbage"
        told = run.earlier
        assert damaged or (run.fold(0), run.earlier) == (runs[path.name], told), f"{run.log} reads in two ways"
    return runs


if __name__ == "__main__":
    for run_id, paths in read_store(sys.argv[1]).items():
        print(f"# run {run_id}\n{manifest(paths)}", end="")
