"""The fixtures for users' own tests, in a pytest of their own, as users run it."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.error
import urllib.request
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from tests.support.depth import DEEP

import holdall

pytest_plugins = ("pytester",)
ROOT = Path(__file__).parents[2]
_PLUGIN = "holdall.integrations.pytest_plugin"
_INSTALLED = any(point.value == _PLUGIN for point in entry_points(group="pytest11"))
_LOADED = ["-p", "holdall" if _INSTALLED else _PLUGIN, "-p", "xdist.plugin"]  # and none that takes seconds to load

_FOLDER = """
    import os, subprocess, sys
    import holdall, pytest

    before = dict(os.environ)
    seen = []

    def test_the_store_is_current_and_empty(holdall_store, tmp_path):
        assert holdall.get_tracking_uri() == holdall_store.url == holdall.open().url
        assert holdall_store.runs.search() == [] and not list(tmp_path.iterdir())
        holdall.set_experiment("other")
        seen.append(holdall.start_run())  # and not ended
        holdall.log_metric("loss", 0.25)

    def test_what_another_test_left_is_gone(holdall_store):
        assert seen[0].info.status == "FINISHED"
        assert holdall.active_run() is holdall.last_active_run() is None
        with holdall.start_run() as run:
            assert holdall_store.experiments.get(run.info.experiment_id).name == "Default"
        assert len(holdall_store.runs.search()) == 1

    def test_a_process_logs_there_too(holdall_store):
        code = "import holdall\\nwith holdall.start_run(run_name='child'): pass"
        subprocess.run([sys.executable, "-c", code], check=True)
        assert [run.info.run_name for run in holdall_store.runs.search()] == ["child"]

    def test_afterwards_all_is_as_it_was():
        assert {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"} == \\
            {k: v for k, v in before.items() if k != "PYTEST_CURRENT_TEST"}
        assert not holdall.is_tracking_uri_set() and holdall.active_run() is None

    def test_a_failure_is_the_tests_own(holdall_store):
        holdall.start_run()
        assert False, "as expected"
"""

_S3 = """
    import os
    import boto3, holdall, pytest

    @pytest.mark.parametrize("n", range(3))
    def test_each_has_a_bucket_of_its_own(holdall_s3, n):
        assert os.environ["AWS_ACCESS_KEY_ID"] == "testing" and "AWS_PROFILE" not in os.environ
        assert holdall_s3.url.startswith("s3://") and holdall_s3.runs.search() == []
        with holdall.start_run(run_name=f"run-{n}"):
            holdall.log_text("all is well", "report.txt")
        assert len(boto3.client("s3").list_buckets()["Buckets"]) == 1
        print("SERVER", os.environ["AWS_ENDPOINT_URL"])

    def test_afterwards_the_credentials_are_the_users_own():
        assert os.environ["AWS_PROFILE"] == "mine" and "AWS_ENDPOINT_URL" not in os.environ
"""


@pytest.fixture(autouse=True)
def _few_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def _shown(page: str, folder: Path) -> None:
    """Write down the files that a page shows for a user's tests."""
    folder.mkdir(exist_ok=True)
    for block in re.findall(r"^```py\n(.*?)^```$", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE):
        (folder / block.splitlines()[0].removeprefix("# ")).write_text(block)


def test_a_store_of_its_own_is_current_for_one_test(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins with an empty store, in this process and its children, and leaves nothing; as in the README."""
    monkeypatch.setenv("HOLDALL_RUN_ID", "0" * 32)  # of a pipeline that runs the tests
    monkeypatch.setenv("HOLDALL_PASSPHRASE_COMMAND", "false")  # which would open the user's own store
    monkeypatch.setenv("HOLDALL_ENCRYPTED", "required")
    monkeypatch.delenv("HOLDALL_STORE", raising=False)
    pytester.makepyfile(_FOLDER)
    _shown("README.md", pytester.path)
    done = pytester.runpytest_subprocess(*_LOADED, "-p", "no:cacheprovider", "-W", "error")
    done.assert_outcomes(passed=5, failed=1)
    done.stdout.fnmatch_lines(["*AssertionError: as expected*"])


@pytest.mark.deep
def test_s3_for_tests_side_by_side_leaves_nothing(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each worker of xdist has its server, each test an empty bucket; neither stays. The guide's tests pass there."""
    monkeypatch.setenv("AWS_PROFILE", "mine")
    pytester.makepyfile(_S3)
    _shown("src/holdall/guide/testing.md", pytester.path)
    done = pytester.runpytest_subprocess(*_LOADED, "-n", "2" if DEEP else "1", "-rP")
    done.assert_outcomes(passed=6)
    servers = set(re.findall("SERVER (http.*)", done.stdout.str()))
    assert len(servers) in (1, 2)
    for server in servers:
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(server, timeout=5)


def test_without_moto_the_fixture_says_what_to_install(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test that asks for S3 where moto is not installed fails by a sentence; others run."""
    monkeypatch.setenv("PYTHONPATH", str(pytester.path / "fakes"))
    (pytester.mkdir("fakes") / "moto.py").write_text("raise ImportError('No module named moto')")
    pytester.makepyfile("def test_s3(holdall_s3): pass\ndef test_none(): pass")
    done = pytester.runpytest_subprocess(*_LOADED)
    done.assert_outcomes(passed=1, errors=1)
    done.stdout.fnmatch_lines(["*holdall_s3 needs a server: pip install 'holdall?demo?' (*No module named moto*"])


def test_the_plugin_loads_nothing_before_a_test_asks() -> None:
    """Every run of every user loads it: of holdall it brings itself and two empty packages, and nothing else."""
    code = f"import pytest, sys; old = set(sys.modules); import {_PLUGIN}; print(*sorted(set(sys.modules) - old))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["holdall", "holdall.integrations", _PLUGIN]


def test_pytest_does_not_warn_where_holdall_was_imported_before_it() -> None:
    """pytest rewrites the package of a plugin, and warns where that came first, unless the package asks not to."""
    assert "PYTEST_DONT_REWRITE" in (holdall.__doc__ or "")
