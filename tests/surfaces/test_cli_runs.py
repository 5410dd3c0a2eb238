"""The command line's runs and experiments: found, shown, compared, deleted and brought back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.shell import Shell

import holdall
from holdall.format.entry import LogEntry, encode_entry
from holdall.format.layout import log_key
from holdall.runs.frames import frame_of
from holdall.store import Store
from holdall.surfaces.cli import program


class Lab(Shell):
    """A store with two runs of one experiment."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.store = Store.open(str(folder / "store"))
        self.first = self._train("first", rate=0.1, loss=0.25, weights=b"a" * 300_000)
        self.second = self._train("second", rate=0.2, loss=float("nan"), weights=b"b" * 300_000)

    def _train(self, name: str, *, rate: float, loss: float, weights: bytes) -> str:
        run = self.store.runs.start(experiment="digits", name=name, tags={"team": "vision"}, description="a try")
        run.log_params({"rate": rate, "model": "forest"})
        run.log_metrics({"loss": 1.0}, step=0)
        run.log_metrics({"loss": loss}, step=1)
        run.log_bytes(weights, "model/weights.bin")
        run.log_bytes(b"the same", "readme.txt")
        run.finish()
        return run.id


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_runs_are_listed_latest_first_with_what_was_measured(lab: Lab) -> None:
    """Id, name, experiment, status, times and the last metrics; whole when written to a pipe."""
    lines = lab("run", "list").splitlines()
    assert lines[0].split() == ["RUN", "NAME", "EXPERIMENT", "STATUS", "STARTED", "LASTED", "METRICS"]
    assert [line.split()[:4] for line in lines[1:]] == [
        [lab.second, "second", "digits", "FINISHED"],
        [lab.first, "first", "digits", "FINISHED"],
    ]
    assert lines[2].endswith("loss=0.25")
    assert len(lab("run", "list", "--limit", "1").splitlines()) == 2
    assert [run["run_name"] for run in lab.json("run", "list", "--order-by", "params.rate")] == ["first", "second"]


def test_a_child_run_is_marked_with_its_parent(lab: Lab) -> None:
    """By the parent's name where that is listed, too, else by its id."""
    lab.store.runs.start(experiment="digits", name="fold 1", parent=lab.first).finish()
    assert "fold 1 (part of first)" in lab("run", "list")
    assert f"fold 1 (part of {lab.first})" in lab("run", "list", "--limit", "1")
    assert lab.json("run", "list", "--limit", "1")[0]["run_name"] == "fold 1"


def test_a_very_long_name_is_cut_but_for_programs(lab: Lab) -> None:
    """One run's name must not make every line of a pipe a page wide."""
    name = "x" * 5000
    lab.store.runs.start(experiment="digits", name=name).finish()
    told = lab("run", "list")
    assert "xxx...xxx" in told
    assert max(map(len, told.splitlines())) < 400
    assert lab.json("run", "list", "--limit", "1")[0]["run_name"] == name


def test_json_of_a_run_is_what_the_api_says_with_numbers_that_json_has(lab: Lab) -> None:
    """The keys are those of `info` and `data`; NaN becomes a text."""
    (run,) = lab.json("run", "list", "--limit", "1")
    assert run["metrics"] == {"loss": "NaN"}
    assert run["params"] == {"rate": "0.2", "model": "forest"}
    assert run["tags"]["team"] == "vision"
    assert {"run_id", "run_name", "experiment_id", "status", "start_time", "end_time", "artifact_uri"} < run.keys()
    json.dumps(run, allow_nan=False)


def test_search_takes_the_apis_filters(lab: Lab) -> None:
    """The grammar is the library's, and a mistake in it is a wrong call that says where."""
    found = lab.json("run", "search", "metrics.loss < 0.5 and params.model = 'forest'")
    assert [run["run_id"] for run in found] == [lab.first]
    assert lab("run", "search", "params.model = 'tree'") == ""
    assert "position" in lab("run", "search", "metrics.loss <", code=2)


