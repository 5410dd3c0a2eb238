"""The main answers as one picture, drawn from `answers/*.json`: `python -m benchmarks.plot` writes `answers.png`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.answer import Row
from benchmarks.rounds import HERE
from benchmarks.table import read_all

OURS, THEIRS, ASKED = "#1b7f5c", "#c8553d", "#333333"
NOT_PEERS = (
    "checkpoints",
    "growth",
    "memory",
    "imports",
    "models",
    "lanes",
    "numbers",
)  # their sides are ours, or no rivals


def main() -> None:
    """Draws the picture anew."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plot", description=__doc__)
    parser.add_argument("--answers", type=Path, default=HERE / "answers")
    draw(parser.parse_args().answers)


def draw(answers: Path) -> Path:
    """One picture beside the answers' folder; or in it, if it is not the project's own."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    found = read_all(answers)
    rivals = [(row, peer) for a in found if a.name not in NOT_PEERS for row in a.rows for peer in row.peers]
    fast = [(row, peer) for row, peer in rivals if row.of == "seconds"]
    small = [(row, peer) for row, peer in rivals if row.of == "bytes"]
    small += [
        (row, peer)
        for a in found
        if a.name == "checkpoints"
        for row in a.rows
        for peer in row.peers
        if row.of == "bytes"
    ]
    heights = [max(2, len(fast)), max(2, len(small))]
    figure, (upper, lower) = pyplot.subplots(
        2, 1, figsize=(10, 1.5 + 0.32 * sum(heights)), height_ratios=heights, layout="constrained"
    )
    _bars(upper, fast, "Times faster than the peer (theirs / ours)")
    _bars(lower, small, "Times smaller than the peer (theirs / ours)")
    if found:
        last = max(found, key=lambda answer: answer.date)
        figure.suptitle(f"holdall {last.versions['holdall']}, {last.date}, {last.machine['cores']} cores")
    file = (answers.parent if answers == HERE / "answers" else answers) / "answers.png"
    figure.savefig(file, dpi=110, metadata={"Software": None})
    pyplot.close(figure)
    return file


def _bars(axes: Any, rows: list[tuple[Row, str]], title: str) -> None:
    """A bar for each ratio, on a logarithmic scale; a mark where it was asked to be."""
    from matplotlib.ticker import LogLocator, NullFormatter

    drawn = [(row, peer, ratio) for row, peer in reversed(rows) if (ratio := row.ratio(peer))]
    names = [f"{row.name}  [{peer}]" for row, peer, _ in drawn]
    ratios = [ratio for *_, ratio in drawn]
    colors = [OURS if ratio >= min(1, row.floors.get(peer, 1)) else THEIRS for row, peer, ratio in drawn]
    axes.barh(range(len(drawn)), [ratio - 1 for ratio in ratios], left=1, color=colors)
    for at, (row, peer, ratio) in enumerate(drawn):
        away, side = (4, "left") if ratio >= 1 else (-4, "right")
        where = {"xytext": (away, 0), "textcoords": "offset points", "va": "center", "ha": side}
        axes.annotate(f"{ratio:.2f}", (ratio, at), fontsize=8, **where)
        if peer in row.floors:
            axes.plot([row.floors[peer]] * 2, [at - 0.4, at + 0.4], color=ASKED, linewidth=2)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.axvline(1, color=ASKED, linewidth=0.8)
    axes.set_yticks(range(len(drawn)), names, fontsize=8)
    axes.set_title(f"{title}; a black mark is what was asked for", fontsize=10, loc="left")
    axes.margins(x=0.12, y=0.02)
    axes.grid(axis="x", alpha=0.25)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


if __name__ == "__main__":
    main()
