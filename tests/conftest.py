"""Servers for all tests, and the account of which backends kept the laws of a bucket.

A full run that did not try every backend of `BACKENDS` fails, however green:
a suite that was skipped proves nothing. Nor may any run leave something in the
project's folder: a test writes below its `tmp_path`.
"""

from __future__ import annotations

import gc
import os
import random
import signal
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import hypothesis
import pytest
from tests.support import servers
from tests.support.compiled import compile_share, leave_as_it_is
from tests.support.depth import DEEP, FIRST, examples
from tests.support.servers import Server

BACKENDS = ("memory", "local", "moto", "localstack")
_PROPERTY = "bucket backend"
_COUNTED = "counted"  # what a test found out, to be shown though it passed
_counted: list[str] = []
_outcomes: dict[str, Counter[str]] = defaultdict(Counter)
_there: set[str] = set()  # what the project's folder held before the tests


def pytest_configure(config: pytest.Config) -> None:
    """No test may reach an account of whoever runs it."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_EC2_METADATA_DISABLED="true",
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        AWS_DEFAULT_REGION="us-east-1",
    )
    if not hasattr(config, "workerinput"):
        os.environ[servers.SESSION] = str(os.getpid())
        os.environ[FIRST] = str(random.randrange(10**6))
    os.environ.setdefault("KERAS_BACKEND", "tensorflow" if find_spec("tensorflow") else "torch")
    leave_as_it_is(config, "holdall")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job, whose children would inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    hypothesis.settings.register_profile(
        "tests", deadline=None, max_examples=examples(25), suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )  # without a stopwatch: on a busy machine a slow example proves nothing
    hypothesis.settings.load_profile("tests")
    _outcomes.clear()
    _counted.clear()
    _there.update(os.listdir(config.rootpath))


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Workers of a full run begin with what has to be compiled; what was is left alone."""
    config = session.config
    if (given := getattr(config, "workerinput", None)) and _is_full(config):
        compile_share(config, config.rootpath, int(given["workerid"].removeprefix("gw")), int(given["workercount"]))


def pytest_collection_finish() -> None:
    """Tests collect garbage; half a million objects of frameworks that stay are not gone through each time."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)  # when what is not wanted has been taken out
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of a backend say so in their reports, which travel between workers; long ones come first."""
    _thin(config, items)
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
    for item in items:
        backend = getattr(getattr(item, "cls", None), "backend", None)
        if isinstance(backend, str):
            item.user_properties.append((_PROPERTY, backend))
        if "localstack" in getattr(item, "fixturenames", ()):
            # The first to need it may have to install it.
            item.add_marker(pytest.mark.timeout(900))
    needed = any("localstack" in getattr(item, "fixturenames", ()) for item in items)
    first = getattr(config, "workerinput", {"workerid": "gw0"})["workerid"] == "gw0"
    if needed and first and not config.option.collectonly:
        threading.Thread(target=_begin_localstack, args=[_shared_folder(config)], daemon=True).start()


def _thin(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A full run leaves out what is marked `deep`, and of a table marked `every(n)` all but each n-th case.

    With which it begins is drawn once a session, alike in its workers: a few runs try all of them. A deep run does,
    and so does one of some files, of some names, or of one test.
    """
    if DEEP or not _is_full(config):
        return
    first, seen = int(os.environ[FIRST]), Counter[str]()
    left_out = []
    for item in items:
        for node, every in item.iter_markers_with_node("every"):  # of a test with its cases, or of a class
            table = node.nodeid.partition("[")[0]
            seen[table] += 1
            if (first + seen[table]) % every.args[0]:
                left_out.append(item)
        if item.get_closest_marker("deep"):
            left_out.append(item)
    gone = dict.fromkeys(left_out)
    config.hook.pytest_deselected(items=list(gone))
    items[:] = [item for item in items if item not in gone]


def _begin_localstack(folder: Path) -> None:
    """Start it while other tests run; whoever needs it waits for the rest, or is told what was wrong."""
    with suppress(Exception):
        servers.shared(folder, "localstack", servers.start_localstack)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count outcomes by backend, and keep what tests want to be shown."""
    _counted.extend(str(value) for name, value in report.user_properties if name == _COUNTED and report.when == "call")
    for name, backend in report.user_properties:
        if name == _PROPERTY and (report.when == "call" or report.outcome != "passed"):
            _outcomes[str(backend)][report.outcome] += 1


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stop the servers; fail a full run that left a backend out, and any run that left files behind."""
    if hasattr(session.config, "workerinput"):
        return
    servers.stop_all(_shared_folder(session.config))
    if (_untried(session.config) or _left(session.config)) and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One line with the account, and one for each thing that was counted."""
    for line in sorted(_counted):
        terminalreporter.write_line(line)
    if _outcomes:
        names = [*BACKENDS, *sorted(set(_outcomes) - set(BACKENDS))]
        told = [f"{name} {n} {outcome}" for name in names for outcome, n in _outcomes[name].items() if n]
        terminalreporter.write_line(f"bucket conformance: {', '.join(told)}")
    for problem in _untried(config):
        terminalreporter.write_line(f"bucket conformance: {problem}", red=True)
    for name in _left(config):
        terminalreporter.write_line(f"tests write below tmp_path only, but left here: {name}", red=True)


def _left(config: pytest.Config) -> list[str]:
    """What the tests left in the project's folder, but for the caches of tools."""
    new = set(os.listdir(config.rootpath)) - _there
    return sorted(repr(name) for name in new if not name.startswith("."))


def _untried(config: pytest.Config) -> list[str]:
    if not _is_full(config):
        return []
    missing = [f"{name} was not tried" for name in BACKENDS if not _outcomes[name]["passed"]]
    skipped = [f"{name} skipped some laws" for name in BACKENDS if _outcomes[name]["skipped"]]
    return missing + skipped


def _is_full(config: pytest.Config) -> bool:
    option = config.option
    selected = option.keyword or option.markexpr or option.collectonly or option.maxfail
    selected = selected or getattr(option, "lf", False) or getattr(option, "deselect", None)
    everything = {Path(__file__).parent, config.rootpath}
    return not selected and all((config.invocation_params.dir / arg).resolve() in everything for arg in config.args)


def _shared_folder(config: pytest.Config) -> Path:
    factory = cast("pytest.TempPathFactory", config._tmp_path_factory)  # type: ignore[attr-defined]
    base = factory.getbasetemp()
    return (base.parent if hasattr(config, "workerinput") else base) / "servers"


@pytest.fixture(scope="session")
def moto(request: pytest.FixtureRequest) -> Server:
    """The serialised moto server: one per session, whatever the number of workers."""
    servers.remember_models()
    return servers.shared(_shared_folder(request.config), "moto", servers.start_moto)


@pytest.fixture(scope="session")
def localstack(request: pytest.FixtureRequest) -> Server:
    """LocalStack: one per session; about 15 seconds for the first who needs it."""
    servers.remember_models()
    return servers.shared(_shared_folder(request.config), "localstack", servers.start_localstack)


@pytest.fixture(scope="session")
def python(request: pytest.FixtureRequest) -> Callable[..., list[str]]:
    """The beginning of a command of Python that has imported already; give it modules that it shall have, too.

    Keywords are what Python itself reads of the environment when it starts: the locale, `PYTHON...`.
    """

    def begin(*modules: str, **start: str) -> list[str]:
        name = "-".join(["warm", *modules, *(f"{key}={value}" for key, value in sorted(start.items()))])
        warm = partial(servers.start_warm, name=name, modules=modules, env=start)
        return servers.as_python(servers.shared(_shared_folder(request.config), name, warm))

    return begin
