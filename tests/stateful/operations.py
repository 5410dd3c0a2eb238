"""What a process may be at when it is killed: one row for each operation of `OPERATIONS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.killing import Notes
from tests.support.logs import packs_in
from tests.support.stepped import AtOnce
from tests.support.stores import entropy

from holdall.collecting.collector import Collector, Policy
from holdall.collecting.plan import Collection
from holdall.format.chunking import Chunker
from holdall.format.records import Descriptor
from holdall.retention.performing import append_purge
from holdall.runs.run import Run
from holdall.storage.local import LocalBucket
from holdall.store import Store

SMALL, LARGE, OTHER, LATER = b"alpha", entropy(31)(70_000), entropy(32)(12_000), entropy(33)(66_000)

SMALL_STORE: Final = Descriptor(
    "0" * 32, 0, Chunker(4096, 16384, 32768), 40_000
)  # few chunks and packs, so few requests


@dataclass(frozen=True, slots=True)
class World:
    """Where an operation works.

    Attributes:
        store: A handle of this process alone.
        copy: Another store, where there is none yet.
        bucket: The folder of the store's objects.
        folder: A local folder, where files are logged from and downloaded to.
        notes: What was acknowledged: a run, a path, and which content.
    """

    store: Store
    copy: Store
    bucket: LocalBucket
    folder: Path
    notes: Notes

    def log(self, run: Run, path: str, content: bytes) -> None:
        """Log, and note that it was acknowledged."""
        run.log_bytes(content, path)
        self.acknowledged(run, path, content)

    def acknowledged(self, run: Run, path: str, content: bytes) -> None:
        """Note it."""
        self.notes.add(run.run_id, path, CONTENTS[content])

    def run(self, experiment: str) -> Run | None:
        """Its only run that is not deleted, if there is one."""
        found = self.store.runs.of(self.store.experiments.id_of(experiment))
        assert len(found) <= 1
        return found[0] if found else None

    def there(self) -> Run:
        """The run that `prepare` made."""
        run = self.run("before")
        assert run is not None
        return run


CONTENTS: Final = {SMALL: "small", LARGE: "large", OTHER: "other", LATER: "later"}
CONTENT: Final = {name: content for content, name in CONTENTS.items()}


@dataclass(frozen=True, slots=True)
class Operation:
    """Something that a process may be killed at.

    Attributes:
        prepare: What is there before.
        act: What the process does; done again after its death, it finishes.
        finished: Says with asserts what must be true then.
        whole: Whether all is intact before it finished, too.
    """

    prepare: Callable[[World], object]
    act: Callable[[World], object]
    finished: Callable[[World], object]
    whole: bool = True


def log_before(world: World) -> None:
    """A run that is there before, and has ended."""
    run = world.store.runs.start(experiment="before")
    for path, content in (("a", SMALL), ("b", LARGE), ("d/c", OTHER)):
        world.log(run, path, content)
    run.finish()


def log(world: World) -> None:
    """Small and large content, some of which another run holds, as files and as a folder; then the end."""
    run = world.run("new")
    run = world.store.runs.resume(run.run_id) if run else world.store.runs.start(experiment="new")
    world.log(run, "small", SMALL)
    for name, content in (("1", LARGE), ("2", OTHER)):
        (world.folder / name).write_bytes(content)
    run.log_artifacts(world.folder, "folder")
    world.acknowledged(run, "folder/1", LARGE)
    world.acknowledged(run, "folder/2", OTHER)
    run.log_metrics({"loss": 0.5})
    run.finish()


def logged(world: World) -> None:
    run = world.run("new")
    assert run is not None
    assert run.info.status == "FINISHED"
    assert {path: run.read(path) for path in run.manifest} == {"small": SMALL, "folder/1": LARGE, "folder/2": OTHER}
    assert run.data.metrics == {"loss": 0.5}


def download(world: World) -> None:
    world.there().download(None, world.folder)


def downloaded(world: World) -> None:
    """Whole files only: a process that died leaves none that is half there under its name."""
    found = {
        str(file.relative_to(world.folder)): file.read_bytes() for file in world.folder.rglob("*") if file.is_file()
    }
    assert {path: data for path, data in found.items() if not path.endswith(".partial")} == {
        "a": SMALL,
        "b": LARGE,
        "d/c": OTHER,
    }


def register(world: World) -> None:
    """Make a version, and point an alias at it: as one command would, again after its death."""
    version = world.store.registry.register(f"runs:/{world.there().run_id}/b", "model")
    world.store.registry.set_alias("model", "champion", version.version)


def registered(world: World) -> None:
    """Each version, also of one that died before its alias, leads to the content, which nothing may delete."""
    versions = world.store.registry.search_versions("name = 'model'")
    assert 1 <= len(versions) <= 2
    for version in versions:
        assert world.store.artifacts.read(f"models:/model/{version.version}") == LARGE
    assert world.store.artifacts.read("models:/model@champion") == LARGE


def delete(world: World) -> None:
    run = world.run("before")
    if run is not None:
        run.delete()


def deleted(world: World) -> None:
    """And what is deleted comes back whole."""
    assert world.run("before") is None
    (id,) = world.store.maintenance.run_ids()
    world.store.runs.get(id).restore()
    assert world.there().read("b") == LARGE


def log_and_delete(world: World) -> None:
    log_before(world)
    world.there().delete()


def restore(world: World) -> None:
    if world.run("before") is None:
        (id,) = world.store.maintenance.run_ids()
        world.store.runs.get(id).restore()


def restored(world: World) -> None:
    assert world.there().read("b") == LARGE


def damage(world: World) -> None:
    """Two runs hold the same, in packs of their own; one has a bit flipped in each pack."""
    run = world.store.runs.start(experiment="before")
    world.log(run, "b", LARGE)
    run.finish()
    for key in packs_in(world.bucket):
        file = world.bucket.root / key
        spoiled = bytearray(file.read_bytes())
        spoiled[60] ^= 1
        file.chmod(0o600)
        file.write_bytes(spoiled)
    world.store.maintenance.check(record=True)
    again = world.store.runs.start(experiment="again")
    world.log(again, "b", LARGE)
    again.finish()


def repair(world: World) -> None:
    world.store.maintenance.repair()


def repaired(world: World) -> None:
    assert world.store.maintenance.repair() == []
    assert world.there().read("b") == LARGE


def make_garbage(world: World) -> None:
    """What a purged run held alone, what a versioned run gave up, and a writer that is still at it."""
    log_before(world)
    for content in (LARGE, OTHER, LATER):
        doomed = world.store.runs.start(experiment="doomed")
        doomed.log_bytes(content, "f")
        doomed.finish()
        doomed.delete()
        append_purge(world.store._location, doomed.run_id, lambda _: True)
    training = world.store.runs.start(experiment="training", paths="versioned")
    for content in (LATER, LARGE):
        training.log_bytes(content, "last.pt", on_conflict="replace", keep_last=1)
    world.acknowledged(training, "last.pt", LARGE)


def collect(world: World) -> Collection:
    return Collector(world.store._location, AtOnce(), Policy(delay=0)).perform()


def collected(world: World) -> None:
    """All garbage is gone, but for what a session left that never closes; and no generation is left unfinished."""
    before = set(packs_in(world.bucket))
    assert collect(world).garbage.packs == 0
    assert set(packs_in(world.bucket)) == before
    training = world.run("training")
    assert training is not None
    sessions = training.state.sessions
    assert all(orphan.split("/")[-1].split("-")[0] in sessions for orphan in world.store.maintenance.check().orphans)


def log_secret(world: World) -> None:
    """A run with what must go at once, beside one that shares a part of its packs."""
    log_before(world)
    run = world.store.runs.start(experiment="secret")
    (world.folder / "1").write_bytes(LATER)
    (world.folder / "2").write_bytes(LARGE + OTHER)
    run.log_artifacts(world.folder)
    run.finish()


def purge(world: World) -> None:
    """By the run's id, as the command is repeated: also where it is purged already, and no run is listed."""
    beginning = f"runs/{world.store.experiments.id_of('secret')[:8]}"
    (id,) = {info.key.split("/")[1] for info in world.bucket.list(beginning)}
    world.store.maintenance.purge(id)


