"""Files of XGBoost, looked at before it reads them: it follows the numbers in a model without a look.

Some of them it follows while it loads. So the file is read here first, and more strictly
than XGBoost does: a name that is there twice, or a number that is spelt oddly, would be
one thing here and another there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from holdall.modeling.files.branching import TreeError, array_of, check_branches, check_range, ensure
from holdall.modeling.files.ubjson import parse_ubjson

_FEATURES: Final = 1 << 27  # each thread of a prediction has an array of them
_GROUPS: Final = 1 << 12  # more of them have trees of their own
_CATEGORIES: Final = 1 << 24  # XGBoost's own bound
_TOLD: Final = (KeyError, TypeError, AttributeError, ValueError, IndexError, RecursionError, OverflowError)
_NUMBER: Final = re.compile(r"[0-9]{1,10}")


def check_xgboost(data: bytes) -> None:
    """Look at a model, as JSON or UBJSON.

    Raises:
        TreeError: It is neither, or would lead XGBoost astray.
    """
    try:
        learner = _parsed(data)["learner"]
        body = learner["learner_model_param"]
        features, groups = _number(body, "num_feature"), max(1, _number(body, "num_class"), _number(body, "num_target"))
        ensure(features <= _FEATURES, "there are too many features")
        _check_booster(learner["gradient_booster"], features, groups)
        _check_objective(learner.get("objective", {}), groups)
    except TreeError:
        raise
    except _TOLD as error:
        raise TreeError(f"it has not what a model has: {type(error).__name__}: {error}") from error


def _parsed(data: bytes) -> Any:
    """By its second byte, which is another in each of them, whatever the file is called."""
    if data[1:2] in (b'"', b" ", b"\n", b"\r", b"\t", b"}"):
        return json.loads(data, object_pairs_hook=_once)
    return parse_ubjson(data)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    ensure(len(found) == len(pairs), "a name is there twice")
    return found


def _check_booster(booster: Mapping[str, Any], features: int, groups: int) -> None:
    if booster["name"] == "gblinear":
        ensure(len(booster["model"]["weights"]) == (features + 1) * groups, "its weights are too few")
        return
    if booster["name"] == "dart":
        ensure(len(booster["weight_drop"]) == len(booster["gbtree"]["model"]["trees"]), "its weights are too few")
        booster = booster["gbtree"]
    model = booster["model"]
    widest = max((_number(tree["tree_param"], "size_leaf_vector") for tree in model["trees"]), default=0)
    ensure(groups <= max(_GROUPS, len(model["trees"]), widest), "there are more groups than trees")
    trees, info = model["trees"], array_of(model["tree_info"], "the groups of trees")
    ensure(len(info) == len(trees), "it does not say of which group each tree is")
    check_range(info, groups, "the group of a tree")
    ends = array_of(model.get("iteration_indptr", []), "the ends of iterations")
    ensure(not len(ends) or (ends[0] == 0 and ends[-1] == len(trees) and (ends[1:] >= ends[:-1]).all()), "iterations")
    for n, tree in enumerate(trees):
        try:
            ensure(tree["id"] == n, "it says that it is another")  # XGBoost puts it there
            _check_tree(tree, features, groups)
        except TreeError as error:
            raise TreeError(f"tree {n}: {error}") from error
    _check_categories_of_frames(model.get("cats") or {})


def _check_tree(tree: Mapping[str, Any], features: int, groups: int) -> None:
    nodes, width = _number(tree["tree_param"], "num_nodes"), _number(tree["tree_param"], "size_leaf_vector")
    left, right = array_of(tree["left_children"], "children"), array_of(tree["right_children"], "children")
    split = array_of(tree["split_indices"], "features")
    ensure(nodes >= 1 and len(left) == len(right) == len(split) == nodes, "its arrays are not of one length")
    ensure(len(tree["split_conditions"]) == nodes, "its arrays are not of one length")
    ensure(len(tree["base_weights"]) >= nodes * max(1, width), "its weights are too few")
    inner = left != -1
    if width > 1:  # a leaf's right child is the number of its weights
        ensure(width == groups, "its leaves have other groups")
        check_range(right[~inner], len(tree.get("leaf_weights", ())) // width, "the weights of a leaf")
    else:
        ensure(((right != -1) == inner).all(), "a node has one child")
    check_branches([left[inner], right[inner]], nodes)
    above = array_of(tree["parents"], "parents")
    ensure(len(above) == nodes, "its arrays are not of one length")
    ensure(above[0] in (-1, 2**31 - 1), "the root has a parent")
    check_range(above[1:], nodes, "a parent")  # of nodes that pruning left behind, too
    own = inner.nonzero()[0]
    ensure((above[left[inner]] == own).all() and (above[right[inner]] == own).all(), "a child has another parent")
    for name in ("default_left", "split_type"):
        check_range(array_of(tree.get(name, []), name), 2, name)
    check_range(split[inner], features, "a feature")
    _check_categories(tree, nodes)


def _check_categories(tree: Mapping[str, Any], nodes: int) -> None:
    kinds = array_of(tree.get("split_type", []), "kinds of splits")
    of, starts, sizes, values = (
        array_of(tree.get(name, []), "categories")
        for name in ("categories_nodes", "categories_segments", "categories_sizes", "categories")
    )
    ensure(len(of) == len(starts) == len(sizes), "its categories are not of one length")
    check_range(of, nodes, "a node with categories")
    check_range(values, _CATEGORIES, "a category")
    check_range(starts, len(values) + 1, "categories")
    check_range(starts + sizes, len(values) + 1, "categories")
    check_range(sizes, len(values) + 1, "categories")
    split_so = [n for n, kind in enumerate(kinds) if kind == 1]
    ensure(sorted(of.tolist()) == split_so, "a node has no categories, or has them twice")


def _check_categories_of_frames(body: Mapping[str, Any]) -> None:
    if len(body.get("enc") or ()):
        order, ends = array_of(body["sorted_idx"], "categories"), array_of(body["feature_segments"], "categories")
        check_range(order, len(order), "a category")
        ensure((ends[1:] >= ends[:-1]).all(), "categories are out of order")
        check_range(ends, len(order) + 1, "categories")


def _check_objective(body: Mapping[str, Any], groups: int) -> None:
    """Its classes are those of the model, where it says how many."""
    for part in body.values():
        if isinstance(part, Mapping) and "num_class" in part:
            ensure(_number(part, "num_class") in (0, groups), "its objective has other classes")


def _number(body: Mapping[str, Any], name: str) -> int:
    """Return a number, which XGBoost writes as a text."""
    found = str(body.get(name, "0"))
    ensure(_NUMBER.fullmatch(found), f"{name} is no number")
    return int(found)
