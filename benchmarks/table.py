"""The answers as a table, drawn from `answers/*.json`: `python -m benchmarks.table` writes it into the README."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

from benchmarks.answer import Answer, Row, shown, verdict
from benchmarks.rounds import HERE

BEGIN, END = "<!-- answers: drawn by python -m benchmarks.table -->", "<!-- end of answers -->"


def main() -> None:
    """Writes the table anew."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table", description=__doc__)
    parser.add_argument("--answers", type=Path, default=HERE / "answers")
    parser.add_argument("--readme", type=Path, default=HERE / "README.md")
    given = parser.parse_args()
    write_table(given.answers, given.readme)


def write_table(answers: Path, readme: Path) -> None:
    """Put the table between the README's two marks; a file of its own where there is no README."""
    drawn = "\n".join([BEGIN, "", *table(read_all(answers)), END])
    text = readme.read_text() if readme.exists() else f"{BEGIN}{END}\n"
    found = re.sub(re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: drawn, text, flags=re.DOTALL)
    readme.write_text(found)


def read_all(answers: Path) -> list[Answer]:
    """All that were kept, by name."""
    return [Answer.read(file) for file in sorted(answers.glob("*.json"))]


def table(answers: list[Answer]) -> Iterator[str]:
    """Markdown, one section for each question."""
    if not answers:
        yield from ("There are no answers yet.", "")
    for answer in answers:
        yield from (f"### {answer.question}", "")
        yield from (f"`{answer.command}`, {answer.date}, {answer.rounds} rounds, medians. {_where(answer)}", "")
        yield "| work | ours | theirs | ratio | asked for | whole processes |"
        yield "|---|---|---|---|---|---|"
        for row in answer.rows:
            yield from _lines(row)
        yield ""
        yield from (f"* {note}" for note in answer.notes)
        yield from (f"* **failed**: {failure}" for failure in answer.failures)
        if answer.notes or answer.failures:
            yield ""


def _lines(row: Row) -> Iterator[str]:
    """A line for each peer; one at least, for ours."""
    ours = f"{shown(row.of, row.median(row.ours))}{_ceiling(row, row.ours)}"
    for peer in row.peers:
        theirs = f"{shown(row.of, row.median(peer))} {peer}{_ceiling(row, peer)}"
        whole = row.ratio(peer, "whole") if row.of == "seconds" else None
        asked = f"{row.floors[peer]:g}: {verdict(row, peer)}" if peer in row.floors else ""
        yield f"| {row.name} | {ours} | {theirs} | {_ratio(row.ratio(peer))} | {asked} | {_ratio(whole)} |"
    if not row.peers:
        yield f"| {row.name} | {ours} | | | | |"


def _ceiling(row: Row, side: str) -> str:
    """Whether it stays below what it may be."""
    found = row.median(side)
    if row.ceiling is None or found is None:
        return ""
    return f" (at most {shown(row.of, row.ceiling)}: {'yes' if found <= row.ceiling else 'no'})"


def _ratio(value: float | None) -> str:
    return f"{value:.2f}" if value else ""


def _where(answer: Answer) -> str:
    machine, said = answer.machine, answer.versions
    peers = ", ".join(f"{name} {version}" for name, version in said.items())
    return (
        f"{machine['processor']}, {machine['cores']} cores, {shown('memory', machine['memory'])}, "
        f"Python {machine['python']}; load {answer.load_before[0]} before and {answer.load_after[0]} after; {peers}."
    )


if __name__ == "__main__":
    main()
