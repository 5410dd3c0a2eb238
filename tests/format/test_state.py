"""States: a fold over the log, and what it amounts to, carried in JSON and taken on from there."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.format.strategies import hexes, packs, refs
from tests.format.test_document import texts, values
from tests.format.test_entry import LOG, ops, points, steps

from holdall.errors import FormatError
from holdall.format.entry import LogEntry
from holdall.format.ops import check_op, integer
from holdall.format.reference import InEntry
from holdall.format.state import State, parse_checkpoint, split_facts

histories = st.lists(st.lists(ops, max_size=5), max_size=8)


def entry(n: int, ops: list[dict[str, Any]], time: int = 5) -> LogEntry:
    """Entry n of a run's log."""
    return LogEntry(LOG, n, "c" * 32, None, time, "x", None, tuple(ops))


def folded(history: list[list[dict[str, Any]]], *, start: int = 0, state: State | None = None) -> State:
    """What a history amounts to, its commits merged away as a writer does."""
    state = state or State()
    for n, some in enumerate(history, start):
        state.apply(entry(n, some))
    state.deltas, state.changes = [], []
    return state


@given(histories, st.none() | refs(packs))
def test_a_state_survives_json(history: list[list[dict[str, Any]]], tree: Any) -> None:
    """`parse_checkpoint` takes back what `to_json` gives, through text and all."""
    state = folded(history)
    state.tree = tree
    assert parse_checkpoint(json.loads(json.dumps(state.to_json())), None, "it") == state


@given(histories, histories)
def test_going_on_from_a_state_is_going_on_from_the_beginning(
    first: list[list[dict[str, Any]]], then: list[list[dict[str, Any]]]
) -> None:
    """A reader that starts at a state ends where one does that read the whole log."""
    carried = parse_checkpoint(folded(first).to_json(), None, "it")
    assert folded(then, start=len(first), state=carried) == folded(first + then)


@given(histories)
def test_a_states_facts_may_lie_elsewhere(history: list[list[dict[str, Any]]]) -> None:
    """Split off as a blob, they come back; the body alone is damage."""
    state = folded(history)
    body = state.to_json()
    facts = split_facts(body)
    assert set(facts) - {"extremes"} == {"params", "tags", "metrics", "batches", "pins"}
    assert not set(facts) & set(body)
    assert parse_checkpoint(body | {"facts": {}}, facts, "it") == state
    with pytest.raises(FormatError, match="its state has"):
        parse_checkpoint(body, None, "it")


@given(histories, st.dictionaries(texts.map("later ".__add__), values, max_size=3))
def test_unknown_fields_are_carried_on(history: list[list[dict[str, Any]]], later: dict[str, Any]) -> None:
    """What a later version wrote into a state is still in the next one."""
    state = parse_checkpoint(State().to_json() | later, None, "it")
    assert state.extra == later
    assert folded(history, state=state).to_json().items() >= later.items()


_WRONG: dict[str, list[object]] = {
    "files bytes new_bytes stored_bytes inline": [-1, True, "1", 1.0, 2**53, None],
    "tree environment": [{}, [], "", 0, {"id": "blake3:" + "0" * 64}],
    "experiment": [None, 1, []],
    "started": [-1, None, "5", 5.0],
    "ended": [-1, "5", 5.0, False],
    "status": ["DONE", "running", None, 1],
    "deleted purged": [0, 1, None, "false"],
    "sessions": [None, {}, ["ab"], [1], ["b" * 32, "a" * 32], ["a" * 32] * 2],
    "fences batches": [None, {}, [-1], ["1"], [True], [2, 1], [1, 1]],
    "params tags pins": [None, [], "", {"a": None}, {"a": 1}],
    "metrics": [None, [], {"a": 1}, {"a": [1, 1, 1]}, {"a": [None, 1, 1, 1]}, {"a": [1, 1.0, 1, 1]}],
}
WRONG = [(name, value) for names, some in _WRONG.items() for name in names.split() for value in some]


def test_every_field_of_a_state_is_tried() -> None:
    """A new field needs values that it must not have."""
    assert {name for name, _ in WRONG} == State().to_json().keys()


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_field_makes_no_state(name: str, value: object) -> None:
    """Another type, a number out of bounds, an order that is none: each is damage, told by the field's name."""
    said = name if name not in ("tree", "environment") else "reference"
    with pytest.raises(FormatError, match=said):
        parse_checkpoint(State().to_json() | {name: value}, None, "it")


