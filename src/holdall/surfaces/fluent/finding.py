"""Looking at runs and experiments: what there is, and which of them are meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from holdall.errors import InvalidArgumentError
from holdall.store import Experiment, Metric, RetentionPolicy, RunRecord, ViewType, listed
from holdall.surfaces.fluent.active import (
    current_experiment_id,
    current_store,
    made_experiment_id,
    refuse_traces,
    run_of,
)
from holdall.surfaces.fluent.client.client import Client
from holdall.surfaces.fluent.paging import empty_where_none, wants_frame

if TYPE_CHECKING:
    import pandas as pd

    from holdall.store import Comparison, Run


def create_experiment(
    name: str,
    artifact_location: str | None = None,
    tags: Mapping[str, Any] | None = None,
    trace_location: None = None,
    *,
    encryption: str | None = None,
) -> str:
    """Create an experiment and return its id.

    Args:
        name: What people call it.
        artifact_location: The store's own address, or None: what runs hold is in the store that they are in.
        tags: What else to say about it.
        trace_location: None: a store holds no traces.
        encryption: "own", in an encrypted store: its runs are sealed by keys of its own, so that `holdall experiment
            shred` makes all of them unreadable at once. Their content is stored once within the experiment, and once
            more than elsewhere in the store.

    Raises:
        ExperimentExistsError: There is one of this name, perhaps deleted.
        InvalidArgumentError: `encryption` is something else, or the store is not encrypted.
        InvalidURIError: `artifact_location` is another place.
        InvalidNameError: `trace_location` is given.

    Example:
        >>> experiment_id = holdall.create_experiment("vision", tags={"team": "a"})
        >>> holdall.get_experiment(experiment_id).name
        'vision'
    """
    refuse_traces(trace_location)
    return Client().create_experiment(name, artifact_location, tags, encryption=encryption)


def get_experiment(experiment_id: str) -> Experiment:
    """Return an experiment by its id. Raises: ExperimentNotFoundError.

    Example:
        >>> holdall.get_experiment(holdall.create_experiment("vision")).lifecycle_stage
        'active'
    """
    return current_store().experiments.get(experiment_id)


def get_experiment_by_name(name: str) -> Experiment | None:
    """Return an experiment by its name; None if there is none.

    Example:
        >>> experiment_id = holdall.create_experiment("vision")
        >>> holdall.get_experiment_by_name("vision").experiment_id == experiment_id
        True
        >>> print(holdall.get_experiment_by_name("text"))
        None
    """
    return Client().get_experiment_by_name(name)


def search_experiments(
    view_type: int = ViewType.ACTIVE_ONLY,
    max_results: int | None = None,
    filter_string: str | None = None,
    order_by: Sequence[str] | None = None,
) -> list[Experiment]:
    """Return the experiments that match a filter, the newest first.

    Args:
        view_type: `ViewType.ACTIVE_ONLY`, `DELETED_ONLY` or `ALL`.
        max_results: At most so many.
        filter_string: Conditions on `name`, `experiment_id`, `creation_time`, `last_update_time` and `tags`,
            such as `name LIKE 'vision/%' AND tags.team = 'a'`.
        order_by: Such as `["name ASC"]`.

    Raises:
        InvalidFilterError: The filter or an order is not understood; it says where.

    Example:
        >>> for name in ("vision/a", "vision/b", "text"):
        ...     experiment_id = holdall.create_experiment(name)
        >>> found = holdall.search_experiments(filter_string="name LIKE 'vision/%'", order_by=["name ASC"])
        >>> [experiment.name for experiment in found]
        ['vision/a', 'vision/b']
    """
    return Client().search_experiments(view_type, max_results, filter_string, order_by).to_list()


def delete_experiment(experiment_id: str) -> None:
    """Mark an experiment and its runs as deleted; `restore_experiment` undoes that, for seven days at least.

    Then `holdall gc` purges the runs and frees their space; of the experiment its name and tags stay.

    Example:
        >>> experiment_id = holdall.create_experiment("vision")
        >>> holdall.delete_experiment(experiment_id)
        >>> holdall.get_experiment(experiment_id).lifecycle_stage
        'deleted'
    """
    current_store().experiments.delete(experiment_id)


def restore_experiment(experiment_id: str) -> None:
    """Undo the deletion of an experiment, and of the runs that were deleted with it. Raises: ExperimentNotFoundError.

    Example:
        >>> experiment_id = holdall.create_experiment("vision")
        >>> holdall.delete_experiment(experiment_id)
        >>> holdall.restore_experiment(experiment_id)
        >>> holdall.get_experiment(experiment_id).lifecycle_stage
        'active'
    """
    current_store().experiments.restore(experiment_id)


def set_experiment_tag(key: str, value: Any, experiment_id: str | None = None) -> None:
    """Set a tag of an experiment; of the current one, created if needed, when no id is given.

    Example:
        >>> experiment_id = holdall.create_experiment("vision")
        >>> holdall.set_experiment_tag("team", "a", experiment_id)
        >>> holdall.get_experiment(experiment_id).tags
        {'team': 'a'}
    """
    current_store().experiments.set_tag(experiment_id or made_experiment_id(), key, value)


def set_experiment_tags(tags: Mapping[str, Any]) -> None:
    """Set tags of the current experiment, created if needed; all of them or none.

    Example:
        >>> experiment = holdall.set_experiment("vision")
        >>> holdall.set_experiment_tags({"team": "a", "stage": "draft"})
        >>> sorted(holdall.get_experiment(experiment.experiment_id).tags)
        ['stage', 'team']
    """
    current_store().experiments.set_tags(made_experiment_id(), tags)


def delete_experiment_tag(key: str) -> None:
    """Remove a tag of the current experiment, if it has it. Raises: ExperimentNotFoundError.

    Example:
        >>> experiment = holdall.set_experiment("vision")
        >>> holdall.set_experiment_tags({"team": "a", "stage": "draft"})
        >>> holdall.delete_experiment_tag("stage")
        >>> holdall.get_experiment(experiment.experiment_id).tags
        {'team': 'a'}
    """
    current_store().experiments.set_tag(current_experiment_id(), key, None)


def set_experiment_retention(
    *,
    expire: str | None = None,
    last: int | None = None,
    best: tuple[str, int] | None = None,
    experiment_id: str | None = None,
) -> RetentionPolicy:
    """Say which runs of an experiment are kept; the garbage collection deletes the others. Without any rule all are.

    Args:
        expire: How long a run is kept after its last entry, such as "90d", "12h" or "2w".
        last: How many of the newest finished runs are kept, of the experiment and of each parent run.
        best: What the best finished runs are told by, and how many of these are kept: `("metrics.loss ASC", 5)`.
        experiment_id: Of the experiment; the current one, created if needed, when None.

    Returns:
        The policy as it is now. A run stays if any rule keeps it, and in any case what is registered or deployed, has
        the tag `holdall.keep` or is written to, with its parents and children.

    Raises:
        InvalidArgumentError: A rule cannot be understood.

    Example:
        >>> experiment = holdall.set_experiment("vision")
        >>> print(holdall.set_experiment_retention(expire="90d", best=("metrics.loss ASC", 5)))
        expire 90d, best 5 by metrics.loss ASC
    """
    id = experiment_id or made_experiment_id()
    return current_store().experiments.set_retention(id, expire=expire, last=last, best=best)


def get_parent_run(run_id: str) -> RunRecord | None:
    """Return the parent of a nested run; None if it has none. Raises: RunNotFoundError.

    Example:
        >>> with holdall.start_run(run_name="sweep"):
        ...     with holdall.start_run(nested=True) as child:
        ...         holdall.log_metric("loss", 0.2)
        >>> holdall.get_parent_run(child.id).info.run_name
        'sweep'
    """
    return Client().get_parent_run(run_id)


def get_run(run_id: str) -> RunRecord:
    """Return a snapshot of a run: info, data, inputs and outputs. Raises: RunNotFoundError.

    Example:
        >>> holdall.get_run(run.id).data.params
        {'rate': '0.1'}
    """
    return run_of(run_id).record


def delete_run(run_id: str) -> None:
    """Mark a run as deleted; `restore_run` undoes that, for seven days at least; then `holdall gc` frees its space.

    Example:
        >>> holdall.delete_run(run.id)
        >>> holdall.get_run(run.id).info.lifecycle_stage
        'deleted'
    """
    run_of(run_id).delete()


def restore_run(run_id: str) -> None:
    """Undo the deletion of a run. Raises: RunNotFoundError, also where it was purged meanwhile.

    Example:
        >>> holdall.delete_run(run.id)
        >>> holdall.restore_run(run.id)
        >>> holdall.get_run(run.id).info.lifecycle_stage
        'active'
    """
    run_of(run_id).restore()


def get_metric_history(run_id: str, key: str) -> list[Metric]:
    """Return every measurement of a metric of a run, in the order in which they were logged.

    Example:
        >>> [(point.step, point.value) for point in holdall.get_metric_history(run.id, "loss")]
        [(0, 0.9), (1, 0.2)]
    """
    return run_of(run_id).history(key)


def load_table(
    artifact_file: str, run_ids: Sequence[str] | None = None, extra_columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """Return the rows of a table of several runs, one below the other.

    Args:
        artifact_file: The table's name.
        run_ids: The runs; all of the current experiment that logged such a table when None.
        extra_columns: What of each run to put beside its rows: `run_id`, `experiment_id`, `status`,
            `params.<key>`, `metrics.<key>`, `tags.<key>`.

    Raises:
        TableNotFoundError: There is no such run.
        ArtifactNotFoundError: One of the runs named has no such table.

    Example:
        >>> for score in (1, 2):
        ...     with holdall.start_run():
        ...         holdall.log_table({"score": [score]}, "eval.json")
        >>> sorted(holdall.load_table("eval.json")["score"])
        [1, 2]
    """
    return current_store().runs.load_table(artifact_file, run_ids, extra_columns, [current_experiment_id()])


def compare(runs: Sequence[Run | str], *, kinds: Sequence[str] | None = None) -> Comparison:
    """Return runs beside each other: the parameters, last metrics, tags and artifacts in which they differ.

    `print` shows a table, and a notebook too. Args, raises, cost: as `store.runs.compare`.

    Example:
        >>> for rate in (0.1, 0.2):
        ...     with holdall.start_run(run_name=f"rate {rate}"):
        ...         holdall.log_params({"rate": rate})
        >>> runs = [found.info.run_id for found in holdall.search_runs(output_format="list")]
        >>> sorted(holdall.compare(runs).of("params")["rate"])
        ['0.1', '0.2']
    """
    return current_store().runs.compare(runs, kinds=kinds)


def search_runs(
    experiment_ids: Sequence[str] | None = None,
    filter_string: str = "",
    run_view_type: int = ViewType.ACTIVE_ONLY,
    max_results: int = 100_000,
    order_by: Sequence[str] | None = None,
    output_format: Literal["pandas", "list"] | None = None,
    search_all_experiments: bool = False,
    experiment_names: Sequence[str] | None = None,
) -> pd.DataFrame | list[RunRecord]:
    """Return the runs that match a filter.

    Args:
        experiment_ids: Where to look; the current experiment when neither this nor names are given.
        filter_string: In MLflow's grammar: `metrics.loss < 0.1 and params.model = 'forest'`;
            beyond it, `artifacts.path LIKE 'model/%'` and `artifacts.digest = 'sha256:...'`.
        run_view_type: `ViewType.ACTIVE_ONLY`, `DELETED_ONLY` or `ALL`.
        max_results: At most so many.
        order_by: Such as `["metrics.loss ASC"]`; the latest first when None.
        output_format: "pandas" for a DataFrame, "list" for records; when None, a
            DataFrame where pandas is installed.
        search_all_experiments: Look everywhere.
        experiment_names: Where to look, by name.

    Raises:
        InvalidFilterError: The filter or an order is not understood; it says where.

    Example:
        >>> for rate in (0.1, 0.2):
        ...     with holdall.start_run(run_name=f"rate {rate}"):
        ...         holdall.log_metric("loss", rate / 2)
        >>> found = holdall.search_runs(filter_string="metrics.loss < 0.08", output_format="list")
        >>> [record.info.run_name for record in found]
        ['rate 0.1']
    """
    if experiment_ids and experiment_names:
        raise InvalidArgumentError("give experiment_ids or experiment_names, not both")
    store = current_store()
    where = listed("ids of experiments", experiment_ids, "['0123456789abcdef']")
    names = listed("names of experiments", experiment_names, "['vision']")
    if names:
        named = (get_experiment_by_name(name) for name in names)
        where = [found.experiment_id for found in named if found]
    elif not where and not search_all_experiments:
        where = [current_experiment_id()]
    stage = ViewType(run_view_type).stage
    everywhere = search_all_experiments and not where
    records: list[RunRecord] = []
    with empty_where_none(store):
        records = store.runs.search(
            filter_string, experiments=None if everywhere else where, order_by=order_by, limit=max_results, stage=stage
        )
    return store.runs.frame(records) if wants_frame(output_format) else records
