"""The small objects of a store: what it is, its canary, its hints, its garbage generations.

SPEC.md, "Descriptor and canary", "Hints" and "Garbage". The entries of logs are in `entry.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from holdall.errors import FormatError, UnsupportedFeatureError
from holdall.format import digest
from holdall.format.chunking import Chunker
from holdall.format.document import count_of, encode_document, parse_document
from holdall.format.layout import PackName
from holdall.format.sealing import CIPHERS

SEALED: Final = "sealed"  # the reader feature of an encrypted store
KEYED: Final = "blake3-keyed"
MOST_CONDEMNED: Final = 90_000  # packs of a garbage generation: its documents have 4 MiB at most


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A store's descriptor: its id (hex), time of creation (ms), chunker, size of packs (bytes), writer features.

    Of an encrypted store also its AEAD, and what proves its first root key; both are empty of any other.
    """

    store: str
    created: int
    chunker: Chunker = field(default_factory=Chunker)
    pack_size: int = 32 << 20
    writer_features: tuple[str, ...] = ()
    cipher: str = ""
    proof: str = ""

    @property
    def sealed(self) -> bool:
        """Return whether the store is encrypted."""
        return bool(self.cipher)


def encode_descriptor(descriptor: Descriptor) -> bytes:
    """Return the document `holdall.json`."""
    chunker = descriptor.chunker
    sizes = {"min": chunker.min, "average": chunker.average, "max": chunker.max}
    return encode_document(
        {
            "format": 1,
            "store": descriptor.store,
            "created": descriptor.created,
            "reader_features": [SEALED] if descriptor.sealed else [],
            "writer_features": list(descriptor.writer_features),
            "chunk_id": KEYED if descriptor.sealed else digest.BLAKE3,
            "file_id": digest.SHA256,
            "chunker": {"name": "fastcdc2020"} | sizes,
            "pack_size": descriptor.pack_size,
        }
        | ({"cipher": descriptor.cipher, "root_proof": descriptor.proof} if descriptor.sealed else {})
    )


def parse_descriptor(data: bytes) -> Descriptor:
    """Return the descriptor in these bytes.

    Raises:
        FormatError: It is damaged.
        UnsupportedFeatureError: The store needs a reader of a later version.
    """
    what = "holdall.json"
    body, _ = parse_document(data, what)
    sealed = body.get("reader_features") == [SEALED]
    known = {"format": 1, "chunk_id": KEYED if sealed else digest.BLAKE3, "file_id": digest.SHA256}
    for name, value in known.items():
        if body.get(name) != value or isinstance(body[name], bool | float):
            raise UnsupportedFeatureError(what, f"{name} {body.get(name)}")
    chunker = body.get("chunker")
    if not isinstance(chunker, dict):
        raise FormatError(what, "it names no chunker")
    if chunker.get("name") != "fastcdc2020":
        raise UnsupportedFeatureError(what, f"chunker {chunker.get('name')}")
    features = {name: body.get(name) for name in ("reader_features", "writer_features")}
    for name, listed in features.items():
        if not isinstance(listed, list) or not all(isinstance(feature, str) for feature in listed):
            raise FormatError(what, f"{name} is not a list of names")
    for feature in body["reader_features"]:
        if feature != SEALED:
            raise UnsupportedFeatureError(what, f"reader feature {feature}")
    if sealed and body.get("cipher") not in CIPHERS:
        raise UnsupportedFeatureError(what, f"cipher {body.get('cipher')}")
    try:
        digest.parse_hex(body.get("store"), 16, what)
        sizes = Chunker(*(count_of(chunker, name, what) for name in ("min", "average", "max")))
        pack_size = count_of(body, "pack_size", what)
        if not 4096 <= pack_size <= 512 << 20:
            raise ValueError(f"pack_size {pack_size} is out of bounds")
    except ValueError as error:
        raise FormatError(what, str(error)) from error
    created = count_of(body, "created", what)
    of_keys = (body["cipher"], digest.parse_hex(body.get("root_proof"), 32, what).hex()) if sealed else ("", "")
    return Descriptor(body["store"], created, sizes, pack_size, tuple(body["writer_features"]), *of_keys)


def encode_canary(store: str) -> bytes:
    """Return the canary: a document that the bucket must refuse to create twice."""
    return encode_document({"canary": store})


def encode_hint(chunk: bytes, pack: PackName) -> bytes:
    """Return the hint that a pack holds a chunk."""
    return encode_document({"chunk": digest.show(digest.BLAKE3, chunk), "pack": str(pack)})


def parse_hint(data: bytes, chunk: bytes) -> PackName:
    """Return the pack that a hint for this chunk names."""
    what = f"hint for {chunk.hex()}"
    body, _ = parse_document(data, what)
    if digest.parse(digest.BLAKE3, body.get("chunk"), what) != chunk:
        raise FormatError(what, "it names another chunk")
    return PackName.parse(body.get("pack"), what)


def parse_generation(data: bytes, generation: int, word: str) -> frozenset[PackName]:
    """Return the packs that a garbage generation condemned; by its `verdict` and `done`, will delete or deleted."""
    what = f"garbage generation {generation}, {word}"
    body, _ = parse_document(data, what)
    packs = body.get("deleted" if word == "done" else "packs")
    if count_of(body, "generation", what) != generation or not isinstance(packs, list):
        raise FormatError(what, "it is not what its key says")
    if len(packs) > MOST_CONDEMNED:
        raise FormatError(what, f"{len(packs)} packs are more than a generation may have")
    return frozenset(PackName.parse(pack, what) for pack in packs)


def quarantine_end(data: bytes, generation: int) -> int:
    """Return until when a `condemn` asks that its verdict wait, in ms by the server's clock; 0 if it does not."""
    what = f"garbage generation {generation}, condemn"
    body, _ = parse_document(data, what)
    return count_of(body, "until", what) if "until" in body else 0


def encode_generation(generation: int, word: str, packs: Sequence[PackName], until: int = 0) -> bytes:
    """Return what a collector writes of a generation: its `condemn`, `verdict` or `done`.

    Args:
        generation: Its number.
        word: Which of the three.
        packs: What it names.
        until: Of a `condemn`: until when its verdict is to wait; 0 if it need not.

    Raises:
        ValueError: These are more packs than a generation may have.
    """
    if len(packs) > MOST_CONDEMNED:
        raise ValueError(f"{len(packs)} packs are more than the {MOST_CONDEMNED} of a garbage generation")
    names = [str(pack) for pack in sorted(packs)]
    body = {"generation": generation, "deleted" if word == "done" else "packs": names}
    return encode_document(body | ({"until": until} if until else {}))
