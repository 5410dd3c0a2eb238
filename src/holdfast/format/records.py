"""Documents, and the log entries among them.

    {"log":"runs/...","n":7,...,"ops":[...]}
    {"sha256":"..."}

Two lines of JSON: the second is the SHA-256 of the first's bytes, so that
nothing is ever re-serialised to be checked, and the newest entry of a log,
which no later one chains to, is protected too. SPEC.md, 2, 3, 9, 11 and 12.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from holdfast.errors import FormatError, UnsupportedFeatureError
from holdfast.format import digest
from holdfast.format.chunking import Chunker
from holdfast.format.layout import PackName
from holdfast.format.reference import InEntry, Ref, check_lengths, ref_from_json

MAX_DOCUMENT: Final = 64 << 20
MAX_ENTRY: Final = 4 << 20
Json = dict[str, Any]


# --- documents ------------------------------------------------------------------


def encode_document(body: Mapping[str, Any]) -> bytes:
    """The two lines of a document."""
    first = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    return b"%s\n%s\n" % (first, _second_line(first))


def parse_document(data: bytes, what: str) -> tuple[Json, str]:
    """The body of a document and the hex of its digest.

    Raises:
        FormatError: Some byte of it is not what was written.
    """
    lines = data.split(b"\n") if len(data) <= MAX_DOCUMENT else []
    if len(lines) != 3 or lines[2]:
        raise FormatError(what, "it is not a document of two lines")
    if lines[1] != _second_line(lines[0]):
        raise FormatError(what, "its second line is not the digest of its first")
    try:
        body = json.loads(lines[0], parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise FormatError(what, f"its first line is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise FormatError(what, "its first line is not a JSON object")
    return body, digest.sha256(lines[0]).hex()


def _second_line(first: bytes) -> bytes:
    return b'{"sha256":"%s"}' % digest.sha256(first).hex().encode()


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


# --- descriptor, canary, hints, generations -----------------------------------------


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What a store is: its id (hex), when it was made (ms), how it cuts, how large its packs are (bytes)."""

    store: str
    created: int
    chunker: Chunker = Chunker()
    pack_size: int = 32 << 20
    writer_features: tuple[str, ...] = ()


def encode_descriptor(descriptor: Descriptor) -> bytes:
    """The document `holdfast.json`."""
    chunker = descriptor.chunker
    sizes = {"min": chunker.min, "average": chunker.average, "max": chunker.max}
    return encode_document(
        {
            "format": 1,
            "store": descriptor.store,
            "created": descriptor.created,
            "reader_features": [],
            "writer_features": list(descriptor.writer_features),
            "chunk_id": digest.BLAKE3,
            "file_id": digest.SHA256,
            "chunker": {"name": "fastcdc2020"} | sizes,
            "pack_size": descriptor.pack_size,
        }
    )


def parse_descriptor(data: bytes) -> Descriptor:
    """The descriptor in these bytes.

    Raises:
        FormatError: It is damaged.
        UnsupportedFeatureError: The store needs a reader of a later version.
    """
    what = "holdfast.json"
    body, _ = parse_document(data, what)
    chunker = body.get("chunker")
    if not isinstance(chunker, dict):
        raise FormatError(what, "it names no chunker")
    known = {"format": 1, "chunk_id": digest.BLAKE3, "file_id": digest.SHA256}
    for name, value in known.items():
        if body.get(name) != value:
            raise UnsupportedFeatureError(what, f"{name} {body.get(name)}")
    if chunker.get("name") != "fastcdc2020":
        raise UnsupportedFeatureError(what, f"chunker {chunker.get('name')}")
    features = {name: body.get(name) for name in ("reader_features", "writer_features")}
    for name, listed in features.items():
        if not isinstance(listed, list) or not all(isinstance(feature, str) for feature in listed):
            raise FormatError(what, f"{name} is not a list of names")
    for feature in body["reader_features"]:
        raise UnsupportedFeatureError(what, f"reader feature {feature}")
    try:
        digest.parse_hex(body.get("store"), 16, what)
        sizes = Chunker(*(_integer(chunker, name, what) for name in ("min", "average", "max")))
        pack_size = _integer(body, "pack_size", what)
        if not 4096 <= pack_size <= 1 << 30:
            raise ValueError(f"pack_size {pack_size} is out of bounds")
    except ValueError as error:
        raise FormatError(what, str(error)) from error
    created = _integer(body, "created", what)
    return Descriptor(body["store"], created, sizes, pack_size, tuple(body["writer_features"]))


