"""Blobs of an encrypted store: what names them, and what closes and opens them.

One key for each blob, derived from its store's and from its id: so equal content is stored once, and no key ever closes
two contents. A content may be encoded in two ways, so each closing draws a nonce. What a collector needs stays public
(`sealed_blob.py`); it is authenticated for whoever has the key, and has a digest for whoever has not.

    u8 kind | [ u32 length | public part | BLAKE3 of all that, 16 bytes ] | nonce 12 | the secret part, sealed

A reader does not know which of its keys closed a blob: it tries them, and remembers the one that opened a session's
packs. `PLAIN` is what stores have that are not encrypted. SPEC.md, "Encryption".
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Protocol

from blake3 import blake3

from holdall.errors import FormatError
from holdall.format.codec import UNCOMPRESSED, ZSTD, decode, encode, frame_length
from holdall.format.digest import Bytes, blob_id
from holdall.format.encoder import Encoded
from holdall.format.layout import PackName
from holdall.format.reference import MAX_RECIPE, RECIPE, Ref, too_dense
from holdall.format.sealed_blob import PublicRef, is_split, join_parts, public_refs, split_parts
from holdall.libraries import library

AES, CHACHA = "aes-256-gcm", "chacha20-poly1305"
CIPHERS: Final = (AES, CHACHA)
NONCE, TAG = 12, 16
OVERHEAD: Final = 1 + NONCE + TAG  # bytes of a blob without a public part
_CHECK: Final = 16
_HEAD: Final = struct.Struct("<BI")
_BOUND: Final = struct.Struct("<BBI")  # what a blob is bound to besides its id: kind, codec, raw
_CONTEXT: Final = "holdall 2026-11-28 "  # of every key that is derived from a root


def derived(root: bytes, purpose: str) -> bytes:
    """Return the key of 32 bytes that a root has for a purpose: BLAKE3 in its mode for deriving keys."""
    return blake3(root, derive_key_context=_CONTEXT + purpose).digest()


def keyed(key: bytes, *parts: Bytes) -> bytes:
    """Return the keyed BLAKE3-256 of some bytes."""
    hasher = blake3(*parts[:1], key=key)
    for part in parts[1:]:
        hasher.update(part)
    return hasher.digest()


def aead(cipher: str, key: bytes) -> Any:
    """Return what seals and opens under a key of 32 bytes. Raises: MissingLibraryError."""
    ciphers = library("cryptography.hazmat.primitives.ciphers.aead", "an encrypted store", "cryptography")
    return ciphers.AESGCM(key) if cipher == AES else ciphers.ChaCha20Poly1305(key)


class DomainKeys:
    """The keys of one root: for the ids of blobs, for blobs, for documents. Within them content is stored once.

    Attributes: cipher, name (which root of the store, or of which experiment: not secret).
    """

    __slots__ = ("_blobs", "_documents", "_ids", "cipher", "name")

    def __init__(self, root: bytes, cipher: str, name: str) -> None:
        self._ids, self._blobs = derived(root, "blob ids"), derived(root, "blobs")
        self._documents = derived(root, "documents")
        self.cipher, self.name = cipher, name

    def __repr__(self) -> str:
        return f"DomainKeys({self.name})"

    def blob_id(self, *parts: Bytes) -> bytes:
        """Return the id of a blob, 32 bytes."""
        return keyed(self._ids, *parts)

    def label(self, text: str) -> str:
        """Return 64 hex digits that stand for a text that is secret, and are the same for the same one."""
        return keyed(self._documents, b"label ", text.encode()).hex()

    def blob(self, id: bytes) -> Any:
        """Return what seals and opens the blob of an id."""
        return aead(self.cipher, keyed(self._blobs, id))

    def document(self, key: str) -> Any:
        """Return what seals and opens the document at a key of the bucket."""
        return aead(self.cipher, keyed(self._documents, key.encode()))


class Sealing(Protocol):
    """How a store's blobs are named, closed and opened."""

    @property
    def sealed(self) -> bool:
        """Return whether they are closed at all."""
        ...

    def blob_id(self, *parts: Bytes) -> bytes:
        """Return the id that a writer gives to a blob."""
        ...

    def is_named(self, data: Bytes, id: bytes) -> bool:
        """Return whether decoded bytes have an id."""
        ...

    def seal(self, kind: int, id: bytes, encoded: Encoded, raw: int) -> Encoded:
        """Return an encoded blob as a pack holds it."""
        ...

    def opened(self, ref: Ref, stored: Bytes) -> tuple[int, Bytes]:
        """Return the codec and the bytes that are left to be decoded. Raises: FormatError."""
        ...


