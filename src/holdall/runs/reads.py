"""What a run read of other runs, as facts: the edges of lineage.

    holdall.read.<16 hex>    {"time", "run", "path", "digest", "store", "uri"}

An edge says from which run and path something was read, and its digest: the
file's, or that of the manifest of a directory. So it is found again by content
too, in a copy of the store and wherever the same bytes lie.

There are few edges, whatever a data loader does: more than `FILES` files of a
directory become one edge for the directory, more than `EDGES` edges to one run
one edge for the run, and of more than `RUNS` runs the later ones are not noted.
What was folded has no digest, since nobody knows one for "some of these".

Rules without I/O. `using` says it of a run.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, TypeAlias

from holdall.display import Facts, Named, Shown
from holdall.format.digest import SHA256, show
from holdall.format.layout import is_run_id
from holdall.format.manifest import digest_below
from holdall.format.tree import Entry, Kind
from holdall.runs.reserved_tags import remark, remarks
from holdall.trees.addresses import run_uri

KIND: Final = "read"
FILES: Final = 16  # of one directory, each with an edge of its own
EDGES: Final = 64  # to one run
RUNS: Final = 1_000
_ADDRESS: Final = re.compile(r"(?:runs:/|holdall://runs/)([0-9a-f]{32})(?:/([^?#]{1,1024}?))?/?")
Witness: TypeAlias = Callable[[str, str, str | None, str], None]  # the run that was read, path, digest, id of the store
_Key: TypeAlias = tuple[str, str | None]  # a path and a digest
_Edges: TypeAlias = "dict[_Key, ReadArtifact]"
_witness: ContextVar[Witness | None] = ContextVar("holdall_witness", default=None)


@dataclass(frozen=True, slots=True, repr=False)
class ReadArtifact(Shown, Named):
    """Something that a run read.

    Attributes:
        run_id: The run that held it.
        path: Where in that run; "" for its root.
        digest: `sha256:` of the file, or of the manifest of the directory; None where only some of what is there was
            read, or nobody knows.
        store: The id of the store, where it is another one.
        uri: What was asked for, where that was another address, such as a model's.
        time: When, in milliseconds since 1970 UTC.
    """

    run_id: str
    path: str
    digest: str | None = None
    store: str | None = None
    uri: str | None = None
    time: int = 0

    def _shown(self) -> Facts:
        return {"from": run_uri(self.run_id, self.path), "digest": self.digest}

    @property
    def artifact_uri(self) -> str:
        """Return its address, `runs:/<run id>/<path>`."""
        return run_uri(self.run_id, self.path)

    def to_dictionary(self) -> dict[str, Any]:
        """Return the same by name."""
        return asdict(self)

    @property
    def _about(self) -> list[str | None]:
        return [self.store, self.run_id, self.path, self.digest]


def read_tag(read: ReadArtifact) -> dict[str, str]:
    """Return the tag that says so."""
    body: dict[str, Any] = {"time": read.time, "run": read.run_id, "path": read.path}
    more = {"digest": read.digest, "store": read.store, "uri": read.uri}
    return remark(KIND, read._about, body | {name: text for name, text in more.items() if text is not None})


def reads_of(tags: Mapping[str, str]) -> list[ReadArtifact]:
    """Return what a run's tags say that it read, the oldest first; what cannot be understood is passed over."""
    return [found for body in remarks(tags, KIND) if (found := _parsed(body))]


def _parsed(body: Mapping[str, Any]) -> ReadArtifact | None:
    run, path = body.get("run"), body.get("path")
    more = {name: body.get(name) for name in ("digest", "store", "uri")}
    if not isinstance(run, str) or not is_run_id(run) or not isinstance(path, str):
        return None
    if not all(text is None or isinstance(text, str) for text in more.values()):
        return None
    return ReadArtifact(run, path, **more, time=body["time"])


