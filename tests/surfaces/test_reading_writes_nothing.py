"""Whoever may only read can read: no reading verb of any surface asks the bucket to keep or remove something.

Every public name is in one of three tables: it reads, it writes, or it asks no store at
all. A name that is in none fails here, so that a new verb says which it is. The readers
are tried against buckets that refuse to write: of a store without experiments, of one
that has some of everything, and of one in a folder that must stay as it is.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import numpy as np
import PIL.Image
import pytest
from sklearn.linear_model import LinearRegression
from tests.support.shell import Shell
from tests.support.tensor_files import npy

import holdall
from holdall.__main__ import program
from holdall.chunks.pool import Pool
from holdall.errors import AccessDeniedError, HoldallError, RunHeldError
from holdall.maintenance.store import Maintenance
from holdall.modeling.models import Models
from holdall.naming.deployments import Deployments
from holdall.naming.registry import Registry
from holdall.runs.artifacts import Artifacts
from holdall.runs.experiment import Experiments
from holdall.runs.run import Run
from holdall.runs.run_index import RunIndex
from holdall.runs.runs import Runs
from holdall.runs.snapshot import RunSnapshot
from holdall.sharing.shares import Shares
from holdall.storage.bucket import Bytes
from holdall.storage.local import LocalBucket
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import TraceBucket
from holdall.store import KeySlots, Store
from holdall.surfaces.fluent import active


class ReadOnly(TraceBucket):
    """A bucket whose credentials allow no writing; it remembers what was tried."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner, lambda _: None)
        self.tried: list[str] = []

    def put(self, key: str, data: Bytes) -> None:
        self.tried.append(f"put {key}")
        raise AccessDeniedError(self.url, key, "PutObject is not allowed")

    def delete(self, key: str) -> None:
        self.tried.append(f"delete {key}")
        raise AccessDeniedError(self.url, key, "DeleteObject is not allowed")

    def delete_many(self, keys: Sequence[str]) -> None:
        self.tried.append(f"delete {', '.join(keys)}")
        raise AccessDeniedError(self.url, keys[0], "DeleteObject is not allowed")


@dataclass
class World:
    """What a verb is asked about, and how: names that a filled store has."""

    store: Store
    to: Path
    id: str = "0" * 32
    experiment: str = "0" * 16
    model_id: str = "m-" + "0" * 32

    @property
    def client(self) -> holdall.Client:
        return holdall.Client()

    @property
    def run(self) -> Run:
        return self.store.runs.get(self.id)

    @property
    def uri(self) -> str:
        return f"runs:/{self.id}"


Verb = Callable[[World], Any]
M, V, MODEL = "forest", 1, "models:/forest/1"
TABLE, TEXT, DICT, IMAGE = "table.json", "text.txt", "dict.json", "image.png"
RANGES = [(0, 1)]
NOBODY = "http://127.0.0.1:1"  # an address at which nothing answers, or is asked


def names(text: str) -> set[str]:
    return set(text.split())


def _all(found: Any) -> Any:
    """What a reader gives, read to its end."""
    found = found() if callable(found) else found
    return list(found) if isinstance(found, Iterator) else found


def _plan_purges(store: Store) -> list[object]:
    """A plan of every run, but for those that a version holds."""
    plans: list[object] = []
    for id in store.maintenance.run_ids():
        with suppress(RunHeldError):
            plans.append(store.maintenance.plan_purge(id))
    return plans


def _if_installed(verb: Callable[[], Any]) -> None:
    """Call what needs a package that is not always here; then nothing answers where it wants to go."""
    with suppress(Exception):
        verb()


def _of_active_run(w: World) -> str:
    """The one reader that needs a run to be active, without one that writes."""
    active._stack().append(active._Started(w.run, os.getpid(), None))
    return holdall.get_artifact_uri(TEXT)


def _flavor(name: str) -> dict[str, Verb]:
    return {
        "load_model": lambda w: importlib.import_module(f"holdall.{name}").load_model(_model(w, name), **_to(name, w))
    }


def _model(w: World, name: str) -> str:
    return MODEL if name in ("sklearn", "pyfunc") else f"{w.uri}/{TEXT}"


def _to(name: str, w: World) -> dict[str, Any]:
    return {} if name == "pyfunc" else {"dst_path": w.to}


FLAVORS = ("keras", "lightgbm", "onnx", "pyfunc", "pytorch", "sklearn", "tensorflow", "transformers", "xgboost")
_NOT_INSTALLED = (ImportError,)

# --- what reads: how it is called -----------------------------------------------

