"""A program that knows SPEC.md alone writes a store, and ours takes it for its own."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from hashlib import shake_256
from pathlib import Path
from typing import Any

import pytest
from tests.golden import independent_reader, independent_registry, independent_writer
from tests.golden.expected import EXPECTED
from tests.golden.independent_state import series_of, state_of
from tests.golden.independent_writer import Session, Store, cut

import holdall
from holdall.chunks.pool import Pool
from holdall.format.chunking import Chunker
from holdall.storage.local import LocalBucket
from holdall.store import Store as Ours

SPEC = Path(holdall.__file__).with_name("format") / "SPEC.md"
LARGE = shake_256(b"a chunked file").digest(400_000)
SMALL = {"a/b.txt": b"hold fast\n" * 20, "a-b": b"", "a/é": b"x"}
MOVED = {
    "params",
    "tags",
    "metrics",
    "extremes",
    "batches",
    "pins",
    "pinned",
}  # into the blob `facts`, where there is one
VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "format" / "cut_vectors.json").read_text())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store that the independent writer made."""
    made = Store(tmp_path / "store")
    made.found()
    return made


@pytest.fixture
def written(store: Store) -> Session:
    """A run in it, of two commits and a race."""
    session = store.start("Default")
    session.commit({"model.bin": LARGE}, {"op": "param", "key": "rate", "value": "1"})
    rival = rivals(session)
    session.before = lambda: next(rival, None)
    assert session.commit(SMALL) == 3  # 2 is the rival's
    session.before = lambda: None
    session.end()
    return session


def rivals(session: Session) -> Iterator[int]:
    """Another session of the same run, which is there first, once."""
    rival = Session(session.store, session.log)
    ops = [{"op": "open", "session": rival.id}, {"op": "close", "session": rival.id}]
    yield rival.append(lambda _: (ops, [], None))


def ours(store: Store) -> Ours:
    """The same store, as the program opens it."""
    return Ours._over(LocalBucket(store.root), Pool(workers=2))


def test_our_reader_reads_it(written: Session) -> None:
    """Every path has its bytes, every fact its value."""
    run = ours(written.store).runs.get(written.log.removeprefix("runs/"))
    everything = SMALL | {"model.bin": LARGE}
    assert {path: run.read(path) for path in run.manifest} == everything
    assert (run.state.params, run.state.status, run.state.sessions) == ({"rate": "1"}, "FINISHED", set())
    assert run.state.bytes == sum(map(len, everything.values()))


def test_check_finds_nothing(written: Session) -> None:
    """Every byte of it is as the law wants it."""
    found = ours(written.store).maintenance.check()
    assert (found.problems, found.orphans, found.foreign, found.files) == ([], [], [], 4)


def test_a_reader_may_begin_at_its_checkpoint(written: Session) -> None:
    """The last entry carries the state of all before it: ours and the law's say the same, paths and all."""
    run = independent_reader.Run(written.store.root, written.log)
    assert run.entries[-1]["state_at"] == len(run.entries) - 1
    assert run.fold(run.entries[-1]["state_at"]) == run.fold(0)
    carried = ours(written.store).runs.get(written.log.removeprefix("runs/")).state
    assert (carried.files, carried.inline) == (4, run.entries[-1]["state"]["inline"])


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_every_golden_checkpoint_is_the_state_before_it(name: str) -> None:
    """What the law's table makes of the entries before a checkpoint is what it says, field by field."""
    tried = 0
    runs = (Path(__file__).parent / "v1" / name / "runs").glob("*")
    for path in (run for run in runs if not independent_reader.is_purged(run)):
        entries = independent_reader.Run(path.parents[1], f"runs/{path.name}").entries
        for n, entry in enumerate(entries):
            if told := entry.get("state"):
                fields = told.keys() - {"tree", "versions", "inline", "facts", "series"}
                made, tried = state_of(entries[:n]), tried + 1
                assert ("versions" in told) == (entries[0]["ops"][0].get("paths") == "versioned")
                assert {field: made[field] for field in fields} == {field: told[field] for field in fields}
                lacked = {"extremes"} if name in ("measured", "states") else set()  # of writers that knew none
                assert fields | lacked | (MOVED if "facts" in told else set()) >= made.keys()
                for block in told.get("series", []):
                    ref = block["points"]
                    where = ref["entry"], ref["blob"], ref["stored"], ref["raw"], ref["codec"]
                    reader = independent_reader.Run(path.parents[1], f"runs/{path.name}")
                    reader.now = n
                    data = reader.blob(3, ref["id"], *where)
                    assert json.loads(data) == series_of(entries[block["first"] : block["last"] + 1])
                    assert block["last"] < n
    assert tried or name not in ("extremes", "measured", "states", "folded", "pinned", "planned", "versioned")


