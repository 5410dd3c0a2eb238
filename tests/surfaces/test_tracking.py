"""Tracking URIs, pages of searches, and the verbs that a client has beside the logging ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import holdall
from holdall.errors import InvalidFilterError, InvalidNameError, InvalidURIError, NoActiveRunError, ParamExistsError
from holdall.store import LoggedModelInput, LoggedModelOutput
from holdall.surfaces.fluent import active
from holdall.surfaces.fluent.paging import paged

MODEL = "m-" + "0" * 32 + "-1"


@pytest.fixture(autouse=True)
def client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[holdall.Client]:
    """A client of an empty store in memory, which is the current one."""
    monkeypatch.chdir(tmp_path)
    for name in ("HOLDALL_STORE", "HOLDALL_EXPERIMENT", "HOLDALL_RUN_NAME"):
        monkeypatch.delenv(name, raising=False)
    active._state.__init__()  # type: ignore[misc]
    holdall.set_tracking_uri(f"memory://{tmp_path.name}")
    yield holdall.Client()
    while holdall.active_run():
        holdall.end_run()
    active._state.__init__()  # type: ignore[misc]


# --- addresses ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("http://localhost:5000", "no server.*endpoint_url"),
        ("https://user:secret@host", "no server"),
        ("databricks", "Databricks"),
        ("databricks://profile", "Databricks"),
        ("databricks-uc", "Databricks"),
        ("sqlite:///mlflow.db", "no database"),
        ("postgresql+psycopg2://me:secret@host/db", "no database"),
        ("mysql://host/db", "no database"),
    ],
)
def test_a_server_or_database_is_refused_with_what_to_do(uri: str, said: str) -> None:
    """Wherever an address is given: the error says what to give instead, and no password; the store stays."""
    before = holdall.get_tracking_uri()
    for verb in (holdall.set_tracking_uri, holdall.set_registry_uri, holdall.Client):
        with pytest.raises(InvalidURIError, match=said) as caught:
            verb(uri)
        assert "a folder or a bucket" in str(caught.value)
        assert "secret" not in str(caught.value)
    assert holdall.get_tracking_uri() == before


def test_a_folder_is_an_address_however_it_is_written(tmp_path: Path) -> None:
    """As text, as a path, as file: with one slash or three; a name with a colon, or of a server, is a folder's too."""
    there = str(tmp_path / "runs")
    for uri in (there, Path(there), f"file://{there}", f"file:{there}", "runs", "./runs"):
        holdall.set_tracking_uri(uri)
        assert holdall.get_tracking_uri() == there
    holdall.set_registry_uri("runs")
    holdall.set_registry_uri("")
    assert holdall.get_registry_uri() == there
    with pytest.raises(InvalidURIError, match="its own registry"):
        holdall.set_registry_uri("elsewhere")
    holdall.set_tracking_uri(Path("databricks"))
    assert holdall.get_tracking_uri() == str(tmp_path / "databricks")
    with pytest.raises(TypeError):
        holdall.set_tracking_uri(b"runs")  # type: ignore[arg-type]