READS: dict[str, dict[str, Verb]] = {
    "holdall": {
        "get_experiment": lambda w: holdall.get_experiment(w.experiment),
        "get_experiment_by_name": lambda _: holdall.get_experiment_by_name("vision"),
        "get_logged_model": lambda w: holdall.get_logged_model(w.model_id),
        "get_metric_history": lambda w: holdall.get_metric_history(w.id, "loss"),
        "get_artifact_uri": lambda w: _of_active_run(w),
        "get_parent_run": lambda w: holdall.get_parent_run(w.id),
        "get_run": lambda w: holdall.get_run(w.id),
        "last_logged_model": lambda _: holdall.last_logged_model(),
        "load_model": lambda _: holdall.load_model(MODEL),
        "load_table": lambda _: holdall.load_table(TABLE),
        "search_experiments": lambda _: holdall.search_experiments(view_type=3),
        "search_logged_models": lambda _: holdall.search_logged_models(),
        "search_model_versions": lambda _: holdall.search_model_versions(),
        "search_registered_models": lambda _: holdall.search_registered_models(),
        "compare": lambda w: holdall.compare([w.id, w.id]),
        "search_runs": lambda _: holdall.search_runs(),
        "active_run": lambda _: holdall.active_run(),
        "last_active_run": lambda _: holdall.last_active_run(),
    },
    "holdall.Client": {
        "download_artifacts": lambda w: w.client.download_artifacts(w.id, TEXT, w.to),
        "get_experiment": lambda w: w.client.get_experiment(w.experiment),
        "get_experiment_by_name": lambda w: w.client.get_experiment_by_name("vision"),
        "get_latest_versions": lambda w: w.client.get_latest_versions(M),
        "artifact_versions": lambda w: w.client.artifact_versions(w.id, TEXT),
        "get_logged_model": lambda w: w.client.get_logged_model(w.model_id),
        "get_metric_history": lambda w: w.client.get_metric_history(w.id, "loss"),
        "get_model_version": lambda w: w.client.get_model_version(M, V),
        "get_model_version_by_alias": lambda w: w.client.get_model_version_by_alias(M, "best"),
        "get_model_version_download_uri": lambda w: w.client.get_model_version_download_uri(M, V),
        "get_model_version_stages": lambda w: w.client.get_model_version_stages(M, V),
        "get_parent_run": lambda w: w.client.get_parent_run(w.id),
        "get_registered_model": lambda w: w.client.get_registered_model(M),
        "get_run": lambda w: w.client.get_run(w.id),
        "list_artifacts": lambda w: w.client.list_artifacts(w.id),
        "list_logged_model_artifacts": lambda w: w.client.list_logged_model_artifacts(w.model_id),
        "load_table": lambda w: w.client.load_table(w.store.experiments.id_of(), TABLE),
        "search_experiments": lambda w: w.client.search_experiments(),
        "search_logged_models": lambda w: w.client.search_logged_models([w.experiment]),
        "search_model_versions": lambda w: w.client.search_model_versions(),
        "search_registered_models": lambda w: w.client.search_registered_models(),
        "search_runs": lambda w: w.client.search_runs([w.experiment]),
    },
    "holdall.artifacts": {
        "artifact_versions": lambda w: holdall.artifacts.artifact_versions(f"{w.uri}/{TEXT}"),
        "diff": lambda w: holdall.artifacts.diff(w.uri, w.uri),
        "download_artifacts": lambda w: holdall.artifacts.download_artifacts(w.uri, dst_path=w.to),
        "list_artifacts": lambda w: holdall.artifacts.list_artifacts(w.uri),
        "load_dict": lambda w: holdall.artifacts.load_dict(f"{w.uri}/{DICT}"),
        "load_image": lambda w: holdall.artifacts.load_image(f"{w.uri}/{IMAGE}"),
        "load_table": lambda w: holdall.artifacts.load_table(f"{w.uri}/{TABLE}"),
        "load_text": lambda w: holdall.artifacts.load_text(f"{w.uri}/{TEXT}"),
        "open_artifact": lambda w: holdall.artifacts.open_artifact(f"{w.uri}/{TEXT}").read(),
        "read_ranges": lambda w: holdall.artifacts.read_ranges(f"{w.uri}/{TEXT}", RANGES),
        "diff_tensors": lambda w: holdall.artifacts.diff_tensors(w.uri, w.uri),
        "tensors": lambda w: holdall.artifacts.tensors(w.uri),
    },
    "holdall.registry": {
        "alias_history": lambda _: holdall.registry.alias_history(M, "best"),
        "deployments": lambda _: holdall.registry.deployments(MODEL),
        "get_model": lambda _: holdall.registry.get_model(M),
        "get_version": lambda _: holdall.registry.get_version(MODEL),
        "resolve": lambda _: holdall.registry.resolve(MODEL),
        "search_models": lambda _: holdall.registry.search_models(),
        "search_versions": lambda _: holdall.registry.search_versions(),
    },
    "holdall.models": {
        "get_logged_model": lambda w: holdall.models.get_logged_model(w.model_id),
        "get_model_info": lambda _: holdall.models.get_model_info(MODEL),
        "list_models": lambda w: holdall.models.list_models(w.id),
        "predict": lambda w: holdall.models.predict(MODEL, [[1.0, 2.0]], output_path=w.to.with_suffix(".json")),
        "validate_serving_input": lambda _: holdall.models.validate_serving_input(MODEL, '{"inputs": [[1.0, 2.0]]}'),
    },
    "holdall.exporting": {
        "model_to_huggingface": lambda w: holdall.exporting.model_to_huggingface(w.store, MODEL, w.to),
        "model_to_oci": lambda w: holdall.exporting.model_to_oci(w.store, MODEL, w.to),
        "push_model": lambda w: _if_installed(lambda: holdall.exporting.push_model(w.store, MODEL, "127.0.0.1:1/x:1")),
        "to_mlflow": lambda w: holdall.exporting.to_mlflow(w.store, NOBODY),
    },
    **{f"holdall.{name}": _flavor(name) for name in FLAVORS},
    "Runs": {
        "compare": lambda w: w.store.runs.compare([w.id, w.id]),
        "frame": lambda w: w.store.runs.frame(w.store.runs.search()),
        "get": lambda w: w.store.runs.get(w.id),
        "histories": lambda w: list(w.store.runs.histories([w.id], since=w.store.runs.histories([w.id]))),
        "id_of": lambda w: w.store.runs.id_of("nightly"),
        "index": lambda w: w.store.runs.index().page(),
        "load_table": lambda w: w.store.runs.load_table(TABLE),
        "of": lambda w: w.store.runs.of(w.experiment),
        "search": lambda w: w.store.runs.search("artifacts.path LIKE '%'"),
    },
    "RunIndex": {
        "close": lambda w: w.store.runs.index().close(),
        "get": lambda w: w.store.runs.index().get(w.id),
        "keys": lambda w: w.store.runs.index().keys(),
        "page": lambda w: w.store.runs.index().page("artifacts.path LIKE '%'"),
        "refresh": lambda w: w.store.runs.index().refresh(),
        "tallies": lambda w: w.store.runs.index().tallies(),
        "sizes": lambda w: w.store.runs.index().sizes(),
    },
    "Run": {
        "diff": lambda w: w.run.diff(None, w.run, None),
        "download": lambda w: w.run.download(None, w.to),
        "entries": lambda w: list(w.run.entries()),
        "entry": lambda w: w.run.entry(TEXT),
        "environment": lambda w: w.run.environment,
        "histories": lambda w: list(w.run.histories(points=20)),
        "history": lambda w: w.run.history("loss"),
        "load_dict": lambda w: w.run.load_dict(DICT),
        "load_image": lambda w: w.run.load_image(IMAGE),
        "load_table": lambda w: w.run.load_table(TABLE),
        "load_text": lambda w: w.run.load_text(TEXT),
        "manifest": lambda w: w.run.manifest,
        "manifest_digest": lambda w: w.run.manifest_digest,
        "manifest_text": lambda w: w.run.manifest_text,
        "metric_summaries": lambda w: w.run.metric_summaries,
        "open": lambda w: w.run.open(TEXT).read(),
        "openlineage": lambda w: w.run.openlineage(),
        "read": lambda w: w.run.read(TEXT),
        "read_ranges": lambda w: w.run.read_ranges(TEXT, RANGES),
        "reads": lambda w: w.run.reads,
        "references": lambda w: w.run.references(),
        "record": lambda w: w.run.record.inputs,
        "info": lambda w: w.run.info,
        "data": lambda w: w.run.data,
        "inputs": lambda w: w.run.inputs,
        "outputs": lambda w: w.run.outputs,
        "to_dictionary": lambda w: w.run.to_dictionary(),
        "verify": lambda w: w.run.verify(),
        "versions": lambda w: w.run.versions(TEXT),
        "state": lambda w: w.run.state,
        "snapshot": lambda w: list(w.run.snapshot().entries()),
        "flush": lambda w: w.run.flush(),  # of a process that logged nothing
    },
    "Artifacts": {
        "diff": lambda w: w.store.artifacts.diff(w.uri, MODEL),
        "download": lambda w: w.store.artifacts.download(w.uri, w.to),
        "info": lambda w: w.store.artifacts.info(f"{w.uri}/{TEXT}"),
        "lineage": lambda w: w.store.artifacts.lineage(w.uri),
        "list": lambda w: w.store.artifacts.list(MODEL),
        "load_dict": lambda w: w.store.artifacts.load_dict(f"{w.uri}/{DICT}"),
        "load_image": lambda w: w.store.artifacts.load_image(f"{w.uri}/{IMAGE}"),
        "load_table": lambda w: w.store.artifacts.load_table(f"{w.uri}/{TABLE}"),
        "load_text": lambda w: w.store.artifacts.load_text(f"{w.uri}/{TEXT}"),
        "open": lambda w: w.store.artifacts.open(f"{w.uri}/{TEXT}").read(),
        "read": lambda w: w.store.artifacts.read(f"{w.uri}/{TEXT}"),
        "read_ranges": lambda w: w.store.artifacts.read_ranges(f"{w.uri}/{TEXT}", RANGES),
        "resolve": lambda w: w.store.artifacts.resolve(MODEL),
        "snapshot": lambda w: w.store.artifacts.snapshot(MODEL)[0].record,
        "diff_tensors": lambda w: w.store.artifacts.diff_tensors(w.uri, MODEL),
        "tensors": lambda w: w.store.artifacts.tensors(w.uri),
        "versions": lambda w: w.store.artifacts.versions(f"{w.uri}/{TEXT}"),
    },
    "Experiments": {
        "active": lambda w: w.store.experiments.active(w.experiment),
        "all": lambda w: w.store.experiments.all(),
        "get": lambda w: w.store.experiments.get(w.experiment),
        "id_of": lambda w: w.store.experiments.id_of("vision"),
        "named": lambda w: w.store.experiments.named("vision"),
        "retention": lambda w: w.store.experiments.retention(w.experiment),
        "search": lambda w: w.store.experiments.search(),
    },
    "Models": {
        "describe": lambda w: w.store.models.describe(MODEL),
        "digest": lambda w: w.store.models.digest(MODEL),
        "export": lambda w: w.store.models.export(MODEL, w.to / "exported"),
        "get": lambda w: w.store.models.get(w.model_id),
        "info": lambda w: w.store.models.info(MODEL),
        "inspect": lambda w: w.store.models.inspect(MODEL),
        "verify": lambda w: w.store.models.verify(MODEL),
        "load": lambda w: w.store.models.load(MODEL),
        "load_pyfunc": lambda w: w.store.models.load_pyfunc(MODEL),
        "logged": lambda w: w.store.models.logged(w.id),
        "search": lambda w: w.store.models.search(),
    },
    "Registry": {
        "alias_history": lambda w: w.store.registry.alias_history(M, "best"),
        "get_model": lambda w: w.store.registry.get_model(M),
        "get_version": lambda w: w.store.registry.get_version(M, V),
        "get_version_by_alias": lambda w: w.store.registry.get_version_by_alias(M, "best"),
        "locate": lambda w: w.store.registry.locate(MODEL),
        "latest_versions": lambda w: w.store.registry.latest_versions(M),
        "resolve": lambda w: w.store.registry.resolve(f"models:/{M}@best"),
        "search_models": lambda w: w.store.registry.search_models(),
        "search_versions": lambda w: w.store.registry.search_versions(),
        "version_at": lambda w: w.store.registry.version_at(MODEL),
    },
    "Deployments": {
        "of": lambda w: w.store.deployments.of(MODEL),
        "told_by": lambda w: w.store.deployments.told_by(w.run.record.data.tags, ""),
    },
    "Shares": {"list": lambda w: w.store.shares.list()},
    "KeySlots": {"list": lambda w: w.store.maintenance.keys.list()},
    "Maintenance": {
        "audit": lambda w: list(w.store.maintenance.audit()),
        "check": lambda w: w.store.maintenance.check(),
        "check_references": lambda w: w.store.maintenance.check_references(),
        "check_signatures": lambda w: w.store.maintenance.check_signatures(),
        "copy_to": lambda w: w.store.maintenance.copy_to(f"memory://{os.urandom(8).hex()}"),
        "du": lambda w: w.store.maintenance.du(),
        "due": lambda w: w.store.maintenance.due(),
        "explain": lambda w: w.store.maintenance.explain(w.id),
        "plan_purge": lambda w: _plan_purges(w.store),
        "freed_by": lambda w: w.store.maintenance.freed_by([w.run.id]),
        "keys": lambda w: w.store.maintenance.keys.list(),
        "run_ids": lambda w: w.store.maintenance.run_ids(),
        "stats": lambda w: w.store.maintenance.stats(),
    },
}


