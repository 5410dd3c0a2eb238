"""Models of LightGBM as text, looked at before it reads them: it follows the numbers in them without a look.

    key=value ...            how many classes, features, and how long each tree's text is
    Tree=0 / key=value ...   for each tree its splits and their children: n a split, -n the leaf n - 1
    end of trees

Where LightGBM finds a tree is said in the header, and where it seems to stand need not be
there: so the text must be spelt as LightGBM itself spells it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from holdall.modeling.files.branching import TreeError, array_of, check_branches, check_range, ensure

_WHOLE: Final = re.compile(rb"-?[0-9]{1,10}(?: -?[0-9]{1,10})*")
_KEY: Final = re.compile(rb"[a-z_A-Z0-9]+")
_CLASSES: Final = re.compile(rb"num_class:([0-9]{1,10})")
_NUMBERS: Final = re.compile(rb"[-+0-9.eEinfa ]*")
_OF_LEAVES: Final = (b"leaf_value", b"leaf_weight", b"leaf_count", b"leaf_const", b"num_features")
_OF_SPLITS: Final = (b"split_gain", b"threshold", b"internal_value", b"internal_weight", b"internal_count")
_CATEGORICAL: Final = 1  # this bit of a split's kind


def check_lightgbm(text: bytes) -> None:
    """Look at a model.

    Raises:
        TreeError: It is none as LightGBM writes them, or would lead it astray.
    """
    ensure(b"\r" not in text and b"\0" not in text, "it is not spelt as LightGBM spells it")
    start, end = text.find(b"\nTree="), text.find(b"\nend of trees")
    ensure(end >= 0, "it has no end of trees")
    head = _said(text[: start if 0 <= start < end else end].split(b"\n"), bare=("tree", "average_output"))
    classes, per_round = _one(head, "num_class"), _one(head, "num_tree_per_iteration")
    ensure(1 <= classes == per_round, "it has other trees than classes")
    ensure(all(int(found) == classes for found in _CLASSES.findall(head.get(b"objective", b""))), "other classes")
    features, blocks = _one(head, "max_feature_idx") + 1, _blocks(text, start, end, head)
    ensure(len(blocks) % classes == 0, "it has other trees than classes")
    for n, block in enumerate(blocks):
        try:
            _check_tree(_tree(n, block), features)
        except TreeError as error:
            raise TreeError(f"tree {n}: {error}") from error


def check_schema(schema: Any) -> None:
    """Look at the boosters that a file of skops would build: each is made of a text, and of nothing else.

    Raises:
        TreeError: One would lead LightGBM astray, or comes to its text by another way.
    """
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict) and (
            node.get("__module__") == "lightgbm.basic" or node.get("__class__") == "Booster"
        ):
            _check_node(node)
        waiting += node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()


def _check_node(node: Mapping[str, Any]) -> None:
    state = node.get("content")
    ensure(node.get("__loader__") == "ObjectNode" and isinstance(state, dict), "a booster is not made of its text")
    held = dict(state or {})
    ensure(held.get("__loader__") == "DictNode" and isinstance(held["content"], dict), "a booster is not of its text")
    for key in ("_handle", "handle"):
        if key in held["content"]:
            handle = held["content"][key]
            ensure(handle.get("__loader__") == "JsonNode", "a booster's text stands elsewhere")
            text = json.loads(handle["content"])
            if text is not None:
                ensure(isinstance(text, str), "a booster's text is none")
                check_lightgbm(text.encode())


def _blocks(text: bytes, start: int, end: int, head: Mapping[bytes, bytes]) -> list[bytes]:
    """Return the text of each tree, where LightGBM looks for it."""
    if not 0 <= start < end:
        ensure(not head.get(b"tree_sizes"), "trees are not where its header says")
        return []
    body = text[start + 1 : end + 1]
    starts = [found.start() for found in re.finditer(rb"(?m)^Tree=", body)]
    ensure(text.count(b"Tree=") == len(starts), "a tree stands where there is none")
    blocks = [body[at:until] for at, until in zip(starts, [*starts[1:], len(body)], strict=True)]
    if b"tree_sizes" in head:
        sizes = _many(head, "tree_sizes")
        ensure(len(sizes) == len(blocks), "trees are not where its header says")
        stripped = zip(sizes.tolist(), blocks, strict=True)
        ensure(all(size == len(block) for size, block in stripped), "trees are not where its header says")
    return blocks


def _tree(n: int, block: bytes) -> dict[bytes, bytes]:
    lines = block.split(b"\n")
    ensure(lines[0] == b"Tree=%d" % n, "it is another")
    own = lines[1 : lines.index(b"") if b"" in lines else len(lines)]
    ensure(not any(lines[1 + len(own) :]), "something stands after it")
    return _said(own)


def _said(lines: list[bytes], bare: tuple[str, ...] = ()) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for line in lines:
        key, equals, value = line.partition(b"=")
        if not line or (not equals and line.decode("latin-1") in bare):
            continue
        ensure(equals and _KEY.fullmatch(key) and key not in found, "a line is not spelt as LightGBM spells it")
        found[key] = value
    return found


def _check_tree(tree: Mapping[bytes, bytes], features: int) -> None:
    ensure(all(_NUMBERS.fullmatch(value) for value in tree.values()), "something in it is no number")
    leaves, _ = _one(tree, "num_leaves"), _one(tree, "num_cat")  # without these the process ends
    for key, value in tree.items():
        wanted = leaves if key in _OF_LEAVES else leaves - 1 if key in _OF_SPLITS else 0
        ensure(not value.strip() or not wanted or len(value.split()) == wanted, f"{key.decode()} is not of one length")
    ensure(leaves >= 1 and len(tree.get(b"leaf_value", b"").split()) == leaves, "its leaves are not all there")
    if _one(tree, "is_linear", 0):
        _check_linear(tree, leaves, features)
    if leaves == 1:
        return
    splits, left, right, kinds = (
        _many(tree, key) for key in ("split_feature", "left_child", "right_child", "decision_type")
    )
    ensure(len(splits) == len(left) == len(right) == len(kinds) == leaves - 1, "its arrays are not of one length")
    check_range(splits, features, "a feature")
    check_branches([left[left >= 0], right[right >= 0]], leaves - 1)
    for side in (left, right):
        check_range(~side[side < 0], leaves, "a leaf")
    _check_categories(tree, kinds)


def _check_categories(tree: Mapping[bytes, bytes], kinds: Any) -> None:
    by_category = (kinds & _CATEGORICAL) == 1
    count = _one(tree, "num_cat")
    thresholds = tree.get(b"threshold", b"").split(b" ")
    ensure(len(thresholds) == len(kinds), "its arrays are not of one length")
    used = [each for each, categorical in zip(thresholds, by_category, strict=True) if categorical]
    ensure(all(_WHOLE.fullmatch(each) for each in used), "a category is no number")
    check_range(array_of([int(each) for each in used], "categories"), count, "a category")
    if count:
        ends, words = _many(tree, "cat_boundaries"), tree.get(b"cat_threshold", b"").split()
        ensure(len(ends) == count + 1 and (ends[1:] >= ends[:-1]).all(), "categories are out of order")
        check_range(ends, len(words) + 1, "categories")


def _check_linear(tree: Mapping[bytes, bytes], leaves: int, features: int) -> None:
    counts = _many(tree, "num_features")
    check_range(counts, features + 1, "features of a leaf")
    of = array_of([int(each) for each in _words(tree, "leaf_features")], "features")
    ensure(len(counts) == leaves == len(tree.get(b"leaf_const", b"").split()), "its leaves are not all there")
    ensure(int(counts.sum()) == len(of) == len(tree.get(b"leaf_coeff", b"").split()), "its leaves are not all there")
    check_range(of, features, "a feature")


def _words(tree: Mapping[bytes, bytes], key: str) -> list[bytes]:
    words = tree.get(key.encode(), b"").split()
    ensure(all(_WHOLE.fullmatch(word) for word in words), f"{key} has what is no number")
    return words


def _one(tree: Mapping[bytes, bytes], key: str, default: int | None = None) -> int:
    value = tree.get(key.encode())
    if value is None and default is not None:
        return default
    ensure(value is not None and _WHOLE.fullmatch(value) and b" " not in value, f"{key} is no number")
    return int(value or 0)


def _many(tree: Mapping[bytes, bytes], key: str) -> Any:
    value = tree.get(key.encode(), b"")
    ensure(not value or _WHOLE.fullmatch(value), f"{key} has what is no number")
    return array_of([int(each) for each in value.split()], key)
