"""`holdall model`, as a person uses it: named, shown, gone back, told of, looked at, fetched, exported."""

from __future__ import annotations

import pickle
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from tests.support.shell import Shell

from holdall.data import from_pandas
from holdall.modeling.loading.trust import folder_digest
from holdall.store import ModelInfo, Store

FRAME = pd.DataFrame({"size": [1.0, 2.0, 3.0]})


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def logged(shell: Shell) -> list[ModelInfo]:
    """Two versions of `fraud`, each of a run that says what it was given and measured."""
    store, infos = Store.open(str(shell.folder / "store")), []
    for slope in (1.0, 2.0):
        run = store.runs.start(tags={"mlflow.user": "ada"})
        run.log_params({"slope": slope})
        run.log_input(from_pandas(FRAME, source="s3://bucket/a.csv", name="houses"), context="training")
        model = LinearRegression().fit(FRAME, FRAME["size"] * slope)
        given = {"input_example": FRAME, "tags": {"kind": "line"}, "registered_model_name": "fraud"}
        infos.append(store.log_model(run, model, "nested/model", **given))
        store.models.log_metrics(run, {"error": slope / 4}, model_id=infos[-1].model_id, dataset=("houses", "d"))
        run.finish()
    store.registry.set_alias("fraud", "champion", 1)
    return infos


def test_models_are_listed_by_name(shell: Shell, logged: list[ModelInfo]) -> None:
    """With the latest version and where aliases point; a filter chooses; nothing is shown of nothing."""
    shell("model", "register", logged[0].model_uri, "spam", "--tag", "team=mail", "--about", "unwanted mail")
    assert [line.split()[:3] for line in shell("model", "list").splitlines()[1:]] == [
        ["fraud", "2", "champion=1"],
        ["spam", "1", "-"],
    ]
    assert "unwanted mail" not in shell("model", "list")  # it is the version that is about that
    assert [one["name"] for one in shell.json("model", "list", "name LIKE 'sp%'")] == ["spam"]
    assert shell("model", "list", "name = 'x'") == ""


def test_registering_prints_the_address(shell: Shell, logged: list[ModelInfo]) -> None:
    """Of the next version; its tags are said, and what is no tag is refused before anything is done."""
    assert shell("model", "register", "models:/fraud/2", "fraud", "--tag", "a=b=c") == "models:/fraud/3\n"
    assert shell.json("model", "show", "models:/fraud/3")["version"]["tags"] == {"a": "b=c"}
    assert "KEY=VALUE" in shell("model", "register", "models:/fraud/2", "other", "--tag", "a", code=2)
    assert "no registered model" in shell("model", "show", "other", code=1)


def test_an_alias_moves_and_is_rolled_back(shell: Shell, logged: list[ModelInfo]) -> None:
    """Every move is shown; back is one more move."""
    assert shell("model", "alias", "fraud", "champion", "2") == "fraud@champion = 2\n"
    assert shell("model", "rollback", "fraud", "champion") == "fraud@champion = 1\n"
    assert [move["version"] for move in shell.json("model", "alias", "fraud", "champion")] == ["1", "2", "1"]
    assert "pointed at before" in shell("model", "rollback", "fraud", "champion", code=1)
    assert shell("model", "alias", "fraud", "champion", "--delete") == "fraud@champion is no more\n"
    assert shell("model", "alias", "fraud", "champion").splitlines()[-1].endswith("removed")
    assert "there are 1, 2" in shell("model", "alias", "fraud", "champion", "9", code=1)
    assert "not both" in shell("model", "alias", "fraud", "champion", "1", "--delete", code=2)


def test_a_model_is_shown_with_its_versions(shell: Shell, logged: list[ModelInfo]) -> None:
    """The latest first."""
    told = shell("model", "show", "fraud")
    assert [line.split()[:2] for line in told.splitlines()[-2:]] == [["2", "-"], ["1", "champion"]]
    assert [one["version"] for one in shell.json("model", "show", "fraud")["versions"]] == ["2", "1"]
    assert "did you mean 'fraud'" in shell("model", "show", "fruad", code=1)


