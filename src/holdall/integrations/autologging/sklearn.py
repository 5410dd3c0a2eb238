"""scikit-learn: every `fit` of the script's own logs into a run.

A `fit` within another one, as of a pipeline's steps or a search's candidates, belongs to that; so does what
scikit-learn runs in threads, and what `cross_val_score` and its like fit. Worker processes are not touched. Estimators
that only prepare data (scalers, encoders, imputers, selectors) log nothing by themselves, as in MLflow.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from inspect import signature
from itertools import count
from pathlib import Path
from typing import Any, Final

import holdall
from holdall.integrations.autologging import training
from holdall.integrations.autologging.evaluations import Evaluations
from holdall.integrations.autologging.patches import Patches, inside
from holdall.integrations.autologging.searches import best_params, is_search, log_candidates, write_results
from holdall.integrations.job import Job

_log = logging.getLogger("holdall")
_FITS: Final = ("fit", "fit_predict", "fit_transform")
_ANSWERS: Final = ("predict", "predict_proba", "predict_log_proba", "transform")
_PREPARING: Final = (
    *("sklearn.preprocessing", "sklearn.impute", "sklearn.feature_extraction", "sklearn.feature_selection"),
    "sklearn.compose._column_transformer",
)
_NO_METRICS: Final = ("check_scoring", "get_scorer", "get_scorer_names", "make_scorer")
_ROWS: Final = 5  # of the data, as an example
_CHANGING: Final = ("copy", "copy_X", "copy_x", "copy_X_train")  # parameters that say False where the data is changed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    """The arguments of `autolog`."""

    log_input_examples: bool
    log_model_signatures: bool
    log_models: bool
    log_datasets: bool
    exclusive: bool
    silent: bool
    max_tuning_runs: int | None
    log_post_training_metrics: bool
    serialization_format: str
    registered_model_name: str | None
    pos_label: Any
    extra_tags: Mapping[str, str] | None


class _State:
    """What is switched on in this process."""

    options: _Options | None = None
    patches = Patches()
    evaluations = Evaluations()


def autolog(
    log_input_examples: bool = False,
    log_model_signatures: bool = True,
    log_models: bool = True,
    log_datasets: bool = True,
    disable: bool = False,
    exclusive: bool = False,
    disable_for_unsupported_versions: bool = False,  # noqa: ARG001  # MLflow's word for what is always so here
    silent: bool = False,
    max_tuning_runs: int | None = 5,
    log_post_training_metrics: bool = True,
    serialization_format: str = "cloudpickle",
    registered_model_name: str | None = None,
    pos_label: Any = None,
    extra_tags: Mapping[str, str] | None = None,
) -> None:
    """Log each `fit` of scikit-learn from now on: parameters, measurements, tags, the model, as MLflow's autolog does.

    It goes into the active run, or else into one that is started for it and ends with it. Whatever fails in the
    logging is a warning of the logger `holdall`; `fit` returns or raises what it does without.

    Args:
        log_input_examples: Whether the first five rows of the data are kept with the model.
        log_model_signatures: Whether a model has a signature, from these rows and what it predicts for them.
        log_models: Whether the estimator is logged, as `model`; of a search the best one as `best_estimator` too.
        log_datasets: Whether the training data is an input of the run: its description, not the data.
        disable: Undo it all, and log nothing from now on.
        exclusive: Whether a run that the script has started is left alone: then nothing is logged while it is active.
        disable_for_unsupported_versions: Accepted for MLflow's sake.
        silent: Whether failures are not even warnings.
        max_tuning_runs: How many of a search's candidates have runs of their own, below its; all of them when None.
        log_post_training_metrics: Whether `score`, and functions of `sklearn.metrics` on what a logged estimator
            predicts, are logged into its run, as `accuracy_score_NAME` with the name of the variable that it was given.
        serialization_format: As for `holdall.sklearn.log_model`.
        registered_model_name: Register each model as the next version of this registered model.
        pos_label: Of two classes, the one that precision, recall and F1 are about; averages of the classes when None.
        extra_tags: Tags of the runs that are started by this.

    Raises:
        InvalidArgumentError: `max_tuning_runs` is negative.
        MissingLibraryError: scikit-learn is not installed.

    Cost: of a `fit` six or so requests, and predicting the training data.

    Example:
        >>> from sklearn.linear_model import LinearRegression
        >>> holdall.sklearn.autolog(silent=True)
        >>> model = LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0])
        >>> holdall.sklearn.autolog(disable=True)
        >>> run = holdall.last_active_run()
        >>> run.data.params["fit_intercept"], run.data.tags["estimator_name"], run.data.metrics["training_score"]
        ('True', 'LinearRegression', 1.0)
    """
    if max_tuning_runs is not None and max_tuning_runs < 0:
        raise holdall.InvalidArgumentError(f"max_tuning_runs is 0 or more, or None for all, not {max_tuning_runs!r}")
    if disable:
        _State.options = None
        _State.patches.undo()
        _State.evaluations.clear()
        return
    _State.options = _Options(
        log_input_examples=log_input_examples,
        log_model_signatures=log_model_signatures,
        log_models=log_models,
        log_datasets=log_datasets,
        exclusive=exclusive,
        silent=silent,
        max_tuning_runs=max_tuning_runs,
        log_post_training_metrics=log_post_training_metrics,
        serialization_format=serialization_format,
        registered_model_name=registered_model_name,
        pos_label=pos_label,
        extra_tags=extra_tags,
    )
    _patch()


# --- inside ---


def _patch() -> None:
    """Replace the methods of all estimators that there are, and of those whose modules are imported later."""
    if _State.patches:
        return
    try:
        from sklearn import metrics
        from sklearn.base import BaseEstimator
    except ImportError as error:
        raise holdall.MissingLibraryError("scikit-learn", "autologging", str(error)) from error
    from sklearn.utils import parallel

    def patch_later(cls: type, /, **options: Any) -> None:
        super(BaseEstimator, cls).__init_subclass__(**options)
        _patch_class(cls)

    for cls in _classes_below(BaseEstimator):
        _patch_class(cls)
    _State.patches.put_value(BaseEstimator, "__init_subclass__", classmethod(patch_later))
    if wrapper := getattr(parallel, "_FuncWrapper", None):  # what runs in scikit-learn's threads and folds
        _State.patches.put(wrapper, "__call__", _alone)
    for name in metrics.__all__:
        if name not in _NO_METRICS and not isinstance(getattr(metrics, name), type):
            _State.patches.put(metrics, name, _State.evaluations.around_metric)


def _classes_below(cls: type) -> Iterator[type]:
    below: type
    for below in cls.__subclasses__():
        yield below
        yield from _classes_below(below)


def _patch_class(cls: type) -> None:
    if not cls.__module__.startswith("sklearn.") or cls.__module__.startswith(_PREPARING):
        return
    for name in _FITS:
        _State.patches.put(cls, name, _around_fit)
    for owner in cls.__mro__:  # mixins have some of these, for all estimators that are logged
        if owner.__module__.startswith("sklearn."):
            for name in _ANSWERS:
                _State.patches.put(owner, name, _State.evaluations.around_predict)
            _State.patches.put(owner, "score", _State.evaluations.around_score)


def _alone(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    with inside():
        return original(*args, **kwargs)


def _around_fit(original: Callable[..., Any], estimator: Any, *args: Any, **kwargs: Any) -> Any:
    """Call `fit`, and log what it was given and what came of it."""
    options = _State.options
    if options is None:
        return original(estimator, *args, **kwargs)
    with inside():
        fit = _begin(options, original, estimator, args, kwargs)
        try:
            answer = original(estimator, *args, **kwargs)
        except BaseException:
            if fit:
                fit.job.end("FAILED")
            raise
        if fit:
            fit.finish()
        return answer


def _begin(options: _Options, original: Any, estimator: Any, args: Any, kwargs: Any) -> _Fit | None:
    """Find or start the run of a `fit`; None where that fails, or where it is not wanted."""
    level = logging.DEBUG if options.silent else logging.WARNING
    try:
        if options.exclusive and holdall.active_run():
            return None
        fit = _Fit(options, estimator, *_data_of(original, estimator, args, kwargs))
    except Exception as error:  # whatever it is, the script does not know of it
        _log.log(level, "the fit of %s is not logged: %s", type(estimator).__name__, error)
        return None
    fit.begin()
    return fit


def _data_of(original: Any, estimator: Any, args: Any, kwargs: Any) -> tuple[Any, Any, Any]:
    """Return the data, the labels and the samples' weights that `fit` is given."""
    expected = signature(original)
    given = expected.bind(estimator, *args, **kwargs).arguments
    names = [name for name, each in expected.parameters.items() if each.kind is each.POSITIONAL_OR_KEYWORD]
    X, y = (given.get(name) for name in (*names[1:3], "", "")[:2])  # noqa: N806  # scikit-learn's name
    return X, y, given.get("sample_weight")


