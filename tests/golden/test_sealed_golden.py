"""Encrypted stores that earlier versions wrote are read for ever, by whatever opens them, and written as they were.

They lie in `sealed/`; see `sealed_stores.py`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.golden.builder import build, lines, load
from tests.golden.sealed_stores import FOLDER, IDENTITY, MAKERS, PASSPHRASE, write

from holdall import errors
from holdall.chunks.pool import Pool
from holdall.format.pack import parse_footer
from holdall.format.reference import CHUNK, NODE, RECIPE
from holdall.keys.unlock import Unlock
from holdall.storage.memory import MemoryBucket
from holdall.store import Store

READER = Path(__file__).parent / "independent_sealed_reader.py"
FULL = ("aes-256-gcm", "chacha20-poly1305")
SECRETS = {"passphrase": Unlock(passphrase=PASSPHRASE), "identity": Unlock(identities=(IDENTITY,))}

every_store = pytest.mark.parametrize("name", sorted(MAKERS))


def opened(name: str, unlock: Unlock | None = SECRETS["passphrase"]) -> Store:
    """An encrypted golden store, in memory so that nothing can touch its folder."""
    return Store._over(MemoryBucket(name, load(FOLDER / name)), Pool(workers=4), unlock=unlock)


def told(name: str, secret: str) -> dict[str, Any]:
    """What a program says of a store that knows nothing but SPEC.md."""
    command = [sys.executable, "-X", "utf8", str(READER), str(FOLDER / name), secret]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_every_store_can_be_made() -> None:
    """No encrypted golden store lies there unread, and none is missing."""
    assert {folder.name for folder in FOLDER.iterdir()} == set(MAKERS)


@every_store
def test_the_writer_writes_every_byte_as_it_did(name: str) -> None:
    """The same content, clock, keys and nonces make the committed objects, bit by bit."""
    made, committed = build(MAKERS[name]), load(FOLDER / name)
    assert made.keys() == committed.keys()
    assert [key for key in made if made[key] != committed[key]] == []


@pytest.mark.parametrize("by", SECRETS)
@every_store
def test_an_independent_reader_agrees(name: str, by: str) -> None:
    """A reader of under 300 lines, written from SPEC.md alone, is told the same files, parameters, metrics and tags."""
    store, found = opened(name, SECRETS[by]), told(name, PASSPHRASE if by == "passphrase" else IDENTITY)
    assert len(READER.read_text().splitlines()) < 300
    assert found["runs"].keys() == {key.split("/")[1] for key in load(FOLDER / name) if key.startswith("runs/")}
    for run_id, said in found["runs"].items():
        run = store.runs.get(run_id)
        assert {path: row[0] for path, row in said["paths"].items() if len(row[0]) == 64} == run.manifest
        state = run.state
        assert (said["params"], said["tags"]) == (state.params, state.tags)
        assert said["metrics"] == {key: list(value) for key, value in state.metrics.items()}
    names = {ops[0]["name"] for ops in found["experiments"].values()}
    assert names == {experiment.name for experiment in store.experiments.all()}
    models = {ops[0]["name"] for ops in found["models"].values()}
    assert models == {model.name for model in store.registry.search_models()}


@pytest.mark.parametrize("name", FULL)
def test_what_was_logged_is_read_back(name: str) -> None:
    """Files under two roots, earlier versions, a registered model by its alias, a run that was deleted."""
    store = opened(name)
    runs = {tuple(sorted(run.manifest)): run for run in map(store.runs.get, told(name, PASSPHRASE)["runs"])}
    assert runs["again/table", "later.txt"].read("again/table") == lines("table", 66_000)
    assert runs["last.bin", "log.txt"].read("log.txt", version=2) == b"epoch 0\n"
    assert runs[("gone.txt",)].state.deleted
    (first,) = [run for paths, run in runs.items() if "table" in paths]
    assert first.read("table") == lines("table", 66_000)
    assert (first.state.params["secret-1"], first.state.tags) == ("välue 1", {"tag 1": "told"})
    assert store.artifacts.read("models:/a secret model@champion/MLmodel") == b"flavors: {}\n"


@every_store
def test_an_encrypted_golden_store_is_intact(name: str) -> None:
    """Check opens and decodes all of it, and finds nothing wrong."""
    found = opened(name).maintenance.check()
    assert found.intact
    assert (found.problems, found.orphans, found.foreign) == ([], [], [])


def test_every_kind_of_blob_is_among_them() -> None:
    """Packs hold chunks under all three codecs, recipes, nodes and JSON; public parts are compressed, and are not."""
    found: Counter[tuple[int, int]] = Counter()
    public: set[bytes] = set()
    for key, data in load(FOLDER / FULL[0]).items():
        for row in parse_footer(data, key).rows if key.startswith("packs/") else ():
            found[row.kind, row.codec] += 1
            if row.kind in (RECIPE, NODE):
                public.add(data[row.offset + 5 : row.offset + 9])
    assert {kind for kind, _ in found} >= {CHUNK, RECIPE, NODE}
    assert {codec for kind, codec in found if kind == CHUNK} == {0, 1, 2}
    assert public >= {b"HFRS", b"HFTS"}


def test_without_a_key_nothing_is_read() -> None:
    """Not with none, and not with another's; and what the error says names no secret."""
    other = Unlock(identities=("AGE-SECRET-KEY-1GPQ5YS6YG4RYWJZFFF95CN2WFAG9Z5JN2324V46CT9D9KHZATE0S5FAZ64",))
    for unlock in (None, Unlock(passphrase="wrong"), other):
        with pytest.raises(errors.HoldallError) as raised:
            opened("other", unlock).runs.search()
        assert isinstance(raised.value, errors.KeyUnavailableError)
        assert "wrong" not in str(raised.value)


def test_what_is_there_is_never_written_again(tmp_path: Path) -> None:
    """The command that makes the stores refuses to touch one that is there."""
    (tmp_path / "aes-256-gcm").mkdir()
    (tmp_path / "aes-256-gcm" / "canary").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        write(tmp_path)
    assert load(tmp_path)["aes-256-gcm/canary"] == b"old"


def test_encrypted_golden_stores_are_small() -> None:
    """Every clone carries them: 170 KB at most."""
    assert sum(len(data) for name in MAKERS for data in load(FOLDER / name).values()) < 170_000