def test_list_knows_experiments_by_name_or_id(lab: Lab) -> None:
    """-e takes either, and may be repeated."""
    run = lab.store.runs.start(experiment="other")
    other = lab.store.experiments.ensure("other")
    assert [found["run_id"] for found in lab.json("run", "list", "-e", other)] == [run.id]
    assert len(lab.json("run", "list", "-e", "other", "-e", "digits")) == 3


def test_show_tells_all_of_a_run(lab: Lab) -> None:
    """Who, when, parameters, metrics, tags, artifacts with sizes, and how much was new: what repeats counts once."""
    told = lab("run", "show", lab.first)
    for expected in ("first", lab.first, "digits", "FINISHED", "a try", "rate", "0.25", "team", "vision"):
        assert expected in told
    # 300,000 times the same letter are two chunks of 128 KiB, of which one is new, and a rest.
    assert "293.0 KiB in 2 files; 165.0 KiB (56%) were new" in told
    assert "model/" in told
    assert "readme.txt" in told
    again = lab.store.runs.start(experiment="digits")
    again.log_bytes(b"a" * 300_000, "copy.bin")
    assert "0 B (0%) were new" in lab("run", "show", again.id)
    assert "so far" in lab("run", "show", again.id)


def test_show_as_json_has_every_path(lab: Lab) -> None:
    """Artifacts with digests, counts, and the environment as it was recorded."""
    assert "0.25  (min 0.25, max 1, 2 points)" in lab("run", "show", lab.first)
    found = lab.json("run", "show", lab.first)
    assert found["metric_summaries"]["loss"].items() >= {"last": 0.25, "min": 0.25, "max": 1.0, "count": 2}.items()
    assert [one["path"] for one in found["artifacts"]] == ["model/weights.bin", "readme.txt"]
    assert found["experiment_name"] == "digits"
    assert found["files"] == 2
    assert found["environment"] == lab.store.runs.get(lab.first).environment


def test_compare_shows_only_what_differs(lab: Lab) -> None:
    """The same parameter and file stay out, unless --all; a value that one lacks is null."""
    found = lab.json("run", "compare", lab.first, lab.second)
    assert found["runs"] == [lab.first, lab.second]
    assert found["params"] == {"rate": ["0.1", "0.2"]}
    assert found["metrics"] == {"loss": [0.25, "NaN"]}
    assert list(found["artifacts"]) == ["model/weights.bin"]
    assert "model" in lab.json("run", "compare", lab.first, lab.second, "--all")["params"]
    lab.store.runs.get(lab.first).set_tags({"only": "here"})
    lab.store.runs.get(lab.first).flush()
    assert lab.json("run", "compare", lab.first, lab.second)["tags"]["only"] == ["here", None]
    told = lab("run", "compare", lab.first, lab.second)
    assert "readme.txt" not in told
    assert "rate" in told
    lab("run", "compare", lab.first, code=2)


def test_an_id_may_be_shortened_while_it_names_one_run(lab: Lab) -> None:
    """A unique beginning will do everywhere; of an ambiguous one the candidates are listed, with names."""
    length = next(n for n in range(33) if lab.first[:n] != lab.second[:n])
    short = lab.first[:length]
    assert lab("run", "manifest", short) == lab("run", "manifest", lab.first)
    assert lab("artifact", "cat", f"runs:/{short}/readme.txt") == "the same"
    assert lab.json("run", "show", f"runs:/{short}/")["run_id"] == lab.first
    told = lab("run", "show", short[:-1], code=2)
    assert f"{lab.first}  first" in told
    assert f"{lab.second}  second" in told


def test_a_runs_name_is_answered_with_its_id(lab: Lab) -> None:
    """Names are not unique, so they name no run; but the error knows which was meant."""
    assert lab.first in lab("run", "show", "first", code=2)
    assert lab.second in lab("run", "show", "secnd", code=2)


