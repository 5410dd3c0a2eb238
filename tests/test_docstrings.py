"""Every public verb has an example in its docstring, and every example does what it shows.

An example runs in this process, in an empty folder and in a store of its own in memory. These names are there:

    holdall    in every example
    store      the store: `holdall.open()`
    client     a `holdall.Client`
    run        a handle to a fresh run that is open, with the parameter `rate` ("0.1"), the metric `loss` (0.9 at
               step 0, 0.2 at step 1) and the files `report.txt` ("all is well\\n") and `model/weights.bin`
    logged     what `log_model` returned for a function `double`, which was logged as the model "double"
    "fraud"    a registered model with two versions of `model`, and the alias "champion" at version 2

`...` stands for anything, and blanks and line breaks count as one blank. To run one of them:

    python -m pytest tests/test_docstrings.py -k "log_artifact"
"""

from __future__ import annotations

import doctest
import inspect
import os
import re
import uuid
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import holdall
from holdall.store import GroupPart, KeySlots, ModelInfo, Run, RunIndex, RunSnapshot, Store
from holdall.surfaces.fluent import active

# Verbs that still lack an example, as patterns. This list only shrinks, and ends empty.
LACKING: tuple[str, ...] = ()

# What `pip install -e '.[test]'` does not bring: an example is demanded all the same, and run where they are.
HEAVY = {"holdall.tensorflow": "tensorflow", "holdall.transformers": "transformers"}

_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def _rooms() -> Iterator[tuple[str, object]]:
    """What has public verbs: holdall, its modules, its classes, and what a store's attributes are."""
    yield "holdall", holdall
    for name in holdall.__all__:
        found = getattr(holdall, name)
        if isinstance(found, ModuleType):
            yield f"holdall.{name}", found
    yield "Client", holdall.Client
    yield "Run", Run
    yield "RunSnapshot", RunSnapshot
    yield "RunIndex", RunIndex
    yield "GroupPart", GroupPart
    yield "Store", Store
    yield "KeySlots", KeySlots
    store = Store.open("memory://rooms")
    yield from ((f"Store.{name}", type(room)) for name, room in vars(store).items() if not name.startswith("_"))


def _members(room: object) -> dict[str, Any]:
    """What a room has for its users; methods as the functions that they are."""
    names = getattr(room, "__all__", None) or [name for name in dir(room) if not name.startswith("_")]
    found = {name: inspect.getattr_static(room, name, None) or getattr(room, name) for name in names}
    return {name: getattr(member, "__func__", member) for name, member in found.items()}


ROOMS = dict(_rooms())
MEMBERS = {f"{at}.{name}": member for at, room in ROOMS.items() for name, member in _members(room).items()}
VERBS: dict[str, Callable[..., Any]] = {name: found for name, found in MEMBERS.items() if inspect.isfunction(found)}
CLASSES = {name: found for name, found in MEMBERS.items() if inspect.isclass(found)}
_PARSER = doctest.DocTestParser()


def _examples(thing: object) -> list[doctest.Example]:
    return _PARSER.get_examples(inspect.getdoc(thing) or "")


@pytest.fixture(autouse=True)
def afterwards() -> Iterator[None]:
    """Nothing stays of what an example started."""
    yield
    while holdall.active_run():
        holdall.end_run()
    active._state.__init__()  # type: ignore[misc]


def _started(store: Store) -> Run:
    run = store.runs.start(name="example")
    run.log_params({"rate": 0.1})
    for step, loss in enumerate((0.9, 0.2)):
        run.log_metrics({"loss": loss}, step=step)
    run.log_text("all is well\n", "report.txt")
    run.log_bytes(bytes(8), "model/weights.bin")
    return run


def _register(store: Store, run: Run) -> None:
    for _ in range(2):
        store.registry.register(f"runs:/{run.id}/model", "fraud")
    store.registry.set_alias("fraud", "champion", 2)


def _logged(run: Run) -> ModelInfo:
    def double(model_input: list[float]) -> list[float]:
        return [2 * each for each in model_input]

    return holdall.pyfunc.log_model(name="double", python_model=double, pip_requirements=[], run_id=run.id)


def _given(store: Store, source: str) -> dict[str, Any]:
    """What an example uses and does not make by itself."""
    scope: dict[str, Any] = {"holdall": holdall, "store": store, "client": holdall.Client()}
    if re.search(r"\b(run|logged|fraud|maintenance)\b", source):
        scope["run"] = _started(store)
    if "fraud" in source:
        _register(store, scope["run"])
    if "sealed" in source:
        opened = holdall.Unlock(passphrase="correct horse battery staple")
        scope["sealed"] = holdall.open(f"memory://docstrings/{uuid.uuid4()}", unlock=opened)
        scope["sealed"].maintenance.create(encrypt=True)
    if re.search(r"(?<!\.)\blogged\b", source):
        scope["logged"] = _logged(scope["run"])
    return scope


def follow(name: str, thing: object) -> str:
    """Run the examples of a docstring; what went otherwise than shown."""
    text = inspect.getdoc(thing) or ""
    store = holdall.set_store(f"memory://docstrings/{uuid.uuid4()}")
    scope = _given(store, "".join(example.source for example in _PARSER.get_examples(text)))
    told: list[str] = []
    test = _PARSER.get_doctest(text, scope, name, None, None)
    doctest.DocTestRunner(optionflags=_FLAGS).run(test, out=told.append)
    return "".join(told)


def test_every_public_verb_has_an_example() -> None:
    """Who asks `help()` for a verb sees how it is called."""
    without = [name for name, verb in VERBS.items() if not _examples(verb)]
    assert [name for name in without if not any(fnmatch(name, pattern) for pattern in LACKING)] == []


@pytest.mark.parametrize("name", [name for name, thing in (VERBS | CLASSES).items() if _examples(thing)])
@pytest.mark.every(2)
def test_an_example_does_what_it_shows(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run as it stands, in an empty folder."""
    needed = HEAVY.get(name.rpartition(".")[0])
    if needed and not find_spec(needed):
        pytest.skip(f"{needed} is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOLDALL_CACHE", "off")
    os.environ.setdefault(
        "KERAS_BACKEND", "tensorflow" if find_spec("tensorflow") else "torch"
    )  # for good: it looks once
    told = follow(name, (VERBS | CLASSES)[name])
    assert not told, told


def test_a_wrong_example_is_noticed() -> None:
    """Other output than is shown, and an error, are told."""

    def wrong() -> None:
        """Show too much.

        >>> 1 + 1
        3
        >>> holdall.log_texts("a", "b")
        """

    told = follow("holdall.wrong", wrong)
    assert "Expected:\n    3\nGot:\n    2" in told
    assert "AttributeError" in told
