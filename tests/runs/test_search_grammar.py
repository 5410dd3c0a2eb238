"""The grammar of filters and orders, and what holds of any of them."""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdall.errors import InvalidFilterError, RequestError
from holdall.runs.filters import Condition, Entity, Field, Value, parse_conditions, parse_order
from holdall.runs.search import RunSummary, parse_filter, parse_order_by


def summary(run_id: str = "a", start_time: int = 0, **facts: Any) -> RunSummary:
    """A run of which only some facts matter."""
    rest: dict[str, Any] = {
        "experiment_id": "0",
        "run_name": "",
        "status": "FINISHED",
        "end_time": None,
        "artifact_uri": "",
    }
    rest |= {"user_id": "", "lifecycle_stage": "active", "params": {}, "metrics": {}, "tags": {}}
    return RunSummary(run_id=run_id, start_time=start_time, **{**rest, **facts})


def finds(text: str, files: Mapping[str, str] | None = None, **facts: Any) -> bool:
    """Whether a filter finds a run of these facts."""
    return parse_filter(text).matches(summary(**facts), lambda: files or {})


# --- texts made from what they mean ---------------------------------------------

_keys = st.text(min_size=1, max_size=8) | st.sampled_from(["acc", "a.b", "odd key", "it's", "`", '"', "from", "AND"])
_values = st.text(max_size=12) | st.sampled_from(["", "'", '"', "'\"", "a%_b", "\\", "' AND params.x = '", "ключ"])
_numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**17), 10**17)
_PLAIN = re.compile(r"\w+(\.\w+)*")


def quoted(draw: st.DrawFn, text: str, marks: str) -> str:
    """The text in quotes of some kind."""
    mark = draw(st.sampled_from(marks))
    return mark + text.replace(mark, mark * 2) + mark


def in_some_case(draw: st.DrawFn, word: str) -> str:
    """A keyword as people type it."""
    return draw(st.sampled_from([word, word.lower(), word.capitalize()]))


@st.composite
def fields(draw: st.DrawFn) -> tuple[Field, str]:
    """A field, and one way to write it."""
    prefixes = {
        Entity.METRIC: ["metric", "metrics", "`metrics`"],
        Entity.PARAM: ["param", "params", "parameter", "parameters"],
        Entity.TAG: ["tag", "tags"],
        Entity.ARTIFACT: ["artifact", "artifacts"],
        Entity.ATTRIBUTE: ["attr", "attribute", "attributes", "run", ""],
    }
    entity = draw(st.sampled_from(sorted(prefixes)))
    names = {Entity.ATTRIBUTE: ["run_id", "status", "start_time", "end_time"], Entity.ARTIFACT: ["path"]}
    key = draw(st.sampled_from(names[entity]) if entity in names else _keys)
    prefix = draw(st.sampled_from(prefixes[entity]))
    plain = _PLAIN.fullmatch(key) and draw(st.booleans())
    written = key if plain else quoted(draw, key, "`\"'" if prefix else '`"')
    return Field(entity, key), f"{prefix}.{written}" if prefix else written


@st.composite
def conditions(draw: st.DrawFn) -> tuple[Condition, str]:
    """A condition, and one way to write it."""
    field, name = draw(fields())
    space = draw(st.sampled_from([" ", "  ", "\n"]))
    if field.entity is Entity.METRIC or field.key in ("start_time", "end_time"):
        operator, number = draw(st.sampled_from(["=", "!=", "<", "<=", ">", ">="])), draw(_numbers)
        kept = float(number) if field.entity is Entity.METRIC else number
        return Condition(field, operator, kept), f"{name}{operator}{number!r}"
    allowed = ["=", "LIKE", "ILIKE"]
    allowed += ["IS NULL", "IS NOT NULL"] if field.entity in (Entity.PARAM, Entity.TAG) else []
    allowed += ["IN"] if field.key == "run_id" or field.entity is Entity.ARTIFACT else []
    operator = draw(st.sampled_from(allowed))
    value, written = draw(written_values(operator))
    spelled = space.join(in_some_case(draw, word) for word in operator.split())
    return Condition(field, operator, value), f"{name}{space}{spelled}{space}{written}"


