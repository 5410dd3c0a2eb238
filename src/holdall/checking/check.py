"""Is everything there, and intact?

Nothing here trusts anything: every object of the store is read and held
against SPEC.md, every blob is decoded and hashed, every file's SHA-256 is
computed anew, every log is folded from its first entry and held against the
states it carries. What is wrong is named, with the runs and paths it touches.

Logs are listed before packs: a commit is written after its packs, so what a
listed log refers to is there when packs are listed, even while others write.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from holdall.checking.check_links import Links
from holdall.checking.check_log import Claim, Content, LogCheck, each_listed
from holdall.chunks.delivery import decode_verified
from holdall.chunks.pool import gather
from holdall.chunks.reader import ChunkReader
from holdall.errors import DamageError, FormatError, HoldallError
from holdall.format.damage import DamageRecord, parse_damage
from holdall.format.document import MAX_DOCUMENT
from holdall.format.entry import LogEntry
from holdall.format.layout import (
    CANARY,
    DESCRIPTOR,
    EXPERIMENTS,
    MODELS,
    NAMES,
    RUNS,
    Key,
    PackName,
    damage_key,
    experiment_id,
    experiment_log,
    generation_key,
    hint_key,
    parse_key,
    parse_model_id,
)
from holdall.format.manifest import digest_below
from holdall.format.pack import MAX_PACK, TAIL, Footer, Row, parse_pack
from holdall.format.records import encode_canary, parse_descriptor, parse_generation, parse_hint
from holdall.format.reference import Ref
from holdall.format.registered import Holder, Registered, Version
from holdall.format.tree import Entry
from holdall.trees.addresses import run_uri
from holdall.trees.damage import record_damage, wrong_blobs
from holdall.trees.journal import Journal
from holdall.trees.location import Location


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong.

    Attributes:
        where: The object's key, or a run and path.
        detail: What is wrong with it.
        touches: What depends on it, as `runs:/<id>/<path>`.
        harmless: Whether nothing can be lost by it.
    """

    where: str
    detail: str
    touches: tuple[str, ...] = ()
    harmless: bool = False


@dataclass(slots=True)
class Findings:
    """What a check saw.

    Attributes:
        objects, packs, blobs, runs, entries: How many there are.
        files, bytes: As the runs' paths count them, shared content each time.
        problems: What is wrong.
        orphans: Packs that no run refers to, such as a killed writer leaves, or has
            not yet committed. Neither is damage; the same upload reuses them.
        foreign: Keys that are not holdall's, or left by a probe.
        missing: Keys of packs that runs refer to and that are not there.
        torn: Whether that is all that is wrong with packs: then this looks like a copy of a store that was made while
            packs were being written. Copying `packs/` again completes it.
        recorded: Keys of the records of damaged packs that this check made, or found made.
    """

    objects: int = 0
    packs: int = 0
    blobs: int = 0
    runs: int = 0
    entries: int = 0
    files: int = 0
    bytes: int = 0
    problems: list[Problem] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    torn: bool = False
    recorded: list[str] = field(default_factory=list)

    @property
    def intact(self) -> bool:
        """Return whether nothing is wrong that could lose anything."""
        return all(problem.harmless for problem in self.problems)


def check(location: Location, *, quick: bool = False, record: bool = False) -> Findings:
    """Check a whole store against SPEC.md.

    Args:
        location: The store.
        quick: Everything but the bytes: packs by their footers only, and no file is read.
        record: Whether to record which packs are damaged, so that no writer refers to them any more.

    Cost: reads every object once and every file once more; when quick, only
    logs, nodes, recipes and footers. Holds about 300 bytes for each blob.
    """
    if record:
        location.ready_to_write()  # what may not be written is known before all is read
    checking = _Check(location, quick=quick)
    found = checking.run()
    if record:
        checking.record()
    return found


