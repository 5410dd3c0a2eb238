"""`holdall model show`: all there is to say about a registered model, a version, or a logged model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from holdall.surfaces.cli.environment import main_facts
from holdall.surfaces.cli.listing import rows_of
from holdall.surfaces.cli.model import aliases_text, model, model_json
from holdall.surfaces.cli.program import json_option, not_empty, opened
from holdall.surfaces.cli.run import record_json
from holdall.surfaces.cli.show import dataset_text, signed_text
from holdall.surfaces.cli.table import number, show_facts, show_json, show_table, when
from holdall.surfaces.cli.writer import say

if TYPE_CHECKING:
    from holdall.store import Deployment, LineageNode, LoggedModel, Metric, ModelCard, ModelVersion, Store


@model.command("show")
@click.argument("uri", metavar="NAME|URI", callback=not_empty)
@click.option("--lineage", is_flag=True, help="Also show which runs use it; looks at all runs of the store.")
@json_option
def show(uri: str, lineage: bool, as_json: bool) -> None:
    """Show a registered model by its name, or one version or logged model by its address.

    For a version: its run with metrics, environment, git commit and data sets, what that run read,
    where the model is deployed, and the digests of its files.

    \b
    Example: holdall model show models:/fraud@champion
    """
    store = opened()
    if uri.startswith(("models:/", "runs:/")):
        card = store.model_card(uri)
        used = store.artifacts.lineage(card.artifact_uri, direction="downstream").downstream if lineage else None
        (_version_document if as_json else _version_text)(card, used)
    else:
        (_model_document if as_json else _model_text)(store, uri)


# --- a registered model ---


def _versions(store: Store, name: str) -> list[ModelVersion]:
    quoted = name.replace("'", "''")
    return store.registry.search_versions(f"name = '{quoted}'", order_by=["version_number DESC"])


def _model_document(store: Store, name: str) -> None:
    found = store.registry.get_model(name)
    show_json(model_json(found) | {"versions": [asdict(each) for each in _versions(store, name)]})


def _model_text(store: Store, name: str) -> None:
    found = store.registry.get_model(name)
    facts = [
        ("model", found.name),
        ("about", found.description or ""),
        ("made", when(found.creation_timestamp)),
        ("changed", when(found.last_updated_timestamp)),
        ("aliases", aliases_text(found.aliases)),
    ]
    show_facts([(label, value) for label, value in facts if value])
    _section("tags", sorted(found.tags.items()))
    versions = _versions(store, name)
    if versions:
        say()
        show_table([["VERSION", "ALIASES", "STAGE", "MADE", "SOURCE"], *map(_row, versions)], fixed=[0, 3])


def _row(one: ModelVersion) -> list[str]:
    stage = one.current_stage if one.current_stage != "None" else "-"
    return [one.version, " ".join(one.aliases) or "-", stage, when(one.creation_timestamp)[:-3], one.source]


# --- a version, or a logged model ---


def _described(card: ModelCard) -> tuple[tuple[str, ...], dict[str, str | None] | None]:
    """Return the flavors and the signature, if it is a model."""
    model = card.model
    return (tuple(model.flavors), model.signature.to_dict() if model.signature else None) if model else ((), None)


def _version_document(card: ModelCard, used: Sequence[LineageNode] | None) -> None:
    flavors, signature = _described(card)
    show_json(
        {
            "uri": card.uri,
            "artifact_uri": card.artifact_uri,
            "digest": card.digest,
            "version": asdict(card.version) if card.version else None,
            "logged_model": asdict(card.logged) if card.logged else None,
            "flavors": flavors,
            "signature": signature,
            "run": record_json(card.run) | {"environment": dict(card.environment)},
            "inputs": [asdict(each) for each in card.run.inputs.dataset_inputs],
            "reads": [each.to_dictionary() for each in card.reads],
            "deployments": [asdict(each) for each in card.deployments],
            "signatures": [asdict(each) for each in card.signatures],
            "files": card.files,
        }
        | ({} if used is None else {"used_by": [node.to_dictionary() for node in used]})
    )


def _version_text(card: ModelCard, used: Sequence[LineageNode] | None) -> None:
    data = card.run.data
    flavors, signature = _described(card)
    show_facts(_identity(card, flavors))
    if card.logged:
        _show_logged(card.logged)
    _section("signature", [(key, text) for key, text in (signature or {}).items() if text])
    _section("params of the run", sorted(data.params.items()))
    _section("metrics of the run", ((key, number(value)) for key, value in sorted(data.metrics.items())))
    _section("environment", main_facts(card.environment))
    _section("given", [(one.context or "-", dataset_text(one.dataset)) for one in card.run.inputs.dataset_inputs])
    _section("read", [(read.uri or read.artifact_uri, read.digest or "some of it") for read in card.reads])
    _section("used by", [(node.run_id or "", f"{node.name} {node.status}, as {node.uri}") for node in used or ()])
    _section("deployed", [(each.where, _deployed(each)) for each in card.deployments])
    _section("signed by", [(each.key, signed_text(each)) for each in card.signatures])
    say("\nfiles")
    digests = [one.get("sha256", "") for one in card.files]
    rows = [["", *row, digest] for row, digest in zip(rows_of(card.files), digests, strict=True)]
    show_table(rows, right=[1], fixed=[3])


def _identity(card: ModelCard, flavors: Iterable[str]) -> list[tuple[str, str]]:
    version, logged, info = card.version, card.logged, card.run.info
    facts = [
        ("version", f"{version.version} of {version.name}" if version else ""),
        ("aliases", " ".join(version.aliases) if version else ""),
        ("stage", version.current_stage if version and version.current_stage != "None" else ""),
        ("about", (version.description or "") if version else ""),
        ("tags", " ".join(f"{key}={value}" for key, value in sorted(version.tags.items())) if version else ""),
        ("made", when(version.creation_timestamp) if version else ""),
        ("model", logged.model_id if logged else ""),
        ("flavors", ", ".join(flavors)),
        ("files at", card.artifact_uri),
        ("digest", card.digest),
        ("run", f"{info.run_name} ({info.run_id}), {info.status}"),
        ("started", when(info.start_time) + (f" by {info.user_id}" if info.user_id else "")),
    ]
    return [(name, value) for name, value in facts if value]


def _show_logged(logged: LoggedModel) -> None:
    _section("params of the model", sorted(logged.params.items()))
    _section("tags of the model", sorted(logged.tags.items()))
    if logged.metrics:
        say("\nmetrics of the model")
        show_table([_metric_row(one) for one in sorted(logged.metrics, key=lambda one: one.key)], right=[2])


def _metric_row(one: Metric) -> list[str]:
    return ["", one.key, number(one.value), f"step {one.step}", one.dataset_name or "-", one.run_id or ""]


def _deployed(one: Deployment) -> str:
    return f"{'until' if one.ended else 'since'} {when(one.timestamp)} as {one.uri}"


def _section(title: str, facts: Iterable[tuple[str, str]]) -> None:
    rows = list(facts)
    if rows:
        say(f"\n{title}")
        show_facts(rows, indent="  ")