def _by_snapshot(name: str) -> Verb:
    """The verb of a run, asked of a snapshot of it."""

    def ask(w: World) -> object:
        snapshot = w.run.snapshot()
        seen = SnapshotWorld(w.store, w.to, w.id, snapshot=snapshot)
        return READS["Run"][name](seen)

    return ask


@dataclass
class SnapshotWorld(World):
    """A world whose run is looked at once."""

    snapshot: Any = None

    @property
    def run(self) -> Any:
        return self.snapshot


READS["RunSnapshot"] = {name: _by_snapshot(name) for name in READS["Run"] if name != "flush"}
READS["RunSnapshot"] |= {
    "stat": lambda w: w.run.snapshot().stat(TEXT),
    "summary": lambda w: w.run.snapshot().summary,
    "level": lambda w: w.run.snapshot().level(),
    "walk": lambda w: list(w.run.snapshot().walk()),
}

# --- what writes, and what asks no store ----------------------------------------

WRITES: dict[str, set[str]] = {
    "holdall": names("""
        create_experiment delete_experiment delete_experiment_tag delete_logged_model_tag delete_run delete_tag end_run
        flush_artifact_async_logging flush_async_logging log_artifact log_inputs log_outputs restore_experiment
        set_experiment_retention set_experiment_tags set_model_version_tag
        log_artifacts log_dict log_figure log_image log_input log_metric log_metrics log_model log_model_params
        log_param log_params log_stream log_table log_text register_model restore_run set_experiment
        set_experiment_tag set_logged_model_tags set_tag set_tags start_run log_reference use_artifact
    """),
    "holdall.Client": names("""
        copy_model_version create_experiment create_model_version create_registered_model create_run
        delete_experiment delete_experiment_tag delete_logged_model_tag delete_model_version delete_model_version_tag
        log_outputs update_run delete_artifact trim_artifacts
        delete_registered_model delete_registered_model_alias delete_registered_model_tag delete_run delete_tag
        log_artifact log_artifacts log_batch log_dict log_figure log_image log_inputs log_metric log_model_params
        log_param log_stream log_table log_text rename_registered_model restore_experiment restore_run
        set_experiment_tag set_logged_model_tags set_model_version_tag set_registered_model_alias
        set_registered_model_tag set_tag set_terminated transition_model_version_stage update_model_version
        update_registered_model
    """),
    "holdall.registry": names("copy_version record_deployment register_model roll_back_alias set_alias"),
    **{f"holdall.{name}": {"log_model"} for name in FLAVORS},
    "Shares": names("create revoke"),
    "Runs": names("ensure flush resume start"),
    "Run": names("""
        delete finish group later log_artifact log_artifacts log_batch log_bytes log_dict log_figure log_image log_input
        log_metric log_metrics log_models_made log_models_used log_param log_params log_stream log_table log_text
        restore set_tag set_tags delete_tag delete_artifact sign trim log_reference use_artifact
    """),
    "Experiments": names("create delete ensure rename restore set_retention set_tag set_tags shred use"),
    "Models": names("log log_metrics log_params revise set_tags sign"),
    "holdall.models": names("set_signature update_model_requirements"),
    "Registry": names("""
        copy_version create_model create_version delete_alias delete_model delete_version describe_model
        describe_version register rename_model roll_back_alias set_alias set_model_tag set_stage set_version_tag
    """),
    "Deployments": {"record"},
    "KeySlots": names("add rekey revoke rewrite"),
    "Maintenance": names("catalog undo_gc compact create discard doctor gc purge repair repair_logs"),
}
WRITES["holdall.pytorch"] |= {"log_state_dict"}
READS["holdall.pyfunc"]["get_model_dependencies"] = lambda _: holdall.pyfunc.get_model_dependencies(MODEL)
READS["holdall.pytorch"]["load_state_dict"] = lambda w: holdall.pytorch.load_state_dict(f"{w.uri}/{TEXT}")

