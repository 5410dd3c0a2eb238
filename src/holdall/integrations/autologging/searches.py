"""What a search over parameters found: a run for each of the best, below the search's own. The names are MLflow's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import holdall
from holdall.integrations.job import Job, number_of


def is_search(estimator: Any) -> bool:
    """Return whether an estimator is a search over the parameters of another."""
    from sklearn.model_selection import GridSearchCV, RandomizedSearchCV

    return isinstance(estimator, GridSearchCV | RandomizedSearchCV)


def best_params(estimator: Any) -> dict[str, Any]:
    """Return the best parameters of a search, as `best_NAME`."""
    return {f"best_{name}": value for name, value in getattr(estimator, "best_params_", {}).items()}


def log_candidates(job: Job, search: Any, most: int | None, tags: Mapping[str, str]) -> None:
    """Log the candidates of a search as runs below its own.

    Args:
        job: The search's.
        search: The estimator, fitted.
        most: How many of them, by their rank; all when None.
        tags: What each run is tagged with.

    Cost: three requests for each.
    """
    results = getattr(search, "cv_results_", None)
    if not results:
        return
    seed = search.estimator
    base = seed.get_params(deep=not is_search(seed))
    for at in _best(results, most):
        run = holdall.start_run(nested=True, parent_run_id=job.run.id, tags=tags)
        child = Job(run, "sklearn", own=True)
        child.failures, child.level = job.failures, job.level
        child.log_params({name: str(value) for name, value in {**base, **results["params"][at]}.items()})
        found = {name: series[at] for name, series in results.items() if not name.startswith(("param", "split"))}
        child.log_metrics({name: value for name, value in found.items() if number_of(value) is not None}, None)
        child.end()


def _best(results: Mapping[str, Any], most: int | None) -> list[int]:
    """Return the places of the candidates that are logged, the best first; of several scores the first one counts."""
    order = list(range(len(results["params"])))
    if most is None:
        return order
    ranks = results.get("rank_test_score")
    if ranks is None:
        ranks = next(series for name, series in results.items() if name.startswith("rank_test_"))
    return sorted(order, key=lambda at: int(ranks[at]))[:most]


def write_results(search: Any, folder: Path) -> None:
    """Write all results of a search as a table, `cv_results.csv`."""
    import pandas as pd

    if hasattr(search, "cv_results_"):
        pd.DataFrame.from_dict(search.cv_results_).to_csv(folder / "cv_results.csv", index=False)
