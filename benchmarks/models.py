"""How long does `sklearn.log_model` take? A random forest, a local store; a process's first call, and its third."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measured import Clock, Taken, measure
from benchmarks.rounds import Options, Question, Side, Work, main

NAMES = ("holdall", "mlflow")


@dataclass(frozen=True)
class Library:
    """One that logs models. Attributes: name, scratch: a folder of the round."""

    name: str
    scratch: Path

    def log(self, act: str, **more: Any) -> Taken:
        """A model in a fresh process; the clock runs over `log_model` alone."""
        return measure(f"benchmarks.models:{act}", name=self.name, scratch=str(self.scratch), more=more)


def first(clock: Clock, *, name: str, scratch: str, more: dict[str, Any]) -> None:
    """The first model of a process."""
    log, model = _prepared(name, scratch, more)
    with clock:
        log(model, "first")


def later(clock: Clock, *, name: str, scratch: str, more: dict[str, Any]) -> None:
    """The third."""
    log, model = _prepared(name, scratch, more)
    log(model, "first")
    log(model, "second")
    with clock:
        log(model, "third")


def _prepared(name: str, scratch: str, more: dict[str, Any]) -> tuple[Callable[[Any, str], Any], Any]:
    """A run that has begun, and a forest of a hundred trees."""
    from sklearn.datasets import load_iris
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(random_state=0).fit(*load_iris(return_X_y=True))
    if name == "holdall":
        import holdall
        import holdall.sklearn

        holdall.set_store(f"{scratch}/store")
        holdall.start_run()
        return lambda model, at: holdall.sklearn.log_model(model, name=at, **more), model
    import mlflow
    import mlflow.sklearn

    mlflow.set_tracking_uri(f"sqlite:///{scratch}/mlflow.db")
    ours = mlflow.create_experiment(f"models-{os.getpid()}", artifact_location=f"file://{scratch}/files")
    mlflow.set_experiment(experiment_id=ours)
    mlflow.start_run()
    return lambda model, at: mlflow.sklearn.log_model(model, name=at, **more), model


@contextmanager
def ask(options: Options) -> Iterator[Question]:
    """Both with cloudpickle, since MLflow's own default refuses a forest; and once without looking for requirements."""
    plain = {"serialization_format": "cloudpickle"}
    given = {**plain, "pip_requirements": ["scikit-learn"]}
    yield Question(
        text="How long does `sklearn.log_model` of a random forest take?",
        works=(
            Work("the first model of a process", lambda side: side.log("first", **plain)),
            Work("the third", lambda side: side.log("later", **plain)),
            Work("the third, requirements given", lambda side: side.log("later", **given)),
        ),
        sides={name: _side(name) for name in NAMES},
        peers=("mlflow", "scikit-learn"),
        notes=("MLflow's default format, skops, raises for a random forest (UntrustedTypesFound), so both pickle.",),
    )


def _side(name: str) -> Side:
    @contextmanager
    def start(scratch: Path) -> Iterator[Library]:
        yield Library(name, scratch)

    return start


if __name__ == "__main__":
    main(ask)
