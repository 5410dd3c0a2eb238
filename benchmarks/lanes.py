"""Which lane to S3 is faster, boto3 or s3fs? The one becomes the default that wins end to end, by 1.3 or more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.data import random_file, small_files
from benchmarks.peers.ours import Holdall
from benchmarks.rounds import Options, Question, Side, Work, main, shown_size
from benchmarks.server import Server, s3_server


@contextmanager
def ask(options: Options) -> Iterator[Question]:
    """The same store's code over two clients."""
    big, small = random_file(options.data, options.size), small_files(options.data, options.files)
    size, many = shown_size(options.size), f"{options.files:,} files of 4 KB"
    with s3_server(options) as server:
        yield Question(
            text="Is boto3 in the pool's threads faster than s3fs on its event loop?",
            works=(
                Work(f"log {size}, fresh", lambda side: side.log(big), floors={"s3fs": 1.3}),
                Work(f"log the same {size} again", lambda side: side.log(big)),
                Work(f"log {many}", lambda side: side.log(small)),
                Work(f"download {size}", lambda side: side.fetch(big), floors={"s3fs": 1.3}),
                Work(f"download {many}", lambda side: side.fetch(small)),
            ),
            sides={lane: _side(server, lane) for lane in ("boto3", "s3fs")},
            peers=("botocore", "aiobotocore"),
            notes=("Both sides are holdall; `lane` is an option of the store.",),
        )


def _side(server: Server, lane: str) -> Side:
    @contextmanager
    def start(scratch: Path) -> Iterator[Holdall]:
        with server.bucket() as bucket:
            yield Holdall(f"s3://{bucket}/store", scratch, server, {"lane": lane})

    return start


if __name__ == "__main__":
    main(ask)
