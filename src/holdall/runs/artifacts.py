"""Artifacts by their address, `runs:/<run_id>/<path>`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from holdall.display import Listing
from holdall.errors import InvalidArgumentError, InvalidPathError, InvalidURIError
from holdall.format.layout import is_run_id
from holdall.format.paths import check_path, stands_for
from holdall.format.tree import Entry, Kind
from holdall.runs.differences import Difference
from holdall.runs.promise import Located
from holdall.runs.reads import current_witness
from holdall.runs.record import ArtifactInfo, FileInfo
from holdall.runs.run import Run
from holdall.runs.snapshot import RunSnapshot
from holdall.runs.versions import FileVersion
from holdall.trees.addresses import SCHEME
from holdall.trees.artifact_reader import ArtifactReader
from holdall.trees.location import Location

if TYPE_CHECKING:
    import pandas as pd

    from holdall.runs.lineage import Lineage
    from holdall.tensors.difference import TensorDifference
    from holdall.tensors.heads import Tensors

Direction: TypeAlias = Literal["both", "upstream", "downstream"]
Locate: TypeAlias = Callable[[str], Located]


def parse_uri(uri: str) -> tuple[str, str]:
    """Parse an artifact's address into its run id and path ("" for the root).

    Raises:
        InvalidURIError: It is not of the form `runs:/<run_id>/<path>`.
    """
    if not uri.startswith(SCHEME):
        raise InvalidURIError(uri, "an artifact's address is runs:/<run_id>/<path>")
    run_id, _, path = uri[len(SCHEME) :].strip("/").partition("/")
    if not is_run_id(run_id):
        raise InvalidURIError(uri, f"{run_id!r} is not a run id, which is 32 lower-case hex digits")
    try:
        return run_id, check_path(path) if path else ""
    except InvalidPathError as error:
        raise InvalidURIError(uri, str(error)) from error


def _info(run_id: str, entry: Entry) -> ArtifactInfo:
    if entry.kind is Kind.FILE:
        return ArtifactInfo(run_id, entry.path, "file", entry.size, entry.sha256.hex())
    kind = "link" if entry.kind is Kind.LINK else "directory"
    return ArtifactInfo(run_id, entry.path, kind, target=entry.target or None)


def _of_run(uri: str) -> Located:
    return Located(*parse_uri(uri))


class Artifacts:
    """The artifacts of a store's runs, by address: `runs:/<run_id>/<path>`, or what `locate` knows beside these.

    Verbs that read a file take `version`, an earlier version of it as `versions` names it; None: what is there now.

    What a registered version names is held against the digest that was registered: see `VersionChangedError`.
    """

    def __init__(self, location: Location, locate: Locate = _of_run) -> None:
        self._location, self._locate = location, locate

    def snapshot(self, uri: str) -> tuple[RunSnapshot, str]:
        """Return the run of an address as it is now, to be read, and the path in it that the address names.

        Whatever others log, or wherever they point an alias, it stays as it is.

        Raises:
            RunNotFoundError: There is no such run.
            VersionChangedError: The address names a registered version, and the run holds something else than that.
            Others: as `Registry.resolve`.

        Cost: as `Registry.resolve`, and as `Run.snapshot`.

        Example:
            >>> before, path = store.artifacts.snapshot("models:/fraud@champion")
            >>> path, before.read(f"{path}/weights.bin") == bytes(8)
            ('model', True)
        """
        run, path = self._run(uri)
        return run.snapshot(), path

    def read_ranges(self, uri: str, ranges: Iterable[tuple[int, int]], *, version: int | None = None) -> list[bytes]:
        """Read many ranges of a file at once; as `Run.read_ranges`.

        Example:
            >>> store.artifacts.read_ranges(f"runs:/{run.id}/report.txt", [(0, 3), (7, 11)])
            [b'all', b'well']
        """
        run, path = self._run(uri)
        return run.read_ranges(path, ranges, version=version)

    def list(self, uri: str) -> list[FileInfo]:
        """List what is directly in a directory of a run, sorted by path; nothing for a file or a missing path.

        What is elsewhere is listed as what it stands for, with its size there.

        Raises:
            RunNotFoundError: There is no such run.

        Cost: for a run that has ended, a listing, a GET and one or two more for its tree.

        Example:
            >>> [found.path for found in store.artifacts.list(f"runs:/{run.id}")]
            ['model', 'report.txt']
        """
        run, path = self._run(uri)
        found: dict[str, FileInfo] = {}
        for entry in run._readable_entries(path or None):
            below = entry.path[len(path) :].lstrip("/") if path else entry.path
            name, _, deeper = below.partition("/")
            if not name:
                continue
            at = f"{path}/{name}" if path else name
            is_dir = bool(deeper) or entry.kind is Kind.DIRECTORY
            found[at] = FileInfo(at, is_dir, entry.size if not is_dir and entry.kind is Kind.FILE else None)
        if (path and not found) or any(map(stands_for, found)):
            from holdall.runs.listing_elsewhere import with_references

            found = with_references(run._references, path, found)
        return Listing(sorted(found.values()))

    def resolve(self, uri: str) -> tuple[str, str]:
        """Return the id of the run and the path in it that an address means.

        Raises:
            InvalidURIError: It is no address of an artifact or model.
            NotFoundError: There is no such model, version or alias.

        Cost: none for `runs:/`; of a registered model, what finding its version costs.

        Example:
            >>> store.artifacts.resolve(f"runs:/{run.id}/report.txt") == (run.id, "report.txt")
            True
        """
        return self._locate(uri)[:2]

    def info(self, uri: str) -> ArtifactInfo:
        """Return what is at an address: a file with its size and digest, a directory or a link.

        Raises:
            ArtifactNotFoundError: There is nothing.

        Cost: as `Run.entry`.

        Example:
            >>> found = store.artifacts.info(f"runs:/{run.id}/report.txt")
            >>> found.kind, found.size, found.sha256[:8]
            ('file', 12, 'd40b628b')
        """
        run, path = self._run(uri)
        entry = next(iter(run.entries(path or None)), None)
        if entry is None and path:
            from holdall.runs.listing_elsewhere import info_elsewhere

            return info_elsewhere(run._references(), path)
        if entry is None or entry.path != path:
            return ArtifactInfo(run.id, path, "directory")
        return _info(run.id, entry)

    def lineage(self, uri: str, *, depth: int = 10, direction: Direction = "both") -> Lineage:
        """Return what an artifact was made of, and what was made of it.

        Args:
            uri: A file, a directory or a model.
            depth: How many runs to follow one after the other, in each direction.
            direction: "upstream" (what it was made of), "downstream" (who read it) or both.

        Raises:
            ArtifactNotFoundError: There is nothing at this address.
            InvalidArgumentError: `direction` is none of these, or `depth` is less than 1.

        Cost: upstream, reading the end of each run on the way. Downstream, the summaries of all runs of the store, as a
            search reads and remembers them.

        Example:
            >>> training = store.runs.start(name="train")
            >>> used = training.use_artifact(f"runs:/{run.id}/report.txt")
            >>> training.flush()
            >>> [node.name for node in store.artifacts.lineage(f"runs:/{run.id}/report.txt").downstream]
            ['train']
        """
        from holdall.runs.lineage import lineage

        if direction not in ("both", "upstream", "downstream"):
            raise InvalidArgumentError(f"direction is 'upstream', 'downstream' or 'both', not {direction!r}")
        if type(depth) is not int or depth < 1:
            raise InvalidArgumentError(f"depth is an integer from 1 on, not {depth!r}")
        up, down = direction != "downstream", direction != "upstream"
        return lineage(self._location, self._locate(uri), depth=depth, upstream=up, downstream=down)

    def versions(self, uri: str) -> Sequence[FileVersion]:
        """Return what a path of a run holds and held, the newest first. Raises, cost: as `Run.versions`.

        Example:
            >>> run = store.runs.start(paths="versioned")
            >>> for epoch in range(2):
            ...     entry = run.log_text(f"epoch {epoch}", "last.txt", on_conflict="replace")
            >>> uri = f"runs:/{run.id}/last.txt"
            >>> [store.artifacts.load_text(uri, version=found.version) for found in store.artifacts.versions(uri)]
            ['epoch 1', 'epoch 0']
        """
        run, path = self._run(uri)
        return run.versions(path)

    def open(self, uri: str, *, version: int | None = None) -> ArtifactReader:
        """Open a file for reading, seekable, in binary. Raises: ArtifactNotFoundError, IntegrityError while reading.

        Example:
            >>> with store.artifacts.open(f"runs:/{run.id}/report.txt") as file:
            ...     file.read(3)
            b'all'
        """
        run, path = self._run(uri)
        return run.open(path, version=version)

    def read(self, uri: str, *, version: int | None = None) -> bytes:
        """Read all bytes of a file, verified. Raises: ArtifactNotFoundError, IntegrityError.

        Example:
            >>> store.artifacts.read(f"runs:/{run.id}/report.txt")
            b'all is well\\n'
        """
        run, path = self._run(uri)
        return run.read(path, version=version)

    def download(
        self,
        uri: str,
        destination: str | os.PathLike[str] | None = None,
        *,
        include: str | Sequence[str] | None = None,
        exclude: str | Sequence[str] | None = None,
        version: int | None = None,
    ) -> Path:
        """Write a file, or all that a directory holds, into a local folder.

        Args:
            uri: What to fetch.
            destination: The folder; a new temporary one when None.
            include: Only what one of these patterns fits, as for `Run.download`.
            exclude: Not what one of these fits.
            version: Of a file, an earlier version, as `versions` names it.

        Returns:
            Where it now is: `destination/<path>`.

        Raises:
            ArtifactNotFoundError: There is nothing at this address.
            IntegrityError: Content is not what was written. No file has wrong bytes.

        Example:
            >>> store.artifacts.download(f"runs:/{run.id}/report.txt", "fetched").read_text()
            'all is well\\n'
        """
        run, path = self._run(uri)
        folder = destination or tempfile.mkdtemp(prefix="holdall-")
        return run.download(path or None, folder, include=include, exclude=exclude, version=version)

    def load_text(self, uri: str, *, version: int | None = None) -> str:
        """Read the text of a UTF-8 file. Raises: ArtifactNotFoundError, ContentError.

        Example:
            >>> store.artifacts.load_text(f"runs:/{run.id}/report.txt")
            'all is well\\n'
        """
        run, path = self._run(uri)
        return run.load_text(path, version=version)

    def load_dict(self, uri: str, *, version: int | None = None) -> Any:
        """Read the value that a JSON or YAML file holds. Raises: ArtifactNotFoundError, ContentError.

        Example:
            >>> entry = run.log_dict({"rate": 0.1}, "config.json")
            >>> store.artifacts.load_dict(f"runs:/{run.id}/config.json")
            {'rate': 0.1}
        """
        run, path = self._run(uri)
        return run.load_dict(path, version=version)

    def load_image(self, uri: str, *, version: int | None = None) -> Any:
        """Read a file as a PIL image. Raises: ArtifactNotFoundError, ContentError.

        Example:
            >>> import numpy
            >>> entry = run.log_image(numpy.zeros((4, 6), dtype="uint8"), "black.png")
            >>> store.artifacts.load_image(f"runs:/{run.id}/black.png").size
            (6, 4)
        """
        run, path = self._run(uri)
        return run.load_image(path, version=version)

    def load_table(self, uri: str) -> pd.DataFrame:
        """Return all rows of a table, in the order of logging. Raises: ArtifactNotFoundError, ContentError.

        Example:
            >>> entry = run.log_table({"score": [1, 2]}, "eval.json")
            >>> store.artifacts.load_table(f"runs:/{run.id}/eval.json")["score"].tolist()
            [1, 2]
        """
        run, path = self._run(uri)
        return run.load_table(path)

    def diff(self, uri_a: str, uri_b: str) -> Difference:
        """Compare two directories of runs; no content is read.

        Returns:
            What was added, removed and changed, with sizes and how many bytes of
            chunks both have; `.text(path)` is a unified diff of a text file.

        Raises:
            ArtifactNotFoundError: There is nothing at one of the addresses.

        Example:
            >>> store.artifacts.diff(f"runs:/{run.id}", f"runs:/{run.id}").changed
            ()
        """
        (a, path_a), (b, path_b) = self._run(uri_a), self._run(uri_b)
        return a.diff(path_a or None, b, path_b or None)

    def tensors(self, uri: str) -> Tensors:
        """List the tensors of a file, or of all files below a directory, by their headers; no numbers are read.

        Args:
            uri: A file that ends with .safetensors, .pt, .pth, .bin, .ckpt (what `torch.save` writes), .npz, .npy or
                .onnx; an index of shards (.index.json), for all shards; or a directory, for all such files in it.

        Returns:
            A list of `TensorInfo` (name, dtype, shape, nbytes, file), with `metadata` and `unreadable` by file.
            Nothing is run: of a pickle only names, shapes and storages are built, or it is refused.

        Raises:
            ArtifactNotFoundError: There is nothing at this address.
            ContentError: It is one file, and none whose tensors can be told.

        Cost: as opening each file, and of safetensors one request more, of other formats one to four.

        Example:
            >>> import io, numpy
            >>> file = io.BytesIO()
            >>> numpy.savez(file, bias=numpy.zeros(3, "float32"))
            >>> entry = run.log_bytes(file.getvalue(), "weights.npz")
            >>> store.artifacts.tensors(f"runs:/{run.id}/weights.npz")
            [TensorInfo(name='bias', dtype='float32', shape=(3,), nbytes=12, file='')]
        """
        from holdall.runs.tensors import list_tensors

        return list_tensors(*self.snapshot(uri))

    def diff_tensors(self, uri_a: str, uri_b: str, *, values: bool = True) -> TensorDifference:
        """Compare the tensors of two files, or of all files below two directories, by name.

        Args:
            uri_a: What to compare with: as for `tensors`.
            uri_b: What is compared. Files need not be of one format, nor shards be cut alike.
            values: Whether to read the numbers that chunks leave open; if not, such tensors are "unread".

        Returns:
            A `TensorChange` for each tensor, the most changed first: changed (by how much: max, mean and norm of
            a - b), added, removed, renamed or same, with dtypes and shapes.

        Raises:
            ArtifactNotFoundError: There is nothing at one of the addresses.
            ContentError: It is one file, and none whose tensors can be told; or it is damaged.

        Cost: as `tensors` of both. Of what is the same no number is read, but for a chunk or two at the ends of a
        tensor whose neighbour changed; of what changed all of a and the chunks of b that are not in a, at most
        16 MiB at once.

        Example:
            >>> import io, numpy
            >>> for epoch in range(2):
            ...     file = io.BytesIO()
            ...     numpy.savez(file, bias=numpy.zeros(3), weight=numpy.full(4, epoch, "float32"))
            ...     entry = run.log_bytes(file.getvalue(), f"{epoch}.npz")
            >>> found = store.artifacts.diff_tensors(f"runs:/{run.id}/0.npz", f"runs:/{run.id}/1.npz")
            >>> [(one.name, one.change, one.values and one.values.max) for one in found]
            [('weight', 'changed', 1.0), ('bias', 'same', None)]
        """
        from holdall.runs.tensors import diff_tensors

        return diff_tensors(self.snapshot(uri_a), self.snapshot(uri_b), values=values)

    def _run(self, uri: str) -> tuple[Run, str]:
        run_id, path, promise, view = self._locate(uri)
        run = Run(self._location, run_id)
        run._promise, run._glance, run._witness = promise, [view] if view else None, current_witness()
        return run, path
