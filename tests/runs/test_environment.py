"""What ran where is kept, what opens doors is not, and nothing that is missing stops a run."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.processes import wait_for_end

from holdall.runs import environment
from holdall.runs.environment import capture, mlflow_tags
from holdall.runs.masking import MASK, is_secret_name, mask_all, mask_arguments, mask_text

SECRET = "pl4nted.S3cret_v4lue"  # it looks like nothing that is known
SMI = """#!/bin/sh
case "$1" in
--query-gpu=*) echo 'NVIDIA A100-SXM4-80GB, 81920, GPU-aaaa, 550.54.15'
    echo 'NVIDIA GB10, [N/A], GPU-bbbb, 550.54.15' ;;
*) echo '| NVIDIA-SMI 550.54.15    Driver Version: 550.54.15    CUDA Version: 12.4  |' ;;
esac
"""

secrets = st.from_regex(r"[A-Za-z0-9!$%*+._~^]{8,40}", fullmatch=True).filter(lambda text: MASK not in text)
names = st.sampled_from(
    [
        *("api-key", "api_key", "apiKey", "APIKEY", "key", "Session.key", "private_key_file", "AWS_SECRET_ACCESS_KEY"),
        *("db_password", "DB_PASSWD", "token", "hf-token", "AUTH_TOKEN", "client.secret", "gcp-credentials"),
        *("pat", "github_pat", "bearer", "pw", "db-pw"),
    ]
)
URLS = [
    "https://alice:{}@host/p",
    "https://{}@host:8080/p",
    "git+https://x:{}@host/r.git@v1",
    "postgresql://u:{}@[::1]:5432/db",
    "see <https://u:{}@h>, then https://h/x",
    "https://host/x?part=2&token={}&n=1",
    "s3://b/k?X-Amz-Signature={}&X-Amz-Credential={}",
    "https://acct.blob/x?sv=1&sig={}",
    "https://h/#access_token={}",
    "u:{}@proxy:3128",
    'Authorization: Bearer {}',
    '{{"api_key": "{}", "rate": 5}}',
    "sh -c 'train --password {} --rate 5'",
]  # fmt: skip
HARMLESS = [
    *("train.py", "--rate", "0.1", "--tokenizer=bert", "--max_tokens=4096", "--max-tokens=8k", "--keyboard", "us"),
    *("git@github.com:org/api-key-tool.git", "ssh://git@host:22/org/r", "https://host:8080/@scope/p?part=2&n=1"),
    *(
        "image:tag@sha256:00ff",
        "s3://bucket/a=1/b",
        "alice@example.com",
        "https://keys.host:443/x",
        "a b: c",
        "--",
        "-v",
    ),
    *("0123456789abcdef0123456789abcdef01234567", "sk-learn-experiments-baseline", "keywords: a", "é\n"),
]


# --- masking --------------------------------------------------------------------


@given(names, secrets)
def test_what_a_secret_name_holds_is_masked(name: str, secret: str) -> None:
    """However it is spelled, the value goes, and the words around it stay."""
    for words in ([f"--{name}={secret}"], [f"--{name}", secret], [f"-{name}", secret], [f"{name}={secret} and more"]):
        masked = mask_arguments(["run", "-o", *words, "--rate", "1"])
        assert secret not in " ".join(masked)
        assert (masked[:2], masked[-2:], len(masked)) == (["run", "-o"], ["--rate", "1"], 4 + len(words))
        assert name in masked[2]


@given(st.sampled_from(URLS), secrets)
def test_urls_and_headers_lose_their_credentials(url: str, secret: str) -> None:
    """Wherever in a text they stand, and whether it is an argument or not."""
    text = url.replace("{{", "{").replace("}}", "}").replace("{}", secret)
    for masked in (mask_text(text), mask_text(f"cannot reach {text}\nagain"), *mask_arguments([text, f"--x={text}"])):
        assert secret not in masked
        assert MASK in masked


@pytest.mark.parametrize(
    "token",  # each put together here, so that nobody's scanner finds it in this file
    [
        *("AKIA" + "Z2" * 8, "ghp_" + "a1B" * 12, "github_pat_" + "a1_" * 8, "hf_" + "aB" * 17, "sk-" + "aB3" * 16),
        *("sk-proj-" + "a_B-3" * 9, "xoxb-" + "123-" * 5, "eyJ" + "hb" * 9 + "." + "eyJz" * 5 + ".c2ln"),
    ],
)
def test_tokens_are_known_by_their_look(token: str) -> None:
    """A token with no name beside it is masked among arguments, paths and words."""
    assert mask_arguments(["login", token, "now"]) == ["login", MASK, "now"]
    assert mask_text(f"/tmp/{token}/x, {token}.") == f"/tmp/{MASK}/x, {MASK}."


def test_private_keys_go_whole() -> None:
    """All of a PEM block is one credential, even when its end is cut off."""
    begin, end = "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----"
    assert mask_text(f"a {begin}\nMIIE\n{end} b {begin}\nMI") == f"a {MASK} b {MASK}"


@given(st.lists(st.sampled_from(HARMLESS)))
def test_harmless_words_survive(words: list[str]) -> None:
    """What is no credential comes back as it was."""
    words = [*words, "--max-tokens", "4096", "x"]
    assert mask_arguments(words) == words
    assert mask_all({"a": [*words, 1, None, True]}) == {"a": [*words, 1, None, True]}


@pytest.mark.parametrize("name", ["login", "gitLogin"])
def test_a_login_with_a_password_goes_whole(name: str) -> None:
    """`user:secret` is masked; a user's name alone opens nothing."""
    assert mask_arguments([f"--{name}", f"me:{SECRET}", "x"]) == [f"--{name}", MASK, "x"]
    assert mask_arguments([f"--{name}=me:{SECRET}"]) == [f"--{name}={MASK}"]
    assert mask_text(f"sh -c 'train --{name} me:{SECRET}'").count(SECRET) == 0
    assert mask_arguments([f"--{name}", "me", f"--{name}=me"]) == [f"--{name}", "me", f"--{name}=me"]


