"""Many frames in one call are the frames of many calls."""

from __future__ import annotations

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from holdall.format import frames
from holdall.format.frames import compress_each, decompress_each

PARTS = st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=8)


@given(PARTS, st.booleans())
def test_each_part_has_the_frame_that_it_would_have_alone(parts: list[bytes], together: bool) -> None:
    """Also where the library cannot make them together."""
    compressor, decompressor = zstandard.ZstdCompressor(level=1), zstandard.ZstdDecompressor()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames, "_TOGETHER", together)
        made = compress_each(compressor, parts)
        assert [bytes(frame) for frame in made] == [compressor.compress(part) for part in parts]
        assert [bytes(data) for data in decompress_each(decompressor, made, [len(part) for part in parts])] == parts


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("wrong", [-1, 1])
def test_a_frame_that_holds_another_length_is_refused(
    together: bool, wrong: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One byte more or less than was announced is an error, not a shorter or longer answer."""
    monkeypatch.setattr(frames, "_TOGETHER", together)
    made = compress_each(zstandard.ZstdCompressor(level=1), [b"a" * 500, b"b" * 500])
    with pytest.raises(zstandard.ZstdError):
        decompress_each(zstandard.ZstdDecompressor(), made, [500, 500 + wrong])