def purged(world: World) -> None:
    """Its bytes are in no object, and what others share with it is whole."""
    assert world.there().read("b") == LARGE
    objects = [file.read_bytes() for file in world.bucket.root.rglob("*") if file.is_file()]
    assert not any(LATER[at : at + 32] in data for at in range(0, len(LATER) - 32, 997) for data in objects)


def replace(world: World) -> None:
    """As training goes on: its last checkpoint is rewritten, an old file removed, the version before given up."""
    run = world.run("training")
    assert run is not None
    run.log_bytes(OTHER, "last.pt", on_conflict="replace")
    if "old" in run.manifest:
        run.delete_artifact("old")
    run.trim(keep_last=2)
    run.finish()


def start_training(world: World) -> None:
    run = world.store.runs.start(experiment="training", paths="versioned")
    for content in (LARGE, LATER):
        run.log_bytes(content, "last.pt", on_conflict="replace")
    run.log_bytes(SMALL, "old")


def replaced(world: World) -> None:
    run = world.run("training")
    assert run is not None
    assert set(run.manifest) == {"last.pt"}
    assert [run.read("last.pt", version=found.version) for found in run.versions("last.pt")] == [OTHER, LATER]
    assert run.info.status == "FINISHED"


def copy(world: World) -> None:
    world.store.maintenance.copy_to(world.copy, engine="threads", workers=1)


def log_and_register(world: World) -> None:
    world.copy._location.create(SMALL_STORE)
    log_before(world)
    register(world)


def copied(world: World) -> None:
    """The copy is whole, with versions and aliases, and nothing is left to send."""
    assert world.copy.maintenance.check().problems == []
    (run,) = world.copy.runs.of(world.copy.experiments.id_of("before"))
    assert {path: run.read(path) for path in run.manifest} == {"a": SMALL, "b": LARGE, "d/c": OTHER}
    assert world.copy.artifacts.read("models:/model@champion") == LARGE


OPERATIONS: Final = {
    "log": Operation(log_before, log, logged),
    "download": Operation(log_before, download, downloaded),
    "register": Operation(log_before, register, registered),
    "delete": Operation(log_before, delete, deleted),
    "restore": Operation(log_and_delete, restore, restored),
    "replace": Operation(start_training, replace, replaced),
    "collect": Operation(make_garbage, collect, collected),
    "purge": Operation(log_secret, purge, purged),
    "copy": Operation(log_and_register, copy, copied),
    "repair": Operation(damage, repair, repaired, whole=False),
}
