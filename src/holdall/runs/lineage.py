"""From an artifact to what it was made of, and to what was made of it.

    upstream      artifact <- run that holds it <- what that run read, was given or refers to <- ...
    downstream    artifact -> runs that read it, or equal content -> what they made -> runs that read that -> ...

Upstream each run is looked at as it is met. Downstream all runs of the store are
looked at once, by their summaries, since an edge is a tag of the run that read.
A run that is met again is named and not followed, so a circle ends; one that is
not there (purged, or of another store) is an end as well.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from holdall.display import Facts, Named, Shown
from holdall.errors import HoldallError, RunNotFoundError
from holdall.format.layout import parse_model_id
from holdall.format.paths import REFERS
from holdall.runs.index import summaries
from holdall.runs.inputs import inputs_of
from holdall.runs.links import model_inputs_of
from holdall.runs.promise import Located
from holdall.runs.reading import RunReader
from holdall.runs.reads import ReadArtifact, reads_of
from holdall.runs.search import RunSummary
from holdall.runs.using import used_artifact
from holdall.trees.addresses import run_uri
from holdall.trees.location import Location

MOST: Final = 1_000  # things of one direction
DEEPEST: Final = 200  # runs, one after the other


@dataclass(frozen=True, slots=True, repr=False)
class LineageNode(Shown, Named):
    """Something on the way to an artifact, or from it.

    Attributes:
        kind: "artifact", "run", "data set", "elsewhere" (what a run refers to), or "missing" (a run that is not there).
        uri: Its address; of a data set what its source says.
        name: Of a run or a data set.
        digest: `sha256:` of a file, or of the manifest of a directory; of a data set the one that it was given.
        run_id, status: Of a run.
        again: Whether it was met before: what follows is said there.
        nodes: What follows: upstream what it came from, downstream what came of it.
    """

    kind: str
    uri: str
    name: str | None = None
    digest: str | None = None
    run_id: str | None = None
    status: str | None = None
    again: bool = False
    nodes: tuple[LineageNode, ...] = field(default_factory=tuple)

    def _shown(self) -> Facts:
        return {"kind": self.kind, "uri": self.uri, "name": self.name, "nodes": len(self.nodes)}

    def each(self) -> Iterator[LineageNode]:
        """Yield this and all that follows."""
        yield self
        for node in self.nodes:
            yield from node.each()

    def to_dictionary(self) -> dict[str, Any]:
        """Return the same by name, of plain values, what is empty left out."""
        made: dict[int, dict[str, Any]] = {}
        for node in reversed(list(self.each())):  # what follows comes first: a chain may be longer than Python's stack
            said = {each.name: getattr(node, each.name) for each in fields(node) if each.name != "nodes"}
            made[id(node)] = {name: value for name, value in said.items() if value not in (None, False)}
            if node.nodes:
                made[id(node)]["nodes"] = [made[id(below)] for below in node.nodes]
        return made[id(self)]


@dataclass(frozen=True, slots=True, repr=False)
class Lineage(Shown, Named):
    """Where an artifact came from, and what came of it.

    Attributes:
        artifact: Its address.
        digest: Its `sha256:`.
        upstream: The run that holds it, with what follows.
        downstream: The runs that read it, or equal content, each with what follows.
        complete: Whether nothing was left out for being too much or too deep, or because it could not be read.
    """

    artifact: str
    digest: str
    upstream: tuple[LineageNode, ...]
    downstream: tuple[LineageNode, ...]
    complete: bool = True

    def _shown(self) -> Facts:
        return {"artifact": self.artifact, "upstream": len(self.upstream), "downstream": len(self.downstream)}

    def to_dictionary(self) -> dict[str, Any]:
        """Return the same by name, of plain values."""
        up, down = ([node.to_dictionary() for node in nodes] for nodes in (self.upstream, self.downstream))
        told = {"artifact": self.artifact, "digest": self.digest, "complete": self.complete}
        return {**told, "upstream": up, "downstream": down}


def lineage(location: Location, found: Located, *, depth: int, upstream: bool, downstream: bool) -> Lineage:
    """Return the lineage of what is at a place of a run. Raises, cost: as `Artifacts.lineage`."""
    used = used_artifact(location, found)
    up, down = _Upstream(location, depth), _Downstream(location, depth)
    above = (up.run(used.run_id, 1),) if upstream else ()
    digests = {used.digest} | {f"sha256:{entry.sha256.hex()}" for entry in used.entries() if entry.sha256}
    below = down.readers(used.run_id, used.path, digests) if downstream else ()
    return Lineage(used.uri, used.digest, above, below, complete=up.complete and down.complete)


class _Walk:
    """What both directions share: how deep to go, and what was met."""

    def __init__(self, location: Location, depth: int) -> None:
        self._location, self._depth = location, min(depth, DEEPEST)
        self._met: set[str] = set()
        self._count = 0
        self.complete = True

    def _goes_on(self, run_id: str, at: int) -> bool:
        """Return whether what follows a run is looked at."""
        if run_id in self._met:
            return False
        if at > self._depth:
            self.complete = False
            return False
        self._met.add(run_id)
        return True

    def _room(self) -> bool:
        """Return whether one more thing is told of."""
        self._count += 1
        self.complete = self.complete and self._count <= MOST
        return self._count <= MOST


class _Upstream(_Walk):
    """From runs to what they read."""

    def run(self, run_id: str, at: int) -> LineageNode:
        """Return a run, with what it was made of."""
        again = run_id in self._met
        try:
            record = RunReader(self._location, run_id).record
        except RunNotFoundError:
            return LineageNode("missing", run_uri(run_id), run_id=run_id)
        except HoldallError:  # what cannot be read hides what is above it, and nothing else
            self.complete = False
            return LineageNode("missing", run_uri(run_id), run_id=run_id)
        node = LineageNode(
            "run", run_uri(run_id), record.info.run_name, run_id=run_id, status=record.info.status, again=again
        )
        if not self._goes_on(run_id, at):
            return node
        return replace(node, nodes=tuple(self._sources(run_id, record.data.tags, at)))

    def _sources(self, run_id: str, tags: Mapping[str, str], at: int) -> Iterator[LineageNode]:
        for read in _edges(tags, self._path_of_model):
            if not self._room():
                return
            artifact = LineageNode("artifact", read.uri or read.artifact_uri, digest=read.digest, run_id=read.run_id)
            if read.store is None:
                artifact = replace(artifact, nodes=(self.run(read.run_id, at + 1),))
            yield artifact
        for given in inputs_of(tags).dataset_inputs:
            if not self._room():
                return
            yield LineageNode("data set", given.dataset.source, given.dataset.name, given.dataset.digest)
        if REFERS in tags:
            yield from self._elsewhere(run_id)

    def _elsewhere(self, run_id: str) -> Iterator[LineageNode]:
        try:
            for found in RunReader(self._location, run_id)._references().below(""):
                if not self._room():
                    return
                one = found.reference
                yield LineageNode("elsewhere", one.uri, one.path, one.digest, run_id)
        except HoldallError:  # anybody may have written it
            self.complete = False

    def _path_of_model(self, run_id: str, n: int) -> str | None:
        try:
            return _model_path(RunReader(self._location, run_id).record.data.tags, n)
        except HoldallError:
            return None


class _Downstream(_Walk):
    """From what runs hold to runs that read it; all runs are looked at once, when the first is asked for."""

    def __init__(self, location: Location, depth: int) -> None:
        super().__init__(location, depth)
        self._by_run: dict[str, list[tuple[ReadArtifact, RunSummary]]] = defaultdict(list)
        self._by_digest: dict[str, list[tuple[ReadArtifact, RunSummary]]] = defaultdict(list)

    def readers(self, run_id: str, path: str, digests: Iterable[str]) -> tuple[LineageNode, ...]:
        """Return the runs that read what is at a path of a run, or content of these digests."""
        self._look()
        self._met.add(run_id)
        direct = [each for each in self._by_run[run_id] if _touch(each[0].path, path)]
        equal = [each for digest in digests for each in self._by_digest.get(digest, ())]
        return self._nodes([*direct, *equal], run_id, 1)

    def _nodes(self, edges: Iterable[tuple[ReadArtifact, RunSummary]], own: str, at: int) -> tuple[LineageNode, ...]:
        readers: dict[str, LineageNode] = {}
        for read, summary in edges:
            if summary.run_id == own or summary.run_id in readers:
                continue
            if not self._room():
                break
            again = summary.run_id in self._met
            node = LineageNode(
                *("run", read.uri or read.artifact_uri, summary.run_name, read.digest, summary.run_id, summary.status),
                again=again,
            )
            if self._goes_on(summary.run_id, at):
                node = replace(node, nodes=self._nodes(self._by_run[summary.run_id], summary.run_id, at + 1))
            readers[summary.run_id] = node
        return tuple(readers.values())

    def _look(self) -> None:
        every = list(summaries(self._location, None))
        models = {summary.run_id: summary.tags for summary in every}

        def path_of(run_id: str, n: int) -> str | None:
            return _model_path(models.get(run_id, {}), n)

        for summary in every:
            for read in _edges(summary.tags, path_of):
                if read.store is None:
                    self._by_run[read.run_id].append((read, summary))
                if read.digest:
                    self._by_digest[read.digest].append((read, summary))


def _edges(tags: Mapping[str, str], path_of: Callable[[str, int], str | None]) -> list[ReadArtifact]:
    """Return what a run's tags say that it read: artifacts, and logged models that are not among these."""
    found = reads_of(tags)
    for used in model_inputs_of(tags):
        if not (id := parse_model_id(used.model_id)):
            continue
        path = path_of(*id)
        if not any(read.run_id == id[0] and read.path == path for read in found):
            found.append(ReadArtifact(id[0], path or "", uri=f"models:/{used.model_id}"))
    return found


def _model_path(tags: Mapping[str, str], n: int) -> str | None:
    """Return where the n-th model is that a run logged."""
    try:
        path = json.loads(tags.get(f"holdall.model.{n}", "{}")).get("path")
    except (ValueError, AttributeError, RecursionError):
        return None
    return path if isinstance(path, str) else None


def _touch(one: str, other: str) -> bool:
    """Return whether two paths are one, or one is below the other."""
    return not one or not other or f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")
