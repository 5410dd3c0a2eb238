"""holdall reads like MLflow: one script of the verbs, run unchanged but for its import, sees the same.

`verbs_script.py` speaks every verb and writes down what it sees, by field. What
MLflow's own saw is kept in `seen_by_mlflow.json`; a deep run lets MLflow speak again and
holds it against that (`python -m tests.surfaces.test_like_mlflow` writes it anew). Where
holdall differs, a table below says why, and the test of that table fails if it
no longer differs. `differences_script.py` is about what holdall is for.
"""

from __future__ import annotations

import ast
import getpass
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import ANY

import pytest
from tests.support.depth import DEEP

import holdall

pytestmark = pytest.mark.long  # each of two scripts, twice, before the first test
VERBS = Path(__file__).with_name("verbs_script.py")
DIFFERENCES = Path(__file__).with_name("differences_script.py")
KEPT = Path(__file__).with_name("seen_by_mlflow.json")
ABSENT = "(absent)"

Fields = dict[str, Any]


@dataclass(frozen=True)
class Both:
    """What the scripts saw: of MLflow, and of holdall."""

    theirs: Fields
    ours: Fields
    their_ways: Fields
    our_ways: Fields

    @property
    def differing(self) -> dict[str, tuple[Any, Any]]:
        """Fields that are not the same, with what each has there."""
        pairs = {
            field: (self.theirs.get(field, ABSENT), self.ours.get(field, ABSENT))
            for field in sorted(self.theirs.keys() | self.ours.keys())
        }
        return {field: pair for field, pair in pairs.items() if pair[0] != pair[1]}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    """Both scripts with holdall, and what they saw with MLflow: in a deep run now, else as it is kept."""
    with ThreadPoolExecutor(2) as pool:
        ours = pool.submit(_seen, tmp_path_factory.mktemp("holdall"), "import holdall as mlflow")
        theirs = _seen(tmp_path_factory.mktemp("mlflow"), "import mlflow") if DEEP else json.loads(KEPT.read_text())
        return Both(theirs[0], ours.result()[0], theirs[1], ours.result()[1])


def _seen(folder: Path, imported: str) -> list[Fields]:
    """What both scripts see with this import: of the first one by field."""
    seen, ways = _run(folder, imported)
    return [_fields(seen, folder), ways]


