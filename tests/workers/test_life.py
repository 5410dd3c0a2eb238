"""No worker outlives its parent, however that ends, and no signal that is meant for the parent disturbs one."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.killing import fork
from tests.support.processes import wait_for_end

from holdall.errors import WorkerDiedError
from holdall.workers.crew import Crew

MEMORY = 256 << 20
PARENT = """
import ctypes, os, signal, sys, threading, time
from holdall.workers.crew import Crew
def say(*words):
    print(*words, flush=True)
def live_on(child):
    say(child) if child else time.sleep(100)
    sys.stdin.read()
with Crew(2, 256 << 20).claim(2) as workers:
    say(*(worker.pid for worker in workers))
    futures = [worker.call(time.sleep, 60) for worker in workers]
{work}
"""
ENDINGS = {
    "killed": "    sys.stdin.read()",
    "ended by a signal": "    os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)",
    "gone without a word": "    os._exit(0)",
    "failed": "    raise ValueError",
    "left the claim": "    pass",
    "a child of the parent lives on": "    live_on(os.fork())",
    "a child that Python knows not lives on": "    live_on(ctypes.PyDLL(None).fork())",
    "the end of a program that keeps its crew": "sys.exit()",
    "gone while a thread waits": "    threading.Thread(target=futures[0].result, daemon=True).start()",
}


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="looks at processes as Linux shows them")
@pytest.mark.parametrize("how", ENDINGS)
def test_no_worker_outlives_its_parent(how: str, python: Callable[..., list[str]]) -> None:
    """Also in the middle of a long call, and where a forked child holds what the parent held."""
    script = PARENT.format(work=ENDINGS[how])
    command = [*python("holdall.workers.crew"), "-c", script]
    parent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert parent.stdout
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert len(pids) == 2
    children = [int(parent.stdout.readline())] if "live_on" in ENDINGS[how] else []
    if children or how == "killed":
        parent.kill()
    try:
        assert all(wait_for_end(pid) for pid in pids)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
        parent.communicate()


def test_ctrl_c_is_reported_once(tmp_path: Path) -> None:
    """SIGINT goes to all that the terminal has in the foreground: the parent says so, and nothing hangs."""
    script = PARENT.format(work="    [future.result() for future in futures]")
    (tmp_path / "script.py").write_text(script)
    parent = subprocess.Popen(
        [sys.executable, tmp_path / "script.py"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0
    )
    assert parent.stdout
    pids = [int(word) for word in parent.stdout.readline().split()]
    os.killpg(parent.pid, signal.SIGINT)
    _, told = parent.communicate(timeout=60)
    assert parent.returncode == -signal.SIGINT
    assert len(re.findall(rb"^KeyboardInterrupt", told, re.MULTILINE)) == 1
    assert b"worker process" not in told
    assert all(wait_for_end(pid) for pid in pids)


def test_a_forked_child_has_workers_of_its_own() -> None:
    """The parent's do not answer it, and go on for the parent; the child's end with the child."""
    crew, heard = Crew(1, MEMORY), os.pipe()
    with crew.claim(1) as (worker,):

        def work() -> None:
            with pytest.raises(WorkerDiedError, match="forked from"):
                worker.call(os.getpid).result(30)
            with crew.claim(1) as (own,):
                os.write(heard[1], str(own.call(os.getpid).result(30)).encode())

        child = fork(work)
        assert os.waitpid(child, 0)[1] == 0
        theirs = int(os.read(heard[0], 100))
        assert worker.call(os.getpid).result(30) == worker.pid != theirs
    assert wait_for_end(theirs)
    crew.close()
    for descriptor in heard:
        os.close(descriptor)


def test_a_child_that_leaves_its_parents_claim_leaves_the_workers() -> None:
    """A fork in the middle of a claim, whose child goes on as its parent does."""
    crew = Crew(1, MEMORY)
    with crew.claim(1) as (worker,):
        members = crew._of_this_process()
        assert members
        with members._lock:  # as another thread may at that moment, which the child does not have

            def leave() -> None:
                signal.alarm(60)
                members.give_back([worker])

            child = fork(leave)
        assert os.waitpid(child, 0)[1] == 0
        assert worker.call(os.getpid).result(30) == worker.pid
    crew.close()


def test_workers_close_what_their_parent_has_open() -> None:
    """No descriptor of the parent's reaches them, also one that it lets its children inherit."""
    crew, (there, here) = Crew(1, MEMORY), os.pipe()
    os.set_inheritable(there, True)
    with crew.claim(1) as (worker,):
        assert worker.call(os.listdir, "/proc/self/fd").result(30)
        open_there = {os.readlink(f"/proc/{worker.pid}/fd/{name}") for name in os.listdir(f"/proc/{worker.pid}/fd")}
    assert os.readlink(f"/proc/self/fd/{there}") not in open_there
    crew.close()
    os.close(there)
    os.close(here)


def test_what_a_thread_still_does_at_the_end_is_done() -> None:
    """Python waits for threads when its main one has ended; their workers wait with them."""
    script = PARENT.format(work="") + textwrap.dedent("""
        def work():
            with crew.claim(1) as (worker,):
                begun.set()
                time.sleep(0.3)
                say(worker.call(max, 1, 2).result())
            with crew.claim(1) as workers:
                say(workers)
        crew, begun = Crew(2, 256 << 20), threading.Event()
        threading.Thread(target=work).start()
        begun.wait()
    """)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1:] == ["2", "[]"]


def test_nothing_is_left_open(tmp_path: Path) -> None:
    """A program that ends while it has workers warns of nothing, with every warning an error."""
    script = PARENT.format(work=textwrap.dedent("sys.exit()"))
    done = subprocess.run([sys.executable, "-X", "dev", "-W", "error", "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("ignored", [True, False], ids=["SIGCHLD ignored", "a reaper"])
def test_others_may_wait_for_all_children(ignored: bool) -> None:
    """Where somebody else takes a worker's exit code, as the first process of a container does, it is lost alike."""

    def reap(*_: object) -> None:
        with suppress(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)

    def work() -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN if ignored else reap)
        crew = Crew(1, MEMORY)
        with crew.claim(1) as (worker,):
            future = worker.call(os.getpid)
            assert future.result(30) == worker.pid
            os.kill(worker.pid, signal.SIGKILL)
            assert isinstance(worker.call(os.getpid).exception(30), WorkerDiedError)
        with crew.claim(1) as (worker,):
            assert worker.call(os.getpid).result(30) == worker.pid
        crew.close()

    assert os.waitstatus_to_exitcode(os.waitpid(fork(work), 0)[1]) == 0
