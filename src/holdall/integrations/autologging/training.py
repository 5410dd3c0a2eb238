"""What a fitted estimator is measured by on the data that it was trained with, and drawn as. The names are MLflow's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from inspect import signature
from pathlib import Path
from typing import Any, Final

from holdall.integrations.job import Job

_PREFIX: Final = "training_"
_PLOTS: Final = {  # of a classifier -> the class that draws it, and its title; the last two of two classes only
    "confusion_matrix": ("ConfusionMatrixDisplay", "Normalized confusion matrix"),
    "roc_curve": ("RocCurveDisplay", "ROC curve"),
    "precision_recall_curve": ("PrecisionRecallDisplay", "Precision recall curve"),
}


def measure(job: Job, estimator: Any, X: Any, y: Any, weights: Any, pos_label: Any) -> dict[str, float]:  # noqa: N803
    """Return the measurements of an estimator; one that cannot be computed is left out, and told.

    Args:
        job: Which failures are told to.
        estimator: It, fitted.
        X: What it was fitted with.
        y: The labels; there are no measurements without.
        weights: Those of the samples, or None.
        pos_label: Of two classes, the one that precision and so on are about; the classes' average when None.
    """
    from sklearn.base import is_classifier, is_regressor

    found: dict[str, float] = {}
    if y is None:
        return found
    metrics: Mapping[str, Callable[[], Any]] = {}
    with job.going_on("predicting the training data"):
        if is_classifier(estimator):
            metrics = _of_classifier(estimator, X, y, weights, pos_label)
        elif is_regressor(estimator):
            metrics = _of_regressor(estimator, X, y, weights)
    for name, compute in metrics.items():
        with job.going_on(f"computing {_PREFIX}{name}"):
            found[_PREFIX + name] = float(compute())
    if hasattr(estimator, "score"):
        with job.going_on(f"computing {_PREFIX}score"):
            weighted = weights is not None and "sample_weight" in signature(estimator.score).parameters
            found[f"{_PREFIX}score"] = float(estimator.score(X, y, *([weights] if weighted else [])))
    return found


def _of_classifier(estimator: Any, X: Any, y: Any, weights: Any, pos_label: Any) -> dict[str, Callable[[], Any]]:  # noqa: N803
    from sklearn import metrics

    answers = estimator.predict(X)
    given: dict[str, Any] = {"y_true": y, "sample_weight": weights}
    average = {"average": "weighted"} if pos_label is None else {"average": "binary", "pos_label": pos_label}
    found: dict[str, Callable[[], Any]] = {
        "precision_score": lambda: metrics.precision_score(**given, y_pred=answers, **average),
        "recall_score": lambda: metrics.recall_score(**given, y_pred=answers, **average),
        "f1_score": lambda: metrics.f1_score(**given, y_pred=answers, **average),
        "accuracy_score": lambda: metrics.accuracy_score(**given, y_pred=answers),
    }
    if hasattr(estimator, "predict_proba"):
        chances = estimator.predict_proba(X)
        scores = chances[:, 1] if len(chances[0]) == 2 else chances
        found["log_loss"] = lambda: metrics.log_loss(y, chances, sample_weight=weights)
        found["roc_auc"] = lambda: metrics.roc_auc_score(**given, y_score=scores, average="weighted", multi_class="ovo")
    return found


def _of_regressor(estimator: Any, X: Any, y: Any, weights: Any) -> dict[str, Callable[[], Any]]:  # noqa: N803
    from sklearn import metrics

    given: dict[str, Any] = {"y_true": y, "y_pred": estimator.predict(X), "sample_weight": weights}
    return {
        "mean_squared_error": lambda: metrics.mean_squared_error(**given),
        "mean_absolute_error": lambda: metrics.mean_absolute_error(**given),
        "r2_score": lambda: metrics.r2_score(**given),
        "root_mean_squared_error": lambda: metrics.mean_squared_error(**given) ** 0.5,
    }


def draw(job: Job, estimator: Any, X: Any, y: Any, weights: Any, folder: Path) -> None:  # noqa: N803
    """Write the estimator as a page, and a classifier's plots where matplotlib is installed, into a folder."""
    from sklearn.base import is_classifier
    from sklearn.utils import estimator_html_repr

    with job.going_on("drawing the estimator"):
        head = '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="UTF-8"/></head>\n<body>\n'
        page = f"{head}{estimator_html_repr(estimator)}\n</body>\n</html>\n"
        (folder / "estimator.html").write_text(page, encoding="utf-8")
    if y is None or not is_classifier(estimator):
        return
    for name, display, title in _plots_of(y):
        with job.going_on(f"drawing {name}"):
            _plot(display, title, estimator, X, y, weights, folder / f"{_PREFIX}{name}.png")


def _plots_of(y: Any) -> Iterator[tuple[str, str, str]]:
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return
    binary = len({*y}) == 2 if getattr(y, "ndim", 1) == 1 else False
    for name, (display, title) in _PLOTS.items():
        if binary or name == "confusion_matrix":
            yield name, display, title


def _plot(display: str, title: str, estimator: Any, X: Any, y: Any, weights: Any, file: Path) -> None:  # noqa: N803
    """Draw into a figure of its own: pyplot's would be one of the script's."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from sklearn import metrics

    figure = Figure(figsize=(6, 4), dpi=175, layout="tight")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    more: dict[str, Any] = {"normalize": "true", "cmap": "Blues"} if display == "ConfusionMatrixDisplay" else {}
    getattr(metrics, display).from_estimator(estimator, X, y, sample_weight=weights, ax=axes, **more)
    axes.set_title(title)
    figure.savefig(file, format="png")