class Plain:
    """What stores have that are not encrypted."""

    sealed = False

    def blob_id(self, *parts: Bytes) -> bytes:
        """Return the BLAKE3-256 of a blob."""
        return blob_id(*parts)

    def is_named(self, data: Bytes, id: bytes) -> bool:
        """Return whether decoded bytes have an id."""
        return blob_id(data) == id

    def seal(self, kind: int, id: bytes, encoded: Encoded, raw: int) -> Encoded:  # noqa: ARG002  # as `Sealing` has it
        """Return it as it is."""
        return encoded

    def opened(self, ref: Ref, stored: Bytes) -> tuple[int, Bytes]:
        """Return it as it is."""
        return ref.codec, stored


PLAIN: Final = Plain()


class Keyring:
    """The keys of an encrypted store, as a `Sealing`: it names and closes by one domain, and opens what any closed.

    Args:
        own: The domain of what is written.
        known: All domains, the likeliest first; `own` is among them.
        entropy: So many random bytes, for nonces.
        look: Looks for more, which `known` has then, and returns whether there are; None: there are no others.
    """

    sealed = True

    def __init__(
        self,
        own: DomainKeys,
        known: Sequence[DomainKeys],
        entropy: Callable[[int], bytes],
        look: Callable[[], bool] | None = None,
    ) -> None:
        self.own, self.known, self.entropy, self._look = own, known, entropy, look
        self._unknown: set[bytes] = set()  # sessions for whose packs was looked in vain
        self._opened: dict[bytes, DomainKeys] = {}  # by session: a session writes to one log, under one root

    def __repr__(self) -> str:
        return f"Keyring({self.own})"

    def blob_id(self, *parts: Bytes) -> bytes:
        """Return the keyed BLAKE3-256 of a blob."""
        return self.own.blob_id(*parts)

    def is_named(self, data: Bytes, id: bytes) -> bool:
        """Return whether decoded bytes have an id, under any of the keys."""
        return any(keys.blob_id(data) == id for keys in self.known)

    def seal(self, kind: int, id: bytes, encoded: Encoded, raw: int) -> Encoded:
        """Return an encoded blob as a pack holds it: closed, but for what a collector needs."""
        if is_split(kind):
            return self._seal_split(kind, id, decode(encoded.codec, b"".join(encoded.parts), raw))
        head, nonce = bytes([kind]), self.entropy(NONCE)
        body = encoded.parts[0] if len(encoded.parts) == 1 else b"".join(encoded.parts)
        secret = self.own.blob(id).encrypt(nonce, body, _BOUND.pack(kind, encoded.codec, raw))
        return _together(encoded.codec, head, nonce, secret)

    def _seal_split(self, kind: int, id: bytes, data: bytes) -> Encoded:
        codec, body = encode(split_parts(kind, data)[1])
        head, nonce = public_head(kind, data), self.entropy(NONCE)
        sealed = self.own.blob(id).encrypt(nonce, body, _BOUND.pack(kind, codec, len(data)) + head)
        return _together(codec, head, nonce, sealed)

    def opened(self, ref: Ref, stored: Bytes) -> tuple[int, Bytes]:
        """Return codec and bytes of a blob, opened by the key that its session has, or by any; inline ones are open.

        Raises:
            FormatError: No key opens it: its bytes are not those that were sealed.
        """
        if not isinstance(ref.location, PackName):
            return ref.codec, stored
        session = ref.location.session
        if (found := self._tried(ref, session, stored)) is not None:
            return found
        if self._look and session not in self._unknown:
            self._unknown.add(session)
            if self._look() and (found := self._tried(ref, session, stored)) is not None:
                return found
        raise FormatError("blob", f"no key of the store opens blob {ref.id.hex()}")

    def _tried(self, ref: Ref, session: bytes, stored: Bytes) -> tuple[int, Bytes] | None:
        """Return codec and bytes of a blob, opened by whichever key does; None where none does. Raises: FormatError."""
        head, public = _open_head(stored)
        for keys in self._likely(session):
            if (secret := _unsealed(keys, ref, head, stored)) is not None:
                self._opened[session] = keys
                return (ref.codec, secret) if public is None else _joined(ref, head[0], public, secret)
        return None

    def domain_of(self, ref: Ref, stored: Bytes) -> str:
        """Return the name of the keys that open a blob of a pack. Raises: as `opened`."""
        assert isinstance(ref.location, PackName)
        self.opened(ref, stored)
        return self._opened[ref.location.session].name

    def _likely(self, session: bytes) -> Iterator[DomainKeys]:
        first = self._opened.get(session)
        if first:
            yield first
        yield from (keys for keys in self.known if keys is not first)


