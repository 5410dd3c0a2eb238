"""Is logging to S3 faster than a backup by restic? The same bytes, the same LocalStack, taking turns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.data import random_file, small_files
from benchmarks.peers.ours import Holdall
from benchmarks.peers.restic_s3 import Restic
from benchmarks.rounds import Options, Question, Work, main, shown_size
from benchmarks.server import s3_server


@contextmanager
def ask(options: Options) -> Iterator[Question]:
    """Many small files, which restic is good at; a large one for information."""
    big, small = random_file(options.data, options.size), small_files(options.data, options.files)
    size, many = shown_size(options.size), f"{options.files:,} files of 4 KB"
    with s3_server(options) as server:

        @contextmanager
        def ours(scratch: Path) -> Iterator[Holdall]:
            with server.bucket() as bucket:
                yield Holdall(f"s3://{bucket}/store", scratch, server)

        @contextmanager
        def theirs(scratch: Path) -> Iterator[Restic]:
            with server.bucket() as bucket:
                yield Restic(bucket, scratch, server)

        yield Question(
            text="Is logging to S3, and fetching from it, faster than with restic?",
            works=(
                Work(f"log {many}", lambda side: side.log(small), floors={"restic": 1.5}),
                Work(f"download {many}", lambda side: side.fetch(small), floors={"restic": 1.5}),
                Work(f"log {size}, fresh", lambda side: side.log(big), once=True),
                Work(f"log the same {size} again", lambda side: side.log(big), once=True),
                Work(f"download {size}", lambda side: side.fetch(big), once=True),
            ),
            sides={"holdall": ours, "restic": theirs},
            notes=(
                "restic is timed as a whole program, ours from the start of a run to its end in a running interpreter; "
                "the ratio of whole processes, in which ours loads Python and warms up, stands beside it.",
                "The large file is for information, and is logged in the first round only.",
                "restic again: `backup --force`, which reads the file, as ours does.",
            ),
        )


if __name__ == "__main__":
    main(ask)
