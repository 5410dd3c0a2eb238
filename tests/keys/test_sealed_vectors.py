"""The vectors of SPEC.md, "Encryption", opened by nothing of ours: by what the page says and two libraries."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Final

import zstandard
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import holdall.format
from holdall.format.encoder import Encoded
from holdall.format.reference import CHUNK, NODE
from holdall.format.sealed_entry import seal_entry
from holdall.format.sealing import AES, DomainKeys, Keyring

SPEC: Final = (Path(holdall.format.__file__).parent / "SPEC.md").read_text()
PAGE: Final = SPEC.split("\n## Encryption\n")[1].split("\n## ")[0].split("**Vectors.**")[1]
CHUNK_ID, NODE_ID = (bytes.fromhex(id) for id in re.findall(r"the id `([0-9a-f]{64})`", PAGE))
SEALED_CHUNK, SEALED_NODE, SEALED_ENTRY = (
    bytes.fromhex(re.sub(r"\s", "", block)) for block in re.findall(r"^((?:    [0-9a-f]+\n)+)", PAGE, re.MULTILINE)
)
PUBLIC: Final = "".join(f"{line.strip()}\n" for line in re.findall(r"^    \{.*", PAGE, re.MULTILINE)).encode()
(KEY,) = re.findall(r"object `(\S+)`", PAGE)
DUMP: Final = bytes.fromhex("".join(re.findall(r"^        [0-9a-f]{4}  ((?:[0-9a-f]{2} )+)", SPEC, re.MULTILINE)))
HELLO, PLAIN_NODE = DUMP[8:21], DUMP[21:164]
ROOT: Final = bytes(range(32))
OURS: Final = DomainKeys(ROOT, AES, "0")


def keyed(purpose: str, data: bytes) -> bytes:
    """As the page has it."""
    key = blake3(ROOT, derive_key_context=f"holdall 2026-11-28 {purpose}").digest()
    return blake3(data, key=key).digest()


def up(size: int) -> bytes:
    """The bytes from 0 on."""
    return bytes(range(size))


def test_a_chunk_is_opened_as_the_page_says() -> None:
    """Kind, nonce and the sealed bytes, bound to kind, codec and length."""
    assert keyed("blob ids", HELLO) == CHUNK_ID
    assert SEALED_CHUNK[:13] == bytes([CHUNK]) + up(12)
    about = struct.pack("<BBI", CHUNK, 0, len(HELLO))
    assert AESGCM(keyed("blobs", CHUNK_ID)).decrypt(up(12), SEALED_CHUNK[13:], about) == HELLO


def test_a_node_is_opened_as_the_page_says() -> None:
    """Its public part, a digest of that, and the secret part, bound to it; both have as many bytes as the node."""
    assert keyed("blob ids", PLAIN_NODE) == NODE_ID
    end = 5 + struct.unpack_from("<I", SEALED_NODE, 1)[0]
    assert SEALED_NODE[end : end + 16] == blake3(SEALED_NODE[:end]).digest()[:16]
    public, head = zstandard.ZstdDecompressor().decompress(SEALED_NODE[5:end]), SEALED_NODE[: end + 16]
    about = struct.pack("<BBI", NODE, 0, len(PLAIN_NODE)) + head
    secret = AESGCM(keyed("blobs", NODE_ID)).decrypt(up(12), SEALED_NODE[end + 28 :], about)
    assert public == b"HFTS" + PLAIN_NODE[4:40] + PLAIN_NODE[93:]
    assert secret == PLAIN_NODE[40:93]


def test_an_entry_is_opened_as_the_page_says() -> None:
    """Its key is that of its place, its public part is proved with it, and the whole has a digest."""
    assert KEY.split("/")[1] == keyed("names", b"experiment Default").hex()[:16]
    assert blake3(PUBLIC + SEALED_ENTRY[:-32]).digest() == SEALED_ENTRY[-32:]
    aead = AESGCM(keyed("documents", KEY.encode()))
    frame = aead.decrypt(up(12), SEALED_ENTRY[12:-32], PUBLIC.split(b"\n")[0])
    assert b'"write_id":"' + b"02" * 16 in zstandard.ZstdDecompressor().decompress(frame)


def test_the_writer_makes_them() -> None:
    """Each byte, by this root and these nonces."""
    ring = Keyring(OURS, [OURS], up)
    for kind, id, data, sealed in ((CHUNK, CHUNK_ID, HELLO, SEALED_CHUNK), (NODE, NODE_ID, PLAIN_NODE, SEALED_NODE)):
        made = ring.seal(kind, id, Encoded(0, (data,), len(data)), len(data))
        assert (made.codec, b"".join(map(bytes, made.parts))) == (0, sealed)
    aead = AESGCM(keyed("documents", KEY.encode()))
    frame = aead.decrypt(up(12), SEALED_ENTRY[12:-32], PUBLIC.split(b"\n")[0])
    entry = zstandard.ZstdDecompressor().decompress(frame)
    assert seal_entry(entry, KEY, OURS, up) == PUBLIC + SEALED_ENTRY
