"""Scripts as MLflow's documentation teaches to write them run here with only their import lines changed.

Each ends with `seen`, what it saw, and that is the same in both. What MLflow's saw is kept in
`seen_in_scripts.json`; a deep run lets them run again, in one process of their own, and
`python -m tests.surfaces.test_scripts_for_mlflow` writes it anew. holdall's run in this one.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.support.depth import DEEP

from holdall.surfaces.fluent import active

SCRIPTS = sorted(Path(__file__).with_name("mlflow_scripts").glob("*.py"))
KEPT = Path(__file__).with_name("seen_in_scripts.json")
_RUN = """
import json, os, runpy, sys, warnings
warnings.simplefilter("ignore")
for name in sys.argv[1:]:
    os.makedirs(name)
    os.chdir(name)
    seen = runpy.run_path(f"../{name}.py")["seen"]
    os.chdir("..")
    with open(f"{name}.json", "w") as file:
        json.dump(seen, file)
"""


def _ported(text: str) -> str:
    """The script with its imports from holdall, and not another character changed."""
    text = re.sub(r"^import mlflow$", "import holdall as mlflow", text, flags=re.MULTILINE)
    text = re.sub(r"^import mlflow\.(\w+)$", r"import holdall.\1", text, flags=re.MULTILINE)
    return re.sub(r"^from mlflow\b", "from holdall", text, flags=re.MULTILINE)


def _with_mlflow(folder: Path, scripts: dict[str, str]) -> dict[str, Any]:
    """What the scripts saw, by name, each in a folder of its own."""
    for name, text in scripts.items():
        (folder / f"{name}.py").write_text(text)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "HOLDALL_"))}
    said = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/runs.db",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "true",
        "MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK": "true",  # it would ask the network
    }
    command = [sys.executable, "-c", _RUN, *scripts]
    done = subprocess.run(command, cwd=folder, env=kept | said, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return {name: json.loads((folder / f"{name}.json").read_text()) for name in scripts}


def _with_holdall(folder: Path, scripts: dict[str, str]) -> dict[str, Any]:
    """The same here: in folders of their own, against one store."""
    seen = {}
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in [name for name in os.environ if name.startswith(("MLFLOW_", "HOLDALL_"))]:
            patch.delenv(name)
        for name, value in {"STORE": str(folder / "store"), "CACHE": "off", "PROGRESS": "off"}.items():
            patch.setenv(f"HOLDALL_{name}", value)
        active._state.__init__()  # type: ignore[misc]
        for name, text in scripts.items():
            (folder / name).mkdir()
            patch.chdir(folder / name)
            (folder / f"{name}.py").write_text(text)
            seen[name] = json.loads(json.dumps(runpy.run_path(str(folder / f"{name}.py"))["seen"]))
        active._state.__init__()  # type: ignore[misc]
    return seen


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What MLflow's scripts saw, with MLflow and with holdall."""
    texts = {script.stem: script.read_text() for script in SCRIPTS}
    with ThreadPoolExecutor(1) as thread:
        folder = tmp_path_factory.mktemp("mlflow")
        theirs = thread.submit(lambda: _with_mlflow(folder, texts) if DEEP else json.loads(KEPT.read_text()))
        ours = _with_holdall(tmp_path_factory.mktemp("holdall"), {name: _ported(text) for name, text in texts.items()})
        return {"mlflow": theirs.result(), "holdall": ours}


@pytest.mark.skipif(not DEEP, reason="a deep run lets MLflow's scripts run")
def test_what_is_kept_of_mlflow_is_what_it_does(seen: dict[str, dict[str, Any]]) -> None:
    """What was written down is what the scripts see with MLflow."""
    assert seen["mlflow"] == json.loads(KEPT.read_text())


@pytest.mark.parametrize("name", [script.stem for script in SCRIPTS])
def test_a_script_sees_the_same(seen: dict[str, dict[str, Any]], name: str) -> None:
    """With `import holdall as mlflow`, and its submodules, nothing that the script looks at is different."""
    assert seen["holdall"][name] == seen["mlflow"][name]
    assert len(seen["mlflow"][name]) >= 10


def test_nothing_of_mlflow_is_left_in_a_ported_script() -> None:
    """Each line that imports MLflow is changed, and no other."""
    for script in SCRIPTS:
        text = script.read_text()
        changed = [(a, b) for a, b in zip(text.splitlines(), _ported(text).splitlines(), strict=True) if a != b]
        assert changed, script.name
        assert all(re.match(r"(import|from) mlflow\b", before) for before, _ in changed)
        assert not re.search(r"^\s*(import|from) mlflow", _ported(text), re.MULTILINE)


# import lines as they stand in scripts, beside those of the five
LINES = """
from mlflow import MlflowClient, MlflowException, log_metric, start_run
from mlflow.artifacts import download_artifacts, list_artifacts, load_dict, load_image, load_text
from mlflow.client import MlflowClient
from mlflow.data import from_numpy, from_pandas
from mlflow.entities import Dataset, DatasetInput, Experiment, ExperimentTag, FileInfo, InputTag, LifecycleStage
from mlflow.entities import LoggedModel, LoggedModelInput, LoggedModelOutput, LoggedModelStatus, Metric, Param, Run
from mlflow.entities import RunData, RunInfo, RunInputs, RunOutputs, RunStatus, RunTag, ViewType
from mlflow.entities.model_registry import ModelVersion, RegisteredModel, RegisteredModelAlias
from mlflow.exceptions import MlflowException, RestException
from mlflow.models import Model, ModelSignature, infer_signature, set_model
from mlflow.models.signature import ModelSignature, infer_signature, set_signature
from mlflow.pyfunc import PyFuncModel, PythonModel, PythonModelContext, load_model, log_model
from mlflow.tracking import MlflowClient, get_tracking_uri, set_tracking_uri
from mlflow.tracking.client import MlflowClient
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import Array, ColSpec, DataType, Map, Object, Property, Schema, TensorSpec
import mlflow.artifacts
import mlflow.data
import mlflow.models
import mlflow.pyfunc
import mlflow.sklearn
import mlflow.tracking
""".strip().splitlines()


@pytest.mark.parametrize("line", LINES)
def test_an_import_line_of_mlflows_names_what_is_here(line: str) -> None:
    """With `holdall` for `mlflow` it imports, too, and gives as many names."""
    theirs: dict[str, Any] = {}
    ours: dict[str, Any] = {}
    exec(line, theirs)
    exec(_ported(line), ours)
    assert {name.replace("mlflow", "holdall") for name in theirs if name != "__builtins__"} == {
        name for name in ours if name != "__builtins__"
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as at:
        found = _with_mlflow(Path(at), {script.stem: script.read_text() for script in SCRIPTS})
        KEPT.write_text(json.dumps(found, indent=1) + "\n")