def test_whether_a_store_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the verb or by the environment; an empty address goes back to that."""
    assert holdall.is_tracking_uri_set()
    holdall.set_tracking_uri("")
    assert not holdall.is_tracking_uri_set()
    assert holdall.get_tracking_uri().endswith("/holdall-store")
    assert not holdall.is_tracking_uri_set()
    monkeypatch.setenv("HOLDALL_STORE", "memory://named")
    holdall.set_tracking_uri("")
    assert holdall.is_tracking_uri_set()
    assert holdall.get_tracking_uri() == "memory://named"


def test_the_address_of_an_artifact_is_the_active_runs() -> None:
    """Of the run, or of a path in it; without a run the error says so."""
    with pytest.raises(NoActiveRunError):
        holdall.get_artifact_uri()
    with holdall.start_run() as run:
        holdall.log_text("text", "a/b.txt")
        assert holdall.get_artifact_uri() == f"runs:/{run.info.run_id}"
        assert holdall.artifacts.load_text(holdall.get_artifact_uri("a/b.txt")) == "text"


def test_artifacts_of_another_store_are_named_by_its_address(tmp_path: Path) -> None:
    """`tracking_uri` says which store, for one call."""
    with holdall.start_run() as run:
        holdall.log_text("text", "a.txt")
    there, id = holdall.get_tracking_uri(), run.info.run_id
    holdall.set_tracking_uri("elsewhere")
    found = holdall.artifacts.list_artifacts(run_id=id, tracking_uri=there)
    assert [one.path for one in found] == ["a.txt"]
    fetched = holdall.artifacts.download_artifacts(f"runs:/{id}/a.txt", None, None, tmp_path / "to", there, there)
    assert Path(fetched).read_text() == "text"


# --- pages ----------------------------------------------------------------------


def _pages(search: Callable[..., Any], size: int) -> list[list[Any]]:
    pages, token = [], None
    while True:
        page = search(max_results=size, page_token=token)
        pages.append(page.to_list())
        token = page.token
        if token is None:
            return pages


def _searches(client: holdall.Client) -> dict[str, Callable[..., Any]]:
    """Five things of each kind, and how they are searched."""
    for name in "abcde":
        id = client.create_experiment(name)
        client.create_registered_model(name)
    with holdall.start_run(experiment_id=id):
        for n in range(5):
            info = holdall.pyfunc.log_model(name=f"m{n}", python_model=_double, pip_requirements=[])
            client.create_model_version("a", info.model_uri)
    for _ in range(4):
        client.set_terminated(client.create_run(id).info.run_id)
    return {
        "search_runs": lambda **given: client.search_runs([id], **given),
        "search_logged_models": lambda **given: client.search_logged_models([id], **given),
        "search_experiments": lambda **given: client.search_experiments(filter_string="name != 'Default'", **given),
        "search_registered_models": client.search_registered_models,
        "search_model_versions": client.search_model_versions,
    }


def _double(model_input: list[int]) -> list[int]:
    return [2 * one for one in model_input]


def test_pages_have_everything_once_in_order(client: holdall.Client) -> None:
    """Whatever is searched, its pages one after the other are the search without pages."""
    for name, search in _searches(client).items():
        whole = search()
        assert (len(whole), whole.token) == (5, None), name
        for size in (1, 2, 4, 5, 6):
            pages = _pages(search, size)
            assert [one for page in pages for one in page] == whole, name
            assert [len(page) for page in pages] == [size] * (5 // size) + [5 % size] * (5 % size > 0)
        assert search(max_results=0) == []
        with pytest.raises(InvalidNameError, match="max_results"):
            search(max_results=-1)
        for token in ("nonsense", "W10=", "x" * 10_000, "WzEsIDJd"):
            with pytest.raises(InvalidNameError, match="page_token"):
                search(page_token=token)


def test_what_comes_in_front_meanwhile_shifts_no_page() -> None:
    """The next page begins behind the last one's end; if that is gone, at its place."""
    things = ["c", "d", "e", "f"]

    def search(limit: int | None) -> list[str]:
        return things[:limit]

    first = paged(search, 2, None, str)
    things[:0] = ["a", "b"]
    assert paged(search, 2, first.token, str) == ["e", "f"]
    things[:] = ["c", "e", "f"]
    assert paged(search, 2, first.token, str) == ["f"]


# --- experiments and runs -------------------------------------------------------


