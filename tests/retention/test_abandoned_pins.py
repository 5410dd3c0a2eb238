"""A pin that a killed registration left does not hold its run for ever, and one that is needed is never lifted."""

from __future__ import annotations

from functools import partial

import pytest
from tests.support.stores import tiny_location, tiny_store

from holdall.collecting.at_once import collect_packs
from holdall.errors import RunHeldError, RunNotFoundError, StorageError
from holdall.naming import pins
from holdall.naming.pins import Standing, lift, standing
from holdall.retention.purge_plan import plan_purge
from holdall.retention.purging import purge
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.store import Store
from holdall.trees.location import Location


class World:
    """A finished run, and who purges it."""

    def __init__(self) -> None:
        self.bucket = MemoryBucket()
        self.store = tiny_store(self.bucket)
        self.run: Run = self.store.runs.start()
        self.run.log_text("all is well", "model/a.txt")
        self.run.finish()

    @property
    def uri(self) -> str:
        return f"runs:/{self.run.id}/model"

    @property
    def location(self) -> Location:
        return tiny_location(self.bucket, seed=7, create=False)

    def killed_before_its_version(self) -> str:
        """The pin of a registration that was killed when it was set."""
        self.store.registry.create_model("fraud")
        (model,) = {key.split("/")[1] for key in self.bucket.objects if key.startswith("models/")}
        pin = f"models/{model}/{'0' * 16}"
        pins.pin(self.location, self.run.id, pin, "models:/fraud", "model")
        return pin

    def purge(self, *, lift_pins: bool = False) -> None:
        location = self.location
        plan = plan_purge(location, self.run.id, lift_pins=lift_pins)
        purge(location, plan, partial(collect_packs, location))

    def is_gone(self) -> bool:
        try:
            return not tiny_store(self.bucket, create=False).runs.get(self.run.id).info
        except RunNotFoundError:
            return True


@pytest.fixture
def world() -> World:
    return World()


def test_a_pin_without_a_version_is_lifted_on_ones_word(world: World) -> None:
    """The refusal says what it is and how to lift it; by itself nothing lifts it, as its writer may go on."""
    pin = world.killed_before_its_version()
    assert standing(world.location, pin) is Standing.PROMISE
    with pytest.raises(RunHeldError, match="no version of it was written") as refused:
        world.purge()
    assert "--lift-pins" in refused.value.shell_hint
    assert "lift_pins=True" in str(refused.value.hint)
    assert plan_purge(world.location, world.run.id, lift_pins=True).lifting == (pin,)
    world.purge(lift_pins=True)
    assert world.is_gone()


@pytest.mark.parametrize("how", ["dropped", "ended"])
def test_a_pin_whose_version_is_gone_needs_nobodys_word(world: World, how: str) -> None:
    """A deletion that was killed before it took the pin back holds nothing: no version can come under that pin."""
    registry = world.store.registry
    registry.register(world.uri, "fraud")
    (pin,) = world.run.state.pins
    by = world.run.state.pins[pin]
    registry.delete_version("fraud", 1) if how == "dropped" else registry.delete_model("fraud")
    pins.pin(world.location, world.run.id, pin, by, "model")  # as it was when that process was killed
    assert standing(world.location, pin) is Standing.NOTHING
    world.purge()
    assert world.is_gone()


def test_the_pin_of_a_version_is_never_lifted(world: World) -> None:
    """Not on anybody's word, and where the version comes between plan and purge its pin stands anew."""
    pin = world.killed_before_its_version()
    plan = plan_purge(world.location, world.run.id, lift_pins=True)
    write_version(world.store, world.run, pin)
    assert standing(world.location, pin) is Standing.VERSION
    with pytest.raises(RunHeldError, match="registered just now"):
        purge(world.location, plan, lambda _: [])
    with pytest.raises(RunHeldError, match="models:/fraud/1"):
        world.purge(lift_pins=True)
    state = world.run.state
    assert (dict(state.pins), dict(state.pinned)) == ({pin: "models:/fraud"}, {pin: "model"})
    assert not state.deleted
    assert world.store.artifacts.read("models:/fraud/1/a.txt") == b"all is well"
    assert not lift(world.location, world.run.id, pin)


def write_version(store: Store, run: Run, pin: str) -> None:
    """What a registration does once its pin stands."""
    registry, digest = store.registry, store.models.digest(f"runs:/{run.id}/model")
    facts = {"source": "runs:/", "run": run.id, "path": "model", "digest": digest, "pin": pin}
    none = {"user": None, "run_link": None, "model_id": None}
    log = registry._find("fraud")
    log.append(lambda: [{"op": "version", "version": 1, **facts, **none}])


def test_pins_of_another_kind_hold(world: World) -> None:
    """A pin that no registered model has set is nobody's to lift."""
    pins.pin(world.location, world.run.id, "mine", "me", "model")
    with pytest.raises(RunHeldError, match="mine, set by me"):
        world.purge(lift_pins=True)


def test_a_pin_is_not_lifted_where_the_model_cannot_be_read(world: World) -> None:
    """What cannot be told holds the run, with the error of the bucket."""
    pin = world.killed_before_its_version()

    class Silent(MemoryBucket):
        def get(self, key: str, *, limit: int | None = None) -> bytes:
            if key.startswith("models/"):
                raise StorageError(self.url, key, "no answer")
            return super().get(key, limit=limit)

    location = tiny_location(Silent("silent", world.bucket.objects), seed=9, create=False)
    with pytest.raises(StorageError):
        plan_purge(location, world.run.id, lift_pins=True)
    assert pin in world.run.state.pins
