"""However runs are found, it is the same: in logs, by a catalog, by what is remembered, in an index."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.depth import DEEP
from tests.support.stores import Serial, tiny_store

import holdall.runs.cataloged
from holdall.errors import HoldallError
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.store import RunIndex, RunRecord, Store

_KEYS = ("loss", "a/b c.d", "`\u00e9\u202e", "system/gpu")
_VALUES = (math.nan, math.inf, -math.inf, -0.0, 0.0, 2.0**60, 1e-320, 0.1, 3.0)
_STEPS = (0, 1, 1, -5, 2**53 + 1, -(2**63), 2**63 - 1)
_FILTERS = (
    None,
    "metrics.loss >= 0",
    "metrics.`a/b c.d` != 0.1",
    "params.`a/b c.d` LIKE '%x%' AND status = 'FINISHED'",
    "tags.`mlflow.runName` != 'run 1' AND start_time > 0",
    "files > 0 AND bytes >= 1",
    "duration >= 0",
    "artifacts.path LIKE 'm%'",
)
_ORDERS = (
    (),
    ("metrics.loss DESC",),
    ("duration ASC", "run_name DESC"),
    ("params.`a/b c.d`",),
    ("files", "bytes DESC"),
)


class Changes:
    """Changes of all kinds, drawn by lot, to the runs of one store."""

    def __init__(self, bucket: MemoryBucket, seed: int) -> None:
        self.lot, self.bucket = random.Random(seed), bucket
        self.store = tiny_store(bucket, seed=seed, pool=Serial())
        self.experiments = ["Default", "a/b \u00fc"]
        self.runs: list[Run] = []

    def drawn(self) -> Run:
        return self.lot.choice(self.runs)

    def start(self) -> None:
        given = {"start_time": self.lot.choice([0, 5, 2**53 - 1])} if self.lot.random() < 0.4 else {}
        name = f"run {self.lot.randrange(3)}"
        self.runs.append(self.store.runs.start(name=name, experiment=self.lot.choice(self.experiments), **given))  # type: ignore[arg-type]
        self.measure()

    def measure(self) -> None:
        run = self.runs[-1]
        for _ in range(self.lot.randrange(4)):
            run.log_metric(self.lot.choice(_KEYS), self.lot.choice(_VALUES), step=self.lot.choice(_STEPS))

    def param(self) -> None:
        self.runs[-1].log_param(self.lot.choice(_KEYS), "x" * self.lot.choice((0, 1, 6000)))

    def tag(self) -> None:
        self.drawn().set_tag(self.lot.choice(_KEYS), self.lot.choice(("", "\u00e9/\n", "</script>")))

    def file(self) -> None:
        self.runs[-1].log_text("m" * self.lot.randrange(1, 50), f"m{self.lot.randrange(3)}.txt")

    def finish(self) -> None:
        self.drawn().finish()

    def delete(self) -> None:
        self.drawn().delete()

    def restore(self) -> None:
        self.drawn().restore()

    def purge(self) -> None:
        self.store.maintenance.purge(self.drawn().id)

    def rename(self) -> None:
        if found := self.store.experiments.named(self.experiments[1]):
            self.experiments[1] = f"renamed {self.lot.randrange(99)}"
            self.store.experiments.rename(found.experiment_id, self.experiments[1])

    def catalog(self) -> None:
        self.store.maintenance.catalog()

    def collect(self) -> None:
        self.store.maintenance.gc(delay=0)

    def any(self) -> None:
        """Make one; what is refused of a run that is gone or ended changes nothing."""
        kinds: list[Callable[[], None]] = [self.start, self.measure, self.param, self.tag, self.file, self.finish]
        kinds += [self.start, self.measure, self.delete, self.restore, self.purge, self.rename]
        kinds += [self.catalog, self.collect]
        with suppress(HoldallError):
            self.lot.choice(kinds if self.runs else [self.start])()

    def flush(self) -> None:
        """Write what was logged, as searching from its process would."""
        for run in self.runs:
            with suppress(HoldallError):
                run.flush()


def told(found: list[RunRecord]) -> list[str]:
    return [repr((one.info, one.data, one.metric_summaries)) for one in found]


def summed_up(run: Run, key: str) -> tuple[int, str, str]:
    """What the history of a metric says of it."""
    values = [point.value for point in run.history(key)]
    real = [value for value in values if not math.isnan(value)] or values
    return len(values), repr(min(real)), repr(max(real))


@pytest.mark.parametrize("seed", range(40 if DEEP else 2))
def test_all_ways_to_find_runs_find_the_same(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """After any changes: the same runs with the same facts, in the same order, page after page, and no warning."""
    monkeypatch.setattr(holdall.runs.cataloged, "FEWEST", 1)
    bucket = MemoryBucket()
    changes = Changes(bucket, seed)
    lasting = tiny_store(bucket, create=False, seed=100, pool=Serial())
    lasting._location.cache = tmp_path
    with lasting.runs.index() as index:
        for _ in range(12):
            for _ in range(7):
                changes.any()
            changes.flush()
            index.refresh()
            plain, fresh = (tiny_store(bucket, create=False, seed=101 + n, pool=Serial()) for n in range(2))
            plain._location.verifier.verify_all = True  # reads no catalog
            drawn = changes.lot.choice
            asked = (drawn(_FILTERS), drawn(_ORDERS), drawn(("active", "deleted", None)))
            for filter, order, stage in [(None, (), None), asked]:
                found = plain.runs.search(filter, order_by=order, stage=stage)
                for other in (fresh, lasting):
                    assert told(other.runs.search(filter, order_by=order, stage=stage)) == told(found)
                ids = [one.info.run_id for one in found]
                pages = [index.page(filter, None, order, stage, offset=at, limit=3) for at in range(0, len(ids) + 1, 3)]
                assert [run.run_id for page in pages for run in page.records] == ids
                assert {page.total for page in pages} == {len(ids)}
                _check_summaries(plain, index, found)
    assert "without the catalog" not in caplog.text


def _check_summaries(store: Store, index: RunIndex, found: list[RunRecord]) -> None:
    for one in found:
        known = index.get(one.info.run_id)
        assert known
        assert repr(known.metric_summaries) == repr(one.metric_summaries)
        run = store.runs.get(one.info.run_id)
        for key, each in one.metric_summaries.items():
            assert (each.count, repr(each.min), repr(each.max)) == summed_up(run, key)