ASKS_NOTHING: dict[str, set[str]] = {
    "holdall": names("""
        autolog disable_system_metrics_logging enable_system_metrics_logging set_system_metrics_node_id
        set_system_metrics_samples_before_logging set_system_metrics_sampling_interval
        command_key
        new_identity
        flush_trace_async_logging get_registry_uri get_tracking_uri is_tracking_uri_set set_registry_uri set_store
        set_tracking_uri
    """)
    | {name for name in holdall.__all__ if isinstance(getattr(holdall, name), ModuleType | type)},
    "holdall.Client": names("tracking_uri"),
    "holdall.artifacts": names(
        "Difference FileInfo FileVersion TensorChange TensorDifference TensorInfo Tensors ValueDifference"
    ),
    "holdall.registry": names("AliasMove Deployment ModelVersion RegisteredModel"),
    "holdall.models": names("""
        ColSpec DataType LoggedModel Model ModelInfo ModelSignature ParamSchema ParamSpec Schema TensorSpec
        infer_signature set_model ModelConfig ModelInputExample convert_input_example_to_serving_input validate_schema
    """),
    "holdall.types": set(holdall.types.__all__),
    **{
        f"holdall.{name}": set(getattr(holdall, name).__all__)
        for name in ("client", "config", "entities", "exceptions", "protos", "utils")
    },
    "holdall.tracking": set(holdall.tracking.__all__),  # the client and addresses, under MLflow's name
    "holdall.data": set(holdall.data.__all__),
    "holdall.importing": set(holdall.importing.__all__),  # plans, which read what they are to bring
    **{f"holdall.{name}": {"save_model"} for name in FLAVORS},
    "Run": names("id run_id"),
    "RunSnapshot": names("id run_id"),
    "Models": {"save"},
    "Maintenance": names("access_caveats access_policy bucket_policy credentials"),
}
ASKS_NOTHING["holdall.pyfunc"] |= names("PyFuncModel PythonModel PythonModelContext")
ASKS_NOTHING["holdall.pytorch"] |= {"save_state_dict"}
for _name in set(FLAVORS) - {"onnx", "pyfunc"}:
    ASKS_NOTHING[f"holdall.{_name}"] |= {"autolog"}

