"""How near is logging to what the machine allows? boto3 alone, moving the same bytes eight at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.data import random_file
from benchmarks.peers.ours import Holdall
from benchmarks.peers.plain_boto3 import Boto3
from benchmarks.rounds import Options, Question, Work, main, shown_size
from benchmarks.server import s3_server


@contextmanager
def ask(options: Options) -> Iterator[Question]:
    """A file that cannot be compressed, so that both move as many bytes."""
    big, size = random_file(options.data, options.size), shown_size(options.size)
    with s3_server(options) as server:

        @contextmanager
        def ours(scratch: Path) -> Iterator[Holdall]:
            with server.bucket() as bucket:
                yield Holdall(f"s3://{bucket}/store", scratch, server)

        @contextmanager
        def theirs(scratch: Path) -> Iterator[Boto3]:
            with server.bucket() as bucket:
                yield Boto3(bucket, scratch, server)

        yield Question(
            text="How near does holdall come to plain parallel requests for the same bytes?",
            works=(
                Work(f"upload {size}", lambda side: side.log(big), floors={"boto3": 0.7}),
                Work(f"download {size}", lambda side: side.fetch(big)),
            ),
            sides={"holdall": ours, "boto3": theirs},
            peers=("botocore",),
            notes=("Here a ratio of 1 is the limit: boto3 neither cuts, hashes nor verifies.",),
        )


if __name__ == "__main__":
    main(ask)
