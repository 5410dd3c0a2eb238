"""Every verb of a store that writes, some that read, and a small store in which each has something to do."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import PIL.Image
from tests.support.enforcing import EnforcingBucket
from tests.support.garbage import DAY, Clock
from tests.support.stores import PASSPHRASE, Serial, tiny_location

from holdall.access import policy
from holdall.errors import HoldallError
from holdall.format.damage import DamageRecord, encode_damage
from holdall.format.layout import PackName, ShareName, damage_key
from holdall.keys.identities import new_identity
from holdall.runs.run import Run
from holdall.signing.keys import SigningKey
from holdall.storage.bucket import Bytes
from holdall.storage.elsewhere.consent import Consent
from holdall.storage.links import Link
from holdall.storage.memory import MemoryBucket
from holdall.store import LoggedModelInput, LoggedModelOutput, Share, Store, from_numpy

PLACE: Final = "b/p"
EXPERIMENT: Final = "vision"
MODEL: Final = "fraud"
LIMITED: Final = ("reader", "writer")


@dataclass
class World:
    """A store as one process has opened it, whose server enforces a role's policy; and what is in it by name.

    Attributes: store, bucket, to (a folder), run and old (ids of runs of EXPERIMENT: one that goes on, one that ended).
    """

    store: Store
    bucket: EnforcingBucket
    to: Path
    ids: dict[str, str]
    sealed: bool = False

    @property
    def run(self) -> Run:
        return self.store.runs.get(self.ids["live"])

    @property
    def versioned(self) -> Run:
        return self.store.runs.get(self.ids["versioned"])

    @property
    def experiment(self) -> str:
        return self.ids[EXPERIMENT]

    @property
    def model(self) -> str:
        return self.ids["model"]


def noise(name: str, size: int = 70_000) -> bytes:
    """Bytes that fill some packs of their own."""
    return random.Random(name).randbytes(size)


def double(model_input: list[float]) -> list[float]:
    """A model."""
    return [2 * each for each in model_input]


@cache
def built(sealed: bool = False) -> tuple[dict[str, bytes], dict[str, str]]:
    """Objects of a store with some of everything, perhaps encrypted, and the ids of its runs and experiments."""
    bucket = MemoryBucket(clock=Clock())
    store = Store(tiny_location(bucket, pool=Serial(), sealed=sealed))
    ids = {name: store.experiments.id_of(name) for name in (EXPERIMENT, "gone")}
    for name in ("old", "live", "deleted", "purged", "versioned", "lost"):
        paths: Any = "versioned" if name == "versioned" else None
        run = store.runs.start(experiment=EXPERIMENT, name=name, paths=paths)
        run.log_bytes(noise("shared"), "shared.bin")
        run.log_bytes(noise(name), "own.bin")
        run.log_text("text", "text.txt")
        run.log_metrics({"loss": 1.0})
        ids[name] = run.id
        if name == "old":
            ids["model"] = store.models.log(run, double, "double", pip_requirements=[]).model_id or ""
        if name == "versioned":
            run.log_bytes(noise("purged")[:35_000], "half.bin")
            run.log_text("other", "text.txt", on_conflict="replace")
        if name != "live":
            run.finish()
    for name in ("deleted", "purged", "lost"):
        store.runs.get(ids[name]).delete()
    if sealed:
        ids["own"] = store.experiments.create("own", encryption="own")
        store.runs.start(experiment="own").finish()
    for _ in range(2):
        store.registry.register(f"runs:/{ids['old']}/own.bin", MODEL)
    store.registry.set_alias(MODEL, "champion", 1)
    store.registry.set_alias(MODEL, "champion", 2)
    store.experiments.create("other")
    store.experiments.delete(store.experiments.create("gone"))
    _lose_hinted_packs(store, bucket, ids["lost"])
    store._close()
    return bucket.objects, ids


def _lose_hinted_packs(store: Store, bucket: MemoryBucket, run: str) -> None:
    """Purge a run, and leave its hints, which lead nowhere then, as a collection that was killed may."""
    hints = {key: data for key, data in bucket.objects.items() if key.startswith("hints/")}
    store.maintenance.purge(run)
    store.maintenance.gc(delay=0)
    bucket.objects |= hints


@contextmanager
def world(
    role: str | None,
    to: Path,
    *,
    limited: bool = False,
    dialect: str = "aws",
    empty: bool = False,
    sealed: bool = False,
    experiment: str = EXPERIMENT,
) -> Iterator[World]:
    """A copy of that store, 30 days later by its server's clock, opened by who has a role; all is allowed to None."""
    objects, ids = ({}, {}) if empty else built(sealed)
    clock = Clock()
    inner = MemoryBucket(objects=dict(objects), clock=clock)
    clock.now += 30 * DAY
    mine = [ids.get(experiment, "0" * 16)] if limited else []
    document = policy(role, bucket="b", prefix="p", dialect=dialect, experiments=mine) if role else None
    bucket = EnforcingBucket(inner, document, PLACE)
    location = tiny_location(bucket, seed=7, create=False, pool=Serial(), sealed=sealed)
    location.references = Consent.of(["file:///"])
    store = Store(location)
    try:
        yield World(store, bucket, to, ids, sealed)
    finally:
        with suppress(HoldallError):
            store._close()


