"""A reader of encrypted holdall stores, written from SPEC.md alone, whose sections are in quotes; it trusts nothing."""

import base64
import hashlib
import hmac
import json
import struct
import sys
import unicodedata
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, TypeAlias

import zstandard
from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

Json: TypeAlias = dict[str, Any]
Row: TypeAlias = tuple[Any, ...]  # a reference: id, place, offset or index, stored, raw, codec; and what a row says
CHUNK, RECIPE, NODE, FACTS, MIB, LAST = 0, 1, 2, 3, 1 << 20, 2**64 - 1
CIPHERS: Json = {"aes-256-gcm": AESGCM, "chacha20-poly1305": ChaCha20Poly1305}
BECH32 = "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"
KNOWN = {"format": 1, "chunk_id": "blake3-keyed", "file_id": "sha256", "reader_features": ["sealed"]}
ABOUT = {"passphrase": ("salt", "log_n", "r", "p"), "recipient": ("recipient", "ephemeral")}  # own fields of slots
OPS = "create open close commit remove trim param metric tag status fence environment pin unpin tombstone restore purge"


def document(data: bytes, limit: int = 4 * MIB) -> tuple[Json, str]:
    line, _, second = data.partition(b"\n")
    digest = hashlib.sha256(line).hexdigest()
    assert second == b'{"sha256":"%s"}\n' % digest.encode() and len(data) <= limit, "a document is damaged"
    return dict(json.loads(line.decode())), digest


def derive(key: bytes, info: str, salt: bytes | None = None) -> bytes:  # "Keys"
    return hmac.digest(hmac.digest(salt or bytes(32), key, "sha256"), info.encode() + b"\1", "sha256")


def root_in(slot: Json, secret: str) -> bytes:
    fields = ("store", "slot", "epoch", "time", "kind", "label", *ABOUT[slot["kind"]])
    about = "\n".join(["holdall slot", *(str(slot[field]) for field in fields)])
    if slot["kind"] == "passphrase":
        text, (salt, *cost) = unicodedata.normalize("NFC", secret).encode(), (slot[of] for of in ABOUT["passphrase"])
        assert all(n <= most for n, most in zip(cost, (20, 8, 4), strict=True)), "a slot that costs too much"
        key = Scrypt(bytes.fromhex(salt), 32, 1 << cost[0], *cost[1:]).derive(text)
    else:
        recipient, ephemeral = bytes.fromhex(slot["recipient"]), bytes.fromhex(slot["ephemeral"])
        bits = "".join(f"{BECH32.index(letter):05b}" for letter in secret[16:-6])  # and a checksum, for typing errors
        own = X25519PrivateKey.from_private_bytes((int(bits, 2) >> 4).to_bytes(32, "big"))
        shared = own.exchange(X25519PublicKey.from_public_bytes(ephemeral))
        key = derive(shared, "holdall slot recipient", ephemeral + recipient)
    root = AESGCM(key).decrypt(bytes(12), wrapped := bytes.fromhex(slot["wrapped"]), about.encode())
    mac = hmac.digest(derive(root, "holdall slot proof"), about.encode() + b"\n" + wrapped, "sha256")
    assert mac.hex() == slot["proof"], "a forged slot"
    return root


def keyed(root: bytes, purpose: str, data: bytes) -> bytes:  # "Encryption"
    return blake3(data, key=blake3(root, derive_key_context=f"holdall 2026-11-28 {purpose}").digest()).digest()


def pack(path: Path) -> dict[int, Row]:
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
    if codec == 0:
        return data
    if codec == 1:
        frame = zstandard.get_frame_parameters(data)
        assert data[:4] == b"\x28\xb5\x2f\xfd" and not frame.dict_id and frame.content_size == raw, "a wrong zstd frame"
        return zstandard.ZstdDecompressor().decompress(data, allow_extra_data=False)
    item, head, tail, bitmap = data[:4]
    assert codec == 2 and item in (2, 4, 8) and head < item > tail and not bitmap >> item, "a wrong header of planes"
    sizes, body, out = struct.unpack_from(f"<{item}I", data, 4), BytesIO(data[4 + 4 * item :]), bytearray(raw)
    count, rest = divmod(raw - head - tail, item)
    out[:head], out[raw - tail :] = body.read(head), body.read(tail)
    for plane, size in enumerate(sizes):
        out[head + plane : raw - tail : item] = decode(body.read(size), count, bitmap >> plane & 1)
    assert rest == 0 and len(out) == raw and not body.read(), "wrong lengths of planes"
    return bytes(out)