def test_experiments_are_tagged_deleted_and_restored() -> None:
    """The fluent verbs speak of the current experiment."""
    id = holdall.create_experiment("e", None, {"a": 1})
    holdall.set_experiment("e")
    holdall.set_experiment_tags({"b": 2, "c": 3})
    holdall.delete_experiment_tag("a")
    assert holdall.get_experiment(id).tags == {"b": "2", "c": "3"}
    holdall.Client().delete_experiment_tag(id, "b")
    holdall.delete_experiment(id)
    holdall.restore_experiment(id)
    assert (holdall.get_experiment(id).lifecycle_stage, holdall.get_experiment(id).tags) == ("active", {"c": "3"})
    with pytest.raises(InvalidNameError, match="no traces"):
        holdall.create_experiment("f", None, None, "there")  # type: ignore[arg-type]
    with pytest.raises(InvalidNameError, match="no traces"):
        holdall.set_experiment("f", trace_location="there")  # type: ignore[arg-type]


def test_experiments_come_newest_first_unless_an_order_is_given(client: holdall.Client) -> None:
    """By the one grammar of filters and orders."""
    for name in ("b", "c", "a"):
        client.create_experiment(name, tags={"letter": name})
    times = [one.creation_time for one in holdall.search_experiments()]
    assert times == sorted(times, reverse=True)
    assert [one.name for one in holdall.search_experiments(order_by=["name DESC"])] == ["c", "b", "a"]
    assert [one.name for one in client.search_experiments(filter_string="tags.letter != 'b'", order_by=["name"])] == [
        "a",
        "c",
    ]
    with pytest.raises(InvalidFilterError, match=r"experiments are sorted by .*name already"):
        client.search_experiments(order_by=["name", "name DESC"])


def test_a_run_knows_its_parent(client: holdall.Client) -> None:
    """None for a run that is part of none."""
    with holdall.start_run() as outer, holdall.start_run(nested=True) as inner:
        pass
    for verb in (holdall.get_parent_run, client.get_parent_run):
        parent = verb(inner.info.run_id)
        assert parent is not None
        assert parent.info.run_id == outer.info.run_id
        assert verb(outer.info.run_id) is None


def test_a_run_is_renamed_and_its_status_set(client: holdall.Client) -> None:
    """`update_run` says what it is called, and ends it or goes on with it."""
    id = client.create_run(client.create_experiment("e"), run_name="first").info.run_id
    client.update_run(id, name="second")
    assert client.get_run(id).info.run_name == "second"
    client.update_run(id, "FAILED")
    assert client.get_run(id).info.status == "FAILED"
    client.update_run(id, status="RUNNING", name="third")
    found = client.get_run(id).info
    assert (found.status, found.run_name, found.end_time) == ("RUNNING", "third", None)
    with pytest.raises(InvalidNameError, match="status"):
        client.update_run(id, "DONE")
    client.set_terminated(id, "KILLED", 1_900_000_000_000)
    assert client.get_run(id).info.end_time == 1_900_000_000_000


def test_inputs_and_outputs_are_said_together(client: holdall.Client) -> None:
    """Several data sets with a context each, models by their ids; a list that is too short is refused."""
    data = [holdall.data.from_numpy(np.arange(n + 2), name=f"set-{n}") for n in range(2)]
    with holdall.start_run() as run:
        holdall.log_inputs(data, ["training", None], [None, {"team": "a"}], [LoggedModelInput(MODEL)])
        holdall.log_input(model=LoggedModelInput(MODEL.replace("-1", "-2")))
        holdall.log_outputs([LoggedModelOutput(MODEL, 3)])
        with pytest.raises(InvalidNameError, match="one for each data set"):
            holdall.log_inputs(data, ["training"])
        with pytest.raises(TypeError):
            holdall.log_input()
    found = client.get_run(run.info.run_id)
    assert {(one.dataset.name, one.context) for one in found.inputs.dataset_inputs} == {
        ("set-0", "training"),
        ("set-1", None),
    }
    assert [one.model_id[-1] for one in found.inputs.model_inputs] == ["1", "2"]
    assert found.outputs.model_outputs == [LoggedModelOutput(MODEL, 3)]
    id = client.create_run(found.info.experiment_id).info.run_id
    client.log_inputs(id, None, [LoggedModelInput(MODEL)])
    client.log_outputs(id, [LoggedModelOutput(MODEL)])
    assert client.get_run(id).inputs.model_inputs == [LoggedModelInput(MODEL)]


