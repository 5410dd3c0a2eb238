"""A model that is logged a second time costs one small entry, where its format gives the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from holdall.chunks.pool import Pool
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RequestCounter, TraceBucket
from holdall.store import Store

ROWS = np.random.default_rng(0).normal(size=(500, 4))
TARGET = ROWS.sum(axis=1) + ROWS[:, 0] ** 2


def xgboost_booster() -> Any:
    import xgboost

    return xgboost.train({"max_depth": 5, "nthread": 1}, xgboost.DMatrix(ROWS, TARGET), 400)


def lightgbm_booster() -> Any:
    return lightgbm_estimator().booster_


def lightgbm_estimator() -> Any:
    import lightgbm

    return lightgbm.LGBMRegressor(n_estimators=200, min_child_samples=3, num_threads=1, verbose=-1).fit(ROWS, TARGET)


def onnx_graph() -> Any:
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(1).normal(size=(4, 30_000)).astype(np.float32)
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, size]) for name, size in (("x", 4), ("y", 30_000))
    )
    node, tensor = helper.make_node("MatMul", ["x", "w"], ["y"]), numpy_helper.from_array(weights, "w")
    return helper.make_model(helper.make_graph([node], "test", [x], [y], [tensor]))


def keras_network() -> Any:
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    return keras.Sequential([keras.Input([100]), keras.layers.Dense(300)])


@pytest.mark.parametrize(
    "make", [xgboost_booster, lightgbm_booster, lightgbm_estimator, onnx_graph, keras_network], ids=lambda f: f.__name__
)
@pytest.mark.every(2)
def test_the_same_model_again_is_one_small_entry(make: Callable[[], Any]) -> None:
    """One PUT below 4 KiB, and no pack."""
    count = RequestCounter()
    store = Store._over(TraceBucket(MemoryBucket(), count), Pool(), trusted=True)
    run, model = store.runs.start(), make()
    store.models.log(run, model, "first")
    packs, puts, sent = store.maintenance.stats().packs, count.requests["put"], count.bytes["put"]
    assert sent > 100_000
    store.models.log(run, model, "second")
    assert store.maintenance.stats().packs == packs
    assert count.requests["put"] - puts == 1
    assert count.bytes["put"] - sent < 4096
