"""All objects of an encrypted store, byte for byte, in another bucket: a copy that needs no key, and is that store.

    listed     models and names, runs, experiments; then all else: what a listed entry refers to is listed after it
    created    key slots, then the descriptor: from then on this is the store, as it was when it was empty;
               packs, hints, generations; then entries, of each log in their order: experiments, runs, models, names

So whoever opens it at any moment finds a whole store, if perhaps an older one. What is there is not sent again, so a
copy that was killed is continued by the next, and one of yesterday brought up to date. SPEC.md, "Without a key".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Final

from holdall.chunks.pool import gather
from holdall.copying.report import CopyReport
from holdall.errors import (
    FormatError,
    InvalidArgumentError,
    ObjectExistsError,
    ObjectNotFoundError,
    StoreNotFoundError,
    UnsupportedFeatureError,
)
from holdall.format.document import parse_document
from holdall.format.layout import DESCRIPTOR, EXPERIMENTS, MODELS, NAMES, RUNS, Key, parse_key, revoked_key
from holdall.format.pack import parse_pack
from holdall.format.sealed_entry import public_sha256, without_key
from holdall.storage.bucket import Bucket
from holdall.trees.location import Location

UNSEEN: Final = (
    "no key was given: all objects were copied as they are, and held against their digests; what is sealed in them was "
    "not opened"
)
_KEYS: Final = ("slot", "revoked", "root", "keys", "shredded")
_SINGLE: Final = ("descriptor", "canary", "own", "pack", "damaged", "hint", "condemn", "verdict", "done", "reserved")
_ORDER: Final = {kind: n for n, kind in enumerate((*_KEYS, *_SINGLE))}
_LOGS: Final = (EXPERIMENTS, RUNS, MODELS, NAMES)  # in the order in which they are created, and listed from behind
_DOCUMENTS: Final = ("condemn", "verdict", "done", "damaged")
_AT_ONCE: Final = 256  # objects
_GOES: Final = ("log", "pack", "hint", "damaged", "keys")  # what a store deletes


@dataclass(slots=True)
class _Listed:
    """The objects of a bucket: sizes, by key. Attributes: logs (by log, keys by number), single."""

    sizes: dict[str, int] = field(default_factory=dict)
    logs: defaultdict[str, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    single: list[tuple[int, int, str]] = field(default_factory=list)

    def add(self, name: str, size: int, key: Key) -> None:
        """Add an object that the format knows."""
        if key.kind == "log":
            self.logs[key.log][key.number] = name
        elif key.kind in _ORDER:
            self.single.append((_ORDER[key.kind], key.number, name))
        else:
            return  # shares and probes are left behind, and catalogs are made anew
        self.sizes[name] = size


def mirror(source: Location, bucket: Bucket, *, deletions: bool = False, dry_run: bool = False) -> CopyReport:
    """Copy all objects of an encrypted store into another bucket.

    Args:
        source: The store, without keys.
        bucket: Where to. Nobody else writes or collects there while it is copied.
        deletions: Whether entries, packs, hints, revoked key slots and keys of experiments go that the source has no
            longer.
        dry_run: Whether only to say what would be sent.

    Raises:
        InvalidArgumentError: Something else is there.

    Cost: a listing of both; a GET and a PUT for each object that is not there, and its bytes.
    """
    return _Mirror(source, bucket, dry_run=dry_run).run(deletions=deletions)


class _Mirror:
    def __init__(self, source: Location, bucket: Bucket, *, dry_run: bool) -> None:
        self._source, self._bucket, self._dry_run = source, bucket, dry_run
        self._pool = source.pool
        self._problems: dict[str, str] = {}
        self._sent = self._bytes = 0

    def run(self, *, deletions: bool) -> CopyReport:
        listed = _list(self._source.bucket)
        there = {info.key: info.size for info in self._bucket.list()}
        self._refuse_others(listed, there)
        if self._dry_run:
            left = [size for name, size in listed.sizes.items() if name not in there]
            self._sent, self._bytes = len(left), sum(left)
        else:
            self._send_all(listed, there)
            if deletions:
                self._delete(there)
        return CopyReport(
            self._source.bucket.url,
            self._bucket.url,
            objects=len(listed.sizes),
            sent=self._sent,
            sent_bytes=self._bytes,
            problems=self._problems,
            unseen=UNSEEN,
        )

    def _refuse_others(self, listed: _Listed, there: dict[str, int]) -> None:
        """Raise InvalidArgumentError where another store is, or anything but the beginning of this one."""
        if DESCRIPTOR not in listed.sizes:
            raise StoreNotFoundError(self._source.bucket.url)
        if DESCRIPTOR in there:
            same = self._is_same(DESCRIPTOR)
        else:  # then an earlier copy has created key slots at most
            known = {name for name in listed.sizes if (key := parse_key(name)) and key.kind in _KEYS}
            same = there.keys() <= known and all(self._is_same(name) for name in there)
        for name in there if same else ():
            same = same and listed.sizes.get(name, there[name]) == there[name]
        if not same:
            raise InvalidArgumentError(
                f"{self._bucket.url} holds something else than {self._source.bucket.url}: without a key, a store is "
                "copied only into an empty place, or where an earlier copy of it is"
            )

    def _is_same(self, name: str) -> bool:
        return self._source.bucket.get(name) == self._bucket.get(name)

    def _send_all(self, listed: _Listed, there: dict[str, int]) -> None:
        for rank in sorted(_ORDER.values()):
            names = (name for order, _, name in sorted(listed.single) if order == rank and name not in there)
            while some := list(islice(names, _AT_ONCE)):
                tasks = [self._pool.submit_with_budget(listed.sizes[name], partial(self._send, name)) for name in some]
                self._note(some, list(gather(tasks)))
        for beginning in _LOGS:
            logs = [log for log in sorted(listed.logs) if log.startswith(beginning)]
            for sent in self._pool.map(partial(self._send_log, listed, there), logs):
                self._note([name for name, _ in sent], [result for _, result in sent])

    def _send_log(self, listed: _Listed, there: dict[str, int], log: str) -> list[tuple[str, int | str]]:
        """Send the entries of a log one after the other, up to one that is damaged or went meanwhile."""
        done: list[tuple[str, int | str]] = []
        for _, name in sorted(listed.logs[log].items()):
            if name in there:
                continue
            done.append((name, self._send(name)))
            if isinstance(done[-1][1], str):
                break
        return done

    def _send(self, name: str) -> int | str:
        """Send an object, and return how many bytes it has, or why it was not sent."""
        try:
            data = self._source.bucket.get(name)
            _check(name, data)
            self._bucket.put(name, data)
        except ObjectExistsError:
            return 0
        except ObjectNotFoundError:
            return "it went while the store was copied: copy again"
        except (FormatError, UnsupportedFeatureError) as error:
            return str(error)
        return len(data)

    def _note(self, names: Sequence[str], results: Sequence[int | str]) -> None:
        for name, result in zip(names, results, strict=True):
            if isinstance(result, str):
                self._problems[name] = result
            else:
                self._sent += 1
                self._bytes += result

    def _delete(self, there: dict[str, int]) -> None:
        """Delete what the source has deleted, as a listing now tells."""
        left = {info.key for info in self._source.bucket.list()}
        if gone := [name for name in there if name not in left and _went(name, left)]:
            self._bucket.delete_many(gone)


def _went(name: str, left: Container[str]) -> bool:
    """Return whether an object that the source has no longer may go; a key slot only if it was revoked there."""
    key = parse_key(name)
    return key is not None and (key.kind in _GOES or (key.kind == "slot" and revoked_key(key.number) in left))


def _list(bucket: Bucket) -> _Listed:
    """Return all objects of a store: logs before all else, those that name others before the others."""
    listed = _Listed()
    for beginning in reversed(_LOGS):
        for name, size, key in _known(bucket, beginning):
            if key.kind == "log":
                listed.add(name, size, key)
    for name, size, key in _known(bucket, ""):
        if key.kind != "log":
            listed.add(name, size, key)
    return listed


def _known(bucket: Bucket, prefix: str) -> Iterator[tuple[str, int, Key]]:
    for info in bucket.list(prefix):
        if key := parse_key(info.key):
            yield info.key, info.size, key


def _check(name: str, data: bytes) -> None:
    """Hold an object against the digest that it has for who has no key. Raises: FormatError."""
    key = parse_key(name)
    assert key, "it was listed as known"
    if key.kind == "pack":
        parse_pack(data, f"pack {key.pack}")
    elif key.kind == "log":
        without_key(data, name)
        public_sha256(data, name)
    elif key.kind in _DOCUMENTS:
        parse_document(data, name)
