"""A trace of the model, as a schedule of the real code: each of its steps is a kind of request that is waited for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Final

from tests.protocol.actors import OLD, PlayedCollector, World, content
from tests.protocol.schedule import Request
from tests.protocol.states import RUNS, Config

from holdall.format.entry import parse_entry
from holdall.format.layout import GARBAGE, PACKS, PackName, parse_key, run_log
from holdall.format.layout import RUNS as LOGS

_FAR: Final = 40  # requests within which the real code does what a step says, or never
_GARBAGE_STEPS: Final = {"condemn": "condemn", "verdict": "verdict", "done": "done"}


class Replay:
    """Plays a trace of a configuration with the real code."""

    def __init__(
        self, config: Config, trace: Sequence[str], *, off: frozenset[str] = frozenset(), seed: int = 1
    ) -> None:
        self.world, self._trace = World(seed), trace
        runs = [RUNS[run] for run, *_ in config.writers]
        for name in {run for run in runs if runs.count(run) > 1} | {RUNS[run] for run in config.flip}:
            self.world.shared_run(name)
        if "E" in " ".join(trace):
            self.world.shared_run("E")
            self.world.append("E", {"op": "tombstone"})
        for name, run, (_, commits, *_) in zip("AB", runs, config.writers, strict=False):
            data = [OLD if f"{name}:footer P0" in trace else content(name, n) for n in range(commits)]
            self.world.schedule.add(name, partial(self.world.write, name, run, data))
        for j in range(config.collectors):
            self.world.schedule.add(f"G{j}", self._collector(f"G{j}", off))

    def run(self) -> None:
        """Play the trace, then everything to its end; what must hold is looked at after each request."""
        for label in self._trace:
            self._play(label)
        while names := self.world.schedule.names:
            for name in names:
                self.world.check(self.world.schedule.step(name))
        self.world.check_contents()
        assert not self.world.schedule.failures

    def _collector(self, name: str, off: frozenset[str]) -> PlayedCollector:
        mine = [label.partition(":")[2] for label in self._trace if label.startswith(name)]
        wanted = {
            letter for label in mine if label.startswith("condemn") for letter in re.findall(r"[Pab](?=\d)", label)
        }

        def chosen(pack: PackName) -> bool:
            return any(self._is(pack, letter) for letter in wanted or "P")

        return PlayedCollector(
            self.world,
            name,
            chosen,
            fences=[label[-1] for label in mine if re.match("pass over|fence|close sessions", label)],
            marks=[label[-1] for label in mine if label.startswith("mark ")],
            closes=any(label.startswith("close sessions") for label in mine),
            off=off,
        )

    def _is(self, pack: PackName, letter: str) -> bool:
        """Whether a pack is one of D's, or of a writer's."""
        if letter != "P":
            return pack.session in self._sessions(letter.upper())
        return pack.session in self._sessions("D")

    def _sessions(self, run: str) -> set[bytes]:
        log = run_log(self.world.runs.get(run, "none"))
        keys = [(name, key) for name in self.world.bucket.objects if (key := parse_key(name)) and key.log == log]
        entries = [parse_entry(self.world.bucket.objects[name], log, key.number) for name, key in keys]
        return {bytes.fromhex(op["session"]) for entry in entries for op in entry.ops if op["op"] == "open"}

    def _play(self, label: str) -> None:
        who, colon, what = label.partition(":")
        if not colon:
            self._by_others(*label.split())
        elif who in "AB":
            if "could not be read" in what:
                self.world.schedule.unanswered.add(who)
            self._advance(who, re.split(r",| by| [Pab]\d| g\d| twice| inline| in doubt", what)[0])
        else:
            self._advance(who, what.removesuffix(" again"))

    def _by_others(self, what: str, whom: str) -> None:
        if what == "retire":
            for key in self.world.objects(int(whom[1:])):
                self.world.bucket.delete(key)
        elif whom in self.world.runs:
            self.world.append(whom, {"op": what})

    def _advance(self, who: str, what: str) -> None:
        """Let an actor go on until it has done what a step says."""
        schedule = self.world.schedule
        for _ in range(_FAR):
            request = schedule.pending(who)
            if request is None or (what.startswith("delete") and request.verb != "delete"):
                return
            fits = self._fits(request, who, what)
            self.world.check(schedule.step(who))
            if fits and not what.startswith("delete"):
                return

    def _fits(self, request: Request, who: str, what: str) -> bool:
        verb, key, _ = request
        if who in ("A", "B"):
            return {
                "open": verb == "put" and key.startswith(LOGS) and b'"op":"open"' in request.data,
                "look at gc": verb == "list" and key == GARBAGE,
                "footer": verb == "get_range" and key.startswith(PACKS),
                "upload": verb == "put" and key.startswith(PACKS),
                "commit": verb == "put" and key.startswith(LOGS) and b'"op":"commit"' in request.data,
                "read log": verb == "get" and key.startswith(LOGS),
                "closed": verb == "get" and key.startswith(LOGS),
                "close": verb == "put" and key.startswith(LOGS) and b'"op":"close"' in request.data,
            }.get(what, True)
        word = what.split()[0]
        if word in _GARBAGE_STEPS:
            return verb == "put" and key.endswith(word)
        if what.startswith("list gc"):
            return verb == "list" and key == GARBAGE
        if what.startswith("list runs"):
            return verb == "list" and key == LOGS
        following = self.world.schedule.pending(who)
        of = run_log(self.world.runs.get(what[-1], "none"))
        changes = word in ("fence", "close") and verb == "put"
        return key.startswith(of) and (
            changes or (word in ("pass", "mark") and following is not None and verb == "get")
        )
