"""What a fresh checkout has to compile is divided among the workers, who would all compile all of it at once.

Half a minute of processor time each: holdall itself, the tests, which pytest compiles anew to explain what failed, and
the large libraries, which the installation leaves as they are since most of their files are never imported. So each
worker begins with its share, and finds what is the others' compiled when it comes there. Nobody waits for anybody: what
was not ready yet is compiled twice.
"""

from __future__ import annotations

import compileall
import importlib
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest
from _pytest.assertion import rewrite

# Each worker imports all of them in the end.
_LIBRARIES: Final = (
    ("ray", "optuna", "polars", "matplotlib.pyplot", "moto", "sqlalchemy.orm", "hypothesis.strategies"),
    ("torch", "keras", "torch.distributed.checkpoint", "onnxruntime"),
    ("pandas", "scipy.sparse", "sklearn.ensemble", "xgboost", "lightgbm", "mlflow.pyfunc", "mlflow.tracking"),
)


def compile_share(config: pytest.Config, root: Path, worker: int, workers: int) -> None:
    """Compile one of so many parts of all that the tests import."""
    for file in sorted((root / "src").rglob("*.py"))[worker::workers]:
        compileall.compile_file(file, quiet=2)
    with suppress(AttributeError, TypeError, OSError):  # a pytest that does it in another way does it by itself
        for file in sorted((root / "tests").rglob("test_*.py"))[worker::workers]:
            _rewrite(config, file)
    for names in _LIBRARIES[worker::workers]:
        for name in names:
            with suppress(ImportError):
                importlib.import_module(name)


def leave_as_it_is(config: pytest.Config, package: str) -> None:
    """Let pytest compile a package as Python does, and so as every process that a test starts does.

    It takes one that brings a plugin for a part of the tests, and compiles all of it anew, which takes thrice as long.
    """
    with suppress(AttributeError):
        config.pluginmanager.rewrite_hook._must_rewrite.discard(package)  # type: ignore[attr-defined]


def _rewrite(config: pytest.Config, file: Path) -> None:
    compiled = rewrite.get_cache_dir(file) / (file.name.removesuffix(".py") + rewrite.PYC_TAIL)
    if rewrite._read_pyc(file, compiled) is None and rewrite.try_makedirs(compiled.parent):
        stat, code = rewrite._rewrite_test(file, config)
        rewrite._write_pyc(config.stash[rewrite.assertstate_key], code, stat, compiled)