CLASSES = [
    *(Runs, RunIndex, Run, RunSnapshot, Artifacts, Experiments, Models, Registry, Deployments, Shares),
    *(Maintenance, KeySlots),
]


def _public(thing: Any) -> set[str]:
    return set(getattr(thing, "__all__", ())) or {name for name in dir(thing) if not name.startswith("_")}


SURFACES: dict[str, Any] = {
    "holdall": holdall,
    "holdall.Client": holdall.Client,
    **{
        f"holdall.{name}": importlib.import_module(f"holdall.{name}")
        for name in (
            "artifacts",
            "client",
            "config",
            "entities",
            "exceptions",
            "exporting",
            "importing",
            "tracking",
            "data",
            "models",
            "registry",
            "protos",
            "types",
            "utils",
            *FLAVORS,
        )
    },
    **{kind.__name__: kind for kind in CLASSES},
}


@pytest.mark.parametrize("surface", SURFACES)
def test_every_public_name_reads_or_writes_or_neither(surface: str) -> None:
    """A name is in exactly one table; a new one has to be put into one."""
    reads, writes, neither = set(READS.get(surface, ())), WRITES.get(surface, set()), ASKS_NOTHING.get(surface, set())
    assert not reads & writes | reads & neither | writes & neither
    assert reads | writes | neither | {"id"} == _public(SURFACES[surface]) | {"id"}


