"""Whose policy lacks something: what is advice is done without, what is needed is refused before anything is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.access.verbs import EXPERIMENT, World, everybodys, noise, prepare, world

from holdall.errors import AccessDeniedError


@contextmanager
def lacking(role: str, action: str, beginning: str, to: Path) -> Iterator[World]:
    """A world for who has a role but for one action at keys that begin so."""
    with world(role, to) as here:
        assert here.bucket.document is not None
        statements = here.bucket.document["Statement"]
        statements.append({"Effect": "Deny", "Action": action, "Resource": f"arn:aws:s3:::b/p/{beginning}*"})
        yield here


def packs(here: World) -> set[str]:
    return {key for key in here.bucket.inner.objects if key.startswith("packs/")}


@pytest.mark.parametrize("beginning", ["runs/", "gc/", "catalog/"])
def test_a_collector_that_may_not_say_what_it_does_deletes_no_pack(beginning: str, tmp_path: Path) -> None:
    """No fence, no generation, or a catalog that would go on telling of a purged run: it says which action it lacks."""
    with lacking("collector", "s3:PutObject", beginning, tmp_path) as here:
        prepare(here)
        everybodys(here).runs.start(experiment=EXPERIMENT).log_bytes(noise("open"), "open.bin")  # a session is open
        before = packs(here)
        with pytest.raises(AccessDeniedError) as caught:
            here.store.maintenance.gc(delay=0)
        assert (caught.value.action, caught.value.key.split("/")[0] + "/") == ("s3:PutObject", beginning)
        assert packs(here) == before


def test_a_collector_that_may_delete_no_pack_says_which_stay(tmp_path: Path) -> None:
    """The collection goes on with the rest, names what was refused, and is not done."""
    with lacking("collector", "s3:DeleteObject", "packs/", tmp_path) as here:
        prepare(here)
        found = here.store.maintenance.gc(delay=0)
        assert found.refused
        assert all("s3:DeleteObject was refused" in why for why in found.refused.values())
        assert not any(key.endswith("/done") and "fffffffffffffffd" in key for key in here.bucket.inner.objects)


@pytest.mark.parametrize("beginning", ["hints/", "gc/damaged/"])
def test_a_writer_that_may_give_no_advice_logs(beginning: str, tmp_path: Path) -> None:
    """Hints and marks of damage cost space where they are missing."""
    with lacking("writer", "s3:PutObject", beginning, tmp_path) as here:
        here.run.log_bytes(noise("new"), "new.bin")
        assert here.run.read("new.bin") == noise("new")


def test_a_writer_that_may_read_no_hint_logs(tmp_path: Path) -> None:
    """It shares less then, and stores that anew."""
    with lacking("writer", "s3:GetObject", "hints/", tmp_path) as here:
        here.run.log_bytes(noise("new"), "new.bin")
        assert here.run.read("new.bin") == noise("new")


def test_a_reader_that_may_read_no_log_says_so(tmp_path: Path) -> None:
    """Which action of which key."""
    with lacking("reader", "s3:GetObject", "runs/", tmp_path) as here:
        with pytest.raises(AccessDeniedError, match="s3:GetObject was refused"):
            here.store.runs.search()
        assert everybodys(here).runs.search()
