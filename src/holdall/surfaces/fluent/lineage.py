"""What the active run refers to and reads: said by verbs, and noted where others read by an artifact's address."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from holdall.settings import read_settings
from holdall.store import OnConflict, UsedArtifact, witnessed
from holdall.surfaces.fluent.active import active_run, run_of

if TYPE_CHECKING:
    from holdall.store import Reference


def use_artifact(uri: str, *, run_id: str | None = None) -> UsedArtifact:
    """Say that the active run, or the one of this id, reads an artifact, and return what reads it.

    Args:
        uri: `runs:/<run_id>/<path>`, or of a model `models:/<name>/<version>`, `models:/<name>@<alias>` and others.
        run_id: The run that reads; the active one when None.

    Returns:
        Its digest and size, with `open`, `read` and `download`.

    Raises:
        NoActiveRunError: No run is active, and none is named.
        ArtifactNotFoundError: There is nothing at this address.
        InvalidURIError: It is none.

    Cost: as `Run.use_artifact`.

    Example:
        >>> with holdall.start_run() as training:
        ...     used = holdall.use_artifact(f"runs:/{run.id}/report.txt")
        >>> used.read(), [read.path for read in training.reads]
        (b'all is well\\n', ['report.txt'])
    """
    return run_of(run_id).use_artifact(uri)


def log_reference(
    uri: str,
    path: str | None = None,
    run_id: str | None = None,
    *,
    digest: bool = False,
    on_conflict: OnConflict = "error",
    keep_last: int | None = None,
) -> Reference:
    """Log where content is, and what it was, in place of a copy: of an object, or of all below a prefix.

    Args:
        uri: `s3://bucket/key`, `gs://`, `az://`, `file:///path` or `https://`; a folder's ends with a slash.
        path: Where it stands in the run; its own name when None.
        run_id: The run; the active one when None.
        digest: Whether to read it once for its SHA-256, by which all that is fetched is verified then.
        on_conflict, keep_last: As for `log_artifact`.

    Returns:
        Where it stands, how many objects and how many bytes they have.

    Raises: NoActiveRunError, and as `Run.log_reference`.

    Example:
        >>> elsewhere = holdall.open("memory://far-facts").maintenance.create()
        >>> with holdall.start_run():
        ...     holdall.log_reference("memory://far-facts/holdall.json", "data/facts.json").files
        1
    """
    run = run_of(run_id)
    return run.log_reference(uri, path, digest=digest, on_conflict=on_conflict, keep_last=keep_last)


def noting() -> AbstractContextManager[None]:
    """Have the active run, if there is one, note what is read by its address in this block.

    Cost: none; `HOLDALL_LINEAGE=off` turns it off.
    """
    run = active_run()
    return witnessed(run._note_read if run and read_settings().lineage else None)
