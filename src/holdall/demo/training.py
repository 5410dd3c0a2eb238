"""Train, log, show, fetch, verify."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import holdall
from holdall.libraries import installed
from holdall.sizes import format_size

_NEEDED = {"sklearn": "scikit-learn", "matplotlib": "matplotlib", "yaml": "pyyaml"}


def show(*, url: str | None = None, s3: bool = False) -> None:
    """Run the demo and print what happens.

    Args:
        url: The store; `./holdall-store`, or what `HOLDALL_STORE` names, when None.
        s3: Start an S3 server in this process and use that instead.
    """
    missing = [package for module, package in _NEEDED.items() if not installed(module)]
    if missing:
        raise SystemExit(f"the demo needs {', '.join(missing)}: pip install 'holdall[demo]'")
    with _store(url, s3=s3) as store, tempfile.TemporaryDirectory() as folder:
        print(f"store    {store.url}\n")
        first = _train(store, Path(folder) / "first", trees=100)
        second = _train(store, Path(folder) / "second", trees=110)
        _fetch(second, Path(folder) / "fetched")
        stats = store.maintenance.stats()
        held, stored = format_size(stats.bytes), format_size(stats.object_bytes)
        print(f"the store holds {held} of files in {stored}, for {stats.runs} runs")
        if not s3:  # whose server ends with the demo
            print(f"look around: holdall --store {store.url} artifact list runs:/{first.id}")
            print(f"in a browser: holdall --store {store.url} ui  (pip install 'holdall[ui]')")


@contextmanager
def _store(url: str | None, *, s3: bool) -> Iterator[holdall.Store]:
    if not s3:
        yield holdall.set_store(url) if url else holdall.open()
        return
    from holdall.demo.server import moto_server

    with moto_server() as server:
        address = server.create_bucket("holdall-demo")
        keys = {"key": "demo", "secret": "demo", "client_kwargs": {"region_name": "us-east-1"}}
        store = holdall.set_store(f"{address}/store", endpoint_url=server.url, **keys)
        store.maintenance.create()  # by name: with a key in the environment none is made unasked
        yield store


def _train(store: holdall.Store, folder: Path, *, trees: int) -> holdall.Run:
    """One run: a forest for handwritten digits, and what one logs of it."""
    folder.mkdir(parents=True)
    run = store.runs.start(name=f"forest of {trees} trees")
    print(f"run      {run.id}: a forest of {trees} trees")
    known = 0
    for make in (_write_data, _write_config, _write_model, _write_report, _write_plot):
        path = make(folder, trees)
        entry = run.log_artifact(path)
        new = run.state.new_bytes
        assert entry is not None
        size, fresh, there = map(format_size, (entry.size, new - known, entry.size - (new - known)))
        print(f"  {entry.path:<14} {size:>10}   {fresh:>10} new   {there:>10} already there")
        known = new
    run.finish()
    state = run.state
    size, fresh, shared = format_size(state.bytes), format_size(state.new_bytes), 1 - state.new_bytes / state.bytes
    print(f"  {'all':<14} {size:>10}   {fresh:>10} new   {shared:>10.0%} already there\n")
    return run


def _fetch(run: holdall.Run, folder: Path) -> None:
    """Fetch a run elsewhere and hold each file against the digest in the run's manifest."""
    run.download(None, folder)
    manifest = run.manifest
    for path, digest in manifest.items():
        found = hashlib.sha256((folder / path).read_bytes()).hexdigest()
        if found != digest:
            raise SystemExit(f"{path} came back different")
    print(f"fetched  {len(manifest)} files of run {run.id}; every SHA-256 is that of its manifest,")
    print(f"         which is {run.manifest_digest}")


# --- what a training script makes ---


@cache
def _data() -> tuple[Any, Any, Any, Any]:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    return tuple(train_test_split(digits.data, digits.target, random_state=0))


@cache
def _forest(trees: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    x, _, y, _ = _data()
    return RandomForestClassifier(n_estimators=trees, random_state=0).fit(x, y)


def _write_data(folder: Path, _: int) -> Path:
    import numpy as np

    x, _test, y, _labels = _data()
    np.savetxt(folder / "train.csv", np.column_stack([y, x]), fmt="%g", delimiter=",")
    return folder / "train.csv"


def _write_config(folder: Path, trees: int) -> Path:
    import yaml

    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({"data": "digits", "model": "RandomForestClassifier", "n_estimators": trees}))
    return path


def _write_model(folder: Path, trees: int) -> Path:
    import joblib

    joblib.dump(_forest(trees), folder / "model.joblib")
    return folder / "model.joblib"


def _write_report(folder: Path, trees: int) -> Path:
    from sklearn.metrics import classification_report

    _, x, _, y = _data()
    path = folder / "report.txt"
    path.write_text(str(classification_report(y, _forest(trees).predict(x))))
    return path


def _write_plot(folder: Path, trees: int) -> Path:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4))
    axes = figure.subplots()
    axes.imshow(_forest(trees).feature_importances_.reshape(8, 8))
    axes.set_title("which pixels matter")
    figure.savefig(folder / "pixels.png", dpi=100)
    return folder / "pixels.png"