def _run(folder: Path, imported: str) -> tuple[Any, Any]:
    """What both scripts see in a folder, with this import."""
    quiet = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    }
    stores = {"MLFLOW_TRACKING_URI": "sqlite:///runs.db", "HOLDALL_STORE": "store", "HOLDALL_CACHE": "off"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "HOLDALL_"))}
    for script in (VERBS, DIFFERENCES):
        text, replaced = re.subn(r"^import mlflow$", imported, script.read_text(), flags=re.MULTILINE)
        assert replaced == 1
        (folder / "script.py").write_text(text)
        done = subprocess.run(
            [sys.executable, "script.py"], cwd=folder, env=kept | quiet | stores, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    return json.loads((folder / "seen.json").read_text()), json.loads((folder / "differs.json").read_text())


def _fields(written: Any, folder: Path) -> Fields:
    """What was seen, by field, with names for what is drawn at random or depends on the clock."""
    text = json.dumps(written["seen"]).replace(str(folder), "<folder>")
    for id, name in written["ids"].items():
        text = text.replace(id, name) if len(id) == 32 else text
    text = re.sub(r"[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}", "<uuid>", text)
    parts = sorted(set(re.findall(r"\d{20}-[\da-f]{8}", text)))
    text = re.sub(r"\d{20}-[\da-f]{8}", lambda found: f"<part {parts.index(found[0])}>", text)
    text = text.replace(json.dumps(getpass.getuser()), '"<user>"')
    return dict(_flattened(json.loads(text)))


def _flattened(value: Any, *path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from _flattened(below, *path, key)
    else:
        yield " > ".join(path), value


# --- where holdall differs on purpose ------------------------------------------

_ADDRESS = "an address in the store, good on any machine, where MLflow has a place in its artifact root"
_WHO = "a run that a client creates says as well who started it, and with what"
_NONE = "None removes a tag, as nothing else could in a set of several; MLflow keeps the word"
_INFINITY = "infinity stays infinity; MLflow's database holds the largest number for it"
_LOGGED = "in the order of logging; MLflow's comes from its database's key, by timestamp"
_PARTS = "a table is a folder of parts, so that many may append at once; it loads as the same rows"
_WHOLE = "a download keeps the whole path, so that two files of one name never meet, and says where it is"
_FROM = "a version says the run that its source is in, and that run's user; MLflow keeps what it was told"
_SOURCE = "what was registered, as it was said, which is good on any machine; MLflow keeps a place in its artifact root"
_STEADY = "the same figure is the same bytes: no version, no random id; what is drawn is the same, see `drawn`"

# field: what MLflow has there, what holdall has, why
WANTED: dict[str, tuple[Any, Any, str]] = {
    # who a run is
    "run <*> > artifact_uri": (ANY, ANY, _ADDRESS),
    "created > artifact_uri": ("<folder>/mlruns/1/<other>/artifacts", "runs:/<other>", _ADDRESS),
    "ended by the client > artifact_uri": (ANY, "runs:/<other>", _ADDRESS),
    "frame > cells > artifact_uri": (ANY, ["runs:/<parent>", "runs:/<other>"], _ADDRESS),
    "created > user": ("unknown", ANY, _WHO),
    "ended by the client > user": ("unknown", ANY, _WHO),
    "run <other> > user": ("unknown", ANY, _WHO),
    "created > tags > mlflow.user": (ABSENT, ANY, _WHO),
    "created > tags > mlflow.source.*": (ABSENT, ANY, _WHO),
    "ended by the client > tags > mlflow.user": (ABSENT, ANY, _WHO),
    "ended by the client > tags > mlflow.source.*": (ABSENT, ANY, _WHO),
    "run <other> > tags > mlflow.user": (ABSENT, ANY, _WHO),
    "run <other> > tags > mlflow.source.name": (ABSENT, "script.py", _WHO),
    "run <other> > tags > mlflow.source.type": (ABSENT, "LOCAL", _WHO),
    "frame > cells > tags.mlflow.user": ([ANY, "nan"], [ANY, ANY], _WHO),
    "frame > cells > tags.mlflow.source.name": (["script.py", "nan"], ["script.py", "script.py"], _WHO),
    "frame > cells > tags.mlflow.source.type": (["LOCAL", "nan"], ["LOCAL", "LOCAL"], _WHO),
    # what it says
    "run <parent> > tags > none": ("None", ABSENT, _NONE),
    "frame > columns": (ANY, ANY, _NONE),
    "frame > types > tags.none": (ANY, ABSENT, _NONE),
    "frame > cells > tags.none": (["None", "nan"], ABSENT, _NONE),
    "run <parent> > metrics > off the scale": ("1.7976931348623157e+308", "inf", _INFINITY),
    "history of off the scale": (ANY, [["off the scale", "inf", 0, 1_767_225_600_000]], _INFINITY),
    "frame > cells > metrics.off the scale": (["1.7976931348623157e+308", "nan"], ["inf", "nan"], _INFINITY),
    "history of tie": (ANY, ANY, _LOGGED),
    "history of a batch": (ANY, ANY, _LOGGED),
    "at once > rate of the handle": (None, "0.1", "the active run knows what was logged to it; MLflow's is a snapshot"),
    "experiment > active": (["Default", "vision"], ["vision"], "an experiment is there once it is used"),
    # tables
    "table of two runs > rows": (ANY, ANY, "runs stand in the order that was asked for; in MLflow the latest is first"),
    "listing of tables": (
        [["tables/answers.parquet", False, ANY], ["tables/numbers.json", False, ANY]],
        [["tables/answers.parquet", True, None], ["tables/numbers.json", True, None]],
        _PARTS,
    ),
    "all: tables/answers.parquet": (ANY, ABSENT, _PARTS),
    "all: tables/answers.parquet/<part ?>.parquet": (ABSENT, ANY, _PARTS),
    "all: tables/numbers.json": (ANY, ABSENT, _PARTS),
    "all: tables/numbers.json/<part ?>.json": (ABSENT, ANY, _PARTS),
    # figures
    "all: figures/line.png": (ANY, ANY, _STEADY),
    "all: figures/bars.html": (ANY, ANY, _STEADY),
    "listing of figures": (ANY, ANY, _STEADY),
    "listing of the other": (ANY, ANY, _STEADY),
    # registered models
    "registry > version 2 > run": (None, "<registered>", _FROM),
    "registry > taken over > run": (None, "<registered>", _FROM),
    "registry > * > user": (None, ANY, _FROM),
    "registry > version 3 > source": (ANY, "runs:/<registered>/first", _SOURCE),
    "registry > new by verb > source": (ANY, "runs:/<registered>/second", _SOURCE),
    # where things are
    "listing by uri": (
        [["layers/0.bin", False, 1000]],
        [["checkpoints/model/layers/0.bin", False, 1000]],
        "a path is the run's, however it was asked for, and can be asked for again; "
        "MLflow counts from the folder above an address",
    ),
    "file is at": ([True, "greeting.txt"], [True, "texts/greeting.txt"], _WHOLE),
    "folder is at": ([True, "model"], [True, "checkpoints/model"], _WHOLE),
    "client is at": ([True, "deep"], [True, "texts/deep"], _WHOLE),
    "file: greeting.txt": (ANY, ABSENT, _WHOLE),
    "file: texts/greeting.txt": (ABSENT, ANY, _WHOLE),
    "folder: model/*": (ANY, ABSENT, _WHOLE),
    "folder: checkpoints/model/*": (ABSENT, ANY, _WHOLE),
    "client: deep/notes.txt": (ANY, ABSENT, _WHOLE),
    "client: texts/deep/notes.txt": (ABSENT, ANY, _WHOLE),
}

UNWANTED = "at once > history by a client"


# --- the laws -------------------------------------------------------------------


@pytest.mark.deep
def test_what_is_kept_of_mlflow_is_what_it_does(tmp_path: Path) -> None:
    """The scripts see with MLflow what was written down, but for what holdall is not compared with."""
    fields, ways = _seen(tmp_path, "import mlflow")
    kept, kept_ways = json.loads(KEPT.read_text())
    free = [pattern for pattern, (theirs, _, _) in WANTED.items() if theirs is ANY or ANY in _parts_of(theirs)]
    named = [field for field in kept.keys() | fields.keys() if not any(fnmatchcase(field, each) for each in free)]
    assert {field: fields.get(field) for field in named} == {field: kept.get(field) for field in named}
    assert ways.keys() == kept_ways.keys()


def _parts_of(value: Any) -> list[Any]:
    """What is anywhere in lists of lists."""
    return [part for each in value for part in _parts_of(each)] if isinstance(value, list) else [value]


def test_the_script_speaks_every_verb() -> None:
    """What holdall offers under a name of MLflow's is in the script: the module's, the client's, the artifacts'."""
    spoken = {
        (ast.unparse(name.value), name.attr)
        for name in ast.walk(ast.parse(VERBS.read_text()))
        if isinstance(name, ast.Attribute)
    }
    beyond = {"get_metric_history", "load_model", "log_model", "set_experiment_retention", "set_store"}
    beyond |= {"command_key", "compare", "log_reference", "new_identity", "use_artifact"}
    beyond_artifacts = {"Difference", "FileInfo", "diff", "load_table", "open_artifact", "read_ranges"}
    beyond_artifacts |= {"FileVersion", "artifact_versions", "diff_tensors", "tensors"}
    beyond_artifacts |= {"TensorChange", "TensorDifference", "TensorInfo", "Tensors", "ValueDifference"}
    beyond_client = {"artifact_versions", "delete_artifact", "trim_artifacts"}
    nouns = {name for name in holdall.__all__ if isinstance(getattr(holdall, name), ModuleType | type)}
    verbs = {("mlflow", name) for name in set(holdall.__all__) - beyond - nouns}
    verbs |= {("client", name) for name in set(dir(holdall.Client)) - beyond_client if not name.startswith("_")}
    verbs |= {("mlflow.artifacts", name) for name in set(holdall.artifacts.__all__) - beyond_artifacts}
    assert verbs - spoken == set()
    assert len(verbs) > 85


def test_the_same_script_sees_the_same(both: Both) -> None:
    """Params, metrics, tags, listings, downloaded bytes, statuses, tables: whatever no table here names is equal."""
    known = [*WANTED, UNWANTED]
    surprises = {
        field: pair
        for field, pair in both.differing.items()
        if not any(fnmatchcase(field, pattern) for pattern in known)
    }
    assert surprises == {}
    assert len(both.ours) - len(both.differing) > 250


@pytest.mark.parametrize("pattern", WANTED)
def test_a_difference_on_purpose_is_one(both: Both, pattern: str) -> None:
    """Each field of the table differs, and as the table says."""
    theirs, ours, _ = WANTED[pattern]
    fields = [field for field in both.theirs.keys() | both.ours.keys() if fnmatchcase(field, pattern)]
    assert fields
    for field in fields:
        assert field in both.differing
        assert both.differing[field] == (theirs, ours)


def test_a_client_sees_at_once_what_a_verb_logged(both: Both) -> None:
    """Measurements of the active run are there for `MlflowClient()` in the same process, as in MLflow."""
    assert UNWANTED not in both.differing


def test_downloads_are_the_same_bytes(both: Both) -> None:
    """Every file that MLflow hands back is the same here, but for two figures and two tables."""
    files = {field.removeprefix("all: ") for field in both.theirs if field.startswith("all: ")}
    other = {file for file in files if f"all: {file}" in both.differing}
    assert other == {"figures/line.png", "figures/bars.html", "tables/answers.parquet", "tables/numbers.json"}
    assert len(files - other) == 19


# --- what holdall is for -------------------------------------------------------


def test_content_is_not_overwritten(both: Both) -> None:
    """Other content for a path is refused and the first stays; in MLflow the second stays. The same again is fine."""
    asked = ["the same again", "other content", "what is there then"]
    assert [both.their_ways[field] for field in asked] == [None, None, "two"]
    assert [both.our_ways[field] for field in asked] == [None, "ArtifactExistsError", "one"]


@pytest.mark.parametrize("verb", ["log_param", "log_metric", "set_tag", "log_text"])
def test_no_run_is_started_unasked(both: Both, verb: str) -> None:
    """A log verb without a run is an error here; MLflow starts one that nobody ends."""
    assert both.their_ways[f"{verb} without a run"] == [None, True]
    assert both.our_ways[f"{verb} without a run"] == ["NoActiveRunError", False]


def test_rows_appended_at_once_are_all_kept(both: Both) -> None:
    """Eight threads append a row each: eight rows; MLflow rewrites one file, and how many stay is luck."""
    theirs = both.their_ways["rows of eight appends at once"]
    assert isinstance(theirs, str) or set(theirs) <= set(range(8))
    assert both.our_ways["rows of eight appends at once"] == list(range(8))


def test_columns_of_uneven_length_are_no_table(both: Both) -> None:
    """A column that lacks a cell is an error here; MLflow makes one row of lists of it."""
    assert both.their_ways["columns of uneven length"] is None
    assert both.our_ways["columns of uneven length"] == "InvalidTableError"


def test_a_folder_comes_back_as_it_was(both: Both) -> None:
    """Links stay links; MLflow copies what a link to a file leads to, and of a link to a folder keeps the name."""
    theirs, ours = both.their_ways["a folder"], both.our_ways["a folder"]
    assert ours["is"] == ours["was"] == theirs["was"]
    assert {**theirs["is"], "file link": 10, "folder link": "a folder"} == theirs["is"]
    assert "folder link/real.bin" not in theirs["is"]


def test_a_folder_is_logged_whole_or_not_at_all(both: Both) -> None:
    """A folder with a pipe in it is refused by both; MLflow leaves some of its files in the run."""
    failed, left = both.their_ways["a folder that cannot be logged"]
    assert failed
    assert left
    assert both.our_ways["a folder that cannot be logged"] == [True, []]


def test_a_flipped_bit_is_noticed(both: Both) -> None:
    """One bit of what is stored was flipped: MLflow hands out wrong bytes, holdall refuses and leaves no file."""
    assert both.their_ways["a flipped bit"] == [None, True]
    assert both.our_ways["a flipped bit"] == ["IntegrityError", False]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        KEPT.write_text(json.dumps(_seen(Path(folder), "import mlflow"), indent=1, sort_keys=True) + "\n")
