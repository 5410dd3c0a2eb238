"""Plans: what is like a sample is stored as the sample was best, and comes back whatever the plan says."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdall.errors import IntegrityError
from holdall.format import planes
from holdall.format.codec import SLACK, SPLIT, UNCOMPRESSED, ZSTD, decode
from holdall.format.encoder import SAMPLE, Encoder, Plan

RANDOM = np.random.default_rng(20261121)
FLOATS = RANDOM.standard_normal(32 << 10, dtype=np.float32)
HALVES = (FLOATS.view(np.uint32) >> 16).astype(np.uint16).tobytes()  # bfloat16
TEXT = b"".join(b"epoch %d loss %.4f\n" % (n, 1 / (n + 1)) for n in range(4000))
WAYS = st.sampled_from([None, 0, 1])
PLANS = st.sampled_from([1, 2, 4, 8]).flatmap(
    lambda item_size: st.builds(Plan, st.just(item_size), st.tuples(*[WAYS] * item_size))
)


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=3000), PLANS, st.integers(0, 7))
def test_every_plan_decodes_to_its_source(data: bytes, plan: Plan, phase: int) -> None:
    """Also a plan that was made for something else altogether."""
    encoded = Encoder().encode(memoryview(data), plan, phase % plan.item_size)
    stored = b"".join(encoded.parts)
    assert len(stored) == encoded.stored <= len(data) + SLACK
    assert decode(encoded.codec, stored, len(data)) == data


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=700), min_size=1, max_size=6), PLANS, st.integers(0, 7))
def test_a_run_is_encoded_as_its_blobs_are(blobs: list[bytes], plan: Plan, phase: int) -> None:
    """Taken apart together, each is stored as it would be alone."""
    data, phase = b"".join(blobs), phase % plan.item_size
    ends = list(accumulate(map(len, blobs)))
    encoder = Encoder()
    together = encoder.encode_run(memoryview(data), ends, plan, phase)
    starts = [end - len(blob) for blob, end in zip(blobs, ends, strict=True)]
    alone = [encoder.encode(blob, plan, (phase - at) % plan.item_size) for blob, at in zip(blobs, starts, strict=True)]
    assert [(one.codec, b"".join(one.parts)) for one in together] == [(one.codec, b"".join(one.parts)) for one in alone]
    for blob, one in zip(blobs, together, strict=True):
        assert decode(one.codec, b"".join(one.parts), len(blob)) == blob


@pytest.mark.parametrize(
    ("data", "item_size", "codec", "ratio"),
    [
        (FLOATS.tobytes(), 4, SPLIT, 0.85),
        (FLOATS.tobytes(), None, SPLIT, 0.85),
        (HALVES, 2, SPLIT, 0.70),
        (HALVES, None, SPLIT, 0.70),
        (FLOATS.astype(np.float64).tobytes(), None, SPLIT, 0.55),  # 29 bits of 53 are zero
        (np.arange(16 << 10, dtype=np.int64).tobytes(), 8, SPLIT, 0.30),
        (TEXT, None, ZSTD, 0.30),
        (RANDOM.bytes(128 << 10), None, UNCOMPRESSED, 1.0),
        (FLOATS.tobytes(), 1, UNCOMPRESSED, 1.0),  # a format that says "bytes" is believed
    ],
    ids=["fp32", "fp32 unsaid", "bf16", "bf16 unsaid", "fp64", "ids", "text", "noise", "bytes"],
)
def test_a_sample_finds_the_codec(data: bytes, item_size: int | None, codec: int, ratio: float) -> None:
    """Numbers in planes, text whole, noise not at all."""
    encoder = Encoder()
    encoded = encoder.encode(memoryview(data), encoder.plan(data[:SAMPLE], item_size))
    assert encoded.codec == codec or (item_size == 1 and encoded.codec in (UNCOMPRESSED, ZSTD))
    assert encoded.stored <= ratio * len(data)


@pytest.mark.parametrize("item_size", [2, 4, 8])
def test_the_phase_makes_no_difference(item_size: int) -> None:
    """A tensor behind 0 to 7 bytes of something else takes the same room, if it is told where numbers begin."""
    tensor = {2: HALVES, 4: FLOATS.tobytes(), 8: FLOATS.astype(np.float64).tobytes()}[item_size]
    encoder = Encoder()
    plan = encoder.plan(tensor[:SAMPLE], item_size)
    sizes = [encoder.encode(memoryview(bytes(shift) + tensor), plan, shift % item_size).stored for shift in range(8)]
    assert max(sizes) - min(sizes) < 0.002 * len(tensor)


def test_exponents_are_coded_by_their_entropy() -> None:
    """The high plane of fp32 takes less than level 1 of zstd makes of it."""
    import zstandard

    exponents = FLOATS.view(np.uint8).reshape(-1, 4)[:, 3].tobytes()
    encoder = Encoder()
    encoded = encoder.encode(memoryview(exponents), encoder.plan(exponents[:SAMPLE], 1))
    assert encoded.stored < 0.9 * len(zstandard.ZstdCompressor(level=1).compress(exponents))


def test_where_the_sample_was_noise_each_blob_is_asked_again() -> None:
    """A plan that says "incompressible" does not keep text from being compressed."""
    encoder = Encoder()
    plan = encoder.plan(RANDOM.bytes(SAMPLE), None)
    assert plan == Plan(1, (None,))
    assert encoder.encode(memoryview(TEXT[:65536]), plan).codec == ZSTD


@pytest.mark.parametrize("codec", ["planes", "zstd"])
def test_what_decodes_to_something_else_is_never_handed_out(codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bit that flips between taking numbers apart and storing them is caught."""
    honest = planes.split

    def faulty(whole: planes.Array, found: planes.Array, scratch: planes.ScratchBuffers) -> None:
        honest(whole, found, scratch)
        found[0][7] ^= 1  # a plane that is stored as it is

    encoder = Encoder()
    data = memoryview(FLOATS.tobytes() if codec == "planes" else TEXT)
    plan = encoder.plan(data[:SAMPLE], 4 if codec == "planes" else 1)
    monkeypatch.setattr(planes, "split", faulty)
    monkeypatch.setattr(encoder._decoder, "decode", lambda *_: bytes(len(data)), raising=False)
    with pytest.raises(IntegrityError, match="does not decode to its source"):
        encoder.encode(data, plan)
