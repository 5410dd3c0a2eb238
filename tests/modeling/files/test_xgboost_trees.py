"""A file of XGBoost that would end the process is refused before XGBoost reads it."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
import yaml

from holdall.chunks.pool import Pool
from holdall.errors import ContentError
from holdall.modeling.files.branching import TreeError
from holdall.modeling.files.ubjson import parse_ubjson
from holdall.modeling.files.xgboost_trees import check_xgboost
from holdall.modeling.loading.trust import Trust
from holdall.storage.memory import MemoryBucket
from holdall.store import Store

ROWS = np.random.default_rng(0).random((80, 4))
ROWS[:, 3] = np.floor(ROWS[:, 3] * 6)
TARGET = ROWS.sum(axis=1)
PLAIN: dict[str, Any] = {"nthread": 1, "max_depth": 3, "seed": 1}
KINDS: dict[str, tuple[dict[str, Any], Any]] = {
    "trees": ({}, TARGET),
    "dart": ({"booster": "dart", "rate_drop": 0.5}, TARGET),
    "linear": ({"booster": "gblinear"}, TARGET),
    "classes": ({"objective": "multi:softprob", "num_class": 3}, (TARGET > 2).astype(int) + (TARGET > 4)),
    "two targets": ({"multi_strategy": "multi_output_tree", "tree_method": "hist"}, np.c_[TARGET, TARGET]),
    "pruned": ({"gamma": 0.5}, TARGET),
    "forest": ({"num_parallel_tree": 3, "subsample": 0.5}, TARGET),
}


def made(kind: str = "trees") -> Any:
    options, target = KINDS[kind]
    types = ["q", "q", "q", "q" if kind in ("linear", "two targets") else "c"]
    data = xgboost.DMatrix(ROWS, target, feature_types=types, enable_categorical=True)
    return xgboost.train({**PLAIN, **options}, data, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_what_xgboost_makes_is_let_through(kind: str) -> None:
    """In both of its formats, which say the same."""
    booster = made(kind)
    raw = bytes(booster.save_raw("ubj"))
    check_xgboost(raw)
    check_xgboost(bytes(booster.save_raw("json")))
    assert parse_ubjson(raw)["learner"].keys() == json.loads(booster.save_raw("json"))["learner"].keys()


def tree(body: Any) -> Any:
    return body["learner"]["gradient_booster"]["model"]["trees"][0]


def put(name: str, at: int, value: Any) -> Callable[[Any], None]:
    return lambda body: tree(body)[name].__setitem__(at, value)


WRONG: dict[str, Callable[[Any], None]] = {
    "a child far away": put("left_children", 0, 10**6),
    "a child before all": put("right_children", 0, -7),
    "a child that is its parent": put("left_children", 0, 0),
    "a child that is its grandparent": lambda body: put("left_children", tree(body)["left_children"][0], 0)(body),
    "a child of two": lambda body: put("left_children", 0, tree(body)["right_children"][0])(body),
    "one child": put("right_children", 0, -1),
    "another parent": put("parents", 1, 2),
    "a feature that is not there": put("split_indices", 0, 10**7),
    "a feature before all": put("split_indices", 0, -1),
    "a number that is none": put("left_children", 0, 1.5),
    "a number without end": put("left_children", 0, 2**70),
    "no numbers": lambda body: tree(body).update(left_children=["a"]),
    "too few": lambda body: tree(body)["left_children"].pop(),
    "a size that is a lie": lambda body: tree(body)["tree_param"].update(num_nodes="1000000"),
    "a size that is oddly spelt": lambda body: tree(body)["tree_param"].update(num_nodes="1_5"),
    "a category before all": put("categories", 0, -1),
    "no categories": lambda body: tree(body).update(categories_segments=[]),
    "categories of nobody": put("categories_nodes", 0, 10**6),
    "the place of another": lambda body: tree(body).update(id=1),
    "the group of nobody": lambda body: body["learner"]["gradient_booster"]["model"].update(tree_info=[7, 0, 0]),
    "features without end": lambda body: body["learner"]["learner_model_param"].update(num_feature="9999999999"),
    "groups without end": lambda body: body["learner"]["learner_model_param"].update(num_target="2147483647"),
    "no learner": lambda body: body.clear(),
}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.every(3)
def test_what_would_lead_it_astray_is_refused(tmp_path: Path, case: str) -> None:
    """Though it runs no code and loads under every policy: by the one error, and with the process alive."""
    store = Store._over(MemoryBucket(), Pool(), trusted=True)
    store.models.save(made(), tmp_path / "model", model_format="json")
    file = tmp_path / "model/model.json"
    body = json.loads(file.read_text())
    WRONG[case](body)
    file.write_text(json.dumps(body))
    for load in (store.models.load, store.models.load_pyfunc):
        with pytest.raises(ContentError, match="followed to its leaves"):
            load(tmp_path / "model", trust=Trust("listed"))
    manifest = tmp_path / "model/MLmodel"  # whatever the file is called
    said = yaml.safe_load(manifest.read_text())
    said["flavors"]["xgboost"]["data"] = "model.xgb"
    manifest.write_text(yaml.safe_dump(said))
    file.rename(tmp_path / "model/model.xgb")
    with pytest.raises(ContentError, match="followed to its leaves"):
        store.models.load(tmp_path / "model", trust=Trust("listed"))


@pytest.mark.parametrize("case", ["a child far away", "a category before all"])
def test_xgboost_itself_would_not_live(tmp_path: Path, case: str) -> None:
    """The witness: without the look, the process ends while it loads, or while it predicts."""
    body = json.loads(made().save_raw("json"))
    WRONG[case](body)
    (tmp_path / "model.json").write_text(json.dumps(body))
    code = """
        import sys, numpy, xgboost
        booster = xgboost.Booster({"nthread": 1}, model_file=sys.argv[1])
        types = ["q", "q", "q", "c"]
        booster.predict(xgboost.DMatrix(numpy.ones((99, 4)), feature_types=types, enable_categorical=True))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code), tmp_path / "model.json"], capture_output=True)
    assert done.returncode < 0


def test_a_name_that_stands_there_twice_is_refused() -> None:
    """Of two, nobody knows which one XGBoost takes."""
    raw = made().save_raw("json").decode()
    for other in (
        raw.replace('"learner"', '"learner": {}, "learner"', 1),
        raw.replace('"trees"', '"trees":[],"tr\\u0065es"'),
    ):
        with pytest.raises(TreeError):
            check_xgboost(other.encode())


@pytest.mark.parametrize("data", [
    b"", b"{", b"{L", b"{i\1a", b"{L" + b"\xff" * 8, b"[$L#L" + b"\x7f" * 8, b"[#L" + b"\x7f" * 8, b"[" * 999, b"Sx",
    b"{}x",
])  # fmt: skip
def test_bytes_that_are_no_model_are_refused(data: bytes) -> None:
    """Without reserving what they claim."""
    with pytest.raises(TreeError):
        check_xgboost(data)
