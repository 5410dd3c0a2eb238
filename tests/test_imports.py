"""What a first verb loads: the rooms that it works in, and not those of collectors, copiers and flavors."""

from __future__ import annotations

import subprocess
import sys

import pytest

import holdall.store

SELDOM = {"checking", "collecting", "maintenance", "retention"}
OF_MODELS = {"modeling", "naming"}
TRUST = {"holdall.modeling", "holdall.modeling.loading", "holdall.modeling.loading.trust"}  # settings check its words
START = "import holdall; holdall.set_store('memory://x'); holdall.start_run(); holdall.log_metric('a', 1)"


def loaded(code: str) -> set[str]:
    """The modules of this package that a fresh process has loaded after some code."""
    code += "\nimport sys; print('LOADED', *(name for name in sys.modules if name.partition('.')[0] == 'holdall'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("LOADED ")[2].split())


def rooms(names: set[str]) -> set[str]:
    return {name.split(".")[1] for name in names - TRUST if "." in name}


@pytest.mark.parametrize(
    ("code", "most"),
    [("import holdall.store", 236), (START, 251), ("import holdall; holdall.search_runs", 266)],
    ids=["store", "start a run", "search"],
)
def test_a_verb_loads_no_room_that_it_does_not_work_in(code: str, most: int) -> None:
    """Starting and finding runs loads a third less than all of the package, no collector and no checker."""
    found = loaded(code)
    assert not rooms(found) & (SELDOM | {"copying", "measuring"})
    assert len({name for name in found - TRUST if name.startswith("holdall.modeling.")}) <= 2  # a model's record
    assert len(found) <= most


def test_the_program_loads_the_nouns_and_no_more() -> None:
    """`holdall run list` loads every command, and of the rooms behind them those that it needs."""
    found = loaded("import holdall.__main__")
    assert not rooms(found) & (SELDOM | OF_MODELS)
    assert len(found) <= 325


def test_what_is_loaded_later_is_there() -> None:
    """Each name of the store's module can be had from it, and a wrong one is an AttributeError."""
    for name in holdall.store.__all__:
        assert getattr(holdall.store, name) is not None
    elsewhere = [name for names in holdall.store._ELSEWHERE.values() for name in names.split()]
    assert set(elsewhere) <= set(holdall.store.__all__)
    assert len(set(elsewhere)) == len(elsewhere)
    with pytest.raises(AttributeError, match="nothing_like_it"):
        holdall.store.nothing_like_it  # noqa: B018
