"""What the active run was given and what it made: data sets and logged models, several at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from holdall.errors import InvalidNameError
from holdall.store import LoggedModelInput, LoggedModelOutput, listed
from holdall.surfaces.fluent.active import run_of


def log_inputs(
    datasets: Sequence[Any] | None = None,
    contexts: Sequence[str | None] | None = None,
    tags_list: Sequence[Mapping[str, Any] | None] | None = None,
    models: Sequence[LoggedModelInput] | None = None,
) -> None:
    """Say what the active run is given: data sets, each with what it is for, and logged models.

    Args:
        datasets: What `holdall.data.from_pandas` or `from_numpy` made, or MLflow's data sets.
        contexts: What each is for, such as "training"; as many as data sets, or None.
        tags_list: What else to say about each; likewise.
        models: Logged models that the run uses: `[LoggedModelInput(model_id)]`.

    Raises:
        NoActiveRunError: No run is active.
        InvalidNameError: There are not as many contexts or tags as data sets.
        TypeError: One is no data set.
        InvalidURIError: No logged model can have this id.

    Cost: none now; it rides on the next entry.

    Example:
        >>> import numpy
        >>> dataset = holdall.data.from_numpy(numpy.eye(3), source="s3://data/eye.npy", name="eye")
        >>> with holdall.start_run() as run:
        ...     holdall.log_inputs([dataset], contexts=["training"])
        >>> [given.dataset.name for given in holdall.get_run(run.id).inputs.dataset_inputs]
        ['eye']
    """
    given = listed("data sets", datasets, "[dataset]")
    purposes = _as_many("contexts", contexts, given, "['training']")
    words = _as_many("tags_list", tags_list, given, "[{'team': 'a'}]")
    run = run_of()
    for dataset, context, tags in zip(given, purposes, words, strict=True):
        run.log_input(dataset, context=context, tags=tags)
    run.log_models_used(listed("models", models, "[LoggedModelInput(model_id)]"))


def log_outputs(models: Sequence[LoggedModelOutput] | None = None) -> None:
    """Say which logged models the active run made besides those that it logged: `[LoggedModelOutput(model_id, step)]`.

    Raises: NoActiveRunError, InvalidURIError. Cost: none now; it rides on the next entry.

    Example:
        >>> from holdall.entities import LoggedModelOutput
        >>> with holdall.start_run() as pruning:
        ...     holdall.log_outputs([LoggedModelOutput(logged.model_id, step=3)])
        >>> holdall.get_run(pruning.run_id).outputs.model_outputs[0].step
        3
    """
    run_of().log_models_made(listed("models", models, "[LoggedModelOutput(model_id)]"))


def _as_many(what: str, given: Sequence[Any] | None, datasets: Sequence[Any], example: str) -> list[Any]:
    """Return one for each data set; None for each where nothing is given."""
    found = [None] * len(datasets) if given is None else listed(what, given, example)
    if len(found) != len(datasets):
        raise InvalidNameError(what, str(len(found)), f"there is one for each data set, and there are {len(datasets)}")
    return found