@pytest.mark.parametrize("name", ["--api_key", "--token", "--client-secret", "--password"])
@pytest.mark.parametrize("value", ["--X", "--x9", "--pl4nted", "--a-B", "-XY", "---x", "--x9=y"])
def test_a_secret_may_begin_as_an_option_does(name: str, value: str) -> None:
    """In doubt too much is masked: capitals and digits are rarer in options than in credentials."""
    assert mask_arguments([name, value, "rest"]) == [name, MASK, "rest"]


def test_an_option_is_not_taken_for_a_value() -> None:
    """A secret option used as a switch does not shift what is masked after it."""
    assert mask_arguments(["--use-auth-token", "--password", "x", "y"]) == ["--use-auth-token", "--password", MASK, "y"]
    words = ["--use-auth-token", "--lr=0.1", "--use-auth-token", "--batch_size", "8", "--use-auth-token", "-v"]
    assert mask_arguments(words) == words


@given(st.text())
def test_masking_twice_is_masking_once(text: str) -> None:
    """What was masked holds nothing more to mask, and any text can be masked."""
    assert mask_text(mask_text(text)) == mask_text(text)
    assert len(mask_arguments(text.split(" "))) == len(text.split(" "))
    is_secret_name(text)


@pytest.mark.timeout(120)  # a word that is tried from each of its letters takes hours
@pytest.mark.parametrize("piece", ["a:", "://a:b", "@h://a:b", "a=", "sk-", "eyJ-", 'key="', "-", "a@b:", "aB"])
def test_masking_long_words_takes_no_time(piece: str) -> None:
    """An argument as long as Linux allows costs seconds at worst, whatever it repeats."""
    assert len(mask_arguments([piece * (120_000 // len(piece))])) == 1


# --- the whole capture ----------------------------------------------------------


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's git configuration takes part, and on a slow machine git has its time."""
    monkeypatch.setattr(environment, "_PATIENCE", 200)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)


def git(folder: Path, *words: str) -> str:
    """What git prints in a folder."""
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ["git", "-C", folder, *identity, *words], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit, that of `jobs/train.py`."""
    folder = tmp_path / "project"
    (folder / "jobs").mkdir(parents=True)
    (folder / "jobs/train.py").write_text("print(1)\n")
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "one")
    return folder


def with_program(folder: Path, name: str, script: str) -> str:
    """A PATH on which a program is found first."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(script)
    (folder / name).chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def distribution(folder: Path, name: str, version: str, url: object = None) -> None:
    """An installed distribution, as far as metadata goes."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nName: x\n")
    if url is not None:
        (info / "direct_url.json").write_text(url if isinstance(url, str) else json.dumps(url))


def test_a_planted_secret_is_nowhere(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One secret in arguments, remote, requirement, variable and a program's complaint: none gets in."""
    monkeypatch.setenv("SOME_API_KEY", SECRET)
    git(repository, "remote", "add", "origin", f"https://bot:{SECRET}@forge.example/org/r.git")
    source = {"url": f"https://u:{SECRET}@forge.example/p.git", "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}}
    distribution(tmp_path / "site", "planted", "1.0", source)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    path = with_program(tmp_path / "bin", "nvidia-smi", f"#!/bin/sh\necho token={SECRET} >&2; exit 9\n")
    argv = [
        "jobs/train.py",
        "--api-key",
        SECRET,
        f"--db_password={SECRET}",
        "-o",
        f"key={SECRET}",
        f"HF_TOKEN={SECRET}",
    ]
    argv += [f"https://{SECRET}@h/x?n=1", f"--data=https://h/x?token={SECRET}&part=2", "--rate", "0.1"]
    seen = capture(argv=argv, cwd=repository, path=path)
    assert SECRET not in json.dumps(seen)
    assert seen["process"]["command"] == [
        *("jobs/train.py", "--api-key", MASK, f"--db_password={MASK}", "-o", f"key={MASK}", f"HF_TOKEN={MASK}"),
        *(f"https://{MASK}@h/x?n=1", f"--data=https://h/x?token={MASK}&part=2", "--rate", "0.1"),
    ]
    assert seen["repository"]["remote"] == f"https://{MASK}@forge.example/org/r.git"
    assert f"planted @ git+https://{MASK}@forge.example/p.git@c0ffee" in seen["direct_requirements"]
    assert seen["distributions"]["planted"] == "1.0"
    assert seen["nvidia-smi"] == f"exit status 9: token={MASK}"


def test_python_host_and_process_are_named(tmp_path: Path) -> None:
    """The facts that need no program are there, with no path of anybody's home."""
    seen = capture(argv=[], cwd=tmp_path, path="")
    assert seen["python"]["version"] == platform.python_version()
    assert seen["python"]["executable"] == Path(sys.executable).name
    assert seen["process"] == {"pid": os.getpid(), "command": [], "entry_script": None, "source_type": "LOCAL"}
    assert seen["host"]["cpus"] >= 1
    assert seen["host"]["memory_bytes"] > 1 << 20
    assert all(seen["host"][name] for name in ("name", "user", "cpu"))
    assert {"pytest", "hypothesis"} <= seen["distributions"].keys()


def test_odd_arguments_can_be_written(tmp_path: Path) -> None:
    """Arguments that are not UTF-8, or no file names, stop nothing."""
    seen = capture(argv=["\0", "--name=\udcff", ""], cwd=tmp_path / "absent")
    assert json.dumps(seen, ensure_ascii=False).encode()
    assert seen["process"]["command"] == ["\0", "--name=\\udcff", ""]


# --- git ------------------------------------------------------------------------


def test_a_repository_is_described(repository: Path) -> None:
    """Commit, branch and state of the repository, and the script's place in it."""
    seen = capture(argv=["train.py"], cwd=repository / "jobs")
    commit = git(repository, "rev-parse", "HEAD")
    assert (seen["git"], seen["process"]["entry_script"]) == ("ok", "jobs/train.py")
    assert seen["repository"] == {"commit": commit, "branch": "main", "remote": None, "dirty": False, "untracked": 0}


def test_changed_and_untracked_files_are_told_apart(repository: Path) -> None:
    """A new file is counted; a changed one makes the state dirty."""
    (repository / "new.py").touch()
    seen = capture(argv=[], cwd=repository)["repository"]
    assert (seen["dirty"], seen["untracked"]) == (False, 1)
    (repository / "jobs/train.py").write_text("print(2)\n")
    seen = capture(argv=[], cwd=repository)["repository"]
    assert (seen["dirty"], seen["untracked"]) == (True, 1)


def test_a_detached_head_has_a_commit_and_no_branch(repository: Path) -> None:
    """A checkout of a commit is on no branch."""
    git(repository, "checkout", "--quiet", "--detach")
    seen = capture(argv=[], cwd=repository)
    assert (seen["git"], seen["repository"]["branch"]) == ("ok", None)
    assert seen["repository"]["commit"] == git(repository, "rev-parse", "HEAD")


def test_a_repository_without_commits_has_a_branch(tmp_path: Path) -> None:
    """Before the first commit there is a branch, and no tag for a commit."""
    git(tmp_path, "init", "--quiet", "--initial-branch=first")
    seen = capture(argv=[], cwd=tmp_path)
    assert (seen["git"], seen["repository"]["branch"], seen["repository"]["commit"]) == ("ok", "first", None)
    assert "mlflow.source.git.commit" not in mlflow_tags(seen)


def test_origin_comes_before_other_remotes(repository: Path) -> None:
    """Of several remotes origin is kept; without it, the first."""
    git(repository, "remote", "add", "fork", "git@forge.example:fork/r.git")
    git(repository, "remote", "add", "other", "git@forge.example:other/r.git")
    assert capture(argv=[], cwd=repository)["repository"]["remote"] == "git@forge.example:fork/r.git"
    git(repository, "remote", "add", "origin", "ssh://git@forge.example/org/r.git")
    assert capture(argv=[], cwd=repository)["repository"]["remote"] == "ssh://git@forge.example/org/r.git"


def test_git_may_be_missing(repository: Path, tmp_path: Path) -> None:
    """Without git, or outside a repository, the run is told so."""
    seen = capture(argv=["jobs/train.py"], cwd=repository, path=str(tmp_path))
    assert (seen["git"], seen["repository"]) == ("not found", None)
    assert seen["process"]["entry_script"] == "jobs/train.py"
    seen = capture(argv=[], cwd=Path("/"))
    assert (seen["git"], seen["repository"]) == ("no repository", None)


def test_a_damaged_repository_is_reported(repository: Path) -> None:
    """What git says against a repository stands where its `ok` would be."""
    (repository / ".git/HEAD").write_text("nonsense")
    seen = capture(argv=[], cwd=repository)
    assert seen["git"].startswith("exit status 128: fatal:")
    assert seen["repository"] is None


def test_the_scripts_repository_is_meant(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script's own repository wins over the folder's, over GIT_DIR, and loses if it is an installed program."""
    git(tmp_path, "init", "--quiet", "--initial-branch=elsewhere")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / ".git"))
    script = repository / "jobs/train.py"
    assert capture(argv=[str(script)], cwd=tmp_path)["repository"]["branch"] == "main"
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(script.parent))
    seen = capture(argv=[str(script)], cwd=tmp_path)
    assert seen["repository"]["branch"] == "elsewhere"


# --- GPUs -----------------------------------------------------------------------


def test_gpus_are_listed(tmp_path: Path) -> None:
    """Name, memory and uuid of each, and the versions of driver and CUDA."""
    seen = capture(argv=[], cwd=tmp_path, path=with_program(tmp_path, "nvidia-smi", SMI))
    assert seen["nvidia-smi"] == "ok"
    assert seen["gpus"] == [
        {"name": "NVIDIA A100-SXM4-80GB", "memory_bytes": 80 << 30, "uuid": "GPU-aaaa"},
        {"name": "NVIDIA GB10", "memory_bytes": None, "uuid": "GPU-bbbb"},
    ]
    assert (seen["driver_version"], seen["cuda_version"]) == ("550.54.15", "12.4")


@pytest.mark.parametrize(
    ("script", "report"),
    [
        ("#!/bin/sh\necho 'NVIDIA-SMI has failed'; exit 9\n", "exit status 9: NVIDIA-SMI has failed"),
        ("#!/bin/sh\nexit 1\n", "exit status 1"),
        ("#!/bin/sh\necho No devices were found\n", "No devices were found"),
        ("#!/nowhere/sh\n", "cannot be started"),
        ("#!/bin/sh\nprintf '\\377\\n'\n", "\ufffd"),
    ],
)
def test_a_failing_nvidia_smi_is_reported(tmp_path: Path, script: str, report: str) -> None:
    """No GPU is made up, and the reason is kept."""
    seen = capture(argv=[], cwd=tmp_path, path=with_program(tmp_path, "nvidia-smi", script))
    assert seen["nvidia-smi"].startswith(report)
    assert (seen["gpus"], seen["driver_version"], seen["cuda_version"]) == ([], None, None)


def test_an_absent_nvidia_smi_is_reported(tmp_path: Path) -> None:
    """A machine without GPUs is the usual case."""
    seen = capture(argv=[], cwd=tmp_path, path=str(tmp_path))
    assert (seen["nvidia-smi"], seen["gpus"]) == ("not found", [])


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="looks at processes as Linux shows them")
def test_a_hanging_program_delays_a_run_only_so_long(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the deadline it is killed with its children, and what others said is kept."""
    script = f"#!/bin/sh\nsleep 300 &\necho $! >> {tmp_path}/pids\nwait\n"
    ask_gpus = environment._gpus

    def once_it_hangs(nvidia: Any, _: float) -> Any:
        while len(children := (tmp_path / "pids").read_text().split() if (tmp_path / "pids").exists() else []) < 2:
            time.sleep(0.01)
        assert all(Path(f"/proc/{pid}").exists() for pid in children)
        return ask_gpus(nvidia, time.monotonic())  # its time is over; git had as much as it wanted

    monkeypatch.setattr(environment, "_gpus", once_it_hangs)
    seen = capture(argv=[], cwd=repository, path=with_program(tmp_path, "nvidia-smi", script))
    assert (seen["nvidia-smi"], seen["git"], seen["gpus"]) == ("no answer within 200 seconds", "ok", [])
    assert all(wait_for_end(int(pid)) for pid in (tmp_path / "pids").read_text().split())


# --- distributions --------------------------------------------------------------


def test_distributions_are_those_that_would_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first on sys.path counts; broken metadata is passed over; a new one is seen at once."""
    distribution(tmp_path / "near", "Some_Thing", "2.0")
    distribution(tmp_path / "far", "some-thing", "1.0")
    distribution(tmp_path / "far", "broken", "1.0", "{")
    (tmp_path / "far/odd-1.dist-info").mkdir()
    (tmp_path / "far/odd-1.dist-info/METADATA").write_bytes(b"Name: \xff\n")
    for folder in ("far", "near"):
        monkeypatch.syspath_prepend(str(tmp_path / folder))
    seen = capture(argv=[], cwd=tmp_path)["distributions"]
    assert (seen["Some_Thing"], "some-thing" in seen) == ("2.0", False)
    assert list(seen) == sorted(seen, key=lambda name: re.sub("[-_.]+", "-", name).lower())
    distribution(tmp_path / "near", "later", "3.0")
    assert capture(argv=[], cwd=tmp_path)["distributions"]["later"] == "3.0"


def test_direct_requirements_read_as_pip_freezes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Archives, folders being edited and parts of repositories, as PEP 610 records them."""
    distribution(tmp_path, "a", "1", {"url": "https://h/a.whl?sig=abc&n=1", "archive_info": {}})
    distribution(tmp_path, "b", "1", {"url": "file:///src/b", "dir_info": {"editable": True}})
    vcs = {"vcs": "git", "commit_id": "c0ffee", "requested_revision": "main"}
    distribution(tmp_path, "c", "1", {"url": "ssh://git@h/c", "vcs_info": vcs, "subdirectory": "py"})
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert capture(argv=[], cwd=tmp_path)["direct_requirements"] == [
        "-e file:///src/b",
        f"a @ https://h/a.whl?sig={MASK}&n=1",
        "c @ git+ssh://git@h/c@c0ffee#subdirectory=py",
    ]


# --- MLflow ---------------------------------------------------------------------


def test_mlflow_finds_its_tags(repository: Path) -> None:
    """User, source and commit stand under the names that MLflow gives them."""
    seen = capture(argv=["jobs/train.py", "--token", SECRET], cwd=repository)
    assert mlflow_tags(seen) == {
        "mlflow.user": seen["host"]["user"],
        "mlflow.source.name": "jobs/train.py",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": git(repository, "rev-parse", "HEAD"),
    }


def test_notebooks_and_consoles_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel is a NOTEBOOK, named if anybody knows its name; no script at all is a console."""
    launcher = ["/opt/ipykernel_launcher.py", "-f", "kernel.json"]
    tags = mlflow_tags(capture(argv=launcher, cwd=tmp_path, path=""))
    assert (tags["mlflow.source.type"], tags["mlflow.source.name"]) == ("NOTEBOOK", launcher[0])
    tags = mlflow_tags(capture(argv=[""], cwd=tmp_path, path=""))
    assert (tags["mlflow.source.type"], tags["mlflow.source.name"]) == ("LOCAL", "<console>")

    class Shell:
        kernel, user_ns = object(), {"__session__": "/home/a/look.ipynb"}

    class IPython:
        get_ipython = Shell

    monkeypatch.setitem(sys.modules, "IPython", IPython)
    seen = capture(argv=launcher, cwd=tmp_path, path="")
    assert seen["process"]["entry_script"] == mlflow_tags(seen)["mlflow.source.name"] == "look.ipynb"
