"""A log entry of an encrypted store: what a collector needs in the open, and all of it sealed behind.

    {"log":..,"n":..,"prev":..,"sha256":..,"time":..,"writer":..,"state_at":..,"ops":[..],"blobs":[..],"state":..,"sealed":..}
    {"sha256":".."}
    nonce 12 | the plain entry, one zstd frame, sealed | BLAKE3-256 of all before it

The plain entry is the document that a store without encryption holds: whoever has the key parses that, and the first
line is authenticated with it. So is the place: the key of a document is derived from its key in the bucket. Whoever has
no key sees which trees, sessions and fences there are (`without_key`). What a collector writes without a key, `fence`
and `close`, is a plain entry. SPEC.md, "Encryption".
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import zstandard

from holdall.errors import FormatError
from holdall.format import digest
from holdall.format.codec import LEVEL, decode, frame_length
from holdall.format.digest import blob_id
from holdall.format.document import MAX_DOCUMENT, Json, encode_document, parse_document
from holdall.format.layout import RUNS
from holdall.format.sealed_blob import is_split
from holdall.format.sealing import NONCE, TAG, DomainKeys, public_head

MAX_SEALED: Final = 2 * MAX_DOCUMENT + (64 << 10)
_CHECK: Final = 32
_ZSTD: Final = 1
_PLAIN_OPS: Final = ("fence", "close")  # what may be said without a key

# of each operation that a collector needs, the fields that it needs
_PUBLIC: Final[dict[str, tuple[str, ...]]] = {
    "create": ("experiment", "paths"),
    "open": ("session",),
    "close": ("session",),
    "fence": ("generation",),
    "commit": ("tree",),
    "part": ("world", "attempt", "rank", "tree", "since"),
    "unpart": (),
    "environment": ("facts",),
    "tombstone": (),
    "restore": (),
    "purge": (),
}
_OF_STATE: Final = ("tree", "versions", "environment", "facts", "sessions", "fences", "experiment", "deleted", "purged")
_NONE: Final = dict.fromkeys(("files", "bytes", "new_bytes", "stored_bytes"), 0)  # what a collector is not told
_UNTOLD: Final[Json] = _NONE | {"inline": 0, "started": 0, "ended": None, "status": "RUNNING", "batches": []}
_OWN: Final = re.compile(rb'"sealed":"([0-9a-f]{16}) ')
_HEAD_END: Final = 2048  # within so many bytes of its public part an entry names the keys that sealed it
_HEAD: Final = ("log", "n", "prev", "time", "writer", "state_at")


def seal_entry(data: bytes, key: str, keys: DomainKeys, entropy: Callable[[int], bytes]) -> bytes:
    """Return the object that an encrypted store holds for a plain entry at a key of the bucket.

    Raises:
        FormatError: It is too long for what is sealed.
    """
    body, sha256 = parse_document(data, key)
    public = encode_document(_public(body, sha256, keys))
    frame = zstandard.ZstdCompressor(level=LEVEL, write_content_size=True).compress(data)
    nonce = entropy(NONCE)
    head: bytes = public + nonce + keys.document(key).encrypt(nonce, frame, _first_line(public))
    if len(head) + _CHECK > MAX_SEALED:
        raise FormatError(key, f"{len(head)} bytes are more than a sealed entry may have")
    return head + blob_id(head)


def is_sealed(data: bytes) -> bool:
    """Return whether an object is a sealed entry, rather than a document alone: that ends with its second line."""
    return _end_of_document(data) != len(data)


def open_entry(data: bytes, key: str, keys: Sequence[DomainKeys]) -> bytes:
    """Return the plain entry that an object holds.

    Raises:
        FormatError: It is damaged, or of another place, or no key of the store opens it; or it is plain, and says
            what may only be said sealed.
    """
    if not is_sealed(data):
        return _refuse_plain(data, key)
    public, tail = _parts(data, key)
    for each in _likeliest_first(public, keys):
        if (frame := _unsealed(each, key, tail, _first_line(public))) is not None:
            return _plain(frame, key)
    named = _OWN.search(public[:_HEAD_END])
    whose = f", nor is one there of experiment {named[1].decode()}, whose own it says it needs" if named else ""
    raise FormatError(key, f"no key of the store opens it here{whose}")


def _likeliest_first(public: bytes, keys: Sequence[DomainKeys]) -> list[DomainKeys]:
    """Return keys, those first that the public part names: it only informs, so any other may be the one."""
    said = public[:_HEAD_END]
    return sorted(keys, key=lambda each: f'"sealed":"{each.name}"'.encode() not in said)


def without_key(data: bytes, key: str) -> bytes:
    """Return a plain entry that says of an object what a collector may know without a key.

    Raises:
        FormatError: It is damaged, or plain and says what may only be said sealed.
    """
    if not is_sealed(data):
        return _refuse_plain(data, key)
    body, _ = parse_document(_parts(data, key)[0], key)
    blobs = body.get("blobs", [])
    if not isinstance(blobs, list) or not isinstance(body.get("ops"), list):
        raise FormatError(key, "what it says in the open is not a list")
    told: Json = {name: body.get(name) for name in _HEAD} | {"write_id": "0" * 32}
    told |= {"ops": [_told(op) for op in body["ops"]], "blobs": [_blob(blob, key) for blob in blobs]}
    if isinstance(state := body.get("state"), dict):
        told["state"] = _UNTOLD | {name: {} for name in ("params", "tags", "metrics", "pins")} | state
    return encode_document(told)


def public_sha256(data: bytes, key: str) -> str:
    """Return the digest of the plain entry that a sealed one names for its successor. Raises: FormatError."""
    body, sha256 = parse_document(_parts(data, key)[0] if is_sealed(data) else data, key)
    found = str(body.get("sha256") if is_sealed(data) else sha256)
    digest.parse_hex(found, 32, key)
    return found


def _public(body: Json, sha256: str, keys: DomainKeys) -> Json:
    """Return the first line of a sealed entry. The `write_id` is not in it: it keeps `sha256` from being guessed at."""
    public: Json = {name: body.get(name) for name in _HEAD} | {"sha256": sha256, "sealed": keys.name}
    of_run = str(body.get("log")).startswith(RUNS)
    public["ops"] = [_opened(op, keys) for op in body["ops"] if op["op"] in _PUBLIC] if of_run else []
    if of_run and body.get("blobs"):
        public["blobs"] = [_head_of(blob) for blob in body["blobs"]]
    if isinstance(state := body.get("state"), dict):
        public["state"] = {name: state[name] for name in _OF_STATE if name in state}
    return public


def _opened(op: Json, keys: DomainKeys) -> Json:
    public = {"op": op["op"]} | {name: op[name] for name in _PUBLIC[op["op"]] if name in op}
    return public | ({"group": keys.label(op["group"])} if "group" in op else {})


def _head_of(blob: Json) -> list[Any] | None:
    """Return of an inline recipe or node its length and its public part in base64; of another blob nothing."""
    if not is_split(blob["kind"]):
        return None
    data = decode(blob["codec"], base64.b64decode(blob["data"]), blob["raw"])
    return [blob["kind"], blob["raw"], base64.b64encode(public_head(blob["kind"], data)).decode()]


def _told(op: Any) -> Any:
    """Return a public operation with zeros where a plain one has counts."""
    return _NONE | op if isinstance(op, dict) and op.get("op") in ("commit", "part") else op


def _blob(blob: object, key: str) -> Json:
    """Return an inline blob in the form that a plain entry has, of which only the public part is there."""
    none: Json = {"id": digest.show(digest.BLAKE3, bytes(32)), "codec": 0, "raw": 1, "kind": 0, "data": "AA=="}
    if blob is None:
        return none
    if not isinstance(blob, list) or len(blob) != 3 or not isinstance(blob[2], str):
        raise FormatError(key, "what it says of an inline blob is none")
    return none | {"kind": blob[0], "raw": blob[1], "data": blob[2]}


def _refuse_plain(data: bytes, key: str) -> bytes:
    """Return a plain entry that says no more than may be said without a key. Raises: FormatError."""
    body, _ = parse_document(data, key)
    ops = body.get("ops")
    said = [op.get("op") if isinstance(op, dict) else None for op in ops] if isinstance(ops, list) else [None]
    if any(op not in _PLAIN_OPS for op in said) or "state" in body or "blobs" in body or body.get("n") == 0:
        raise FormatError(key, "it is not sealed, as all that a writer says in an encrypted store is")
    return data


def _parts(data: bytes, key: str) -> tuple[bytes, bytes]:
    """Return the document in front of a sealed entry, and what is behind it. Raises: FormatError."""
    end = _end_of_document(data)
    tail = data[end:-_CHECK]
    if not end or len(data) > MAX_SEALED or len(tail) <= NONCE + TAG or blob_id(data[:-_CHECK]) != data[-_CHECK:]:
        raise FormatError(key, "it is not a sealed entry, or a byte of it is not what was written")
    return data[:end], tail


def _end_of_document(data: bytes) -> int:
    """Return where the second line ends; 0 where there are no two."""
    first = data.find(b"\n")
    return data.find(b"\n", first + 1) + 1 if first >= 0 else 0


def _first_line(public: bytes) -> bytes:
    return public[: public.index(b"\n")]


def _unsealed(keys: DomainKeys, key: str, tail: bytes, bound: bytes) -> bytes | None:
    from cryptography.exceptions import InvalidTag

    try:
        found: bytes = keys.document(key).decrypt(tail[:NONCE], tail[NONCE:], bound)
    except InvalidTag:
        return None
    return found


def _plain(frame: bytes, key: str) -> bytes:
    length = frame_length(frame)
    if not 0 < length <= MAX_DOCUMENT:
        raise FormatError(key, f"what is sealed promises {length} bytes")
    return decode(_ZSTD, frame, length)
