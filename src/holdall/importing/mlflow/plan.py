"""An import of an MLflow, planned by reading its books."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

from holdall.errors import InvalidArgumentError, StoreNotFoundError
from holdall.importing.bringing import Bringer
from holdall.importing.found import FoundExperiment
from holdall.importing.marks import EXPERIMENT, first_name
from holdall.importing.mlflow.registry import HOLDING, FoundRegistered, RegistryBringer, RegistryFinder
from holdall.importing.mlflow.runs import KEY, RunFinder, found_experiment
from holdall.importing.mlflow.source import MlflowSource
from holdall.importing.planned import Planned
from holdall.moving import Brought
from holdall.store import Store


def plan_mlflow(store: Store, uri: str, registry_uri: str | None, experiments: Sequence[str]) -> Planned:
    """Return what an import of an MLflow would bring. Args, raises: as `holdall.importing.from_mlflow`."""
    source = MlflowSource(uri, registry_uri)
    bringer = Bringer(store, source.shown)
    chosen = _chosen(source, experiments)
    finder = RunFinder(source, store.runs.id_of)
    chosen = _as_first_named(store, source.shown, chosen)
    finder.read(chosen)
    runs = list(finder.runs())
    by_id = {run.source_id: run for run in runs if run.key == KEY + run.source_id}
    ids = frozenset(model.source_id for run in runs for model in run.models)
    registry = RegistryFinder(source, by_id, ids, finder.addresses)
    models = [] if experiments else registry.read()
    groups = [found_experiment(one, source.shown) for one in chosen]
    if models and HOLDING not in (group.name for group in groups):
        groups += [FoundExperiment(HOLDING)] if registry.holders else []

    def then() -> Iterator[Brought]:
        with_registry = RegistryBringer(bringer)
        yield from map(with_registry.bring, models)

    every = [*runs, *registry.holders.values()]
    problems = [*finder.problems, *registry.problems]
    return Planned(bringer, every, groups, problems, then, len(models), _count(models))


def _chosen(source: MlflowSource, names: Sequence[str]) -> list[Any]:
    every = source.experiments()
    lacking = [name for name in names if name not in {one.name for one in every}]
    if lacking:
        raise InvalidArgumentError(f"the source has no experiment {lacking[0]!r}")
    return [one for one in every if not names or one.name in names]


def _as_first_named(store: Store, source: str, chosen: Sequence[Any]) -> list[Any]:
    """Return experiments by the names of their first import, as their runs' ids here are computed from those."""
    try:
        there = [one.tags for one in store.experiments.search(stage=None)]
    except StoreNotFoundError:
        return list(chosen)
    taken, named = {one.name for one in chosen}, []  # a name that another has by now is that one's
    for one in chosen:
        names = (first_name(tags, source, str(one.experiment_id)) for tags in there if EXPERIMENT in tags)
        name = next(filter(None, names), one.name)
        copied = copy.copy(one)
        copied._name = one.name if name in taken else name
        named.append(copied)
    return named


def _count(models: Sequence[FoundRegistered]) -> int:
    return sum(len(model.versions) for model in models)
