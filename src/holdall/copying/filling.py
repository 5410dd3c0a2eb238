"""What a copy of a run lacks, on its way into it: entry by entry, the last of which moves the mark.

First what is said, in as many entries as it takes; then, of a versioned run,
what its paths held before, an entry for each change; and at last, in one entry,
the files, what ran where, how the run ended, and how far the copy has come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Final

from holdall.chunks.observer import Transfer
from holdall.copying.facts import new_points, parts, said, status_ops
from holdall.copying.files import FileCopy, Sent, place_environment
from holdall.copying.marks import Mark, facts_of, points_of
from holdall.copying.report import DAMAGED, RunCopy
from holdall.copying.timelines import Step, trims
from holdall.format.changes import remove_op
from holdall.format.document import Json
from holdall.format.entry import InlineBlob
from holdall.format.manifest import manifest_digest, manifest_text
from holdall.format.ops import MOST_REMOVED
from holdall.format.reference import Ref
from holdall.format.state import State
from holdall.format.tree import Kind
from holdall.trees.history import Version, versions_in_order
from holdall.trees.location import Location
from holdall.trees.session import Draft, Session
from holdall.trees.view import View

_ENDED: Final = ("FINISHED", "FAILED", "KILLED")


@dataclass(frozen=True, slots=True)
class Comparison:
    """A run here and there, and what is to be done.

    Attributes:
        run_id: Which.
        outcome, detail: As `RunCopy`.
        source, target: The run in both stores; None where it is in none, or need not be read.
        mark: What the copy is of, once it was made.
        before: What it was of until now.
        steps: What it lacks, by the entries that commit it: one, but for a versioned run.
    """

    run_id: str
    outcome: str
    detail: str = ""
    source: View | None = None
    target: View | None = None
    mark: Mark | None = None
    before: Mark | None = None
    steps: Sequence[Step] = field(default=(), repr=False)

    def result(self, sent: Sent | None = None, wrong: str = "") -> RunCopy:
        """Return it as users see it; `wrong` says how the copy differs from its source, which it never should."""
        files = [one for step in self.steps for one in step.entries.values() if one.kind is Kind.FILE]
        sent = sent or Sent()
        return RunCopy(
            self.run_id,
            DAMAGED if wrong else self.outcome,
            wrong or self.detail,
            len(files),
            sum(entry.size for entry in files),
            sent.new_bytes,
            sent.stored_bytes,
        )


class ChangedError(Exception):
    """The run in the destination is not any more what it was compared as."""


class Filling:
    """What a copy lacks, on its way into it."""

    def __init__(
        self, source: Location, session: Session, found: Comparison, transfer: Transfer, *, verify: bool
    ) -> None:
        assert found.source, "it is there to be copied,"
        assert found.source.head, "as of this entry"
        assert found.mark
        self._source, self._session, self._found = source, session, found
        self._view, self._mark, self._head = found.source, found.mark, found.source.head
        self._before = found.before or Mark(found.mark.store)
        self._expected = facts_of(found.target.state if found.target else session.view.state)
        blobs = found.source.paths.blobs
        copies = [FileCopy(source, blobs, session, step.ascending, transfer, verify) for step in found.steps]
        self._files = [*zip(found.steps, copies, strict=True)]
        self._versions = versions_in_order(found.source.paths)

    @property
    def small(self) -> bool:
        """Return whether nothing of it goes to packs."""
        return all(files.small for _, files in self._files)

    def finish(self) -> Sent:
        """Say all that the copy lacks, and end its session with the entry that moves the mark.

        Raises:
            ChangedError: Others have changed the copy.
        """
        *early, (step, files) = self._files
        files.stage()
        last: list[Json] | None = None
        for ops in self._small_parts():
            if last is not None:
                self._say(lambda ops=last: Draft(ops))  # type: ignore[misc]  # bound now, as it is asked again
            last = ops
        for before, sending in early:
            sending.stage()
            self._say(lambda step=before, files=sending: Draft(*self._changes(step, files)))  # type: ignore[misc]
        self._session.close_with(lambda: self._last(last or [], step, files))
        sent = [files.sent for _, files in self._files]
        return Sent(sum(one.new_bytes for one in sent), sum(one.stored_bytes for one in sent))

    def _small_parts(self) -> Iterator[list[Json]]:
        """Yield what is said beside the files, as operations of one entry each."""
        source, copy = self._view.state, self._session.view.state
        clean = points_of(copy) == self._before.points and self._mark.store == self._source.descriptor.store
        first = self._before.entries if clean else 0
        taken = {} if clean else {key: last[3] for key, last in copy.metrics.items()}
        batches = [n for n in source.batches if n >= first]
        points = new_points(self._view.paths.blobs.journal.each(batches), taken)
        return parts(chain(said(source, copy), points))

    def _say(self, build: Callable[[], Draft]) -> None:
        """Append an entry that does not move the mark."""

        def drafted() -> Draft:
            self._check()
            draft = build()
            return replace(draft, ops=[*draft.ops, self._moved(self._before)], time=self._head.time)

        self._session.append(drafted)
        self._expected = facts_of(self._session.view.state)

    def _changes(self, step: Step, files: FileCopy) -> tuple[list[Json], list[InlineBlob]]:
        """Return what a step does to paths, and what its entry carries; refuse what a registered version forbids."""
        view = self._session.view
        touched = [*step.removed, *step.entries]
        view.refuse_changes(touched) if view.state.versioned else view.refuse_registered(touched)
        for path in step.removed:
            view.refuse_removal(path)
        removed = [remove_op(step.removed[at : at + MOST_REMOVED]) for at in range(0, len(step.removed), MOST_REMOVED)]
        if not step.entries:
            return removed, []
        commit, blobs = files.draft()
        return [*removed, commit], blobs

    def _trims(self, step: Step) -> list[Json]:
        """Return what ends the earlier versions that the source does not keep."""
        view = self._session.view
        if not view.state.versioned:
            return []
        there = view.paths.lookup([*step.removed, *step.entries]).there
        return trims(self._versions, versions_in_order(view.paths), step, there, view.next)

    def _last(self, ops: list[Json], step: Step, files: FileCopy) -> Draft:
        """Return the entry that completes the copy."""
        source, copy = self._view.state, self._session.view.state
        self._check()
        changes, blobs = self._changes(step, files)
        changes += self._trims(step)
        if source.environment and not self._is_there(source.environment, copy.environment):
            blobs_of = self._view.paths.blobs
            changes.append(place_environment(blobs_of, source.environment, self._session.writer(), blobs))
        status = status_ops(source, copy)
        final = bool(status) and source.status in _ENDED
        time = source.ended if final and source.ended is not None else self._head.time
        return Draft([*ops, *changes, *status, self._moved(self._mark, source)], blobs, final=final, time=time)

    def _is_there(self, environment: Ref, copied: Ref | None) -> bool:
        """Return whether the copy has an environment. Cost: reading it, where the destination names it otherwise."""
        if copied is None or copied.id == environment.id:
            return copied is not None
        sealing = self._session.blobs.sealing
        if not (self._source.sealing.sealed or sealing.sealed):
            return False
        return sealing.blob_id(self._view.paths.blobs.read([environment])[0]) == copied.id

    def _check(self) -> None:
        """Raise a ChangedError if the copy is not what it was when it was compared, but for what was said here."""
        if facts_of(self._session.view.state) != self._expected:
            raise ChangedError

    def _moved(self, mark: Mark, state: State | None = None) -> Json:
        """Return the operation that sets the mark, as the next entry says it."""
        points = points_of(state) if state else mark.points
        return mark.placed(self._session.view.next, points).op(self._session.location.clock())

    def difference(self) -> str:
        """Return how what the copy's log says differs from the source's: manifest, earlier versions; "" if not."""
        there, here = (manifest_digest(manifest_text(view.paths.walk())) for view in (self._view, self._session.view))
        if there != here:
            return f"the copy's manifest is {here}, and that of the source {there}"
        kept = _kept(versions_in_order(self._session.view.paths))
        for path, wanted in _kept(self._versions).items():
            if kept.get(path, [])[-len(wanted) :] != wanted:
                return f"the copy's earlier versions of {path!r} are not those of the source"
        return ""


def _kept(versions: Sequence[Version]) -> dict[str, list[str]]:
    """Return what each path held, in its order."""
    found: dict[str, list[str]] = {}
    for version in sorted(versions, key=lambda version: version.until):
        found.setdefault(version.entry.path, []).append(str(version.entry))
    return found
