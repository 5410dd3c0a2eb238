"""Root keys of encrypted stores: what is derived from one, and how the newest leads to all older ones.

A store has a root key of 32 random bytes for each *epoch*, counted up from 0. Each later root has an object that holds
the root before it, sealed: who has the newest has all, and who made it had the one before. The descriptor proves the
first. SPEC.md, "Keys".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from holdall.errors import FormatError, IntegrityError
from holdall.format.digest import parse_hex
from holdall.format.document import count_of, encode_document, parse_document
from holdall.libraries import library

KEY: Final = 32  # bytes of a root
SEALED: Final = KEY + 16  # and of one that AES-256-GCM sealed
NONCE: Final = bytes(12)  # every key that seals here seals one thing
MAX_ROOT: Final = 16 << 10  # bytes of the document
MOST_EPOCHS: Final = 1 << 16


class Root(NamedTuple):
    """A root key. Attributes: epoch, key (32 bytes, which no text shows)."""

    epoch: int
    key: bytes

    def __repr__(self) -> str:
        return f"Root(epoch={self.epoch})"


def derive(key: bytes, purpose: str, salt: bytes | None = None) -> bytes:
    """Return 32 bytes that only who has the key can know: HKDF-SHA256, whose `info` is the purpose.

    Raises:
        MissingLibraryError: The package cryptography is not installed.
    """
    hashes = library("cryptography.hazmat.primitives.hashes", "an encrypted store", "cryptography")
    kdf = library("cryptography.hazmat.primitives.kdf.hkdf", "an encrypted store", "cryptography")
    derived: bytes = kdf.HKDF(hashes.SHA256(), 32, salt, purpose.encode()).derive(key)
    return derived


def seal(key: bytes, plain: bytes, about: str) -> bytes:
    """Return bytes sealed by AES-256-GCM under a key that seals nothing else; `about` must be the same to open them."""
    sealed: bytes = _aead().AESGCM(key).encrypt(NONCE, plain, about.encode())
    return sealed


def unseal(key: bytes, sealed: bytes, about: str) -> bytes | None:
    """Return what was sealed; None where the key is another, or a bit of anything was changed."""
    tag = library("cryptography.exceptions", "an encrypted store", "cryptography").InvalidTag
    try:
        plain: bytes = _aead().AESGCM(key).decrypt(NONCE, sealed, about.encode())
    except tag:
        return None
    return plain


def root_proof(root: Root, store: str) -> str:
    """Return 64 hex digits that tell a root from any other, and nothing about it: the descriptor has those of epoch 0.

    Args:
        root: The root.
        store: The store's id, in hex.
    """
    return derive(root.key, f"holdall root proof\n{store}\n{root.epoch}").hex()


def encode_older(newer: Root, older: Root, store: str) -> bytes:
    """Return the document of a later epoch, which holds the root before it. Raises: ValueError: they do not follow."""
    if newer.epoch != older.epoch + 1:
        raise ValueError(f"the root of epoch {older.epoch} is not the one before epoch {newer.epoch}")
    about = _about_older(store, newer.epoch)
    sealed = seal(derive(newer.key, about), older.key, about)
    return encode_document({"store": store, "epoch": newer.epoch, "older": sealed.hex()})


def open_older(data: bytes, newer: Root, store: str) -> Root | None:
    """Return the root of the epoch before; None where these bytes were sealed under another than `newer`.

    Raises:
        FormatError: They are no such document, or another store's or epoch's.
    """
    what = f"root of epoch {newer.epoch}"
    if len(data) > MAX_ROOT:
        raise FormatError(what, f"a document of {len(data)} bytes cannot be")
    body, _ = parse_document(data, what)
    check_store(body, store, what)
    if count_of(body, "epoch", what) != newer.epoch or newer.epoch < 1:
        raise FormatError(what, "it is of another epoch")
    about = _about_older(store, newer.epoch)
    key = unseal(derive(newer.key, about), parse_hex(body.get("older"), SEALED, what), about)
    return None if key is None else Root(newer.epoch - 1, key)


def check_store(body: Mapping[str, object], store: str, what: str) -> None:
    """Refuse an object of another store. Raises: IntegrityError."""
    if body.get("store") != store:
        raise IntegrityError(what, f"it is of another store than {store}")


def _about_older(store: str, epoch: int) -> str:
    return f"holdall older root\n{store}\n{epoch}"


def _aead() -> Any:
    return library("cryptography.hazmat.primitives.ciphers.aead", "an encrypted store", "cryptography")
