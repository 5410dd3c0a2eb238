"""Which runs stay: a table of cases, and laws that hold for any runs and policies."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdall.retention.rules import Subject, held_by, judge
from holdall.runs.policy import DAY, HOUR, RetentionPolicy
from holdall.runs.search import RunSummary

NOW = 1_000 * DAY
POLICY = RetentionPolicy


def run(id: str, **facts: Any) -> Subject:
    """A finished run that began and was touched 100 days ago."""
    usual: dict[str, Any] = {
        "parent": None,
        "status": "FINISHED",
        "started": 1,
        "touched": NOW - 100 * DAY,
        "metrics": {},
    }
    return Subject(id, **{"experiment": "e", **usual, **facts})


def staying(runs: list[Subject], policy: RetentionPolicy | None = None, **policies: RetentionPolicy) -> str:
    """The ids of those that stay, in order."""
    found = judge(runs, {**({"e": policy} if policy else {}), **policies}, NOW)
    return "".join(id for id in sorted(found) if found[id])


def series(*ids: str, **facts: Any) -> list[Subject]:
    return [run(id, started=n, **facts) for n, id in enumerate(ids)]


PARENT_OF_FIVE = [run("p", started=9), *series("a", "b", "c", "d", "e", parent="p")]
CASES: dict[str, tuple[list[Subject], RetentionPolicy | None, str]] = {
    "no policy": (series("a", "b"), None, "ab"),
    "no rule": (series("a", "b"), POLICY(), "ab"),
    "old": (series("a", "b"), POLICY("99d"), ""),
    "young": (series("a", "b"), POLICY("101d"), "ab"),
    "of just that age": ([run("a", touched=NOW - HOUR), run("b", touched=NOW - HOUR + 1)], POLICY("1h"), "b"),
    "age unknown": ([run("a", touched=None)], POLICY("1h"), "a"),
    "last": (series("a", "b", "c", "d"), POLICY(last=2), "cd"),
    "fewer than last": (series("a", "b"), POLICY(last=3), "ab"),
    "same start": ([run("b"), run("a"), run("c")], POLICY(last=2), "ab"),
    "failed ones take no place": ([*series("a", "b", "c"), run("d", started=9, status="FAILED")],
        POLICY(last=2), "bcd"),
    "failed before the last": ([run("a", status="KILLED", started=-1), *series("b", "c")], POLICY(last=2), "bc"),
    "failed where few finished": ([run("a", status="KILLED", started=-1), *series("b", "c")], POLICY(last=3), "abc"),
    "a metric that no run has": ([*series("a", "b", metrics={"m": 1.0}), run("c", status="FAILED")],
        POLICY(best=("metrics.n ASC", 1)), "ab"),
    "a metric that only a deleted run has": ([*series("a"), run("b", metrics={"m": 1.0}, deleted=True)],
        POLICY(best=("metrics.m ASC", 1)), ""),
    "a metric that another experiment has": ([*series("a"), run("b", metrics={"m": 1.0}, experiment="f")],
        POLICY(best=("metrics.m ASC", 1)), "ab"),
    "a metric that is never a number": (series("a", "b", metrics={"m": math.nan}),
        POLICY(best=("metrics.m ASC", 1)), ""),
    "best": ([run("a", metrics={"m": 1.0}), run("b", metrics={"m": 0.5}), run("c", metrics={"m": 2.0})],
        POLICY(best=("metrics.m ASC", 1)), "b"),
    "best, largest": ([run("a", metrics={"m": 1.0}), run("b", metrics={"m": 0.5}), run("c", metrics={"m": 2.0})],
        POLICY(best=("metrics.m DESC", 2)), "ac"),
    "no number is best": ([run("a", metrics={"m": math.nan}), run("b", metrics={"m": math.inf}), run("c")],
        POLICY(best=("metrics.m ASC", 3)), "b"),
    "of equal ones the latest": ([run(id, started=n, metrics={"m": 1.0}) for n, id in enumerate("abc")],
        POLICY(best=("metrics.m DESC", 1)), "c"),
    "a failed one is not best": ([run("a", metrics={"m": 1.0}, status="FAILED")], POLICY(best=("metrics.m", 1)), ""),
    "rules add up": ([run("a", metrics={"m": 0.1}), *series("b", "c", "d"), run("e", touched=NOW - DAY, started=-1)],
        POLICY("2d", 1, ("metrics.m ASC", 1)), "ade"),
    "running": ([run("a", status="RUNNING", touched=NOW - DAY)], POLICY("1h"), "a"),
    "running, and long silent": ([run("a", status="RUNNING", touched=NOW - 7 * DAY)], POLICY("1h"), ""),
    "silent, and not old": ([run("a", status="RUNNING", touched=NOW - 7 * DAY)], POLICY("8d"), "a"),
    "scheduled": ([run("a", status="SCHEDULED", touched=NOW - DAY)], POLICY(last=1), "a"),
    "deleted": ([run("a", deleted=True, started=5), *series("b", "c")], POLICY(last=1), "c"),
    "held": ([run("a", held="why", started=-1), *series("b", "c")], POLICY(last=1), "ac"),
    "parent of a held one": ([run("p"), run("a", parent="p", held="why")], POLICY("1h"), "ap"),
    "its parent's parent": ([run("q"), run("p", parent="q"), run("a", parent="p", held="why")], POLICY("1h"), "apq"),
    "not its brother": ([run("p"), run("a", parent="p", held="why"), run("b", parent="p")], POLICY("1h"), "ap"),
    "children of a held one": ([run("p", held="why"), run("a", parent="p"), run("b", parent="a")], POLICY("1h"), "abp"),
    "held though deleted": ([run("p", held="why", deleted=True), run("a", parent="p")], POLICY("1h"), "a"),
    "a series": (PARENT_OF_FIVE, POLICY(last=2), "dep"),
    "a series of one that goes": ([*PARENT_OF_FIVE, *series("x", "y", metrics={"m": 1.0})],
        POLICY(best=("metrics.m", 2)), "xy"),
    "a series of one that is gone": (series("a", "b", "c", parent="gone"), POLICY(last=2), "bc"),
    "a series of one that is deleted": ([run("p", deleted=True), *series("a", "b", "c", parent="p")],
        POLICY(last=2), "bc"),
    "a parent of a young one": ([run("p"), run("a", parent="p", touched=NOW)], POLICY("1h"), "ap"),
    "a circle": ([run("a", parent="b"), run("b", parent="a"), run("c", parent="a")], POLICY("1h"), ""),
    "a circle that is held": ([run("a", parent="b"), run("b", parent="a", held="why")], POLICY("1h"), "ab"),
    "its own parent": ([run("a", parent="a")], POLICY(last=1), "a"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_run_stays_if_a_rule_keeps_it(case: str) -> None:
    """Each case of the rules, whatever the order in which runs are listed."""
    runs, policy, wanted = CASES[case]
    assert staying(runs, policy) == wanted
    assert staying(runs[::-1], policy) == wanted


def test_each_experiment_has_its_own_policy() -> None:
    """A parent elsewhere stays as well while its child does."""
    runs = [run("a"), run("b", experiment="f"), run("c", experiment="f", parent="a", touched=NOW)]
    assert staying(runs, POLICY("1h"), f=POLICY("2h")) == "ac"
    assert staying(runs, POLICY("1h")) == "abc", "what has no policy stays, and its parent"


def test_it_is_said_by_which_rule_a_run_stays() -> None:
    """In words, for people; the first rule that keeps it is named."""
    runs = [run("a", held="it has the tag holdall.keep"), run("p"), run("b", parent="p", held="pinned"), run("c")]
    runs += [run("d", touched=NOW), run("e", started=7), run("f", metrics={"m": 1.0})]
    assert judge(runs, {"e": POLICY("2h", 1, ("metrics.m ASC", 1))}, NOW) == {
        "a": "it has the tag holdall.keep",
        "p": "it is the parent of b: pinned",
        "b": "pinned",
        "c": "",
        "d": "its last entry is not 2h old",
        "e": "it is one of the last 1",
        "f": "it is one of the best 1 by metrics.m ASC",
    }


BARE = RunSummary("a" * 32, "e", "", "FINISHED", 0, 0, "", "", "active", {}, {}, {})
DEPLOYED = '{"time": 1, "where": "eu-west", "ended": false}'
HOLDS: dict[str, tuple[RunSummary, int | None, str]] = {
    "nothing": (BARE, 0, ""),
    "a version": (replace(BARE, pins={"p": "models:/fraud"}), 0, "models:/fraud has a version of it"),
    "a tag": (replace(BARE, tags={"holdall.keep": ""}), 0, "it has the tag holdall.keep"),
    "a deployment": (replace(BARE, tags={"holdall.deployment.0": DEPLOYED}), 0, "it is deployed at eu-west"),
    "one that ended": (replace(BARE, tags={"holdall.deployment.0": DEPLOYED.replace("false", "true")}), 0, ""),
    "one that is no JSON": (replace(BARE, tags={"holdall.deployment.0": "x"}), 0,
        "it is deployed at holdall.deployment.0"),
    "a writer": (replace(BARE, open=True), NOW - 6 * DAY, "a process is writing to it"),
    "one of unknown age": (replace(BARE, open=True), None, "a process is writing to it"),
    "one long silent": (replace(BARE, open=True), NOW - 7 * DAY, ""),
    "restored": (replace(BARE, tags={"holdall.expired": "{}"}), 0, "a policy deleted it once, and it was restored"),
    "deleted by a policy": (replace(BARE, tags={"holdall.expired": "{}"}, lifecycle_stage="deleted"), 0, ""),
}  # fmt: skip


@pytest.mark.parametrize("case", HOLDS)
def test_what_holds_a_run_is_told(case: str) -> None:
    """A version, a tag, a deployment, a writer, and a restoration."""
    summary, touched, wanted = HOLDS[case]
    assert held_by(summary, touched, NOW) == wanted


IDS = "abcdefgh"
subjects = st.builds(
    Subject,
    run_id=st.just(""),
    experiment=st.sampled_from("ef"),
    parent=st.sampled_from([None, *IDS, "gone"]),
    status=st.sampled_from(["FINISHED", "FINISHED", "FINISHED", "FAILED", "RUNNING"]),
    started=st.integers(0, 5),
    touched=st.sampled_from([None, NOW, NOW - 8 * DAY, NOW - 100 * DAY]),
    metrics=st.sampled_from([{}, {"m": 1.0}, {"m": 2.0}, {"m": math.nan}]),
    held=st.sampled_from(["", "", "", "", "why"]),
    deleted=st.booleans(),
)
stores = st.lists(subjects, max_size=len(IDS)).map(
    lambda some: [replace(each, run_id=id) for each, id in zip(some, IDS, strict=False)]
)
policies = st.builds(
    RetentionPolicy,
    st.sampled_from([None, "1h", "30d"]),
    st.sampled_from([None, 1, 2]),
    st.sampled_from([None, ("metrics.m ASC", 1)]),
)


@given(stores, policies)
def test_what_is_held_stays_with_all_that_belongs_to_it(runs: list[Subject], policy: RetentionPolicy) -> None:
    """Whatever the policy: what is held, its parents and its children; and the parents of all that stays."""
    found = judge(runs, {"e": policy, "f": policy}, NOW)
    there = {each.run_id: each for each in runs}
    for each in runs:
        parent = there.get(each.parent or "")
        if each.held and not each.deleted:
            assert found[each.run_id]
        if parent and not parent.deleted and (each.held or found.get(each.run_id)):
            assert found[parent.run_id]
        if parent and parent.held and not each.deleted:
            assert found[each.run_id]


@given(stores, policies, policies)
def test_rules_add_up(runs: list[Subject], one: RetentionPolicy, other: RetentionPolicy) -> None:
    """A policy with the rules of two keeps all that either keeps."""
    both = RetentionPolicy(one.expire or other.expire, one.last or other.last, one.best or other.best)
    said = [(one.expire, other.expire), (one.last, other.last), (one.best, other.best)]
    if not one.has_rules or not other.has_rules or any(a and b and a != b for a, b in said):
        return
    kept = [judge(runs, {"e": policy, "f": policy}, NOW) for policy in (one, other, both)]
    for id, reason in kept[2].items():
        assert reason or not (kept[0][id] or kept[1][id])


@given(stores, st.integers(1, 3))
def test_the_last_stay(runs: list[Subject], last: int) -> None:
    """Of what is part of no other run as many finished ones stay as are asked for, the newest."""
    found = judge(runs, {"e": POLICY(last=last), "f": POLICY(last=last)}, NOW)
    for name in "ef":
        tops = [each for each in runs if each.experiment == name and not each.parent and not each.deleted]
        finished = sorted((each for each in tops if each.status == "FINISHED"), key=lambda each: -each.started)
        assert all(found[each.run_id] for each in finished[:last] if each.started > finished[: last + 1][-1].started)
        assert sum(bool(found[each.run_id]) for each in finished) >= min(last, len(finished))