def public_head(kind: int, data: bytes) -> bytes:
    """Return what precedes the nonce of a sealed recipe or node: its public part, and a digest that needs no key."""
    open = split_parts(kind, data)[0]
    public = encode(open)[1]
    if kind == RECIPE and too_dense(len(public), len(data)):
        public = open
    head = _HEAD.pack(kind, len(public)) + public
    return head + blob_id(head)[:_CHECK]


def _together(codec: int, head: bytes, nonce: bytes, secret: bytes) -> Encoded:
    return Encoded(codec, (head, nonce, secret), len(head) + len(nonce) + len(secret))


def _open_head(stored: Bytes) -> tuple[bytes, bytes | None]:
    """Return what precedes the nonce, and of a recipe or node its public part as it is stored. Raises: FormatError."""
    if len(stored) < OVERHEAD:
        raise FormatError("blob", "it is shorter than anything that was sealed")
    if not is_split(stored[0]):
        return bytes(stored[:1]), None
    _, length = _HEAD.unpack_from(stored)
    end = _HEAD.size + length
    head = bytes(stored[: end + _CHECK])
    if len(head) < end + _CHECK or blob_id(head[:end])[:_CHECK] != head[end:]:
        raise FormatError("blob", "its public part does not match its digest")
    return head, head[_HEAD.size : end]


def _unsealed(keys: DomainKeys, ref: Ref, head: bytes, stored: Bytes) -> bytes | None:
    from cryptography.exceptions import InvalidTag

    begin = len(head) + NONCE
    if len(stored) < begin + TAG:
        return None
    bound = _BOUND.pack(head[0], ref.codec, ref.raw) + (head if is_split(head[0]) else b"")
    try:
        found: bytes = keys.blob(ref.id).decrypt(bytes(stored[len(head) : begin]), stored[begin:], bound)
    except InvalidTag:
        return None
    return found


def _joined(ref: Ref, kind: int, public: bytes, secret: bytes) -> tuple[int, Bytes]:
    """Return a recipe or node as it was before it was split: both parts have together as many bytes as it has."""
    open = _decoded_public(public, ref.raw)
    return UNCOMPRESSED, join_parts(kind, open, decode(ref.codec, secret, ref.raw - len(open)))


def _decoded_public(public: bytes, most: int) -> bytes:
    """Return a public part, which is a zstd frame unless it begins as one does. Raises: FormatError."""
    if public[:4] in (b"HFRS", b"HFTS"):
        return public
    length = frame_length(public)
    if not 0 < length < most:
        raise FormatError("blob", f"its public part promises {length} bytes")
    return decode(ZSTD, public, length)


def read_public(stored: Bytes, most: int = MAX_RECIPE) -> list[PublicRef]:
    """Return what a sealed recipe or node refers to, without any key; of other blobs nothing.

    Args:
        stored: The blob as its pack holds it.
        most: Its decoded length, as its reference says it.

    Raises:
        FormatError: It is damaged.
    """
    head, public = _open_head(stored)
    return [] if public is None else list(public_refs(head[0], _decoded_public(public, most)))
