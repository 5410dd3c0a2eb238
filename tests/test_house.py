"""The house keeps its rules: imports, types, style, and what the README says."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent

# Importing any of these costs every script that imports holdall a tenth of a second or more.
FORBIDDEN = {
    *("aiobotocore", "blake3", "boto3", "botocore", "click", "cloudpickle", "dask", "distributed", "fsspec", "joblib"),
    *(
        "keras",
        "lightgbm",
        "matplotlib",
        "mlflow",
        "numpy",
        "onnx",
        "onnxruntime",
        "pandas",
        "picklescan",
        "pyfastcdc",
        "requests",
        "s3fs",
    ),
    *("ray", "safetensors", "scipy", "skops", "sklearn", "tensorflow", "tokenizers", "torch", "tqdm", "transformers"),
    *("xgboost", "yaml", "zstandard"),
}


# What CI checks once, it would write for nobody: a fifth of the work.
COLD = [] if (ROOT / ".mypy_cache").exists() else [f"--cache-dir={os.devnull}"]


@pytest.mark.parametrize(
    "command",
    [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy", *COLD], ["lint-imports"]],
    ids=" ".join,
)
@pytest.mark.long
def test_the_tools_are_quiet(command: list[str]) -> None:
    """Style, types and the contracts of the floors hold."""
    done = subprocess.run([BIN / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_importing_holdall_imports_nothing_heavy() -> None:
    """`import holdall` in a fresh process loads none of the forbidden modules."""
    code = "import sys, holdall; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert FORBIDDEN & {name.partition(".")[0] for name in done.stdout.split()} == set()


def test_every_public_name_resolves() -> None:
    """What `holdall` lists as its own can be had from it."""
    import holdall

    assert sorted(holdall.__all__) == list(holdall.__all__)
    assert all(getattr(holdall, name) is not None for name in holdall.__all__)


def test_ci_runs_the_readmes_two_commands() -> None:
    """What CI runs is what the README tells a newcomer to run, to the letter."""
    told = re.findall(r"```sh\n(.*?)\n```", (ROOT / "README.md").read_text(), re.DOTALL)
    lines = (ROOT / ".ci/run").read_text().splitlines()
    assert [line for line in lines if line.startswith(("python3.11", ".venv"))] == told


def test_every_dependency_has_a_floor_and_a_reason() -> None:
    """A requirement without a floor lets a resolver fall back by years."""
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    requirements = [line for line in lines if re.match(r'\s+"[a-z0-9_\[\]-]+(\[.*\])?[<>=]', line)]
    assert len(requirements) > 10
    assert [line for line in requirements if not re.search(r"[>=]=\d", line)] == []


def test_the_environment_is_read_in_one_place() -> None:
    """By the settings; and copied, unread, for the programs that say what ran where, and for worker processes."""
    files = (ROOT / "src").rglob("*.py")
    assert {f.name for f in files if re.search(r"os\.(environ|getenv)", f.read_text())} == {
        "settings.py",
        "environment.py",
        "surroundings.py",
    }


def _length(code: str) -> int:
    """Lines of a file, without the examples in its docstrings."""
    return len(re.sub(r"^\n +Example:\n(?: {4,}\S.*\n)+?(?= +\"\"\")", "", code, flags=re.MULTILINE).splitlines())


def test_no_file_is_an_attic() -> None:
    """Files stay below 400 lines (but for the tree of errors; examples do not count), and no name refuses nothing."""
    files = list((ROOT / "src").rglob("*.py"))
    assert {f.name for f in files if _length(f.read_text()) > 400} <= {"errors.py"}
    attics = {"utils", "common", "core", "helpers", "base", "types", "misc"}
    package = ROOT / "src" / "holdall"
    of_mlflow = {package / "types", package / "utils"}  # MLflow chose these names, and scripts import from them
    assert {f.name for f in (package / "utils").rglob("*.py")} == {"__init__.py", "mlflow_tags.py"}
    ours = [f for f in files if of_mlflow.isdisjoint(f.parents)]
    assert attics.isdisjoint({part.removesuffix(".py") for f in ours for part in f.relative_to(ROOT).parts})


def test_the_readmes_example_runs(tmp_path: Path) -> None:
    """The README's ten lines do what they say."""
    (example,) = re.findall(r"```python\n(.*?)\n```", (ROOT / "README.md").read_text(), re.DOTALL)
    (tmp_path / "config.yaml").write_text("rate: 0.1\n")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.bin").write_bytes(bytes(100_000))
    done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "elsewhere/model/last.bin").read_bytes() == bytes(100_000)
    assert "config.yaml" in done.stdout


_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
_FAILING = re.compile(r"^(pytest\.)?(raises|warns|fail)$|^run_state_machine_as_test$|\bassert_\w+$")


def _functions(folder: Path) -> list[tuple[Path, str, list[ast.AST]]]:
    """All functions and methods below a folder: where each is, its name, and all that is in it."""
    trees = [(path, ast.parse(path.read_text())) for path in sorted(folder.rglob("*.py"))]
    return [(path, node.name, list(ast.walk(node))) for path, tree in trees for node in _defined(tree)]


def _defined(body: ast.AST) -> Iterator[_Function]:
    """All functions in a body, at any depth: only statements can hold one, and what is around them."""
    for node in ast.iter_child_nodes(body):
        if isinstance(node, _Function):
            yield node
        if not isinstance(node, ast.expr):
            yield from _defined(node)


def _dotted(called: ast.expr) -> str:
    """The name of what is called, as it is written; of what comes before its last dot only a name."""
    if isinstance(called, ast.Attribute):
        before = called.value.id if isinstance(called.value, ast.Name) else "..."
        return f"{before}.{called.attr}"
    return called.id if isinstance(called, ast.Name) else ""


def _checks(nodes: list[ast.AST]) -> bool:
    """Whether a function fails by itself: by an assertion, by an error that must come, by how a program ends."""
    for node in nodes:
        if isinstance(node, ast.Assert) or (isinstance(node, ast.Name) and node.id == "AssertionError"):
            return True
        if isinstance(node, ast.Call) and _FAILING.search(_dotted(node.func)):
            return True
        if isinstance(node, ast.keyword) and node.arg == "check":  # of a program's end
            return True
    return False


def _called(nodes: list[ast.AST]) -> set[str]:
    """The last names of all that is called or handed over in a function."""
    found = {node.func for node in nodes if isinstance(node, ast.Call)}
    names = {each.attr for each in found if isinstance(each, ast.Attribute)}
    return names | {node.id for node in nodes if isinstance(node, ast.Name)}


def test_every_test_can_fail() -> None:
    """Each asserts something, or calls a function of the tests that does: a body that merely runs proves little."""
    functions = _functions(ROOT / "tests")
    package = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    known = set(re.findall(r"\bdef (\w+)\(", package))  # a name of both may be the package's
    read = [(path, name, _checks(nodes), _called(nodes)) for path, name, nodes in functions]
    able = {name for _, name, checks, _ in read if checks} - known
    while more := {name for _, name, _, called in read if called & able} - able - known:
        able |= more
    tests = [each for each in read if each[1].startswith("test_")]
    idle = [f"{path.name}::{name}" for path, name, checks, called in tests if not checks and not called & able]
    assert len(tests) > 1000
    assert idle == []
