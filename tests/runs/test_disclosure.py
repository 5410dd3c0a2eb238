"""What a run keeps of where it ran is what its writer and its experiment both allow."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from holdall.errors import InvalidArgumentError
from holdall.runs.disclosure import ENVIRONMENT, OMITTED, Disclosure
from holdall.runs.environment import capture, mlflow_tags
from holdall.settings import read_settings
from holdall.store import Run, Store

FACTS: Mapping[str, Any] = {
    "python": {"version": "3.11.7", "executable": "python-of-anna"},
    "platform": {"os": "Debian", "release": "6.1-anna"},
    "host": {"name": "annas-machine", "user": "anna", "cpu": "EPYC", "cpus": 2, "memory_bytes": 1 << 30},
    "process": {
        "pid": 4711,
        "command": ["/home/anna/train.py"],
        "entry_script": "anna/train.py",
        "source_type": "LOCAL",
    },
    "git": "ok",
    "repository": {"commit": "0" * 40, "branch": "anna", "remote": "git@host:anna/r", "dirty": False},
    "nvidia-smi": "ok",
    "gpus": [{"name": "A100", "memory_bytes": 1 << 36, "uuid": "GPU-anna"}],
    "driver_version": "550",
    "cuda_version": "12.4",
    "distributions": {"numpy": "2.0"},
    "direct_requirements": ["-e file:///home/anna/r"],
}


@pytest.mark.parametrize("word", OMITTED)
def test_a_word_leaves_out_its_facts_and_no_others(word: str) -> None:
    """And what is given stays as it was."""
    before = json.dumps(FACTS)
    kept = Disclosure.parse(f"full,-{word}").of(FACTS)
    assert json.dumps(FACTS) == before
    gone = set(_places(FACTS)) - set(_places(kept))
    assert gone
    assert all(any(place == one or place.startswith(f"{one}.") for one in OMITTED[word]) for place in gone)


def test_minimal_names_nobody() -> None:
    """No person, host, folder or command; versions, processor and commit stay."""
    kept = Disclosure.parse("minimal").of(FACTS)
    text = json.dumps([{**kept, "platform": None}, mlflow_tags(kept)])
    assert "anna" not in text
    assert "4711" not in text
    assert kept["repository"]["commit"] == "0" * 40
    assert (kept["host"]["cpu"], kept["distributions"]) == ("EPYC", {"numpy": "2.0"})


@pytest.mark.parametrize(
    "text", ["", "some", "full,host", "full,-", "full,-nothing", "-host", "minimal;-host", "off,-x"]
)
def test_what_cannot_be_read_says_what_could(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"full, minimal, off|-host, -user"):
        Disclosure.parse(text)


def test_the_settings_say_it() -> None:
    """And refuse what they do not understand before anything runs."""
    assert read_settings({}).environment == "full"
    assert read_settings({"HOLDALL_ENVIRONMENT": " Minimal "}).environment == "minimal"
    with pytest.raises(ValueError, match="HOLDALL_ENVIRONMENT"):
        read_settings({"HOLDALL_ENVIRONMENT": "none"})


@pytest.mark.parametrize("said", ["full", "minimal", "off", False, "full,-user,-host", "minimal,-packages"])
def test_a_run_keeps_what_its_writer_allows(tmp_path: Path, said: str | bool) -> None:
    """In its environment and its tags."""
    store = Store.open(str(tmp_path), environment=said)
    run = store.runs.start()
    run.finish()
    allowed = Disclosure.parse(said if isinstance(said, str) else "off")
    assert (run.environment == {}) is allowed.off
    assert set(_places(run.environment)) <= set(_places(allowed.of(capture(argv=sys.argv, cwd=Path.cwd()))))
    assert ("mlflow.user" in run.data.tags) is ("user" not in allowed.omitted)


def test_an_experiment_says_it_for_all_who_write_to_it(tmp_path: Path) -> None:
    """From its creation or later, in this process and in others; as it costs nobody a request."""
    store = Store.open(str(tmp_path))
    created = store.experiments.create("quiet", {ENVIRONMENT: "full,-user"})
    later = store.experiments.create("later")
    assert _user(store.runs.start(experiment="later")) == getpass.getuser()
    store.experiments.set_tag(later, ENVIRONMENT, "minimal")
    for writer in (store, Store.open(str(tmp_path))):
        for run in (
            writer.runs.start(experiment="quiet"),
            writer.runs.start(experiment_id=created),
            writer.runs.ensure("key", experiment="quiet"),
            writer.runs.start(experiment="later"),
        ):
            assert _user(run) is None
            assert "mlflow.user" not in run.data.tags
    assert _user(Store.open(str(tmp_path)).runs.start(experiment="other")) == getpass.getuser()


def test_an_experiment_takes_nothing_that_it_does_not_understand(tmp_path: Path) -> None:
    """Neither at its creation nor later; of what another writer says that is new, nothing is kept."""
    store = Store.open(str(tmp_path))
    with pytest.raises(InvalidArgumentError):
        store.experiments.create("a", {ENVIRONMENT: "little"})
    with pytest.raises(InvalidArgumentError):
        store.experiments.set_tag(store.experiments.create("a"), ENVIRONMENT, "little")
    assert store.experiments.named("a") is not None
    assert store.experiments.named("a").tags == {}  # type: ignore[union-attr]


def _user(run: Run) -> str | None:
    found: str | None = run.environment.get("host", {}).get("user")
    run.finish()
    return found


def _places(facts: Any, at: str = "") -> list[str]:
    """The places of all values, those of a list together."""
    if isinstance(facts, list):
        return [place for one in facts for place in _places(one, at)]
    if isinstance(facts, dict):
        return [place for key, one in facts.items() for place in _places(one, f"{at}.{key}".lstrip("."))]
    return [at]
