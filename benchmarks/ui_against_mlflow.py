"""The same runs in `holdall ui` and in MLflow's UI: requests, bytes and nodes of a first page, in a real browser.

    python -m benchmarks.ui_against_mlflow [--runs 500] [--points 100]

Each run has eight parameters and six metrics. Ours are in a local folder, MLflow's in SQLite; each server is a process
of its own, and each page is opened in a fresh Chromium with an empty cache, then again with a full one. Bytes are what
crosses the wire, headers included. What comes within five seconds after the first run is seen is counted.
"""

from __future__ import annotations

import argparse
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from playwright.sync_api import sync_playwright
from tests.support.browser import CHROMIUM, FLAGS

SETTLED = 5_000  # ms after the first run is seen: what comes until then is counted
METRICS = ("train/loss", "train/accuracy", "val/loss", "val/accuracy", "lr", "epoch")


def params_of(n: int) -> dict[str, Any]:
    """The parameters of a run."""
    chance = random.Random(n)
    names = ("rate", "depth", "width", "dropout", "batch", "seed", "optimizer", "data")
    return {name: round(chance.random(), 4) for name in names}


def points_of(n: int, count: int) -> list[tuple[str, float, int, int]]:
    """The measurements of a run: key, value, step, time in ms."""
    chance, began = random.Random(-n), 1_780_000_000_000 + n * 60_000
    return [(key, chance.random(), step, began + step * 1000) for step in range(count) for key in METRICS]


def fill_ours(folder: Path, runs: int, points: int) -> None:
    """Log the runs into a store."""
    from holdall.store import Store

    store = Store.open(str(folder), environment=False)
    for n in range(runs):
        with store.runs.start(experiment="pages", name=f"run-{n}") as run:
            run.log_params(params_of(n))
            run.log_batch(points_of(n, points))


def fill_theirs(database: str, runs: int, points: int) -> str:
    """Log the same runs by MLflow, and return the experiment's id."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    client = MlflowClient(database)
    experiment = str(client.create_experiment("pages"))
    for n in range(runs):
        run = client.create_run(experiment, run_name=f"run-{n}").info.run_id
        measured = [Metric(key, value, at, step) for key, value, step, at in points_of(n, points)]
        params = [Param(key, str(value)) for key, value in params_of(n).items()]
        for at in range(0, len(measured), 900):
            client.log_batch(run, measured[at : at + 900], params if at == 0 else [])
        client.set_terminated(run)
    return experiment


@contextmanager
def server(command: list[str], url: str) -> Iterator[None]:
    """A server's process, from when it answers."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while not _answers(url):
                if process.poll() is not None:
                    raise RuntimeError(f"{command[0]} ended with {process.returncode}")
                time.sleep(0.2)
            yield
        finally:
            process.terminate()


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=2):
            return True
    except OSError:
        return False


def looked_at(browser: Any, url: str) -> dict[str, dict[str, int]]:
    """Open a page with an empty cache, then again: requests, bytes, nodes, and names of runs that stand in its text."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    wire = context.new_cdp_session(page)
    wire.send("Network.enable")
    counted = {"requests": 0, "bytes": 0}

    def see(finished: dict[str, Any]) -> None:
        counted["requests"] += 1
        counted["bytes"] += int(finished["encodedDataLength"])

    wire.on("Network.loadingFinished", see)
    found = {}
    for when in ("first", "again"):
        counted.update(requests=0, bytes=0)
        page.goto("about:blank")  # an address that differs in its fragment alone is not loaded again
        page.goto(url)
        page.wait_for_selector("text=run-")
        page.wait_for_timeout(SETTLED)  # a page that asks again and again is never idle
        names = set(re.findall(r"\brun-\d+\b", page.inner_text("body")))
        nodes = int(page.evaluate("document.querySelectorAll('*').length"))
        found[when] = counted | {"nodes": nodes, "runs": len(names)}
    context.close()
    return found


def main() -> None:
    """Ask, and print a row for each side and visit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--points", type=int, default=100, help="of each metric")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        database, store = f"sqlite:///{scratch}/mlflow.db", Path(scratch) / "store"
        fill_ours(store, asked.runs, asked.points)
        experiment = fill_theirs(database, asked.runs, asked.points)
        ours = [sys.executable, "-m", "holdall", "--store", str(store), "ui", "--port", "5151"]
        theirs = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", database, "--port", "5152"]
        print(f"{'':24} {'requests':>9} {'bytes':>11} {'nodes':>8} {'runs':>6}")
        for name, command, url, path in (
            ("holdall", ours, "http://127.0.0.1:5151", "/"),
            ("mlflow", theirs, "http://127.0.0.1:5152", f"/#/experiments/{experiment}/runs"),
        ):
            with server(command, url):
                for when, row in looked_at(browser, url + path).items():
                    shown = f"{row['requests']:>9} {row['bytes']:>11,} {row['nodes']:>8,} {row['runs']:>6}"
                    print(f"{name + ', ' + when:24} {shown}")


if __name__ == "__main__":
    main()
