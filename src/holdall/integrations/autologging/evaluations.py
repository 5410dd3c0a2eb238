"""Scores and metrics that a script computes of an estimator whose `fit` was logged: they go into its run.

An estimator's answers are remembered as long as the script holds them, with the name of the variable that was
predicted. A function of `sklearn.metrics` that is given one of them is about that estimator. The keys are MLflow's:
`accuracy_score_X_test`, `accuracy_score-2_X_test` for the second call, `LogisticRegression_score_X_test`.
"""

from __future__ import annotations

import logging
import sys
import threading
import weakref
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import holdall
from holdall.integrations.autologging.patches import inside
from holdall.integrations.job import key_of, number_of

_log = logging.getLogger("holdall")
_SKIPPED = ("sklearn", "holdall", "functools", "joblib")


class _Origin(NamedTuple):
    """What an estimator was logged as. Attributes: level (how loud failures are told)."""

    run_id: str
    model_id: str | None
    level: int


class Evaluations:
    """Which estimators were logged, and what they have answered. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._estimators: weakref.WeakKeyDictionary[Any, _Origin] = weakref.WeakKeyDictionary()
            self._answers: dict[int, tuple[weakref.ref[Any], _Origin, str]] = {}
            self._calls: Counter[tuple[str, str]] = Counter()
            self._data: defaultdict[tuple[str, str], list[int]] = defaultdict(list)

    def note_estimator(self, estimator: Any, run_id: str, model_id: str | None, level: int) -> None:
        """Note where an estimator was logged."""
        with suppress(TypeError), self._lock:  # one that has no hash is not followed
            self._estimators[estimator] = _Origin(run_id, model_id, level)

    def around_predict(self, original: Callable[..., Any], estimator: Any, *args: Any, **kwargs: Any) -> Any:
        """Predict, and remember the answer."""
        if (origin := self._origin(estimator)) is None:
            return original(estimator, *args, **kwargs)
        with inside():
            answer = original(estimator, *args, **kwargs)
        with suppress(TypeError):  # a list cannot be referred to weakly
            name = self._name_of(origin, (*args, *kwargs.values())[0] if args or kwargs else None)
            with self._lock:
                at = id(answer)
                self._answers[at] = weakref.ref(answer, lambda _: self._answers.pop(at, None)), origin, name
        return answer

    def around_score(self, original: Callable[..., Any], estimator: Any, *args: Any, **kwargs: Any) -> Any:
        """Score, and log the score of a logged estimator."""
        if (origin := self._origin(estimator)) is None:
            return original(estimator, *args, **kwargs)
        with inside():
            score = original(estimator, *args, **kwargs)
        name = self._name_of(origin, (*args, *kwargs.values())[0] if args or kwargs else None)
        self._note(origin, f"{type(estimator).__name__}_score", name, score)
        return score

    def around_metric(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Compute a metric, and log it if it is about what a logged estimator has answered."""
        with inside():
            value = original(*args, **kwargs)
        for given in (*args, *kwargs.values()):
            found = self._answers.get(id(given))
            if found and found[0]() is given:
                self._note(found[1], original.__name__, found[2], value)
                break
        return value

    # --- inside ---

    def _origin(self, estimator: Any) -> _Origin | None:
        try:
            return self._estimators.get(estimator)
        except TypeError:
            return None

    def _note(self, origin: _Origin, metric: str, data: str, value: Any) -> None:
        """Log a value, under a key that says which call it was."""
        if isinstance(value, bool | str) or (number := number_of(value)) is None:
            return
        with self._lock:
            self._calls[origin.run_id, f"{metric}_{data}"] += 1
            call = self._calls[origin.run_id, f"{metric}_{data}"]
        key = key_of(f"{metric}{f'-{call}' if call > 1 else ''}_{data}")
        try:
            holdall.Client().log_metric(origin.run_id, key, number, model_id=origin.model_id)
        except Exception as error:  # whatever it is, the script does not know of it
            _log.log(origin.level, "run %s: %s was not logged: %s", origin.run_id, key, error)

    def _name_of(self, origin: _Origin, data: Any) -> str:
        """Return the name of data, with a number for other data of the same name."""
        name = _variable(data) or "unknown_dataset"
        with self._lock:
            known = self._data[origin.run_id, name]
            if id(data) not in known:
                known.append(id(data))
            number = known.index(id(data)) + 1
        return f"{name}-{number}" if number > 1 else name


def _variable(data: Any) -> str | None:
    """Return the name of a variable, of the script's function or those that called it, that holds a value."""
    frame = sys._getframe(1)
    while frame is not None and data is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] not in _SKIPPED:
            for name, value in frame.f_locals.items():
                if value is data and not name.startswith("_"):
                    return name
        frame = frame.f_back  # type: ignore[assignment]  # None at the end, as the loop asks
    return None
