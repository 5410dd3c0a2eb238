"""What the active run reads: said by `use_artifact`, and noted where verbs read by an artifact's address."""

from __future__ import annotations

from contextlib import AbstractContextManager

from holdall.settings import read_settings
from holdall.store import UsedArtifact, witnessed
from holdall.surfaces.fluent.active import active_run, run_of


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


def noting() -> AbstractContextManager[None]:
    """Have the active run, if there is one, note what is read by its address in this block.

    Cost: none; `HOLDALL_LINEAGE=off` turns it off.
    """
    run = active_run()
    return witnessed(run._note_read if run and read_settings().lineage else None)
