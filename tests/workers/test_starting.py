"""A worker starts wherever its parent did; and where none can, work goes on without."""

from __future__ import annotations

import gc
import json
import operator
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support import in_workers
from tests.support.killing import fork

import holdall
from holdall.storage.schemes import bucket_at
from holdall.storage.travelling import pack_bucket
from holdall.workers import crew as crews
from holdall.workers import starting
from holdall.workers.crew import Crew

MEMORY = 256 << 20
ROOT = Path(holdall.__file__).parents[2]
SCRIPT = """
import importlib.util, json, sys
sys.path += json.loads('{path}')
from holdall.workers.crew import Crew
with Crew(1, 256 << 20).claim(1) as workers:
    print([worker.call(importlib.util.find_spec, 'blake3').result().name for worker in workers])
    print([worker.call(sys.getfilesystemencoding).result() for worker in workers])
    print([worker.call(len, '\\udcff').result() for worker in workers])
print([sys.getfilesystemencoding()])
"""
PATH = json.dumps([path for path in sys.path if path])


@pytest.mark.parametrize(
    ("flags", "locale"), [("-", "C.UTF-8"), ("-I -", "C"), ("-E -S -", "C.UTF-8"), ("-OO -B -X utf8=0 -", "C")]
)
def test_workers_start_from_any_interpreter(flags: str, locale: str) -> None:
    """From stdin, where no main module can be imported; isolated; with and without site; whatever encodes names."""
    env = {**os.environ, "LC_ALL": locale, "PYTHONCOERCECLOCALE": "0"}
    script, command = SCRIPT.format(path=PATH), [sys.executable, *flags.split()]
    done = subprocess.run(command, input=script, capture_output=True, text=True, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    found, there, length, here = done.stdout.splitlines()
    assert (found, length) == ("['blake3']", "[1]")
    assert there == here


def test_workers_start_from_a_command_in_a_hostile_folder(tmp_path: Path) -> None:
    """`python -c` with PYTHONPATH, in a folder whose files have names of modules, and a home that cannot be written."""
    (tmp_path / "pickle.py").write_text("raise SystemExit('not this one')")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "only_here.py").write_text("def seven(): return 7")
    tmp_path.chmod(0o500)
    script = (
        "import sys; sys.path.remove('')\n"
        "from holdall.workers.crew import Crew; from only_here import seven\n"
        "with Crew(1, 1 << 30).claim(1) as (worker,): print(worker.call(seven).result())"
    )
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "lib"), "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, env=env)
    tmp_path.chmod(0o700)
    assert (done.stdout, done.stderr) == ("7\n", "")


def test_holdall_is_found_where_the_parent_found_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where no folder of the path has it: an import hook of an editable installation knows."""
    monkeypatch.setattr(sys, "path", [path for path in sys.path if Path(path) != ROOT / "src"])
    assert works()


def works() -> bool:
    """Whether a new crew adds."""
    crew = Crew(1, MEMORY)
    with crew.claim(1) as workers:
        found = [worker.call(operator.add, 1, 2).result(30) for worker in workers]
    crew.close()
    return found == [3]


def test_secrets_travel_by_the_pipe_alone() -> None:
    """Those that were passed as arguments: they stand neither in a command line nor in an environment."""
    packed = pack_bucket(bucket_at("s3://bucket/prefix", {"key": "AKIDEXAMPLE", "secret": "hidden-for-good"}))
    assert packed
    assert b"hidden-for-good" in packed
    crew = Crew(1, MEMORY)
    with crew.claim(1) as (worker,):
        assert worker.call(in_workers.url_of, packed).result(60) == "s3://bucket/prefix"
        shown = [(Path("/proc") / str(worker.pid) / name).read_bytes() for name in ("cmdline", "environ")]
        there = worker.call(in_workers.environment).result(30)
    crew.close()
    assert all(shown)
    assert b"hidden-for-good" not in b"".join(shown) + there


# --- where none can be started ------------------------------------------------


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("frozen", True), ("executable", ""), ("executable", None), ("executable", "/opt/app/blender")],
)
def test_no_program_is_taken_for_an_interpreter(
    attribute: str, value: object, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A frozen or embedding program would start itself over and over; it has no workers, and nothing is said."""
    monkeypatch.setattr(sys, attribute, value, raising=False)
    monkeypatch.setattr(starting, "start", lambda: pytest.fail("it was started"))
    assert not works()
    assert caplog.records == []


