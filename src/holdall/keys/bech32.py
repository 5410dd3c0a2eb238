"""Bech32 (BIP 173): bytes as text with a checksum, as age writes its keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_ALPHABET: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CHECKSUM: Final = 6  # characters
_MOST: Final = 128


def encode(prefix: str, data: bytes) -> str:
    """Return bytes as text, in lower case."""
    values = _regroup(data, 8, 5, pad=True)
    digest = _polymod([*_expanded(prefix), *values, *[0] * _CHECKSUM]) ^ 1
    values += [digest >> 5 * (_CHECKSUM - 1 - n) & 31 for n in range(_CHECKSUM)]
    return f"{prefix}1{''.join(_ALPHABET[value] for value in values)}"


def decode(prefix: str, text: str) -> bytes:
    """Return the bytes of a text that begins with this prefix, which may be in capitals.

    Raises:
        ValueError: A character is wrong, missing, or one too many; the text itself is not repeated, it may be a secret.
    """
    low = text.lower()
    if len(text) > _MOST or text not in (low, text.upper()) or not low.startswith(f"{prefix}1"):
        raise ValueError(f"it does not begin with {prefix}1, or mixes capitals and small letters")
    values = [_ALPHABET.find(character) for character in low[len(prefix) + 1 :]]
    if len(values) < _CHECKSUM or -1 in values:
        raise ValueError("it has a character that no such key has, or is cut off")
    if _polymod([*_expanded(prefix), *values]) != 1:
        raise ValueError("its checksum is wrong: a character is mistyped, missing, or one too many")
    return bytes(_regroup(values[:-_CHECKSUM], 5, 8, pad=False))


def _polymod(values: Iterable[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for n, factor in enumerate(_GENERATOR):
            check ^= factor if top >> n & 1 else 0
    return check


def _expanded(prefix: str) -> list[int]:
    return [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]


def _regroup(data: Iterable[int], old: int, new: int, *, pad: bool) -> list[int]:
    held = bits = 0
    groups = []
    for value in data:
        held, bits = held << old | value, bits + old
        while bits >= new:
            bits -= new
            groups.append(held >> bits & (1 << new) - 1)
        held &= (1 << bits) - 1
    if pad and bits:
        groups.append(held << new - bits & (1 << new) - 1)
    elif not pad and (bits >= old or held):
        raise ValueError("bits are left over at its end")
    return groups
