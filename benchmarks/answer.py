"""An answer: every figure that was taken, and what follows from them.

    {"question": ..., "command": ..., "date": ..., "machine": {...}, "rows": [
        {"name": "log 1 GiB", "of": "seconds", "floors": {"mlflow": 2.0},
         "taken": {"holdall": [...], "mlflow": [...]}}]}

A ratio is theirs / ours of the medians: higher is better for us. Medians and
ratios are computed when they are shown, so the file holds what was measured only.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measured import Taken


@dataclass(frozen=True, slots=True)
class Row:
    """One work, as every side did it. Attributes: as of `rounds.Work`; taken: by side, one for each round."""

    name: str
    of: str
    floors: dict[str, float]
    ceiling: float | None
    taken: dict[str, list[Taken]] = field(default_factory=dict)

    @property
    def ours(self) -> str:
        """The side that others are measured against."""
        return next(iter(self.taken))

    @property
    def peers(self) -> list[str]:
        """The other sides, as far as they have done it."""
        return [side for side in list(self.taken)[1:] if self.taken[side]]

    def values(self, side: str, of: str | None = None) -> list[float]:
        """What a side's measurements say, in the order of the rounds."""
        return [float(getattr(taken, of or self.of)) for taken in self.taken[side]]

    def median(self, side: str, of: str | None = None) -> float | None:
        """The middle one; None where there is nothing."""
        values = self.values(side, of)
        return median(values) if values else None

    def ratio(self, peer: str, of: str | None = None) -> float | None:
        """Theirs / ours; None where either is missing, or where only a ceiling was asked for."""
        if self.ceiling is not None:
            return None
        theirs, ours = self.median(peer, of), self.median(self.ours, of)
        return theirs / ours if theirs and ours else None


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question, with all that is needed to repeat and to doubt it."""

    name: str
    question: str
    command: str
    date: str
    rounds: int
    machine: dict[str, Any]
    versions: dict[str, str]
    load_before: list[float]
    load_after: list[float]
    rows: list[Row]
    failures: list[str]
    notes: list[str]

    def to_json(self) -> str:
        """For `answers/`, one figure to a line."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def read(cls, path: Path) -> Answer:
        """An answer that was kept."""
        said = json.loads(path.read_text())
        said["rows"] = [
            Row(**{**row, "taken": {side: [Taken(**taken) for taken in found] for side, found in row["taken"].items()}})
            for row in said["rows"]
        ]
        return cls(**said)


def now() -> str:
    """To the minute, UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def shown(of: str, value: float | None) -> str:
    """A figure with its unit; `-` for none."""
    if value is None:
        return "-"
    if of in ("bytes", "memory"):
        return f"{value / (1 << 20):,.1f} MiB"
    if of == "requests":
        return f"{value:,.0f}"
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.0f} ms"


def line_of(of: str, taken: Taken) -> str:
    """One measurement, while the others still run."""
    aside = [f"process {shown('seconds', taken.whole)}"] if taken.whole else []
    aside += [f"cpu {shown('seconds', taken.cpu)}"] if taken.cpu else []
    aside += [f"peak {shown('memory', taken.memory)}"] if taken.memory else []
    return f"{shown(of, float(getattr(taken, of))):>12}" + (f"   ({', '.join(aside)})" if aside else "")


def verdict(row: Row, peer: str) -> str:
    """Whether what was asked for was reached: `yes`, `no`, or nothing where nothing was asked for."""
    ratio = row.ratio(peer)
    if peer not in row.floors or ratio is None:
        return ""
    return "yes" if ratio >= row.floors[peer] else "no"


def text_of(answer: Answer) -> str:
    """All of an answer, for a terminal."""
    memory = shown("memory", answer.machine["memory"])
    lines = [
        "",
        answer.question,
        f"{answer.command}    {answer.date}, {answer.rounds} rounds",
        f"{answer.machine['processor']}, {answer.machine['cores']} cores, {memory}, {answer.machine['system']}, "
        f"Python {answer.machine['python']}",
        ", ".join(f"{name} {version}" for name, version in answer.versions.items()),
        f"load before {answer.load_before}, after {answer.load_after}",
        "",
    ]
    for row in answer.rows:
        lines.append(row.name + (f" (at most {shown(row.of, row.ceiling)})" if row.ceiling else ""))
        lines += [f"    {_side(row, side)}" for side in row.taken]
    lines += [f"note: {note}" for note in answer.notes]
    lines += [f"FAILED: {failure}" for failure in answer.failures]
    return "\n".join(lines)


def _side(row: Row, side: str) -> str:
    """A side's median, its ratio, and every single figure."""
    found = row.median(side)
    text = f"{side:<20} {shown(row.of, found):>12}"
    if row.ceiling is not None and found is not None:
        text += f"   {'yes' if found <= row.ceiling else 'no'}"
    ratio = row.ratio(side) if side != row.ours else None
    if ratio is not None:
        text += f"   x {ratio:.2f}"
        whole = row.ratio(side, "whole") if row.of == "seconds" else None
        text += f" (processes x {whole:.2f})" if whole else ""
        text += f", at least {row.floors[side]}: {verdict(row, side)}" if side in row.floors else ""
    every = ", ".join(shown(row.of, value) for value in row.values(side))
    return f"{text}   [{every}]"