class _Check:
    """One check, and what it has found so far."""

    def __init__(self, location: Location, *, quick: bool) -> None:
        self._location, self._quick, self._bucket = location, quick, location.bucket
        self._reader = ChunkReader(location.bucket, location.pool)
        self._found = Findings()
        self._sizes: dict[PackName, int] = {}  # bytes that looking at a pack takes
        self._rows: dict[PackName, dict[int, Row]] = {}
        self._bad: dict[PackName, str] = {}
        self._wrong: dict[PackName, str] = {}  # those of them whose bytes are not what was written
        self._users: defaultdict[PackName, set[str]] = defaultdict(set)
        self._versions: defaultdict[str, list[tuple[str, Version]]] = defaultdict(list)  # by their run
        self._once_used: set[PackName] = set()  # by what a later state took the place of
        self._kept_away: set[PackName] = set()  # recorded as damaged

    def run(self) -> Findings:
        keys = self._list()
        self._small_objects(keys)
        self._packs([key.pack for key in keys["pack"] if key.pack])
        contents = self._logs(keys["log"])
        if not self._quick:
            self._files(contents)
        self._hints(keys["hint"])
        for pack, detail in self._bad.items():
            harmless = pack in self._kept_away and not self._users[pack]
            detail += "; no run needs it, and none will refer to it" if harmless else ""
            self._note(pack.key, detail, touches=tuple(sorted(self._users[pack])), harmless=harmless)
        self._found.missing = sorted(pack.key for pack in self._bad if pack not in self._sizes)
        self._found.torn = bool(self._found.missing) and len(self._found.missing) == len(self._bad)
        self._found.packs = len(keys["pack"])
        self._found.blobs = sum(map(len, self._rows.values()))
        if not any(problem.where.startswith(RUNS) for problem in self._found.problems):  # else they may be in use
            self._found.orphans = sorted(pack.key for pack in self._rows.keys() - self._users.keys() - self._once_used)
        return self._found

    def record(self) -> None:
        """Record the packs with wrong bytes; not those that are missing, or that the bucket did not give."""
        for pack, detail in sorted(self._wrong.items()):
            key = damage_key(pack)
            with self._noting(key, harmless=True):
                blobs = tuple(wrong_blobs(self._bucket, pack))
                told = DamageRecord(pack, self._location.clock(), self._location.writer, detail, blobs)
                record_damage(self._bucket, told)
                self._found.recorded.append(key)

    def _list(self) -> defaultdict[str, list[Key]]:
        """Return every key by its kind. Runs are listed before all else, so that what they refer to is listed after."""
        keys: defaultdict[str, list[Key]] = defaultdict(list)
        listed = list(self._bucket.list(RUNS))
        listed += [info for info in self._bucket.list() if not info.key.startswith(RUNS)]
        for info in listed:
            key = parse_key(info.key)
            if key is None or key.kind == "probe":
                self._found.foreign.append(info.key)
                continue
            keys[key.kind].append(key)
            if key.pack:
                self._sizes[key.pack] = TAIL if self._quick else info.size
        self._found.objects = len(listed)
        return keys

    def _small_objects(self, keys: dict[str, list[Key]]) -> None:
        with self._noting(DESCRIPTOR):
            store = parse_descriptor(self._small(DESCRIPTOR)).store
            with self._noting(CANARY):
                if keys["canary"] and self._small(CANARY) != encode_canary(store):
                    raise FormatError(CANARY, "it is not the canary of this store")
        for key in [*keys["condemn"], *keys["verdict"], *keys["done"]]:
            name = generation_key(key.number, key.kind)
            with self._noting(name):
                parse_generation(self._small(name), key.number, key.kind)
        for pack in [key.pack for key in keys["damaged"] if key.pack]:
            self._kept_away.add(pack)
            with self._noting(damage_key(pack), harmless=True):
                parse_damage(self._small(damage_key(pack)), pack)

    def _small(self, key: str) -> bytes:
        return self._bucket.get(key, limit=MAX_DOCUMENT)

    def _packs(self, packs: Sequence[PackName]) -> None:
        """Read all packs, side by side as far as there is room."""
        pool = self._location.pool
        reading = [pool.submit_with_budget(self._sizes[pack], partial(self._pack, pack)) for pack in packs]
        for pack, rows in zip(packs, gather(reading), strict=True):
            if isinstance(rows, str):
                self._bad[pack] = rows
            else:
                self._rows[pack] = {row.offset: row for row in rows}

    def _pack(self, pack: PackName) -> Sequence[Row] | str:
        """Return the rows of a pack, or what is wrong with it twice over: networks err more often than disks."""
        try:
            try:
                return self._rows_of(pack)
            except DamageError:
                return self._rows_of(pack)
        except HoldallError as error:
            if isinstance(error, DamageError):
                self._wrong[pack] = str(error)
            return str(error)

    def _rows_of(self, pack: PackName) -> Sequence[Row]:
        return self._reader.footer(pack).rows if self._quick else self._whole(pack).rows

    def _whole(self, pack: PackName) -> Footer:
        data = memoryview(self._bucket.get(pack.key, limit=MAX_PACK))
        footer = parse_pack(data, f"pack {pack}")
        for row in footer.rows:
            decode_verified(
                row.ref(pack), data[row.offset : row.offset + row.stored], f"pack {pack}, offset {row.offset}"
            )
        return footer

    def _logs(self, keys: Iterable[Key]) -> dict[Claim, Content]:
        """Fold every log, and collect what its paths hold."""
        numbers: defaultdict[str, list[int]] = defaultdict(list)
        for key in keys:
            numbers[key.log].append(key.number)
        contents: dict[Claim, Content] = {}
        links = Links(self._location, set(numbers))
        for log, listed in sorted(numbers.items(), key=lambda item: item[0].startswith(RUNS)):  # versions before runs
            self._found.entries += len(listed)
            if log.startswith(RUNS):
                self._found.runs += 1
                self._run_log(log, listed, contents, links)
            else:
                self._other_log(log, listed, links)
        for where, detail, touched in links.broken():
            self._note(where, detail, touches=touched)
        return contents

    def _run_log(self, log: str, listed: Sequence[int], contents: dict[Claim, Content], links: Links) -> None:
        following = LogCheck(self._location, log, self._refer, partial(self._note, log))
        following.fold(listed)
        contents.update(following.contents)
        self._found.files += following.files
        self._found.bytes += following.bytes
        if following.state:
            links.runs[log] = following.state
        if following.state and following.whole and not following.state.purged:
            self._versions_of(log.removeprefix(RUNS), following.entries)

    def _versions_of(self, run_id: str, entries: Sequence[Entry]) -> None:
        """Check that what was registered of a run is there, and nothing besides."""
        for log, version in self._versions.pop(run_id, ()):
            top = version.path
            below = [each for each in entries if not top or each.path == top or each.path.startswith(f"{top}/")]
            if (found := digest_below(below, top)) != version.digest:
                place = run_uri(run_id, top)
                detail = f"version {version.number} is {version.digest}, but {place} is {found}"
                self._note(log, detail, touches=(place,))

    def _other_log(self, log: str, listed: Sequence[int], links: Links) -> None:
        journal = Journal(self._bucket, self._location.pool, log)
        folded, sound = _fold_of(log), True
        for entry in each_listed(journal, listed, partial(self._note, log)):
            if entry is None or not sound:
                sound = False
                continue
            with self._noting(log):
                sound = False
                if folded:
                    folded.apply(entry)
                if entry.n == 0 and log.startswith(EXPERIMENTS):
                    self._experiment(entry)
                sound = True
        if sound and folded:
            links.add(log, folded)
        if isinstance(folded, Registered) and folded.ended is None:
            for version in folded.versions.values():
                self._versions[version.run].append((log, version))

    def _experiment(self, entry: LogEntry) -> None:
        name = entry.ops[0].get("name") if entry.ops else None
        if not isinstance(name, str) or experiment_log(experiment_id(name)) != entry.log:
            raise FormatError(entry.log, "it does not begin with the name of this experiment")

    def _refer(self, ref: Ref, user: str, needed: bool) -> None:
        """Note that a path depends on a blob of a pack, and whether the pack has it."""
        pack = ref.location
        assert isinstance(pack, PackName)
        if not needed:
            self._once_used.add(pack)
            return
        self._users[pack].add(user)
        if pack in self._rows:
            row = self._rows[pack].get(ref.offset)
            if row is None or row.ref(pack) != ref:
                self._bad.setdefault(pack, f"what is referred to at offset {ref.offset} is not there")
        else:
            self._bad.setdefault(pack, "the pack is missing")

    def _files(self, contents: dict[Claim, Content]) -> None:
        """Compute every file's SHA-256 anew, content that is shared once."""
        for content in contents.values():
            try:
                content.verify()
            except HoldallError as error:
                self._note(content.user, str(error), touches=(content.user,))

    def _hints(self, keys: Iterable[Key]) -> None:
        for key in keys:
            chunk = bytes.fromhex(key.chunk)
            with self._noting(hint_key(chunk), harmless=True):
                pack = parse_hint(self._small(hint_key(chunk)), chunk)
                rows = self._rows.get(pack, {})
                if pack not in self._bad and all(row.id != chunk for row in rows.values()):
                    raise FormatError(f"hint to pack {pack}", "that pack does not hold the chunk")

    @contextmanager
    def _noting(self, where: str, *, harmless: bool = False) -> Iterator[None]:
        try:
            yield
        except HoldallError as error:
            self._note(where, str(error), harmless=harmless)

    def _note(self, where: str, detail: str, *, touches: tuple[str, ...] = (), harmless: bool = False) -> None:
        self._found.problems.append(Problem(where, detail, touches, harmless))


def _fold_of(log: str) -> Registered | Holder | None:
    """Return what adds up the entries of such a log; None for the logs of logged models, which are reserved."""
    if log.startswith(NAMES):
        return Holder()
    return Registered() if log.startswith(MODELS) and parse_model_id(log.removeprefix(MODELS)) is None else None
