"""Logging by itself: `autolog()` makes a framework's own `fit` log into a run.

    patches.py          methods that are replaced, and put back
    sklearn.py          scikit-learn: what happens around a `fit`
    training.py         what a fitted estimator is measured by, and drawn as
    searches.py         what a search over parameters found, as runs below its own
    evaluations.py      scores and metrics that a script computes afterwards

Names of parameters, measurements and tags are MLflow's. No failure of logging reaches the caller of `fit`.
"""
