"""A run as OpenLineage tells it: the events START and COMPLETE (or FAIL, ABORT), with inputs and outputs.

    run        the run's id, as a UUID; its parent run as the facet `parent`
    job        namespace: the store; name: the experiment
    inputs     what it read of other runs, data sets that it was given, what it refers to elsewhere
    outputs    each file or directory at its root

A data set of a store is called by the store's address and `runs/<run id>/<path>`;
one elsewhere as OpenLineage calls it, such as `s3://bucket` and the key. What a
facet pins is the digest. The events are of version 2-0-2 of the published schema.

Rules without I/O: values in, JSON out.
"""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from holdall.format.tree import Entry, Kind
from holdall.runs.elsewhere import Reference
from holdall.runs.inputs import inputs_of
from holdall.runs.links import model_inputs_of
from holdall.runs.reads import content_digest, reads_of
from holdall.runs.record import PARENT, RunRecord

SCHEMA: Final = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
PRODUCER: Final = "https://pypi.org/project/holdall"
_FACETS: Final = "https://openlineage.io/spec/facets"
_ENDS: Final = {"FINISHED": "COMPLETE", "FAILED": "FAIL", "KILLED": "ABORT"}
_MOST: Final = 1_000  # outputs
_Json = dict[str, Any]


def events(
    record: RunRecord, entries: Iterable[Entry], references: Sequence[Reference], *, namespace: str, job: str
) -> list[_Json]:
    """Return a run's events, oldest first: START, and if it has ended how.

    Args:
        record: The run.
        entries: What it holds.
        references: What it refers to elsewhere.
        namespace: Of the job, and of the store's data sets: the store's address.
        job: What the job is called.
    """
    info, tags = record.info, record.data.tags
    facets: _Json = {"holdall": _facet("", params=dict(record.data.params), metrics=_numbers(record.data.metrics))}
    if parent := tags.get(PARENT):
        facets["parent"] = _facet(
            "1-0-1/ParentRunFacet.json#/$defs/ParentRunFacet",
            run={"runId": _uuid(parent)},
            job={"namespace": namespace, "name": job},
        )
    told: _Json = {
        "run": {"runId": _uuid(info.run_id), "facets": facets},
        "job": {"namespace": namespace, "name": job, "facets": {}},
        "inputs": _inputs(tags, references, namespace),
        "producer": PRODUCER,
        "schemaURL": SCHEMA,
    }
    begun = {"eventType": "START", "eventTime": _time(info.start_time), **told, "outputs": []}
    if info.status not in _ENDS or info.end_time is None:
        return [begun]
    outputs = _outputs(info.run_id, entries, namespace)
    ended = {"eventType": _ENDS[info.status], "eventTime": _time(info.end_time), **told, "outputs": outputs}
    return [begun, ended]


def _inputs(tags: Mapping[str, str], references: Sequence[Reference], namespace: str) -> list[_Json]:
    found = [
        _dataset(
            namespace if read.store is None else f"holdall:{read.store}",
            f"runs/{read.run_id}/{read.path}".rstrip("/"),
            read.digest,
        )
        for read in reads_of(tags)
    ]
    found += [_dataset(namespace, f"models/{used.model_id}", None) for used in model_inputs_of(tags)]
    for given in inputs_of(tags).dataset_inputs:
        one = given.dataset
        place, name = _address(_source(one.source)) or (namespace, f"data/{one.name}")
        found.append(_dataset(place, name, one.digest, fields=_fields(one.schema)))
    for reference in references:
        place, name = _address(reference.uri) or (namespace, reference.uri)
        found.append(_dataset(place, name, reference.digest))
    return list({(each["namespace"], each["name"]): each for each in found}.values())


def _outputs(run_id: str, entries: Iterable[Entry], namespace: str) -> list[_Json]:
    tops: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        tops[entry.path.partition("/")[0]].append(entry)
    found = []
    for top in sorted(tops)[:_MOST]:
        one = _dataset(namespace, f"runs/{run_id}/{top}", content_digest(tops[top], top)[0])
        files = [entry for entry in tops[top] if entry.kind is Kind.FILE]
        one["outputFacets"] = {
            "outputStatistics": _facet(
                "1-0-2/OutputStatisticsOutputDatasetFacet.json#/$defs/OutputStatisticsOutputDatasetFacet",
                size=sum(entry.size for entry in files),
                fileCount=len(files),
            )
        }
        found.append(one)
    return found


def _dataset(namespace: str, name: str, digest: str | None, *, fields: Sequence[_Json] = ()) -> _Json:
    facets: _Json = {}
    if digest:
        facets["version"] = _facet(
            "1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet", datasetVersion=digest
        )
    if fields:
        facets["schema"] = _facet("1-1-1/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet", fields=list(fields))
    return {"namespace": namespace, "name": name, "facets": facets}


def _facet(schema: str, **told: Any) -> _Json:
    where = f"{_FACETS}/{schema}" if schema else f"{PRODUCER}#holdall"
    return {"_producer": PRODUCER, "_schemaURL": where, **told}


def _source(source: str) -> str:
    """Return the address in a data set's source, which is a JSON text or an address."""
    try:
        body = json.loads(source)
    except (ValueError, RecursionError):
        return source
    texts = [body.get(name) for name in ("uri", "url", "path")] if isinstance(body, dict) else [body]
    return next((text for text in texts if isinstance(text, str)), "")


def _address(uri: str) -> tuple[str, str] | None:
    """Return namespace and name of something elsewhere, as OpenLineage calls it; None if that is no address."""
    scheme, colon, rest = uri.partition("://")
    place, _, name = rest.partition("/")
    if not colon or not scheme.isalnum() or not (name or place):
        return None
    if scheme == "file":
        return "file", f"/{name}"
    return f"{scheme}://{place}", name.rstrip("/") or "/"


def _fields(schema: str | None) -> list[_Json]:
    """Return the columns that a data set's schema names, as MLflow writes them."""
    try:
        columns = json.loads(schema or "{}")["mlflow_colspec"]
        return [{"name": str(each["name"]), "type": str(each.get("type", ""))} for each in columns if "name" in each]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []


def _numbers(metrics: Mapping[str, float]) -> dict[str, float | str]:
    """Return measurements as JSON has them, in which there is no NaN."""
    return {key: value if value - value == 0 else str(value) for key, value in metrics.items()}


def _uuid(id: str) -> str:
    """Return a run's id as a UUID; a parent's that is none of ours by its digest."""
    try:
        return str(uuid.UUID(hex=id))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, id))


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