class Table(BytesIO):
    def take(self, layout: str) -> Row:
        return struct.unpack("<" + layout, self.read(struct.calcsize("<" + layout)))

    def text(self) -> bytes:
        return bytes(self.take(f"{self.take('H')[0]}s")[0])

    def places(self, count: int, carrier: Any) -> None:
        found, own = [self.take("16sQ") for _ in range(count)], carrier if isinstance(carrier, int) else -1
        self.place = [f"{s.hex()}-{n:08x}" if any(s) else own if n == LAST else n for s, n in found]

    def ref(self) -> Row:
        id, place, *rest = self.take("32s4IB")
        return (f"blake3:{id.hex()}", self.place[place], *rest)


def node_of(public: bytes, secret: bytes) -> bytes:  # of its two parts
    level, places, count = public[4], *struct.unpack_from("<II", public, 8)
    refs, rows, out = Table(public[16 + 24 * places :]), Table(secret), b"HFT1" + public[4 : 16 + 24 * places]
    for _ in range(count):
        out += struct.pack("<H", len(path := rows.text())) + path + (told := b"" if level else rows.read(2))
        if told[:1] == b"\1":
            out += struct.pack("<H", len(target := rows.text())) + target
        elif told[:1] == b"\0":
            out += (file := rows.read(40)) + (refs.read(50) if any(file[:8]) else rows.read(1))
        out += refs.read(49) if level else b""
    assert not refs.read() and not rows.read(), "the two parts of a node do not fit"
    return out