def _batch(w: World) -> None:
    w.run.log_batch([("loss", 0.5, 0, 1)], [("a", "b")], [("t", "u")])
    w.run.flush()


def _group(w: World) -> None:
    (w.to / "shard.bin").write_bytes(noise("shard"))
    with w.run.group(step=1, rank=0, world_size=1) as part:
        part.log_artifact(w.to / "shard.bin")


def _then_flush(act: Callable[[Run], object]) -> Callable[[World], object]:
    """What a run keeps in memory goes with the next entry, here at once."""

    def ask(w: World) -> None:
        run = w.run
        act(run)
        run.flush()

    return ask


def _delete_tag(w: World) -> None:
    run = w.run
    run.set_tag("a", 1)
    run.flush()
    run.delete_tag("a")
    run.flush()


def _use(w: World) -> None:
    run = w.run
    run.use_artifact(f"runs:/{w.ids['old']}/text.txt")
    run.flush()


def _models_made(w: World) -> None:
    run = w.run
    run.log_models_made([LoggedModelOutput(w.model, 0)])
    run.log_metric("a", 1)
    run.flush()


def _file(w: World, name: str = "new.bin") -> Path:
    (w.to / name).write_bytes(noise(name))
    return w.to / name


def _figure() -> Any:
    from matplotlib.figure import Figure

    return Figure()


def _picture() -> Any:
    return PIL.Image.new("RGB", (2, 2))


def everybodys(w: World) -> Store:
    """The same store, opened by who may do everything: for what must have happened before."""
    return Store(tiny_location(w.bucket.inner, seed=8, create=False, pool=Serial(), sealed=w.sealed))


def _damage(w: World) -> None:
    """Flip a bit in a pack of the run that goes on."""
    session = next(key for key in w.bucket.inner.objects if key.startswith("packs/"))
    data = bytearray(w.bucket.inner.objects[session])
    data[20] ^= 1
    w.bucket.inner.objects[session] = bytes(data)


def _recorded_check(w: World) -> object:
    _damage(w)
    return w.store.maintenance.check(record=True)


def _repair(w: World) -> object:
    _damage(w)
    everybodys(w).maintenance.check(record=True)
    return w.store.maintenance.repair(source=_copied(w))


def prepare(w: World) -> None:
    """Leave packs that nobody needs, one of them damaged, and an older catalog."""
    before = everybodys(w)
    if not w.sealed:  # which has no catalog
        before.maintenance.catalog()
    before.maintenance.purge(w.ids["purged"])
    _leave_garbage(w)


def _gc(w: World) -> object:
    prepare(w)
    return w.store.maintenance.gc(delay=0)


def _leave_garbage(w: World) -> None:
    """A pack that nothing refers to, and is recorded as damaged; a share that no link opens any more."""
    name = PackName(b"\x01" * 16, 0)
    pack = next(data for key, data in w.bucket.inner.objects.items() if key.startswith("packs/"))
    w.bucket.inner.put(name.key, pack)
    w.bucket.inner.put(damage_key(name), encode_damage(DamageRecord(name, 0, "test", "on purpose", ())))
    w.bucket.inner.put(ShareName(0, "0" * 32, w.ids["old"], "x").key, b"shared")


def _revoke_slot(w: World) -> None:
    everybodys(w).maintenance.keys.add(recipient=new_identity(w.to / "identity"))
    w.store.maintenance.keys.revoke(0)


def _share(w: World) -> Share:
    """As of a server that signs links, which a dict has not."""
    w.bucket.inner.links = lambda _: Signing(w.bucket)  # type: ignore[attr-defined]
    return w.store.shares.create(f"runs:/{w.ids['old']}/own.bin")


def _revoke(w: World) -> Share:
    name = ShareName(2**50, "1" * 32, w.ids["old"], "x")
    w.bucket.inner.put(name.key, b"shared")
    return w.store.shares.revoke(name.id)


@dataclass
class Signing:
    """What makes links, of any bucket."""

    bucket: EnforcingBucket

    def upload(self, key: str, blocks: Iterable[Bytes], most: int) -> None:
        self.bucket.put(key, b"".join(blocks))

    def sign(self, key: str, seconds: int, name: str, kind: str) -> Link:
        return Link(f"https://b/{key}")


