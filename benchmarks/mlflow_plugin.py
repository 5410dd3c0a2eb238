"""The same model in ten runs of MLflow, its artifacts in a store by our plugin, beside MLflow's own: bytes and time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.data import small_files, weights_file
from benchmarks.measured import Taken
from benchmarks.peers.mlflow_s3 import Mlflow
from benchmarks.peers.ours import QUIET, Holdall
from benchmarks.rounds import Options, Question, Work, main, shown_size
from benchmarks.server import s3_server

RUNS = 10
SIZE = 200 << 20  # bytes of the model, unless less is asked for


@dataclass
class Plugin(Mlflow):
    """The same repository verbs of MLflow's, at an address of a store. Attributes: as `Mlflow`."""

    settings: dict[str, str] = field(default_factory=lambda: dict(QUIET))

    def __post_init__(self) -> None:
        Holdall(f"s3://{self.bucket}/store", self.scratch, self.server)  # makes the store

    def uri(self, count: int) -> str:
        """Return where MLflow has the artifacts of a run."""
        return f"holdall+s3://{self.bucket}/store/0/{count:032x}/artifacts"

    def stored(self) -> Taken:
        """The bytes of the whole store."""
        return Taken(0, bytes=sum(size for _, size in self.server.listed(self.bucket, "store/")))


@contextmanager
def ask(options: Options) -> Iterator[Question]:
    """A model's weights and its small files, logged in ten runs, each by a process of its own."""
    size = min(options.size, SIZE)
    weights, small = weights_file(options.data, size, "fp32"), small_files(options.data, min(options.files, 100))
    shown = shown_size(size)
    with s3_server(options) as server:

        @contextmanager
        def ours(scratch: Path) -> Iterator[Plugin]:
            with server.bucket() as bucket:
                yield Plugin(bucket, scratch, server)

        @contextmanager
        def theirs(scratch: Path) -> Iterator[Mlflow]:
            with server.bucket() as bucket:
                yield Mlflow(bucket, scratch, server)

        yield Question(
            text="The same model logged in ten runs of MLflow: what is stored, and how long does it take?",
            works=(
                Work(f"log {shown} in a first run", lambda side: side.log(weights)),
                Work(f"log it in {RUNS - 1} other runs", lambda side: _again(side, weights)),
                Work(f"stored after these {RUNS} runs", lambda side: side.stored(), of="bytes", once=True),
                Work("download it", lambda side: side.fetch(weights)),
                Work("log a folder of 100 small files", lambda side: side.log(small)),
                Work("download that folder", lambda side: side.fetch(small)),
            ),
            sides={"holdall": ours, "mlflow": theirs},
            peers=("mlflow",),
            notes=(
                "Both sides are MLflow's own `log_artifact` and `download_artifacts` of a repository, without a "
                "tracking store: only the address differs, holdall+s3:// and s3://.",
            ),
        )


def _again(side: Mlflow, path: Path) -> Taken:
    """Log the same file in the other runs, and return what all of these took together."""
    taken = [side.log(path) for _ in range(RUNS - 1)]
    return Taken(
        sum(one.seconds for one in taken),
        whole=sum(one.whole for one in taken),
        cpu=sum(one.cpu for one in taken),
        memory=max(one.memory for one in taken),
    )


if __name__ == "__main__":
    main(ask)
