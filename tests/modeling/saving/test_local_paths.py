"""What a model needs is said without the paths of the machine where it was made, where its run keeps none."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import Any

import pytest
import yaml

from holdall.modeling.saving.local_paths import REMARK
from holdall.modeling.saving.pathless import pathless_files
from holdall.modeling.saving.requirements import environment_files
from holdall.runs.disclosure import ENVIRONMENT, OMITTED, Disclosure, names_paths
from holdall.store import Store

KNOWN = {  # what is said of a distribution that is installed, or whose file says it
    "mine @ file:///home/anna/mine": "mine==1.5",
    "mine[gpu] @ file:///home/anna/mine ; python_version > '3'": "mine[gpu]==1.5 ; python_version > '3'",
    "mine @ git+file:///home/anna/mine@main": "mine==1.5",
    "-e git+file:///home/anna/mine#egg=mine": "mine==1.5",
    "-e {installed}": "mine==1.5",
    "--editable={installed}": "mine==1.5",
    "{installed}[gpu]": "mine[gpu]==1.5",
    "file://{installed}": "mine==1.5",
    "/home/anna/dist/theirs-2.0-py3-none-any.whl": "theirs==2.0",
    "theirs-2.0+anna-py3-none-any.whl": "theirs==2.0",
    "file:///home/anna/theirs-2.0.tar.gz": "theirs==2.0",
    "C:\\Users\\anna\\theirs-2.0.zip": "theirs==2.0",
}
UNKNOWN = [
    *("-e ./anna", "-e.", "-e anna", "--editable ../anna", "-e file:///home/anna/r", "./anna", "~/anna", "anna/r"),
    *("anna @ file:///home/anna/r", "/home/anna/anna.whl", ".\\anna", "\\\\host\\anna\\r", "file:anna"),
    *("--find-links /home/anna/wheels", "-f anna", "--find-links=file:///home/anna", "-i file:///home/anna/simple"),
    *("--extra-index-url /home/anna/simple", "--cert /home/anna/ca.pem", '-e "/home/anna/a b"'),
]
PUBLIC = [
    *("tokenizers==0.20", "a[b,c]>=1,<2 ; python_version<'3'", "a @ https://h/a.whl", "https://h/dist/a-1.0.zip"),
    *("git+https://h/o/r.git@main#egg=r", "-e git+ssh://git@h/o/r.git", "a @ git+https://h/o/r", "--pre"),
    *("--index-url https://${USER}:${TOKEN}@h/simple", "--find-links ${WHEELS}/here", "--no-binary :all:", "# /home"),
    *("a==1 --hash=sha256:00", "--trusted-host h:8080", "a.b-c_d", "--find-links s3://b/w"),
]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the folder that `mine` 1.5 was installed from, as pip notes it."""
    described = tmp_path / "site" / "mine-1.5.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.5\n")
    folder = tmp_path / "anna"
    (described / "direct_url.json").write_text(json.dumps({"url": folder.as_uri(), "dir_info": {"editable": True}}))
    monkeypatch.syspath_prepend(str(described.parent))
    return str(folder)


def _lines(files: dict[str, bytes], name: str = "requirements.txt") -> list[str]:
    return files[name].decode().splitlines()[1:]  # MLflow is the first


@pytest.mark.parametrize("line", KNOWN)
def test_a_local_path_becomes_the_name_and_version_of_what_it_holds(installed: str, line: str) -> None:
    """In each file, and without a warning: who loads the model lacks nothing."""
    given = environment_files([], pip_requirements=[line.format(installed=installed)])
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        files = pathless_files(given)
    assert _lines(files) == [KNOWN[line]]
    assert yaml.safe_load(files["conda.yaml"])["dependencies"][-1]["pip"][1:] == [KNOWN[line]]
    assert b"anna" not in b"".join(files.values())


