"""What the machine does while a run goes on is logged beside it, and never in its way."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import holdall
from holdall.errors import InvalidNameError, MissingLibraryError
from holdall.runs import machine
from holdall.runs.machine import Machine, averages
from holdall.settings import Settings, read_settings
from holdall.surfaces.fluent import active, system_metrics

# MLflow's names, without those of GPUs
NAMES = {
    *("cpu_utilization_percentage", "system_memory_usage_megabytes", "system_memory_usage_percentage"),
    *("disk_usage_percentage", "disk_usage_megabytes", "disk_available_megabytes"),
    *("network_receive_megabytes", "network_transmit_megabytes"),
}


@pytest.fixture(autouse=True)
def store(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    """A store in memory; what verbs set is forgotten afterwards."""
    active._state.__init__()  # type: ignore[misc]
    monkeypatch.setattr(system_metrics, "_chosen", system_metrics._Chosen())
    holdall.set_store(f"memory://{request.node.name}")
    yield
    while holdall.active_run():
        holdall.end_run()
    active._state.__init__()  # type: ignore[misc]


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "system-metrics" in thread.name]


def _logged(run: holdall.Run) -> dict[str, list[Any]]:
    metrics = holdall.get_run(run.run_id).data.metrics
    return {key: holdall.get_metric_history(run.run_id, key) for key in metrics if key.startswith("system/")}


def test_a_short_run_has_a_measurement_too() -> None:
    """Of each thing that MLflow measures, by its name; the thread ends with the run."""
    with holdall.start_run(log_system_metrics=True) as run:
        assert _threads() == ["holdall-system-metrics"]
    assert _threads() == []
    found = _logged(run)
    assert {f"system/{name}" for name in NAMES} <= found.keys()
    assert all([point.step for point in points] == [0] for points in found.values())


def test_measurements_follow_one_another_and_go_on_where_they_stopped() -> None:
    """Each has the next step, also in a run that is resumed; a node's name stands before the names."""
    holdall.set_system_metrics_sampling_interval(0.01)
    holdall.set_system_metrics_samples_before_logging(2)
    holdall.set_system_metrics_node_id("node-1")
    reached = threading.Event()
    with holdall.start_run(log_system_metrics=True) as run:
        logged = run.log_metrics

        def counting(metrics: Any, *, step: int | None = None, **more: Any) -> None:
            logged(metrics, step=step, **more)
            if step == 2:
                reached.set()

        run.log_metrics = counting  # type: ignore[method-assign]
        assert reached.wait(60)
    with holdall.start_run(run.run_id, log_system_metrics=True):
        pass
    steps = [point.step for point in _logged(run)["system/node-1/cpu_utilization_percentage"]]
    assert steps == list(range(len(steps)))
    assert len(steps) >= 4


@pytest.mark.parametrize(
    ("set_before", "told", "logged"),
    [
        (None, None, False),
        (holdall.enable_system_metrics_logging, None, True),
        (holdall.enable_system_metrics_logging, False, False),
        (holdall.disable_system_metrics_logging, True, True),
        (holdall.disable_system_metrics_logging, None, False),
    ],
)
def test_a_run_says_more_than_what_is_set(
    set_before: Callable[[], None] | None, told: bool | None, logged: bool
) -> None:
    """`log_system_metrics` comes first, then the verb, then the environment."""
    if set_before:
        set_before()
    with holdall.start_run(log_system_metrics=told) as run:
        pass
    assert bool(_logged(run)) == logged


def test_the_environment_sets_it_in_either_ones_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """holdall's variables come before MLflow's; what is no number names its variable."""
    assert not read_settings({}).system_metrics
    theirs = {
        "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING": "true",
        "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL": "2.5",
        "MLFLOW_SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING": "3",
        "MLFLOW_SYSTEM_METRICS_NODE_ID": "0",
    }
    found = read_settings(theirs)
    read = (found.system_metrics, found.system_interval, found.system_samples, found.system_node_id)
    assert read == (True, 2.5, 3, "0")
    assert not read_settings({**theirs, "HOLDALL_SYSTEM_METRICS": "0"}).system_metrics
    with pytest.raises(ValueError, match="SAMPLES_BEFORE_LOGGING='x'"):
        read_settings({"MLFLOW_SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING": "x"})
    monkeypatch.setenv("HOLDALL_SYSTEM_METRICS", "1")
    with holdall.start_run() as run:
        pass
    assert _logged(run)


class Broken:
    """A machine that cannot be measured."""

    def sample(self) -> dict[str, float]:
        raise OSError("no /proc here")


def test_what_fails_beside_a_run_does_not_fail_it(caplog: pytest.LogCaptureFixture) -> None:
    """A warning says so, once; the run is logged to and ends as ever."""
    with caplog.at_level(logging.WARNING, "holdall"), holdall.start_run() as run:
        system_metrics.watch(run, Broken(), resumed=False)  # type: ignore[arg-type]
        holdall.log_metric("loss", 1.0)
    assert [record.message for record in caplog.records if "no /proc here" in record.message]
    found = holdall.get_run(run.run_id)
    assert (found.info.status, found.data.metrics) == ("FINISHED", {"loss": 1.0})


