"""Which paths a commit may add: a path is a file or a directory, never both, and changes only in a versioned run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from holdall.errors import ArtifactExistsError, PathConflictError
from holdall.format.paths import MAX_PATH, ancestors
from holdall.format.tree import Entry, Kind
from holdall.trees.paths import PathLookup


def with_parents(paths: Iterable[str]) -> list[str]:
    """Return paths and all directories above them: what must be looked up before they are added."""
    wanted = list(paths)
    return [*wanted, *{parent for path in wanted for parent in ancestors(path)}]


def fresh_paths(run_id: str, wanted: Mapping[str, Entry], lookup: PathLookup, *, replace: bool = False) -> list[str]:
    """Return those of the wanted paths that the run has not yet, or not so.

    Args:
        run_id: For errors.
        wanted: What is to be added, by path.
        lookup: What the run has at these paths and their parents.
        replace: Whether a file or link may take the place of another.

    Raises:
        ArtifactExistsError: The run has other content at a path.
        PathConflictError: There is a file where a directory is needed, or the reverse.
    """
    there = lookup.there
    for path, entry in wanted.items():
        if path in there and not there[path].same_as(entry) and not (replace and _replaceable(there[path], entry)):
            raise ArtifactExistsError(run_id, path, str(there[path]), str(entry))
        if path in lookup.below and entry.kind is not Kind.DIRECTORY:
            raise PathConflictError(run_id, path, lookup.below[path])
        for parent in ancestors(path):
            above = there.get(parent) or wanted.get(parent)
            if above and above.kind is not Kind.DIRECTORY:
                raise PathConflictError(run_id, path, parent)
    return [path for path in wanted if path not in there or not there[path].same_as(wanted[path])]


def refuse_targets(run_id: str, wanted: Mapping[str, Entry], find: Callable[[Sequence[str]], PathLookup]) -> None:
    """Raise ArtifactExistsError if a path is one that a pointer stands for, or lies below one."""
    from holdall.format.pointers import candidates  # few runs refer to anything

    pointers = {name: path for path in wanted for name, _ in candidates(path) if len(name.encode()) <= MAX_PATH}
    for name, entry in find(list(pointers)).there.items():
        if entry.kind is Kind.FILE and name not in wanted:
            path = pointers[name]
            raise ArtifactExistsError(run_id, path, f"content elsewhere, as {name} says", str(wanted[path]))


def _replaceable(there: Entry, wanted: Entry) -> bool:
    """Return whether one may take the other's place without a removal: neither is a directory."""
    return Kind.DIRECTORY not in (there.kind, wanted.kind)
