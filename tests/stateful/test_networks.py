"""What networks do to connections, in front of a real server: operations finish or fail by name, and lose nothing."""

from __future__ import annotations

import random
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.support.depth import DEEP, examples, thinned
from tests.support.proxy import Proxy, Trouble, faulty_proxy
from tests.support.servers import Server
from tests.support.stores import TINY, entropy, tiny_store

from holdall.errors import HoldallError, StorageError
from holdall.retention.performing import append_purge
from holdall.storage.memory import MemoryBucket
from holdall.storage.s3 import LANES
from holdall.storage.schemes import bucket_at
from holdall.store import Store

NAMES = ("log", "download")  # of operations that ask little
IMPATIENT = {"connect_timeout": 0.3, "read_timeout": 0.3}
DEADLINE = 2.0  # seconds that one request may take, all attempts together
PATIENT = 60.0  # where one attempt more is to succeed, however busy the machine
HANGS = 200.0  # seconds after which an operation of a dozen requests hangs
DATA, OTHER = entropy(41)(70_000), entropy(42)(70_000)
NEAR = 100  # bytes: any request has more, and so has any answer
KINDS = ("reset", "cut", "stall", "half", "drip", "delay")
ONCE = [
    Trouble(kind, after, up)
    for kind in ("reset", "cut", "delay")
    for after, up in ((0, False), (100, False), (300, True))
]
ONCE += [Trouble(kind, 100, seconds=0.4) for kind in ("stall", "half", "drip")] + [Trouble("stall", 300, up=True)]


class Net:
    """A store of its own on a server, seen directly and through a proxy."""

    def __init__(self, server: Server, proxy: Proxy, lane: str) -> None:
        self.url, self.proxy, self._server, self._lane = f"{server.new_bucket()}/store", proxy, server, lane
        self.direct()._location.create(TINY)
        self.copy = tiny_store(MemoryBucket())
        self.known: dict[tuple[str, str], bytes] = {}

    def direct(self) -> Store:
        return Store.open(self.url, self._server.options)

    def through(self, deadline: float = DEADLINE) -> Store:
        """A client of its own, whose first connection meets what is planned next."""
        options = {**self._server.options, "endpoint_url": self.proxy.url, "config_kwargs": IMPATIENT}
        return Store.open(self.url, options, s3_lane=self._lane, deadline=deadline)

    def holds(self) -> None:
        """All that was acknowledged reads back, and the store is intact."""
        store = self.direct()
        assert store.maintenance.check().problems == []
        assert {(run, path): store.runs.get(run).read(path) for run, path in self.known} == self.known


@contextmanager
def net_of(server: Server, lane: str) -> Iterator[Net]:
    with faulty_proxy(server.url) as proxy:
        yield Net(server, proxy, lane)


def log(net: Net, store: Store, folder: Path) -> None:
    """Small and large content."""
    run = store.runs.start()
    for path, data in (("small", b"alpha"), ("large", DATA)):
        run.log_bytes(data, path)
        net.known[run.run_id, path] = data
    run.finish()


def download(net: Net, store: Store, folder: Path) -> None:
    """Whole files, or none under their names."""
    run = next(run for run, path in net.known if path == "large")
    try:
        store.runs.get(run).download(None, folder)
    finally:
        found = {file.name: file.read_bytes() for file in folder.rglob("*") if not file.name.endswith(".partial")}
        assert all(data == net.known[run, name] for name, data in found.items())


def collect(net: Net, store: Store, folder: Path) -> None:
    """A run is purged, and its packs are deleted."""
    run = net.direct().runs.start()
    run.log_bytes(OTHER, "f")
    run.finish()
    run.delete()
    append_purge(net.direct()._location, run.run_id, lambda _: True)
    store.maintenance.gc(delay=0)


def copy(net: Net, store: Store, folder: Path) -> None:
    """What is new is sent to another store, which holds whole files only."""
    log(net, net.direct(), folder)
    report = store.maintenance.copy_to(net.copy)
    assert net.copy.maintenance.check().problems == []
    if not report.complete:
        raise StorageError(net.url, "", "not everything was copied")


OPERATIONS: dict[str, Callable[[Net, Store, Path], None]] = {
    "log": log,
    "download": download,
    "collect": collect,
    "copy": copy,
}
ONCE_EACH = [
    (name, lane)
    for name in OPERATIONS
    for lane in LANES
    if lane == "boto3" or name == "log" or (DEEP and name in NAMES)
]


def ended(work: Callable[[], None]) -> Exception | None:
    """How it ended: with None, or with an error that has a name; it may not hang, nor fail in another way."""
    outcome: list[Exception | None] = []

    def attempt() -> None:
        try:
            work()
            outcome.append(None)
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(HANGS)
    assert outcome, "it hangs:\n" + "".join(traceback.format_stack(sys._current_frames()[thread.ident or 0]))
    assert outcome[0] is None or isinstance(outcome[0], HoldallError), outcome[0]
    return outcome[0]


@pytest.mark.parametrize(("name", "lane"), ONCE_EACH)
@pytest.mark.long
@pytest.mark.every(2)
def test_one_trouble_stops_nothing(name: str, lane: str, moto: Server, tmp_path: Path) -> None:
    """A connection that breaks once, in whatever way and direction, is one attempt more, and the operation succeeds."""
    with net_of(moto, lane) as net:
        log(net, net.direct(), tmp_path)
        troubles = thinned(ONCE, 2)
        if name not in NAMES:
            troubles = ONCE[1::4]  # these ask ten times as often
        for n, trouble in enumerate(troubles):
            net.proxy.plan(*[None] * (n % 5), trouble)
            assert ended(partial(OPERATIONS[name], net, net.through(PATIENT), tmp_path / str(n))) is None, trouble
            net.proxy.clear()
        assert net.proxy.met >= len(troubles) - 3
        net.holds()


def drawn(source: random.Random, most: int = 3000) -> Trouble:
    """Any trouble, after fewer bytes than `most`; what drips, drips slower than a connection may be silent."""
    return Trouble(source.choice(KINDS), source.randrange(most), source.random() < 0.5, seconds=0.4)


@pytest.mark.parametrize("name", list(OPERATIONS) if DEEP else ["log", "download"])
@pytest.mark.long
def test_a_network_that_breaks_everything_is_named(name: str, moto: Server, tmp_path: Path) -> None:
    """Where every connection breaks, the error says so, within the deadline; nothing that was acknowledged is lost.

    The first breaks within its first request, or the answer to that; few requests carry what the others may wait for.
    """
    source = random.Random(seed := random.randrange(10**6))
    with net_of(moto, "boto3") as net:
        log(net, net.direct(), tmp_path)
        for _ in range(examples(1)):
            met = net.proxy.met
            net.proxy.plan(drawn(source, NEAR), *(drawn(source) for _ in range(7)))
            ended(lambda: OPERATIONS[name](net, net.through(), tmp_path / "out"))
            net.proxy.clear()
            net.holds()
            assert net.proxy.met > met, seed
        log(net, net.through(PATIENT), tmp_path)


def test_a_put_whose_head_was_cut_off_creates_nothing(moto: Server) -> None:
    """Also where the length is what was cut: a server that took nothing for the whole would hand out nothing later."""
    bucket, parts = moto.new_bucket().removeprefix("s3://"), urlsplit(moto.url)
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        connection.sendall(f"PUT /{bucket}/key HTTP/1.1\r\nHost: {parts.netloc}\r\n".encode())
        connection.shutdown(socket.SHUT_WR)
        assert b" 400 " in connection.recv(1000)
    assert list(bucket_at(f"s3://{bucket}", moto.options).list()) == []
