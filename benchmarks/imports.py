"""How long does `import` take? A fresh interpreter each time; what `python -c pass` takes stands beside it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from benchmarks.measured import Clock, Taken, measure, measure_program
from benchmarks.rounds import Options, Question, Side, Work, main


@dataclass(frozen=True)
class Package:
    """Something to import; nothing at all when it has no name."""

    name: str

    def load(self) -> Taken:
        """The import statement alone."""
        return measure("benchmarks.imports:load", name=self.name) if self.name else Taken(0.0)

    def script(self) -> Taken:
        """A whole script that does nothing else."""
        return measure_program([sys.executable, "-c", f"import {self.name}" if self.name else "pass"], env={})


def load(clock: Clock, *, name: str) -> None:
    """The harness has loaded json, pathlib and subprocess by now, for everybody."""
    with clock:
        import_module(name)


@contextmanager
def ask(options: Options) -> Iterator[Question]:
    """Ours, MLflow, and nothing."""
    yield Question(
        text="How long does `import` take?",
        works=(
            Work("import", lambda package: package.load()),
            Work("a script that only imports", lambda package: package.script()),
        ),
        sides={"holdall": _side("holdall"), "mlflow": _side("mlflow"), "nothing": _side("")},
        peers=("mlflow",),
    )


def _side(name: str) -> Side:
    @contextmanager
    def start(scratch: Path) -> Iterator[Package]:
        yield Package(name)

    return start


if __name__ == "__main__":
    main(ask)
