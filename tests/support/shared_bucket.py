"""A folder as a bucket whose reads are written down by whichever process makes them, and may go wrong in workers."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from holdall.storage.local import LocalBucket
from holdall.workers import process


class ToldBucket(LocalBucket):
    """Tells of each read of a range in a file beside the bucket; workers import this class.

    A file `kill` there makes a worker that reads kill itself, and a file `stall` makes it wait for long.
    """

    def __init__(self, root: Path, notes: Path) -> None:
        super().__init__(root)
        self.notes = notes
        notes.mkdir(exist_ok=True)

    def get_range(self, key: str, start: int, stop: int | None = None) -> bytes:
        """Read as the folder does, and tell of it."""
        with (self.notes / "reads").open("a") as file:
            file.write(f"{os.getpid()} {key} {start} {stop}\n")
        if process.inside() and (self.notes / "kill").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        if process.inside() and (self.notes / "stall").exists():
            time.sleep(2)
        return super().get_range(key, start, stop)

    def reads(self) -> list[tuple[int, str]]:
        """What was read since this was asked last, and by which processes."""
        lines = (self.notes / "reads").read_text().splitlines()
        (self.notes / "reads").write_text("")
        return [(int(pid), what) for pid, _, what in (line.partition(" ") for line in lines)]
