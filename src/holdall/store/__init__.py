"""Stores, and all that surfaces see of the floors below: what a user cannot do, no surface can.

What few verbs need is loaded when it is asked for; `_ELSEWHERE` says where it is.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from holdall.chunks.beside import beside, side_by_side
from holdall.chunks.pool import LogFuture
from holdall.format.layout import experiment_id
from holdall.format.paths import POINTER as REFERENCE
from holdall.keys.unlock import Unlock
from holdall.runs.arguments import listed
from holdall.runs.disclosure import Disclosure
from holdall.runs.experiment import DEFAULT, Experiments
from holdall.runs.index import record_of
from holdall.runs.inputs import Dataset, DatasetInput, InputTag, RunInputs
from holdall.runs.inputs import as_dataset as dataset_of
from holdall.runs.policy import RESTORABLE, RetentionPolicy, parse_policy
from holdall.runs.reads import ReadArtifact, witnessed
from holdall.runs.record import NOTE as DESCRIPTION
from holdall.runs.record import PARENT as PARENT_RUN
from holdall.runs.record import (
    RUN_NAME,
    ArtifactInfo,
    Experiment,
    FileInfo,
    Metric,
    MetricSummary,
    RunData,
    RunInfo,
    RunRecord,
    ViewType,
)
from holdall.runs.run import Run
from holdall.runs.using import UsedArtifact
from holdall.runs.values import (
    ExperimentTag,
    KeyValue,
    LifecycleStage,
    LoggedModelInput,
    LoggedModelOutput,
    LoggedModelParameter,
    LoggedModelStatus,
    LoggedModelTag,
    Param,
    RunOutputs,
    RunStatus,
    RunTag,
)
from holdall.runs.versions import FileVersion, OnConflict, PathRule
from holdall.storage.ending import the_end
from holdall.storage.wrappers import DEADLINE
from holdall.store.active import active_run, active_store, tell_active
from holdall.store.opened import Store
from holdall.trees.artifact_reader import ArtifactReader
from holdall.trees.source import Links

if TYPE_CHECKING:
    from holdall.access import DIALECTS, LOCK_MODES, ROLES, lock
    from holdall.auditing.record import AuditRecord
    from holdall.checking.findings import Findings
    from holdall.checking.plans import EntryRepair, FileRepair, LogRepair, RunRepair
    from holdall.collecting.explaining import Explanation, Holder
    from holdall.collecting.plan import Amount, Collection, GenerationReport
    from holdall.copying.report import CopyReport, ModelCopy, RunCopy
    from holdall.engines.opening import ENGINES
    from holdall.keys.identities import new_identity
    from holdall.maintenance.credentials import LEAST_TO_REFRESH, ShortLived
    from holdall.maintenance.key_slot import KeySlot
    from holdall.maintenance.keys import KeySlots
    from holdall.maintenance.references import ReferenceProblem
    from holdall.maintenance.rekeying import Rekeyed, Rewritten
    from holdall.maintenance.space import Compaction, Stats
    from holdall.maintenance.store import Maintenance
    from holdall.measuring.freed import Freed, Sharing
    from holdall.measuring.holdings import HELD_FOR, Holdings
    from holdall.measuring.usage import RunUsage, Space, Usage
    from holdall.modeling.datasets import from_numpy, from_pandas
    from holdall.modeling.loading.inspecting import Inspection, imports_in
    from holdall.modeling.loading.pyfunc import PyFuncModel
    from holdall.modeling.loading.trust import EVERYBODY, POLICIES, Trust
    from holdall.modeling.model import Model
    from holdall.modeling.model_info import ModelInfo
    from holdall.modeling.records.begun import BegunModel, begun_models
    from holdall.modeling.records.logged import LoggedModel
    from holdall.naming.deployments import Deployment
    from holdall.naming.record import AliasMove, ModelVersion, RegisteredModel
    from holdall.naming.registry import Registry
    from holdall.retention.due import Due, RetentionPlan
    from holdall.retention.purge_plan import PurgePlan, Remaining
    from holdall.retention.purging import Purged
    from holdall.runs.cataloging import CatalogReport
    from holdall.runs.comparison import Compared, Comparison
    from holdall.runs.contents import contents
    from holdall.runs.differences import Difference
    from holdall.runs.elsewhere import Reference
    from holdall.runs.groups import GroupPart
    from holdall.runs.histories import Histories, History
    from holdall.runs.levels import Level, LevelRow
    from holdall.runs.lineage import Lineage, LineageNode
    from holdall.runs.machine import Machine, averages
    from holdall.runs.parquet import without_extensions
    from holdall.runs.parquet_sample import sample_parquet
    from holdall.runs.rendering import as_picture
    from holdall.runs.run_index import RunIndex, RunKeys, RunPage
    from holdall.runs.search import RunSummary
    from holdall.runs.shredding import Shredding
    from holdall.runs.signatures import SignatureInfo
    from holdall.runs.snapshot import RunSnapshot
    from holdall.runs.tallies import RunSize, RunTally
    from holdall.runs.times import milliseconds
    from holdall.runs.verifying import Verified
    from holdall.sharing.shares import Share, Shares
    from holdall.signing.agents import command_key
    from holdall.signing.keys import SigningKey
    from holdall.signing.public_keys import PublicKey, public_keys
    from holdall.storage.probe import Report
    from holdall.store.finding import Match, Matches
    from holdall.store.model_card import ModelCard
    from holdall.tensors.difference import TensorChange, TensorDifference
    from holdall.tensors.heads import Tensors, list_tensors_of, may_have_tensors
    from holdall.tensors.measuring import ValueDifference
    from holdall.tensors.stored import TensorInfo

__all__ = [
    "DEADLINE",
    "DEFAULT",
    "DESCRIPTION",
    "DIALECTS",
    "ENGINES",
    "EVERYBODY",
    "HELD_FOR",
    "LEAST_TO_REFRESH",
    "LOCK_MODES",
    "PARENT_RUN",
    "POLICIES",
    "REFERENCE",
    "RESTORABLE",
    "ROLES",
    "RUN_NAME",
    "AliasMove",
    "Amount",
    "ArtifactInfo",
    "ArtifactReader",
    "AuditRecord",
    "BegunModel",
    "CatalogReport",
    "Collection",
    "Compaction",
    "Compared",
    "Comparison",
    "CopyReport",
    "Dataset",
    "DatasetInput",
    "Deployment",
    "Difference",
    "Disclosure",
    "Due",
    "EntryRepair",
    "Experiment",
    "ExperimentTag",
    "Experiments",
    "Explanation",
    "FileInfo",
    "FileRepair",
    "FileVersion",
    "Findings",
    "Freed",
    "GenerationReport",
    "GroupPart",
    "Histories",
    "History",
    "Holder",
    "Holdings",
    "InputTag",
    "Inspection",
    "KeySlot",
    "KeySlots",
    "KeyValue",
    "Level",
    "LevelRow",
    "LifecycleStage",
    "Lineage",
    "LineageNode",
    "Links",
    "LogFuture",
    "LogRepair",
    "LoggedModel",
    "LoggedModelInput",
    "LoggedModelOutput",
    "LoggedModelParameter",
    "LoggedModelStatus",
    "LoggedModelTag",
    "Machine",
    "Maintenance",
    "Match",
    "Matches",
    "Metric",
    "MetricSummary",
    "Model",
    "ModelCard",
    "ModelCopy",
    "ModelInfo",
    "ModelVersion",
    "OnConflict",
    "Param",
    "PathRule",
    "PublicKey",
    "PurgePlan",
    "Purged",
    "PyFuncModel",
    "ReadArtifact",
    "Reference",
    "ReferenceProblem",
    "RegisteredModel",
    "Registry",
    "Rekeyed",
    "Remaining",
    "Report",
    "RetentionPlan",
    "RetentionPolicy",
    "Rewritten",
    "Run",
    "RunCopy",
    "RunData",
    "RunIndex",
    "RunInfo",
    "RunInputs",
    "RunKeys",
    "RunOutputs",
    "RunPage",
    "RunRecord",
    "RunRepair",
    "RunSize",
    "RunSnapshot",
    "RunStatus",
    "RunSummary",
    "RunTag",
    "RunTally",
    "RunUsage",
    "Share",
    "Shares",
    "Sharing",
    "ShortLived",
    "Shredding",
    "SignatureInfo",
    "SigningKey",
    "Space",
    "Stats",
    "Store",
    "TensorChange",
    "TensorDifference",
    "TensorInfo",
    "Tensors",
    "Trust",
    "Unlock",
    "Usage",
    "UsedArtifact",
    "ValueDifference",
    "Verified",
    "ViewType",
    "active_run",
    "active_store",
    "as_picture",
    "averages",
    "begun_models",
    "beside",
    "command_key",
    "contents",
    "dataset_of",
    "experiment_id",
    "from_numpy",
    "from_pandas",
    "imports_in",
    "list_tensors_of",
    "listed",
    "lock",
    "may_have_tensors",
    "milliseconds",
    "new_identity",
    "parse_policy",
    "public_keys",
    "record_of",
    "sample_parquet",
    "side_by_side",
    "tell_active",
    "the_end",
    "without_extensions",
    "witnessed",
]

_ELSEWHERE: Final = {  # loaded when they are asked for: a training run needs no copier, collector or flavor
    "holdall.access": "DIALECTS LOCK_MODES ROLES lock",
    "holdall.auditing.record": "AuditRecord",
    "holdall.checking.findings": "Findings",
    "holdall.checking.plans": "EntryRepair FileRepair LogRepair RunRepair",
    "holdall.collecting.explaining": "Explanation Holder",
    "holdall.collecting.plan": "Amount Collection GenerationReport",
    "holdall.copying.report": "CopyReport ModelCopy RunCopy",
    "holdall.engines.opening": "ENGINES",
    "holdall.maintenance.credentials": "LEAST_TO_REFRESH ShortLived",
    "holdall.keys.identities": "new_identity",
    "holdall.maintenance.key_slot": "KeySlot",
    "holdall.maintenance.keys": "KeySlots",
    "holdall.maintenance.rekeying": "Rekeyed Rewritten",
    "holdall.maintenance.references": "ReferenceProblem",
    "holdall.maintenance.space": "Compaction Stats",
    "holdall.maintenance.store": "Maintenance",
    "holdall.measuring.freed": "Freed Sharing",
    "holdall.measuring.holdings": "HELD_FOR Holdings",
    "holdall.measuring.usage": "RunUsage Space Usage",
    "holdall.modeling.datasets": "from_numpy from_pandas",
    "holdall.modeling.loading.inspecting": "Inspection imports_in",
    "holdall.modeling.loading.pyfunc": "PyFuncModel",
    "holdall.modeling.loading.trust": "EVERYBODY POLICIES Trust",
    "holdall.modeling.model": "Model",
    "holdall.modeling.model_info": "ModelInfo",
    "holdall.modeling.records.begun": "BegunModel begun_models",
    "holdall.modeling.records.logged": "LoggedModel",
    "holdall.naming.deployments": "Deployment",
    "holdall.naming.record": "AliasMove ModelVersion RegisteredModel",
    "holdall.naming.registry": "Registry",
    "holdall.retention.due": "Due RetentionPlan",
    "holdall.retention.purge_plan": "PurgePlan Remaining",
    "holdall.retention.purging": "Purged",
    "holdall.runs.cataloging": "CatalogReport",
    "holdall.runs.comparison": "Compared Comparison",
    "holdall.runs.contents": "contents",
    "holdall.runs.differences": "Difference",
    "holdall.runs.elsewhere": "Reference",
    "holdall.runs.groups": "GroupPart",
    "holdall.runs.histories": "Histories History",
    "holdall.runs.levels": "Level LevelRow",
    "holdall.runs.lineage": "Lineage LineageNode",
    "holdall.runs.machine": "Machine averages",
    "holdall.runs.parquet": "without_extensions",
    "holdall.runs.parquet_sample": "sample_parquet",
    "holdall.runs.rendering": "as_picture",
    "holdall.runs.run_index": "RunIndex RunKeys RunPage",
    "holdall.runs.search": "RunSummary",
    "holdall.runs.shredding": "Shredding",
    "holdall.runs.signatures": "SignatureInfo",
    "holdall.runs.snapshot": "RunSnapshot",
    "holdall.runs.tallies": "RunSize RunTally",
    "holdall.runs.times": "milliseconds",
    "holdall.sharing.shares": "Share Shares",
    "holdall.runs.verifying": "Verified",
    "holdall.signing.agents": "command_key",
    "holdall.signing.keys": "SigningKey",
    "holdall.signing.public_keys": "PublicKey public_keys",
    "holdall.storage.probe": "Report",
    "holdall.tensors.difference": "TensorChange TensorDifference",
    "holdall.tensors.heads": "Tensors list_tensors_of may_have_tensors",
    "holdall.tensors.measuring": "ValueDifference",
    "holdall.tensors.stored": "TensorInfo",
    "holdall.store.finding": "Match Matches",
    "holdall.store.model_card": "ModelCard",
}


def __getattr__(name: str) -> Any:
    """Load what is defined in a room that this verb may not need."""
    for module, names in _ELSEWHERE.items():
        if name in names.split():
            return globals().setdefault(name, getattr(import_module(module), name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
