"""Every question, one after the other; then the table and the picture.

    python -m benchmarks.all                         the real thing: about 20 minutes, 15 GB of disk, a quiet machine
    python -m benchmarks.all --size 64M --files 100 --rounds 1 --answers /tmp/try        a try

A question that fails is named at the end, and the others are asked all the same.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.answer import Answer
from benchmarks.measured import ROOT
from benchmarks.plot import draw
from benchmarks.rounds import HERE, add_options
from benchmarks.table import write_table

QUESTIONS = (
    "against_mlflow",
    "mlflow_plugin",
    "against_xet",
    "against_restic",
    "against_limit",
    "against_boto3",
    "checkpoints",
    "growth",
    "memory",
    "imports",
    "models",
    "lanes",
    "numbers",
    "space",
    "cores",
)


def main() -> int:
    """Asks; 1 if anything failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.all", description=__doc__)
    add_options(parser)
    parser.add_argument("--answers", type=Path, default=HERE / "answers", help="where answers are kept")
    parser.add_argument("--only", nargs="+", choices=QUESTIONS, default=QUESTIONS, help="these questions")
    given = parser.parse_args()
    start, failed = time.monotonic(), []
    for name in given.only:
        print(f"== {name}, {time.monotonic() - start:.0f} s so far", flush=True)
        file = given.answers / f"{name}.json"
        if subprocess.run(_command(name, given, file), cwd=ROOT).returncode or Answer.read(file).failures:
            failed.append(name)
    write_table(given.answers, HERE / "README.md" if given.answers == HERE / "answers" else given.answers / "README.md")
    draw(given.answers)
    print(
        f"== {time.monotonic() - start:.0f} s; " + (f"not all went well: {', '.join(failed)}" if failed else "all went")
    )
    return 1 if failed else 0


def _command(name: str, given: argparse.Namespace, file: Path) -> list[str]:
    """The same options for every question."""
    options = {"--rounds": given.rounds, "--size": given.size, "--files": given.files, "--endpoint": given.endpoint}
    options |= {"--scratch": given.scratch.resolve(), "--data": given.data.resolve(), "--json": file.resolve()}
    words = [word for flag, value in options.items() if value is not None for word in (flag, str(value))]
    return [sys.executable, "-m", f"benchmarks.{name}", *words]


if __name__ == "__main__":
    sys.exit(main())