def test_a_version_is_shown_with_all_that_led_to_it(shell: Shell, logged: list[ModelInfo]) -> None:
    """Its run, params, metrics, environment, data, deployments, and its files as `sha256sum` sees them."""
    shell("model", "deployed", "models:/fraud@champion", "--where", "eu-west, canary")
    told = shell("model", "show", "models:/fraud@champion")
    for fact in ("1 of fraud", logged[0].model_id, logged[0].run_id, "slope", "houses", "s3://bucket/a.csv", "by ada"):
        assert fact in told
    assert "eu-west, canary  since" in told
    assert "\nenvironment\n" in told
    found = shell.json("model", "show", "models:/fraud@champion")
    assert found["run"]["params"] == {"slope": "1.0"}
    assert found["logged_model"]["metrics"][0]["value"] == 0.25
    assert [one["where"] for one in found["deployments"]] == ["eu-west, canary"]
    assert found["run"]["environment"]["python"]["version"]
    shell("model", "get", "models:/fraud@champion", "-d", "got")
    files = {
        path.relative_to(shell.folder / "got/nested/model").as_posix() for path in (shell.folder / "got").rglob("*.*")
    }
    assert files < {one["path"] for one in found["files"]}
    assert folder_digest(shell.folder / "got/nested/model") == found["digest"] == found["version"]["digest"]


def test_a_logged_model_and_bare_files_are_shown_too(shell: Shell, logged: list[ModelInfo]) -> None:
    """By the model's id, and by the run's path; files that are no model have no flavors."""
    assert shell.json("model", "show", logged[1].model_uri)["logged_model"]["tags"] == {"kind": "line"}
    uri = f"runs:/{logged[1].run_id}/nested/model/model.pkl"
    assert shell.json("model", "show", uri)["flavors"] == []
    assert "holds no artifact" in shell("model", "show", f"runs:/{logged[1].run_id}/absent", code=1)
    told = shell("run", "show", logged[1].run_id)
    assert logged[1].model_id in told
    assert "holdall.model" not in told


def test_the_end_of_a_deployment_is_told(shell: Shell, logged: list[ModelInfo]) -> None:
    """By the same words and `--ended`; an empty place is a wrong call."""
    shell("model", "deployed", "models:/fraud/1", "--where", "here")
    assert " until " in shell("model", "deployed", "models:/fraud/1", "--where", "here", "--ended")
    assert [one["ended"] for one in shell.json("model", "show", "models:/fraud/1")["deployments"]] == [True]
    assert "empty" in shell("model", "deployed", "models:/fraud/1", "--where", "", code=2)


def test_what_is_exported_is_what_mlflow_loads(shell: Shell, logged: list[ModelInfo]) -> None:
    """As a folder, and out of each archive."""
    for name in ("model", "model.tar", "model.tar.gz", "model.tgz", "model.zip"):
        assert shell.run("model", "export", "models:/fraud/2", f"out/{name}").stdout == f"out/{name}\n"
    unpacked = {"model": shell.folder / "out/model"}
    for archive in (shell.folder / "out").glob("model.*"):
        unpacked[archive.name] = shell.folder / f"un-{archive.name}"
        _unpack(archive, unpacked[archive.name])
    assert len({folder_digest(folder) for folder in unpacked.values()}) == 1
    found = mlflow.pyfunc.load_model(str(unpacked["model.zip"])).predict(FRAME)
    assert np.allclose(found, [2.0, 4.0, 6.0])
    assert "something here already" in shell("model", "export", "models:/fraud/2", "out/model.zip", code=1)
    assert not list((shell.folder / "out").glob("*.partial"))


def test_equal_models_make_equal_archives(shell: Shell, logged: list[ModelInfo]) -> None:
    """Wherever and whenever they are made."""
    for name in ("a.tgz", "b.tgz", "a.zip", "b.zip"):
        shell("model", "export", "models:/fraud/2", name)
    for kind in ("tgz", "zip"):
        assert (shell.folder / f"a.{kind}").read_bytes() == (shell.folder / f"b.{kind}").read_bytes()


