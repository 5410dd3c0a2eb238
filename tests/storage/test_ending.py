"""Who waits for a bucket that is not there, or for the end of a process, waits for a short while."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading

import pytest
from tests.storage.test_wrappers import Clock, each_verb
from tests.support.faulty import VERBS, Fault, FaultyBucket
from tests.support.servers import ROOT

from holdall.chunks.pool import Pool
from holdall.errors import BucketUnreachableError, StorageError, TransientStorageError
from holdall.settings import read_settings
from holdall.storage.bucket import Bytes
from holdall.storage.ending import Ending
from holdall.storage.memory import MemoryBucket
from holdall.storage.schemes import bucket_at
from holdall.storage.wrappers import Contact, RetryBucket, with_shorter_deadline
from holdall.store import Store


def retrying(inner: FaultyBucket, clock: Clock, **more: object) -> RetryBucket:
    return RetryBucket(inner, clock=clock, sleep=clock.sleep, random=lambda: 1.0, **more)  # type: ignore[arg-type]


def broken(error: type[StorageError] = BucketUnreachableError) -> FaultyBucket:
    faulty = FaultyBucket(MemoryBucket(objects={"k": b"v"}))
    faulty.plan(Fault("", "fail", times=None, error=error))
    return faulty


# --- the first contact


@pytest.mark.parametrize("verb", VERBS)
def test_where_nobody_ever_answered_is_given_up_soon(verb: str) -> None:
    """The address, more likely than an outage, is wrong."""
    clock = Clock()
    with pytest.raises(BucketUnreachableError, match="the last"):
        each_verb(retrying(broken(), clock), verb)
    assert 5 < clock.now <= 10


@pytest.mark.parametrize("answer", [None, TransientStorageError, StorageError])
def test_who_has_answered_once_is_waited_for(answer: type[StorageError] | None) -> None:
    """Well, badly, or that it is busy: it is there."""
    faulty, clock = FaultyBucket(MemoryBucket(objects={"k": b"v"})), Clock()
    bucket = retrying(faulty, clock)
    if answer:
        faulty.plan(Fault("get", "fail", error=answer))
    with pytest.raises(StorageError) if answer is StorageError else threading.Lock():
        bucket.get("k")
    faulty.clear()
    faulty.plan(Fault("", "fail", times=None, error=BucketUnreachableError))
    clock.now = 0
    with pytest.raises(BucketUnreachableError):
        bucket.get("k")
    assert 100 < clock.now <= 120


def test_a_busy_server_is_waited_for_from_the_first_request() -> None:
    """503 is an answer."""
    clock = Clock()
    with pytest.raises(TransientStorageError):
        retrying(broken(TransientStorageError), clock).get("k")
    assert clock.now > 100


def test_handles_to_one_server_share_what_they_know() -> None:
    """So do copies in other processes; other servers are others."""

    def contact(url: str, **options: object) -> Contact:
        bucket = bucket_at(url, options)
        assert isinstance(bucket, RetryBucket)
        return bucket.contact

    one = contact("s3://b1/x", endpoint_url="http://127.0.0.1:1")
    assert contact("s3://b1/y/z", endpoint_url="http://127.0.0.1:1") is one
    assert contact("s3://b1/x", endpoint_url="http://127.0.0.1:2") is not one
    assert contact("s3://b2", endpoint_url="http://127.0.0.1:1") is not one
    bucket = RetryBucket(MemoryBucket(objects={"k": b"v"}))
    bucket.get("k")
    assert pickle.loads(pickle.dumps(bucket)).contact.made


# --- the deadline


def test_the_deadline_is_a_setting_an_argument_and_an_option() -> None:
    """The option wins, and what is no number of seconds is refused."""

    def deadline(store: Store) -> float:
        bucket = store._location.bucket
        assert isinstance(bucket, RetryBucket)
        return bucket.deadline

    assert read_settings({}).deadline == 120
    assert read_settings({"HOLDALL_DEADLINE": "7.5"}).deadline == 7.5
    assert deadline(Store.open("memory://deadline")) == 120
    assert deadline(Store.open("memory://deadline", deadline=7)) == 7
    assert deadline(Store.open("memory://deadline", {"deadline": "3"}, deadline=7)) == 3
    for wrong in ("soon", "-1", "0", "nan", "inf"):
        with pytest.raises(ValueError, match="HOLDALL_DEADLINE"):
            read_settings({"HOLDALL_DEADLINE": wrong})
        with pytest.raises(ValueError, match="deadline is a number of seconds"):
            bucket_at("memory://deadline", {"deadline": wrong})


def test_a_deadline_for_all_requests_together() -> None:
    """Once it has passed, each gets one attempt."""
    faulty, clock = broken(TransientStorageError), Clock()
    patient = RetryBucket(faulty, clock=clock, sleep=clock.sleep, random=lambda: 1.0, deadline=10, whole=20)
    for _ in range(10):
        with pytest.raises(TransientStorageError):
            patient.get("k")
    assert clock.now <= 20
    assert with_shorter_deadline(RetryBucket(faulty, deadline=3), 10, whole=20).deadline == 3  # type: ignore[attr-defined]


# --- the end of the process


def test_what_is_done_at_the_end_shares_its_time() -> None:
    """The last registered first; and the second hook has what the first left."""
    clock, done = Clock(), []
    ending = Ending(10, clock)
    ending.register(lambda: done.append(("first", ending.remaining())))

    def slow() -> None:
        done.append(("last", ending.remaining()))
        clock.sleep(6)

    ending.register(slow)
    assert ending.remaining() == float("inf")
    ending.end()
    assert done == [("last", 10), ("first", 4)]
    ending.end()
    assert done[2:] == [("last", 4), ("first", 0)]
    assert ending.remaining() == float("inf")


def test_at_the_end_requests_are_sent_again_for_its_time_alone() -> None:
    """However many there are."""
    faulty, clock = broken(TransientStorageError), Clock()
    ending = Ending(10, clock)
    bucket = retrying(faulty, clock, ending=ending)

    def ask() -> None:
        with pytest.raises(TransientStorageError):
            bucket.get("k")

    for _ in range(5):
        ending.register(ask)
    ending.end()
    ending.end()
    assert clock.now <= 10


def test_work_that_does_not_come_back_is_left() -> None:
    """Then nothing is sent again, by anybody."""
    ending, never, later = Ending(0.05), threading.Event(), []
    ending.register(lambda: later.append(1))
    ending.register(lambda: (never.wait(30), None)[1])
    ending.end()
    ending.end()
    assert (ending.given_up, ending.remaining(), later) == (True, 0.0, [])
    never.set()


SCRIPT = """
import sys, threading, time
from holdall.chunks.pool import Pool
from holdall.errors import BucketUnreachableError
from holdall.storage.ending import the_end
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RetryBucket
from holdall.store import Store
from holdall.surfaces.fluent import active