class _Fit:
    """A `fit` that is logged."""

    def __init__(self, options: _Options, estimator: Any, X: Any, y: Any, weights: Any) -> None:  # noqa: N803
        self.options, self.estimator = options, estimator
        settings = estimator.get_params(deep=True)
        changes = any(name.rpartition("__")[2] in _CHANGING and settings[name] is False for name in settings)
        self.X, self.y, self.weights = deepcopy((X, y, weights)) if changes else (X, y, weights)
        self.params = settings if not is_search(estimator) else estimator.get_params(deep=False)
        self.job = Job.begin("sklearn")
        self.job.level = logging.DEBUG if options.silent else logging.WARNING
        self.example: Any = None

    def begin(self) -> None:
        """Log what is known before: parameters, tags, the data's description."""
        job, cls = self.job, type(self.estimator)
        job.log_params({name: str(value) for name, value in self.params.items()})
        self.tags = {"mlflow.autologging": "sklearn", **(self.options.extra_tags or {})} if job.own else {}
        with job.going_on("logging tags"):
            about = {"estimator_name": cls.__name__, "estimator_class": f"{cls.__module__}.{cls.__name__}"}
            job.run.set_tags({**self.tags, **about})
        if self.options.log_datasets:
            with job.going_on("describing the data"):
                if dataset := _described(self.X, self.y):
                    job.run.log_input(dataset, context="train")
        with job.going_on("taking an example of the data"):
            self.example = deepcopy(self.X[:_ROWS])  # before anything may change it

    def finish(self) -> None:
        """Log what came of it: the model, measurements, pages and plots, and what a search found."""
        job, options, estimator = self.job, self.options, self.estimator
        model_id = self._log_model(estimator, "model", {**self.params, **best_params(estimator)})
        found = training.measure(job, estimator, self.X, self.y, self.weights, options.pos_label)
        if is_search(estimator) and hasattr(estimator, "best_score_"):
            found["best_cv_score"] = float(estimator.best_score_)
        with job.going_on("logging measurements"):
            if found:
                holdall.log_metrics(found, run_id=job.run.id, model_id=model_id)
        if is_search(estimator):
            job.log_params({name: str(value) for name, value in best_params(estimator).items()})
            if best := getattr(estimator, "best_estimator_", None):
                self._log_model(best, "best_estimator", best.get_params(deep=True), registered=False)
            with job.going_on("logging the candidates of a search"):
                log_candidates(job, estimator, options.max_tuning_runs, self._child_tags())
        self._log_files()
        if options.log_post_training_metrics:
            _State.evaluations.note_estimator(estimator, job.run.id, model_id, job.level)
        job.end()

    def _child_tags(self) -> dict[str, str]:
        cls = type(self.estimator.estimator)
        about = {"estimator_name": cls.__name__, "estimator_class": f"{cls.__module__}.{cls.__name__}"}
        return {"mlflow.autologging": "sklearn", **about}

    def _log_files(self) -> None:
        with self.job.going_on("logging pages and plots"), tempfile.TemporaryDirectory(prefix="holdall-") as name:
            folder = Path(name)
            training.draw(self.job, self.estimator, self.X, self.y, self.weights, folder)
            if is_search(self.estimator):
                write_results(self.estimator, folder)
            self.job.run.log_artifacts(folder, on_conflict="replace" if self.job.versioned else "error")

    def _log_model(self, model: Any, name: str, params: Mapping[str, Any], *, registered: bool = True) -> str | None:
        """Log an estimator, under the next free name, and return its id."""
        options, example = self.options, self.example
        if not options.log_models:
            return None
        with self.job.going_on(f"logging the {name}"):
            given: dict[str, Any] = {
                "signature": self._signature(model) if options.log_model_signatures else False,
                "input_example": example if options.log_input_examples else None,
                "serialization_format": options.serialization_format,
                "registered_model_name": options.registered_model_name if registered else None,
                "params": {key: str(value) for key, value in params.items()},
                "run_id": self.job.run.id,
            }
            for number in count(1):
                try:
                    at = name if number == 1 else f"{name}-{number}"
                    return str(holdall.sklearn.log_model(model, name=at, **given).model_id)
                except holdall.ArtifactExistsError:  # of an earlier fit
                    continue
        return None

    def _signature(self, model: Any) -> Any:
        answer = getattr(model, "predict", None) or getattr(model, "transform", None)
        if self.example is None or answer is None:
            return None
        with self.job.going_on("finding the signature"):
            return holdall.models.infer_signature(self.example, answer(deepcopy(self.example)))
        return None


def _described(X: Any, y: Any) -> Any:  # noqa: N803  # scikit-learn's name
    """Return the description of data of a kind that there is one for, as `dataset`; None of another."""
    import numpy as np

    kind = type(X).__module__.partition(".")[0]
    if kind == "pandas" and hasattr(X, "columns"):
        return holdall.data.from_pandas(X, name="dataset")
    if kind == "polars" and hasattr(X, "columns"):
        return holdall.data.from_polars(X, name="dataset")
    if isinstance(X, np.ndarray):
        return holdall.data.from_numpy(X, targets=None if y is None else np.asarray(y), name="dataset")
    return None
