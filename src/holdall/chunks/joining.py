"""The parts of a file, written by several workers, into one.

Each part has the chunks that begin in it. Where cutting has met the file's own
cuts before the part began, it begins where the part before ended. Where it has
not, they overlap or leave a gap:

    part before    ...|-------|-------|-----------|
    part           .              |---------|---------|------...
    taken          ...|-------|-------|-----------|   |------...
    gap                                           |---|

A rule without I/O.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import NamedTuple

from holdall.format.recipe import Recipe, encode_recipe, parse_recipe


class Stretch(NamedTuple):
    """Some of a file that has a recipe of its own: where it begins, and how many bytes it has."""

    begin: int
    size: int
    recipe: bytes


def fit(stretches: Iterable[Stretch], size: int) -> tuple[list[Stretch], list[tuple[int, int]]]:
    """Return the stretches of a file in order, without what two have in common, and the gaps between them.

    Args:
        stretches: In any order.
        size: The file's length.
    """
    fitting: list[Stretch] = []
    gaps: list[tuple[int, int]] = []
    at = 0
    for stretch in sorted(stretches, key=itemgetter(0)):
        rest = stretch if stretch.begin >= at else _from(stretch, at)
        if rest is None:
            continue
        if rest.begin > at:
            gaps.append((at, rest.begin))
        fitting.append(rest)
        at = rest.begin + rest.size
    return fitting, [*gaps, (at, size)] if at < size else gaps


def _from(stretch: Stretch, at: int) -> Stretch | None:
    """Return a stretch from its first chunk on that begins at some place or behind it, if there is one."""
    recipe, begin = parse_recipe(stretch.recipe), stretch.begin
    for count, ref in enumerate(recipe.chunks):
        if begin >= at:
            chunks = recipe.chunks[count:]
            left = stretch.begin + stretch.size - begin
            return Stretch(begin, left, encode_recipe(Recipe(left, recipe.sha256, chunks)))
        begin += ref.raw
    return None
