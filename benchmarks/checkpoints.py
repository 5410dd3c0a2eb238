"""What does a series of checkpoints take, whose backbone is frozen? Ours, Xet's, and plain copies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.peers.on_disk import Copies, holdall_in, on_disk
from benchmarks.peers.xet_local import Xet
from benchmarks.rounds import Options, Question, Work, main, shown_size
from benchmarks.training import checkpoints


@contextmanager
def ask(options: Options) -> Iterator[Question]:
    """Both ways in which a training job saves its weights."""
    tensors, pickles = (checkpoints(options.data, kind) for kind in ("safetensors", "pt"))
    count, one = len(tensors), shown_size(tensors[0].stat().st_size)
    yield Question(
        text=f"What do {count} checkpoints of {one} take, of a network whose head alone is trained?",
        works=(
            Work(f"log {count} checkpoints, safetensors", lambda side: side.kept(*tensors)),
            Work(f"log {count} checkpoints, torch.save", lambda side: side.kept(*pickles)),
            Work(
                f"stored of {count} checkpoints, safetensors", lambda side: side.kept(*tensors), of="bytes", once=True
            ),
            Work(f"stored of {count} checkpoints, torch.save", lambda side: side.kept(*pickles), of="bytes", once=True),
        ),
        sides={"holdall": on_disk(holdall_in), "copies": on_disk(Copies), "xet": on_disk(Xet)},
        peers=("hf_xet", "torch", "safetensors", "sentence-transformers"),
        notes=(
            "A head on a frozen MiniLM, really trained, saved after every epoch; one process logs the whole series.",
        ),
    )


if __name__ == "__main__":
    main(ask)
