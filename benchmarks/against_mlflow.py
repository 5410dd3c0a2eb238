"""Is logging to S3 faster than with MLflow? The same bytes, the same LocalStack, taking turns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.data import random_file, small_files
from benchmarks.peers.mlflow_s3 import Mlflow
from benchmarks.peers.ours import Holdall
from benchmarks.rounds import Options, Question, Work, main, shown_size
from benchmarks.server import s3_server


@contextmanager
def ask(options: Options) -> Iterator[Question]:
    """A large file that cannot be compressed, and many small ones."""
    big, small = random_file(options.data, options.size), small_files(options.data, options.files)
    size, many = shown_size(options.size), f"{options.files:,} files of 4 KB"
    with s3_server(options) as server:

        @contextmanager
        def ours(scratch: Path) -> Iterator[Holdall]:
            with server.bucket() as bucket:
                yield Holdall(f"s3://{bucket}/store", scratch, server)

        @contextmanager
        def theirs(scratch: Path) -> Iterator[Mlflow]:
            with server.bucket() as bucket:
                yield Mlflow(bucket, scratch, server)

        yield Question(
            text="Is logging to S3, and fetching from it, faster than with MLflow?",
            works=(
                Work(f"log {size}, fresh", lambda side: side.log(big), floors={"mlflow": 2.0}),
                Work(f"log the same {size} again", lambda side: side.log(big), floors={"mlflow": 8.0}),
                Work(f"stored after logging {size} twice", lambda side: side.stored(), of="bytes", once=True),
                Work(f"log {many}", lambda side: side.log(small), floors={"mlflow": 15.0}),
                Work(f"download {size}", lambda side: side.fetch(big), floors={"mlflow": 1.3}),
                Work(f"download {many}", lambda side: side.fetch(small), floors={"mlflow": 20.0}),
            ),
            sides={"holdall": ours, "mlflow": theirs},
            peers=("mlflow",),
            notes=(
                "MLflow's artifact repository is called directly, without a tracking store; "
                "ours includes the start and the end of a run.",
            ),
        )


if __name__ == "__main__":
    main(ask)