class Store:
    def __init__(self, root: Path, secret: str) -> None:
        self.root, (about, _) = root, document((root / "holdall.json").read_bytes())
        assert all(about[field] == value for field, value in KNOWN.items()), f"{about} is unknown"
        self.keys, self.cipher = self.roots(store := about["store"], secret), CIPHERS[about["cipher"]]
        assert derive(self.keys[-1], f"holdall root proof\n{store}\n0").hex() == about["root_proof"], "another's root"

    def roots(self, store: str, secret: str) -> list[bytes]:
        newest = max([0, *(int(path.name, 16) for path in self.root.glob("keys/roots/*"))])
        kind, found = "recipient" if secret.startswith("AGE-SECRET-KEY-1") else "passphrase", list[bytes]()
        for path in sorted(self.root.glob("keys/slots/" + "[0-9a-f]" * 8)):
            slot, _ = document(path.read_bytes(), 64 << 10)
            assert (slot["store"], f"{slot['slot']:08x}") == (store, path.name), f"{path} is another slot"
            fits = (slot["kind"], slot["epoch"]) == (kind, newest) and not Path(f"{path}-revoked").exists()
            with suppress(InvalidTag):
                found = found or ([root_in(slot, secret)] if fits else [])
        assert found, "no slot is opened by this"
        for epoch in range(newest, 0, -1):
            told, _ = document((self.root / f"keys/roots/{epoch:08x}").read_bytes())
            assert (told["store"], told["epoch"]) == (store, epoch), "a root of another store or epoch"
            info = f"holdall older root\n{store}\n{epoch}"
            aead = AESGCM(derive(found[-1], info))
            found.append(aead.decrypt(bytes(12), bytes.fromhex(told["older"]), info.encode()))
        return found

    def opened(self, purpose: str, about: bytes, sealed: bytes, added: bytes | None = None) -> bytes:
        for root in self.keys:
            with suppress(InvalidTag):
                return bytes(self.cipher(keyed(root, purpose, about)).decrypt(sealed[:12], sealed[12:], added))
        raise AssertionError(f"no key opens {about!r}")

    def entry(self, key: str) -> tuple[Json, str]:
        data = (self.root / key).read_bytes()
        end = data.index(b"\n", data.index(b"\n") + 1) + 1
        public, digest = document(data[:end], 8 * MIB)
        if end == len(data):  # plain
            assert public["n"] and all(op["op"] in ("fence", "close") for op in public["ops"]), f"{key} is not sealed"
            return public, digest
        assert data[-32:] == blake3(data[:-32]).digest(), f"{key} is damaged"
        frame = self.opened("documents", key.encode(), data[end:-32], data[: data.index(b"\n")])
        found, digest = document(zstandard.ZstdDecompressor().decompress(frame, max_output_size=4 * MIB))
        same = all(public[field] == found[field] for field in ("log", "n", "prev", "time", "writer", "state_at"))
        assert same and digest == public["sha256"], f"{key} says two things"
        return found, digest

    def log(self, log: str) -> list[Json]:
        self.entries, prev, state_at = list[Json](), None, None
        for n, path in enumerate(sorted((self.root / log / "log").glob("[0-9a-f]" * 16), reverse=True)):
            entry, digest = self.entry(f"{log}/log/{path.name}")
            state_at = n if "state" in entry else state_at
            said = [path.name, *(entry[field] for field in ("log", "n", "prev", "state_at"))]
            assert said == [f"{LAST - n:016x}", log, n, prev, state_at], f"{path} says {said}"
            self.entries, prev = [*self.entries, entry], digest
        return self.entries

    def blob(self, kind: int, ref: Row) -> bytes:
        id, place, offset, stored, raw, codec = ref
        name = bytes.fromhex(id.removeprefix("blake3:"))
        assert 0 < raw <= {CHUNK: 16, NODE: 1}.get(kind, 256) * MIB and stored <= raw + 64, f"{id} is of {raw} bytes"
        if isinstance(place, str):
            data, *row = pack(self.root / "packs" / place[:2] / place)[offset]
            assert data[0] == kind, f"{place} has another kind of blob there"
            end, public = 1, b""
            if magic := {RECIPE: b"HFRS", NODE: b"HFTS"}.get(kind):
                end = 5 + struct.unpack_from("<I", data, 1)[0] + 16
                assert data[end - 16 : end] == blake3(data[: end - 16]).digest()[:16], "a public part is damaged"
                if (public := data[5 : end - 16])[:4] != magic:
                    public = decode(public, zstandard.get_frame_parameters(public).content_size, 1)
                assert public[:4] == magic, "a public part of an unknown magic"
            added = struct.pack("<BBI", kind, codec, raw) + data[: end if public else 0]
            out = decode(self.opened("blobs", name, data[end:], added), raw - len(public), codec)
            out = node_of(public, out) if kind == NODE else b"HFR1" + public[4:8] + out + public[8:] if public else out
        else:
            assert 0 <= place <= self.now and offset >= 0, f"entry {self.now} refers to {place}"
            inline = self.entries[place]["blobs"][offset]
            data = base64.b64decode(inline["data"], validate=True)
            row = [inline["id"], len(data), inline["raw"], inline["codec"], inline["kind"]]
            out = decode(data, raw, codec)
        known = any(keyed(root, "blob ids", out) == name for root in self.keys)
        assert row == [id, stored, raw, codec, kind] and len(out) == raw and known, f"{id} is not what it was"
        return out

    def file(self, size: int, digest: bytes, content: int, *ref: Any) -> str:
        data = self.blob(content - 1, ref) if content else b""
        if content == RECIPE + 1:
            table, out = Table(data), []
            *head, places, extents, chunks = table.take("4sBBHQ32s3I")
            assert head == [b"HFR1", 1, 1, 0, size, digest], f"a recipe begins with {head}"
            table.places(places, None)
            for place, at, count in [table.take("3I") for _ in range(extents)]:
                for id, *row in [table.take("32sIIB") for _ in range(count)]:
                    out.append(self.blob(CHUNK, (f"blake3:{id.hex()}", table.place[place], at, *row)))
                    at += row[0]
            assert len(out) == chunks > 0 and not table.read(), "a recipe counts wrong"
            data = b"".join(out)
        assert len(data) == size and hashlib.sha256(data).digest() == digest, "a file is not what it was"
        return digest.hex()

    def tree(self, ref: Row, at: int | None = None, first: bytes | None = None) -> list[tuple[bytes, Row]]:
        table, out = Table(self.blob(NODE, ref)), []
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
            assert kind <= 2 and flags <= (kind == 0), f"{path!r} is of kinds {kind, flags}"
            entry: Row = ("link", table.text().decode()) if kind == 1 else ("directory",)
            if kind == 0:
                entry = ("file", (*(file := table.take("Q32sB")), *(table.ref() if file[2] else ())), flags == 1)
            out.append((path, entry))
        assert not table.read(), "a node is too long"
        return out

    def ref(self, said: Json) -> Row:
        place = (said["pack"], said["offset"]) if "pack" in said else (said.get("entry", self.now), said["blob"])
        return (said["id"], *place, said["stored"], said["raw"], said["codec"])

    def paths(self, ref: Json | None) -> dict[str, Row]:
        found = self.tree(self.ref(ref)) if ref else []
        order = [path.replace(b"/", b"\0") for path, _ in found]
        wrong = [path for path, _ in found if {b"", b".", b".."} & {*path.split(b"/")}]
        assert order == sorted({*order}) and not wrong, "paths out of order, or such as lead elsewhere"
        return {path.decode(): entry for path, entry in found}

    def fold(self, start: int) -> Json:
        self.now, state = start, self.entries[start].get("state", {}) if start else {}
        facts = json.loads(self.blob(FACTS, self.ref(state["facts"]))) if state.get("facts") else state
        told: Json = {of: dict(facts.get(of, {})) for of in ("params", "tags", "metrics")}
        held = self.paths(state.get("tree"))
        for n in range(start, len(self.entries)):
            self.now = n
            for op in self.entries[n]["ops"]:
                assert op["op"] in OPS.split() or op["op"].startswith("x-"), f"operation {op['op']!r} is unknown"
                match op:
                    case {"op": "commit", "tree": tree}:
                        held |= self.paths(tree)
                    case {"op": "remove", "paths": tops}:
                        held = {p: e for p, e in held.items() if not any(f"{p}/".startswith(f"{t}/") for t in tops)}
                    case {"op": "param" | "tag" as of, "key": key, "value": value}:
                        told[f"{of}s"].pop(key, None)
                        told[f"{of}s"] |= {} if value is None else {key: value}
                    case {"op": "metric", "points": points}:
                        for key, *point in points:
                            *last, count = told["metrics"].get(key, [*point, 0])
                            told["metrics"][key] = [*max(point, last, key=lambda at: [*map(int, at[1:])]), count + 1]
        paths = {path: [self.file(*e[1]), *e[2:]] if e[0] == "file" else [*e] for path, e in held.items()}
        return {**told, "paths": paths}

    def run(self, id: str) -> Json:
        found = self.fold(self.log(f"runs/{id}")[-1]["state_at"] or 0)
        assert self.fold(0) == found, f"run {id} reads in two ways"
        return found

    def logs(self, sort: str, said: str) -> Json:
        found = {}
        for path in self.root.glob(f"{sort}/*"):
            found[path.name] = ops = [op for entry in self.log(f"{sort}/{path.name}") for op in entry["ops"]]
            named = keyed(self.keys[-1], "names", f"{said} {ops[0]['name']}".encode()).hex()
            assert path.name in (named[:16], f"~{named}") or sort == "models", f"{path} is of another name"
        return found


if __name__ == "__main__":
    store = Store(Path(sys.argv[1]), sys.argv[2])
    told = {sort: store.logs(sort, sort[:-1].replace("name", "model")) for sort in ("experiments", "models", "names")}
    told["runs"] = {path.name: store.run(path.name) for path in store.root.glob("runs/*")}
    print(json.dumps(told, ensure_ascii=False, sort_keys=True))