@pytest.mark.parametrize("name", ["python", "python3.13t", "pypy3", "/usr/bin/python3-intel64", "python3.12-dbg"])
def test_interpreters_are_known_by_their_names(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever stands behind python or pypy."""
    monkeypatch.setattr(sys, "executable", name)
    assert starting.can_start()


PROGRAMS = {
    "there is no such program": None,
    "it ends at once": "#!/bin/sh\nexit 3\n",
    "it is no program": "\0\0",
    "it says something else": "#!/bin/sh\nfor last; do :; done\nyes nonsense | head -c 100000 > /proc/self/fd/$last\n",
    "it does not answer": "#!/bin/sh\nexec sleep 60\n",
    "it has too little memory": f'#!/bin/sh\nulimit -v 9000; exec {sys.executable} "$@"\n',
    "it may open too few files": f'#!/bin/sh\nulimit -n 3; exec {sys.executable} "$@"\n',
}


@pytest.mark.parametrize("what", PROGRAMS)
def test_work_goes_on_without_workers(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """None can be started: the claim is empty, the log says so once, and the next claim does not try again."""
    program = tmp_path / "python"
    if (text := PROGRAMS[what]) is not None:
        program.write_text(text)
        program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(crews, "_STARTING", 1.0 if "answer" in what else 30.0)
    crew, descriptors = Crew(2, MEMORY), len(os.listdir("/proc/self/fd"))
    for _ in range(2):
        with crew.claim(2) as workers:
            assert workers == []
    (record,) = caplog.records
    assert "2 worker processes could not be started" in record.getMessage()
    assert len(os.listdir("/proc/self/fd")) <= descriptors  # other crews may be closing theirs


@pytest.mark.parametrize("what", ["version", "_imported"])
def test_other_code_is_no_worker(what: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """An interpreter of another version behind the same name, or a holdall that was installed meanwhile."""
    monkeypatch.setattr(sys if what == "version" else starting, what, "of old")
    assert not works()
    assert "another Python" in caplog.text or "installed anew" in caplog.text


def number_behind(free: int) -> int:
    """The number of the next file, once so many more are open: numbers are limited, and between old ones are gaps."""
    taken = [os.open("/dev/null", os.O_RDONLY) for _ in range(free + 1)]
    for descriptor in taken:
        os.close(descriptor)
    return taken[-1]


def limited(kind: int, more: int) -> bool:
    """Whether a child that may have so many more of a kind has no workers, and goes on."""

    def work() -> None:
        gc.disable()  # what another test has left must not be closed meanwhile
        most = number_behind(more) if kind == resource.RLIMIT_NOFILE else more
        if kind == resource.RLIMIT_NPROC and os.getuid() == 0:
            os.setuid(65534)  # nothing of this kind binds root
        resource.setrlimit(kind, (most, most))
        assert not works()

    return os.waitstatus_to_exitcode(os.waitpid(fork(work), 0)[1]) == 0


def test_a_limit_of_files_holds_beside_files_that_were_closed() -> None:
    """Numbers that were given back are given anew, below the limit: five are too few wherever they lie."""
    many = [os.open("/dev/null", os.O_RDONLY) for _ in range(20)]
    for descriptor in many[:-1]:
        os.close(descriptor)
    try:
        assert limited(resource.RLIMIT_NOFILE, 5)
        assert not limited(resource.RLIMIT_NOFILE, 30)
    finally:
        os.close(many[-1])


@pytest.mark.parametrize("kind", [resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE], ids=["processes", "files"])
@pytest.mark.parametrize("more", range(6))
def test_limits_of_the_system_are_no_errors(kind: int, more: int) -> None:
    """No more processes, threads or files are to be had: from the first one that is wanted on."""
    assert limited(kind, more)
