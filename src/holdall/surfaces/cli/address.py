"""Which run, artifact or experiment a person means.

On the command line a run's id may be shortened to any beginning that only it
has, and an experiment is called by its name. What is mistyped is answered with
what it may have been meant to be.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any, Final, TypeVar

import click
from click.shell_completion import CompletionItem

from holdall.errors import ExperimentNotFoundError, HoldallError, InvalidURIError, RunNotFoundError
from holdall.store import Experiment, Run, Store, side_by_side
from holdall.surfaces.cli.program import meant, not_empty, opened_while_typing
from holdall.surfaces.cli.table import table_lines

F = TypeVar("F", bound=Callable[..., Any])

_SCHEME: Final = "runs:/"
_OFFERED: Final = 100  # run ids that completion offers
_LISTED: Final = 10  # candidates that an error lists
_ASKED: Final = 24  # runs of a store that are asked for their names: of more, an error tells how to search


def run_of(store: Store, text: str) -> Run:
    """Return the run that an id, or the beginning of one, names.

    Raises:
        UsageError: No id begins so, or several do.
        RunNotFoundError: There is no such run.
    """
    word = text.removeprefix(_SCHEME).strip("/").lower()
    if not re.fullmatch(r"[0-9a-f]{1,32}", word):
        raise click.UsageError(f"{text!r} is not the id of a run, nor its beginning{_called(store, text)}")
    if len(word) == 32:
        return store.runs.get(word)
    found = store.maintenance.run_ids(word, limit=_LISTED + 1)
    if not found:
        raise RunNotFoundError(word, store.url)
    if len(found) > 1:
        raise click.UsageError(f"{text!r} is the beginning of several ids:\n{_candidates(store, found)}")
    return store.runs.get(found[0])


def address_of(store: Store, uri: str) -> tuple[Run, str]:
    """Return the run and the path ("" for the root) of `runs:/RUN_ID/PATH`.

    Raises:
        InvalidURIError: It is no such address; says what may have been meant.
    """
    if not uri.startswith(_SCHEME):
        raise InvalidURIError(uri, f"an artifact's address is runs:/RUN_ID/PATH{_meant_address(uri)}")
    word, _, path = uri.removeprefix(_SCHEME).strip("/").partition("/")
    return run_of(store, word), path


def uri_of(store: Store, uri: str) -> str:
    """Return the same address with the run's full id."""
    run, path = address_of(store, uri)
    return f"{_SCHEME}{run.id}/{path}".rstrip("/")


def experiments_of(store: Store, names: Sequence[str], there: Sequence[Experiment] | None = None) -> list[Experiment]:
    """Return the experiments of these names or ids, of all that are `there`. Raises: ExperimentNotFoundError."""
    if not names:
        return []
    there = store.experiments.all() if there is None else there
    by_name = {found.experiment_id: found for found in there} | {found.name: found for found in there}
    for name in names:
        if name not in by_name:
            raise ExperimentNotFoundError(name, store.url)
    return [by_name[name] for name in names]


def complete_run(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return run ids that begin so, for the shell's completion; none if the store cannot be read."""
    try:
        found = opened_while_typing(ctx).maintenance.run_ids(incomplete, limit=_OFFERED)
    except (HoldallError, OSError, ValueError, click.ClickException):
        return []
    return [CompletionItem(id) for id in found]


def complete_experiment(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return names of experiments that begin so, for completion; none with spaces or control characters."""
    try:
        found = opened_while_typing(ctx).experiments.all()
    except (HoldallError, OSError, ValueError, click.ClickException):
        return []
    return [CompletionItem(one.name) for one in found if one.name.startswith(incomplete) and one.name.isprintable()]


def run_argument(name: str = "run_id", **attributes: Any) -> Callable[[F], F]:
    """An argument that is a run, or several."""
    return click.argument(name, shell_complete=complete_run, **attributes)


experiment_option = click.option(
    "-e",
    "--experiment",
    "experiments",
    multiple=True,
    metavar="NAME",
    callback=not_empty,
    shell_complete=complete_experiment,
    help="Only this experiment; repeatable.",
)


def _called(store: Store, text: str) -> str:
    """Return the end of an error: the id of a run of this name, or of one like it; else how to find one by its name.

    Cost: a page of a listing or little more; in a store of few runs two requests for each, side by side.
    """
    how = f"; `holdall run search \"attributes.run_name LIKE '%{text}%'\"` finds one by its name"
    try:
        some = store.maintenance.run_ids(limit=_ASKED + 1)
        if len(some) > _ASKED:
            return how if text.isprintable() and "'" not in text else ""
        ids = {name: id for id, name in _names(store, some).items()}
    except HoldallError:
        return ""
    near = get_close_matches(text, ids, n=1)
    return f"; did you mean {ids[near[0]]}, which is called {near[0]!r}?" if near else ""


def _candidates(store: Store, ids: Sequence[str]) -> str:
    names = _names(store, ids[:_LISTED])
    lines = table_lines([["", id, names.get(id, "")] for id in ids[:_LISTED]], None)
    return "\n".join([*lines, *["  ..."][: len(ids) - _LISTED]])


def _names(store: Store, ids: Sequence[str]) -> dict[str, str]:
    """Return the names of runs that can be read. Cost: two requests for each or little more, side by side."""

    def name(id: str) -> str:
        try:
            return store.runs.get(id).record.info.run_name
        except HoldallError:
            return ""

    return {id: found for id, found in zip(ids, side_by_side(name, ids), strict=True) if found}


def _meant_address(uri: str) -> str:
    """Return the end of an error: the address that was perhaps meant."""
    found = re.fullmatch(r"((?:[A-Za-z]+(?:/|:/*))??)([0-9a-f]{4,32}(?:/.*)?)", uri)
    return f"; did you mean '{_SCHEME}{found[2]}'?" if found and (not found[1] or meant(found[1], [_SCHEME])) else ""
