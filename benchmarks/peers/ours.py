"""holdall, as a user's script has it: start a run, log, end it.

A store exists before the clock runs, as a bucket does for the others. Each
process first logs and reads some bytes in a store beside it, which loads the
lazy imports; connections and caches of the measured store are its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.data import size_of
from benchmarks.measured import Clock, Taken, measure
from benchmarks.server import Server

QUIET = {"HOLDALL_PROGRESS": "off", "HOLDALL_CACHE": "off"}


@dataclass
class Holdall:
    """A store, at a folder or in a bucket.

    Attributes:
        url: Where.
        scratch: Where downloads go.
        server: The S3 server, if it is there.
        options: What `set_store` is given.
    """

    url: str
    scratch: Path
    server: Server | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    runs: dict[Path, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._measure("create")

    def log(self, *paths: Path) -> Taken:
        """One run that logs these."""
        taken = self._measure("log", paths=[str(path) for path in paths])
        self.runs.update(dict.fromkeys(paths, taken.facts["run"]))
        return taken

    def fetch(self, path: Path) -> Taken:
        """A download of what was logged."""
        into = self.scratch / f"fetched-{path.name}"
        return self._measure("fetch", run=self.runs[path], source=str(path), into=str(into))

    def stored(self) -> Taken:
        """The bytes of the store."""
        if self.server is None:
            return Taken(0, bytes=size_of(Path(self.url.removeprefix("file://"))))
        bucket, _, prefix = self.url.removeprefix("s3://").partition("/")
        return Taken(0, bytes=sum(size for _, size in self.server.listed(bucket, prefix + "/")))

    def _measure(self, act: str, **arguments: Any) -> Taken:
        env = {**QUIET, **(self.server.env if self.server else {})}
        return measure(f"{__name__}:{act}", env=env, url=self.url, options=dict(self.options), **arguments)


def create(clock: Clock, *, url: str, options: dict[str, Any]) -> None:
    """A store that nothing was logged into."""
    import holdall

    for place in (url, _beside(url)):
        store = holdall.open(place, **options)
        with clock:
            store.maintenance.create()


def log(clock: Clock, *, url: str, options: dict[str, Any], paths: list[str]) -> dict[str, Any]:
    """A run of its own, from its start to its end."""
    import holdall

    warm_up(url, options)
    holdall.set_store(url, **options)
    with clock, holdall.start_run() as run:
        for path in paths:
            if Path(path).is_dir():
                holdall.log_artifacts(path, Path(path).name)
            else:
                holdall.log_artifact(path)
    return {"run": run.id}


def fetch(clock: Clock, *, url: str, options: dict[str, Any], run: str, source: str, into: str) -> None:
    """A download, by its address."""
    import holdall

    warm_up(url, options)
    holdall.set_store(url, **options)
    with clock:
        found = holdall.artifacts.download_artifacts(run_id=run, artifact_path=Path(source).name, dst_path=into)
    clock.compare(Path(source), Path(found))


def warm_up(url: str, options: dict[str, Any]) -> None:
    """One file there and back, in the store beside; and the workers, which large transfers will share."""
    import holdall
    from holdall.settings import read_settings

    holdall.set_store(_beside(url), **options)
    with holdall.start_run() as run:
        holdall.log_text("warm " * 50_000, "warm.txt")
    holdall.artifacts.load_text(f"runs:/{run.id}/warm.txt")
    with read_settings().open_store(url, options)._location.crew.claim(1000):
        pass


def _beside(url: str) -> str:
    return f"{url}-warm"
