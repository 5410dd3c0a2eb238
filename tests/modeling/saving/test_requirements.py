"""What must be installed where a model is used, in the words of pip and of conda."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest
import yaml

from holdall.errors import SourceUnreadableError
from holdall.modeling.model_info import SPOKEN
from holdall.modeling.saving.requirements import environment_files, requirements_of

MLFLOW = f"mlflow=={SPOKEN}"
NUMPY = f"numpy=={importlib.metadata.version('numpy')}"


def lines(files: dict[str, bytes]) -> list[str]:
    return files["requirements.txt"].decode().splitlines()


def test_modules_become_the_distributions_that_they_are_from() -> None:
    """Under the names that pip knows; the standard library and what is of no distribution are left out."""
    found = requirements_of({"sklearn.tree._tree", "yaml", "numpy.linalg", "os.path", "nobody_has_this"})
    assert [line.partition("==")[0] for line in found] == ["numpy", "PyYAML", "scikit-learn"]
    assert all(importlib.metadata.version(line.partition("==")[0]) == line.partition("==")[2] for line in found)


def test_all_distributions_are_looked_at_once_until_one_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script's own modules, which are of no distribution, cost no look each time; a new distribution is found."""
    looks, look = list[int](), importlib.metadata.packages_distributions

    def looked() -> object:
        looks.append(1)
        return look()

    monkeypatch.setattr(importlib.metadata, "packages_distributions", looked)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert [requirements_of({"__main__", __name__, "freshly_there"}) for _ in range(3)] == [[], [], []]
    assert len(looks) <= 1
    described = tmp_path / "fresh-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: fresh\nVersion: 1.0\n")
    (described / "top_level.txt").write_text("freshly_there\n")
    assert [requirements_of({"__main__", __name__, "freshly_there"}) for _ in range(3)] == [["fresh==1.0"]] * 3
    assert len(looks) <= 2


def test_mlflow_comes_first_unless_it_is_said(tmp_path: Path) -> None:
    """As MLflow itself writes it, so that its environments are complete."""
    assert lines(environment_files({"numpy"})) == [MLFLOW, NUMPY]
    assert lines(environment_files((), pip_requirements=["mlflow-skinny>=3", "x"])) == ["mlflow-skinny>=3", "x"]


def test_said_requirements_replace_or_join_those_found() -> None:
    """`pip_requirements` are all; `extra_pip_requirements` go beside, and before what was found of the same name."""
    assert lines(environment_files({"numpy"}, pip_requirements=["x==1"])) == [MLFLOW, "x==1"]
    extra = environment_files({"numpy", "yaml"}, extra_pip_requirements=["NumPy<3", "x"])
    assert lines(extra) == [MLFLOW, f"PyYAML=={importlib.metadata.version('pyyaml')}", "NumPy<3", "x"]


def test_files_that_are_named_are_taken_in(tmp_path: Path) -> None:
    """`-r` and `-c`, in lists and in files, from where those are: no path of this machine is kept."""
    (tmp_path / "more.txt").write_text("b>=2  # why\n\n# nothing\n-c limits.txt\n")
    (tmp_path / "limits.txt").write_text("c<3\n")
    (tmp_path / "all.txt").write_text("a==1\n-r more.txt\n")
    for given in (str(tmp_path / "all.txt"), [f"-r {tmp_path / 'all.txt'}"]):
        files = environment_files((), pip_requirements=given)
        assert lines(files) == [MLFLOW, "a==1", "b>=2", "-c constraints.txt"]
        assert files["constraints.txt"] == b"c<3"
    with pytest.raises(SourceUnreadableError, match="none"):
        environment_files((), pip_requirements=["-r none.txt"])


def test_an_environment_of_conda_is_kept(tmp_path: Path) -> None:
    """As it was given, with MLflow among what it installs by pip; from a mapping or a file."""
    env = {"name": "mine", "channels": ["x"], "dependencies": ["python=3.11", "gcc", {"pip": ["a==1"]}]}
    (tmp_path / "conda.yaml").write_text(yaml.safe_dump(env))
    for given in (env, tmp_path / "conda.yaml", str(tmp_path / "conda.yaml")):
        files = environment_files({"numpy"}, conda_env=given)
        assert lines(files) == [MLFLOW, "a==1"]
        made = yaml.safe_load(files["conda.yaml"])
        assert made["name"] == "mine"
        assert made["dependencies"] == ["python=3.11", "gcc", "pip", {"pip": [MLFLOW, "a==1"]}]


@pytest.mark.parametrize("odd", [{"conda": ["x"]}, {"pip": ["a"], "more": 1}, {}])
def test_a_dependency_that_conda_does_not_know_is_named(odd: dict[str, object]) -> None:
    """Among names there may be one mapping, of what pip installs."""
    with pytest.raises(ValueError, match="where only a list of `pip` may"):
        environment_files((), conda_env={"dependencies": ["python=3.11", odd]})


def test_only_one_way_of_saying_it() -> None:
    """Two of them are a mistake, whichever."""
    with pytest.raises(ValueError, match="give one of"):
        environment_files((), pip_requirements=["a"], extra_pip_requirements=["b"])


def test_the_three_files_are_mlflows() -> None:
    """The same keys in conda.yaml and python_env.yaml."""
    files = environment_files({"numpy"})
    conda, python = yaml.safe_load(files["conda.yaml"]), yaml.safe_load(files["python_env.yaml"])
    assert (list(conda), conda["channels"], conda["name"]) == (
        ["channels", "dependencies", "name"],
        ["conda-forge"],
        "mlflow-env",
    )
    assert conda["dependencies"][-1] == {"pip": [MLFLOW, NUMPY]}
    assert python["dependencies"] == ["-r requirements.txt"]
    assert "wheel" in python["build_dependencies"]
