"""restic, its repository in a bucket. A program of its own: what is timed is its whole process.

`--force` makes it read a file again that it has backed up before, as ours does;
without, it trusts size and times and reads nothing.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from benchmarks.data import put_away, same
from benchmarks.measured import PeerFailedError, Taken, measure_program
from benchmarks.server import Server


@dataclass
class Restic:
    """A repository. Attributes: bucket, its name; scratch, where its cache and downloads go."""

    bucket: str
    scratch: Path
    server: Server

    def __post_init__(self) -> None:
        if not shutil.which("restic"):
            raise PeerFailedError("restic is not on PATH: apt-get install restic, or https://restic.net")
        self._run("init")

    def log(self, *paths: Path) -> Taken:
        """One snapshot of these, tagged with the name of the last."""
        return self._run("backup", "--force", "--tag", paths[-1].name, *(p.name for p in paths), cwd=paths[-1].parent)

    def fetch(self, path: Path) -> Taken:
        """The latest snapshot with this name."""
        into = self.scratch / "fetched"
        taken = self._run("restore", "latest", "--tag", path.name, "--target", str(into))
        if not same(path, into / path.name):
            raise PeerFailedError("what came back is not what was logged")
        put_away(into)
        return taken

    def stored(self) -> Taken:
        """The bytes of the repository."""
        return Taken(0, bytes=sum(size for _, size in self.server.listed(self.bucket, "restic/")))

    def _run(self, *words: str, cwd: Path | None = None) -> Taken:
        repository = f"s3:{self.server.url}/{self.bucket}/restic"
        command = ["restic", "-q", "--repo", repository, "--cache-dir", str(self.scratch / "cache"), *words]
        return measure_program(command, env={**self.server.env, "RESTIC_PASSWORD": "bench"}, cwd=cwd)
