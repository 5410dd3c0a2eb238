"""`holdall store policy`: what to tell a bucket's server of who may do what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import click

from holdall.settings import read_settings
from holdall.store import DIALECTS, LOCK_MODES, ROLES, lock
from holdall.surfaces.cli.program import not_empty, opened
from holdall.surfaces.cli.store import store
from holdall.surfaces.cli.table import show_json
from holdall.surfaces.cli.writer import tell


@store.command("policy")
@click.argument("role", type=click.Choice(ROLES), required=False)
@click.option(
    "-e", "--experiment", "experiments", multiple=True, metavar="NAME", callback=not_empty, help="Limit it to these."
)
@click.option("--for", "dialect", type=click.Choice(DIALECTS), help="The server; by the address when not given.")
@click.option(
    "--bucket-policy",
    "principals",
    multiple=True,
    metavar="[ROLE=]ARN",
    callback=not_empty,
    help="Print the bucket's policy instead, which lets these have the role and denies everything else.",
)
@click.option("--lock", "days", type=int, metavar="DAYS", help="Print the bucket's Object Lock configuration instead.")
@click.option("--mode", type=click.Choice(LOCK_MODES), default=LOCK_MODES[0], help="Who may undo a lock.")
def policy(
    role: str | None,
    experiments: Sequence[str],
    dialect: str | None,
    principals: Sequence[str],
    days: int | None,
    mode: str,
) -> None:
    """Print the policy by which ROLE may do its work in the store, and nothing else, as JSON.

    What it cannot prevent is said on the standard error.

    \b
    Example: holdall --store s3://models/team store policy writer -e vision --for aws
    """
    if days is not None:
        show_json(lock(days, mode))
        tell(
            "it holds for the whole bucket; what is deleted meanwhile is hidden and takes space (holdall guide access)"
        )
        return
    if role is None:
        raise click.UsageError(f"which role? {', '.join(ROLES)}")
    care = opened().maintenance
    if principals:
        who = _by_role(role, principals)
        show_json(care.bucket_policy(who, dialect=dialect, experiments=experiments))
        roles = list(who)
    else:
        show_json(care.access_policy(role, dialect=dialect, experiments=experiments))
        roles = [role]
    for each in roles:
        limits = experiments if each in ("reader", "writer") else ()
        for line in care.access_caveats(each, dialect=dialect, experiments=limits):
            tell(f"not prevented: {line}")
    tell_of_ids(experiments)


def tell_of_ids(experiments: Sequence[str]) -> None:
    """Say whose ids the experiments have where no key is given, since nobody looks whether the store needs one."""
    if experiments and read_settings().unlock is None:
        tell("this is of a store that is not encrypted; for another one set a key of it, such as HOLDALL_IDENTITY")


def _by_role(role: str, principals: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for text in principals:
        name, equals, arn = text.partition("=")
        found[name if equals and name in ROLES else role].append(arn if equals and name in ROLES else text)
    return dict(found)
