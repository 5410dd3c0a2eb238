"""`holdall store audit`: who did what, by the logs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from holdall.surfaces.cli.address import complete_experiment, complete_run, experiments_of, run_of
from holdall.surfaces.cli.program import not_empty, opened
from holdall.surfaces.cli.store import store
from holdall.surfaces.cli.table import when
from holdall.surfaces.cli.writer import say
from holdall.terminal import printable

if TYPE_CHECKING:
    from holdall.store import AuditRecord

_KEY = 19  # characters of a fingerprint, `sha256:` counted


@store.command("audit")
@click.option("--run", callback=not_empty, shell_complete=complete_run, help="Only this run.")
@click.option(
    "-e", "--experiment", callback=not_empty, shell_complete=complete_experiment, help="Only this one and its runs."
)
@click.option("--since", metavar="AGE", help="Leave out what is older, as in 7d, by the server's clock.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document a line, for programs.")
def audit(run: str | None, experiment: str | None, since: str | None, as_json: bool) -> None:
    """Show who did what: each entry of each log, and what collections did.

    The time is the server's. Users and programs are as they claim, and whoever may write to the bucket may claim
    anything; "signed by" is proven. See `holdall guide access`.

    \b
    Example: holdall store audit -e vision --since 7d
    """
    here = opened()
    run_id = run_of(here, run).id if run else None
    name = experiments_of(here, [experiment])[0].experiment_id if experiment else None
    log = None
    for record in here.maintenance.audit(run_id=run_id, experiment=name, since=since):
        if as_json:
            say(json.dumps(asdict(record)))
            continue
        if record.log != log:
            say(printable(record.log))
            log = record.log
        say(printable(_line(record)))


def _line(record: AuditRecord) -> str:
    number = "" if record.entry is None else f"{record.entry}"
    who = [f"{record.user} claims" if record.user else "", f"({record.writer})" if record.writer else ""]
    said = f"cannot be read: {record.problem}" if record.problem else "; ".join(record.did) or "nothing"
    skewed = f" [claims {when(record.claimed)}]" if _differ(record) else ""
    by = f"{' '.join(filter(None, who))}: " if any(who) else ""
    return f"  {number:>4}  {when(record.stored)}  {by}{said}{_signed(record)}{skewed}"


def _differ(record: AuditRecord) -> bool:
    """Return whether the writer's clock and the server's say times that are more than a minute apart."""
    times = record.stored, record.claimed
    return None not in times and abs((record.stored or 0) - (record.claimed or 0)) > 60_000


def _signed(record: AuditRecord) -> str:
    if record.signed_by is None:
        return ""
    if record.verified is None:
        return f"; says that {record.signed_by[:_KEY]} signed, not tried: pip install 'holdall[crypto]'"
    return f"; signed by {record.signed_by[:_KEY]}" if record.verified else "; THE SIGNATURE IS WRONG"