def test_the_last_logged_model_is_this_threads(client: holdall.Client) -> None:
    """None before there is one; its parameters can be logged without its id."""
    assert holdall.last_logged_model() is None
    with holdall.start_run():
        info = holdall.pyfunc.log_model(name="m", python_model=_double, pip_requirements=[])
    holdall.log_model_params({"depth": 3})
    found = holdall.last_logged_model()
    assert found is not None
    assert (found.model_id, found.params) == (info.model_id, {"depth": "3"})
    holdall.set_tracking_uri("memory://elsewhere")
    assert holdall.last_logged_model() is None
    with pytest.raises(InvalidNameError, match="no model"):
        holdall.log_model_params({"depth": 3})


def test_flushing_waits_for_what_is_logged_in_the_background(client: holdall.Client) -> None:
    """Afterwards another process would see it; a failure that nobody asked for is raised."""
    with holdall.start_run() as run:
        holdall.log_text("text", "a.txt", synchronous=False)
        holdall.log_metric("loss", 1.0, synchronous=False)
        holdall.flush_async_logging()
        other = holdall.store.Store._over(
            active.current_store()._location.bucket, active.current_store()._location.pool
        )
        assert other.runs.get(run.info.run_id).record.data.metrics == {"loss": 1.0}
        holdall.log_param("a", 1)
        holdall.log_param("a", 2, synchronous=False)
        with pytest.raises(ParamExistsError):
            holdall.flush_artifact_async_logging()
    holdall.flush_trace_async_logging()


def test_the_registry_is_searched_and_tagged_without_a_client(client: holdall.Client) -> None:
    """As MLflow's top-level verbs do."""
    with holdall.start_run():
        holdall.pyfunc.log_model(name="m", python_model=_double, pip_requirements=[], registered_model_name="double")
    client.create_registered_model("empty")
    assert [one.name for one in holdall.search_registered_models()] == ["double", "empty"]
    assert [one.name for one in holdall.search_registered_models(1, None, ["name DESC"])] == ["empty"]
    (version,) = holdall.search_model_versions(filter_string="name = 'double'")
    holdall.set_model_version_tag("double", version.version, "ok", True)
    assert client.get_model_version("double", "1").tags == {"ok": "True"}
    with pytest.raises(InvalidNameError, match="version"):
        holdall.set_model_version_tag("double", key="ok")
    with pytest.raises(InvalidNameError, match="Databricks"):
        client.create_registered_model("job", None, None, "1")
    with pytest.raises(InvalidNameError, match="not packed"):
        holdall.register_model("runs:/x", "double", env_pack="databricks")  # type: ignore[arg-type]


# --- images ---------------------------------------------------------------------


def test_an_image_is_made_of_what_there_is(tmp_path: Path) -> None:
    """Of an array, of lists, of a Pillow image and of a file; it is logged as what it was made of is."""
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    image = holdall.Image(pixels)
    image.save(tmp_path / "a.png")
    for other in (pixels.tolist(), image.to_pil(), str(tmp_path / "a.png"), tmp_path / "a.png"):
        assert holdall.Image(other).to_array().tolist() == pixels.tolist()
    assert (image.size, image.to_list()[0], image.resize((4, 3)).size) == ((2, 2), (0, 1, 2), (4, 3))
    with holdall.start_run() as run:
        holdall.log_image(image, "b.png")
        holdall.log_table({"picture": [image]}, "t.json")
    found = holdall.artifacts.load_image(f"runs:/{run.info.run_id}/b.png")
    assert np.array(found).tolist() == pixels.tolist()
    with pytest.raises(TypeError, match="image"):
        holdall.Image(3)  # type: ignore[arg-type]
