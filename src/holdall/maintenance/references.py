"""Whether what runs refer to elsewhere is still what it was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final

from holdall.display import Facts, Listing, Named, Shown
from holdall.errors import (
    AccessDeniedError,
    FormatError,
    HoldallError,
    IncompleteError,
    ReferenceChangedError,
    ReferenceRefusedError,
)
from holdall.format.paths import REFERS
from holdall.runs.elsewhere import Found
from holdall.runs.index import run_ids as run_ids_of
from holdall.runs.index import summaries
from holdall.runs.run import Run
from holdall.trees.addresses import run_uri
from holdall.trees.elsewhere import PinnedObject
from holdall.trees.location import Location


@dataclass(frozen=True, slots=True, repr=False)
class ReferenceProblem(Shown, Named):
    """A reference that does not lead to what was there.

    Attributes:
        artifact: The artifact that stands for it, `runs:/<run id>/<path>`.
        uri: Where it leads.
        what: "changed" (also gone), "unreadable" (the place does not answer, or refuses), "refused" (this reader allows
            no references to lead there) or "damaged" (it cannot be understood).
        detail: What was found.
    """

    artifact: str
    uri: str
    what: str
    detail: str

    def _shown(self) -> Facts:
        return asdict(self)

    def to_dictionary(self) -> dict[str, Any]:
        """Return the same by name."""
        return asdict(self)


_KINDS: Final[dict[type[HoldallError], str]] = {
    ReferenceChangedError: "changed",
    ReferenceRefusedError: "refused",
    FormatError: "damaged",
    AccessDeniedError: "unreadable",
}


class ReferenceVerbs:
    """Holding references against what is there: a part of `Maintenance`."""

    _location: Location

    def check_references(
        self, run_ids: Iterable[str] | None = None, *, digest: bool = False
    ) -> Listing[ReferenceProblem]:
        """Hold what runs refer to elsewhere against what is there now.

        Args:
            run_ids: Which runs; all that refer to anything when None.
            digest: Whether to read all whose SHA-256 is known, and compute it anew.

        Returns:
            What changed, is gone, or cannot be read; nothing if all is as it was.

        Raises:
            RunNotFoundError: There is no such run.

        Cost: the summaries of all runs, as a search reads them; of a run with references its paths; elsewhere one
            request for each object. With `digest`, all of these objects is read.

        Example:
            >>> store.maintenance.check_references()
            []
        """
        self._location.require_store()
        ids = self._referring() if run_ids is None else run_ids
        return Listing(problem for id in ids for problem in self._problems(Run(self._location, id), digest=digest))

    def _referring(self) -> list[str]:
        told = {summary.run_id for summary in summaries(self._location, None) if REFERS in summary.tags}
        return [id for id in run_ids_of(self._location) if id in told]

    def _problems(self, run: Run, *, digest: bool) -> Iterator[ReferenceProblem]:
        try:
            for found in run._references().below(""):
                yield from self._drift(run.id, found, digest=digest)
        except (FormatError, IncompleteError) as error:
            yield ReferenceProblem(run_uri(run.id), "", "damaged", str(error))

    def _drift(self, run_id: str, found: Found, *, digest: bool) -> Iterator[ReferenceProblem]:
        try:
            objects = list(found.objects(self._location))
        except HoldallError as error:
            yield _problem(run_uri(run_id, found.path), found.pointer.uri, error)
            return
        check = partial(_error_of, digest=digest)
        for there, wrong in zip(objects, self._location.pool.map(check, objects), strict=True):
            if wrong:
                yield _problem(run_uri(run_id, there.artifact), there.uri, wrong)


def _error_of(there: PinnedObject, *, digest: bool) -> HoldallError | None:
    try:
        there.check()
        if digest and there.pinned.sha256 and there.sha256() != there.pinned.sha256:
            return ReferenceChangedError(there.uri, "its content has another SHA-256", there.artifact)
    except HoldallError as error:
        return error
    return None


def _problem(artifact: str, uri: str, error: HoldallError) -> ReferenceProblem:
    what = next((word for kind, word in _KINDS.items() if isinstance(error, kind)), "unreadable")
    return ReferenceProblem(artifact, uri, what, str(error))
