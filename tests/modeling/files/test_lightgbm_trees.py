"""A text of LightGBM that would end the process is refused before LightGBM reads it."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest

from holdall.chunks.pool import Pool
from holdall.errors import ContentError
from holdall.modeling.files.lightgbm_trees import check_lightgbm
from holdall.modeling.loading.trust import Trust
from holdall.storage.memory import MemoryBucket
from holdall.store import Store

ROWS = np.random.default_rng(0).random((200, 3))
ROWS[:, 2] = np.floor(ROWS[:, 2] * 5)
TARGET = ROWS.sum(axis=1)
QUIET: dict[str, Any] = {
    "num_leaves": 5,
    "verbose": -1,
    "min_data_in_leaf": 2,
    "min_data_per_group": 2,
    "num_threads": 1,
}
KINDS: dict[str, tuple[dict[str, Any], Any]] = {
    "trees": ({}, TARGET),
    "classes": ({"objective": "multiclass", "num_class": 3}, (TARGET > 2).astype(int) + (TARGET > 3)),
    "one against all": ({"objective": "multiclassova", "num_class": 3}, (TARGET > 2).astype(int) + (TARGET > 3)),
    "two classes": ({"objective": "binary"}, TARGET > 2),
    "forest": ({"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}, TARGET),
    "dart": ({"boosting": "dart"}, TARGET),
    "lines": ({"linear_tree": True}, TARGET),
    "leaves alone": ({"min_data_in_leaf": 1000}, TARGET),
}


def made(kind: str = "trees") -> Any:
    options, target = KINDS[kind]
    data = lightgbm.Dataset(ROWS, target, categorical_feature="auto" if kind == "lines" else [2])
    return lightgbm.train({**QUIET, **options}, data, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_what_lightgbm_makes_is_let_through(kind: str, tmp_path: Path) -> None:
    """As a file and as a text."""
    booster = made(kind)
    check_lightgbm(booster.model_to_string(num_iteration=-1).encode())
    booster.save_model(tmp_path / "model")
    written = (tmp_path / "model").read_bytes()
    check_lightgbm(written)
    assert b"\nTree=0\n" in written


def swap(pattern: str, other: str) -> Callable[[str], str]:
    """Another text, with sizes that fit it."""

    def swapped(text: str) -> str:
        found = re.sub(pattern, other, text, count=1, flags=re.MULTILINE)
        assert found != text
        trees = re.split(r"(?m)^(?=Tree=)", found[: found.index("end of trees")])[1:]
        return re.sub(r"tree_sizes=.*", "tree_sizes=" + " ".join(str(len(each)) for each in trees), found, count=1)

    return swapped


WRONG: dict[str, Callable[[str], str]] = {
    "a child far away": swap(r"left_child=-?\d+", "left_child=1000000"),
    "a leaf far away": swap(r"left_child=-?\d+", "left_child=-1000000"),
    "a child that is its parent": swap(r"left_child=-?\d+", "left_child=0"),
    "a feature that is not there": swap(r"split_feature=\d+", "split_feature=1000000"),
    "a feature before all": swap(r"split_feature=\d+", "split_feature=-1"),
    "a number that goes around": swap(r"split_feature=\d+", "split_feature=4294967296"),
    "leaves without end": swap(r"num_leaves=\d+", "num_leaves=1000000000"),
    "categories without end": swap(r"num_cat=\d+", "num_cat=1000"),
    "categories far away": swap(r"cat_boundaries=\d+ \d+", "cat_boundaries=0 100000"),
    "a category that is not there": swap(r"threshold=\S+", "threshold=77"),
    "other classes": swap("num_class=1", "num_class=100"),
    "other trees": swap("num_tree_per_iteration=1", "num_tree_per_iteration=5"),
    "no categories": swap(r"^num_cat=.*\n", ""),
    "a line twice": swap(r"^(num_leaves=.*\n)", r"\1\1"),
    "a number oddly spelt": swap(r"split_feature=\d+", "split_feature=0_1"),
    "a tree far away": lambda text: re.sub(r"tree_sizes=\d+", "tree_sizes=100000000", text),
    "a tree elsewhere": lambda text: text.replace("parameters:", "parameters:\nTree=0", 1),
    "no end": lambda text: text.replace("end of trees", "the end"),
    "other lines": lambda text: text.replace("\n", "\r\n"),
}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.every(2)
def test_what_would_lead_it_astray_is_refused(tmp_path: Path, case: str) -> None:
    """As a booster's file and in a file of skops, though neither runs code: with the process alive."""
    store = Store._over(MemoryBucket(), Pool(), trusted=True)
    store.models.save(made(), tmp_path / "booster")
    file = tmp_path / "booster/model.lgb"
    file.write_bytes(WRONG[case](file.read_text()).encode())
    with pytest.raises(ContentError, match="followed to its leaves"):
        store.models.load(tmp_path / "booster", trust=Trust("listed"))
    estimator = lightgbm.LGBMRegressor(n_estimators=2, **QUIET).fit(ROWS, TARGET, categorical_feature=[2])
    store.models.save(estimator, tmp_path / "estimator")
    file = tmp_path / "estimator/model.skops"
    file.write_bytes(rewritten(file.read_bytes(), WRONG[case]))
    with pytest.raises(ContentError, match="skops"):
        store.models.load(tmp_path / "estimator", trust=Trust("listed"))


def rewritten(data: bytes, change: Callable[[str], str]) -> bytes:
    """The same archive with another text of its booster."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(stream, "w") as new:
        for name in old.namelist():
            body = old.read(name)
            if name == "schema.json":
                schema = json.loads(body)
                node = schema["content"]["content"]["_Booster"]["content"]["content"]["_handle"]
                node["content"] = json.dumps(change(json.loads(node["content"])))
                body = json.dumps(schema).encode()
            new.writestr(name, body)
    return stream.getvalue()


def test_lightgbm_itself_would_not_live(tmp_path: Path) -> None:
    """The witness: without the look the process ends."""
    (tmp_path / "model").write_text(WRONG["a tree far away"](made().model_to_string(num_iteration=-1)))
    code = "import sys, lightgbm; lightgbm.Booster(model_file=sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "model"], capture_output=True)
    assert done.returncode < 0
