"""What workers compile ahead is what pytest and Python look for."""

from __future__ import annotations

import sys
from importlib.util import cache_from_source
from pathlib import Path

import pytest
from _pytest.assertion import rewrite
from tests.support import compiled


def test_each_worker_compiles_its_share(
    pytestconfig: pytest.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file once, where it will be looked for; imported is nothing that is not there."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(compiled, "_LIBRARIES", (("json",), ("no_such_library",)))
    (tmp_path / "src").mkdir()
    (tmp_path / "tests").mkdir()
    sources = [tmp_path / "src" / f"{name}.py" for name in "abc"]
    tests = [tmp_path / "tests" / f"test_{name}.py" for name in "abc"]
    for file in sources + tests:
        file.write_text("assert 1 + 1 == 2\n")
    for worker, there in ((0, {"a", "c"}), (1, {"a", "b", "c"})):
        compiled.compile_share(pytestconfig, tmp_path, worker, 2)
        assert {file.stem for file in sources if Path(cache_from_source(str(file))).exists()} == there
        assert {file.stem[-1] for file in tests if rewrite._read_pyc(file, _place(file))} == there


def _place(file: Path) -> Path:
    return rewrite.get_cache_dir(file) / (file.stem + rewrite.PYC_TAIL)


def test_holdall_itself_is_compiled_as_ever(pytestconfig: pytest.Config) -> None:
    """As by every process that a test starts: pytest does so with tests, and with a plugin's package if it is let."""
    hook = pytestconfig.pluginmanager.rewrite_hook
    assert "holdall" not in hook._must_rewrite  # type: ignore[attr-defined]
