"""`holdall model register`, `alias`, `rollback`, `delete`, `tag`, `deployed`: what changes what is known of models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from holdall.surfaces.cli.model import model
from holdall.surfaces.cli.program import ask, json_option, not_empty, opened
from holdall.surfaces.cli.table import counted, show_json, show_table, when
from holdall.surfaces.cli.writer import say, tell
from holdall.terminal import printable

if TYPE_CHECKING:
    from holdall.store import ModelVersion, Registry, Store


@model.command("register")
@click.argument("uri", callback=not_empty)
@click.argument("name", callback=not_empty)
@click.option("-t", "--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A tag of the version; repeatable.")
@click.option("--about", callback=not_empty, help="A description of the version.")
@json_option
def register(uri: str, name: str, tags: Sequence[str], about: str | None, as_json: bool) -> None:
    """Register the model at URI as the next version of NAME, and print its address.

    \b
    Example: holdall model register runs:/RUN_ID/model fraud --tag team=risk
    """
    made = opened().registry.register(uri, name, tags=dict(map(_tag, tags)), description=about)
    show_json(asdict(made)) if as_json else say(f"models:/{made.name}/{made.version}")


@model.command("alias")
@click.argument("name", callback=not_empty)
@click.argument("alias", callback=not_empty)
@click.argument("version", required=False, callback=not_empty)
@click.option("--delete", is_flag=True, help="Remove it.")
@click.option("--expected", metavar="VERSION", help="Only if it points there until then; 0: only if there is none.")
@json_option
def alias(name: str, alias: str, version: str | None, delete: bool, expected: str | None, as_json: bool) -> None:
    """Point an alias at a version; without VERSION, show its history, the latest last.

    \b
    Example: holdall model alias fraud champion 3
    """
    if version and delete:
        raise click.UsageError("give a version or --delete, not both")
    store = opened()
    if version:
        store.registry.set_alias(name, alias, version, expected=expected)
    elif delete:
        store.registry.delete_alias(name, alias, expected=expected)
    if version or delete:
        _show_alias(store, name, alias, as_json=as_json)
    else:
        _show_history(store, name, alias, as_json=as_json)


@model.command("rollback")
@click.argument("name", callback=not_empty)
@click.argument("alias", callback=not_empty)
@json_option
def rollback(name: str, alias: str, as_json: bool) -> None:
    """Point an alias at the version that it pointed at before; again, at the one before that.

    \b
    Example: holdall model rollback fraud champion
    """
    store = opened()
    store.registry.roll_back_alias(name, alias)
    _show_alias(store, name, alias, as_json=as_json)


@model.command("delete")
@click.argument("name", callback=not_empty)
@click.argument("version", required=False, callback=not_empty)
@click.option("--alias", callback=not_empty, help="The version that this alias points at.")
@click.option("--all", "everything", is_flag=True, help="The model itself, with all its versions.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def delete(name: str, version: str | None, alias: str | None, everything: bool, yes: bool, as_json: bool) -> None:
    """Delete a version of a registered model for good, and the aliases that point at it; its files stay in its run.

    Its run may be purged then, if no other version or tag holds it.

    \b
    Example: holdall model delete fraud 3 --yes
    """
    if (version is not None) + (alias is not None) + everything != 1:
        raise click.UsageError("name one: a VERSION, --alias ALIAS, or --all")
    registry = opened().registry
    if everything:
        going = [each.version for each in _versions(registry, name)]
        ask(f"Delete {printable(name)} with {counted(len(going), 'version')}?", yes=yes)
        registry.delete_model(name)
    else:
        found = registry.get_version_by_alias(name, alias) if alias else registry.get_version(name, version or "")
        going = [found.version]
        named = "".join(f", @{each}" for each in found.aliases)
        (tell if as_json else say)(printable(f"delete  models:/{name}/{found.version}{named}, of run {found.run_id}"))
        ask(f"Delete version {found.version}?", yes=yes)
        registry.delete_version(name, found.version)
    if as_json:
        show_json({"name": name, "versions": going, "model": everything})


@model.command("tag")
@click.argument("name", callback=not_empty)
@click.argument("key", callback=not_empty)
@click.argument("value", required=False)
@click.option("--version", callback=not_empty, help="Of this version, instead of the model.")
@click.option("--delete", is_flag=True, help="Remove it.")
@json_option
def tag(name: str, key: str, value: str | None, version: str | None, delete: bool, as_json: bool) -> None:
    """Set a tag of a registered model or of one of its versions, or remove it.

    \b
    Example: holdall model tag fraud team risk --version 3
    """
    if (value is None) != delete:
        raise click.UsageError("give a VALUE, or --delete")
    registry = opened().registry
    if version:
        registry.set_version_tag(name, version, key, value)
        tags = registry.get_version(name, version).tags
    else:
        registry.set_model_tag(name, key, value)
        tags = registry.get_model(name).tags
    if as_json:
        show_json({"name": name, "version": version, "tags": tags})


@model.command("deployed")
@click.argument("uri", callback=not_empty)
@click.option(
    "--where", required=True, callback=not_empty, metavar="TEXT", help="Where it is deployed, in your own words."
)
@click.option("--ended", is_flag=True, help="It is no longer deployed there.")
@json_option
def deployed(uri: str, where: str, ended: bool, as_json: bool) -> None:
    """Record that a model is deployed somewhere; `holdall model show` lists it.

    \b
    Example: holdall model deployed models:/fraud@champion --where "eu-west, canary"
    """
    found = opened().deployments.record(uri, where, ended=ended)
    if as_json:
        show_json(asdict(found))
        return
    say(printable(f"{found.uri} {'until' if ended else 'since'} {when(found.timestamp)} at {found.where}"))


def _show_alias(store: Store, name: str, alias: str, *, as_json: bool) -> None:
    version = store.registry.get_model(name).aliases.get(alias)
    if as_json:
        show_json({"name": name, "alias": alias, "version": version})
    else:
        say(printable(f"{name}@{alias} = {version}" if version else f"{name}@{alias} is no more"))


def _show_history(store: Store, name: str, alias: str, *, as_json: bool) -> None:
    moves = store.registry.alias_history(name, alias)
    if as_json:
        show_json([asdict(move) for move in moves])
    elif moves:
        show_table([["WHEN", "VERSION"], *([when(move.timestamp), move.version or "removed"] for move in moves)])


def _versions(registry: Registry, name: str) -> Sequence[ModelVersion]:
    """Return all versions of a model. Raises: ModelNotFoundError."""
    registry.get_model(name)
    quoted = name.replace("'", "''")
    return registry.search_versions(f"name = '{quoted}'", order_by=["version_number ASC"])


def _tag(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise click.UsageError(f"{text!r} is not KEY=VALUE")
    return key, value
