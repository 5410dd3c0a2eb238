"""Reading a run while packs are collected: a pack that is gone need not be damage.

A collector deletes a pack when no newest entry refers to it any more. Who reads
by an older look at the log may then find it gone, so it looks at the log again:

    the run was purged                RunNotFoundError
    it has a newer entry              what it holds is read by that one
    nothing is new                    damage: the error stands

SPEC.md, "Garbage" (G2, G9), is why a look at the newest entry is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final, TypeAlias, TypeVar

from holdall.errors import ArtifactNotFoundError, IntegrityError
from holdall.format.paths import sort_key
from holdall.format.tree import Entry, Kind
from holdall.runs.selections import Selection, follow_links
from holdall.runs.versions import earlier_version, same_content
from holdall.trees.artifact_file import ArtifactFile
from holdall.trees.salvage import is_gone
from holdall.trees.view import View

T = TypeVar("T")
Look: TypeAlias = Callable[[], View]  # at a run as it is now; raises RunNotFoundError if it was purged
_TRIES: Final = 5  # looks at a log that is written to while one reads


def newer(view: View, look: Look, error: IntegrityError) -> View:
    """Return the run as of an entry behind a view's; raise the error, where it is damage. Cost: none where it is."""
    if not is_gone(error):
        raise error
    found = look()
    if found.next == view.next:
        raise error
    return found


def watch(view: View) -> View:
    """Have a view's paths tell of a pack that is gone, rather than go on around it, where the log has a newer entry."""

    def has_moved(error: IntegrityError) -> bool:
        return is_gone(error) and view.paths.blobs.journal.newest() != view.next - 1

    view.paths.has_moved = has_moved
    return view


def read_again(view: View, look: Look, read: Callable[[View], T]) -> T:
    """Return what `read` makes of a run: of the view, or of a newer one where a pack is gone.

    Raises:
        RunNotFoundError: The run was purged meanwhile.
        IntegrityError: Something is damaged.
    """
    for _ in range(_TRIES):
        try:
            return read(view)
        except IntegrityError as error:
            view = newer(view, look, error)
    return read(view)


def walk_again(view: View, look: Look, path: str) -> Iterator[Entry]:
    """Yield every entry at or below a path, as `View.paths.walk`; from a newer view on where a pack is gone."""
    last = None
    for _ in range(_TRIES):
        try:
            for entry in view.paths.walk(path):
                if last is None or sort_key(entry.path) > last:
                    last = sort_key(entry.path)
                    yield entry
            return
        except IntegrityError as error:
            view = newer(view, look, error)
    yield from (entry for entry in view.paths.walk(path) if last is None or sort_key(entry.path) > last)


def opened(run_id: str, view: View, look: Look, path: str, version: int | None = None) -> ArtifactFile:
    """Open a file of a run, which goes on where it is if its packs go; or an earlier version of it.

    Raises:
        ArtifactNotFoundError: There is no file at this path; or, while it is read, not this one any more.
    """

    def find(view: View) -> ArtifactFile:
        entry = follow_links(view, path) if version is None else earlier_version(view, path, version)
        if entry is None or entry.kind is not Kind.FILE:
            raise ArtifactNotFoundError(run_id, path)
        return _file(view, entry)

    def _file(view: View, entry: Entry) -> ArtifactFile:
        return ArtifactFile(view.paths.blobs, entry, lambda error: again(view, entry, error))

    def again(view: View, entry: Entry, error: IntegrityError) -> ArtifactFile:
        def find_same(view: View) -> ArtifactFile:
            found = same_content(view, path, entry)
            if found is None:  # its content was given up, and is gone
                raise ArtifactNotFoundError(run_id, path)
            return _file(view, found)

        return read_again(newer(view, look, error), look, find_same)

    return read_again(view, look, find)


def relocated(run_id: str, look: Look, selected: Selection, error: IntegrityError) -> tuple[View, list[Entry]]:
    """Return the run as it is now, and some entries as it has them; raise the error if none has moved.

    Raises:
        ArtifactNotFoundError: One is not there any more.
    """
    if not is_gone(error):
        raise error
    view, entries = look(), selected.entries
    if selected.version is not None:
        return view, _moved([earlier_version(view, entry.path, selected.version) for entry in entries], entries, error)
    there = view.paths.find([entry.path for entry in entries])
    found = []
    for entry in entries:
        now = there.get(entry.path)
        if now and now.kind is Kind.LINK and entry.kind is Kind.FILE:  # it was selected as the file that it leads to
            now = follow_links(view, entry.path)
        if now is None:
            raise ArtifactNotFoundError(run_id, entry.path)
        found.append(replace(now, path=entry.path))
    return view, _moved(found, entries, error)


def _moved(found: list[Entry], entries: Sequence[Entry], error: IntegrityError) -> list[Entry]:
    if found == list(entries):
        raise error
    return found
