"""What the paths of a versioned run held one after the other, made anew in its copy.

Of each path the source tells a timeline: its earlier versions, then what it
holds, or nothing. The copy has one as well, of which some end may be the
beginning of the source's. What follows is appended, and in the end the copy
keeps as many versions as the source does:

    source   b | c | now          b and c are earlier versions
    copy     a | b                b is held: c and `now` follow, and a is trimmed

What changed in one entry of the source changes in one entry of the copy. The
numbers of entries differ. Where a path was empty for a while, or shares its
name with what was a directory then, it gets its next content as late as can be.

Rules without I/O.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from holdall.format.changes import trim_op
from holdall.format.document import Json
from holdall.format.paths import ancestors, sort_key
from holdall.format.tree import Entry, Kind
from holdall.trees.history import Version

_GAP: Final = 2  # between the steps of two entries of the source, so that there is one between them
_LAST: Final = 2**63  # the step that comes after all others

Timeline: TypeAlias = list[Entry | None]


@dataclass(slots=True)
class Step:
    """What one entry of the copy does to paths. Attributes: removed (before the rest), entries (by path)."""

    removed: list[str] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)

    @property
    def ascending(self) -> list[Entry]:
        """Return what it commits, in the order of a tree."""
        return sorted(self.entries.values(), key=lambda entry: sort_key(entry.path))


def steps(
    held: Iterable[Entry], versions: Sequence[Version], copied: Iterable[Entry], known: Sequence[Version]
) -> list[Step]:
    """Return what is to be appended to a copy, at least one step.

    Args:
        held, versions: What the source holds, and its earlier versions.
        copied, known: The same of the copy.
    """
    now, then = {entry.path: entry for entry in held}, _by_path(versions)
    here, before = {entry.path: entry for entry in copied}, _by_path(known)
    events = sorted({_GAP * version.until for version in versions})
    found: defaultdict[int, Step] = defaultdict(Step)
    clashing = _clashing({*now, *then, *here})
    for path in sorted({*now, *then, *here}, key=sort_key):
        wanted: Timeline = [*(version.entry for version in then[path]), now.get(path)]
        there: Timeline = [*(version.entry for version in before[path]), *([here.get(path)] if path in here else ())]
        if path not in here and before[path]:
            there.append(None)
        have = _overlap(there, wanted)
        ends = [_GAP * version.until for version in then[path]]
        for at in range(have, len(wanted)):
            late, emptied = path in clashing, path in here or bool(at)
            _place(found, wanted[: at + 1], path, ends, events, late=late, emptied=emptied)
    _refill(found[_LAST], now, here)
    ordered = [found[key] for key in sorted(found) if key != _LAST]
    return [*ordered, found[_LAST]]


def trims(
    source: Sequence[Version], copy: Sequence[Version], step: Step, here: Mapping[str, Entry], n: int
) -> list[Json]:
    """Return what ends the copy's earlier versions but for as many of each path as the source keeps.

    What ends those of a path ends those below it as well: where these are to stay, some more of the path do, too.

    Args:
        source, copy: Earlier versions, in both stores, before the step.
        step: What entry `n` of the copy does.
        here: What the copy holds before, of the paths that it touches.
        n: That entry's number.
    """
    kept, ops = _by_path(source), []
    there: defaultdict[str, list[int]] = defaultdict(list)
    for version in copy:
        there[version.entry.path].append(version.until)
    for path in {*step.removed, *step.entries}:
        if path in here and here[path].kind is not Kind.DIRECTORY and not _same(step.entries.get(path), here[path]):
            there[path].append(n)
    wanted = {path: sorted(numbers)[max(len(numbers) - len(kept[path]), 0) :] for path, numbers in there.items()}
    for path, numbers in there.items():
        below = min((n for other in wanted if other.startswith(f"{path}/") for n in wanted[other]), default=n + 1)
        surplus = [number for number in numbers if number not in wanted[path] and number < below]
        ops += [trim_op(path, max(surplus) + 1)] if surplus else []
    return ops


def _refill(last: Step, now: Mapping[str, Entry], here: Mapping[str, Entry]) -> None:
    """Keep what is below an empty directory that is no longer said to be there: its removal would take it along."""
    for path in last.removed:
        if here.get(path) and here[path].kind is Kind.DIRECTORY:
            last.entries |= {below: entry for below, entry in now.items() if below.startswith(f"{path}/")}


def _place(
    found: defaultdict[int, Step],
    wanted: Timeline,
    path: str,
    ends: Sequence[int],
    events: Sequence[int],
    *,
    late: bool,
    emptied: bool,
) -> None:
    """Put the last content of a path's timeline so far into the step where it is due.

    What comes again after a while without it must be away in between: else nothing would have changed.
    """
    content, at = wanted[-1], len(wanted) - 1
    begins = ends[at - 1] if at else (0 if ends else _LAST)
    due = begins
    if late:
        end = ends[at] if at < len(ends) else _LAST + 1
        due = max([event for event in (*events, _LAST) if begins <= event < end], default=begins)
    if due == begins and at and content is not None and _same(wanted[at - 1], content):
        due += 1
    if content is None or (due != begins and emptied):
        found[begins].removed.append(path)
    if content is not None:
        found[due].entries[path] = content


def _overlap(there: Timeline, wanted: Timeline) -> int:
    """Return how many contents the copy's timeline ends with that the source's begins with."""
    for length in range(min(len(there), len(wanted)), 0, -1):
        if all(_same(a, b) for a, b in zip(there[-length:], wanted[:length], strict=True)):
            return length
    return 0


def _same(one: Entry | None, other: Entry | None) -> bool:
    return one.same_as(other) if one and other else one is other


def _by_path(versions: Iterable[Version]) -> defaultdict[str, list[Version]]:
    found: defaultdict[str, list[Version]] = defaultdict(list)
    for version in sorted(versions, key=lambda version: version.until):
        found[version.entry.path].append(version)
    return found


def _clashing(paths: set[str]) -> set[str]:
    """Return the paths that have others above or below them: a file now, a directory then."""
    above = {path: [one for one in ancestors(path) if one in paths] for path in paths}
    return {one for path, some in above.items() if some for one in (path, *some)}
