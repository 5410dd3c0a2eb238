"""Which log a run is a copy of, and whether it still is only that."""

from __future__ import annotations

from holdall.copying.marks import Mark, mark_of, only_harmless
from holdall.format.layout import run_log
from holdall.trees.blobs import RunBlobReader
from holdall.trees.journal import Journal
from holdall.trees.location import Location
from holdall.trees.view import View


def load_view(location: Location, run_id: str) -> View | None:
    """Return a run as it is now, or None. Cost: one listing and one GET, and a GET for each entry since its state."""
    journal = Journal(location.bucket, location.pool, run_log(run_id))
    return View.load(RunBlobReader(location.bucket, location.pool, journal, location.damage))


def current_mark(location: Location, view: View) -> Mark:
    """Return what a copy of this run would be a copy of: of what it is itself a copy of, if it is only that.

    Cost: none, but for a copy that others wrote to a GET for each entry since.
    """
    assert view.head, "it was loaded"
    mark = mark_of(view.state.tags)
    if mark and not stranger(location, view, mark):
        return mark
    return Mark(location.descriptor.store, view.head.n + 1, view.head.sha256)


def stranger(location: Location, view: View, mark: Mark) -> str:
    """Return what others have said in a copy since it was made, such as "tag"; "" if it is nothing.

    Cost: a GET for each entry since.
    """
    assert view.head, "it was loaded"
    journal = Journal(location.bucket, location.pool, view.head.log)
    for entry in journal.each(range(mark.at + 1, view.head.n + 1)):
        for op in entry.ops:
            if not only_harmless([op]):
                return f"{op['op']} in entry {entry.n}"
    return ""
