"""Is everything there, and intact?

Nothing here trusts anything: every object of the store is read and held
against SPEC.md, every blob is decoded and hashed, every file's SHA-256 is
computed anew, every log is folded from its first entry and held against the
states it carries. What is wrong is named, with the runs and paths it touches.

A store is checked in shards, which an engine hands to workers; what they saw
is put together here. The findings do not depend on how it was cut:

    packs/<digits>     every pack                    -> whole or not, how many blobs
    runs/<digits>      logs, files, references       -> what is wrong, which packs are needed
    hints/<digits>     every hint                    -> what is wrong

A small store is one shard of each kind, whose packs' rows are kept until its
runs are held against them. Else a worker asks the footers of the packs that its
runs refer to, so what it holds does not grow with the store.

Logs are listed before packs: a commit is written after its packs, so what a
listed log refers to is there when packs are listed, even while others write.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Final

from holdall.checking.check_links import Links
from holdall.checking.check_packs import MISSING, PackShard, PacksSeen, Rows, check_packs
from holdall.checking.check_public import UNSEEN, check_public_logs, missing_packs
from holdall.checking.check_runs import RunShard, RunsSeen, check_runs
from holdall.checking.check_small import HintShard, SmallCheck, check_hints
from holdall.checking.findings import Findings, Problem
from holdall.engines.mapping import Engine
from holdall.engines.threads import ThreadEngine
from holdall.errors import HoldallError
from holdall.format.damage import DamageRecord
from holdall.format.layout import RUNS, Key, PackName, damage_key, own_keys_key, parse_key
from holdall.trees.damage import record_damage, wrong_blobs
from holdall.trees.location import Location

ONE_SHARD: Final = 1_000  # packs, up to which a store is checked in one piece
_RUNS: Final = 256  # runs of a shard, about
_HINTS: Final = 16  # of a pack, more than any has
_MOST: Final = 3  # digits that cut hints: 4,096 shards
_EXPERIMENT, _ID = 8, 32  # digits of a run's id that are its experiment's, and all of them


def check(
    location: Location,
    *,
    quick: bool = False,
    record: bool = False,
    engine: Engine | None = None,
    one_shard: int = ONE_SHARD,
    runs: int = _RUNS,
) -> Findings:
    """Check a whole store against SPEC.md.

    Args:
        location: The store.
        quick: Everything but the bytes: packs by their footers only, and no file is read.
        record: Whether to record which packs are damaged, so that no writer refers to them any more.
        engine: What works on the shards of a large store; threads when None.
        one_shard: Packs, up to which a store is checked here, in one piece.
        runs: Runs of a shard, about.

    Cost: reads every object once and every file once more; when quick, only logs, nodes, recipes and footers. In one
        piece it holds about 300 bytes for each blob. In shards it holds about 400 bytes for each pack here, and a
        worker no more than a few hundred packs' rows and one run's listing; every pack's footer is read once more for
        each shard of runs that refers to it, and once for each of its hints; shared files are read once a shard.
    """
    if record:
        location.ready_to_write()  # what may not be written is known before all is read
    checking = _Check(location, quick, one_shard, runs)
    if engine is None:
        with ThreadEngine() as threads:
            found = checking.run(threads)
    else:
        found = checking.run(engine)
    if record:
        checking.record()
    return found


class _Check:
    """One check, put together of what its shards saw."""

    def __init__(self, location: Location, quick: bool, one_shard: int, runs: int) -> None:
        self._location, self._quick, self._one_shard, self._runs = location, quick, one_shard, runs
        self._found = Findings()
        self._keys: defaultdict[str, list[Key]] = defaultdict(list)
        self._sizes: dict[PackName, int] = {}
        self._count = self._hints = 0  # of packs, of hints
        self._logs: defaultdict[str, list[int]] = defaultdict(list)
        self._seen = PacksSeen()

    def run(self, engine: Engine) -> Findings:
        self._list()
        if self._location.keyless:
            return self._run_without_key(engine)
        found, whole = self._found, self._whole
        links = Links(self._location, set(self._logs))
        small = SmallCheck(self._location, links)
        small.objects(self._keys)
        seen = self._seen = self._see_packs(engine, whole)
        small.logs({log: numbers for log, numbers in self._logs.items() if not log.startswith(RUNS)})
        runs = self._see_runs(engine, small, seen.rows if whole else None)
        links.runs |= runs.states
        found.problems += small.problems + runs.problems + self._lost_keys()
        found.problems += [Problem(where, detail, touched) for where, detail, touched in links.broken()]
        found.problems += runs.unread.values()
        bad = seen.bad | {pack: detail for pack, detail in runs.bad.items() if pack not in seen.bad}
        found.problems += self._see_hints(engine, frozenset(bad), seen.rows if whole else None)
        self._add_packs(bad, runs)
        found.runs, found.entries = runs.runs, runs.entries + small.entries
        found.files, found.bytes = runs.files, runs.bytes
        found.packs, found.blobs = self._count, sum(seen.good.values())
        return found

    def _run_without_key(self, engine: Engine) -> Findings:
        """Check an encrypted store as far as that goes without its key: hints are only counted."""
        found = self._found
        small = SmallCheck(self._location, Links(self._location, set()))
        small.objects(self._keys)
        seen = self._seen = self._see_packs(engine, self._whole)
        logs = check_public_logs(self._location, self._logs, [*seen.good, *seen.bad])
        found.problems += [*small.problems, *logs.problems, *missing_packs(logs)]
        found.problems += [Problem(pack.key, detail) for pack, detail in sorted(seen.bad.items())]
        found.runs, found.entries = logs.runs, logs.entries
        found.packs, found.blobs = self._count, sum(seen.good.values())
        found.missing = [pack.key for pack in sorted(logs.missing)]
        found.torn = bool(found.missing) and not seen.bad
        found.orphans = [] if logs.problems else sorted(pack.key for pack in seen.good.keys() - logs.used)
        found.unseen = UNSEEN
        return found

    def record(self) -> None:
        """Record the packs with wrong bytes; not those that are missing, or that the bucket did not give."""
        for pack, detail in sorted(self._seen.wrong.items()):
            key = damage_key(pack)
            try:
                blobs = tuple(wrong_blobs(self._location.bucket, pack))
                told = DamageRecord(pack, self._location.clock(), self._location.writer, detail, blobs)
                record_damage(self._location.bucket, told)
                self._found.recorded.append(key)
            except HoldallError as error:
                self._found.problems.append(Problem(key, str(error), harmless=True))

    def _lost_keys(self) -> list[Problem]:
        """Return the experiments whose own keys are neither there nor destroyed on purpose."""
        known = {key.experiment for key in self._keys["keys"] + self._keys["shredded"]}
        lost = sorted({key.experiment for key in self._keys["own"]} - known)
        return [Problem(own_keys_key(id), "it is missing: nobody can read the runs of this experiment") for id in lost]

    def _list(self) -> None:
        """Look at every key. Runs are listed before all else, so that what they refer to is listed after."""
        bucket = self._location.bucket
        for info in bucket.list(RUNS):
            self._look_at(info.key, info.size)
        for info in bucket.list():
            if not info.key.startswith(RUNS):
                self._look_at(info.key, info.size)

    def _look_at(self, name: str, size: int) -> None:
        self._found.objects += 1
        key = parse_key(name)
        if key is None or key.kind == "probe":
            self._found.foreign.append(name)
        elif key.kind == "reserved":
            self._found.reserved.append(name)
        elif key.kind == "log":
            self._logs[key.log].append(key.number)
        elif key.pack and key.kind == "pack":
            self._count += 1
            if self._whole:
                self._sizes[key.pack] = size
        elif key.kind == "hint":
            self._hints += 1
            if self._whole:
                self._keys[key.kind].append(key)
        else:
            self._keys[key.kind].append(key)

    @property
    def _whole(self) -> bool:
        """Return whether this is small enough for one piece, as far as is known."""
        return self._count <= self._one_shard and self._hints <= _HINTS * self._one_shard

    def _see_packs(self, engine: Engine, whole: bool) -> PacksSeen:
        work = partial(check_packs, self._location, self._quick, whole)
        if whole:
            return work(PackShard("", tuple(self._sizes.items())))
        seen = PacksSeen()
        for some in engine.map(work, map(PackShard, _cut(self._count, self._one_shard))):
            seen.add(some)
        return seen

    def _see_runs(self, engine: Engine, small: SmallCheck, rows: Mapping[PackName, Rows] | None) -> RunsSeen:
        logs = {log: numbers for log, numbers in self._logs.items() if log.startswith(RUNS)}
        bad = frozenset(self._seen.bad)
        work = partial(check_runs, self._location, self._quick, rows)
        if rows is not None:
            return work(bad, RunShard(("",), logs, small.versions))
        seen = self._merged(engine, partial(work, bad), logs, small)
        late = seen.bad.keys() - bad
        if any(seen.bad[pack] != MISSING for pack in late):  # one shard found it: others may have users of it
            quick = partial(check_runs, self._location, True, rows, bad | late)
            seen.users = self._merged(engine, quick, logs, small).users
        return seen

    def _merged(self, engine: Engine, work: partial[RunsSeen], logs: Iterable[str], small: SmallCheck) -> RunsSeen:
        seen = RunsSeen()
        for some in engine.map(work, run_shards(logs, small, self._runs)):
            seen.add(some)
        return seen

    def _see_hints(
        self, engine: Engine, bad: frozenset[PackName], rows: Mapping[PackName, Rows] | None
    ) -> list[Problem]:
        work = partial(check_hints, self._location, rows, bad)
        if rows is not None:
            return work(HintShard("", [bytes.fromhex(key.chunk) for key in self._keys["hint"]]))
        return [
            problem
            for some in engine.map(work, map(HintShard, _cut(self._hints, _HINTS * self._one_shard)))
            for problem in some
        ]

    def _add_packs(self, bad: Mapping[PackName, str], runs: RunsSeen) -> None:
        """Say what is wrong with packs, and which of them nobody needs."""
        found, seen = self._found, self._seen
        kept_away = {key.pack for key in self._keys["damaged"]}
        for pack in sorted(bad):
            users = tuple(sorted(runs.users.get(pack, ())))
            harmless = pack in kept_away and not users
            more = "; no run needs it, and none will refer to it" if harmless else ""
            found.problems.append(Problem(pack.key, bad[pack] + more, users, harmless))
        there = seen.good.keys() | seen.bad.keys()
        found.missing = sorted(pack.key for pack in bad if pack not in there)
        found.torn = bool(found.missing) and len(found.missing) == len(bad)
        if not any(problem.where.startswith(RUNS) for problem in found.problems):  # else they may be in use
            found.orphans = sorted(pack.key for pack in seen.good.keys() - runs.used - runs.once_used)


def run_shards(logs: Iterable[str], small: SmallCheck, runs: int) -> Iterator[RunShard]:
    """Yield shards of about so many runs, in the order of their ids: by as many digits as tell these apart."""
    some: list[str] = []
    held = 0
    for prefix, count in _beginnings(sorted(log.removeprefix(RUNS) for log in logs), _EXPERIMENT, max(runs, 1)):
        if some and held + count > runs:
            yield _shard(some, small)
            some, held = [], 0
        some.append(prefix)
        held += count
    if some:
        yield _shard(some, small)


def _beginnings(ids: Sequence[str], digits: int, most: int) -> Iterator[tuple[str, int]]:
    """Yield beginnings of sorted ids, and how many begin so: `most` or fewer, and never of two experiments together.

    Ids tell the time, so those of one experiment may share many digits.
    """
    for prefix, found in groupby(ids, key=lambda id: id[:digits]):
        some = list(found)
        if len(some) <= most or digits >= _ID:
            yield prefix, len(some)
        else:
            yield from _beginnings(some, digits + 1, most)


def _cut(count: int, most: int) -> list[str]:
    """Return the first digits of shards, so many that each of them has about `most` of all."""
    digits = next((n for n in range(1, _MOST) if count <= most * 16**n), _MOST if most else 1)
    return [f"{n:0{digits}x}" for n in range(16**digits)]


def _shard(prefixes: list[str], small: SmallCheck) -> RunShard:
    versions = {run: found for run, found in small.versions.items() if run.startswith(tuple(prefixes))}
    return RunShard(tuple(prefixes), None, versions)
