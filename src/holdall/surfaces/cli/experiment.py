"""`holdall experiment`: the names that runs are grouped under, and which of their runs are kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

import click

from holdall.store import RetentionPolicy
from holdall.surfaces.cli.address import complete_experiment, experiments_of
from holdall.surfaces.cli.program import ask, json_option, not_empty, opened, program
from holdall.surfaces.cli.run import restorable_until, told_until
from holdall.surfaces.cli.table import counted, show_json, show_table, when
from holdall.surfaces.cli.writer import say, tell
from holdall.terminal import printable

_name = click.argument("name", callback=not_empty, shell_complete=complete_experiment)


@program.group("experiment")
def experiment() -> None:
    """List experiments, create, delete and shred them, say which of their runs are kept.

    \b
    Example: holdall experiment list
    """


@experiment.command("list")
@click.option("--all", "everything", is_flag=True, help="Include deleted ones.")
@json_option
def list_(everything: bool, as_json: bool) -> None:
    """List the experiments, with the number of their runs.

    \b
    Example: holdall experiment list --all
    """
    store = opened()
    found = store.experiments.search(stage=None if everything else "active")
    runs = Counter(id[:8] for id in store.maintenance.run_ids())  # a run's id begins like its experiment's
    if as_json:
        show_json([asdict(one) | {"runs": runs[one.experiment_id[:8]]} for one in found])
        return
    rows = [["NAME", "ID", "RUNS", "CREATED", "TAGS"]]
    for one in found:
        tags = " ".join(f"{key}={value}" for key, value in sorted(one.tags.items()))
        stage = " (deleted)" * (one.lifecycle_stage == "deleted")
        count = str(runs[one.experiment_id[:8]])
        rows.append([one.name + stage, one.experiment_id, count, when(one.creation_time), tags])
    show_table(rows, right=[2], fixed=[1, 2, 3])


@experiment.command("create")
@click.argument("name", callback=not_empty)
@click.option("--own-keys", is_flag=True, help="Seal its runs by keys of its own; the store must be encrypted.")
@json_option
def create(name: str, own_keys: bool, as_json: bool) -> None:
    """Create an experiment. Runs make theirs by themselves; this is for one with keys of its own.

    What is sealed by them becomes unreadable at once with `holdall experiment shred`. It is stored once within the
    experiment, and once more than elsewhere in the store.

    \b
    Example: holdall experiment create patients --own-keys
    """
    id = opened().experiments.create(name, encryption="own" if own_keys else None)
    show_json({"created": id, "name": name}) if as_json else say(printable(f"created  {name}  {id}"))


@experiment.command("delete")
@_name
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def delete(name: str, yes: bool, as_json: bool) -> None:
    """Delete an experiment and its runs. For seven days `holdall experiment restore` restores both.

    After that the next `holdall gc` purges the runs and frees their space; the experiment's name and tags stay.

    \b
    Example: holdall experiment delete digits --yes
    """
    store = opened()
    (found,) = experiments_of(store, [name])
    runs = store.runs.search(experiments=[found.experiment_id])
    gone = found.lifecycle_stage == "deleted"
    word = "deleted already" if gone else "delete"
    (tell if as_json else say)(printable(f"{word}  {found.name}  with {counted(len(runs), 'run')}"))
    if not gone or runs:
        ask(f"Delete the experiment with {counted(len(runs), 'run')}?", yes=yes)
        store.experiments.delete(found.experiment_id)
    ids = [record.info.run_id for record in runs]
    if as_json:
        show_json({"deleted": found.experiment_id, "runs": ids, "restorable_until": restorable_until()})
    elif not gone or runs:
        say(f"`holdall experiment restore` restores them until {told_until()}")


@experiment.command("restore")
@_name
@json_option
def restore(name: str, as_json: bool) -> None:
    """Restore an experiment, with the runs that were deleted with it and not purged since.

    \b
    Example: holdall experiment restore digits
    """
    store = opened()
    (found,) = experiments_of(store, [name])
    before = _active_runs(found.experiment_id)
    store.experiments.restore(found.experiment_id)
    ids = sorted(_active_runs(found.experiment_id) - before)
    if as_json:
        show_json({"restored": found.experiment_id, "runs": ids})
        return
    say(printable(f"restored  {found.name}  with {counted(len(ids), 'run')}"))


@experiment.command("shred")
@_name
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def shred(name: str, yes: bool, as_json: bool) -> None:
    """Destroy the keys that an experiment has of its own, so that nobody can read any of its runs any more.

    Nothing takes it back but a copy of the object that held them: in a backup or mirror of the store, or as an older
    version in a bucket that keeps those. Delete these too. What already was read or downloaded is not touched.

    \b
    Example: holdall experiment shred patients --yes
    """
    store = opened()
    (found,) = experiments_of(store, [name])
    plan = store.experiments.shred(found.experiment_id, dry_run=True)
    told = tell if as_json else say
    told(printable(f"destroy the keys of {plan.name}  with {counted(plan.runs, 'run')}"))
    told(f"copies of {plan.key} open them again: backups, mirrors, older versions in the bucket")
    ask(f"Make {counted(plan.runs, 'run')} unreadable for ever?", yes=yes)
    done = store.experiments.shred(found.experiment_id)
    if as_json:
        show_json(asdict(done))
        return
    say(printable(f"destroyed  the keys of {done.name}; {done.key} is gone. `holdall gc` frees what they sealed"))
    if done.versioned:
        say(f"the bucket keeps versions: delete the older ones of {done.key} there, or they open it again")


@experiment.command("retention")
@_name
@click.option("--expire", metavar="AGE", help="Keep a run until its last entry is so old: 90d, 12h, 2w.")
@click.option("--last", type=click.IntRange(min=1), help="Keep so many of the newest finished runs.")
@click.option("--best", type=(str, int), metavar="ORDER N", help="Keep the best N, as in --best 'metrics.loss ASC' 5.")
@click.option("--clear", is_flag=True, help="Keep every run again.")
@json_option
def retention(
    name: str, expire: str | None, last: int | None, best: tuple[str, int] | None, clear: bool, as_json: bool
) -> None:
    """Show or set which runs of an experiment are kept; `holdall gc` deletes the others.

    A run stays if any rule keeps it; and in any case what is registered or deployed, has the tag holdall.keep or is
    written to, with its parents and children. What is set replaces what was set before.

    \b
    Example: holdall experiment retention digits --expire 90d --last 3 --best 'metrics.loss ASC' 5
    """
    rules: dict[str, Any] = {"expire": expire, "last": last, "best": best}
    given = any(rule is not None for rule in rules.values())
    if given and clear:
        raise click.UsageError("--clear keeps every run: it goes with no rule")
    experiments = opened().experiments
    (found,) = experiments_of(opened(), [name])
    if given or clear:
        policy: RetentionPolicy | None = experiments.set_retention(found.experiment_id, **rules)
    else:
        policy = experiments.retention(found.experiment_id)
    policy = policy or RetentionPolicy()
    show_json(asdict(policy)) if as_json else say(str(policy))


def _active_runs(experiment_id: str) -> set[str]:
    return {record.info.run_id for record in opened().runs.search(experiments=[experiment_id])}
