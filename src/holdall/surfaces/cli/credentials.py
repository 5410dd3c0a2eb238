"""`holdall store credentials`: for a role, and for some hours."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence

import click

from holdall.store import ROLES
from holdall.surfaces.cli.policy import tell_of_ids
from holdall.surfaces.cli.program import not_empty, opened
from holdall.surfaces.cli.store import store
from holdall.surfaces.cli.table import when
from holdall.surfaces.cli.writer import say, tell

_SERVERS = ("aws", "minio", "ceph")


@store.command("credentials")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What they are for.")
@click.option(
    "-e", "--experiment", "experiments", multiple=True, metavar="NAME", callback=not_empty, help="Limit them to these."
)
@click.option("--for", "lifetime", default="12h", show_default=True, help="How long: 15m to 12h.")
@click.option("--role-arn", callback=not_empty, metavar="ARN", help="The role of AWS or Ceph that is assumed.")
@click.option("--server", type=click.Choice(_SERVERS), default="aws", show_default=True, help="Whose bucket it is.")
@click.option("--sts-endpoint", callback=not_empty, metavar="URL", help="A token service that is not AWS's own.")
@click.option("--session-name", callback=not_empty, metavar="NAME", help="What the server's own log calls them.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["env", "process"]),
    default="env",
    show_default=True,
    help="Lines for a shell, or what AWS's credential_process wants.",
)
def credentials(
    role: str,
    experiments: Sequence[str],
    lifetime: str,
    role_arn: str | None,
    server: str,
    sts_endpoint: str | None,
    session_name: str | None,
    form: str,
) -> None:
    """Print credentials by which a role may do its work in the store for some hours, and nothing else.

    A job that runs for longer has `credential_process = holdall store credentials ... --format process` in a profile
    of ~/.aws/config: then they are renewed before they end. See `holdall guide access`.

    \b
    Example: holdall store credentials --role writer -e vision --for 12h
    """
    from holdall.store import LEAST_TO_REFRESH, milliseconds  # few commands need what it loads

    if form == "process" and milliseconds("--for", lifetime) < LEAST_TO_REFRESH * 1000:
        raise click.UsageError(
            "with --format process let them last 30m or more: shorter ones would be renewed before each request"
        )
    found = opened().maintenance.credentials(
        role,
        experiments=experiments,
        lifetime=lifetime,
        role_arn=role_arn,
        dialect=server,
        sts_endpoint=sts_endpoint,
        session_name=session_name,
    )
    tell_of_ids(experiments)
    if form == "process":
        say(json.dumps(found.process))
        return
    for name, value in found.environment.items():
        say(f"export {name}={shlex.quote(value)}")
    tell(f"for a {role}, until {when(found.expires)}")
