"""Where something came from and what came of it: both ways, by digest too, whatever tags and runs say or lack."""

from __future__ import annotations

import json
import re
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tests.support.shell import Shell
from tests.support.stores import tiny_store

import holdall
from holdall.errors import ArtifactNotFoundError, InvalidArgumentError
from holdall.runs.openlineage import events
from holdall.runs.reads import ReadArtifact, read_tag
from holdall.storage.memory import MemoryBucket
from holdall.store import Lineage, LineageNode, LoggedModelInput, Run, Store


@pytest.fixture
def store() -> Store:
    return tiny_store(MemoryBucket())


def _made(store: Store, name: str, *reads: str, **files: str) -> Run:
    """A run that read some artifacts and logged some files."""
    with store.runs.start(name=name) as run:
        for uri in reads:
            run.use_artifact(uri)
        for path, text in files.items():
            run.log_text(text, path)
    return run


@pytest.fixture
def chain(store: Store) -> dict[str, Run]:
    """prepare -> train -> score, and another that read equal content elsewhere."""
    prepare = _made(store, "prepare", data="rows")
    train = _made(store, "train", f"runs:/{prepare.id}/data", model="weights")
    score = _made(store, "score", f"runs:/{train.id}/model", scores="1")
    copy = _made(store, "copy", same="rows")
    other = _made(store, "other", f"runs:/{copy.id}/same")
    return {run.info.run_name: run for run in (prepare, train, score, copy, other)}


def _names(nodes: tuple[LineageNode, ...]) -> list[str | None]:
    return [each.name for node in nodes for each in node.each() if each.kind == "run"]


def test_upstream_leads_to_what_it_was_made_of(store: Store, chain: dict[str, Run]) -> None:
    """Run by run, with the digest of each thing that was read."""
    found = store.artifacts.lineage(f"runs:/{chain['score'].id}/scores")
    assert _names(found.upstream) == ["score", "train", "prepare"]
    read = found.upstream[0].nodes[0]
    assert (read.kind, read.uri) == ("artifact", f"runs:/{chain['train'].id}/model")
    assert read.digest == f"sha256:{chain['train'].manifest['model']}"
    assert (found.downstream, found.complete) == ((), True)


def test_downstream_leads_to_who_read_it_or_equal_content(store: Store, chain: dict[str, Run]) -> None:
    """By its place, and by its digest where the same bytes lie elsewhere."""
    found = store.artifacts.lineage(f"runs:/{chain['prepare'].id}/data")
    assert _names(found.downstream) == ["train", "score", "other"]
    folder = store.artifacts.lineage(f"runs:/{chain['prepare'].id}")
    assert _names(folder.downstream) == ["train", "score", "other"]


def test_each_direction_alone_and_so_far(store: Store, chain: dict[str, Run]) -> None:
    """What is cut off is said to be."""
    uri = f"runs:/{chain['prepare'].id}/data"
    assert store.artifacts.lineage(uri, direction="upstream").downstream == ()
    down = store.artifacts.lineage(uri, direction="downstream", depth=1)
    assert (down.upstream, _names(down.downstream), down.complete) == ((), ["train", "score", "other"], False)
    up = store.artifacts.lineage(f"runs:/{chain['score'].id}/scores", depth=1)
    assert (_names(up.upstream), up.complete) == (["score", "train"], False)
    for wrong in ({"depth": 0}, {"direction": "sideways"}):
        with pytest.raises(InvalidArgumentError):
            store.artifacts.lineage(uri, **wrong)
    with pytest.raises(ArtifactNotFoundError):
        store.artifacts.lineage(f"{uri}/nothing")


def test_a_circle_ends(store: Store) -> None:
    """Runs that read one another, as anybody's tags may say, are each followed once."""
    one, two = store.runs.start(name="one"), store.runs.start(name="two")
    for run, other in ((one, two), (two, one)):
        run.log_text("x", run.info.run_name)
        run.set_tags(read_tag(ReadArtifact(other.id, "", time=1)))
        run.finish()
    found = store.artifacts.lineage(f"runs:/{one.id}")
    assert _names(found.upstream) == ["one", "two", "one"]
    assert [node.again for node in found.upstream[0].each() if node.kind == "run"] == [False, False, True]
    assert [(node.name, node.again) for node in found.downstream[0].each()] == [("two", False), ("one", True)]