@st.composite
def written_values(draw: st.DrawFn, operator: str) -> tuple[Value, str]:
    """What a field is compared with, and one way to write it."""
    if operator.endswith("NULL"):
        return None, ""
    if operator != "IN":
        text = draw(_values)
        return text, quoted(draw, text, "'\"")
    texts = draw(st.lists(_values, min_size=1, max_size=3))
    return tuple(
        texts
    ), f"({', '.join(quoted(draw, text, chr(39)) for text in texts)}{draw(st.sampled_from(['', ',']))})"


@given(st.data(), st.lists(conditions(), min_size=1, max_size=4))
def test_a_filter_means_what_it_was_written_from(data: st.DataObject, made: list[tuple[Condition, str]]) -> None:
    """However keys, values, keywords and spaces are written, the conditions come back."""
    joined = data.draw(st.sampled_from([" AND ", "\nand ", "  And\t"]))
    assert parse_conditions(joined.join(text for _, text in made)) == tuple(condition for condition, _ in made)


@given(fields(), st.sampled_from(["", " ASC", " asc", " DESC", "\n desc "]))
def test_an_order_means_what_it_was_written_from(made: tuple[Field, str], direction: str) -> None:
    """However it is written, field and direction come back."""
    field, text = made
    assert parse_order(text + direction) == (field, "desc" in direction.lower())


_pieces = [
    "params.x",
    "metrics.`m`",
    "=",
    "'a'",
    '"',
    "'",
    "`",
    "AND",
    "IN",
    "(",
    ")",
    "IS",
    "NOT",
    "NULL",
    "1",
    ".",
    " ",
]
_scraps = st.lists(st.sampled_from(_pieces)).map("".join) | st.lists(st.sampled_from(_pieces)).map(" ".join)


def refusal(text: str, *, order: bool) -> InvalidFilterError | None:
    """Why a text is not read, if it is not."""
    try:
        parse_order_by([text]) if order else parse_filter(text)
    except InvalidFilterError as error:
        return error
    return None


@given(st.text() | _scraps, st.booleans())
def test_any_text_is_read_or_refused_in_one_way(text: str, order: bool) -> None:
    """A text is read, or is an InvalidFilterError that points into it; nothing else is raised."""
    refused = refusal(text, order=order)
    assert refused is None or (refused.text == text and 0 <= refused.position <= len(text))


@pytest.mark.parametrize("text", ["start_time > " + "9" * 5000, "metrics.m > " + "9" * 5000, "metrics.m < 1e999"])
def test_a_number_may_be_larger_than_any(text: str) -> None:
    """Such numbers are infinite, not an error."""
    assert parse_conditions(text)[0].value == math.inf


# --- mistakes -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "position", "reason"),
    [
        ("metrics.acc => 1", 12, "did you mean >=?"),
        ("params.x == '1'", 9, "did you mean =?"),
        ("params.x = 'a' AND metrcs.m > 1", 19, "did you mean 'metrics'?"),
        ("attributes.stauts = 'FAILED'", 0, "did you mean 'status'?"),
        ("artifacts.pth = 'a'", 0, "did you mean 'path'?"),
        ("params.a-b = '1'", 8, "write this key in backticks: params.`a-b`"),
        ("`params.x` = '1'", 0, "quotes stand around the key alone: params.`x`"),
        ("params.x = 'it's'", 16, "written twice"),
        ('params."x = 1', 7, "never closed"),
        ("params.x = 'a''", 11, "never closed"),
        ("params.x = 'a' OR params.y = 'b'", 15, "conditions are joined with AND alone"),
        ("params.x = 'a' AND", 18, "found the end"),
        ("metrics.acc > '1'", 14, "compared with a number"),
        ("status = FINISHED", 9, "a text in quotes"),
        ("start_time > 'today'", 13, "milliseconds since 1970"),
        ("run_id IN ('a' 'b')", 15, "expected ',' or ')', found 'b'"),
        ("dataset.name = 'x'", 0, "do not look at datasets"),
        ("experiment_id = '1'", 0, "beside the filter"),
        ("artifacts.digest = 'abc'", 19, "64 hex digits"),
        ("artifacts.path != 'a'", 15, "not with !="),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, position: int, reason: str) -> None:
    """The error says where the text goes wrong, why, and what may have been meant."""
    with pytest.raises(InvalidFilterError) as caught:
        parse_filter(text)
    assert (caught.value.text, caught.value.position) == (text, position)
    assert reason in caught.value.reason


