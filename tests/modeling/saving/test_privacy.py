"""No credential travels with a model: not in its requirements, and not among its code."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from holdall.modeling.saving.privacy import is_private, warn_of_secrets
from holdall.modeling.saving.requirements import environment_files
from holdall.modeling.saving.saver import _copy_code

X = "hunter2Secret"
LINES = [
    f"--index-url https://alice:{X}@host/simple",
    f"--extra-index-url https://{X}@host/simple",
    f"pkg @ git+https://x:{X}@github.com/o/r.git@main",
    f"https://host/pkg.whl?X-Amz-Signature={X}",
    f"--find-links https://{X}:@host/",
]


def _file(folder: Path, name: str, *lines: str) -> str:
    (folder / name).write_text("\n".join(lines))
    return str(folder / name)


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("given", ["pip", "extra", "file", "nested", "constraints", "conda", "conda file", "channel"])
def test_requirements_lose_what_opens_the_places_they_come_from(tmp_path: Path, given: str, line: str) -> None:
    """However they are given; one warning names the host, says how pip finds credentials, and repeats none."""
    conda = {"channels": ["defaults"], "dependencies": ["python=3.11", {"pip": ["a", line]}]}
    ways: dict[str, Any] = {
        "pip": {"pip_requirements": ["a", line]},
        "extra": {"extra_pip_requirements": [line]},
        "file": {"pip_requirements": _file(tmp_path, "r.txt", "a", line)},
        "nested": {"pip_requirements": [f"-r {_file(tmp_path, 'r.txt', line)}"]},
        "constraints": {"pip_requirements": ["a", f"-c {_file(tmp_path, 'c.txt', line)}"]},
        "conda": {"conda_env": conda},
        "conda file": {"conda_env": _file(tmp_path, "c.yaml", "dependencies:", "- pip:", f"  - '{line}'")},
        "channel": {"conda_env": {"channels": [line.rpartition(" ")[2]], "dependencies": []}},
    }
    with pytest.warns(UserWarning, match="netrc") as told:
        files = environment_files([], **ways[given])
    kept = b"".join(files.values())
    assert X.encode() not in kept
    assert b"host/" in kept or b"github.com/o/r.git" in kept
    assert X not in str(told[0].message)


def test_variables_of_conda_are_left_out_by_their_names() -> None:
    """What a name does not give away stays."""
    env = {"dependencies": [], "variables": {"MY_API_KEY": X, "OMP_NUM_THREADS": "4"}}
    with pytest.warns(UserWarning, match="left out"):
        kept = environment_files([], conda_env=env)["conda.yaml"]
    assert b"OMP_NUM_THREADS" in kept
    assert X.encode() not in kept


def test_harmless_requirements_stay_to_the_byte() -> None:
    """Without a warning."""
    lines = [
        "tokenizers==0.20",
        "secretstorage>=3",
        "--index-url https://${USER}:${TOKEN}@host/simple",
        "a @ https://h/a.whl",
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        kept = environment_files([], pip_requirements=lines)["requirements.txt"].decode().splitlines()
    assert kept[-len(lines) :] == lines


PRIVATE = [
    *(".env", ".env.local", "prod.env", ".netrc", ".git-credentials", ".pypirc", ".npmrc", ".pgpass", "id_rsa"),
    *("id_ed25519", "key.p12", "a.pfx", "credentials", "credentials.json", "credentials.yaml", "client_secret_1.json"),
    *("service-account.json", "service_account_prod.json", "secrets.toml", "kaggle.json", "x.tfstate"),
    *(".git/config", ".aws/config", ".ssh/known_hosts", ".docker/config.json", ".kube/config", "sub/.env"),
]
PUBLIC = [
    *(
        "model.py",
        "credentials.py",
        "secrets.py",
        ".env.example",
        ".gitignore",
        "env.py",
        "environment.yaml",
        "tokens.txt",
    ),
    *("token_ids.json", "data.json", "cacert.pem", "sub/keys.py", "tokenizer.json", "environment"),
]


def test_code_paths_leave_private_files_behind(tmp_path: Path) -> None:
    """Of a whole repository, by name; one warning names them."""
    for name in PRIVATE + PUBLIC:
        place = tmp_path / "repo" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("x")
    (tmp_path / "repo" / "server.pem").write_text("-----BEGIN RSA PRIVATE KEY-----")
    with pytest.warns(UserWarning, match="code_paths: .* left out") as told:
        _copy_code([tmp_path / "repo"], tmp_path / "code")
    code = tmp_path / "code" / "repo"
    assert sorted(str(each.relative_to(code)) for each in code.rglob("*") if each.is_file()) == sorted(PUBLIC)
    assert len(told) == 1


@pytest.mark.parametrize("name", [".env", ".git", "id_rsa"])
def test_a_private_file_is_no_code_path(tmp_path: Path, name: str) -> None:
    """Named by itself it is refused."""
    (tmp_path / name).mkdir() if name == ".git" else (tmp_path / name).write_text("x")
    with pytest.raises(ValueError, match="may hold credentials"):
        _copy_code([tmp_path / name], tmp_path / "code")
    assert not (tmp_path / "code").exists()


def test_a_certificate_is_no_key(tmp_path: Path) -> None:
    """What may be either is read."""
    (tmp_path / "a.pem").write_text("-----BEGIN CERTIFICATE-----")
    (tmp_path / "b.pem").write_text("-----BEGIN EC PRIVATE KEY-----")
    assert not is_private(tmp_path / "a.pem")
    assert is_private(tmp_path / "b.pem")


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ({"api_key": X}, ["api_key"]),
        ({"llm": {"openai_api_key": X, "temperature": 0.1}}, ["llm.openai_api_key"]),
        ({"hosts": ["a", f"https://u:{X}@h/"]}, ["hosts"]),
        ({"note": "use " + "ghp_" + "A1b2" * 9}, ["note"]),
        ({"a": {"password": X}, "b": [{"token": X}]}, ["a.password", "b.token"]),
        ({"key_dim": 64, "pad_token": "[PAD]", "max_tokens": 4096, "monkey": "x", "n": None}, []),
        ({"api_key": "${OPENAI_API_KEY}", "url": "https://host/x?page=2", "password": ""}, []),
        (None, []),
    ],
)
@pytest.mark.parametrize("what", ["metadata", "model_config"])
def test_credentials_in_what_a_model_says_are_told(said: Any, names: list[str], what: str) -> None:
    """By their places, never as they are; nothing is changed, for the model may need it."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        warn_of_secrets(what, said)
    assert all(name in str(told[0].message) and what in str(told[0].message) for name in names)
    assert len(told) == bool(names)
    assert not any(X in str(each.message) or "A1b2" in str(each.message) for each in told)


def test_a_models_metadata_and_configuration_are_looked_at(tmp_path: Path) -> None:
    """When it is logged, whatever its flavor; they are kept as they are."""
    from holdall.store import Store

    store = Store.open(str(tmp_path / "store"))
    run = store.runs.start(experiment="e")
    said: dict[str, Any] = {"metadata": {"api_key": X}, "model_config": {"token": X}}
    with pytest.warns(UserWarning, match="credentials") as told:
        store.models.log(run, lambda model_input: model_input, "m", flavor="python_function", **said)
    seen = [str(each.message) for each in told if "seems to hold" in str(each.message)]
    assert [text.partition(" ")[0] for text in seen] == ["metadata", "model_config"]
