"""One rank's part of a group: staged like any commit, and committed with all other parts by the last that comes.

    the log as it is        what this rank's entry says
    parts are missing       `part`: its tree, shown to nobody
    it is the last          a `commit` for each rank, `unpart`, and the tag that says so
    its part is there       nothing, if it is the same

The draft is made anew after each lost race, so the log says who is the last. SPEC.md, "Groups".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from holdall.errors import GroupConflictError, GroupSupersededError
from holdall.format.document import Json
from holdall.format.entry import InlineBlob
from holdall.format.groups import Group, Part, Record, part_op, record_key, record_of, record_op
from holdall.format.paths import ancestors
from holdall.format.reference import Ref, ref_from_json
from holdall.format.tree import Entry, Kind
from holdall.trees.conflicts import fresh_paths, with_parents
from holdall.trees.replacing import Replacing
from holdall.trees.session import Draft, Session
from holdall.trees.staged import Staged
from holdall.trees.transaction import Transaction
from holdall.trees.tree import Tree

_EMPTY = {"op": "commit", "tree": None, "files": 0, "bytes": 0, "new_bytes": 0, "stored_bytes": 0}


class PartTransaction(Transaction):
    """The part of one rank in the making. `publish` leaves it, or commits the group. Not for several threads at once.

    Attributes:
        group: What group it is of, without parts.
        rank: Whose it is.
    """

    def __init__(self, session: Session, group: Group, rank: int, replacing: Replacing | None = None) -> None:
        super().__init__(session, replacing=replacing)
        self.group, self.rank = group, rank
        self._rows: dict[Ref, Sequence[Entry]] = {}

    @property
    def committed(self) -> bool:
        """Return whether the group is committed, as far as its log was read. Raises: GroupSupersededError."""
        return self._record is not None

    @property
    def missing(self) -> list[int]:
        """Return the ranks whose part is not there, as far as the log was read. Raises: GroupSupersededError."""
        self._refuse_superseded()
        kept = self._kept
        return kept.missing if kept else list(range(self.group.world))

    def follow(self) -> None:
        """Take in what others wrote. Cost: a listing, and a GET for each entry that is new."""
        self._session.follow()

    # --- inside ---

    def _draft(self) -> Draft | None:
        self._refuse_superseded()
        if self._is_there():
            return None
        parts = self._others
        rows = {rank: self._rows_of(part) for rank, part in parts.items()}
        fresh = self._fresh(rows)
        own, blobs = self._commit(fresh) if fresh else (dict(_EMPTY), [])
        if len(parts) + 1 < self.group.world:
            return Draft([part_op(self.group, self.rank, own)], blobs)
        return self._whole(own, blobs, [staged.entry for staged in fresh], rows)

    def _whole(
        self, own: Json, blobs: Sequence[InlineBlob], fresh: Sequence[Entry], rows: Mapping[int, Sequence[Entry]]
    ) -> Draft:
        """Return the entry that commits all parts."""
        theirs = {entry.path: entry for entries in rows.values() for entry in entries}
        view, parts = self._session.view, self._others
        view.refuse_registered(list(theirs))
        lookup = view.paths.lookup(with_parents(theirs))
        new = fresh_paths(self._run_id, theirs, lookup, replace=self._replacing is not None)
        view.refuse_changes(path for path in new if path in lookup.there)
        commits = [own if rank == self.rank else parts[rank].commit_op() for rank in range(self.group.world)]
        trims = self._trimming.ops([*fresh, *(theirs[path] for path in new)])
        record = record_op(self.group, view.next, self._session.location.clock())
        return Draft([*commits, *trims, {"op": "unpart", "group": self.group.name}, record], blobs)

    def _refuse_superseded(self) -> None:
        """Raise GroupSupersededError if a later try of the job has left something of this group, or committed it."""
        state, name = self._session.view.state, self.group.name
        for there in (state.groups.get(name), record_of(state.tags, name)):
            if there and there.attempt > self.group.attempt:
                detail = f"attempt {there.attempt}, of {there.world} ranks, took over from attempt {self.group.attempt}"
                raise GroupSupersededError(self._run_id, name, detail)

    @property
    def _kept(self) -> Group | None:
        """Return the parts of this very group that are kept; None if there are none, or those of another try."""
        found = self._session.view.state.groups.get(self.group.name)
        return found if found and found.is_of(self.group.world, self.group.attempt) else None

    @property
    def _record(self) -> Record | None:
        """Return that this very group was committed; None if it was not."""
        self._refuse_superseded()
        record = record_of(self._session.view.state.tags, self.group.name)
        return record if record and record.attempt == self.group.attempt else None

    @property
    def _others(self) -> dict[int, Part]:
        kept = self._kept
        return {rank: part for rank, part in kept.parts.items() if rank != self.rank} if kept else {}

    def _is_there(self) -> bool:
        """Return whether this rank's part is there already, committed or not. Raises: GroupConflictError."""
        kept = self._kept
        if record := self._record:
            self._compare(*self._committed(record), "the group is committed, with")
        elif kept and self.rank in kept.parts:
            others = [entry for part in self._others.values() for entry in self._rows_of(part)]
            self._compare(self._rows_of(kept.parts[self.rank]), others, "it came before, with")
        else:
            return False
        return True

    def _committed(self, record: Record) -> tuple[Sequence[Entry], Sequence[Entry]]:
        """Return what this rank has in the entry that committed the group, and what the others have."""
        if record.world != self.group.world:
            raise self._conflict(f"the group is committed by {record.world} ranks, not by {self.group.world}")
        entry = self._session.journal.read(record.entry)
        commits = [op for op in entry.ops if op["op"] == "commit"]
        if len(commits) != record.world or not any(op.get("key") == record_key(self.group.name) for op in entry.ops):
            raise self._conflict("the group is committed, and what this rank had is not told any more")
        roots = [op["tree"] and ref_from_json(op["tree"], entry.log).carried_by(entry.n) for op in commits]
        rows = [list(Tree(self._session.blobs, root).walk()) if root else [] for root in roots]
        return rows[self.rank], [entry for rank, some in enumerate(rows) if rank != self.rank for entry in some]

    def _compare(self, own: Sequence[Entry], others: Iterable[Entry], when: str) -> None:
        """Raise GroupConflictError if what is staged is not what this rank had, or another had for it."""
        had = {entry.path: entry for entry in own}
        if lacking := sorted(had.keys() - self._staged.keys()):
            raise self._conflict(f"{when} something at {lacking[0]!r}, where it has nothing now")
        elsewhere = self._session.view.paths.lookup([path for path in self._staged if path not in had]).there
        elsewhere = elsewhere | {entry.path: entry for entry in others}
        for path, staged in self._staged.items():
            there = had.get(path) or elsewhere.get(path)
            if there is None or not staged.entry.same_as(there):
                raise self._conflict(f"{when} {there or 'nothing'} at {path!r}; now it has {staged.entry}")

    def _fresh(self, rows: Mapping[int, Sequence[Entry]]) -> list[Staged]:
        """Return what neither the run nor another part has. Raises: ConflictError: One has something else."""
        fresh = self._without_stale_conflicts() if self._versioned else self._without_conflicts()
        theirs = {entry.path: (rank, entry) for rank, entries in rows.items() for entry in entries}
        for path, staged in self._staged.items():
            for above in (path, *ancestors(path)):
                rank, there = theirs.get(above, (0, None))
                if there and (not staged.entry.same_as(there) if above == path else there.kind is not Kind.DIRECTORY):
                    raise self._conflict(f"it has {staged.entry} at {path!r}, and rank {rank} has {there} at {above!r}")
        for path, (rank, entry) in theirs.items():
            for mine in self._files_above(path):
                raise self._conflict(f"it has {mine} at {mine.path!r}, and rank {rank} has {entry} at {path!r}")
        return [staged for staged in fresh if staged.entry.path not in theirs]

    def _files_above(self, path: str) -> Iterator[Entry]:
        """Yield what is staged where a path needs a directory."""
        above = (self._staged.get(parent) for parent in ancestors(path))
        return (staged.entry for staged in above if staged and staged.entry.kind is not Kind.DIRECTORY)

    def _rows_of(self, part: Part) -> Sequence[Entry]:
        """Return the paths of a part. Cost: its nodes, the first time, that its entry does not carry."""
        if part.tree is None:
            return ()
        if part.tree not in self._rows:
            self._rows[part.tree] = list(Tree(self._session.blobs, part.tree).walk())
        return self._rows[part.tree]

    @property
    def _carries_nodes(self) -> bool:
        return True  # so that whoever comes later need not ask for the nodes of each part

    def _conflict(self, detail: str) -> GroupConflictError:
        return GroupConflictError(self._run_id, self.group.name, self.rank, detail)
