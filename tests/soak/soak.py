"""Many processes on one store, killed at random; at the end nothing that was acknowledged is missing.

    python -m tests.soak.soak --minutes 30 s3://BUCKET/PREFIX --endpoint http://127.0.0.1:4566

Writers, readers and a collector, each a process of its own, forked from this one. Every moment one of them gets
SIGKILL and is begun anew, or is stopped for some seconds, like a machine that sleeps. What they were told is in
ledgers outside the store (`ledger.py`), which are held against it at the end.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from tests.soak.ledger import Account, Ledger
from tests.soak.workers import END, Collector, Reader, Worker, Writer, wrong
from tests.support.killing import fork
from tests.support.stores import TINY
from tests.support.worker import Place

from holdall.format.layout import GARBAGE, PACKS
from holdall.store import Store

CREW: Final[dict[str, tuple[type[Worker], int]]] = {
    "writer": (Writer, 8),
    "reader": (Reader, 2),
    "collector": (Collector, 1),
}
DEEDS: Final = ("did log", "did read", "did collect")  # and kills
PATIENCE: Final = 240.0  # seconds in which a worker may finish what it is at, and all of them do what is asked
TEMPLATE: Final = replace(TINY, pack_size=48 << 10)


@dataclass
class Soak:
    """One soak.

    Attributes:
        place: The store; made here.
        folder: Where ledgers are kept.
        seed: Of all choices but the operating system's.
        seconds: How long the workers work at least.
        least: How often each of `DEEDS` is to happen, however long that takes on the machine.
        pause: Seconds that a worker rests between two things, at most.
        every: Seconds from one kill to the next, about: a collector must get somewhere now and then.
        kills: How often each kind was killed.
    """

    place: Place
    folder: Path
    seed: int
    seconds: float = 0.0
    least: int = 0
    pause: float = 0.0
    every: float = 0.35
    kills: Counter[str] = field(default_factory=Counter)
    _running: dict[str, int] = field(default_factory=dict)
    _starts: int = 0
    _seen: Account = field(init=False)

    def __post_init__(self) -> None:
        self._seen = Account(self.folder)

    def run(self) -> Account:
        """Run it, and return the account with what is missing."""
        # In a child, for threads are not forked, and this process is to have none.
        made = fork(lambda: self.place.store()._location.create(TEMPLATE))
        assert os.waitpid(made, 0)[1] == 0
        chance, begun = random.Random(self.seed), time.monotonic()
        names = [f"{kind}-{n}" for kind, (_, count) in CREW.items() for n in range(count)]
        for name in names:
            self._start(name)
        while time.monotonic() < begun + self.seconds or not self._is_enough():
            if time.monotonic() > begun + self.seconds + PATIENCE:
                Ledger(self.folder, "soak").write("lost", "standstill", str(self._seen.counts))
                break
            time.sleep(chance.uniform(0.3, 1.7) * self.every)
            self._disturb(chance.choice(names), chance)
        (self.folder / END).touch()
        end = time.monotonic() + PATIENCE
        for pid in self._running.values():
            self._end(pid, end)
        return self._verified()

    def _is_enough(self) -> bool:
        """Whether all that is asked for has happened; told by the ledgers, not by a clock."""
        counts = self._seen.catch_up().counts
        return min(self.kills.total(), *(counts[deed] for deed in DEEDS)) >= self.least

    def _disturb(self, name: str, chance: random.Random) -> None:
        pid = self._running[name]
        if chance.random() < 0.2:
            os.kill(pid, signal.SIGSTOP)
            time.sleep(chance.uniform(0.5, 3))
            os.kill(pid, signal.SIGCONT)
            return
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        self.kills[name.partition("-")[0]] += 1
        self._start(name)

    def _start(self, name: str) -> None:
        self._starts += 1
        seed = self.seed * 1_000_003 + self._starts
        kind = CREW[name.partition("-")[0]][0]
        self._running[name] = fork(lambda: kind(self.place, self.folder, name, seed).work(self.pause))

    def _end(self, pid: int, until: float) -> None:
        """Wait for a worker that has seen the end; one that does not end hangs, which is a loss."""
        while os.waitpid(pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > until:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                Ledger(self.folder, "soak").write("lost", "hang", pid)
                return
            time.sleep(0.05)

    def _verified(self) -> Account:
        """Read back all that was acknowledged; what is missing is added to the losses."""
        account, store = Account(self.folder).catch_up(), self.place.store()
        certain = [run for run, fate in account.runs.items() if not fate.doubtful]
        with ThreadPoolExecutor(8) as threads:  # of a run in one thread: its log is then read once
            account.losses += [lost for found in threads.map(partial(_lost, store, account), certain) for lost in found]
        for (name, version), (run, path) in account.models.items():
            found = store.registry.resolve(f"models:/{name}/{version}")
            if found != f"runs:/{run}/{path}":
                account.losses.append(f"models:/{name}/{version} is {found}")
            if problem := wrong(store.runs.get(run), path, account):
                account.losses.append(f"models:/{name}/{version}: {problem}")
        problems = store.maintenance.check().problems
        account.losses += [str(problem) for problem in problems if not problem.harmless]
        return account


def _lost(store: Store, account: Account, run: str) -> list[str]:
    """What is wrong with the content of a run, read back whole."""
    opened = store.runs.get(run)  # once, as its log is long
    found = {path: wrong(opened, path, account) for path in account.runs[run].paths}
    return [f"{run} {path}: {problem}" for path, problem in found.items() if problem]


def told(soak: Soak, account: Account) -> str:
    """One paragraph: commits, kills, bytes, generations, losses, seed."""
    keys = [info.key for info in soak.place.bucket().list()]
    generations = sum(key.startswith(GARBAGE) and key.endswith("/done") for key in keys)
    failed = {name: n for name, n in account.counts.items() if name.startswith("failed")}
    return "\n".join(
        [
            f"{account.counts['did log'] + account.counts['did replace']} files acknowledged, {account.bytes:,} bytes, "
            f"in {len(account.runs)} runs; {account.counts['did read']} read meanwhile",
            f"{sum(soak.kills.values())} kills: {dict(soak.kills)}",
            f"{generations} generations deleted {account.freed} packs and more, as some collectors were killed; "
            f"{sum(key.startswith(PACKS) for key in keys)} packs are left",
            f"what was done: {dict(account.counts)}",
            f"failed by name: {failed}",
            f"{len(account.losses)} losses; seed {soak.seed}",
            *account.losses[:20],
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak, and print what came of it; 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="where the store is to be: a new prefix or folder")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--pause", type=float, default=0.0, help="seconds that a worker rests after a step, at most")
    parser.add_argument("--every", type=float, default=0.35, help="seconds from one kill to the next, about")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--endpoint", help="of an S3 server that takes the keys test and test")
    asked = parser.parse_args(arguments)
    options = {"endpoint_url": asked.endpoint, "key": "test", "secret": "test"} if asked.endpoint else {}
    with tempfile.TemporaryDirectory() as folder:
        notes = Path(folder) / "notes"
        notes.mkdir()
        place, seconds = Place(asked.url, options), asked.minutes * 60
        soak = Soak(place, notes, asked.seed, seconds, pause=asked.pause, every=asked.every)
        account = soak.run()
        print(told(soak, account), flush=True)
    return 1 if account.losses else 0


if __name__ == "__main__":
    sys.exit(main())
