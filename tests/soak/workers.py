"""What works on the store in a soak, each in a process of its own that may be killed at any moment."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from tests.soak.ledger import Account, Ledger, Spec, content
from tests.support.worker import Place

from holdall.errors import (
    ArtifactNotFoundError,
    DamageError,
    HoldallError,
    NotFoundError,
    RunNotFoundError,
)
from holdall.retention.performing import append_purge
from holdall.runs.run import Run

PATIENCE: Final = 5.0  # seconds after which a reader that still fails has failed for good
BLOCKS: Final = 150
END: Final = "end"  # a file among the ledgers: who sees it stops


class Worker:
    """One process: what it does, again and again, and where that is written down.

    Attributes:
        name: What its ledger is called; its successors go on with it.
        place: The store.
        notes: The folder of the ledgers.
        random: Its choices.
    """

    def __init__(self, place: Place, notes: Path, name: str, seed: int) -> None:
        self.place, self.notes, self.name = place, notes, name
        self.random, self.ledger = random.Random(seed), Ledger(notes, name)
        self.store = place.store()
        self.account = Account(notes)
        self._read_at = 0.0

    def work(self, pause: float = 0.0) -> None:
        """Step until the end is there; an error with a name is counted, any other one is a loss."""
        while not (self.notes / END).exists():
            time.sleep(self.random.uniform(0, pause))
            try:
                self.step()
            except (DamageError, NotFoundError) as error:
                if not self.is_excused(error):
                    self.ledger.write("lost", type(error).__name__, self.name, traceback.format_exc())
            except HoldallError as error:
                self.ledger.write("failed", type(error).__name__, str(error)[:300])
            except Exception as error:
                self.ledger.write("lost", type(error).__name__, self.name, traceback.format_exc())

    def step(self) -> None:
        """Do one thing."""
        raise NotImplementedError

    def is_excused(self, error: HoldallError) -> bool:
        """Whether a run may really be gone."""
        run = getattr(error, "run_id", "")
        self.look()
        return run in self.account.runs and self.account.runs[run].doubtful

    def look(self) -> Account:
        """Read what is new in all ledgers."""
        self._read_at = time.monotonic()
        return self.account.catch_up()

    def glance(self) -> Account:
        """The ledgers as they were a while ago."""
        return self.account if time.monotonic() - self._read_at < 3 else self.look()


class Writer(Worker):
    """Logs, goes on with runs, its own and others', replaces, registers, deletes, restores, purges."""

    def __init__(self, place: Place, notes: Path, name: str, seed: int) -> None:
        super().__init__(place, notes, name, seed)
        self.count = 0
        self.run: Run | None = None
        self.folder = Path(tempfile.mkdtemp(prefix="soak-", dir=notes.parent))

    def step(self) -> None:
        if self.run is None or self.random.random() < 0.06:
            self.run = None
            self.run = self._a_run()
        try:
            self.random.choices(*zip(*self._verbs(self.run), strict=True))[0](self.run)
        except HoldallError:
            self.run = None
            raise

    def _verbs(self, run: Run) -> list[tuple[Callable[[Run], None], int]]:
        """What may be done with it, and how often."""
        mine = self.glance().runs.get(run.run_id)
        verbs: list[tuple[Callable[[Run], None], int]] = [
            (self.log_bytes, 10),
            (self.log_folder, 5),
            (self.measure, 2),
            (self.finish, 1),
        ]
        if mine is None or not mine.doubtful:
            verbs += [(self.register, 1)]
        if mine is not None and mine.versioned:
            verbs += [(self.replace, 12), (self.remove, 3)]
        if mine is not None and mine.owner == self.name:
            verbs += [(self.delete, 2)]
        return verbs

    def _a_run(self) -> Run:
        """Start one, or go on with one."""
        known = [id for id, fate in self.glance().runs.items() if not fate.doubtful]
        if known and self.random.random() < 0.5:
            return self.store.runs.resume(self.random.choice(known[-40:]))
        versioned = self.random.random() < 0.5
        run = self.store.runs.start(experiment="soak", paths="versioned" if versioned else "immutable")
        self.ledger.write("did", "run", run.run_id, False, versioned)
        return run

    def _spec(self) -> Spec:
        blocks = self.random.choices(range(BLOCKS), k=self.random.choice((0, 1, 3, 12)))
        return self.random.getrandbits(48), self.random.choice((30, 3_000, 20_000)), tuple(blocks)

    def _path(self) -> str:
        self.count += 1
        return f"{self.name}/{os.getpid()}-{self.count}"

    def log_bytes(self, run: Run) -> None:
        spec, path = self._spec(), self._path()
        self.ledger.write("will", "log", run.run_id, path, spec)
        run.log_bytes(content(spec), path)
        self.ledger.write("did", "log", run.run_id, path, spec)

    def log_folder(self, run: Run) -> None:
        """A folder is one commit, so it is one doubt; each file is told for itself."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        specs, below = [self._spec() for _ in range(self.random.randrange(2, 9))], self._path()
        for n, spec in enumerate(specs):
            (self.folder / str(n)).write_bytes(content(spec))
        for what in ("will", "did"):
            for n, spec in enumerate(specs):
                self.ledger.write(what, "log", run.run_id, f"{below}/{n}", spec)
            if what == "will":
                run.log_artifacts(self.folder, below)

    def measure(self, run: Run) -> None:
        run.log_metrics({"loss": self.random.random()}, step=self.count)
        run.flush()

    def finish(self, run: Run) -> None:
        run.finish()
        self.run = None

    def replace(self, run: Run) -> None:
        """Rewrite a path of its own in a versioned run, as training does, and give up what was there before."""
        spec, path = self._spec(), f"{self.name}/last-{self.random.randrange(3)}"
        self.ledger.write("will", "replace", run.run_id, path, spec)
        run.log_bytes(content(spec), path, on_conflict="replace", keep_last=self.random.choice((1, 1, 3)))
        self.ledger.write("did", "replace", run.run_id, path, spec)

    def remove(self, run: Run) -> None:
        """Remove a path of its own from a versioned run."""
        path = f"{self.name}/last-{self.random.randrange(3)}"
        if [spec for spec in self.look().runs[run.run_id].paths.get(path, ()) if spec is not None]:
            self.ledger.write("will", "remove", run.run_id, path)
            with suppress(ArtifactNotFoundError):  # a process before this one may have been killed at it
                run.delete_artifact(path)
            self.ledger.write("did", "remove", run.run_id, path)

    def register(self, run: Run) -> None:
        """Make a version of what it logs next; from then on nothing may delete it."""
        spec, path = self._spec(), self._path()
        self.ledger.write("will", "log", run.run_id, path, spec)
        run.log_bytes(content(spec), path)
        self.ledger.write("did", "log", run.run_id, path, spec)
        model = f"model-{self.random.randrange(4)}"
        version = self.store.registry.register(f"runs:/{run.run_id}/{path}", model)
        self.ledger.write("did", "register", model, version.version, run.run_id, path)
        self.store.registry.set_alias(model, "champion", version.version)

    def delete(self, run: Run) -> None:
        """Delete a run of its own; some come back, others are purged, so that their packs are garbage."""
        self.ledger.write("will", "delete", run.run_id)
        run.delete()
        if self.random.random() < 0.4:
            self.ledger.write("will", "restore", run.run_id)
            run.restore()
            self.ledger.write("did", "restore", run.run_id)
        else:
            self.ledger.write("will", "purge", run.run_id)
            append_purge(self.store._location, run.run_id, lambda _: True)
            self.ledger.write("did", "purge", run.run_id)
        self.run = None


class Reader(Worker):
    """Reads what was acknowledged, by old handles and new ones."""

    def step(self) -> None:
        known = [(id, fate) for id, fate in self.glance().runs.items() if not fate.doubtful and fate.paths]
        if not known:
            time.sleep(0.2)
            return
        if self.random.random() < 0.1:
            self.store = self.place.store()
        run, fate = self.random.choice(known)
        path = self.random.choice(list(fate.paths))
        if (problem := self._problem(run, path)) and not self.look().runs[run].doubtful:
            self.ledger.write("lost", "read", run, path, problem)
        self.ledger.write("did", "read", run, path)

    def _problem(self, run: str, path: str) -> str:
        """Read until it is right, or has been wrong for too long."""
        end = time.monotonic() + PATIENCE
        while problem := wrong(self.store.runs.get(run), path, self.account):
            if time.monotonic() > end:
                return problem
            time.sleep(0.3)
            self.look()
        return ""


class Collector(Worker):
    """Collects garbage of any age, with and without a quarantine."""

    def step(self) -> None:
        found = self.store.maintenance.gc(delay=self.random.choice((0, 1, 5)), quarantine=self.random.choice((0, 0, 2)))
        self.ledger.write("did", "collect", found.freed.packs, found.freed.bytes)


def wrong(run: Run, path: str, account: Account) -> str:
    """What is wrong with a file, or nothing."""
    possible = account.runs[run.run_id].paths[path]
    try:
        found = run.read(path)
    except (ArtifactNotFoundError, RunNotFoundError) as error:
        return "" if None in possible else f"missing: {error}"
    except HoldallError as error:
        return f"{type(error).__name__}: {error}"
    return "" if any(spec is not None and content(spec) == found for spec in possible) else "other bytes"
