"""Trees of scikit-learn that were built without code, looked at before they predict.

It follows the numbers of a tree without a look, and a forest asks its trees without
asking whether they know as many features as itself.
"""

from __future__ import annotations

import numbers
from collections.abc import Iterator
from typing import Any, Final

from holdall.modeling.files.branching import check_branches, check_range, ensure
from holdall.modeling.signatures import duck_types

_ENSEMBLES: Final = (
    "sklearn.ensemble._forest", "sklearn.ensemble._gb", "sklearn.ensemble._iforest", "sklearn.ensemble._bagging",
)  # fmt: skip


def check_sklearn(model: Any) -> None:
    """Look at all trees in an estimator.

    Raises:
        TreeError: One would lead scikit-learn astray.
    """
    for each in _parts(model):
        if _is_tree(each):
            _check_tree(each)
        tree = getattr(each, "__dict__", {}).get("tree_")
        if tree is not None:
            known = _is_tree(tree) and tree.n_features == _features(each)
            ensure(known, "a tree knows other features than its estimator")
        if type(each).__module__ in _ENSEMBLES and "estimators_" in vars(each):
            _check_ensemble(each)


def _check_tree(tree: Any) -> None:
    state = tree.__getstate__()
    nodes, count = state["nodes"], int(state["node_count"])
    left, right, feature = (nodes[name].astype("int64") for name in ("left_child", "right_child", "feature"))
    ensure(1 <= count == len(nodes) == len(state["values"]), "a tree's nodes are not all there")
    inner = left != -1
    ensure(((right != -1) == inner).all(), "a node has one child")
    check_branches([left[inner], right[inner]], count)
    check_range(feature[inner], int(tree.n_features), "a feature")


def _check_ensemble(ensemble: Any) -> None:
    own, chosen = _features(ensemble), getattr(ensemble, "estimators_features_", None)
    members = list(_listed(ensemble.estimators_))
    ensure(chosen is None or len(chosen) == len(members), "an ensemble does not say which features its trees have")
    for n, member in enumerate(members):
        if "tree_" in getattr(member, "__dict__", {}):
            fits = _features(member) == (own if chosen is None else len(chosen[n]))
            ensure(fits, "a tree knows other features than its ensemble")
            whole = chosen is not None and getattr(ensemble, "_max_features", None) == own  # then it gives them all
            ensure(not whole or _features(member) == own, "a tree knows other features than its ensemble")
    if "n_trees_per_iteration_" in vars(ensemble):
        rounds = tuple(getattr(ensemble.estimators_, "shape", [0]))
        fits = len(rounds) == 2 and rounds[-1] == ensemble.n_trees_per_iteration_
        ensure(fits, "an ensemble has other trees than classes")


def _features(estimator: Any) -> int:
    found = getattr(estimator, "n_features_in_", None)
    ensure(isinstance(found, numbers.Integral), "an estimator does not say how many features it has")
    return int(found or 0)


def _is_tree(value: Any) -> bool:
    return duck_types.is_a(value, "sklearn.tree._tree", "Tree")


def _listed(value: Any) -> Iterator[Any]:
    if duck_types.is_ndarray(value) and value.dtype == object:
        yield from value.ravel()
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _listed(each)
    else:
        yield value


def _parts(model: Any) -> Iterator[Any]:
    """Yield an object and all that it holds, each once."""
    waiting, seen = [model], dict[int, Any]()
    while waiting:
        each = waiting.pop()
        if id(each) in seen or each is None or isinstance(each, str | bytes | int | float):
            continue
        seen[id(each)] = each
        yield each
        if duck_types.is_ndarray(each):
            waiting += list(each.ravel()) if each.dtype == object else []
        elif isinstance(each, dict):
            waiting += [*each.keys(), *each.values()]
        elif isinstance(each, list | tuple | set | frozenset):
            waiting += list(each)
        waiting += list(getattr(each, "__dict__", {}).values()) if not isinstance(each, type) else []