class ReadLog:
    """What one process noted of what a run reads; safe between threads.

    Args:
        known: What the run's tags say already, as when it is gone on with.
    """

    def __init__(self, known: Mapping[str, str]) -> None:
        self._lock = threading.Lock()
        self._noted: dict[tuple[str | None, str], _Edges] = {}
        self._named: set[tuple[str | None, ...]] = set()  # asked for by name: part of no directory's edge
        for read in reads_of(known):
            self._of(read)[read.path, read.digest] = read

    def add(self, read: ReadArtifact, *, whole: bool = False) -> dict[str, str | None]:
        """Note a read, and return the tags that this sets (and, with None, removes): none if it was known.

        Args:
            read: What was read.
            whole: Whether it was asked for by name, and so is an edge even beside that of a directory above it.
        """
        with self._lock:
            key = read.store, read.run_id
            if key not in self._noted and len(self._noted) >= RUNS:
                return {}
            edges = self._of(read)
            if (read.path, read.digest) in edges or (not whole and _covered(read, edges)):
                return {}
            edges[read.path, read.digest] = read
            if whole:
                self._named.add(tuple(read._about))
            tags: dict[str, str | None] = dict(read_tag(read))
            if len(edges) > EDGES:
                return tags | _folded(edges, list(edges), replace(read, path="", digest=None, uri=None))
            folder = _folder(read.path)
            beside = [key for key, edge in edges.items() if _is_below(key[0], folder) and self._may_fold(edge)]
            if whole or sum(_folder(path) == folder for path, _ in beside) <= FILES:
                return tags
            return tags | _folded(edges, beside, replace(read, path=folder, digest=None, uri=None))

    def _of(self, read: ReadArtifact) -> _Edges:
        return self._noted.setdefault((read.store, read.run_id), {})

    def _may_fold(self, edge: ReadArtifact) -> bool:
        return tuple(edge._about) not in self._named


def _folded(edges: _Edges, keys: Iterable[_Key], one: ReadArtifact) -> dict[str, str | None]:
    """Make one edge of these, and return the tags that say so."""
    gone = [tag for key in keys for tag in read_tag(edges.pop(key))]
    edges[one.path, None] = one
    return {**dict.fromkeys(gone), **read_tag(one)}


def _covered(read: ReadArtifact, edges: _Edges) -> bool:
    """Return whether there is an edge for a directory above; a whole one of its own digest counts too."""
    return any(path != read.path and _is_below(read.path, path) for path, _ in edges) or (read.path, None) in edges


def _is_below(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(folder + "/")


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


@contextmanager
def witnessed(witness: Witness | None) -> Iterator[None]:
    """Have a function told of all that is read of artifacts by their address in this block, by this task."""
    token = _witness.set(witness)
    try:
        yield
    finally:
        _witness.reset(token)


def current_witness() -> Witness | None:
    """Return who is told of what is read by address here."""
    return _witness.get()


def tell(witness: Witness, run_id: str, entries: Sequence[Entry], top: str | None, store: str) -> None:
    """Tell a witness of what was read of a run.

    Args:
        witness: Is told.
        run_id: The run.
        entries: What was read,
        top: which is all that is at or below this path; None: only some of it.
        store: The id of the store that the run is in.
    """
    if top is None:
        for entry in entries:
            if entry.kind is Kind.FILE:
                witness(run_id, entry.path, content_digest([entry], entry.path)[0], store)
    elif entries:  # of what is elsewhere nobody may know the digest
        known = all(entry.sha256 or entry.kind is not Kind.FILE for entry in entries)
        witness(run_id, top, content_digest(entries, top)[0] if known else None, store)


def content_digest(entries: Sequence[Entry], path: str) -> tuple[str, bool]:
    """Return the digest of what is at a path, given all that is there or below, and whether that is a directory."""
    if len(entries) == 1 and entries[0].path == path and entries[0].kind is Kind.FILE:
        return show(SHA256, entries[0].sha256), False
    return digest_below(entries, path), True


def places_in(source: str) -> list[tuple[str, str]]:
    """Return the runs and paths whose addresses a data set's source names, which is a JSON text, or an address."""
    try:
        body = json.loads(source)
    except (ValueError, RecursionError):
        body = source
    texts = body.values() if isinstance(body, dict) else [body]
    found = [_ADDRESS.fullmatch(text) for text in texts if isinstance(text, str)]
    return [(match[1], match[2] or "") for match in found if match]
