"""One chart of ten runs of a million points each, as `holdall ui` shows it: requests, bytes, seconds of processor.

    python -m benchmarks.charts [--runs 10] [--points 1000000]

The store is a local folder. Its pages are opened in Chromium with an empty cache. Bytes are of the answers' bodies, of
the page with its scripts and sheets, and of the points as JSON; the seconds are those that the server's process spent
on the points, thinning them included.
"""

from __future__ import annotations

import argparse
import math
import random
import tempfile
import time

from tests.support.browser import served, started_browser, visits

from holdall.store import Store

_TOGETHER = 20_000
_BEGAN = 1_780_000_000_000


def fill(store: Store, runs: int, points: int) -> list[str]:
    """Log the runs, and return their ids."""
    found = []
    for n in range(runs):
        chance = random.Random(n)
        with store.runs.start(name=f"run {n}") as run:
            for at in range(0, points, _TOGETHER):
                steps = range(at, min(points, at + _TOGETHER))
                run.log_batch(
                    [("loss", math.exp(-s * 4 / points) + chance.gauss(0, 0.05), s, _BEGAN + s) for s in steps]
                )
        found.append(run.id)
    return found


def main() -> None:
    """Fill a store, open the page, print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--points", type=int, default=1_000_000)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="holdall-charts-") as folder:
        store = Store.open(folder, environment=False)
        ids = fill(store, wanted.runs, wanted.points)
        with (
            started_browser() as browser,
            served(Store.open(folder, environment=False)) as server,
            visits(browser, server.url) as opens,
        ):
            page = opens().page
            sizes: dict[str, int] = {}
            page.on("response", lambda answer: sizes.__setitem__(answer.url, len(answer.body())))
            spent = time.process_time()
            page.goto(f"{server.url}/compare?tab=charts&" + "&".join(f"run={id}" for id in ids))
            page.locator('.chart[data-state="drawn"]').wait_for(timeout=900_000)
            spent = time.process_time() - spent
            said = page.locator(".chart-said").inner_text()
        data = [size for url, size in sizes.items() if "/series?" in url]
        print(f"{said}: {len(sizes)} requests, {sum(sizes.values()) - sum(data):,} bytes of page and scripts,")
        print(f"{sum(data):,} bytes of points in {len(data)} answers, {spent:.1f} s of processor")


if __name__ == "__main__":
    main()