@pytest.fixture
def versioned(store: Store) -> Session:
    """A run of a store that the independent writer made, in which paths were replaced, removed and trimmed."""
    session = store.start("Default", versioned=True)
    for epoch in range(4):
        session.commit({"last.bin": LARGE + bytes([epoch]), "log.txt": b"epoch %d" % epoch}, inline=epoch % 2 == 0)
    session.trim("last.bin", 4)
    session.commit({"d/x": b"x", "d/y/z": b""})
    session.remove("d")
    session.commit({"d": b"a file now"})
    session.end()
    return session


def test_ours_reads_the_versions_that_it_wrote(versioned: Session) -> None:
    """What each path holds and held, and nothing that was trimmed, from the checkpoint on and from the beginning."""
    seen = independent_reader.Run(versioned.store.root, versioned.log)
    run = ours(versioned.store).runs.get(versioned.log.removeprefix("runs/"))
    for start in (0, seen.entries[-1]["state_at"]):
        held = seen.fold(start)
        assert {path: ("file", run.read(path), False) for path in run.manifest} == held
        found = {(p, v.version): v for p in ("last.bin", "log.txt", "d/x", "d/y/z") for v in run.versions(p)}
        earlier = {(path, n): ("file", run.read(path, version=n), False) for path, n in found if n is not None}
        assert earlier == seen.earlier
        assert len(earlier) == 3 - 2 + 3 + 2
    assert ours(versioned.store).maintenance.check().problems == []


def test_our_writer_goes_on_with_a_versioned_run(versioned: Session) -> None:
    """What ours replaces, removes and trims behind what the other wrote is read alike by both, from either end."""
    run = ours(versioned.store).runs.resume(versioned.log.removeprefix("runs/"))
    for epoch in range(70):
        run.log_text(f"epoch {epoch}", "log.txt", on_conflict="replace", keep_last=3)
    run.delete_artifact("last.bin")
    run.finish()
    seen = independent_reader.Run(versioned.store.root, versioned.log)
    whole, earlier = seen.fold(0), seen.earlier
    assert (seen.fold(seen.entries[-1]["state_at"]), seen.earlier) == (whole, earlier)
    assert [n for path, n in sorted(earlier) if path == "log.txt"] == [v.version for v in run.versions("log.txt")][
        :0:-1
    ]
    assert ours(versioned.store).maintenance.check().problems == []


def test_our_writer_goes_on_with_it(written: Session, tmp_path: Path) -> None:
    """What ours appends stands behind what the other wrote, and both readers see it."""
    store = ours(written.store)
    run = store.runs.resume(written.log.removeprefix("runs/"))
    (tmp_path / "copy.bin").write_bytes(LARGE)
    run.log_artifact(tmp_path / "copy.bin")
    run.finish()
    seen = independent_reader.Run(written.store.root, written.log)
    assert seen.fold(seen.entries[-1]["state_at"])["copy.bin"] == ("file", LARGE, False)
    assert store.maintenance.check().problems == []


def test_the_other_writer_refuses_a_path_that_is_taken(written: Session) -> None:
    """Neither other content, nor a path below a file."""
    for path in ("a-b", "a-b/c", "a"):
        with pytest.raises(AssertionError, match="a path is taken"):
            written.commit({path: b"other"})


def test_a_store_that_ignores_conditions_is_not_written_to(store: Store) -> None:
    """The canary can be created again: the writer stops."""
    (store.root / "canary").unlink()
    with pytest.raises(AssertionError, match="the bucket overwrites"):
        store.start("Default")


@pytest.mark.parametrize("vector", [v for v in VECTORS if v["bytes"] <= 20_000], ids=lambda v: v["content"])
def test_the_laws_chunker_cuts_where_files_were_cut(vector: dict[str, Any]) -> None:
    """The chunker of SPEC.md, in plain Python, has the cuts that golden vectors hold the library to."""
    from tests.format.test_chunking import content

    assert cut(content(vector["content"], vector["bytes"]), *vector["sizes"]) == vector["ends"]


