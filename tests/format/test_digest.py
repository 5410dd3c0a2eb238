"""Digests: made as the world makes them, and read only as they are written."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdall.errors import FormatError
from holdall.format import digest


def test_a_file_has_the_sha256_that_everyone_computes() -> None:
    """`sha256` is the SHA-256 of FIPS 180."""
    assert digest.sha256(b"abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    hasher = digest.file_hash()
    hasher.update(b"a")
    hasher.update(b"bc")
    assert hasher.digest() == digest.sha256(b"abc") == hashlib.sha256(b"abc").digest()


def test_a_blob_has_the_blake3_of_the_reference_vectors() -> None:
    """`blob_id` is BLAKE3 with 32 bytes, as its authors' test vectors have it."""
    assert digest.blob_id(b"").hex() == "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    assert digest.blob_id(b"\0").hex() == "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"


@given(st.lists(st.binary(max_size=40)))
def test_a_blob_in_parts_has_the_same_name(parts: list[bytes]) -> None:
    """Where a blob is split makes no difference to its id."""
    assert digest.blob_id(*parts) == digest.blob_id(b"".join(parts)) == digest.blob_id(memoryview(b"".join(parts)))


@given(st.binary(min_size=32, max_size=32), st.sampled_from([digest.SHA256, digest.BLAKE3]))
def test_a_digest_survives_being_shown(value: bytes, algorithm: str) -> None:
    """`parse` takes back what `show` gives."""
    assert digest.parse(algorithm, digest.show(algorithm, value), "it") == value


@pytest.mark.parametrize(
    "text", ["", "ab", "AB" * 16, "zz" * 16, " " + "ab" * 16, "ab" * 16 + "\n", "\u0660" * 32, None, 7]
)
def test_only_lower_case_hex_of_the_right_length_is_hex(text: object) -> None:
    """Anything but exactly so many lower-case hex digits is damage."""
    with pytest.raises(FormatError, match=r"it: .* is not 32 lower-case hex digits"):
        digest.parse_hex(text, 16, "it")


@given(st.none() | st.integers() | st.text() | st.lists(st.text()))
def test_what_is_no_digest_is_damage(text: object) -> None:
    """A digest of another algorithm, or no digest, is a FormatError that says what was to be read."""
    with pytest.raises(FormatError, match=r"^it: "):
        digest.parse(digest.BLAKE3, text, "it")