def test_a_run_that_was_deleted_meanwhile_ends_the_thread() -> None:
    """Nothing is written to it any more."""
    run = holdall.open("memory://deleted").runs.start()
    sampler = system_metrics.Sampler(run, Machine(), Settings(system_interval=0.01), first_step=0)
    run.delete()
    sampler.start()
    sampler.join(60)
    assert not sampler.is_alive()


def test_without_psutil_it_is_said_before_a_run_is_started(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Who asks for it gets an error with the command that helps; where it is only set, a warning."""

    def missing(name: str, purpose: str) -> Any:
        raise MissingLibraryError(name, purpose, "it is not installed")

    monkeypatch.setattr(machine, "library", missing)
    with pytest.raises(MissingLibraryError, match=r"holdall\[system\]"):
        holdall.start_run(log_system_metrics=True)
    assert holdall.active_run() is None
    holdall.enable_system_metrics_logging()
    with caplog.at_level(logging.WARNING, "holdall"), holdall.start_run() as run:
        pass
    assert "psutil" in caplog.text
    assert _logged(run) == {}


class Gpu:
    """Two GPUs as NVIDIA's library shows them, the second of which does not tell its power."""

    NVMLError = RuntimeError

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:  # noqa: N802  # the library's names
        return type("Memory", (), {"used": 2_000_000, "total": 8_000_000})

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:  # noqa: N802
        return type("Rates", (), {"gpu": 50})

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:  # noqa: N802
        if handle:
            raise RuntimeError("not supported")
        return 150_000

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: int) -> int:  # noqa: N802
        return 300_000


def test_gpus_are_measured_by_mlflows_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one of them does not tell is left out."""
    monkeypatch.setattr(machine, "_gpus", lambda: (Gpu(), [0, 1]))
    found = {name: value for name, value in Machine().sample().items() if name.startswith("gpu")}
    shared = {"memory_usage_percentage": 25.0, "memory_usage_megabytes": 2.0, "utilization_percentage": 50}
    power = {"gpu_0_power_usage_watts": 150.0, "gpu_0_power_usage_percentage": 50.0}
    assert found == {f"gpu_{n}_{name}": value for n in (0, 1) for name, value in shared.items()} | power


def test_means_are_taken_of_what_does_not_add_up() -> None:
    """Traffic is counted from the beginning, so its last value holds."""
    samples = [{"cpu": 1.0, "network_receive_megabytes": 1.0}, {"cpu": 2.04, "network_receive_megabytes": 5.0}]
    assert averages(samples) == {"cpu": 1.5, "network_receive_megabytes": 5.0}
    assert averages([]) == {}


@pytest.mark.parametrize("value", [0, -1, "3", True, float("nan")])
def test_intervals_and_numbers_of_samples_are_positive(value: Any) -> None:
    """None takes back what was set."""
    for verb in (holdall.set_system_metrics_sampling_interval, holdall.set_system_metrics_samples_before_logging):
        verb(None)
        with pytest.raises(InvalidNameError, match="greater than 0"):
            verb(value)


# --- the run that the environment names -------------------------------------------


@pytest.mark.parametrize("variable", ["HOLDALL_RUN_ID", "MLFLOW_RUN_ID"])
def test_the_first_run_is_the_one_that_the_environment_names(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once: the next run is a new one, and one inside it is its child."""
    id = holdall.open(holdall.get_tracking_uri()).runs.start(name="begun elsewhere").id
    holdall.flush_async_logging()
    monkeypatch.setenv(variable, id)
    with holdall.start_run() as run, holdall.start_run(nested=True) as inner:
        assert run.run_id == id
        assert inner.run_id != id
    with holdall.start_run() as other:
        assert other.run_id not in (id, inner.run_id)
    with holdall.start_run(id), pytest.raises(holdall.errors.ActiveRunError):
        holdall.start_run()


def test_a_run_that_is_not_there_is_known_to_be_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hint names the variables, as nobody wrote the id into the script."""
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    for told in (None, "0" * 32):
        with pytest.raises(holdall.RunNotFoundError) as caught:
            holdall.start_run(told)
        assert ("MLFLOW_RUN_ID" in caught.value.hint) == (told is None)


def test_mlflows_experiment_and_run_name_are_taken_where_holdalls_are_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are good anywhere; the address of MLflow's server and the number of its experiment are passed over."""
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "theirs")
    monkeypatch.setenv("MLFLOW_RUN_NAME", "named")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:5000")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "1")
    with holdall.start_run() as run:
        assert run.info.run_name == "named"
        assert holdall.get_experiment(run.info.experiment_id).name == "theirs"
    monkeypatch.setenv("HOLDALL_EXPERIMENT", "ours")
    with holdall.start_run() as run:
        assert holdall.get_experiment(run.info.experiment_id).name == "ours"
