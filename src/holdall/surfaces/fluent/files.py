"""Logging files, texts, figures, images and tables into the active run, or into one that is named.

As in `verbs`, each takes `run_id`, and `synchronous=False` for doing it in the background.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

from holdall.store import Links, LogFuture, OnConflict
from holdall.surfaces.fluent.active import run_of

if TYPE_CHECKING:
    import pandas as pd


def log_artifact(
    local_path: str | os.PathLike[str],
    artifact_path: str | None = None,
    run_id: str | None = None,
    synchronous: bool | None = None,
    *,
    on_conflict: OnConflict = "error",
    keep_last: int | None = None,
    links: Links = "keep",
) -> LogFuture | None:
    """Log a local file, or a folder under its own name, into a run.

    Args:
        local_path: What to log.
        artifact_path: The directory of the run to put it in; the root when None.
        run_id: The run; the active one when None.
        synchronous: False: in the background; the file must stay as it is until then.
        on_conflict: What to do where the run holds other content at a path: "error", or, in a run that was started with
            `paths="versioned"`, "replace": then what was there becomes an earlier version (`run.versions`).
        keep_last: With "replace", how many versions of each path stay, the new one counted; all of them when None.
        links: "keep" for links in a folder as links; "follow" for what they lead to in their place.

    Raises:
        NoActiveRunError: No run is active, and none is named.
        ArtifactExistsError: The run holds other content at the path.
        RunNotVersionedError: "replace" was asked for, and the run's paths never change.
        SourceError: The file cannot be read, or changed meanwhile.

    Cost: one PUT for files of 64 KiB together; else about one PUT per 32 MiB and a few more.

    Example:
        >>> with open("config.yaml", "w") as file:
        ...     size = file.write("rate: 0.1")
        >>> with holdall.start_run() as run:
        ...     holdall.log_artifact("config.yaml", "settings")
        >>> list(run.manifest)
        ['settings/config.yaml']
    """
    run = run_of(run_id)
    log = partial(run.log_artifact, on_conflict=on_conflict, keep_last=keep_last, links=links)
    if synchronous is False:
        return run.later(log, local_path, artifact_path)
    log(local_path, artifact_path)
    return None


def log_artifacts(
    local_dir: str | os.PathLike[str],
    artifact_path: str | None = None,
    run_id: str | None = None,
    synchronous: bool | None = None,
    *,
    on_conflict: OnConflict = "error",
    keep_last: int | None = None,
    links: Links = "keep",
) -> LogFuture | None:
    """Log the content of a local folder, as one commit: all or nothing. Args, raises: as `log_artifact`.

    Example:
        >>> import os
        >>> os.mkdir("plots")
        >>> for name in ("a.svg", "b.svg"):
        ...     with open(f"plots/{name}", "w") as file:
        ...         size = file.write("<svg/>")
        >>> with holdall.start_run() as run:
        ...     holdall.log_artifacts("plots", "report")
        >>> list(run.manifest)
        ['report/a.svg', 'report/b.svg']
    """
    run = run_of(run_id)
    log = partial(run.log_artifacts, on_conflict=on_conflict, keep_last=keep_last, links=links)
    if synchronous is False:
        return run.later(log, local_dir, artifact_path)
    log(local_dir, artifact_path)
    return None


def log_text(
    text: str,
    artifact_file: str,
    run_id: str | None = None,
    synchronous: bool | None = None,
    *,
    on_conflict: OnConflict = "error",
    keep_last: int | None = None,
) -> LogFuture | None:
    """Log text as a UTF-8 file. `on_conflict`, `keep_last`, raises, cost: as `log_artifact`.

    Example:
        >>> with holdall.start_run() as run:
        ...     holdall.log_text("all is well", "report.txt")
        >>> run.load_text("report.txt")
        'all is well'
    """
    run = run_of(run_id)
    if synchronous is False:
        return run.later(run.log_text, text, artifact_file, on_conflict=on_conflict, keep_last=keep_last)
    run.log_text(text, artifact_file, on_conflict=on_conflict, keep_last=keep_last)
    return None


def log_dict(
    dictionary: Any,
    artifact_file: str,
    run_id: str | None = None,
    synchronous: bool | None = None,
    *,
    on_conflict: OnConflict = "error",
    keep_last: int | None = None,
) -> LogFuture | None:
    """Log a dict or list: as YAML where the name ends in .yml or .yaml, else as JSON.

    Example:
        >>> with holdall.start_run() as run:
        ...     holdall.log_dict({"rate": 0.1}, "config.yaml")
        >>> run.load_dict("config.yaml")
        {'rate': 0.1}
    """
    run = run_of(run_id)
    if synchronous is False:
        return run.later(run.log_dict, dictionary, artifact_file, on_conflict=on_conflict, keep_last=keep_last)
    run.log_dict(dictionary, artifact_file, on_conflict=on_conflict, keep_last=keep_last)
    return None


def log_stream(
    stream: BinaryIO,
    artifact_file: str,
    run_id: str | None = None,
    synchronous: bool | None = None,
    *,
    on_conflict: OnConflict = "error",
    keep_last: int | None = None,
) -> LogFuture | None:
    """Log the rest of a binary stream, read once and never held whole.

    Example:
        >>> import io
        >>> with holdall.start_run() as run:
        ...     holdall.log_stream(io.BytesIO(b"all is well"), "report.txt")
        >>> run.read("report.txt")
        b'all is well'
    """
    run = run_of(run_id)
    if synchronous is False:
        return run.later(  # as it is: a stream has no copy
            lambda: run.log_stream(stream, artifact_file, on_conflict=on_conflict, keep_last=keep_last)
        )
    run.log_stream(stream, artifact_file, on_conflict=on_conflict, keep_last=keep_last)
    return None


def log_figure(
    figure: Any,
    artifact_file: str,
    *,
    save_kwargs: dict[str, Any] | None = None,
    run_id: str | None = None,
    synchronous: bool | None = None,
    on_conflict: OnConflict = "error",
    keep_last: int | None = None,
) -> LogFuture | None:
    """Log a matplotlib or plotly figure in the format that the name's ending says.

    Raises:
        TypeError: It is neither, or the format is none of theirs.

    Example:
        >>> from matplotlib.figure import Figure
        >>> figure = Figure()
        >>> line = figure.subplots().plot([0.9, 0.4, 0.2])
        >>> with holdall.start_run() as run:
        ...     holdall.log_figure(figure, "loss.png")
        >>> list(run.manifest)
        ['loss.png']
    """
    run = run_of(run_id)
    log = partial(run.log_figure, save_kwargs=save_kwargs, on_conflict=on_conflict, keep_last=keep_last)
    if synchronous is False:
        return run.later(log, figure, artifact_file)
    log(figure, artifact_file)
    return None


def log_image(
    image: Any,
    artifact_file: str | None = None,
    key: str | None = None,
    step: int | None = None,
    timestamp: int | None = None,
    synchronous: bool | None = None,
    run_id: str | None = None,
    *,
    on_conflict: OnConflict = "error",
    keep_last: int | None = None,
) -> LogFuture | None:
    """Log an image: under a name, or as one of a series under a key.

    Args:
        image: numpy array (H x W, or H x W x 1, 3 or 4; bool, integers 0-255 or floats 0-1) or PIL image.
        artifact_file: Its name; or else
        key: the name of its series, and
        step: where in the training it belongs.
        timestamp: Milliseconds since 1970 UTC; now when None.
        synchronous: False: in the background; the image must stay as it is until then.
        run_id: The run; the active one when None.
        on_conflict, keep_last: As for `log_artifact`; an image of a series never replaces another.

    Example:
        >>> import numpy
        >>> with holdall.start_run() as run:
        ...     holdall.log_image(numpy.zeros((4, 6), dtype="uint8"), "black.png")
        >>> run.load_image("black.png").size
        (6, 4)
    """
    run = run_of(run_id)
    log = partial(run.log_image, key=key, step=step, timestamp=timestamp, on_conflict=on_conflict, keep_last=keep_last)
    if synchronous is False:
        return run.later(log, image, artifact_file)
    log(image, artifact_file)
    return None


def log_table(
    data: dict[Any, Any] | pd.DataFrame,
    artifact_file: str,
    run_id: str | None = None,
    synchronous: bool | None = None,
) -> LogFuture | None:
    """Append rows to a table, which is a directory of immutable parts in the order of logging.

    Args:
        data: Columns by name, of cells or of one cell each; or a DataFrame.
        artifact_file: The table's name, which ends in .json or .parquet.
        run_id: The run; the active one when None.
        synchronous: False: in the background.

    Example:
        >>> with holdall.start_run() as run:
        ...     holdall.log_table({"question": ["a", "b"], "score": [1, 2]}, "eval.json")
        ...     holdall.log_table({"question": ["c"], "score": [3]}, "eval.json")
        >>> run.load_table("eval.json")["score"].tolist()
        [1, 2, 3]
    """
    run = run_of(run_id)
    if synchronous is False:
        return run.later(run.log_table, data, artifact_file)
    run.log_table(data, artifact_file)
    return None