def test_a_run_that_is_not_there_is_an_end(store: Store, chain: dict[str, Run]) -> None:
    """Purged, of another store, or never there: it is named and stops nothing."""
    chain["prepare"].delete()
    store.maintenance.purge(chain["prepare"].id)
    found = store.artifacts.lineage(f"runs:/{chain['score'].id}/scores")
    (missing,) = [node for node in found.upstream[0].each() if node.kind == "missing"]
    assert missing.run_id == chain["prepare"].id
    run = store.runs.start()
    run.log_text("x", "x")
    run.set_tags(read_tag(ReadArtifact("1" * 32, "far", store="2" * 32, time=1)))
    run.finish()
    (far,) = store.artifacts.lineage(f"runs:/{run.id}").upstream[0].nodes
    assert (far.kind, far.run_id, far.nodes) == ("artifact", "1" * 32, ())


def test_more_than_anybody_reads_is_cut(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many things of one direction, and no more; and it says so."""
    monkeypatch.setattr("holdall.runs.lineage.MOST", 5)
    source = _made(store, "source", data="x")
    readers = [_made(store, f"{n}", f"runs:/{source.id}/data") for n in range(8)]
    found = store.artifacts.lineage(f"runs:/{source.id}/data")
    assert (len(found.downstream), found.complete) == (5, False)
    last = _made(store, "last", *(f"runs:/{run.id}" for run in readers))
    found = store.artifacts.lineage(f"runs:/{last.id}", direction="upstream")
    assert (sum(node.kind == "artifact" for node in found.upstream[0].each()), found.complete) == (5, False)


def test_models_data_sets_and_references_are_on_the_way(store: Store, tmp_path: Path) -> None:
    """What a run was given and refers to, and logged models that it says it used, each as what it is."""
    with store.runs.start(name="train") as train:
        info = store.models.log(train, lambda model_input: model_input, "model", pip_requirements=[])
    elsewhere = holdall.open("memory://lineage-elsewhere")
    elsewhere.maintenance.create()
    with store.runs.start(name="use") as use:
        use.log_models_used([LoggedModelInput(info.model_id)])
        use.log_input({"name": "digits", "digest": "7", "source_type": "s3", "source": '{"uri": "s3://b/digits"}'})
        use.log_reference("memory://lineage-elsewhere/holdall.json", "far")
    found = store.artifacts.lineage(f"runs:/{use.id}", direction="upstream")
    kinds = {node.kind: node for node in found.upstream[0].nodes}
    assert kinds["artifact"].uri == f"models:/{info.model_id}"
    assert _names(kinds["artifact"].nodes) == ["train"]
    assert (kinds["data set"].name, kinds["data set"].digest) == ("digits", "7")
    assert (kinds["elsewhere"].name, kinds["elsewhere"].uri[:9]) == ("far", "memory://")
    below = store.artifacts.lineage(info.model_uri, direction="downstream")
    assert _names(below.downstream) == ["use"]


def test_what_it_costs(chain: dict[str, Run], store: Store) -> None:
    """Downstream all runs are looked at once, however deep it goes: a listing, and a GET for each."""
    asked: list[str] = []
    bucket = store._location.bucket
    get = bucket.get
    bucket.get = lambda key, **more: asked.append(key) or get(key, **more)  # type: ignore[method-assign, func-returns-value]
    store.artifacts.lineage(f"runs:/{chain['prepare'].id}/data", direction="downstream")
    assert len([key for key in asked if key.startswith("runs/")]) <= 2 * len(chain)


def test_lineage_as_plain_values(store: Store, chain: dict[str, Run]) -> None:
    """JSON of it has all, and nothing empty."""
    found = store.artifacts.lineage(f"runs:/{chain['train'].id}/model")
    body = json.loads(json.dumps(found.to_dictionary()))
    assert body["downstream"][0]["name"] == "score"
    assert body["upstream"][0]["nodes"][0]["nodes"][0]["name"] == "prepare"
    assert "again" not in body["upstream"][0]
    assert isinstance(found, Lineage)


# --- OpenLineage --------------------------------------------------------------------------------------

# What the published schema demands of a RunEvent (2-0-2), in short: required fields, and how they look.
_URI = re.compile(r"[a-z][a-z0-9+.-]*:[^\s]+")


def _check_facets(facets: dict[str, Any]) -> None:
    for facet in facets.values():
        assert _URI.fullmatch(facet["_producer"])
        assert _URI.fullmatch(facet["_schemaURL"])


def _check_event(event: dict[str, Any]) -> None:
    """Hold an event against the schema's rules."""
    assert {"eventType", "eventTime", "run", "job", "inputs", "outputs", "producer", "schemaURL"} == event.keys()
    assert event["eventType"] in ("START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER")
    assert datetime.fromisoformat(event["eventTime"]).tzinfo is not None
    assert str(uuid.UUID(event["run"]["runId"])) == event["run"]["runId"]
    assert _URI.fullmatch(event["producer"])
    assert event["schemaURL"].endswith("#/$defs/RunEvent")
    _check_facets(event["run"]["facets"])
    _check_facets(event["job"]["facets"])
    for place in (event["job"], *event["inputs"], *event["outputs"]):
        for name in ("namespace", "name"):
            assert isinstance(place[name], str)
            assert place[name]
    for dataset in (*event["inputs"], *event["outputs"]):
        _check_facets(dataset["facets"])
    for output in event["outputs"]:
        _check_facets(output["outputFacets"])
    assert json.loads(json.dumps(event, allow_nan=False)) == event


@pytest.fixture
def told(store: Store, chain: dict[str, Run]) -> list[dict[str, Any]]:
    """The events of a run with everything."""
    parent = store.runs.start(name="parent")
    with store.runs.start(name="child", parent=parent.id) as run:
        run.log_params({"rate": 0.1})
        run.log_metrics({"loss": float("nan"), "accuracy": 0.5})
        run.use_artifact(f"runs:/{chain['prepare'].id}/data")
        schema = json.dumps({"mlflow_colspec": [{"name": "a", "type": "double"}]})
        given = {"name": "digits", "digest": "7", "source_type": "s3", "source": '{"uri": "s3://b/p/digits.csv"}'}
        run.log_input({**given, "schema": schema})
        run.log_text("x", "model/weights")
        run.log_text("y", "model/config")
        run.log_text("z", "notes.txt")
    return run.openlineage(job="nightly")


def test_a_run_is_two_events(told: list[dict[str, Any]]) -> None:
    """As the published schema wants them, with inputs and outputs by their digests."""
    for event in told:
        _check_event(event)
    begun, ended = told
    assert (begun["eventType"], ended["eventType"]) == ("START", "COMPLETE")
    assert begun["outputs"] == []
    inputs = {each["name"]: each for each in ended["inputs"]}
    assert inputs["p/digits.csv"]["namespace"] == "s3://b"
    assert inputs["p/digits.csv"]["facets"]["schema"]["fields"] == [{"name": "a", "type": "double"}]
    (read,) = [each for name, each in inputs.items() if name.endswith("/data")]
    assert read["facets"]["version"]["datasetVersion"].startswith("sha256:")
    outputs = {each["name"].rpartition("/")[2]: each for each in ended["outputs"]}
    assert outputs["model"]["outputFacets"]["outputStatistics"]["fileCount"] == 2
    assert set(outputs) == {"model", "notes.txt"}
    assert ended["run"]["facets"]["holdall"]["metrics"] == {"loss": "nan", "accuracy": 0.5}
    assert "parent" in ended["run"]["facets"]
    assert ended["job"]["name"] == "nightly"


@pytest.mark.parametrize(("status", "kind"), [("FAILED", "FAIL"), ("KILLED", "ABORT"), ("FINISHED", "COMPLETE")])
def test_how_a_run_ended_is_told(store: Store, status: str, kind: str) -> None:
    """In OpenLineage's words; of a run that goes on only that it began."""
    run = store.runs.start()
    assert [event["eventType"] for event in run.openlineage()] == ["START"]
    run.finish(status)
    assert [event["eventType"] for event in run.openlineage()] == ["START", kind]


def test_the_client_of_openlineage_takes_the_events(told: list[dict[str, Any]]) -> None:
    """Where its package is installed, its own classes are made of them."""
    v2 = pytest.importorskip("openlineage.client.event_v2", reason="openlineage-python is not installed")
    for event in told:
        run, job = event["run"], event["job"]
        made = v2.RunEvent(
            eventTime=event["eventTime"],
            eventType=v2.RunState[event["eventType"]],
            run=v2.Run(runId=run["runId"]),
            job=v2.Job(**job),
            inputs=[v2.InputDataset(**each) for each in event["inputs"]],
            outputs=[v2.OutputDataset(**each) for each in event["outputs"]],
            producer=event["producer"],
        )
        assert made.run.runId == run["runId"]


def test_what_tags_say_wrongly_is_passed_over(store: Store) -> None:
    """Parents that are no runs, sources that are no addresses: each still makes an event."""
    run = store.runs.start()
    run.set_tag("mlflow.parentRunId", "not a run")
    for n, source in enumerate(["", "{", "s3://", "://x", "file:///data/x", '{"uri": 5}', "[" * 5000]):
        run.log_input({"name": f"n{n}", "digest": "1", "source_type": "x", "source": source})
    record = run.record
    for event in events(record, run.entries(), [], namespace="s3://b", job="j"):
        _check_event(event)


# --- the command line -----------------------------------------------------------------------------------


def test_lineage_at_a_shell(tmp_path: Path) -> None:
    """As a tree of lines, as JSON, and as OpenLineage's events, one a line."""
    store, shell = holdall.open(str(tmp_path / "store")), Shell(tmp_path)
    prepare = _made(store, "prepare", data="rows")
    train = _made(store, "train", f"runs:/{prepare.id}/data", model="weights")
    lines = shell("artifact", "lineage", f"runs:/{train.id}/model").splitlines()
    assert lines[1] == f"  made by {train.id} train FINISHED"
    assert lines[2].startswith(f"    read runs:/{prepare.id}/data sha256:")
    assert lines[3] == f"      made by {prepare.id} prepare FINISHED"
    assert f"runs:/{prepare.id}/data" in shell("run", "show", train.id)
    down = shell("artifact", "lineage", f"runs:/{prepare.id}/data", "--direction", "downstream")
    assert f"read by {train.id} train FINISHED as runs:/{prepare.id}/data" in down
    assert shell.json("run", "lineage", train.id)["upstream"][0]["name"] == "train"
    told = [json.loads(line) for line in shell("run", "lineage", train.id, "--openlineage").splitlines()]
    assert [event["eventType"] for event in told] == ["START", "COMPLETE"]
    assert told[0]["job"]["name"] == "Default"
    for event in told:
        _check_event(event)


def test_a_model_shows_what_it_was_made_of_and_who_uses_it(tmp_path: Path) -> None:
    """What its run read always; who uses it where that is asked for."""
    store, shell = holdall.open(str(tmp_path / "store")), Shell(tmp_path)
    prepare = _made(store, "prepare", data="rows")
    train = _made(store, "train", f"runs:/{prepare.id}/data", model="weights")
    store.registry.register(f"runs:/{train.id}/model", "forest")
    score = _made(store, "score", "models:/forest/1", scores="1")
    shown = shell("model", "show", "models:/forest/1")
    assert f"runs:/{prepare.id}/data" in shown
    assert score.id not in shown
    assert f"{score.id}  score FINISHED, as models:/forest/1" in shell("model", "show", "models:/forest/1", "--lineage")
    told = shell("artifact", "lineage", "models:/forest/1")
    assert f"made by {train.id}" in told
    assert f"read by {score.id}" in told
    assert "no registered model 'none'" in shell("artifact", "lineage", "models:/none/1", code=1)
    body = shell.json("model", "show", "models:/forest/1", "--lineage")
    assert (body["reads"][0]["path"], body["used_by"][0]["run_id"]) == ("data", score.id)


def test_a_chain_longer_than_pythons_stack_is_told_whole() -> None:
    """Whoever may write runs may make one of any length."""
    node = LineageNode("run", "runs:/0")
    for at in range(1, 5):
        node = LineageNode("run", f"runs:/{at}", nodes=(node, LineageNode("data set", "d")))
    assert [below["uri"] for below in node.to_dictionary()["nodes"]] == ["runs:/3", "d"]
    for at in range(5, 401):
        node = LineageNode("run", f"runs:/{at}", nodes=(node,))
    body, depth = node.to_dictionary(), 0
    while "nodes" in body:
        body, depth = body["nodes"][0], depth + 1
    assert depth == 400


def test_a_damaged_reference_hides_only_what_it_says(store: Store) -> None:
    """The lineage of what was made of that run says that it is not complete."""
    hostile = _made(store, "hostile", data="rows")
    with store.runs.get(hostile.id) as run:
        run.log_text("not this", "x.holdall-reference")
        run.set_tag("holdall.references", "true")
    train = _made(store, "train", f"runs:/{hostile.id}/data", model="weights")
    found = store.artifacts.lineage(f"runs:/{train.id}/model")
    assert not found.complete
    assert found.upstream[0].nodes[0].nodes[0].run_id == hostile.id
