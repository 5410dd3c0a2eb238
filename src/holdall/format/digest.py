"""What things are called by: SHA-256 for files, BLAKE3-256 for blobs.

A file keeps the name that the rest of the world gives it (`sha256sum`, OCI, S3
and Hugging Face speak SHA-256); chunks, which only holdall sees, take the
faster one. In JSON a digest carries its algorithm. SPEC.md, "Blobs and codecs".
"""

from __future__ import annotations

import hashlib
from typing import TypeAlias

from blake3 import blake3

from holdall.errors import FormatError

SHA256, BLAKE3 = "sha256", "blake3"
SIZE = 32

Bytes: TypeAlias = bytes | bytearray | memoryview


def blob_id(*parts: Bytes) -> bytes:
    """Return the BLAKE3-256 of a blob, which is given whole or in parts: its id, 32 bytes."""
    hasher = blake3(*parts[:1])  # one call less for the usual one
    for part in parts[1:]:
        hasher.update(part)
    return hasher.digest()


def blob_hash() -> blake3:
    """Return a new BLAKE3-256 hasher."""
    return blake3()


def file_hash() -> hashlib._Hash:
    """Return a new SHA-256 hasher."""
    return hashlib.sha256()


def sha256(data: Bytes) -> bytes:
    """Return the SHA-256 of some bytes: 32 bytes."""
    return hashlib.sha256(data).digest()


def show(algorithm: str, digest: bytes) -> str:
    """Return a digest as text, such as `sha256:e3b0...`."""
    return f"{algorithm}:{digest.hex()}"


def parse(algorithm: str, text: object, what: str) -> bytes:
    """Return the bytes of a digest that `show` made text of. Raises: FormatError, about `what`."""
    prefix = f"{algorithm}:"
    if isinstance(text, str) and text.startswith(prefix):
        return parse_hex(text[len(prefix) :], SIZE, what)
    raise FormatError(what, f"{text!r} is not a {algorithm} digest")


def parse_hex(text: object, size: int, what: str) -> bytes:
    """Return `size` bytes that are given as exactly that much lower-case hex. Raises: FormatError, about `what`."""
    if isinstance(text, str) and len(text) == 2 * size and not set(text) - set("0123456789abcdef"):
        return bytes.fromhex(text)
    raise FormatError(what, f"{text!r} is not {2 * size} lower-case hex digits")