@given(histories, st.data(), values)
def test_any_value_is_damage_or_goes_on(
    history: list[list[dict[str, Any]]], data: st.DataObject, value: object
) -> None:
    """What is no damage is carried on as it was said, and the log can be applied to it."""
    body = folded(history).to_json()
    body |= {data.draw(st.sampled_from(sorted(body))): value}
    try:
        state = parse_checkpoint(body, None, "it")
    except FormatError:
        return
    if said := body.get("extremes"):  # where the metrics are others, it is out of date
        body["extremes"] = {key: each for key, each in said.items() if state.metrics.get(key, [0])[-1] == each[2] > 1}
    assert state.to_json() == {name: value for name, value in body.items() if value or name != "extremes"}
    if not state.purged:
        state.apply(entry(99, [{"op": "param", "key": "later", "value": "1"}]))
        assert state.params["later"] == "1"


@given(histories, st.data())
def test_a_missing_field_is_damage(history: list[list[dict[str, Any]]], data: st.DataObject) -> None:
    """Every field of a state is needed, but for what earlier writers did not tell."""
    body = folded(history).to_json()
    del body[data.draw(st.sampled_from(sorted(body.keys() - {"extremes"})))]
    with pytest.raises(FormatError, match="its state has"):
        parse_checkpoint(body, None, "it")


@given(histories)
def test_folding_changes_nothing_it_was_given(history: list[list[dict[str, Any]]]) -> None:
    """Neither the entries nor the body of the state that it started from."""
    body, kept = folded(history).to_json(), copy.deepcopy(history)
    before = copy.deepcopy(body)
    folded(history, state=parse_checkpoint(body, None, "it"))
    assert (body, history) == (before, kept)


@given(st.lists(points, max_size=5), st.integers(0, 5))
def test_the_extremes_are_those_of_all_measurements(batches: list[list[list[Any]]], cut: int) -> None:
    """Read whole, or from a checkpoint on: as floats, the first of equal ones, NaN only where there is nothing else."""
    ops = [[{"op": "metric", "points": some}] for some in batches]
    carried = parse_checkpoint(json.loads(json.dumps(folded(ops[:cut]).to_json())), None, "it")
    state = folded(ops[cut:], start=min(cut, len(ops)), state=carried)
    by_key: dict[str, list[Any]] = {}
    for key, value, *_ in (point for some in batches for point in some):
        by_key.setdefault(key, []).append(value)
    for key, some in by_key.items():
        numbers = [value for value in some if value != "nan"] or some
        assert list(map(repr, state.extremes_of(key) or ())) == [
            repr(min(numbers, key=float)),
            repr(max(numbers, key=float)),
        ]
    assert "extremes" not in state.to_json() or all(len(by_key[key]) > 1 for key in state.to_json()["extremes"])


@given(st.lists(points.filter(bool), min_size=1, max_size=4), st.lists(points.filter(bool), min_size=1, max_size=4))
def test_extremes_that_a_writer_carried_on_are_not_believed(
    first: list[list[list[Any]]], then: list[list[list[Any]]]
) -> None:
    """A writer that does not know them goes on counting: of what it measured nothing is known, of the rest all is."""
    before = folded([[{"op": "metric", "points": some}] for some in first])
    after = folded([[{"op": "metric", "points": some}] for some in then], start=len(first), state=copy.deepcopy(before))
    body = after.to_json() | {"extremes": before.to_json().get("extremes", {})}
    found = parse_checkpoint(body, None, "it")
    touched = {point[0] for some in then for point in some}
    for key in found.metrics:
        known = found.extremes_of(key)
        assert known in (None, after.extremes_of(key))
        assert (known is None) == (key in touched and found.metrics[key][3] > 1)
    assert all(key not in touched for key in found.to_json().get("extremes", {}))


_EXTREME: list[object] = [
    None,
    [],
    "",
    {"a": None},
    {"a": [1, 2]},
    {"a": [1, 2, 3, 4]},
    {"a": ["x", 1, 2]},
    {"a": [1, None, 2]},
]


@pytest.mark.parametrize("value", [*_EXTREME, {"a": [1, 2, -1]}, {"a": [1, 2, "2"]}, {"a": [1, 2, True]}])
def test_wrong_extremes_make_no_state(value: object) -> None:
    """What has another form is damage, whether it would be believed or not."""
    with pytest.raises(FormatError, match="its state has extremes"):
        parse_checkpoint(State().to_json() | {"extremes": value}, None, "it")


