"""The metrics that Prometheus reads.

    holdall_requests_total{path, status}          requests answered
    holdall_request_seconds{path}                 how long that took
    holdall_requests_in_flight                    requests not yet answered
    holdall_model_info{uri, source, digest}       always 1: which model these numbers are about

Several processes tell one answer: each writes its numbers into files of a
folder, and whoever is asked sums them up. prometheus_client does so where
`PROMETHEUS_MULTIPROC_DIR` names the folder, which it reads while it is imported.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from holdall.surfaces.serving.service import Identity


class Metrics:
    """The metrics of one server, or of one of its processes.

    Args:
        identity: Which model they are about.
        shared: The folder where all processes of the server write theirs; None: there is only this one.
    """

    def __init__(self, identity: Identity, shared: Path | None = None) -> None:
        self._shared, self._registry = shared, CollectorRegistry()
        own: Any = {"registry": self._registry}
        self._requests = Counter("holdall_requests", "Requests answered.", ["path", "status"], **own)
        self._seconds = Histogram("holdall_request_seconds", "Seconds until the answer.", ["path"], **own)
        self._flying = Gauge(
            "holdall_requests_in_flight", "Requests not yet answered.", multiprocess_mode="livesum", **own
        )
        facts = {"uri": identity.uri, "source": identity.source, "digest": identity.digest}
        Gauge("holdall_model_info", "Which model.", list(facts), multiprocess_mode="max", **own).labels(**facts).set(1)

    def began(self) -> None:
        """Count a request that begins."""
        self._flying.inc()

    def ended(self, path: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self._flying.dec()
        self._requests.labels(path=path, status=str(status)).inc()
        self._seconds.labels(path=path).observe(seconds)

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        if self._shared is None:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        _WholeFiles(registry, path=str(self._shared))  # type: ignore[no-untyped-call]
        return generate_latest(registry)


class _WholeFiles(MultiProcessCollector):
    """Sums up the files that can be read: one that its process was killed in, or makes just now, says nothing yet."""

    def collect(self) -> Iterable[Metric]:
        files = [str(file) for file in Path(self._path).glob("*.db") if _is_whole(str(file))]
        return self.merge(files, accumulate=True)  # type: ignore[no-untyped-call,no-any-return]


def _is_whole(file: str) -> bool:
    try:
        MultiProcessCollector.merge([file], accumulate=False)  # type: ignore[no-untyped-call]
    except (OSError, struct.error, ValueError, RuntimeError):  # what it raises of one that is empty or cut off
        return False
    return True
