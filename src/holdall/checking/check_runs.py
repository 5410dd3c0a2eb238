"""Runs, one shard of them: is each log whole, and what it says, and each file what was logged?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeAlias

from holdall.checking.check_log import LogCheck
from holdall.checking.check_packs import Footers, Rows
from holdall.checking.content import Claim, Content
from holdall.checking.findings import Problem
from holdall.errors import HoldallError
from holdall.format.entry import LogEntry
from holdall.format.layout import RUNS, PackName
from holdall.format.manifest import digest_below
from holdall.format.reference import Ref
from holdall.format.registered import Version
from holdall.format.state import State
from holdall.format.tree import Entry
from holdall.trees.addresses import run_uri
from holdall.trees.heads import entry_keys
from holdall.trees.journal import Journal
from holdall.trees.location import Location

Registered: TypeAlias = Mapping[str, Sequence[tuple[str, Version]]]  # by the run: the log of a model, and its version
_AHEAD: Final = 128  # entries of other logs that are held while one is looked at
_MOST: Final = 256  # entries of a log that are fetched so; a longer one is read a part at a time
_PENDING: Final = 100_000  # references held until packs are asked


@dataclass(frozen=True, slots=True)
class RunShard:
    """Runs whose ids begin so.

    Attributes:
        prefixes: How they begin.
        listed: Their logs, each with the numbers of its entries, where they are known; else they are listed.
        versions: What was registered of them.
    """

    prefixes: tuple[str, ...]
    listed: Mapping[str, Sequence[int]] | None = None
    versions: Registered = field(default_factory=dict)

    def __str__(self) -> str:
        more = f" and {len(self.prefixes) - 1} more" if len(self.prefixes) > 1 else ""
        return f"{RUNS}{self.prefixes[0]}{more}"

    def logs(self, location: Location) -> Mapping[str, Sequence[int]]:
        """Return its logs, in order. Cost: a listing for each prefix, where they were not listed."""
        if self.listed is not None:
            return self.listed
        found: defaultdict[str, list[int]] = defaultdict(list)
        for prefix in self.prefixes:
            for key in entry_keys(location.bucket.list(RUNS + prefix)):
                found[key.log].append(key.number)
        return found


@dataclass(slots=True)
class RunsSeen:
    """What was seen of runs.

    Attributes:
        runs, entries, files, bytes: How many there are.
        problems: What is wrong with their logs and with what was registered of them.
        unread: What is wrong with the content of files, by what they hold.
        states: What each log amounts to, where it is whole: only what other logs are held against.
        used: Packs that are needed; once_used: Packs that only superseded states name.
        bad: What is wrong with packs, as references to them show it.
        users: What depends on packs that are bad.
    """

    runs: int = 0
    entries: int = 0
    files: int = 0
    bytes: int = 0
    problems: list[Problem] = field(default_factory=list)
    unread: dict[Claim, Problem] = field(default_factory=dict)
    states: dict[str, State] = field(default_factory=dict)
    used: set[PackName] = field(default_factory=set)
    once_used: set[PackName] = field(default_factory=set)
    bad: dict[PackName, str] = field(default_factory=dict)
    users: dict[PackName, set[str]] = field(default_factory=dict)

    def add(self, other: RunsSeen) -> None:
        """Add what was seen of the runs that come after these."""
        for name in ("runs", "entries", "files", "bytes"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.problems += other.problems
        for claim, problem in other.unread.items():
            self.unread.setdefault(claim, problem)  # the first that has a content is named
        self.states |= other.states
        self.used |= other.used
        self.once_used |= other.once_used
        for pack, detail in other.bad.items():
            self.bad[pack] = min(detail, self.bad.get(pack, detail))
        for pack, users in other.users.items():
            self.users.setdefault(pack, set()).update(users)


def check_runs(
    location: Location, quick: bool, known: Mapping[PackName, Rows] | None, bad: frozenset[PackName], shard: RunShard
) -> RunsSeen:
    """Fold the logs of runs and read their files.

    Args:
        location: The store.
        quick: Read no content.
        known: The rows of all whole packs, if they were kept.
        bad: Packs that are known to be damaged: who needs them is told.
        shard: Which runs.

    Cost: a GET for each entry; nodes, recipes; the footers of the packs that the runs refer to, if they are not known;
        unless quick, each file. Holds what one run lists, and who uses which pack.
    """
    return _RunsCheck(location, Footers(location, known), bad, shard).run(quick=quick)


def _wanted(log: str, listed: Sequence[int]) -> list[tuple[str, int]]:
    return [(log, n) for n in listed] if len(listed) <= _MOST else []


class _RunsCheck:
    """The check of one shard, and what it has found so far."""

    def __init__(self, location: Location, footers: Footers, bad: frozenset[PackName], shard: RunShard) -> None:
        self._location, self._footers, self._known_bad, self._shard = location, footers, bad, shard
        self._seen = RunsSeen()
        self._users: defaultdict[PackName, set[str]] = defaultdict(set)
        self._pending: defaultdict[PackName, set[Ref]] = defaultdict(set)
        self._waiting = 0
        self._claims: set[Claim] = set()  # that were looked into

    def run(self, *, quick: bool) -> RunsSeen:
        seen, location = self._seen, self._location

        def read(wanted: tuple[str, int]) -> LogEntry | HoldallError:
            return Journal(location.bucket, location.pool, wanted[0]).read_or_error(wanted[1])

        logs = self._shard.logs(location).items()
        groups = (((log, listed), _wanted(log, listed)) for log, listed in logs)
        for (log, listed), entries in location.pool.stream(read, groups, ahead=_AHEAD):
            seen.runs += 1
            seen.entries += len(listed)
            contents = self._log(log, listed, dict(zip(listed, entries, strict=False)))
            self._ask()
            if not quick:
                self._read(contents)
        seen.used = set(self._users)
        seen.users = {pack: users for pack, users in self._users.items() if pack in self._known_bad or pack in seen.bad}
        return seen

    def _read(self, contents: Mapping[Claim, Content]) -> None:
        """Compute every file's SHA-256 anew, content that is shared once; a run at a time, as each holds its nodes."""
        for claim, content in contents.items():
            if claim in self._claims:
                continue
            self._claims.add(claim)
            try:
                content.verify()
            except HoldallError as error:
                self._seen.unread[claim] = Problem(content.user, str(error), (content.user,))

    def _log(
        self, log: str, listed: Sequence[int], read: Mapping[int, LogEntry | HoldallError]
    ) -> Mapping[Claim, Content]:
        """Fold a log, and return what its files hold."""
        following = LogCheck(self._location, log, self._refer, partial(self._note, log))
        following.fold(listed, read)
        self._seen.files += following.files
        self._seen.bytes += following.bytes
        if state := following.state:
            self._seen.states[log] = State(experiment=state.experiment, pins=state.pins, purged=state.purged)
            if following.whole and not state.purged:
                self._versions_of(log.removeprefix(RUNS), following.entries)
        return following.contents

    def _versions_of(self, run_id: str, entries: Sequence[Entry]) -> None:
        """Check that what was registered of a run is there, and nothing besides."""
        for log, version in self._shard.versions.get(run_id, ()):
            top = version.path
            below = [each for each in entries if not top or each.path == top or each.path.startswith(f"{top}/")]
            if (found := digest_below(below, top)) != version.digest:
                place = run_uri(run_id, top)
                detail = f"version {version.number} is {version.digest}, but {place} is {found}"
                self._seen.problems.append(Problem(log, detail, (place,)))

    def _refer(self, ref: Ref, user: str, needed: bool) -> None:
        """Note that a path depends on a blob of a pack."""
        pack = ref.location
        assert isinstance(pack, PackName)
        if not needed:
            self._seen.once_used.add(pack)
            return
        self._users[pack].add(user)
        if pack not in self._known_bad:
            self._pending[pack].add(ref)
            self._waiting += 1
            if self._waiting >= _PENDING:
                self._ask()

    def _ask(self) -> None:
        """Hold the references that wait against what their packs hold."""
        for pack, rows in self._footers.rows(list(self._pending)):
            if isinstance(rows, str):
                self._bad(pack, rows)
                continue
            for ref in self._pending[pack]:
                row = rows.get(ref.offset)
                if row is None or row.ref(pack) != ref:
                    self._bad(pack, f"what is referred to at offset {ref.offset} is not there")
        self._pending.clear()
        self._waiting = 0

    def _bad(self, pack: PackName, detail: str) -> None:
        self._seen.bad[pack] = min(detail, self._seen.bad.get(pack, detail))

    def _note(self, where: str, detail: str) -> None:
        self._seen.problems.append(Problem(where, detail))