def test_every_module_is_a_surface() -> None:
    """A module that `holdall` shows is looked at here, but for the errors."""
    modules = {f"holdall.{name}" for name in holdall.__all__ if isinstance(getattr(holdall, name), ModuleType)}
    assert modules - SURFACES.keys() == {"holdall.errors"}


# --- the stores -----------------------------------------------------------------


def _fill(store: Store, to: Path) -> World:
    """A store with some of everything."""
    active._state.store = store
    id = store.experiments.create("vision", {"team": "a"})
    holdall.set_experiment("Default")
    with holdall.start_run() as run:
        run.log_bytes(os.urandom(100_000), "large.bin")
        run.log_bytes(npy(np.zeros(3)), "zeros.npy")
        holdall.log_text("text", TEXT)
        holdall.log_dict({"a": 1}, DICT)
        holdall.log_image(PIL.Image.new("RGB", (2, 2)), IMAGE)
        holdall.log_table({"a": [1]}, TABLE)
        holdall.log_metric("loss", 1.0)
        model = LinearRegression().fit(np.eye(2), np.ones(2))
        info = holdall.sklearn.log_model(
            model, name="model", registered_model_name=M, pip_requirements=["scikit-learn"]
        )
    holdall.Client().set_registered_model_alias(M, "best", "1")
    holdall.registry.record_deployment(MODEL, "here")
    return World(store, to, run.info.run_id, id, info.model_id)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[MemoryBucket, Path, World]:
    """The same content in memory and in a folder, and what it is called; the folder takes no new files."""
    folder = tmp_path_factory.mktemp("stores") / "store"
    store = Store.open(str(folder))
    world = _fill(store, folder)
    bucket = MemoryBucket()
    for info in store._location.bucket.list():
        bucket.put(info.key, store._location.bucket.get(info.key))
    active._state.__init__()  # type: ignore[misc]  # nothing of it stays
    return bucket, folder, world