def _compact(w: World) -> object:
    everybodys(w).maintenance.purge(w.ids["purged"])
    return w.store.maintenance.compact(0.001)


def _catalog(w: World) -> object:
    """Where there is one already."""
    everybodys(w).maintenance.catalog()
    return w.store.maintenance.catalog()


def _copied(w: World) -> Store:
    """A store with the same content elsewhere, all of which is allowed."""
    objects, _ = built(w.sealed)
    inner = MemoryBucket(objects=dict(objects))
    return Store(tiny_location(inner, seed=9, create=False, pool=Serial(), sealed=w.sealed))


def _lost_entry(w: World) -> object:
    for key in [key for key in w.bucket.inner.objects if key.startswith("experiments/")][:1]:
        del w.bucket.inner.objects[key]
    return w.store.maintenance.repair_logs(_copied(w))


def _undo(w: World) -> object:
    _leave_garbage(w)
    everybodys(w).maintenance.gc(delay=0, quarantine="7d")
    return w.store.maintenance.undo_gc(1)


Verb = Callable[[World], object]
# By the room of a store and its verb. Those that write are all there are (a test holds that); of those that read, some.
VERBS: dict[str, Verb] = {
    "runs.search": lambda w: w.store.runs.search(),
    "runs.search, one experiment": lambda w: w.store.runs.search(experiments=[w.experiment]),
    "run.download": lambda w: w.run.download(None, w.to),
    "artifacts.read": lambda w: w.store.artifacts.read(f"runs:/{w.ids['old']}/shared.bin"),
    "models.load": lambda w: w.store.models.load(f"models:/{w.model}"),
    "registry.resolve": lambda w: w.store.registry.resolve(f"models:/{MODEL}@champion"),
    "experiments.all": lambda w: w.store.experiments.all(),
    "maintenance.check": lambda w: w.store.maintenance.check(),
    "maintenance.du": lambda w: w.store.maintenance.du(),
    "maintenance.stats": lambda w: w.store.maintenance.stats(),
    "maintenance.copy_to": lambda w: w.store.maintenance.copy_to(f"memory://{w.to.name}", decrypt=w.sealed),
    "maintenance.gc, dry run": lambda w: w.store.maintenance.gc(dry_run=True),
    "runs.start": lambda w: w.store.runs.start(experiment=EXPERIMENT).finish(),
    "runs.ensure": lambda w: w.store.runs.ensure("key", experiment=EXPERIMENT).finish(),
    "runs.resume": lambda w: w.store.runs.resume(w.ids["old"]).finish(),
    "run.sign": lambda w: w.run.sign(SigningKey.generate()),
    "models.sign": lambda w: w.store.models.sign(f"models:/{w.model}", SigningKey.generate()),
    "runs.flush": _then_flush(lambda run: run.log_metric("a", 1)),
    "run.log_bytes": lambda w: w.run.log_bytes(noise("lost"), "again.bin"),
    "run.log_artifact": lambda w: w.run.log_artifact(_file(w)),
    "run.log_artifacts": lambda w: (_file(w), w.run.log_artifacts(w.to)),
    "run.log_stream": lambda w: w.run.log_stream(io.BytesIO(noise("s")), "s.bin"),
    "run.log_text": lambda w: w.run.log_text("a", "a.txt"),
    "run.log_dict": lambda w: w.run.log_dict({}, "a.json"),
    "run.log_figure": lambda w: w.run.log_figure(_figure(), "a.svg"),
    "run.log_image": lambda w: w.run.log_image(_picture(), "a.png"),
    "run.log_table": lambda w: w.run.log_table({"a": [1]}, "t.json"),
    "run.log_reference": lambda w: w.run.log_reference(_file(w).as_uri(), "there.bin"),
    "run.log_batch": _batch,
    "run.log_metric": _then_flush(lambda run: run.log_metric("a", 1)),
    "run.log_metrics": _then_flush(lambda run: run.log_metrics({"a": 1})),
    "run.log_param": _then_flush(lambda run: run.log_param("a", 1)),
    "run.log_params": _then_flush(lambda run: run.log_params({"a": 1})),
    "run.set_tag": _then_flush(lambda run: run.set_tag("a", 1)),
    "run.set_tags": _then_flush(lambda run: run.set_tags({"a": 1})),
    "run.delete_tag": _delete_tag,
    "run.log_input": _then_flush(lambda run: run.log_input(from_numpy(np.zeros(2)))),
    "run.log_models_made": _models_made,
    "run.log_models_used": _then_flush(lambda run: run.log_models_used([LoggedModelInput(f"m-{run.id}-9")])),
    "run.use_artifact": _use,
    "run.later": lambda w: w.run.later(lambda: w.run.log_text("a", "a.txt")).result(),
    "run.group": _group,
    "run.delete_artifact": lambda w: w.versioned.delete_artifact("text.txt"),
    "run.trim": lambda w: w.versioned.trim("text.txt", keep_last=1),
    "run.finish": lambda w: w.run.finish(),
    "run.delete": lambda w: w.run.delete(),
    "run.restore": lambda w: w.store.runs.get(w.ids["deleted"]).restore(),
    "experiments.create": lambda w: w.store.experiments.create("third"),
    "experiments.ensure": lambda w: w.store.experiments.ensure("third"),
    "experiments.use": lambda w: w.store.experiments.use("third"),
    "experiments.rename": lambda w: w.store.experiments.rename(w.experiment, "renamed"),
    "experiments.set_tag": lambda w: w.store.experiments.set_tag(w.experiment, "a", "b"),
    "experiments.set_tags": lambda w: w.store.experiments.set_tags(w.experiment, {"a": "b"}),
    "experiments.set_retention": lambda w: w.store.experiments.set_retention(w.experiment, last=3),
    "experiments.delete": lambda w: w.store.experiments.delete(w.experiment),
    "experiments.restore": lambda w: w.store.experiments.restore(w.ids["gone"]),
    "experiments.create, own keys": lambda w: w.store.experiments.create("third", encryption="own"),
    "experiments.shred, own keys": lambda w: w.store.experiments.shred(w.ids["own"]),
    "keys.list": lambda w: w.store.maintenance.keys.list(),
    "keys.add": lambda w: w.store.maintenance.keys.add(recipient=new_identity(w.to / "identity")),
    "keys.revoke": _revoke_slot,
    "keys.rekey": lambda w: w.store.maintenance.keys.rekey(passphrase=PASSPHRASE),
    "models.log": lambda w: w.store.models.log(w.run, double, "double", pip_requirements=[]),
    "models.log_params": lambda w: w.store.models.log_params(w.model, {"a": 1}),
    "models.log_metrics": lambda w: w.store.models.log_metrics(w.run, {"a": 1}, model_id=w.model),
    "models.set_tags": lambda w: w.store.models.set_tags(w.model, {"a": "b"}),
    "models.revise": lambda w: w.store.models.revise(f"models:/{w.model}", lambda folder, mlmodel: mlmodel),
    "registry.create_model": lambda w: w.store.registry.create_model("second"),
    "registry.create_version": lambda w: w.store.registry.create_version(MODEL, f"runs:/{w.ids['old']}/own.bin"),
    "registry.register": lambda w: w.store.registry.register(f"runs:/{w.ids['old']}/own.bin", MODEL),
    "registry.copy_version": lambda w: w.store.registry.copy_version(f"models:/{MODEL}/1", "second"),
    "registry.set_alias": lambda w: w.store.registry.set_alias(MODEL, "best", 1),
    "registry.delete_alias": lambda w: w.store.registry.delete_alias(MODEL, "champion"),
    "registry.roll_back_alias": lambda w: w.store.registry.roll_back_alias(MODEL, "champion"),
    "registry.set_stage": lambda w: w.store.registry.set_stage(MODEL, 1, "Production"),
    "registry.set_model_tag": lambda w: w.store.registry.set_model_tag(MODEL, "a", "b"),
    "registry.set_version_tag": lambda w: w.store.registry.set_version_tag(MODEL, 1, "a", "b"),
    "registry.describe_model": lambda w: w.store.registry.describe_model(MODEL, "a"),
    "registry.describe_version": lambda w: w.store.registry.describe_version(MODEL, 1, "a"),
    "registry.rename_model": lambda w: w.store.registry.rename_model(MODEL, "second"),
    "registry.delete_version": lambda w: w.store.registry.delete_version(MODEL, 1),
    "registry.delete_model": lambda w: w.store.registry.delete_model(MODEL),
    "deployments.record": lambda w: w.store.deployments.record(f"models:/{MODEL}/1", "here"),
    "shares.list": lambda w: w.store.shares.list(),
    "shares.create": _share,
    "shares.revoke": _revoke,
    "maintenance.check, record": _recorded_check,
    "maintenance.repair": _repair,
    "maintenance.repair_logs": _lost_entry,
    "maintenance.catalog": _catalog,
    "maintenance.discard": lambda w: w.store.maintenance.discard(w.ids["live"]),
    "maintenance.gc": _gc,
    "maintenance.undo_gc": _undo,
    "maintenance.compact": _compact,
    "maintenance.purge": lambda w: w.store.maintenance.purge(w.ids["purged"]),
    "maintenance.create": lambda w: w.store.maintenance.create(),
    "maintenance.doctor": lambda w: w.store.maintenance.doctor(),
}
EMPTY: Final = ("maintenance.create",)  # which there is nothing of yet
SEALED: Final = tuple(name for name in VERBS if "own keys" in name or name.startswith("keys."))  # of encrypted stores
