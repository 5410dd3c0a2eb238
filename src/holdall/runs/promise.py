"""What a registered version says of the files of its run, and whether they keep it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from holdall.errors import IncompleteError, VersionChangedError
from holdall.format.manifest import digest_below
from holdall.format.tree import Entry
from holdall.trees.addresses import run_uri
from holdall.trees.view import View


@dataclass(frozen=True, slots=True)
class Promise:
    """What a registered version says of a path of its run. Attributes: version (its address), path, digest."""

    version: str
    path: str
    digest: str

    def hold(self, run_id: str, view: View) -> None:
        """Raise VersionChangedError if the run holds other content there. Cost: the nodes below the path.

        That some of the run cannot be read is no reason to refuse what is as it was registered.
        """
        entries: list[Entry] = []
        incomplete: IncompleteError | None = None
        try:
            entries.extend(view.paths.walk(self.path))
        except IncompleteError as error:
            incomplete = error
        found = digest_below(entries, self.path)
        if found != self.digest and incomplete:
            raise incomplete
        if found != self.digest:
            place = run_uri(run_id, self.path)
            raise VersionChangedError(self.version, place, self.digest, found)


class Located(NamedTuple):
    """What an address means: a run, a path in it, what is promised of that, and the run, if it was read to find out."""

    run_id: str
    path: str
    promise: Promise | None = None
    view: View | None = None