def encode_canary(store: str) -> bytes:
    """The document that must not be possible to create twice."""
    return encode_document({"canary": store})


def encode_hint(chunk: bytes, pack: PackName) -> bytes:
    """The document that says which pack holds a chunk."""
    return encode_document({"chunk": digest.show(digest.BLAKE3, chunk), "pack": str(pack)})


def parse_hint(data: bytes, chunk: bytes) -> PackName:
    """The pack that a hint for this chunk names."""
    what = f"hint for {chunk.hex()}"
    body, _ = parse_document(data, what)
    if digest.parse(digest.BLAKE3, body.get("chunk"), what) != chunk:
        raise FormatError(what, "it speaks of another chunk")
    return PackName.parse(body.get("pack"), what)


def parse_generation(data: bytes, generation: int, word: str) -> frozenset[PackName]:
    """The packs that a garbage generation condemned, or deleted when the word is `done`."""
    what = f"garbage generation {generation}, {word}"
    body, _ = parse_document(data, what)
    packs = body.get("deleted" if word == "done" else "packs")
    if body.get("generation") != generation or not isinstance(packs, list):
        raise FormatError(what, "it is not what its key says")
    return frozenset(PackName.parse(pack, what) for pack in packs)


def encode_generation(generation: int, word: str, packs: Sequence[PackName]) -> bytes:
    """What a collector writes of a generation: `condemn` or `done`."""
    names = [str(pack) for pack in sorted(packs)]
    return encode_document({"generation": generation, "deleted" if word == "done" else "packs": names})


# --- log entries ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InlineBlob:
    """A blob that a log entry carries: id, codec, decoded length in bytes, kind, stored bytes."""

    id: bytes
    codec: int
    raw: int
    kind: int
    data: bytes

    def ref(self, index: int) -> Ref:
        """The reference to it from its own entry."""
        return Ref(self.id, InEntry(None), index, len(self.data), self.raw, self.codec)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry of a log, as it was written.

    Attributes:
        log, n: Which log, which number.
        write_id: Hex; tells a writer its own entry from a rival's.
        prev: Hex digest of the entry before; None for entry 0.
        time: Milliseconds since 1970 UTC by the writer's clock. It only informs.
        writer: Program and version.
        state_at: Number of the newest entry up to this one that carries a state.
        ops: What it does, in order.
        blobs: What it carries inline.
        state: What the entries before it amount to, where it says so.
        sha256: Hex digest of this entry; empty until it is encoded.
    """

    log: str
    n: int
    write_id: str
    prev: str | None
    time: int
    writer: str
    state_at: int | None
    ops: tuple[Json, ...]
    blobs: tuple[InlineBlob, ...] = ()
    state: Json | None = None
    sha256: str = ""


def encode_entry(entry: LogEntry) -> bytes:
    """The document of a log entry. A writer's own mistake is a FormatError here, not in the bucket."""
    body: Json = {name: getattr(entry, name) for name in _ENTRY_FIELDS} | {"ops": list(entry.ops)}
    for op in entry.ops:
        _check_op(op, entry.log)
    if entry.blobs:
        body["blobs"] = [_blob_to_json(blob) for blob in entry.blobs]
    if entry.state is not None:
        body["state"] = entry.state
    data = encode_document(body)
    if len(data) > MAX_ENTRY:
        raise FormatError(f"{entry.log} entry {entry.n}", f"{len(data)} bytes are more than an entry may have")
    return data


def parse_entry(data: bytes, log: str, n: int) -> LogEntry:
    """Entry n of a log.

    Raises:
        FormatError: It is damaged, or another entry.
        UnsupportedFeatureError: It holds an operation of a later version.
    """
    what = f"{log} entry {n}"
    if len(data) > MAX_ENTRY:
        raise FormatError(what, f"{len(data)} bytes are more than an entry may have")
    body, sha256 = parse_document(data, what)
    if "sealed" in body:
        raise UnsupportedFeatureError(what, "sealed entries")
    if body.get("log") != log or type(body.get("n")) is not int or body["n"] != n:
        raise FormatError(what, f"it says that it is {body.get('log')} entry {body.get('n')}")
    digest.parse_hex(body.get("write_id"), 16, what)
    prev, state_at, ops, state = (body.get(name) for name in ("prev", "state_at", "ops", "state"))
    if (n == 0) != (prev is None) or (prev is not None and not digest.parse_hex(prev, 32, what)):
        raise FormatError(what, "its prev is not the digest of an entry")
    if state_at is not None and not 0 <= _integer(body, "state_at", what) <= n:
        raise FormatError(what, f"its state_at is {state_at}")
    if not isinstance(ops, list) or not isinstance(state, dict | None) or (state is not None) != (state_at == n):
        raise FormatError(what, "its ops are no list, or its state is not where it says")
    for op in ops:
        _check_op(op, what)
    blobs = body.get("blobs", [])
    if not isinstance(blobs, list) or not isinstance(body.get("writer"), str):
        raise FormatError(what, "its blobs are no list, or it names no writer")
    time = _integer(body, "time", what)
    inline = tuple(_blob_from_json(blob, what) for blob in blobs)
    return LogEntry(
        log, n, body["write_id"], prev, time, body["writer"], state_at, tuple(ops), inline, state, sha256
    )


