"""Retention policies: what can be said, and that what is not understood deletes nothing."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from tests.support.shell import Shell
from tests.support.stores import tiny_store

from holdall.errors import ExperimentDeletedError, InvalidArgumentError
from holdall.runs.policy import DAY, HOUR, RETENTION, RetentionPolicy, parse_policy
from holdall.storage.memory import MemoryBucket

WRONG: list[dict[str, Any]] = [
    *({"expire": word} for word in ("", "90", "0d", "d", "-1d", "1.5d", " 1d", "1y", "1234567d", 90, True, "1d\n")),
    *({"last": number} for number in (0, -1, True, "3", 2.0, 10**6 + 1)),
    *({"best": pair} for pair in ("metrics.m", ("metrics.m",), ("metrics.m", 0), ("metrics.m", "5"), (5, "metrics.m"))),
    *({"best": (order, 1)} for order in ("", "params.p", "start_time", "metrics.m DOWN", "metrics.m, metrics.n")),
]


@pytest.mark.parametrize("rule", WRONG, ids=str)
def test_a_rule_that_cannot_be_is_refused(rule: dict[str, Any]) -> None:
    """With what is wrong, before anything is written; and as a tag it deletes nothing."""
    with pytest.raises(InvalidArgumentError):
        RetentionPolicy(**rule)
    said = {name: list(value) if isinstance(value, tuple) else value for name, value in rule.items()}
    assert parse_policy({RETENTION: json.dumps({"last": 3} | said)}, "e") is None


@pytest.mark.parametrize("text", ["", "x", "[]", "3", "{} {}", "[" * 100_000, '{"last": 3, "first": 3}', "null"])
def test_a_policy_with_a_word_that_is_not_known_deletes_nothing(text: str, caplog: pytest.LogCaptureFixture) -> None:
    """What is not known may be what keeps a run; a warning names the experiment."""
    with caplog.at_level(logging.WARNING, "holdall"):
        assert parse_policy({RETENTION: text}, "digits") is None
    assert "digits is not understood, so it deletes nothing" in caplog.text
    assert parse_policy({}, "digits") is None


@pytest.mark.parametrize(
    ("age", "lifetime"), [("1h", HOUR), ("36h", 36 * HOUR), ("90d", 90 * DAY), ("2w", 14 * DAY), (None, None)]
)
def test_an_age_has_a_unit(age: str | None, lifetime: int | None) -> None:
    """Hours, days and weeks."""
    assert RetentionPolicy(age).lifetime == lifetime


def test_a_policy_replaces_the_one_before() -> None:
    """Kept in a tag of the experiment, as the specification has it; without any rule there is none."""
    store = tiny_store(MemoryBucket())
    id = store.experiments.create("digits")
    assert store.experiments.retention(id) is None
    store.experiments.set_retention(id, expire="90d", last=3)
    policy = store.experiments.set_retention(id, last=4, best=("metrics.`loss` desc", 5))
    assert store.experiments.retention(id) == policy == RetentionPolicy(None, 4, ("metrics.`loss` desc", 5))
    assert json.loads(store.experiments.get(id).tags[RETENTION]) == {"last": 4, "best": ["metrics.`loss` desc", 5]}
    assert RetentionPolicy(best=["metrics.loss", 5]) == RetentionPolicy(best=("metrics.loss", 5))  # type: ignore[arg-type]
    store.experiments.set_retention(id)
    assert (store.experiments.retention(id), store.experiments.get(id).tags) == (None, {})
    store.experiments.delete(id)
    with pytest.raises(ExperimentDeletedError):
        store.experiments.set_retention(id, last=1)


def test_the_command_line_shows_sets_and_clears_a_policy(tmp_path: Path) -> None:
    """Without a rule it shows; a rule that cannot be is a wrong call."""
    shell = Shell(tmp_path)
    (tmp_path / "a").write_text("a")
    shell.log("a", "--experiment", "digits")
    show = ("experiment", "retention", "digits")
    assert shell(*show) == "everything is kept\n"
    shell(*show, "--expire", "90d", "--last", "3", "--best", "metrics.loss ASC", "5")
    assert shell(*show) == "expire 90d, last 3, best 5 by metrics.loss ASC\n"
    assert shell.json(*show) == {"expire": "90d", "last": 3, "best": ["metrics.loss ASC", 5]}
    assert "'90'" in shell(*show, "--expire", "90", code=2)
    assert "--clear" in shell(*show, "--expire", "90d", "--clear", code=2)
    shell(*show, "--clear")
    assert shell(*show) == "everything is kept\n"
    assert "did you mean 'digits'" in shell("experiment", "retention", "digit", code=1)


def test_an_experiment_is_deleted_and_restored_with_its_runs(tmp_path: Path) -> None:
    """The command says what goes, asks, and until when it comes back; a run that was deleted before stays so."""
    shell = Shell(tmp_path)
    (tmp_path / "a").write_text("a")
    first, second = (shell.log("a", "--experiment", "digits") for _ in range(2))
    shell("run", "delete", first, "--yes")
    told = shell("experiment", "delete", "digits", code=2)
    assert "delete  digits  with 1 run" in told
    assert "--yes goes on without asking" in told
    told = shell("experiment", "delete", "digits", "--yes")
    assert "restores them until " in told
    assert shell("experiment", "delete", "digits") == "deleted already  digits  with 0 runs\n"
    assert shell.json("run", "list") == []
    assert shell.json("experiment", "restore", "digits")["runs"] == [second]
    assert [found["run_id"] for found in shell.json("run", "list")] == [second]
