"""Artifacts by address: `holdall.artifacts`, as users of MLflow know it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from holdall.errors import InvalidArgumentError
from holdall.store import (
    ArtifactReader,
    Difference,
    FileInfo,
    FileVersion,
    TensorChange,
    TensorDifference,
    TensorInfo,
    Tensors,
    ValueDifference,
)
from holdall.surfaces.fluent.active import current_store
from holdall.surfaces.fluent.client.client import Client
from holdall.surfaces.fluent.lineage import noting

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Difference",
    "FileInfo",
    "FileVersion",
    "TensorChange",
    "TensorDifference",
    "TensorInfo",
    "Tensors",
    "ValueDifference",
    "artifact_versions",
    "diff",
    "diff_tensors",
    "download_artifacts",
    "list_artifacts",
    "load_dict",
    "load_image",
    "load_table",
    "load_text",
    "open_artifact",
    "read_ranges",
    "tensors",
]


def download_artifacts(
    artifact_uri: str | None = None,
    run_id: str | None = None,
    artifact_path: str | None = None,
    dst_path: str | os.PathLike[str] | None = None,
    tracking_uri: str | None = None,
    registry_uri: str | None = None,
    *,
    include: str | Sequence[str] | None = None,
    exclude: str | Sequence[str] | None = None,
    version: int | None = None,
) -> str:
    """Fetch a file or directory of a run into a local folder.

    Args:
        artifact_uri: `runs:/<run_id>/<path>`; or else
        run_id: the run, and
        artifact_path: the path in it; all of it when None.
        dst_path: The folder to put it in; a new temporary one when None.
        tracking_uri: The store's address; the store that verbs use when None.
        registry_uri: The same, or None: a store keeps its registry.
        include: Only what one of these patterns fits, such as `*.json` or `model/*`.
        exclude: Not what one of these fits.
        version: Of a file of a versioned run, an earlier version, as `artifact_versions` names it.

    Returns:
        Where it now is: `dst_path/<path>`, from the root of the disk on.

    Raises:
        ValueError: Not exactly one of `artifact_uri` and `run_id` was given.
        ArtifactNotFoundError: There is nothing at this address.
        IntegrityError: Content is not what was logged. No file has wrong bytes.

    Example:
        >>> with holdall.start_run() as run:
        ...     holdall.log_text("all is well", "reports/today.txt")
        >>> holdall.artifacts.download_artifacts(f"runs:/{run.id}/reports", dst_path="fetched")
        '.../fetched/reports'
    """
    uri = _uri(artifact_uri, run_id, artifact_path)
    store = Client(tracking_uri, registry_uri).store
    with noting():
        found = store.artifacts.download(uri, dst_path, include=include, exclude=exclude, version=version)
    return str(found.absolute())


def list_artifacts(
    artifact_uri: str | None = None,
    run_id: str | None = None,
    artifact_path: str | None = None,
    tracking_uri: str | None = None,
) -> list[FileInfo]:
    """Return what is directly in a directory of a run, sorted; nothing for a file.

    Args:
        artifact_uri: `runs:/<run_id>/<path>`; or else
        run_id: the run, and
        artifact_path: the directory in it; its root when None.
        tracking_uri: The store's address; the store that verbs use when None.

    Raises:
        ValueError: Not exactly one of `artifact_uri` and `run_id` was given.
        RunNotFoundError: There is no such run.

    Example:
        >>> [(found.path, found.file_size) for found in holdall.artifacts.list_artifacts(run_id=run.id)]
        [('model', None), ('report.txt', 12)]
    """
    return Client(tracking_uri).store.artifacts.list(_uri(artifact_uri, run_id, artifact_path))


def load_text(artifact_uri: str, *, version: int | None = None) -> str:
    """Return the text of a UTF-8 file, or of its earlier `version`.

    Raises:
        ArtifactNotFoundError: There is no such file.
        ContentError: It is not UTF-8.

    Example:
        >>> holdall.artifacts.load_text(f"runs:/{run.id}/report.txt")
        'all is well\\n'
    """
    with noting():
        return current_store().artifacts.load_text(artifact_uri, version=version)


def load_dict(artifact_uri: str, *, version: int | None = None) -> Any:
    """Return what a JSON or YAML file says, or its earlier `version`. Raises: ArtifactNotFoundError, ContentError.

    Example:
        >>> entry = run.log_dict({"rate": 0.1}, "config.yaml")
        >>> holdall.artifacts.load_dict(f"runs:/{run.id}/config.yaml")
        {'rate': 0.1}
    """
    with noting():
        return current_store().artifacts.load_dict(artifact_uri, version=version)


def load_image(artifact_uri: str, *, version: int | None = None) -> Any:
    """Return the PIL image of a file, or of its earlier `version`. Raises: ArtifactNotFoundError, ContentError.

    Example:
        >>> import numpy
        >>> entry = run.log_image(numpy.zeros((4, 6), dtype="uint8"), "black.png")
        >>> holdall.artifacts.load_image(f"runs:/{run.id}/black.png").size
        (6, 4)
    """
    with noting():
        return current_store().artifacts.load_image(artifact_uri, version=version)


def load_table(artifact_uri: str) -> pd.DataFrame:
    """Return all rows of a table, in the order of logging. Raises: ArtifactNotFoundError, ContentError.

    Example:
        >>> entry = run.log_table({"question": ["a", "b"], "score": [1, 2]}, "eval.json")
        >>> holdall.artifacts.load_table(f"runs:/{run.id}/eval.json")["score"].tolist()
        [1, 2]
    """
    with noting():
        return current_store().artifacts.load_table(artifact_uri)


def diff(uri_a: str, uri_b: str) -> Difference:
    """Return what differs between two directories of runs; no content is read.

    Returns:
        What was added, removed and changed, with sizes and how many bytes of
        chunks both have; `.text(path)` is a unified diff of a text file.

    Raises:
        ArtifactNotFoundError: There is nothing at one of the addresses.

    Example:
        >>> other = store.runs.start()
        >>> entry = other.log_text("all is lost\\n", "report.txt")
        >>> found = holdall.artifacts.diff(f"runs:/{run.id}", f"runs:/{other.id}")
        >>> [change.path for change in found.changed], [entry.path for entry in found.removed]
        (['report.txt'], ['model/weights.bin'])
    """
    return current_store().artifacts.diff(uri_a, uri_b)


def diff_tensors(uri_a: str, uri_b: str, *, values: bool = True) -> TensorDifference:
    """Compare the tensors of two models, by name: which changed and by how much, were added, removed or renamed.

    Args:
        uri_a: A file or directory to compare with, as for `tensors`.
        uri_b: What is compared. Files need not be of one format, nor shards be cut alike.
        values: Whether to read the numbers that chunks leave open; if not, such tensors are "unread".

    Returns:
        A `TensorChange` for each tensor, the most changed first, with max, mean and norm of a - b, dtypes and shapes.

    Raises:
        ArtifactNotFoundError: There is nothing at one of the addresses.
        ContentError: It is one file, and none whose tensors can be told; or it is damaged.

    Cost: as `tensors` of both. Of what is the same no number is read, but for a chunk or two at the ends of a tensor
    whose neighbour changed; of what changed all of a, and the chunks of b that are not in a.

    Example:
        >>> import io, numpy
        >>> for epoch in range(2):
        ...     file = io.BytesIO()
        ...     numpy.savez(file, bias=numpy.zeros(3), weight=numpy.full(4, epoch, "float32"))
        ...     entry = run.log_bytes(file.getvalue(), f"{epoch}.npz")
        >>> found = holdall.artifacts.diff_tensors(f"runs:/{run.id}/0.npz", f"runs:/{run.id}/1.npz")
        >>> [(one.name, one.change) for one in found]
        [('weight', 'changed'), ('bias', 'same')]
    """
    return current_store().artifacts.diff_tensors(uri_a, uri_b, values=values)


def tensors(artifact_uri: str) -> Tensors:
    """List the tensors of a file, or of all files below a directory, by their headers; no numbers are read.

    Args:
        artifact_uri: A file that ends with .safetensors, .pt, .pth, .bin, .ckpt, .npz, .npy or .onnx; an index of
            shards (.index.json); or a directory, for all such files in it.

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
        >>> numpy.savez(file, weight=numpy.zeros((2, 3)))
        >>> entry = run.log_bytes(file.getvalue(), "weights.npz")
        >>> [(one.name, one.dtype, one.shape) for one in holdall.artifacts.tensors(f"runs:/{run.id}/weights.npz")]
        [('weight', 'float64', (2, 3))]
    """
    return current_store().artifacts.tensors(artifact_uri)


def read_ranges(artifact_uri: str, ranges: Iterable[tuple[int, int]], *, version: int | None = None) -> list[bytes]:
    """Read many ranges of a file at once, such as some tensors of a checkpoint; the rest of it is not fetched.

    Args:
        artifact_uri: `runs:/<run_id>/<path>`.
        ranges: `(start, stop)` of each: its first byte, counted from 0, and the byte after its last.
        version: An earlier version of the file, as `artifact_versions` names it; what is there now when None.

    Returns:
        `stop - start` bytes for each, in the order asked for, each chunk of them verified.

    Raises:
        ArtifactNotFoundError: There is no such file.
        ValueError: A range does not obey `0 <= start <= stop <= size`.
        IntegrityError: A chunk is not what was logged.

    Cost: all requests are planned together: one for each stretch without a gap of 1 MiB, of at most 16 MiB,
    side by side. To read ranges several times, open the file with `open_artifact`: it has the same method.

    Example:
        >>> holdall.artifacts.read_ranges(f"runs:/{run.id}/report.txt", [(0, 3), (7, 11)])
        [b'all', b'well']
    """
    with noting():
        return current_store().artifacts.read_ranges(artifact_uri, ranges, version=version)


def open_artifact(artifact_uri: str, *, version: int | None = None) -> ArtifactReader:
    """Open a file for reading, seekable, in binary. Only what is read is fetched, and all of that is verified.

    Beside what other files do, it has `read_ranges([(start, stop), ...])`, for many ranges at once.

    Args:
        artifact_uri: `runs:/<run_id>/<path>`.
        version: An earlier version of the file, as `artifact_versions` names it; what is there now when None.

    Raises:
        ArtifactNotFoundError: There is no such file, or no such version of it any more.
        IntegrityError: While reading: a chunk is not what was logged.

    Example:
        >>> with holdall.artifacts.open_artifact(f"runs:/{run.id}/report.txt") as file:
        ...     position = file.seek(7)
        ...     file.read(4)
        b'well'
    """
    with noting():
        return current_store().artifacts.open(artifact_uri, version=version)


def artifact_versions(artifact_uri: str) -> Sequence[FileVersion]:
    """Return what a path of a run holds and held, the newest first; only a versioned run has earlier versions.

    Raises:
        ArtifactNotFoundError: There is no such file, and no earlier version of one is kept.

    Cost: the nodes that list the run's earlier versions, and a GET for each version, side by side.

    Example:
        >>> with holdall.start_run(paths="versioned") as run:
        ...     for epoch in range(2):
        ...         holdall.log_text(f"epoch {epoch}", "last.txt", on_conflict="replace")
        >>> now, before = holdall.artifacts.artifact_versions(f"runs:/{run.id}/last.txt")
        >>> holdall.artifacts.load_text(f"runs:/{run.id}/last.txt", version=before.version)
        'epoch 0'
    """
    return current_store().artifacts.versions(artifact_uri)


def _uri(artifact_uri: str | None, run_id: str | None, artifact_path: str | None) -> str:
    if (artifact_uri is None) == (run_id is None):
        raise InvalidArgumentError("give either artifact_uri, or run_id and perhaps artifact_path")
    if artifact_uri is not None:
        if artifact_path is not None:
            raise InvalidArgumentError("artifact_path goes with run_id; put the path into artifact_uri")
        return artifact_uri
    return f"runs:/{run_id}/{artifact_path or ''}"
