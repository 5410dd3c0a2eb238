"""A new store gets the cipher that this processor is quick at."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdall.format.sealing import AES, CHACHA
from holdall.keys.cipher import fitting_cipher


@pytest.mark.parametrize(
    ("told", "cipher"),
    [
        ("processor : 0\nflags\t\t: fpu sse2 aes avx2\n", AES),
        ("processor : 0\nflags\t\t: fpu sse2 vaes_not avx2\n", CHACHA),
        ("processor : 0\nFeatures\t: fp asimd evtstrm aes pmull sha2\n", AES),
        ("processor : 0\nFeatures\t: fp asimd evtstrm crc32\n", CHACHA),
    ],
)
def test_aes_is_for_processors_that_have_it(tmp_path: Path, told: str, cipher: str) -> None:
    """By the line of flags that Linux shows, of x86 and of ARM."""
    (tmp_path / "cpuinfo").write_text(told)
    assert fitting_cipher(tmp_path / "cpuinfo") == cipher


def test_a_system_that_does_not_tell_has_aes(tmp_path: Path) -> None:
    """As Apple's machines do."""
    assert fitting_cipher(tmp_path / "nothing") == AES
