"""Series with fewer points: what is never lost, whatever was measured and in whatever portions it was read."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdall.errors import InvalidArgumentError
from holdall.runs.thinning import LEAST, Point, Scale, Smoother, Thinner

values = st.floats() | st.sampled_from([0.0, -0.0, 1.0, -1.0, math.nan, math.inf, -math.inf])
steps = st.integers(-50, 50) | st.integers(-(10**30), 10**30)
rows = st.lists(st.tuples(steps, values), max_size=300)
scales = st.sampled_from(["linear", "log"])


def points_of(rows: list[tuple[int, float]]) -> list[Point]:
    """Measurements in the order in which they were logged."""
    return [Point(step, order, value, step, 0) for order, (step, value) in enumerate(rows)]


def thinned(points: list[Point], most: int | None, scale: Scale = "linear", portion: int = 10**9) -> list[Point]:
    """What is kept of them, read in portions."""
    thinner = Thinner(most, scale)
    for at in range(0, len(points), portion):
        thinner.add(points[at : at + portion])
    assert thinner.count == len(points)
    return thinner.kept()


def same(one: list[Point], other: list[Point]) -> bool:
    return [point.order for point in one] == [point.order for point in other]


@given(rows, st.integers(LEAST, 80), scales)
def test_nothing_that_matters_is_lost(rows: list[tuple[int, float]], most: int, scale: Scale) -> None:
    """At most so many points, of those there are, in order: with the ends, the extremes, and each kind of mark."""
    points = points_of(rows)
    kept = thinned(points, most, scale)
    assert len(kept) <= most
    assert same(kept, sorted(set(kept), key=lambda point: (point.x, point.order)))
    assert {point.order: point for point in points}.items() >= {point.order: point for point in kept}.items()
    if len(points) <= most:
        assert len(kept) == len(points)
    in_order = sorted(points, key=lambda point: (point.x, point.order))
    assert same(kept[:1] + kept[-1:], in_order[:1] + in_order[-1:])
    shown = [point.value for point in points if math.isfinite(point.value) and (point.value > 0 or scale == "linear")]
    for extreme in [min(shown), max(shown)] if shown else []:
        assert extreme in [point.value for point in kept]
    names = {str(point.value) for point in points if not math.isfinite(point.value)}
    assert names == {str(point.value) for point in kept if not math.isfinite(point.value)}


@given(rows, st.integers(LEAST, 40), st.integers(1, 50), scales)
def test_portions_make_no_difference(rows: list[tuple[int, float]], most: int, portion: int, scale: Scale) -> None:
    """What is kept depends on what was measured, not on when it was thinned."""
    points = points_of(rows)
    thinner = Thinner(most, scale)
    for at in range(0, len(points), portion):
        thinner.add(points[at : at + portion])
        if thinner.count > most:
            thinner._points = thinner._fitting(most)
    assert same(thinner.kept(), thinned(points, most, scale))


def test_each_bucket_keeps_its_extremes() -> None:
    """A spike of one step in ten thousand is there, and so is the dip beside it."""
    points = points_of([(step, 1.0 + step % 2 / 100) for step in range(10_000)])
    points[6_000] = points[6_000]._replace(value=9.0)
    points[6_001] = points[6_001]._replace(value=-9.0)
    kept = thinned(points, 200)
    assert {6_000, 6_001} <= {point.x for point in kept}
    assert 100 <= len(kept) <= 200
    gaps = [after.x - before.x for before, after in pairwise(kept)]
    assert max(gaps) <= 256


def test_memory_is_bounded_by_what_is_kept() -> None:
    """A million points leave no more behind than a few times what is asked for."""
    thinner = Thinner(100)
    for at in range(0, 60_000, 1000):
        thinner.add(Point(step, step, float(step % 7), step, 0) for step in range(at, at + 1000))
        assert len(thinner._points) <= 4096 + 1000
    assert len(thinner.kept()) <= 100


def test_a_log_scale_says_what_it_hides() -> None:
    """Values of 0 and below are counted, kept as marks, and hide no least value that can be shown."""
    points = points_of([(step, 0.5 if step == 500 else -1.0 if step % 2 else 2.0) for step in range(1000)])
    thinner = Thinner(50, "log")
    thinner.add(points)
    assert thinner.hidden == 500
    assert 0.5 in [point.value for point in thinner.kept()]
    assert -1.0 in [point.value for point in thinner.kept()]


@given(st.lists(values, max_size=40), st.floats(0, 0.999))
def test_smoothing_is_an_average_without_bias(series: list[float], weight: float) -> None:
    """Weighted means of the finite values so far, the newest first, whose weights add up to 1; others stay."""
    smoother, seen = Smoother(weight), list[float]()
    for value in (value if not math.isfinite(value) else math.remainder(value, 1e6) for value in series):
        smoothed = smoother.add(value)
        if not math.isfinite(value):
            assert smoothed == value or math.isnan(smoothed)
            continue
        seen.insert(0, value)
        weights = [weight**age for age in range(len(seen))]
        expected = sum(one * each for one, each in zip(weights, seen, strict=True)) / sum(weights)
        assert smoothed == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_smoothing_is_tensorboards() -> None:
    """The numbers that its line chart shows for 1, 2, nan, 4 at 0.6."""
    smoother = Smoother(0.6)
    assert smoother.add(1.0) == pytest.approx(1.0)
    assert smoother.add(2.0) == pytest.approx((0.6 * 0.4 + 0.4 * 2) / (1 - 0.6**2))
    assert math.isnan(smoother.add(math.nan))
    assert smoother.add(4.0) == pytest.approx((0.6 * (0.6 * 0.4 + 0.8) + 0.4 * 4) / (1 - 0.6**3))


@pytest.mark.parametrize("most", [0, -1, 15, True, 20.0, "20"])
def test_too_few_points_are_refused(most: object) -> None:
    """Fewer could not hold the extremes of two buckets and all kinds of marks."""
    with pytest.raises(InvalidArgumentError, match="points are too few"):
        Thinner(most)  # type: ignore[arg-type]


@pytest.mark.parametrize("weight", [-0.1, 1.0, math.nan])
def test_no_weight_is_refused(weight: float) -> None:
    """With 1, nothing new would ever be seen."""
    with pytest.raises(InvalidArgumentError, match="is no weight"):
        Smoother(weight)