@given(st.lists(points, max_size=5))
def test_the_last_measurement_is_the_latest_by_step_then_time(batches: list[list[list[Any]]]) -> None:
    """Of equal ones the later in the log; and each is counted."""
    state = folded([[{"op": "metric", "points": some}] for some in batches])
    by_key: dict[str, list[list[Any]]] = {}
    for key, *point in (point for some in batches for point in some):
        by_key.setdefault(key, []).append(point)
    latest = {
        key: max(enumerate(some), key=lambda at: (integer(at[1][1]), integer(at[1][2]), at[0]))
        for key, some in by_key.items()
    }
    assert state.metrics == {key: [*latest[key][1], len(some)] for key, some in by_key.items()}
    assert state.batches == [n for n, some in enumerate(batches) if some]


@given(st.lists(hexes, unique=True), st.lists(st.integers(0, 9)), steps)
def test_sessions_and_fences_are_sets_in_order(sessions: list[str], fences: list[int], seed: int | str) -> None:
    """A session opened twice is open once; a fence met twice was met once."""
    opened = [{"op": "open", "session": session} for session in sessions * 2]
    closed = [{"op": "close", "session": session} for session in sessions[::2]]
    state = folded([[*opened, *closed, *({"op": "fence", "generation": n} for n in fences)]])
    assert state.to_json()["sessions"] == sorted(sessions[1::2])
    assert state.fences == set(fences)


def test_operations_mean_what_the_table_says() -> None:
    """One of each, as a run would have them."""
    history: list[list[dict[str, Any]]] = [
        [{"op": "create", "experiment": "ab" * 8}, {"op": "status", "status": "RUNNING"}],
        [{"op": "param", "key": "rate", "value": "1"}, {"op": "tag", "key": "a", "value": "b"}],
        [
            {"op": "tag", "key": "a", "value": None},
            {"op": "pin", "pin": "p", "by": "m"},
            {"op": "pin", "pin": "q", "by": "m"},
        ],
        [{"op": "unpin", "pin": "q"}, {"op": "unpin", "pin": "never"}, {"op": "tombstone"}],
        [{"op": "restore"}, {"op": "x-later"}],
    ]
    state = folded(history)
    assert (state.experiment, state.status, state.started, state.ended) == ("ab" * 8, "RUNNING", 5, None)
    assert (state.params, state.tags, state.pins, state.deleted) == ({"rate": "1"}, {}, {"p": "m"}, False)
    state.apply(entry(5, [{"op": "status", "status": "FAILED"}, {"op": "tombstone"}], time=9))
    assert (state.status, state.ended, state.deleted, state.purged) == ("FAILED", 9, True, False)
    state.apply(entry(6, [{"op": "status", "status": "SCHEDULED"}, {"op": "purge"}]))
    assert (state.status, state.ended, state.purged) == ("SCHEDULED", None, True)


def test_nothing_follows_a_purge() -> None:
    """The entry that purges is the last of a log, whatever it says."""
    state = folded([[{"op": "purge"}]])
    with pytest.raises(FormatError, match="after the run was purged"):
        state.apply(entry(1, [{"op": "unpin", "pin": "p"}]))


@given(refs(st.just(InEntry(None))))
def test_a_commit_adds_its_tree_and_its_counts(ref: Any) -> None:
    """The tree's place gets the entry's number; a state is not written before it was merged."""
    state = State()
    counts = {"files": 1, "bytes": 2, "new_bytes": 3, "stored_bytes": 4}
    for n in (7, 8):
        state.apply(entry(n, [{"op": "commit", "tree": ref.to_json(), **counts}]))
    state.apply(entry(9, [{"op": "commit", "tree": None, **counts}]))
    assert [delta.location for delta in state.deltas] == [InEntry(7), InEntry(8)]
    assert (state.files, state.bytes, state.new_bytes, state.stored_bytes) == (3, 6, 9, 12)
    with pytest.raises(ValueError, match="merged into its tree"):
        state.to_json()


def test_what_was_stored_again_is_added_up_and_carried_where_there_is_some() -> None:
    """`again_bytes` is a sum over the commits that tell it; a state without any looks as it always did."""
    counts = {"op": "commit", "tree": None, "files": 1, "bytes": 9, "new_bytes": 5, "stored_bytes": 5}
    plain, scattered = (
        folded([[counts]]),
        folded([[counts | {"again_bytes": 3}], [counts], [counts | {"again_bytes": 1}]]),
    )
    assert "again_bytes" not in plain.to_json()
    assert parse_checkpoint(scattered.to_json(), None, "it").again_bytes == 4
    with pytest.raises(FormatError, match="again_bytes"):
        parse_checkpoint(plain.to_json() | {"again_bytes": -1}, None, "it")
    with pytest.raises(FormatError, match="again_bytes"):
        check_op(counts | {"again_bytes": True}, "it")
