"""How much memory does a large transfer take? The peak of a fresh process, default settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.data import weights_file
from benchmarks.peers.ours import Holdall
from benchmarks.rounds import Options, Question, Work, main, shown_size
from benchmarks.server import s3_server

MOST = 350 << 20


@contextmanager
def ask(options: Options) -> Iterator[Question]:
    """Weights, which pass through compression too."""
    big, size = weights_file(options.data, options.size, "fp32"), shown_size(options.size)
    with s3_server(options) as server:

        @contextmanager
        def folder(scratch: Path) -> Iterator[Holdall]:
            yield Holdall(f"file://{scratch}/store", scratch)

        @contextmanager
        def bucket(scratch: Path) -> Iterator[Holdall]:
            with server.bucket() as name:
                yield Holdall(f"s3://{name}/store", scratch, server)

        yield Question(
            text=f"How much memory does logging and fetching {size} take?",
            works=(
                Work(f"log {size} of fp32", lambda side: side.log(big), of="memory", ceiling=MOST),
                Work(f"download {size}", lambda side: side.fetch(big), of="memory", ceiling=MOST),
            ),
            sides={"holdall, folder": folder, "holdall, S3": bucket},
            notes=("Both sides are holdall: in a folder, and on S3. Interpreter and imports are part of the peak.",),
        )


if __name__ == "__main__":
    main(ask)
