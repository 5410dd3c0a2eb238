"""What other tools keep, brought into a store: planned first, verified, and begun again where it ended.

    from holdall import importing

    planned = importing.from_mlflow(store, "sqlite:///mlflow.db")
    print(planned)
    report = planned.perform()

Each function reads what a source has and writes nothing; `perform` brings it.
Runs are named by what the source calls them, so that to import again brings
what is new and nothing twice, and what was interrupted is gone on with. Every
file is hashed where it comes from and compared with what the store has then.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from holdall.importing.planned import Planned
from holdall.moving import Brought, MoveReport, Problem
from holdall.store import Store

__all__ = [
    "Brought",
    "MoveReport",
    "Planned",
    "Problem",
    "from_folder",
    "from_huggingface_cache",
    "from_mlflow",
    "from_tensorboard",
    "from_trackio",
]


def from_mlflow(store: Store, uri: str, *, registry_uri: str | None = None, experiments: Sequence[str] = ()) -> Planned:
    """Plan to bring what an MLflow keeps: experiments, runs, logged models and the model registry.

    Runs keep their dates, every measurement, their tags and parents; what MLflow calls them is the tag
    `imported.run_id`. Versions of registered models keep their numbers. Traces are not brought.

    Args:
        store: Where to bring it.
        uri: The tracking URI: a folder (`./mlruns`), a database (`sqlite:///mlflow.db`), or a server.
        registry_uri: That of the model registry, where it is another.
        experiments: Names of experiments; then only their runs are brought, and no registry. All of it when empty.

    Raises:
        InvalidURIError: There is no MLflow at the address.
        InvalidArgumentError: It has no such experiment.
        MissingLibraryError: MLflow is not installed, or what it needs for the address.

    Cost: a search of the store's experiments; at the source, its lists and a listing of each run's files.

    Example:
        >>> import os
        >>> os.makedirs("mlruns/0")
        >>> with open("mlruns/0/meta.yaml", "w") as file:
        ...     said = "{experiment_id: '0', name: Default, artifact_location: there, lifecycle_stage: active}"
        ...     size = file.write(said)
        >>> planned = holdall.importing.from_mlflow(store, "mlruns")
        >>> planned.experiments, planned.runs
        (['Default'], 0)
        >>> planned.perform().complete
        True
    """
    from holdall.importing.mlflow.plan import plan_mlflow

    return plan_mlflow(store, uri, registry_uri, experiments)


def from_folder(
    store: Store,
    folder: str | os.PathLike[str],
    *,
    experiment: str | None = None,
    each: bool = False,
    versioned: bool = False,
) -> Planned:
    """Plan to bring a folder of files as a run; links in it are followed.

    Args:
        store: Where to bring it.
        folder: The folder. Its absolute path names the run, so that later imports of it add to that.
        experiment: The name of the experiment; "Default", or with `each` the folder's name, when None.
        each: Whether each folder in it is a run of its own; what lies beside them is left out.
        versioned: Whether files that change later replace what was brought, as `paths="versioned"` of a run.

    Raises:
        InvalidURIError: There is no such folder.
        SourceError: It holds something that cannot be kept, or is a store itself.

    Example:
        >>> import os
        >>> os.makedirs("trained/first")
        >>> with open("trained/first/weights.bin", "wb") as file:
        ...     size = file.write(bytes(100))
        >>> report = holdall.importing.from_folder(store, "trained", each=True).perform()
        >>> [(one.name, one.files, one.outcome) for one in report.brought]
        [('first', 1, 'new')]
    """
    from holdall.importing.folder import plan_folder

    return plan_folder(store, Path(folder), experiment, each=each, versioned=versioned)


def from_huggingface_cache(
    store: Store, folder: str | os.PathLike[str], *, experiment: str = "Hugging Face"
) -> Planned:
    """Plan to bring a Hugging Face cache: each revision of a model or data set in it as a run.

    A file that the cache calls by its SHA-256 must have that.

    Args:
        store: Where to bring it.
        folder: The cache, such as `~/.cache/huggingface/hub`.
        experiment: The name of the experiment.

    Raises:
        InvalidURIError: There is no such cache.

    Example:
        >>> import os
        >>> snapshot = "hub/models--org--tiny/snapshots/" + "0" * 40
        >>> os.makedirs(snapshot)
        >>> with open(snapshot + "/config.json", "w") as file:
        ...     size = file.write("{}")
        >>> report = holdall.importing.from_huggingface_cache(store, "hub").perform()
        >>> report.brought[0].source_id
        'model:org/tiny@0000000000000000000000000000000000000000'
    """
    from holdall.importing.huggingface import plan_cache

    return plan_cache(store, Path(folder), experiment)


def from_trackio(store: Store, folder: str | os.PathLike[str], *, projects: Sequence[str] = ()) -> Planned:
    """Plan to bring what Trackio keeps: its projects as experiments, with their runs, numbers, media and artifacts.

    Texts, tables and alerts are kept as files of the run, `trackio/rows.jsonl` and `trackio/alerts.jsonl`.

    Args:
        store: Where to bring it.
        folder: Trackio's folder, such as `~/.cache/huggingface/trackio`.
        projects: Names of projects; all of them when empty.

    Raises:
        InvalidURIError: There is none.
        InvalidArgumentError: It has no such project.

    Example:
        >>> holdall.importing.from_trackio(store, "trackio")
        Traceback (most recent call last):
        holdall.errors.InvalidURIError: ...
    """
    from holdall.importing.trackio import plan_trackio

    return plan_trackio(store, Path(folder), tuple(projects))


def from_tensorboard(store: Store, logdir: str | os.PathLike[str], *, experiment: str | None = None) -> Planned:
    """Plan to bring TensorBoard's logs: each folder with event files as a run, its scalars as measurements.

    The event files are kept in the run, with what else is in them.

    Args:
        store: Where to bring them.
        logdir: The log directory. The absolute path of a run's folder names the run.
        experiment: The name of the experiment; the directory's name when None.

    Raises:
        InvalidURIError: There are no event files.
        MissingLibraryError: tensorboard is not installed.

    Example:
        >>> holdall.importing.from_tensorboard(store, "logs")
        Traceback (most recent call last):
        holdall.errors.InvalidURIError: ...
    """
    from holdall.importing.tensorboard import plan_tensorboard

    return plan_tensorboard(store, Path(logdir), experiment)
