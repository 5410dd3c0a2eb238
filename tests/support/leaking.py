"""All that a user does with an encrypted store, said with one word in it that must be nowhere afterwards.

    python -m tests.support.leaking everything STORE FILES
    python -m tests.support.leaking killed STORE FILES        dies at its second pack

HOLDALL_IDENTITY opens the store. What is logged goes to the file that LOGGED names.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
from contextlib import suppress
from hashlib import shake_256
from pathlib import Path
from typing import Any, Final

import holdall
from holdall.errors import HoldallError
from holdall.pyfunc import PythonModel

WORD: Final = "hushhush"
SMALL: Final = f"{WORD} is what a small file says".encode()
_EACH: Final = 200_000


def large(name: str) -> bytes:
    """Lines that compress, each with the word in it."""
    return b"".join(f"{WORD} {name} {n:>60}\n".encode() for n in range(_EACH // 80))


def noise(seed: int) -> bytes:
    """Bytes that do not compress, the same for each seed."""
    return shake_256(str(seed).encode()).digest(_EACH)


def contents() -> list[bytes]:
    """All that files hold."""
    return [SMALL, large("text"), large("last"), noise(1), noise(2), noise(3)]


class Model(PythonModel):
    """A model that says the word."""

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        """Return it."""
        return [WORD for _ in model_input]


def everything(url: str, files: Path) -> None:
    """Log, register, read, damage, repair, collect and copy."""
    from holdall.trees.location import Sharing

    store = holdall.open(url)
    store._location.sharing = Sharing(least=60_000, part=50_000)
    experiment = f"{WORD}-experiment"
    run = store.runs.start(name=f"{WORD}-run", experiment=experiment, tags={f"{WORD}-tag": f"{WORD} told"})
    run.log_params({f"{WORD}-param": f"{WORD}-value"})
    for n in range(70):  # up to a checkpoint
        run.log_metric(f"{WORD}-metric", n / 7, step=n)
    run.log_bytes(SMALL, f"{WORD}/small.txt")
    run.log_artifacts(files / WORD, f"{WORD}-folder")  # by worker processes
    run.log_dict({WORD: [WORD]}, f"{WORD}.json")
    run.log_reference((files / WORD / f"{WORD}.txt").as_uri(), f"{WORD}-elsewhere.txt")
    for name in ("missing", WORD):  # one that is not there, one that clashes
        with suppress(HoldallError):
            run.log_artifact(files / name / "nothing", f"{WORD}/small.txt")
    with suppress(HoldallError):
        run.log_bytes(b"another", f"{WORD}/small.txt")
    run.finish()
    _versions(store, files)
    _groups(store)
    _models(store, run)
    _read(store, run, files)
    _tend(store, run)


def _versions(store: Any, files: Path) -> None:
    run = store.runs.start(experiment=f"{WORD}-experiment", paths="versioned")
    for content in (large("last"), noise(3)):
        run.log_bytes(content, f"{WORD}-last.bin", on_conflict="replace")
    run.delete_artifact(f"{WORD}-last.bin")
    run.trim(keep_last=1)
    run.finish()


def _groups(store: Any) -> None:
    run = store.runs.start(experiment=f"{WORD}-experiment")
    for rank in range(2):
        part = run.group(rank=rank, world_size=2, name=f"{WORD}-group")
        with part:
            part.log_bytes(f"{WORD} shard {rank}".encode(), f"{WORD}-{rank}.bin")
    run.finish()


def _models(store: Any, run: Any) -> None:
    holdall.set_store(store.url)
    holdall.set_experiment(f"{WORD}-models")
    with holdall.start_run(run_name=f"{WORD}-training", description=f"{WORD} described"):
        holdall.pyfunc.log_model(
            name=f"{WORD}-model", python_model=Model(), pip_requirements=[], metadata={WORD: WORD}, input_example=[WORD]
        )
        holdall.log_table({WORD: [WORD, 1]}, f"{WORD}-table.json")
    registry = store.registry
    registry.register(f"runs:/{run.id}/{WORD}-folder", f"{WORD}-registered", description=f"{WORD} version")
    registry.set_alias(f"{WORD}-registered", f"{WORD}-alias", 1)
    registry.set_model_tag(f"{WORD}-registered", WORD, WORD)
    registry.set_stage(f"{WORD}-registered", 1, "Production")
    registry.rename_model(f"{WORD}-registered", f"{WORD}-renamed")


def _read(store: Any, run: Any, files: Path) -> None:
    again = holdall.open(store.url)
    assert again.runs.get(run.id).read(f"{WORD}/small.txt") == SMALL
    again.runs.get(run.id).download(f"{WORD}-folder", files / "downloaded")
    shutil.rmtree(files / "downloaded")
    said = f"params.`{WORD}-param` = '{WORD}-value'"
    assert list(again.runs.search(said, experiments=[run.info.experiment_id]))
    assert again.registry.search_models()


def _tend(store: Any, run: Any) -> None:
    maintenance, root = store.maintenance, Path(store.url.removeprefix("file://"))
    gone = store.runs.start(name=f"{WORD}-gone")
    gone.log_bytes(noise(2), f"{WORD}-gone.bin")
    gone.finish()
    gone.delete()
    maintenance.purge(gone.id)
    assert maintenance.check().intact
    pack = max((root / "packs").rglob("*-*"), key=lambda path: path.stat().st_size)
    whole = pack.read_bytes()
    pack.chmod(0o600)
    pack.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    assert not maintenance.check(record=True).intact
    with suppress(HoldallError):
        holdall.open(store.url).runs.get(run.id).verify()
    pack.write_bytes(whole)
    for act in (maintenance.repair, maintenance.stats, maintenance.du, maintenance.compact, maintenance.catalog):
        with suppress(HoldallError):
            act()
    maintenance.gc(delay=0)


def killed(url: str, files: Path) -> None:
    """Die at the second pack."""
    from holdall.storage.local import LocalBucket

    put, packs = LocalBucket.put, []

    def dying(self: LocalBucket, key: str, data: Any) -> None:
        packs.append(key) if key.startswith("packs/") else None
        os._exit(9) if len(packs) > 1 else put(self, key, data)

    LocalBucket.put = dying  # type: ignore[method-assign]
    run = holdall.open(url).runs.start(name=f"{WORD}-killed")
    for n in (4, 5):
        run.log_bytes(noise(n), f"{WORD}-{n}.bin")


def names() -> list[str]:
    """Names whose digests tell them."""
    endings = ("experiment", "models", "run", "registered", "renamed", "alias", "param", "group", "folder")
    return [WORD, *(f"{WORD}-{ending}" for ending in endings)]


def main() -> None:
    """Do one of the two."""
    logging.basicConfig(filename=os.environ["LOGGED"], level=logging.DEBUG)
    {"everything": everything, "killed": killed}[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))
    print(json.dumps("done"))


if __name__ == "__main__":
    main()
