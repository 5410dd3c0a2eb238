"""Sorting by clauses has one home, for whatever is sorted."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

import holdall
from holdall.errors import InvalidFilterError
from holdall.modeling.records.model_search import LOGGED_MODEL
from holdall.naming.search import MODEL_VERSION, REGISTERED_MODEL
from holdall.runs.experiment import EXPERIMENT
from holdall.runs.filters import RUN, Entity, Subject
from holdall.runs.ordering import parse_clauses, sort_by

SUBJECTS = [RUN, EXPERIMENT, REGISTERED_MODEL, MODEL_VERSION, LOGGED_MODEL]


@pytest.mark.parametrize("descending", [False, True])
def test_what_has_no_value_comes_last_either_way(descending: bool) -> None:
    """Values first, then NaN, then nothing; of equals the one that came first."""
    things = [("none", None), ("nan", math.nan), ("b", 2.0), ("a", 1.0), ("c", 2.0)]
    found = [name for name, _ in sort_by(things, [(lambda thing: thing[1], descending)])]
    assert found == [*(("b", "c", "a") if descending else ("a", "b", "c")), "nan", "none"]


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.plural)
def test_each_kind_of_thing_is_sorted_by_each_of_its_attributes(subject: Subject) -> None:
    """Every attribute can be sorted by, once; what cannot be says why, with its place."""
    for name in (*subject.texts, *subject.numbers):
        (clause,) = parse_clauses([f"{name} DESC"], subject)
        assert (clause.field.entity, clause.field.key, clause.descending) == (Entity.ATTRIBUTE, name, True)
        with pytest.raises(InvalidFilterError, match=f"{subject.plural} are sorted by .*{name} already"):
            parse_clauses([name, f"attributes.{name}"], subject)
    for entity, reason in subject.unsortable.items():
        with pytest.raises(InvalidFilterError, match=re.escape(reason)):
            parse_clauses([f"{entity}.path"], subject)


def test_clauses_are_sorted_by_in_one_module() -> None:
    """A second loop over clauses would be a second rule for NaN and for what is missing."""
    source = Path(holdall.__file__).parent
    found = {file.name for file in source.rglob("*.py") if "reverse=descending" in file.read_text()}
    assert found == {"ordering.py"}