_ENTRY_FIELDS: Final = ("log", "n", "write_id", "prev", "time", "writer", "state_at")


def _blob_to_json(blob: InlineBlob) -> Json:
    data = base64.b64encode(blob.data).decode()
    name = digest.show(digest.BLAKE3, blob.id)
    return {"id": name, "codec": blob.codec, "raw": blob.raw, "kind": blob.kind, "data": data}


def _blob_from_json(body: object, what: str) -> InlineBlob:
    if not isinstance(body, dict) or not isinstance(body.get("data"), str):
        raise FormatError(what, "an inline blob holds no data")
    try:
        data = base64.b64decode(body["data"], validate=True)
    except binascii.Error as error:
        raise FormatError(what, f"an inline blob is not base64: {error}") from error
    codec, raw, kind = (_integer(body, name, what) for name in ("codec", "raw", "kind"))
    check_lengths(len(data), raw, what)
    return InlineBlob(digest.parse(digest.BLAKE3, body.get("id"), what), codec, raw, kind, data)


# --- operations -----------------------------------------------------------------


def _integer(body: Mapping[str, Any], name: str, what: str) -> int:
    value = body.get(name)
    if type(value) is not int or not 0 <= value < 2**53:
        raise FormatError(what, f"its {name} is {value!r}, not a count")
    return value


def number(value: object) -> float | None:
    """The float that a metric's value stands for, also where JSON has none; None if it is none."""
    if value in ("nan", "inf", "-inf"):
        return float(str(value))
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_text_or_null(value: object) -> bool:
    return value is None or isinstance(value, str)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**53


def _is_hex16(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{32}", value) is not None


def _is_tree(value: object) -> bool:
    return value is None or bool(ref_from_json(value, "commit"))


def _is_points(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(point, list)
        and len(point) == 4
        and isinstance(point[0], str)
        and number(point[1]) is not None
        and type(point[2]) is int
        and type(point[3]) is int
        for point in value
    )


STATUSES: Final = ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")
_COUNTS: Final = {name: _is_count for name in ("files", "bytes", "new_bytes", "stored_bytes")}

# name of an operation -> its fields, each with what its value must be
_OPS: Final = {
    "open": {"session": _is_hex16},
    "close": {"session": _is_hex16},
    "commit": {"tree": _is_tree} | _COUNTS,
    "param": {"key": _is_text, "value": _is_text},
    "metric": {"points": _is_points},
    "tag": {"key": _is_text, "value": _is_text_or_null},
    "status": {"status": STATUSES.__contains__},
    "fence": {"generation": _is_count},
    "pin": {"pin": _is_text, "by": _is_text},
    "unpin": {"pin": _is_text},
    "tombstone": {},
    "restore": {},
    "purge": {},
    "claim": {"id": _is_text},
    "release": {"id": _is_text},
}


def _check_op(op: object, what: str) -> None:
    """Refuse an operation that is unknown or lacks a field."""
    name = op.get("op") if isinstance(op, dict) else None
    if not isinstance(op, dict) or not isinstance(name, str):
        raise FormatError(what, f"{op!r} is not an operation")
    if name == "create":
        fields = {"experiment" if "experiment" in op else "name": _is_text}
    elif name in _OPS:
        fields = _OPS[name]
    elif name.startswith("x-"):
        return
    else:
        raise UnsupportedFeatureError(what, f"operation {name}")
    for field, good in fields.items():
        if field not in op or not good(op[field]):
            raise FormatError(what, f"operation {name} has {field} {op.get(field)!r}")
