"""Two models that bring modules of one name: the same code is shared, other code is refused, and none is mixed up."""

from __future__ import annotations

import importlib
import py_compile
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holdall.errors import ModelCodeConflictError
from holdall.modeling.code import model_code
from holdall.store import Store


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process that has loaded no model yet."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(model_code, "_claimed", {})
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("mine_"):
            del sys.modules[name]


def package(top: Path, name: str, answer: int, *, lazy: bool = False) -> str:
    """A package whose module `deep` has the answer; its loader imports that when it loads, or when it predicts."""
    folder = top / str(answer) / name
    folder.mkdir(parents=True)
    (folder / "deep.py").write_text(f"ANSWER = {answer}\n")
    load = f"from {name}.deep import ANSWER"
    (folder / "__init__.py").write_text(
        f"{'' if lazy else load}\n"
        "class M:\n    def predict(self, data, params=None):\n"
        f"        {load}\n        return ANSWER\n"
        "def _load_pyfunc(path):\n    return M()\n"
    )
    return str(folder)


def saved(store: Store, where: Path, code: str, name: str) -> Path:
    store.models.save(None, where, flavor="python_function", loader_module=name, code_paths=[code], pip_requirements=[])
    return where


@pytest.mark.parametrize("lazy", [False, True], ids=["at once", "when it predicts"])
def test_the_second_of_one_name_is_refused(store: Store, tmp_path: Path, lazy: bool) -> None:
    """Also when neither has imported the module yet; the first goes on with its own."""
    paths = [
        saved(store, tmp_path / f"model{n}", package(tmp_path / "code", "mine_a", n, lazy=lazy), "mine_a")
        for n in (1, 2)
    ]
    first = store.models.load_pyfunc(paths[0])
    before = list(sys.path)
    with pytest.raises(ModelCodeConflictError, match=r"module mine_a .* is not the one that is loaded"):
        store.models.load_pyfunc(paths[1])
    assert sys.path == before
    assert first.predict([0]) == 1


def test_a_module_that_differs_below_is_refused(store: Store, tmp_path: Path) -> None:
    """Though only a file that nobody imported yet is another one."""
    one, two = (package(tmp_path / "code", "mine_b", n, lazy=True) for n in (1, 2))
    (Path(two) / "deep.py").write_bytes((Path(one) / "deep.py").read_bytes())
    (Path(two) / "more.py").write_text("")
    store.models.load_pyfunc(saved(store, tmp_path / "m1", one, "mine_b"))
    with pytest.raises(ModelCodeConflictError):
        store.models.load_pyfunc(saved(store, tmp_path / "m2", two, "mine_b"))


def test_the_same_code_is_shared(store: Store, tmp_path: Path) -> None:
    """By two models, and with what the process imported to make the model."""
    code = package(tmp_path / "code", "mine_c", 5)
    sys.path.insert(0, str(Path(code).parent))
    importlib.import_module("mine_c")
    for n in (1, 2):
        loaded = store.models.load_pyfunc(saved(store, tmp_path / f"model{n}", code, "mine_c"))
        assert loaded.predict([0]) == 5


def test_a_module_of_the_process_is_no_models(store: Store, tmp_path: Path) -> None:
    """Whatever was imported by the name before, from elsewhere, would run instead of what was logged."""
    other = package(tmp_path / "code", "mine_d", 6)
    sys.path.insert(0, str(Path(other).parent))
    importlib.import_module("mine_d")
    with pytest.raises(ModelCodeConflictError, match="mine_d"):
        store.models.load_pyfunc(saved(store, tmp_path / "m", package(tmp_path / "code", "mine_d", 7), "mine_d"))


def test_a_failed_load_can_be_tried_again(store: Store, tmp_path: Path) -> None:
    """Out of a store, whose fetched files are gone after a failure."""
    code = package(tmp_path / "code", "mine_e", 8)
    run = store.runs.start()
    info = store.models.log(
        run, None, "m", flavor="python_function", loader_module="mine_absent", code_paths=[code], pip_requirements=[]
    )
    for _ in range(2):
        with pytest.raises(TypeError, match="mine_absent"):
            store.models.load_pyfunc(info.model_uri)


def test_of_many_that_load_at_once_one_has_the_name(store: Store, tmp_path: Path) -> None:
    """Each either predicts its own answer or is refused."""
    paths = [saved(store, tmp_path / f"m{n}", package(tmp_path / "code", "mine_f", n), "mine_f") for n in range(6)]
    found: dict[int, Any] = {}

    def load(n: int) -> None:
        try:
            found[n] = store.models.load_pyfunc(paths[n]).predict([0])
        except ModelCodeConflictError:
            found[n] = "refused"

    threads = [threading.Thread(target=load, args=(n,)) for n in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    (winner,) = [n for n, answer in found.items() if answer == n]
    assert all(answer == "refused" for n, answer in found.items() if n != winner)


def test_a_load_leaves_a_models_folder_as_it_was(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing compiled is kept in it, of packages below neither: its digest stays what it was."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    where = saved(store, tmp_path / "m", package(tmp_path / "code", "mine_kept", 7), "mine_kept")
    before = {file: file.read_bytes() for file in where.rglob("*") if file.is_file()}
    assert store.models.load_pyfunc(str(where)).predict(None) == 7
    assert {file: file.read_bytes() for file in where.rglob("*") if file.is_file()} == before


def test_what_somebody_compiled_is_not_run(store: Store, tmp_path: Path) -> None:
    """A compiled file beside the source, made to look as old as it, is passed over."""
    code = Path(package(tmp_path / "code", "mine_left", 7))
    where = saved(store, tmp_path / "m", str(code), "mine_left")
    source = next(where.rglob("deep.py"))
    honest = source.read_text()
    source.write_text(honest.replace("7", "8"))
    compiled = Path(
        py_compile.compile(str(source), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH) or ""
    )
    source.write_text(honest)
    assert compiled.exists()
    assert store.models.load_pyfunc(str(where)).predict(None) == 7
