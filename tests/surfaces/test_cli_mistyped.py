"""A wrong id costs a few requests, not a search, and is answered with what may have been meant."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from tests.support.stores import tiny_store

from holdall.__main__ import program
from holdall.storage import schemes
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RequestCounter, TraceBucket

NAME = "mistyped"


@pytest.fixture
def asked() -> Iterator[RequestCounter]:
    """What the command line asks of the store."""
    counter = RequestCounter()
    schemes._memory[NAME] = TraceBucket(MemoryBucket(NAME), counter)
    yield counter
    del schemes._memory[NAME]


def started(count: int) -> list[str]:
    """The ids of so many runs, called run-0 and so on; `brisk-heron` the last."""
    bucket = schemes._memory[NAME]
    store = tiny_store(bucket, create=not list(bucket.list(limit=1)), seed=count)
    names = [*(f"run-{n}" for n in range(count - 1)), "brisk-heron"]
    return [store.runs.start(name=name).id for name in names]


def shell(*words: str, code: int) -> str:
    done = CliRunner().invoke(program, ["--store", f"memory://{NAME}", *words], env={"HOLDALL_CACHE": "off"})
    assert done.exit_code == code, done.output
    return done.output


@pytest.mark.parametrize("words", [("run", "show", "brisk-hero"), ("artifact", "list", "runs:/brisk-hero")])
def test_a_name_in_place_of_an_id_is_answered(asked: RequestCounter, words: tuple[str, ...]) -> None:
    """In a small store the run of a name like it is told; in a larger one how to find it, for two requests."""
    *_, last = started(5)
    assert f"did you mean {last}, which is called 'brisk-heron'?" in shell(*words, code=2)
    started(30)
    asked.clear()
    assert "holdall run search \"attributes.run_name LIKE '%" in " ".join(shell(*words, code=2).split())
    assert asked.total == 2


def test_the_search_that_is_told_finds_it(asked: RequestCounter) -> None:
    """What the error tells a person to call is a filter that finds the run."""
    started(2)
    assert "brisk-heron" in shell("run", "search", "attributes.run_name LIKE '%brisk-heron%'", code=0)


def test_an_ambiguous_beginning_lists_some_with_their_names(asked: RequestCounter) -> None:
    """Ten of the runs that begin so are told, and these alone are read."""
    ids = started(40)
    asked.clear()
    told = shell("run", "show", ids[0][:8], code=2)
    assert told.count("run-") + told.count("brisk-heron") == 10
    assert asked.total == 2 + 2 * 10


def test_a_beginning_that_no_run_has_is_said_at_once(asked: RequestCounter) -> None:
    """One listing, and the descriptor."""
    started(30)
    asked.clear()
    assert "no run 'ffffff'" in shell("run", "show", "ffffff", code=1)
    assert asked.total == 2
