"""One entry of a log: numbered, chained to the one before, and created once.

SPEC.md, "Logs". What its operations mean is `ops.py`; what they amount to, `state.py`.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from holdall.errors import FormatError, UnsupportedFeatureError
from holdall.format import digest
from holdall.format.document import MAX_DOCUMENT, Json, count_of, encode_document, parse_document
from holdall.format.layout import MODELS, RUNS
from holdall.format.ops import belonging, check_op
from holdall.format.reference import InEntry, Ref, check_lengths

MAX_ENTRY: Final = MAX_DOCUMENT
UNKNOWN: Final = "0" * 64  # the `prev` of an entry whose writer found the one before it damaged
MAX_INLINE: Final = 16 << 20  # bytes that an entry's inline blobs decode to


@dataclass(frozen=True, slots=True)
class InlineBlob:
    """A blob that a log entry carries: id, codec, decoded length in bytes, kind, stored bytes."""

    id: bytes
    codec: int
    raw: int
    kind: int
    data: bytes

    def ref(self, index: int) -> Ref:
        """Return the reference to it from its own entry."""
        return Ref(self.id, InEntry(None), index, len(self.data), self.raw, self.codec)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry of a log, as it was written.

    Attributes:
        log, n: Which log, which number.
        write_id: Hex; tells a writer its own entry from a rival's.
        prev: Hex digest of the entry before; None for entry 0; `UNKNOWN` behind a damaged one.
        time: Milliseconds since 1970 UTC by the writer's clock. It only informs.
        writer: Program and version.
        state_at: Number of the newest entry up to this one that carries a checkpoint.
        ops: What it does, in order.
        blobs: What it carries inline.
        state: Its checkpoint, the state before this entry; None where it carries none.
        checkpoint: The one of a registered model's log, as it stands there (`model_checkpoint.py`).
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
    checkpoint: Json | None = None

    @property
    def purges(self) -> bool:
        """Return whether it purges its run. If it is the newest of its log, nothing else of that is taken."""
        return any(op["op"] == "purge" for op in self.ops)


def encode_entry(entry: LogEntry) -> bytes:
    """Return the document of a log entry. Raises: FormatError, for an entry that no reader would accept."""
    check_ops(entry.ops, entry.log, entry.n, f"{entry.log} entry {entry.n}")
    data = _document(entry)
    if len(data) > MAX_ENTRY:
        raise FormatError(f"{entry.log} entry {entry.n}", f"{len(data)} bytes are more than an entry may have")
    return data


def fits(entry: LogEntry) -> bool:
    """Return whether an entry is no longer than one may be."""
    return len(_document(entry)) <= MAX_ENTRY


def _document(entry: LogEntry) -> bytes:
    body: Json = {name: getattr(entry, name) for name in _ENTRY_FIELDS} | {"ops": list(entry.ops)}
    if entry.blobs:
        body["blobs"] = [_blob_to_json(blob) for blob in entry.blobs]
    if entry.state is not None:
        body["state"] = entry.state
    if entry.checkpoint is not None:
        body["checkpoint"] = entry.checkpoint
    return encode_document(body)


def parse_entry(data: bytes, log: str, n: int) -> LogEntry:
    """Return entry n of a log.

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
    if state_at is not None and not 0 <= count_of(body, "state_at", what) <= n:
        raise FormatError(what, f"its state_at is {state_at}")
    if not isinstance(ops, list) or not isinstance(state, dict | None) or (state is not None) != (state_at == n):
        raise FormatError(what, "its ops are no list, or its state is not where it says")
    if state_at is not None and (not log.startswith(RUNS) or (state is not None and not n)):
        raise FormatError(what, "it carries or names a state, and begins a log or is not of a run")
    check_ops(ops, log, n, what)
    _check_order(state, n, what)
    blobs = body.get("blobs", [])
    if not isinstance(blobs, list) or not isinstance(body.get("writer"), str):
        raise FormatError(what, "its blobs are no list, or it names no writer")
    time = count_of(body, "time", what)
    inline = tuple(_blob_from_json(blob, what) for blob in blobs)
    if sum(blob.raw for blob in inline) > MAX_INLINE:
        raise FormatError(what, f"its inline blobs decode to more than {MAX_INLINE} bytes")
    own = body["write_id"], prev, time, body["writer"], state_at
    found = body.get("checkpoint") if log.startswith(MODELS) else None  # elsewhere it is a field that nobody knows
    checkpoint = found if isinstance(found, dict) else None
    return LogEntry(log, n, *own, tuple(ops), inline, state, sha256, checkpoint)


def check_ops(ops: Sequence[object], log: str, n: int, what: str) -> None:
    """Check each operation of entry n, and that `create` is the first one of entry 0 and nowhere else.

    Raises:
        FormatError: One is not what it should be.
        UnsupportedFeatureError: One is of a later version.
    """
    allowed = belonging(log)
    for i, op in enumerate(ops):
        if (check_op(op, what, of_model=log.startswith(MODELS), allowed=allowed) == "create") != (n == i == 0):
            raise FormatError(what, "operation create is not the first of entry 0, or is missing there")
        _check_order(op, n, what)
    if n == 0:
        _check_create(ops[0] if ops else None, log, what)


def _check_create(op: object, log: str, what: str) -> None:
    """Check that a run's log begins with its experiment, as its id does, and any other log with a name."""
    experiment = op.get("experiment") if isinstance(op, dict) else None
    if not isinstance(op, dict) or log.startswith(RUNS) != isinstance(experiment, str):
        raise FormatError(what, "it does not begin with what the log is of")
    if experiment and experiment[:8] != log[len(RUNS) :][:8]:
        raise FormatError(what, f"experiment {experiment} has no run of this id")


def _check_order(body: object, n: int, what: str) -> None:
    """Check that an operation or checkpoint refers to no later entry."""
    for name in ("tree", "versions", "environment", "facts"):
        ref = body.get(name) if isinstance(body, dict) else None
        entry = ref.get("entry", n) if isinstance(ref, dict) else n
        if isinstance(entry, int) and entry > n:
            raise FormatError(what, f"its {name} is in entry {entry}")


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
    except ValueError as error:  # binascii's is one; a text that is not ASCII raises the plain one
        raise FormatError(what, f"an inline blob is not base64: {error}") from error
    codec, raw, kind = (count_of(body, name, what) for name in ("codec", "raw", "kind"))
    check_lengths(len(data), raw, what, kind)
    return InlineBlob(digest.parse(digest.BLAKE3, body.get("id"), what), codec, raw, kind, data)
