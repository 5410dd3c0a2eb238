"""Stores that earlier versions wrote are read for ever, and the writer writes what it wrote.

The stores are committed bytes, one folder for each, files laid out by key. No
test writes them: see `builder.py`. What they hold is told by `expected.py`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key
from tests.golden.builder import build, lines, load, text, write
from tests.golden.expected import EXPECTED
from tests.golden.stores import MAKERS

from holdall.chunks.pool import Pool
from holdall.errors import ArtifactNotFoundError, RunNotFoundError
from holdall.storage.memory import MemoryBucket
from holdall.store import Store

HERE = Path(__file__).parent
STORES = HERE / "v1"
# Of writers whose pins said no path, whose models had no checkpoints, whose checkpoints put no measurements together
# or told no extremes: read for ever, written no more. So are those of writers that gave a small pack one hint, where
# it has two today.
ONE_HINT = {"packed", "planned", "folded", "crashed", "garbage", "repaired", "versioned"}
EARLIER = {"registered", "pinned", "states", "measured"} | ONE_HINT
PURGED = {"purged": 3}  # runs of which nothing is read
ORPHANS = {"crashed": 1, "garbage": 1, "abandoned": 2}  # packs that a dead writer left; all other stores have none

every_store = pytest.mark.parametrize("name", sorted(EXPECTED))


def opened(name: str) -> Store:
    """A golden store, in memory so that nothing can touch its folder."""
    return Store._over(MemoryBucket(name, load(STORES / name)), Pool(workers=4))


def read_independently(folder: Path) -> dict[str, str]:
    """Each run's manifest, as a program tells it that knows nothing but SPEC.md."""
    command = [sys.executable, "-X", "utf8", str(HERE / "independent_reader.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    _, *parts = re.split(r"^# run ([0-9a-f]{32})\n", done.stdout.decode(), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_every_store_is_expected_and_can_be_made() -> None:
    """No golden store lies there unread, and none is missing."""
    assert {folder.name for folder in STORES.iterdir()} == set(EXPECTED) == set(MAKERS) | EARLIER


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_the_writer_writes_every_byte_as_it_did(name: str) -> None:
    """The same content, clock and randomness make the committed objects, bit by bit."""
    made, committed = build(MAKERS[name]), load(STORES / name)
    assert made.keys() == committed.keys()
    assert [key for key in made if made[key] != committed[key]] == []


@every_store
def test_what_was_logged_is_read_back(name: str) -> None:
    """Every run of a golden store holds exactly the expected paths and bytes."""
    runs = {key.split("/")[1] for key in load(STORES / name) if key.startswith("runs/")}
    gone = runs - EXPECTED[name].keys()
    assert len(gone) == len(runs) - len(EXPECTED[name]) == PURGED.get(name, 0)
    for run_id in gone:
        with pytest.raises(RunNotFoundError):
            opened(name).runs.get(run_id).manifest  # noqa: B018
    for run_id, (manifest_digest, files) in EXPECTED[name].items():
        run = opened(name).runs.get(run_id)
        assert run.manifest == files
        assert run.manifest_digest == manifest_digest
        assert {path: hashlib.sha256(run.read(path)).hexdigest() for path in files} == files


@every_store
def test_a_golden_store_is_intact(name: str) -> None:
    """Check finds nothing wrong but a damaged pack that no run needs, and only the orphans of writers that died."""
    found = opened(name).maintenance.check()
    assert found.intact
    assert len(found.problems) == (name in {"repaired", "mended"})
    assert (len(found.orphans), found.foreign) == (ORPHANS.get(name, 0), [])
    assert found.files == sum(len(files) for _, files in EXPECTED[name].values())


@every_store
def test_every_pack_was_given_its_hints(name: str) -> None:
    """A small pack has two, and had one from earlier writers; fewer only where an older copy or none is hinted at."""
    objects = load(STORES / name)
    led = Counter(json.loads(data.split(b"\n")[0])["pack"] for key, data in objects.items() if key.startswith("hints/"))
    assert set(led) <= {key.split("/")[2] for key in objects if key.startswith("packs/")}
    assert max(led.values(), default=0) <= (1 if name in ONE_HINT else 2)
    assert bool(led) == (name in ONE_HINT | {"shared", "crowded", "abandoned", "mended", "replaced"})


@every_store
def test_an_independent_reader_agrees(name: str) -> None:
    """A second reader, written from SPEC.md alone, sees the same manifests."""
    store = opened(name)
    assert read_independently(STORES / name) == {id: store.runs.get(id).manifest_text for id in EXPECTED[name]}


def test_a_long_logs_facts_are_read_back() -> None:
    """What a run's states carry is what its 75 entries said, whichever of them a reader starts from."""
    (run_id,) = EXPECTED["states"]
    state = opened("states").runs.get(run_id).state
    assert (state.status, state.deleted, state.sessions) == ("FAILED", False, set())
    assert state.params == {"rate/0": "0e-3", "rate/1": "1e-3", "rate/2": "2e-3"}
    assert state.tags == {"stage": "ünïcödé"}
    assert state.pins == {"p2": "m-2"}
    assert state.metrics["loss"] == [1 / 65, 65, 1_750_000_000_065, 56]
    assert state.metrics["steps"] == [1, -1, 1_750_000_000_001, 56]
    assert len(state.batches) == 56
    assert state.environment is not None


def test_measurements_in_a_block_are_read_back() -> None:
    """A series is as it was logged, whether a checkpoint has put it together, or it came after that."""
    (run_id,) = EXPECTED["measured"]
    run = opened("measured").runs.get(run_id)
    (block,) = run.state.series
    assert (block.first, block.level) == (0, 0)
    loss = run.history("loss")
    assert [point.step for point in loss] == [*range(12), 99]
    assert [point.value for point in loss if point.step != 4] == [1 / (n + 1) for n in range(12) if n != 4] + [0.5]
    assert {point.value for point in run.history("steps")} == {2.0**60}
    assert [point.timestamp for point in run.history("ünïcödé")] == [1_750_000_000_000 + n for n in (0, 4, 8)]
    old = opened("states").runs.get(next(iter(EXPECTED["states"])))
    assert [point.step for point in old.history("loss")] == [n for n in range(66) if n % 7]


def test_extremes_are_read_back() -> None:
    """The least and the greatest value of each metric; what earlier writers did not tell is not known."""
    (run_id,) = EXPECTED["extremes"]
    state = opened("extremes").runs.get(run_id).state
    assert {key: state.extremes_of(key) for key in state.metrics} == {
        "loss": (-0.5, 1.0),
        "steps": (str(2**60),) * 2,
        "ünïcödé": (0, 8),
        "lost": ("nan", "nan"),
        "wide": (0.0, "inf"),
        "once": (0.25, 0.25),
    }
    (earlier,) = EXPECTED["measured"]
    state = opened("measured").runs.get(earlier).state
    assert [state.extremes_of(key) for key in state.metrics] == [None] * 3


@pytest.mark.parametrize("name", ["folded", "crowded"])
def test_a_state_too_large_for_its_entry_is_read_back(name: str) -> None:
    """Facts that went to a pack, and files that were folded into one, are as they were."""
    (run_id,) = EXPECTED[name]
    state = opened(name).runs.get(run_id).state
    assert state.params == {"long": "🌊" * 5_500}
    assert state.inline == 0


@pytest.mark.parametrize(("name", "packs"), [("garbage", 2), ("abandoned", 3)])
def test_an_unfinished_generation_stays_condemned(name: str, packs: int) -> None:
    """What was written while garbage was condemned refers to none of it."""
    (run_id,) = [id for id, (_, files) in EXPECTED[name].items() if "found.txt" in files]
    store = opened(name)
    assert store.runs.get(run_id).state.fences == {0, 1}
    assert len([key for key in load(STORES / name) if key.startswith("packs/")]) == packs


@pytest.mark.parametrize("name", ["registered", "pinned", "aliased"])
def test_registered_models_are_read_back(name: str) -> None:
    """Names, versions, stages, an alias and its moves are as they were written, and each version's run is pinned."""
    store = opened(name)
    later, served = store.registry.search_models()
    assert (later.name, later.aliases, served.name) == ("later", {"champion": "1"}, "served")
    assert [(v.version, v.current_stage, v.tags) for v in later.latest_versions] == [
        ("1", "Archived", {"path": "first"}),
        ("2", "Production", {"path": "second"}),
    ]
    assert [move.version for move in store.registry.alias_history("later", "champion")] == ["1", "2", "1"]
    (copy,) = served.latest_versions
    assert (copy.source, copy.digest) == ("models:/later/1", later.latest_versions[0].digest)
    (run_id,) = EXPECTED[name]
    state = store.runs.get(run_id).state
    assert sorted(state.pins.values()) == ["models:/früh & spät"] * 2 + ["models:/served"]
    assert sorted(state.pinned.values()) == ([] if name == "registered" else ["first", "first", "second"])
    assert store.artifacts.read("models:/later@champion/MLmodel") == b"flavors: {}\n"


@pytest.mark.parametrize(("name", "weights"), [("versioned", text), ("replaced", lines)])
def test_earlier_versions_are_read_back(name: str, weights: Callable[[str, int], bytes]) -> None:
    """What was replaced is called by its path and entry; what was trimmed is not there."""
    store = opened(name)
    runs = {len(files): store.runs.get(id) for id, (_, files) in EXPECTED[name].items()}
    found = {
        path: [(one.version, one.size) for one in run.versions(path)] for run in runs.values() for path in run.manifest
    }
    assert found == {
        "log.txt": [(None, 8), (11, 8), (6, 8)],
        "last.bin": [(None, 66_000), (5, 66_000)],
        "plots": [(None, 10)],
        "a": [(None, 1), (4, 1)],
        "d": [(None, 10)],
    }
    assert runs[3].read("log.txt", version=6) == b"epoch 4\n"
    assert runs[3].read("last.bin", version=5) == weights("weights 1", 66_000)
    for path in ("plots/1.svg", "d/b"):
        with pytest.raises(ArtifactNotFoundError):
            runs[3].versions(path)


def test_all_golden_stores_are_small() -> None:
    """Every clone carries them: 600 KB at most."""
    assert sum(len(data) for name in EXPECTED for data in load(STORES / name).values()) < 600_000


def test_what_is_there_is_never_written_again(tmp_path: Path) -> None:
    """The command that makes a version's stores refuses to touch one that is there."""
    (tmp_path / "inline").mkdir()
    (tmp_path / "inline" / "holdall.json").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        write(tmp_path)
    assert load(tmp_path)["inline/holdall.json"] == b"old"


def test_signatures_are_verified_by_the_page_alone() -> None:
    """Of each run's log and of what an independent reader lists, with `cryptography` and nothing of ours.

    One run is what was signed, in all and in part; of the other, which got more, only the parts are.
    """
    manifests, wrong = read_independently(STORES / "signed"), dict[str, list[tuple[str, str]]]()
    store = json.loads((STORES / "signed/holdall.json").read_bytes().split(b"\n")[0])["store"]
    for run, manifest in manifests.items():
        tags: dict[str, str] = {}
        for path in sorted((STORES / f"signed/runs/{run}/log").iterdir(), reverse=True):
            ops = json.loads(path.read_bytes().split(b"\n")[0])["ops"]
            tags |= {op["key"]: op["value"] for op in ops if op["op"] == "tag"}
        assert len(tags) == 4
        for tag, value in tags.items():
            body = json.loads(value)
            der, path_text = base64.b64decode(body["key"]), json.dumps(body["path"], ensure_ascii=False)
            name = f"sha256:{hashlib.sha256(der).hexdigest()}"
            about = json.dumps([name, body["of"], body["path"]]).encode()
            assert tag == f"holdall.signature.{hashlib.sha256(about).hexdigest()[:16]}"
            assert (body["run"], body["store"]) == (run, store)
            of = "run" if body["of"] == "run" else f"files {path_text}"
            said = f"holdall signature 1\nstore {store}\nrun {run}\nof {of}\ndigest {body['digest']}\n"
            load_der_public_key(der).verify(  # type: ignore[union-attr, call-arg]
                base64.b64decode(body["signature"]), f"{said}time {body['time']}\nkey {name}\n".encode()
            )
            if body["digest"] != f"sha256:{hashlib.sha256(_below(manifest, body).encode()).hexdigest()}":
                wrong.setdefault(run, []).append((body["of"], body["path"]))
    assert [sorted(found) for found in wrong.values()] == [[("files", ""), ("run", "")]]


def _below(manifest: str, signed: dict[str, str]) -> str:
    """The lines of a manifest that a signature is of, with paths from its own on; of names without line breaks."""
    top = signed["path"]
    if signed["of"] == "run":
        return manifest
    lines_of = [line for line in manifest.splitlines(keepends=True) if not line.startswith("# directory")]
    if not top:
        return "".join(lines_of)
    if whole := [line for line in lines_of if line[66:-1] == top]:
        return "".join(whole)
    inside = [line for line in lines_of if f"  {top}/" in line or f'# link "{top}/' in line]
    return "".join(line.replace(f"{top}/", "", 1) for line in inside)
