"""Mutates a room's code here and there, and tells which changes no test notices.

    pip install 'cosmic-ray>=8.7'
    python tests/mutation/sample.py chunks --count 60 --seed 1

Works on a copy of the tree: cosmic-ray changes files where they are. The README
beside this says what the score means and which answers there are.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
COPIED: Final = ("src", "tests", "benchmarks", "docs", "localstack", "pyproject.toml", "README.md", "CHANGELOG.md")
# What a test run says is in these; the quickest come first, since the first failure ends it.
TESTS: Final = json.loads((Path(__file__).parent / "tests.json").read_text())
PYTEST: Final = (sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-k", "not localstack")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: the session that it is in, its id there, and where it is."""

    session: Path
    module: str
    job: str
    operator: str
    line: int


def main() -> int:
    """Draw a sample, try it, and print the score and the survivors; the exit code is 0 if there are none."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("room", choices=sorted(TESTS))
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=240, help="how long the tests of one mutant may take")
    parser.add_argument("--cosmic-ray", default=shutil.which("cosmic-ray") or "cosmic-ray")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="holdall-mutation-") as folder:
        copy = _copy(Path(folder) / "tree")
        mutants = [
            mutant
            for path in sorted((copy / "src/holdall" / asked.room).rglob("*.py"))
            for mutant in _mutants(asked.cosmic_ray, copy, path, asked.room, asked.seconds)
        ]
        drawn = random.Random(asked.seed).sample(mutants, min(asked.count, len(mutants)))
        print(f"{asked.room}: {len(drawn)} of {len(mutants)} mutants, seed {asked.seed}", flush=True)
        _baseline(copy, asked.room, {mutant.module for mutant in drawn})
        outcomes, survivors = Counter[str](), 0
        for session in sorted({mutant.session for mutant in drawn}):
            some = [mutant for mutant in drawn if mutant.session == session]
            _keep_only(session, [mutant.job for mutant in some])
            begin = time.monotonic()
            _run(asked.cosmic_ray, copy, "exec", str(session.with_suffix(".toml")), str(session))
            results = _results(session)
            print(f"  {some[0].module}: {len(some)} in {time.monotonic() - begin:.0f} s", flush=True)
            for mutant in some:
                outcome, diff = results.get(mutant.job, ("none", ""))
                outcomes[outcome] += 1
                if outcome == "survived":
                    survivors += 1
                    print(f"    SURVIVED {mutant.module}:{mutant.line} {mutant.operator}\n{_changed(diff)}", flush=True)
    print(f"{asked.room}: {dict(outcomes)}; {1 - survivors / max(len(drawn), 1):.0%} were noticed")
    return 1 if survivors else 0


def _baseline(copy: Path, room: str, modules: set[str]) -> None:
    """Run all tests that will be asked, once, on what is not changed: else every change would seem to be noticed."""
    names = {module.removeprefix(f"{room}/") for module in modules}
    tests = dict.fromkeys(test for name in sorted(names) for test in TESTS[room].get(name, TESTS[room]["*"]))
    subprocess.run([*PYTEST, *tests], cwd=copy, env=_environment(copy), check=True, stdout=subprocess.DEVNULL)


def _copy(to: Path) -> Path:
    to.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, to / name, ignore=shutil.ignore_patterns("__pycache__", ".hypothesis"))
        elif source.exists():
            shutil.copy(source, to / name)
    return to


def _mutants(program: str, copy: Path, path: Path, room: str, seconds: int) -> Iterator[Mutant]:
    """Make a session with all mutants of a module; give those that could make a difference."""
    name = path.relative_to(copy / "src/holdall" / room).with_suffix("").as_posix()
    tests = TESTS[room].get(name, TESTS[room]["*"])
    command = [*PYTEST, *tests]
    session = copy.parent / f"{name.replace('/', '.')}.sqlite"
    session.with_suffix(".toml").write_text(
        f"[cosmic-ray]\nmodule-path = {json.dumps(path.relative_to(copy).as_posix())}\ntimeout = {seconds}\n"
        f"excluded-modules = []\ntest-command = {json.dumps(shlex.join(command))}\n"
        '[cosmic-ray.distributor]\nname = "local"\n'
    )
    _run(program, copy, "init", str(session.with_suffix(".toml")), str(session))
    idle = _idle_lines(path.read_text())
    query = (
        "SELECT job_id, operator_name, start_pos_row FROM mutation_specs ORDER BY start_pos_row, operator_name, job_id"
    )
    with closing(sqlite3.connect(session)) as database:
        found = database.execute(query).fetchall()
    for job, operator, line in found:
        if line not in idle:
            yield Mutant(session, f"{room}/{name}", job, operator, line)


def _idle_lines(source: str) -> set[int]:
    """The lines whose changes say nothing: annotations of signatures and fields, aliases, and tuning constants."""
    idle: set[int] = set()
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            idle.update(range(node.lineno, node.body[0].lineno))
        elif isinstance(node, ast.AnnAssign) and node.value is None:
            idle.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    for node in tree.body:
        if isinstance(node, ast.AnnAssign | ast.Assign):
            idle.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return idle


def _keep_only(session: Path, jobs: list[str]) -> None:
    marks = ",".join("?" * len(jobs))
    with closing(sqlite3.connect(session)) as database, database:
        for table in ("mutation_specs", "work_items"):
            database.execute(f"DELETE FROM {table} WHERE job_id NOT IN ({marks})", jobs)


def _results(session: Path) -> dict[str, tuple[str, str]]:
    with closing(sqlite3.connect(session)) as database:
        rows = database.execute("SELECT job_id, test_outcome, worker_outcome, diff FROM work_results").fetchall()
    return {job: (str(outcome or worker).rpartition(".")[2].lower(), diff or "") for job, outcome, worker, diff in rows}


def _changed(diff: str) -> str:
    return "\n".join(
        f"      {line}" for line in diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")
    )


def _run(program: str, copy: Path, *words: str) -> None:
    subprocess.run([program, *words], cwd=copy, env=_environment(copy), check=True, stdout=subprocess.DEVNULL)


def _environment(copy: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(copy / "src"), str(copy)])}


if __name__ == "__main__":
    sys.exit(main())
