"""Where to cut a file, so that the same bytes are cut alike wherever they are.

FastCDC of 2020 (Xia et al., IEEE TPDS 31(9)) with normalised chunking, by the
`pyfastcdc` library: about 5 GB/s on one core, and the GIL is released.
SPEC.md, "Chunker", has the algorithm. Correctness never depends on where the cuts fall; deduplication does, so the
parameters are the store's and golden vectors hold the library to its cuts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pyfastcdc import FastCDC

from holdall.errors import UnsupportedFeatureError
from holdall.format.digest import Bytes

MAX_CHUNK: Final = 16 << 20


@dataclass(frozen=True, slots=True)
class Chunker:
    """The sizes of a store's chunks in bytes: minimum, average and maximum."""

    min: int = 16 << 10
    average: int = 32 << 10
    max: int = 128 << 10

    def __post_init__(self) -> None:
        in_order = 64 <= self.min < self.average < self.max <= MAX_CHUNK
        if not in_order or not 256 <= self.average <= 4 << 20:
            bounds = "64 <= min < average < max <= 16 MiB, 256 <= average <= 4 MiB"
            raise ValueError(f"chunk sizes must obey {bounds}, not {self}")

    def cut_points(self, data: Bytes, *, final: bool) -> list[int]:
        """Return the ends of the chunks in `data`, ascending.

        Args:
            data: Bytes from a cut on. If not final, at least `max` of them, or nothing is cut.
            final: Whether the file ends with them. If not, what follows the
                last end is to be given again, with more behind it.

        Raises:
            UnsupportedFeatureError: The format allows these sizes, and the library cannot cut with them.
        """
        try:
            cutter = FastCDC(avg_size=self.average, min_size=self.min, max_size=self.max)
        except ValueError as error:
            raise UnsupportedFeatureError("holdall.json", f"a chunker of such sizes: {error}") from error
        ends = [chunk.offset + chunk.length for chunk in cutter.cut_buf(data)]
        return ends if final else ends[:-1]
