"""What a store holds and a server was asked, read by other means than the store's own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.support.servers import Server

from holdall.format.entry import LogEntry, parse_entry
from holdall.format.layout import PACKS, log_key, parse_key, run_log
from holdall.storage.bucket import Bucket


def entries_of(bucket: Bucket, run_id: str) -> list[LogEntry]:
    """A run's log as it lies in the bucket, oldest first; no number may be missing."""
    log = run_log(run_id)
    keys = [parse_key(info.key) for info in bucket.list(f"{log}/log/")]
    numbers = sorted(key.number for key in keys if key)
    assert numbers == list(range(len(keys))), "the log has a gap, or a foreign key"
    return [parse_entry(bucket.get(log_key(log, n)), log, n) for n in numbers]


def ops_of(entries: Iterable[LogEntry], name: str) -> list[dict[str, Any]]:
    """The operations of one name, in order."""
    return [dict(op) for entry in entries for op in entry.ops if op["op"] == name]


def packs_in(bucket: Bucket) -> list[str]:
    """The keys of all packs."""
    return [info.key for info in bucket.list(PACKS)]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of an access log: method, key (or "" for a listing), status, bytes that came and that were sent."""

    method: str
    key: str
    status: int
    bytes: int
    sent: int = 0


class AccessLog:
    """What moto was asked about one bucket's store, since the last look."""

    def __init__(self, server: Server, url: str) -> None:
        self._server, self._at = server, len(server.requests())
        self._path = "/" + url.removeprefix("s3://").rstrip("/")

    def news(self) -> list[Asked]:
        """The requests since the last look, refused and repeated ones included."""
        lines = self._server.requests()
        fresh, self._at = lines[self._at :], len(lines)
        bucket = "/" + self._path.split("/")[1]
        found = []
        for line in fresh:
            path = str(line["path"])
            if path != bucket and not path.startswith(bucket + "/"):
                continue
            key = path.removeprefix(self._path).lstrip("/") if path.startswith(self._path + "/") else ""
            status, came, sent = (int(str(line[name])) for name in ("status", "bytes_in", "bytes_out"))
            found.append(Asked(str(line["method"]), key, status, came, sent))
        return found
