"""What a search looks at, as a catalog says it."""

from __future__ import annotations

from holdall.format.catalog import CatalogRow
from holdall.runs.record import RUN_NAME, USER, stage
from holdall.runs.search import RunSummary
from holdall.trees.addresses import run_uri
from holdall.trees.heads import Head


def row_of(summary: RunSummary, head: Head) -> CatalogRow:
    """Return what a catalog says of a run, as of an entry."""
    return CatalogRow(
        run=summary.run_id,
        n=head.n,
        size=head.size,
        modified=head.modified,
        experiment=summary.experiment_id,
        status=summary.status,
        started=summary.start_time,
        ended=summary.end_time,
        deleted=summary.lifecycle_stage == "deleted",
        open=summary.open,
        versioned=summary.versioned,
        files=summary.files,
        bytes=summary.bytes,
        params=summary.params,
        tags=summary.tags,
        metrics={key: [value, *summary.points.get(key, (0, 0, 0))] for key, value in summary.metrics.items()},
        pins=summary.pins,
    )


def summary_of_row(row: CatalogRow) -> RunSummary:
    """Return what a catalog's row tells."""
    return RunSummary(
        run_id=row.run,
        experiment_id=row.experiment,
        run_name=row.tags.get(RUN_NAME, ""),
        status=row.status,
        start_time=row.started,
        end_time=row.ended,
        artifact_uri=run_uri(row.run),
        user_id=row.tags.get(USER, ""),
        lifecycle_stage=stage(row.deleted),
        params=dict(row.params),
        metrics={key: told[0] for key, told in row.metrics.items()},
        tags=dict(row.tags),
        pins=dict(row.pins),
        open=row.open,
        versioned=row.versioned,
        files=row.files,
        bytes=row.bytes,
        points={key: list(told[1:]) for key, told in row.metrics.items()},
    )
