"""A store is not copied to a place inside itself, nor out of one into the store around it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.shell import Shell
from tests.support.stores import tiny_location

from holdall.copying.nested import refuse_nested
from holdall.errors import InvalidArgumentError
from holdall.format.layout import DESCRIPTOR
from holdall.storage.memory import MemoryBucket
from holdall.store import Store


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A folder with a store of one run."""
    found = Shell(tmp_path)
    (tmp_path / "a.txt").write_text("all is well")
    found.log("a.txt")
    return found


@pytest.mark.parametrize("inside", ["store/inside", "./store/a/../inside", "link/inside", "store/copy.zip"])
def test_a_destination_inside_the_source_is_refused(shell: Shell, inside: str) -> None:
    """However it is spelled, and nothing is made there."""
    (shell.folder / "link").symlink_to("store")
    before = sorted(shell.folder.rglob("*"))
    assert "one inside the other" in shell("store", "copy", "store", inside, code=2)
    assert sorted(shell.folder.rglob("*")) == before


def test_a_source_inside_the_destination_is_refused(shell: Shell) -> None:
    """A store in a folder of another one's is not copied into that; a place beside it, of a longer name, is fine."""
    store = Store.open(str(shell.folder / "store" / "inside"))
    store.runs.start().finish()
    assert "one inside the other" in shell("store", "copy", "store/inside", "store", code=2)
    shell("store", "copy", "store/inside", "store-2")
    shell("store", "copy", "store", "store-3")


def far(name: str) -> MemoryBucket:
    """A bucket with an address of a server's."""
    found = MemoryBucket()
    found.url = f"s3://{name}"
    return found


def test_addresses_alike_on_two_servers_are_two_places() -> None:
    """Where an address begins with the other, the outer bucket tells whether the inner store is in it."""
    outer, inner = far("bucket/a"), far("bucket/a/b")
    source = tiny_location(outer)
    with pytest.raises(InvalidArgumentError):
        refuse_nested(source, tiny_location(inner, create=False))  # not there yet: who knows
    target = tiny_location(inner, seed=1)
    refuse_nested(source, target)
    refuse_nested(target, source)
    outer.objects[f"b/{DESCRIPTOR}"] = inner.objects[DESCRIPTOR]  # as it is where both are one server
    for one, other in ((source, target), (target, source)):
        with pytest.raises(InvalidArgumentError):
            refuse_nested(one, other)