class Gone(MemoryBucket):
    gone = ""
    def put(self, key, data):
        if self.gone:
            print(key.split("/")[1], flush=True)
            if self.gone == "hang":
                time.sleep(600)
            raise BucketUnreachableError(self.url, key)
        super().put(key, data)

bucket = Gone("gone")
active._state.store = Store._over(RetryBucket(bucket, {more}), Pool())
"""
RUNS = """
for n in range(4):
    active.start_run(nested=True)
bucket.gone = "{how}"
"""


def script(body: str, more: str = "") -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "HOLDALL_CACHE": "off"}
    code = SCRIPT.replace("{more}", more) + body
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    )


def test_at_exit_what_failed_is_not_tried_again() -> None:
    """Four runs, a bucket that is gone: one request each, though two hooks and two owners end them."""
    done = script(RUNS.replace("{how}", "refuse"), "deadline=1e-9")
    out, err = done.communicate(timeout=200)
    assert (done.returncode, len(out.split()), len(set(out.split()))) == (0, 4, 4), err
    assert err.count("could not be ended as it should") == 4


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_end(kind: signal.Signals) -> None:
    """A request that hangs at exit, and somebody who does not want to wait."""
    process = script(RUNS.replace("{how}", "hang") + "the_end._left = 250\n")
    assert process.stdout is not None
    process.stdout.readline()  # the first request of the end
    process.send_signal(kind)
    process.communicate(timeout=200)  # less than the end may take by itself, here
    assert process.returncode in (-kind, 0)


THREAD = """
def work():
    active.start_run()
    time.sleep(600)

{how}
thread = threading.Thread(target=work, daemon=True)
thread.start()
import atexit
atexit.register(lambda: print([each.run.record.info.status for each in killed]))
killed = []
while not killed:
    killed = [each for stack in list(active._state.stacks.values()) for each in stack]
print("running", flush=True)
thread.join()
"""


def test_sigterm_ends_the_run_of_a_thread_as_killed() -> None:
    """The main thread started none; the run that another one started is ended all the same."""
    process = script(THREAD.replace("{how}", ""))
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n"
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=200)
    assert (process.returncode, out) == (143, "['KILLED']\n"), err


def test_sigterm_without_a_run_ends_a_process_as_ever() -> None:
    """By the signal itself: nobody sees that somebody listens."""
    process = script("print('here', flush=True)\ntime.sleep(600)\n")
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=200)
    assert process.returncode == -signal.SIGTERM


def test_making_a_store_on_an_unsafe_server_is_bounded() -> None:
    """Where one writer overwrites no races are run, all else is asked at once, and nothing is retried for minutes."""

    class Overwrites(MemoryBucket):
        def put(self, key: str, data: Bytes) -> None:
            self.objects[key] = bytes(data)

    faulty, clock = FaultyBucket(Overwrites()), Clock()
    store = Store._over(retrying(faulty, clock), Pool())
    with pytest.raises(StorageError, match="create again"):
        store.maintenance.create()
    assert faulty.count() < 40
    assert not [key for _, key in faulty.requests if "/race" in key or "/void" in key]