@pytest.mark.parametrize("line", UNKNOWN)
def test_a_path_to_what_is_not_known_is_left_out_with_a_remark(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One warning says which line it was; the files do not."""
    monkeypatch.chdir(tmp_path)  # for the project's own folder is one that something was installed from
    with pytest.warns(UserWarning, match="names a local path") as told:
        files = pathless_files(environment_files([], pip_requirements=["a", line, "b"]))
    assert _lines(files) == ["a", REMARK, "b"]
    assert files["conda.yaml"].decode().startswith(f"{REMARK}\n")
    assert yaml.safe_load(files["conda.yaml"])["dependencies"][-1]["pip"][1:] == ["a", "b"]
    assert b"anna" not in b"".join(files.values())
    assert len(told) == 1
    assert repr(line) in str(told[0].message)


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("theirs==2.0 --config-settings=--with=/home/anna/lib", "theirs==2.0"),
        (
            "a==1 ; python_version>'3' --global-option=~anna/x --hash=sha256:00",
            "a==1 ; python_version>'3' --hash=sha256:00",
        ),
        ("--index-url https://host/simple --find-links anna/wheels", "--index-url https://host/simple"),
    ],
)
def test_an_option_that_names_a_path_is_taken_off_its_line(line: str, kept: str) -> None:
    """The rest stays, and the warning names the line."""
    with pytest.warns(UserWarning, match="anna"):
        files = pathless_files(environment_files([], pip_requirements=[line]))
    assert _lines(files) == [kept]
    assert b"anna" not in b"".join(files.values())


def test_what_names_no_path_stays_to_the_byte() -> None:
    """In all files."""
    given = environment_files([], pip_requirements=PUBLIC)
    assert pathless_files(given) == given


def test_constraints_name_no_path_either(tmp_path: Path) -> None:
    """They are a file of their own, and are said where they were."""
    (tmp_path / "limits.txt").write_text("a @ file:///home/anna/a\nb<3\ntheirs @ file:///home/anna/theirs-2.0.zip\n")
    with pytest.warns(UserWarning, match="anna/a'"):
        files = pathless_files(environment_files([], pip_requirements=["a", f"-c {tmp_path / 'limits.txt'}"]))
    assert files["constraints.txt"].decode().splitlines() == [REMARK, "b<3", "theirs==2.0"]
    assert _lines(files) == ["a", "-c constraints.txt"]


def test_an_environment_of_conda_names_no_path() -> None:
    """Neither where it lies, nor a channel, a package, a variable, or what pip installs."""
    env = {
        "name": "x",
        "prefix": "/home/anna/envs/x",
        "channels": ["conda-forge", "pytorch/label/nightly", "https://h/c", "/home/anna/c", "file:///home/anna/c"],
        "dependencies": [
            *("python=3.11", "conda-forge/label/x::numpy", "file:///home/anna/c::pandas", "/home/anna/odd.tar.bz2"),
            *("/home/anna/linux-64/scipy-1.2-py_0.conda", "pip", {"pip": ["-e /home/anna/mine", "-r /anna.txt", "b"]}),
        ],
        "variables": {"DATA": "/home/anna/data", "URL": "https://h/x", "N": 4},
    }
    with pytest.warns(UserWarning, match="-e /home/anna/mine") as told:
        files = pathless_files(environment_files([], conda_env=env))
    made = yaml.safe_load(files["conda.yaml"])
    assert "anna" not in b"".join(files.values()).decode()
    assert made["channels"] == ["conda-forge", "pytorch/label/nightly", "https://h/c"]
    assert made["dependencies"][:-2] == ["python=3.11", "conda-forge/label/x::numpy", "pandas", "scipy=1.2"]
    assert made["dependencies"][-1]["pip"][1:] == ["b"]
    assert made["variables"] == {"URL": "https://h/x", "N": 4}
    assert len(told) == 1


@pytest.mark.parametrize(
    ("by", "said"),
    [
        *(("the writer", "full,-host"), ("the writer", "full,-paths"), ("the writer", False)),
        *(("the experiment", "full,-packages"), ("the experiment", "minimal"), ("the run", "off")),
    ],
)
def test_a_model_names_paths_where_its_run_keeps_them(tmp_path: Path, by: str, said: str | bool) -> None:
    """And its writer does: whichever of them says less, however the requirements were given, and when revised."""
    where = str(tmp_path / "store")
    if by == "the experiment":
        Store.open(where).experiments.create("e", {ENVIRONMENT: said or "off"})
    run = Store.open(where, environment=said if by == "the run" else True).runs.start(experiment="e")
    store = Store.open(where, environment=said if by == "the writer" else True)
    allowed = Disclosure.parse(str(said or "off")).paths
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", UserWarning)
        run = store.runs.get(run.id)
        given: dict[str, Any] = {"flavor": "python_function", "pip_requirements": ["-e /home/anna/mine"]}
        info = store.models.log(run, lambda model_input: model_input, "m", **given)
    assert (REMARK in _text(store, info.model_uri)) is not allowed
    assert ("/home/anna" in _text(store, info.model_uri)) is allowed
    assert len([each for each in told if "names a local path" in str(each.message)]) == (not allowed)


def test_requirements_that_are_added_later_obey_it_too(tmp_path: Path) -> None:
    """They lose their credentials as well."""
    from holdall.modeling.revising import with_requirements

    store = Store.open(str(tmp_path / "store"), environment="minimal")
    run = store.runs.start(experiment="e")
    info = store.models.log(run, lambda model_input: model_input, "m", flavor="python_function", pip_requirements=[])
    lines = ["mine @ file:///home/anna/mine", "b @ git+https://x:hunter2Secret@h/o/b"]
    with pytest.warns(UserWarning, match="local path|credentials") as told:
        text = _text(store, store.models.revise(info.model_uri, with_requirements("add", lines)).model_uri)
    assert not re.search("anna|hunter2Secret", text)
    assert "b @ git+https://h/o/b" in text
    assert len({str(each.message) for each in told}) == 2


def test_what_a_run_kept_shows_whether_it_names_paths() -> None:
    """By any fact that the word leaves out, be it null; a run that kept nothing names none."""
    whole: dict[str, Any] = {
        "python": {"version": "3", "executable": None},
        "process": {"pid": 1},
        "direct_requirements": [],
    }
    assert names_paths(whole)
    assert all(names_paths(Disclosure.parse(f"full,-{word}").of(whole)) is (word != "paths") for word in OMITTED)
    assert not names_paths({})


def _text(store: Store, uri: str) -> str:
    """Return all that a model says of what it needs."""
    folder = Path(store.artifacts.download(uri))
    return "".join((folder / name).read_text() for name in ("requirements.txt", "conda.yaml", "python_env.yaml"))