def test_a_refused_filter_travels_between_workers() -> None:
    """The error survives pickling, and is a bad argument as well as a bad request."""
    with pytest.raises(RequestError) as caught:
        parse_filter("params.x = ")
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert "metrics.acc >= 0.9" in again.hint
    assert isinstance(again, ValueError)


def test_one_text_is_no_list_of_clauses() -> None:
    """A text instead of a list is a TypeError, not sorting by its letters."""
    with pytest.raises(TypeError, match="list of clauses"):
        parse_order_by("metrics.acc")


# --- what conditions mean -------------------------------------------------------


@pytest.mark.parametrize("text", [None, ""])
def test_no_filter_finds_every_run(text: str | None) -> None:
    """Neither needs to know a run's files."""
    assert parse_filter(text).matches(summary(), dict)
    assert not parse_filter(text).needs_artifacts


@given(st.sampled_from(["=", "!=", "LIKE", "ILIKE", "IS NOT NULL"]))
def test_a_missing_key_fulfils_only_is_null(operator: str) -> None:
    """Not even != finds a run without the key."""
    value = "" if operator.endswith("NULL") else " '%'"
    assert not finds(f"params.absent {operator}{value}", params={"other": "x"})
    assert finds("params.absent IS NULL", params={"other": "x"})


@given(_numbers, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]))
def test_nan_differs_from_every_number(number: float, operator: str) -> None:
    """Of all comparisons only != holds of NaN."""
    assert finds(f"metrics.m {operator} {number!r}", metrics={"m": math.nan}) == (operator == "!=")


def like(text: str, pattern: str) -> bool:
    """What LIKE means, in its simplest words."""
    if not pattern:
        return not text
    if pattern[0] == "%":
        return any(like(text[i:], pattern[1:]) for i in range(len(text) + 1))
    return bool(text) and pattern[0] in ("_", text[0]) and like(text[1:], pattern[1:])


@given(st.text("ab\n.", max_size=7), st.text("ab%_.", max_size=7))
def test_like_means_what_its_simplest_words_say(text: str, pattern: str) -> None:
    """% is any text, _ is any one character, line breaks included; all else is itself."""
    assert finds(f"params.x LIKE '{pattern}'", params={"x": text}) == like(text, pattern)
    assert finds(f"params.x ILIKE '{pattern.upper()}'", params={"x": text}) == like(text, pattern)


@pytest.mark.timeout(10)
def test_a_pattern_of_many_wildcards_ends() -> None:
    """Time grows with the length of the text, not with the ways to cut it."""
    assert not finds(f"params.x LIKE '{'%a' * 200}%b'", params={"x": "a" * 5000})


# --- artifacts ------------------------------------------------------------------

