"""Rounds: ours and theirs, taking turns over the same bytes.

    with ask(options) as question:       data made, servers started
        for each round:
            every side starts anew       its own empty store or bucket, gone after the round
            for each work:
                every side does it       in an order that turns with the rounds

Taking turns work by work, and not round by round, is what makes a ratio worth
something on a machine whose speed wanders. Nothing here judges a time: the
answer shows every figure, the medians, their ratio, and what was asked for.
A side that fails is noted, and the others go on.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.answer import Answer, Row, line_of, now, text_of
from benchmarks.data import emptied
from benchmarks.machine import load, machine, versions
from benchmarks.measured import Taken

HERE = Path(__file__).parent
Side = Callable[[Path], AbstractContextManager[Any]]


@dataclass(frozen=True, slots=True)
class Options:
    """How a question is asked.

    Attributes:
        rounds: How often everything is done.
        size: Bytes of the large file.
        files: How many small files.
        scratch: A folder for stores and downloads, on the disk that is to be measured.
        data: A folder where the data is kept between runs.
        endpoint: An S3 server that runs already; LocalStack is started when None.
    """

    rounds: int = 5
    size: int = 1 << 30
    files: int = 2000
    scratch: Path = HERE / ".scratch"
    data: Path = HERE / ".data"
    endpoint: str | None = None


PLAIN = Options()


@dataclass(frozen=True, slots=True)
class Work:
    """One thing that every side does.

    Attributes:
        name: What the reader sees.
        do: Does it with a side.
        of: Which attribute of `Taken` is compared.
        floors: What the ratio theirs / ours should be at least, by peer.
        ceiling: What ours should be at most.
        once: In the first round only: stored bytes, which do not vary, and what is for information.
    """

    name: str
    do: Callable[[Any], Taken]
    of: str = "seconds"
    floors: Mapping[str, float] = field(default_factory=dict)
    ceiling: float | None = None
    once: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. The first side is ours, the others are measured against it.

    Attributes:
        text: The question, as a sentence.
        works: What is done, in this order.
        sides: By name, how each side starts a round: a context that yields what the works are given.
        peers: The packages whose versions matter.
        notes: What a reader must know to judge the answer.
    """

    text: str
    works: tuple[Work, ...]
    sides: Mapping[str, Side]
    peers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


Ask = Callable[[Options], AbstractContextManager[Question]]


def answer(name: str, ask: Ask, options: Options, *, tell: Callable[[str], None] = print) -> Answer:
    """Ask a question and take all its measurements.

    Args:
        name: The question's module, which is part of the command that repeats it.
        ask: Prepares the question.
        options: How.
        tell: Is given every single result as it comes.
    """
    with emptied(options.scratch / name) as scratch, ask(options) as question:
        before = load()
        rows = [Row(w.name, w.of, dict(w.floors), w.ceiling, {s: [] for s in question.sides}) for w in question.works]
        failures: dict[str, None] = {}  # each told once, in order
        for turn in range(options.rounds):
            for failure in _round(question, turn, rows, scratch, tell):
                failures.setdefault(failure)
        return Answer(
            name=name,
            question=question.text,
            command=_command(name, options),
            date=now(),
            rounds=options.rounds,
            machine=machine(),
            versions=versions(question.peers),
            load_before=before,
            load_after=load(),
            rows=rows,
            failures=list(failures),
            notes=list(question.notes),
        )


def _round(question: Question, turn: int, rows: list[Row], scratch: Path, tell: Callable[[str], None]) -> list[str]:
    """One round; what failed in it."""
    failures = []
    with ExitStack() as stack:
        started = {}
        for side, start in question.sides.items():
            try:
                started[side] = stack.enter_context(start(stack.enter_context(emptied(scratch / _slug(side)))))
            except Exception as error:  # a peer may fail in any way; the others go on
                failures.append(f"{side}: {error}")
                tell(f"  failed  {failures[-1]}")
        for work, row in zip(question.works, rows, strict=True):
            for side in _turned(list(started), turn) if turn == 0 or not work.once else []:
                try:
                    taken = work.do(started[side])
                except Exception as error:
                    failures.append(f"{side}, {work.name}: {error}")
                    tell(f"  failed  {failures[-1]}")
                else:
                    row.taken[side].append(taken)
                    tell(f"  {turn + 1}  {work.name:<44} {side:<18} {line_of(work.of, taken)}")
    return failures


def _turned(names: list[str], turn: int) -> list[str]:
    """Whoever was first is last the next time."""
    at = turn % len(names) if names else 0
    return names[at:] + names[:at]


def main(ask: Ask, name: str | None = None) -> None:
    """The command line of every question."""
    name = name or Path(sys.argv[0]).stem
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}")
    add_options(parser)
    given = parser.parse_args()
    found = answer(name, ask, options_of(given), tell=lambda text: print(text, flush=True))
    print(text_of(found))
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(found.to_json())


def add_options(parser: argparse.ArgumentParser) -> None:
    """What every question can be told."""
    parser.add_argument("--rounds", type=int, default=PLAIN.rounds)
    parser.add_argument("--size", type=parse_size, default=PLAIN.size, help="of the large file: 64M, 1G")
    parser.add_argument("--files", type=int, default=PLAIN.files, help="how many small files of 4 KB")
    parser.add_argument("--scratch", type=Path, default=PLAIN.scratch, help="where stores and downloads go")
    parser.add_argument("--data", type=Path, default=PLAIN.data, help="where the data is kept between runs")
    parser.add_argument("--endpoint", help="an S3 server that runs already; else LocalStack is started")
    parser.add_argument("--json", type=Path, help="write the answer here")


def options_of(given: argparse.Namespace) -> Options:
    """The options of a command line."""
    return Options(given.rounds, given.size, given.files, given.scratch.resolve(), given.data.resolve(), given.endpoint)


def parse_size(text: str) -> int:
    """Bytes, from `64M`, `1G` or a plain number."""
    found = re.fullmatch(r"(\d+)([KMG]?)(?:i?B)?", text, re.IGNORECASE)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 64M or 1G")
    return int(found[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[found[2].upper()]


def shown_size(size: float) -> str:
    """`1 GiB`, `64 MiB`, `4.1 KiB`."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size:.0f} B"


def _command(name: str, options: Options) -> str:
    """What repeats the answer; options are named where they are not the default."""
    size = options.size if options.size % (1 << 20) else f"{options.size >> 20}M"
    told = {"rounds": options.rounds, "size": size, "files": options.files}
    changed = [f"--{flag} {said}" for flag, said in told.items() if getattr(options, flag) != getattr(PLAIN, flag)]
    return " ".join([f"python -m benchmarks.{name}", *changed])


def _slug(side: str) -> str:
    return re.sub(r"\W+", "-", side)