def test_what_is_no_model_is_not_exported(shell: Shell, logged: list[ModelInfo]) -> None:
    """A path of a run without an MLmodel file; a local folder has nothing to fetch."""
    assert "MLmodel" in shell("model", "export", f"runs:/{logged[0].run_id}/nested", "out", code=2)
    assert "models:/NAME/VERSION" in shell("model", "get", "nested", code=2)
    assert not (shell.folder / "out").exists()


def test_getting_again_fetches_nothing_and_replaces_nothing(shell: Shell, logged: list[ModelInfo]) -> None:
    """What is there with the same content stays; other content is replaced only by force."""
    assert shell.run("model", "get", "models:/fraud/1", "-d", "got").stdout == "got/nested/model\n"
    assert "fetched 0 files" in shell.run("model", "get", "models:/fraud/1", "-d", "got").stderr
    (shell.folder / "got/nested/model/MLmodel").write_text("mine")
    assert "something else is there" in shell("model", "get", "models:/fraud/1", "-d", "got", code=1)
    assert "fetched 1 file," in shell.run("model", "get", "models:/fraud/1", "-d", "got", "--force").stderr


def test_inspecting_says_what_a_model_would_run(shell: Shell, logged: list[ModelInfo]) -> None:
    """Its flavors, signature, requirements and the imports of its pickle; the same of a folder that was fetched."""
    found = shell.json("model", "inspect", "models:/fraud/1")
    assert found["runs_code"] == ["model.pkl"]
    imports = {one["name"]: one["verdict"] for one in found["imports"]["model.pkl"]}
    assert imports["sklearn.linear_model._base.LinearRegression"] == "unknown"
    assert any(line.startswith("scikit-learn==") for line in found["requirements"])
    told = shell("model", "inspect", "models:/fraud/1")
    assert '"name": "size"' in told
    assert "model.pkl imports" in told
    shell("model", "get", "models:/fraud/1", "-d", "got")
    assert shell.json("model", "inspect", "got/nested/model") == found


class _Evil:
    def __reduce__(self) -> Any:
        return exec, ("raise SystemExit('it was run')",)


def test_a_pickle_that_would_do_harm_is_not_run_but_named(shell: Shell, logged: list[ModelInfo]) -> None:
    """The dangerous import stands first."""
    shell("model", "get", "models:/fraud/1", "-d", "got")
    (shell.folder / "got/nested/model/model.pkl").write_bytes(pickle.dumps(_Evil()))
    told = shell("model", "inspect", "got/nested/model").splitlines()
    at = next(i for i, line in enumerate(told) if line == "model.pkl imports")
    assert told[at + 1].split() == ["dangerous", "builtins.exec"]


@pytest.mark.parametrize("outside", ["../../../secret.pkl", "/etc/hostname", "data/../../x"])
def test_an_mlmodel_that_points_out_of_its_folder_is_not_followed(
    shell: Shell, logged: list[ModelInfo], outside: str
) -> None:
    """It is refused, and nothing there is read."""
    shell("model", "get", "models:/fraud/1", "-d", "got")
    (shell.folder / "secret.pkl").write_bytes(pickle.dumps(_Evil()))
    file = shell.folder / "got/nested/model/MLmodel"
    file.write_text(file.read_text().replace("model.pkl", outside))
    assert "leads out of the model's folder" in shell("model", "inspect", "got/nested/model", code=2)


def test_a_format_that_runs_no_code_says_so(shell: Shell) -> None:
    """Nothing of it can run, so every reader loads it."""
    store = Store.open(str(shell.folder / "store"))
    model = LinearRegression().fit(FRAME, FRAME["size"])
    with_skops = store.models.log(store.runs.start(), model, "model", serialization_format="skops")
    assert "it loads under every policy" in shell("model", "inspect", with_skops.model_uri)


def _unpack(archive: Path, folder: Path) -> None:
    if archive.suffix == ".zip":
        zipfile.ZipFile(archive).extractall(folder)
    else:
        with tarfile.open(archive) as opened:
            opened.extractall(folder, filter="data")
