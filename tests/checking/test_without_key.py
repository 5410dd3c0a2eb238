"""Who has no key of an encrypted store checks all that has a digest which needs none."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.support.depth import thinned
from tests.support.keyless import KINDS, KeylessWorld

from holdall.__main__ import program
from holdall.checking.check_public import UNSEEN
from holdall.checking.findings import Findings
from holdall.format.layout import parse_key
from holdall.store import Store


def checked(world: KeylessWorld, *, quick: bool = False) -> Findings:
    """What somebody without a key finds."""
    return Store(world.location(keyless=True)).maintenance.check(quick=quick)


@pytest.mark.parametrize("kind", thinned(KINDS, 4))
def test_a_whole_store_has_no_problems(kind: str) -> None:
    """Whatever its runs have been through; what was not looked at is said, and no orphan is named that is none."""
    world = KeylessWorld("plain", kind) if kind != "plain" else KeylessWorld("plain")
    whole = Store(world.location(keyless=False)).maintenance.check()
    for quick in (True, False):
        found = checked(world, quick=quick)
        assert (found.problems, found.missing, found.unseen) == ([], [], UNSEEN)
        assert (found.objects, found.packs, found.blobs) == (whole.objects, whole.packs, whole.blobs)
        assert (found.runs, found.entries) == (whole.runs, whole.entries)
        assert set(found.orphans) <= set(whole.orphans)
    assert whole.unseen == ""


def objects(world: KeylessWorld, *kinds: str) -> list[str]:
    """The keys of some kinds."""
    return [key for key in sorted(world.inner.objects) if (found := parse_key(key)) and found.kind in kinds]


@pytest.mark.parametrize("kind", ["log", "pack"])
def test_every_byte_of_entries_and_packs_is_under_a_digest(kind: str) -> None:
    """One that is flipped is found, wherever it is, sealed or not; so is an object that is gone."""
    world = KeylessWorld("plain")
    for key in thinned(objects(world, kind), 1 if kind == "log" else 6):
        data = world.inner.objects[key]
        for at in thinned(range(len(data)), max(1, len(data) // 2)):
            world.inner.objects[key] = data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]
            assert not checked(world).intact, (key, at)
        del world.inner.objects[key]
        log = key.rpartition("/")[0]  # nothing tells that its newest entry is gone
        last = kind == "log" and not any(other < key for other in objects(world, kind) if other.startswith(log))
        assert not checked(world).intact or last, key
        world.inner.objects[key] = data
    assert checked(world).intact


def test_a_quick_check_reads_no_content() -> None:
    """Packs by their footers: a byte of a chunk is not looked at, one of a node is."""
    world = KeylessWorld("plain")
    pack = objects(world, "pack")[0]
    data = world.inner.objects[pack]
    world.inner.objects[pack] = data[:40] + bytes([data[40] ^ 1]) + data[41:]
    assert checked(world, quick=True).intact
    assert not checked(world).intact


def test_a_pack_that_is_gone_is_named_with_its_runs() -> None:
    """So that a mirror can be completed."""
    world = KeylessWorld("plain")
    pack = objects(world, "pack")[1]
    del world.inner.objects[pack]
    found = checked(world, quick=True)
    assert (found.missing, found.torn) == ([pack], True)
    assert f"runs/{world.runs['plain'].id}" in found.problems[0].touches


def test_the_shell_says_what_was_not_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line of its own, and the exit code of a store that is whole."""
    for name in ("HOLDALL_PASSPHRASE", "HOLDALL_IDENTITY", "HOLDALL_PASSPHRASE_COMMAND"):
        monkeypatch.delenv(name, raising=False)
    world = KeylessWorld("plain")
    for key, data in world.inner.objects.items():
        path = tmp_path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    for command in (["store", "check", str(tmp_path)], ["gc", str(tmp_path), "--dry-run"]):
        done = CliRunner().invoke(program, command)
        assert (done.exit_code, "no key was given" in done.output) == (0, True), done.output