_FILES = {"model/weights.bin": "ab" * 32, "plots/loss.png": "cd" * 32}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("artifacts.path = 'model/weights.bin'", True),
        ("artifact.path = 'model'", False),
        ("artifacts.path LIKE 'model/%'", True),
        ("artifacts.path LIKE 'MODEL/%'", False),
        ("artifacts.path ILIKE 'MODEL/%'", True),
        ("artifacts.path IN ('x', 'plots/loss.png')", True),
        (f"artifacts.digest = 'sha256:{'ab' * 32}'", True),
        (f"artifacts.digest = '{'AB' * 32}'", True),
        (f"artifacts.digest IN ('{'00' * 32}', 'sha256:{'cd' * 32}')", True),
        (f"artifacts.digest = '{'00' * 32}'", False),
        (f"artifacts.path = 'plots/loss.png' AND artifacts.digest = '{'ab' * 32}'", True),
        ("artifacts.path LIKE 'model/%' AND params.x = 'other'", False),
    ],
)
def test_a_run_is_found_by_what_it_holds(text: str, found: bool) -> None:
    """Each condition on artifacts holds if any one file fulfils it."""
    assert finds(text, _FILES, params={"x": "1"}) == found
    assert parse_filter(text).needs_artifacts


def test_files_are_asked_for_once_and_only_if_all_else_matches() -> None:
    """Listing them may cost a request, so nothing is listed for a run that is not meant."""
    asked: list[int] = []

    def files() -> Mapping[str, str]:
        asked.append(1)
        return _FILES

    wanted = parse_filter("artifacts.path LIKE 'm%' AND params.x = '1' AND artifacts.path LIKE 'p%'")
    assert not wanted.matches(summary(params={"x": "2"}), files)
    assert not asked
    assert wanted.matches(summary(params={"x": "1"}), files)
    assert len(asked) == 1


def test_runs_are_not_sorted_by_artifacts() -> None:
    """A run holds many, so the order would mean nothing."""
    with pytest.raises(InvalidFilterError, match="many artifacts"):
        parse_order_by(["metrics.m", "artifacts.path"])


# --- order ----------------------------------------------------------------------

_metrics = st.none() | st.floats() | st.integers(0, 3).map(float)


@st.composite
def runs(draw: st.DrawFn) -> list[RunSummary]:
    """Runs that start together, with metrics that tie, are NaN, or are missing."""
    made = []
    for id in draw(st.lists(st.text("abc", min_size=1, max_size=3), unique=True)):
        metrics = {key: value for key in "mn" if (value := draw(_metrics)) is not None}
        made.append(summary(id, draw(st.integers(0, 2)), metrics=metrics))
    return made


@given(runs(), st.booleans())
def test_numbers_come_first_then_nan_then_missing(found: list[RunSummary], descending: bool) -> None:
    """In both directions; and among equals the latest start, then the smaller id."""
    ordered = parse_order_by([f"metrics.m {'DESC' if descending else 'ASC'}"]).sorted(found)
    values = [run.metrics.get("m") for run in ordered]
    kinds = [2 if value is None else int(math.isnan(value)) for value in values]
    assert kinds == sorted(kinds)
    numbers = [value for value in values if value is not None and not math.isnan(value)]
    assert numbers == sorted(numbers, reverse=descending)
    for one, other in pairwise(ordered):
        if (a := one.metrics.get("m")) == (b := other.metrics.get("m")) or str(a) == str(b) == "nan":
            assert (-one.start_time, one.run_id) < (-other.start_time, other.run_id)


@given(runs(), st.permutations(["metrics.m", "metrics.n DESC", "start_time", "run_id DESC"]), st.randoms())
def test_the_order_does_not_depend_on_how_runs_came(
    found: list[RunSummary], clauses: list[str], random: Random
) -> None:
    """The same runs, shuffled, are sorted the same way, and none is lost."""
    shuffled = list(found)
    random.shuffle(shuffled)
    order = parse_order_by(clauses[:2])
    assert [run.run_id for run in order.sorted(shuffled)] == [run.run_id for run in order.sorted(found)]
    assert sorted(run.run_id for run in shuffled) == sorted(run.run_id for run in order.sorted(found))


def test_without_clauses_the_latest_start_comes_first() -> None:
    """And the smaller id among those that start together."""
    found = [summary("b", 1), summary("c", 2), summary("a", 1)]
    nothing: list[Sequence[str] | None] = [None, []]
    for clauses in nothing:
        assert [run.run_id for run in parse_order_by(clauses).sorted(found)] == ["c", "a", "b"]