@pytest.fixture
def empty() -> MemoryBucket:
    bucket = MemoryBucket()
    Store._over(bucket, Pool()).maintenance.create()
    return bucket


@pytest.fixture(autouse=True)
def fresh_state() -> Iterator[None]:
    active._state.__init__()  # type: ignore[misc]
    yield
    active._state.__init__()  # type: ignore[misc]


CASES = [(surface, name) for surface, verbs in READS.items() for name in verbs]


@pytest.mark.parametrize(("surface", "name"), CASES)
@pytest.mark.every(2)
def test_it_reads_where_nothing_may_be_written(
    filled: tuple[MemoryBucket, Path, World], surface: str, name: str, tmp_path: Path
) -> None:
    """Of a store with some of everything each reader gives its answer, and tries to write nothing."""
    bucket, _, known = filled
    refusing = ReadOnly(bucket)
    store = active._state.store = Store._over(refusing, Pool(), cache=tmp_path / "cache")
    world = World(store, tmp_path / "to", known.id, known.experiment, known.model_id)
    foreign = surface.removeprefix("holdall.") in set(FLAVORS) - {"sklearn", "pyfunc"}
    try:
        READS[surface][name](world)
    except (HoldallError, ImportError):
        if not foreign:  # there is no model of theirs, or not even their library
            raise
    assert refusing.tried == []


@pytest.mark.parametrize(("surface", "name"), CASES)
@pytest.mark.every(2)
def test_it_writes_nothing_into_an_empty_store(empty: MemoryBucket, surface: str, name: str, tmp_path: Path) -> None:
    """A reader that finds nothing says so; it makes no experiment in order to have one to look at."""
    refusing = ReadOnly(empty)
    store = active._state.store = Store._over(refusing, Pool(), cache=tmp_path / "cache")
    try:
        READS[surface][name](World(store, tmp_path / "to"))
    except (AccessDeniedError, AttributeError, TypeError):
        raise
    except (HoldallError, ImportError):
        pass
    assert refusing.tried == []


EMPTY: dict[str, Any] = {
    "get_experiment_by_name": None,
    "search_experiments": [],
    "search_logged_models": [],
    "search_model_versions": [],
    "search_registered_models": [],
    "search_runs": [],
}


@pytest.mark.parametrize("surface", ["holdall", "holdall.Client"])
@pytest.mark.parametrize("name", EMPTY)
def test_where_no_store_is_yet_there_is_nothing(surface: str, name: str, tmp_path: Path) -> None:
    """Searches of a place without a store find nothing, and make none; where writing would make none they say so."""
    bucket = ReadOnly(MemoryBucket())
    store = active._state.store = Store._over(bucket, Pool())
    found = READS[surface][name](World(store, tmp_path))
    rows = found.to_dict("records") if hasattr(found, "to_dict") else found
    assert rows == EMPTY[name]
    store._location.may_create = False
    with pytest.raises(holdall.errors.StoreNotFoundError):
        READS[surface][name](World(store, tmp_path))
    assert bucket.tried == []


def test_a_table_of_no_store_is_not_there(tmp_path: Path) -> None:
    """Looking for one at a mistyped address leaves nothing there."""
    bucket = ReadOnly(MemoryBucket())
    store = active._state.store = Store._over(bucket, Pool())
    with pytest.raises(holdall.errors.StoreNotFoundError):
        READS["holdall"]["load_table"](World(store, tmp_path))
    assert bucket.tried == []


def _seen(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_size)
        for path in [folder, *folder.rglob("*")]
    }


@pytest.mark.parametrize(("surface", "name"), CASES)
@pytest.mark.every(2)
def test_a_folder_stays_as_it_is(
    filled: tuple[MemoryBucket, Path, World], surface: str, name: str, tmp_path: Path
) -> None:
    """No file and no folder of a store is made, removed or touched by a reader, for an instant neither."""
    _, folder, known = filled
    before = _seen(folder)
    store = active._state.store = Store.open(str(folder))
    try:
        READS[surface][name](World(store, tmp_path / "to", known.id, known.experiment, known.model_id))
    except (HoldallError, ImportError):
        if surface.removeprefix("holdall.") not in FLAVORS:
            raise
    assert _seen(folder) == before