@pytest.mark.parametrize("sizes", [(64, 257, 1024), (65, 362, 1024), (64, 363, 1025), (1001, 3001, 9001)])
def test_any_average_is_cut_alike(sizes: tuple[int, int, int]) -> None:
    """One that is no power of two takes the masks of the nearest; odd bounds are rounded where the law says."""
    data = shake_256(repr(sizes).encode()).digest(30_001)
    assert cut(data, *sizes) == Chunker(*sizes).cut_points(data, final=True)


def test_the_laws_masks_are_the_writers() -> None:
    """The table in SPEC.md is the one that was tried."""
    law = re.sub(r"\s+", " ", SPEC.read_text())
    assert re.sub(r"\s+", " ", independent_writer.TABLE) in law


def test_the_laws_cut_vectors_are_true() -> None:
    """Each line of SPEC.md's "Cut vectors": what is cut, with which sizes, and where."""
    lines = re.findall(r"^    (\w+) +(\d+) +(\d+) (\d+) (\d+) +([\d ]+)$", SPEC.read_text(), re.MULTILINE)
    assert len(lines) == 4
    for name, size, *sizes, ends in lines:
        data = bytes(int(size)) if name == "zeros" else shake_256(name.encode()).digest(int(size))
        assert cut(data, *map(int, sizes)) == [int(end) for end in ends.split()]


def test_the_laws_example_is_a_store(tmp_path: Path) -> None:
    """The store at the end of SPEC.md is, byte by byte, what the independent writer makes, and ours reads it."""
    store = example(tmp_path)
    assert f"\n{shown(store)}" in SPEC.read_text(), shown(store)
    (run_id,) = (path.name for path in (store.root / "runs").iterdir())
    assert ours(store).runs.get(run_id).read("hello.txt") == b"hello, world\n"
    assert ours(store).maintenance.check().problems == []


def example(folder: Path) -> Store:
    """A store of one run with one file, its randomness and clock set."""
    numbers, clock = itertools.count(1), itertools.count(1_750_000_000_000, 1000)
    store = Store(folder / "example", lambda size: bytes([next(numbers)]) * size, clock.__next__)
    store.found()
    session = store.start("Default")
    session.commit({"hello.txt": b"hello, world\n"}, *session.last_ops(), inline=False)
    return store


def shown(store: Store) -> str:
    """A store as SPEC.md shows it: text as text, the pack in hex."""
    parts = []
    for path in sorted(path for path in store.root.rglob("*") if path.is_file()):
        key, data = path.relative_to(store.root).as_posix(), path.read_bytes()
        lines = dump(data) if key.startswith("packs/") else data.decode().splitlines()
        parts += [f"    {key}", *(f"        {line}" for line in lines), ""]
    return "\n".join(parts)


def dump(data: bytes) -> list[str]:
    """Bytes in hex, 16 to a line, with the text beside them."""
    rows = [data[at : at + 16] for at in range(0, len(data), 16)]
    return [
        f"{16 * n:04x}  {row.hex(' '):47}  {''.join(chr(b) if 32 <= b < 127 else '.' for b in row)}"
        for n, row in enumerate(rows)
    ]


def test_our_registry_reads_its_models(written: Session) -> None:
    """A model with two versions and an alias, renamed: found by its new name alone, its digest that of its files."""
    store, run_id = written.store, written.log.removeprefix("runs/")
    model = independent_registry.create(store, ".früh & spät/1")
    independent_registry.add_version(store, model, 1, run_id, "a")
    independent_registry.say(store, model, {"op": "alias", "alias": "champion", "version": 1})
    independent_registry.rename(store, model, ".früh & spät/1", "later")
    independent_registry.add_version(store, model, 2, run_id, "a")
    found = ours(store)
    assert [each.name for each in found.registry.search_models()] == ["later"]
    assert found.artifacts.read("models:/later@champion/b.txt") == SMALL["a/b.txt"]
    assert found.registry.get_version("later", 2).digest == found.models.digest("models:/later/2")
    assert found.maintenance.check().problems == []


def test_our_registry_goes_on_with_its_models(written: Session) -> None:
    """A version and a rename of ours stand behind those that the other wrote, and the run stays pinned."""
    store, run_id = written.store, written.log.removeprefix("runs/")
    independent_registry.add_version(store, independent_registry.create(store, "fraud"), 1, run_id, "a")
    registry = ours(store).registry
    assert registry.register(f"runs:/{run_id}/a", "fraud").version == "2"
    registry.rename_model("fraud", "scam")
    assert [(each.name, len(each.latest_versions)) for each in registry.search_models()] == [("scam", 1)]
    assert ours(store).maintenance.check().problems == []