def test_deleting_shows_its_plan_and_asks(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal it refuses; a no changes nothing; a yes deletes, and restore takes it back."""
    told = lab("run", "delete", lab.first, code=2)
    assert f"delete  {lab.first}  first" in told
    assert "--yes" in told
    monkeypatch.setattr(program, "at_a_terminal", lambda: True)
    lab("run", "delete", lab.first, code=1, input="n\n")
    assert len(lab.json("run", "list")) == 2
    lab("run", "delete", lab.first, input="y\n")
    assert [run["run_id"] for run in lab.json("run", "list")] == [lab.second]
    assert [run["run_id"] for run in lab.json("run", "list", "--deleted")] == [lab.first]
    assert len(lab.json("run", "list", "--all")) == 2
    assert "deleted" in lab("run", "show", lab.first)
    assert "deleted already" in lab("run", "delete", lab.first)
    assert lab("run", "restore", lab.first[:20]).startswith("restored")
    assert len(lab.json("run", "list")) == 2
    assert lab.json("run", "restore", lab.first) == {"restored": []}


def test_scripts_delete_with_yes(lab: Lab) -> None:
    """`--yes` asks nobody; as JSON, what was deleted is told, and until when it can be restored (ms since 1970)."""
    told = lab.json("run", "delete", lab.first, lab.second, "--yes")
    assert told.pop("restorable_until") > 1_700_000_000_000
    assert told == {"deleted": [lab.first, lab.second]}
    assert lab("run", "list") == ""


def test_experiments_are_listed_with_the_number_of_their_runs(lab: Lab) -> None:
    """Name, id, runs, creation and tags; deleted ones only with --all."""
    gone = lab.store.experiments.create("gone", {"team": "vision"})
    lab.store.experiments.delete(gone)
    (found,) = lab.json("experiment", "list")
    assert (found["name"], found["runs"]) == ("digits", 2)
    told = lab("experiment", "list", "--all")
    assert "gone (deleted)" in told
    assert "team=vision" in told


def test_text_from_the_store_cannot_steer_the_terminal(lab: Lab) -> None:
    """Escapes and line ends in names, tags and paths are shown as such."""
    run = lab.store.runs.start(name="red\x1b[31m\nline", tags={"t": "a\x07b"})
    run.log_bytes(b"x", "odd\x1b]0;name.txt")
    for words in (["run", "list"], ["run", "show", run.id], ["artifact", "list", f"runs:/{run.id}"], ["store", "du"]):
        told = lab(*words)
        assert "\x1b" not in told
        assert "\x07" not in told
    assert len(lab("run", "list").splitlines()) == 4


def test_what_the_command_line_logs_uses_the_settings(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """HOLDALL_EXPERIMENT and HOLDALL_RUN_NAME name a new run's; options go before them."""
    monkeypatch.setenv("HOLDALL_EXPERIMENT", "from the environment")
    monkeypatch.setenv("HOLDALL_RUN_NAME", "named")
    (lab.folder / "a.txt").write_text("a")
    info = lab.store.runs.get(lab.log("a.txt")).record.info
    assert (info.run_name, info.experiment_id) == ("named", lab.store.experiments.ensure("from the environment"))
    info = lab.store.runs.get(lab.log("a.txt", "-e", "digits", "--name", "x")).record.info
    assert (info.run_name, info.experiment_id) == ("x", lab.store.experiments.ensure("digits"))


def test_logging_to_a_run_leaves_its_status(lab: Lab) -> None:
    """A run that has ended stays so when a file is added to it."""
    (lab.folder / "a.txt").write_text("a")
    lab("artifact", "log", "a.txt", "--run", lab.first[:20])
    assert lab.json("run", "show", lab.first)["status"] == "FINISHED"
    assert holdall.Store.open(str(lab.folder / "store")).runs.get(lab.first).read("a.txt") == b"a"


def test_times_that_no_calendar_has_hide_nothing(lab: Lab) -> None:
    """Anyone may write them, and a clock may be wrong: the run is listed and shown, with a question mark."""
    bad = "ab" * 16
    told = LogEntry(f"runs/{bad}", 0, "0" * 32, None, 2**53 - 1, "x", None, ({"op": "create", "experiment": "ab" * 8},))
    log = lab.folder / "store" / log_key(told.log, 0)
    log.parent.mkdir(parents=True)
    log.write_bytes(encode_entry(told))
    listed = lab("run", "list")
    assert all(run in listed for run in (bad, lab.first, lab.second))
    assert "?" in lab("run", "show", bad)
    assert set(frame_of(lab.store.runs.search()).run_id) == {bad, lab.first, lab.second}