def test_a_folder_that_may_not_be_written_is_read(filled: tuple[MemoryBucket, Path, World], tmp_path: Path) -> None:
    """Permissions stand in no reader's way, where they bind at all: an administrator passes them."""
    _, folder, known = filled
    places = [folder, *filter(Path.is_dir, folder.rglob("*"))]
    for place in places:
        place.chmod(0o555)
    try:
        store = active._state.store = Store._over(LocalBucket(folder), Pool())
        assert len(holdall.search_runs(output_format="list")) == 1
        assert World(store, tmp_path, known.id).run.read(TEXT) == b"text"
    finally:
        for place in places:
            place.chmod(0o755)


# --- the command line -----------------------------------------------------------

LINES: dict[str, str] = {
    "store audit": "store audit --since 1h",
    "share list": "share list",
    "artifact lineage": "artifact lineage {uri}",
    "artifact list": "artifact list {uri} --recursive",
    "artifact get": "artifact get {uri} -d {to}",
    "artifact cat": f"artifact cat {{uri}}/{TEXT}",
    "artifact diff": "artifact diff {uri} {uri}",
    "artifact versions": f"artifact versions {{id}} {TEXT}",
    "run list": "run list --all",
    "run search": "run search metrics.loss>0",
    "run manifest": "run manifest {id}",
    "run compare": "run compare {id} {id}",
    "run lineage": "run lineage {id} --openlineage",
    "run show": "run show {id}",
    "store check": "store check",
    "store copy": "store copy store {to}",
    "store bundle write": "store bundle write store {to}.zip",
    "store stats": "store stats",
    "store key list": "store key list",
    "store du": "store du",
    "experiment list": "experiment list --all",
    "experiment retention": "experiment retention vision",  # with a rule or --clear it writes
    "model list": "model list",
    "run verify": "run verify {id}",
    "model verify": "model verify models:/forest/1",
    "model inspect": "model inspect models:/forest/1",
    "model get": "model get models:/forest/1 -d {to}",
    "model export": "model export models:/forest@best {to}",
    "model show": "model show models:/forest/1",
    "export mlflow": f"export mlflow --to {NOBODY} --dry-run",
    "model predict": "model predict -m models:/forest/1 -i input.json",
}
LINES_THAT_WRITE = {
    "artifact delete",
    "artifact log",
    "artifact reference",
    "artifact trim",
    "experiment create",
    "experiment delete",
    "experiment restore",
    "experiment shred",
    "run delete",
    "run end",
    "run log",
    "run purge",
    "run restore",
    "run sign",
    "run start",
    "run tag",
    "share create",
    "share revoke",
    "store catalog",  # but for a dry run
    "store init",
    "store key add",
    "store key revoke",
    "store rekey",
    "store doctor",
    "store repair",
    "store bundle read",
    "gc",
    "import folder",
    "import hf-cache",
    "import mlflow",
    "import tensorboard",
    "import trackio",
    "model register",
    "model sign",
    "model alias",  # with a version, or --delete
    "model rollback",
    "model delete",
    "model tag",
    "model deployed",
    "demo",
}
LINES_THAT_ASK_NOTHING = {
    "guide",
    "signing-key new",
    "signing-key show",
    "store key new",
    "store policy",
    "model serve",
    "store credentials",
    "ui",
}  # what servers ask: `load_pyfunc` above, and the pages' own tests


def _commands(group: click.Group, *words: str) -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, *words, name)
        else:
            yield " ".join((*words, name))


def test_every_command_reads_or_writes_or_neither() -> None:
    """A command is in exactly one table; a new one has to be put into one."""
    tables = [set(LINES), LINES_THAT_WRITE, LINES_THAT_ASK_NOTHING]
    assert sorted(set().union(*tables)) == sorted(_commands(program))
    assert sum(map(len, tables)) == len(set().union(*tables))


@pytest.mark.parametrize("command", LINES)
def test_a_command_that_reads_leaves_the_store_as_it_is(
    command: str, filled: tuple[MemoryBucket, Path, World], tmp_path: Path
) -> None:
    """The folder of the store is the same before and after, times included."""
    _, folder, known = filled
    shell = Shell(tmp_path)
    (tmp_path / "store").symlink_to(folder)
    (tmp_path / "input.json").write_text('{"inputs": [[1.0, 2.0]]}')
    before = _seen(folder)
    shell.run(*LINES[command].format(uri=known.uri, id=known.id, to="to").split())
    assert _seen(folder) == before


@pytest.mark.parametrize("command", LINES)
def test_a_command_that_reads_makes_no_store(command: str, tmp_path: Path) -> None:
    """Asked about a place where there is no store, it makes none."""
    (tmp_path / "input.json").write_text('{"inputs": [[1.0, 2.0]]}')
    shell = Shell(tmp_path)
    shell.run(*LINES[command].format(uri="runs:/" + "0" * 32, id="0" * 32, to="to").split(), code=1)
    assert not (tmp_path / "store").exists()
