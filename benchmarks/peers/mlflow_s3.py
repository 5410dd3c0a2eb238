"""MLflow, its artifacts in a bucket.

Its artifact repository is called directly, without a tracking server or
database and without a run: what a user of MLflow pays for those is left out,
in its favour. Its S3 client exists before the clock runs.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measured import Clock, Taken, measure
from benchmarks.server import Server


@dataclass
class Mlflow:
    """A bucket that MLflow writes artifacts into. Attributes: bucket, its name; scratch, where downloads go."""

    bucket: str
    scratch: Path
    server: Server
    runs: dict[Path, str] = field(default_factory=dict)
    count: int = 0
    settings: dict[str, str] = field(default_factory=dict)

    def uri(self, count: int) -> str:
        """Return where the artifacts of a run are."""
        return f"s3://{self.bucket}/runs/{count}/artifacts"

    def log(self, *paths: Path) -> Taken:
        """The artifacts of one run."""
        self.count += 1
        uri = self.uri(self.count)
        self.runs.update(dict.fromkeys(paths, uri))
        return self._measure("log", uri=uri, paths=[str(path) for path in paths])

    def fetch(self, path: Path) -> Taken:
        """A download of what was logged."""
        return self._measure("fetch", uri=self.runs[path], source=str(path), into=str(self.scratch / "fetched"))

    def stored(self) -> Taken:
        """The bytes of the artifacts."""
        return Taken(0, bytes=sum(size for _, size in self.server.listed(self.bucket, "runs/")))

    def _measure(self, act: str, **arguments: Any) -> Taken:
        env = {**self.server.env, **self.settings, "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}
        return measure(f"{__name__}:{act}", env=env, **arguments)


def log(clock: Clock, *, uri: str, paths: list[str]) -> None:
    """As `mlflow.log_artifact` and `log_artifacts` do within a run."""
    repository = _repository(uri)
    with clock:
        for path in paths:
            if Path(path).is_dir():
                repository.log_artifacts(path, Path(path).name)
            else:
                repository.log_artifact(path)


def fetch(clock: Clock, *, uri: str, source: str, into: str) -> None:
    """As `mlflow.artifacts.download_artifacts` does."""
    repository, target = _repository(uri), Path(into)
    target.mkdir(exist_ok=True)
    with clock:
        found = repository.download_artifacts(Path(source).name, str(target))
    clock.compare(Path(source), Path(found))


def _repository(uri: str) -> Any:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    warm = get_artifact_repository(uri.replace("/runs/", "/warm/").replace("/store/0/", "/store/warm/"))
    with tempfile.TemporaryDirectory() as folder:  # loads what is imported late, and opens connections
        (Path(folder) / "warm.bin").write_bytes(b"x" * 100_000)
        warm.log_artifact(f"{folder}/warm.bin")
        warm.download_artifacts("warm.bin", folder)
    return get_artifact_repository(uri)
