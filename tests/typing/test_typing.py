"""What type checkers say of scripts that use holdall: all that is wrong, and nothing of what is right."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SCRIPTS = ["wrong_uses.py", "right_uses.py", "star_uses.py"]
WRONG = {
    ("wrong_uses.py", number)
    for number, line in enumerate((HERE / "wrong_uses.py").read_text().splitlines(), 1)
    if "# wrong: " in line
}


def _mypy() -> set[tuple[str, int]]:
    """The lines in which mypy finds errors, strictly, with the package's own settings left aside."""
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        "--cache-dir=/dev/null",
        "--no-error-summary",
        *SCRIPTS,
    ]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True)
    assert done.stderr == ""
    return {
        (Path(file).name, int(line)) for file, line in re.findall(r"^(\S+):(\d+): error:", done.stdout, re.MULTILINE)
    }


def _pyright() -> set[tuple[str, int]]:
    """The lines in which pyright finds errors, as it is set when nobody sets it."""
    pytest.importorskip("basedpyright")
    command = [sys.executable, "-m", "basedpyright", "-p", str(HERE), "--pythonpath", sys.executable, "--outputjson"]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert found["summary"]["filesAnalyzed"] == len(SCRIPTS)
    errors = [one for one in found["generalDiagnostics"] if one["severity"] == "error"]
    return {(Path(one["file"]).name, one["range"]["start"]["line"] + 1) for one in errors}


@pytest.mark.parametrize("checker", [_mypy, pytest.param(_pyright, marks=pytest.mark.doors)], ids=["mypy", "pyright"])
@pytest.mark.every(2)
def test_a_checker_finds_what_is_wrong_and_nothing_else(checker: object) -> None:
    """Ten wrong uses of names, arguments, futures, models and errors; a page of right ones; a star."""
    assert len(WRONG) >= 10
    assert callable(checker)
    assert checker() == WRONG
