"""A model behind HTTP: its limits, its numbers, its interface, its processes; and `holdall model predict`."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pyarrow
import pyarrow.parquet
import pytest
from click.testing import CliRunner, Result
from tests.support.asgi import Response, ask
from tests.support.processes import wait_for_end
from tests.support.scored import GO, write_model

from holdall.__main__ import program
from holdall.modeling.signatures.data_types import Array, DataType
from holdall.modeling.signatures.schema import TensorSpec
from holdall.models import ColSpec, ModelSignature, Schema
from holdall.servers.listening import listen
from holdall.store import Store
from holdall.surfaces.serving.app import make_app
from holdall.surfaces.serving.metrics import Metrics
from holdall.surfaces.serving.openapi import openapi
from holdall.surfaces.serving.service import Identity, Limits, load, service_of

ROOT = Path(__file__).parents[2]
JSON = {"Content-Type": "application/json"}
IDENTITY = Identity("models:/größe@best", "runs:/0/model", "sha256:0")
SIGNATURE = ModelSignature(
    inputs=Schema([ColSpec(DataType.double, "a"), ColSpec(DataType.string, "s", required=False)]), params=None
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model that says what it was given."""
    return write_model(tmp_path / "echo", "echo", SIGNATURE.to_dict())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(str(tmp_path / "store"))


def app_of(store: Store, folder: Path, **limits: Any) -> Any:
    return make_app(store.models.load_pyfunc(folder), IDENTITY, Limits(**limits), Metrics(IDENTITY))


def told(app: Any, method: str, path: str, body: Any = b"", headers: Mapping[str, str] = JSON) -> Response:
    return asyncio.run(ask(app, method, path, body, headers))


# --- what a request may take ---


@pytest.mark.parametrize("length", [{}, {"Content-Length": "1000000"}])
def test_a_long_request_is_refused_before_it_is_read(store: Store, folder: Path, length: dict[str, str]) -> None:
    """By its Content-Length no byte is read; without one, no more than shows that it is too long."""
    read = 0

    def pieces() -> Iterator[bytes]:
        nonlocal read
        for _ in range(1000):
            read += 1000
            yield bytes(1000)

    refused = told(app_of(store, folder, max_bytes=2500), "POST", "/invocations", pieces(), JSON | length)
    assert (refused.status, json.loads(refused.body)["error_code"]) == (413, "REQUEST_TOO_LARGE")
    assert read == (0 if length else 3000)


def test_a_request_of_the_longest_length_is_read(store: Store, folder: Path) -> None:
    """The limit itself is allowed."""
    body = json.dumps({"inputs": {"a": [1.0]}}).encode()
    assert told(app_of(store, folder, max_bytes=len(body)), "POST", "/invocations", body).status == 200
    assert told(app_of(store, folder, max_bytes=len(body) - 1), "POST", "/invocations", body).status == 413


def test_a_small_body_cannot_fill_the_memory(store: Store, folder: Path) -> None:
    """A third of a megabyte of Parquet that stands for a gigabyte is refused by what its footer says."""
    held = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({f"c{n}": pyarrow.nulls(1 << 18) for n in range(600)}), held)
    parquet = {"Content-Type": "application/vnd.apache.parquet"}
    refused = told(app_of(store, folder), "POST", "/invocations", held.getvalue(), parquet)
    assert len(held.getvalue()) < 500_000
    assert refused.status == 413
    assert "262144 rows of 600 columns" in json.loads(refused.body)["message"]


def test_others_are_answered_while_a_model_predicts(store: Store, tmp_path: Path) -> None:
    """With its one thread held by a prediction, pings are answered; a second prediction waits, then is given up."""
    app = app_of(store, write_model(tmp_path / "slow", "slow"), threads=1, timeout=300)
    GO.clear()

    async def talk() -> None:
        first = asyncio.create_task(ask(app, "POST", "/invocations", b'{"inputs": 1}', JSON))
        second = asyncio.create_task(ask(app, "POST", "/invocations", b'{"inputs": 1}', JSON))
        await asyncio.sleep(0)
        for path in ("/ping", "/version", "/metrics", "/openapi.json"):
            assert (await ask(app, "GET", path)).status == 200
        assert b"holdall_requests_in_flight 3.0" in (await ask(app, "GET", "/metrics")).body
        assert not first.done()
        assert not second.done()
        GO.set()
        assert [(await task).body for task in (first, second)] == [b'{"predictions": "slow"}'] * 2

    asyncio.run(talk())


def test_a_request_that_nobody_waits_for_is_not_predicted(store: Store, folder: Path) -> None:
    """What was given up in the queue is dropped from it."""
    asked = []

    class Slow:
        metadata = store.models.load_pyfunc(folder).metadata

        def predict(self, data: Any, params: Any) -> Any:
            asked.append(data)
            GO.wait(300)
            return 1

    GO.clear()
    app = make_app(Slow(), IDENTITY, Limits(threads=1, timeout=0.2), Metrics(IDENTITY))  # type: ignore[arg-type]

    async def talk() -> None:
        both = [ask(app, "POST", "/invocations", b'{"inputs": {"a": %d.0}}' % n, JSON) for n in (1, 2)]
        assert [response.status for response in await asyncio.gather(*both)] == [504, 504]
        GO.set()
        while (await ask(app, "POST", "/invocations", b'{"inputs": {"a": 3.0}}', JSON)).status == 504:
            pass  # a machine so slow that this takes its time, too

    asyncio.run(talk())
    assert {1.0, 3.0} >= {data["a"] for data in asked} >= {3.0}


# --- what it says ---


@pytest.mark.parametrize("path", ["/ping", "/version", "/invocations", "/nowhere"])
def test_every_answer_says_which_model_gave_it(store: Store, folder: Path, path: str) -> None:
    """Refusals too; a name that is not ASCII is written as in an address."""
    headers = told(app_of(store, folder), "GET", path).headers
    assert headers["holdall-model-uri"] == "models:/gr%C3%B6%C3%9Fe@best"
    assert headers["holdall-model-source"] == "runs:/0/model"
    assert headers["holdall-manifest-digest"] == "sha256:0"


def test_a_request_that_breaks_the_schema_names_the_column(store: Store, folder: Path) -> None:
    """What is missing by its name, what cannot be cast with what came; the data itself is not repeated."""
    app = app_of(store, folder)
    missing = told(app, "POST", "/invocations", b'{"dataframe_records": [{"s": "secret"}]}')
    assert missing.status == 400
    assert json.loads(missing.body)["message"].startswith("Failed to enforce schema: a: expected double")
    wrong = told(app, "POST", "/invocations", b'{"dataframe_records": [{"a": [1]}]}')
    assert "column 'a' cannot be made double" in json.loads(wrong.body)["message"]
    assert b"secret" not in missing.body


@pytest.mark.parametrize(("name", "kind"), [("failing", b"ZeroDivisionError"), ("exiting", b"SystemExit")])
def test_a_failing_model_is_told_to_the_log_alone(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, kind: bytes
) -> None:
    """The answer has the kind of its error, and neither its words nor its files."""
    app = app_of(store, write_model(tmp_path / name, name))
    answer = told(app, "POST", "/invocations", b'{"inputs": 1}')
    assert (answer.status, json.loads(answer.body)["error_code"]) == (400, "BAD_REQUEST")
    assert kind in answer.body
    assert b"secret" not in answer.body
    assert "secret" in caplog.text


def test_what_is_asked_is_counted(store: Store, folder: Path) -> None:
    """By path and status; paths that are not there share a name, or anybody could make names without end."""
    app = app_of(store, folder)
    for path in ("/ping", "/ping", "/a", "/b"):
        told(app, "GET", path)
    text = told(app, "GET", "/metrics").body.decode()
    assert 'holdall_requests_total{path="/ping",status="200"} 2.0' in text
    assert 'holdall_requests_total{path="other",status="404"} 2.0' in text
    assert 'holdall_request_seconds_count{path="/ping"} 2.0' in text
    assert 'holdall_model_info{digest="sha256:0",source="runs:/0/model",uri="models:/größe@best"} 1.0' in text


def test_the_interface_is_the_signature(store: Store, folder: Path) -> None:
    """Columns with their types, which must be there, and tensors with their shapes."""
    document = json.loads(told(app_of(store, folder), "GET", "/openapi.json").body)
    forms = {next(iter(form["properties"])): form for form in document["components"]["schemas"]["Request"]["oneOf"]}
    assert list(forms) == ["dataframe_split", "dataframe_records", "inputs", "instances"]
    row = forms["dataframe_records"]["properties"]["dataframe_records"]["items"]
    assert row["properties"] == {"a": {"type": "number", "format": "double"}, "s": {"type": "string"}}
    assert row["required"] == ["a"]
    assert document["info"]["title"] == IDENTITY.uri


@pytest.mark.parametrize(
    ("spec", "column"),
    [
        (ColSpec(Array(DataType.long), "x"), {"type": "array", "items": {"type": "integer", "format": "int64"}}),
        (
            TensorSpec("float32", (-1, 2), "x"),
            {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
        ),
        (TensorSpec("str", (-1,), "x"), {}),
    ],
)
def test_a_rows_value_has_its_type(spec: ColSpec | TensorSpec, column: dict[str, Any]) -> None:
    """Lists are arrays; a tensor's rows are arrays of its further lengths."""
    document = openapi(ModelSignature(inputs=Schema([spec])), IDENTITY, "1")
    forms = document["components"]["schemas"]["Request"]["oneOf"]
    assert forms[1]["properties"]["dataframe_records"]["items"]["properties"]["x"] == column


# --- which model ---


def logged(store: Store, folder: Path) -> str:
    run = store.runs.start()
    run.log_artifacts(folder, "model")
    run.finish()
    return f"runs:/{run.id}/model"


def test_an_alias_is_looked_up_once(store: Store, folder: Path, tmp_path: Path) -> None:
    """Moved while a server runs, it changes nothing there: all its processes serve what it meant at the start."""
    first, second = logged(store, folder), logged(store, write_model(tmp_path / "other", "text"))
    for uri in (first, second):
        store.registry.register(uri, "m")
    store.registry.set_alias("m", "best", 1)
    service = service_of(lambda: store, "models:/m@best", Limits())
    store.registry.set_alias("m", "best", 2)
    assert (service.identity.uri, service.address) == ("models:/m@best", first)
    assert load(lambda: store, service.address).predict({"a": 1.0})["data"]["frame"]["a"][0] == "float64"


def test_a_model_has_one_digest(store: Store, folder: Path, tmp_path: Path) -> None:
    """In a run, fetched, or as a folder: the same; and another one if any file differs."""
    (folder / "deep").mkdir()
    (folder / "deep" / "a").write_text("1")
    (folder / "deep.txt").write_text("2")
    uri = logged(store, folder)
    digest = store.models.digest(uri)
    assert re.fullmatch("sha256:[0-9a-f]{64}", digest)
    assert digest == store.models.digest(folder)
    assert digest == store.models.digest(store.artifacts.download(uri, tmp_path / "fetched"))
    (folder / "deep" / "a").write_text("3")
    assert store.models.digest(folder) != digest


# --- the command line ---


def run(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner(env={"HOLDALL_TRUST": "any"}).invoke(program, [*arguments], input=stdin)


@pytest.mark.parametrize(
    ("name", "body"), [("in.csv", b"a,s\n1.5,007\n"), ("in.json", b'{"inputs": {"a": [1.5], "s": ["007"]}}')]
)
def test_predict_asks_once(folder: Path, tmp_path: Path, name: str, body: bytes) -> None:
    """From a file into a file, as a server would answer; text that looks like a number stays text."""
    (tmp_path / name).write_bytes(body)
    done = run("model", "predict", "-m", str(folder), "-i", str(tmp_path / name), "-o", str(tmp_path / "out.json"))
    assert (done.exit_code, done.output) == (0, "")
    frame = json.loads((tmp_path / "out.json").read_text())["predictions"]["data"]["frame"]
    assert frame["a"] == ["float64", ["float 1.5"]]
    assert frame["s"][1] == ["str '007'"]


def test_predict_reads_and_writes_what_it_is_given(folder: Path) -> None:
    """Standard input is JSON unless it is said otherwise; standard output gets the answer."""
    done = run("model", "predict", "-m", str(folder), stdin=b'{"inputs": {"a": [1.5]}}')
    assert json.loads(done.stdout)["predictions"]["params"] == "None"
    done = run("model", "predict", "-m", str(folder), "-t", "csv", stdin=b"a\n1\n")
    assert json.loads(done.stdout)["predictions"]["data"]["rows"] == 1


@pytest.mark.parametrize(
    ("arguments", "body", "lesson"),
    [
        (["-i", "in.xlsx"], b"", "--content-type"),
        ([], b"{", "error: the body is not JSON"),
        ([], b'{"inputs": {"s": "x"}}', "error: a: expected double"),
    ],
)
def test_a_wrong_question_is_said_in_a_line(folder: Path, arguments: list[str], body: bytes, lesson: str) -> None:
    """Exit code 2, and what is wrong."""
    done = run("model", "predict", "-m", str(folder), *arguments, stdin=body)
    assert done.exit_code == 2
    assert lesson in done.output


@pytest.mark.parametrize(
    ("option", "value"), [("--max-bytes", "much"), ("--timeout", "0"), ("--workers", "0"), ("--port", "70000")]
)
def test_a_limit_that_cannot_be_is_refused(folder: Path, option: str, value: str) -> None:
    """By name, before anything is loaded."""
    done = run("model", "serve", "-m", str(folder), option, value)
    assert done.exit_code == 2
    assert option in done.output


def test_there_is_nothing_to_serve(tmp_path: Path) -> None:
    """A model that is not there ends the program before it listens."""
    done = run("--store", str(tmp_path / "s"), "model", "serve", "-m", "models:/none/1", "--port", "0")
    assert done.exit_code == 1
    assert "error:" in done.output


def test_a_port_that_is_taken_is_named(folder: Path) -> None:
    """One line says which."""
    with listen("127.0.0.1", 0) as taken:
        taken.listen()
        port = str(taken.getsockname()[1])
        done = run("model", "serve", "-m", str(folder), "--port", port)
    assert done.exit_code == 1
    assert f"127.0.0.1:{port}" in done.output


# --- real processes ---


@contextmanager
def server(scratch: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`holdall model serve` on a free port, and its address. Its temporary files go to a folder below `scratch`."""
    (scratch / "tmp").mkdir(exist_ok=True)
    command = [sys.executable, "-m", "holdall", *arguments, "--port", "0"]
    env = os.environ | {"HOLDALL_TRUST": "any", "PYTHONPATH": str(ROOT), "TMPDIR": str(scratch / "tmp")}
    process = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    try:
        line = process.stderr.readline()
        found = re.search(r"http://\S+", line)
        assert found, line + process.stderr.read()
        yield process, found[0]
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def answered(url: str, body: bytes | None = None) -> tuple[int, str, Mapping[str, str]]:
    """The answer of a real server, which may still be loading its model."""
    for _ in range(600):
        try:
            with urlopen(Request(url, body, JSON if body else {}), timeout=60) as answer:
                return answer.status, answer.read().decode(), answer.headers
        except HTTPError as error:
            return error.code, error.read().decode(), dict(error.headers)
        except OSError:
            time.sleep(0.05)
    raise AssertionError(url)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_serves_until_it_is_told_to_stop(tmp_path: Path, folder: Path, workers: str) -> None:
    """Over real HTTP from a real store; after SIGTERM its port is free and it has ended well."""
    store = Store.open(str(tmp_path / "store"))
    uri = logged(store, folder)
    arguments = ("--store", store.url, "model", "serve", "-m", uri, "-w", workers, "--threads", "1")
    with server(tmp_path, *arguments) as (process, url):
        assert answered(f"{url}/ping")[:2] == (200, "\n")
        status, body, headers = answered(f"{url}/invocations", b'{"inputs": {"a": [1.0]}}')
        assert (status, json.loads(body)["predictions"]["data"]["rows"]) == (200, 1)
        assert headers["Holdall-Manifest-Digest"] == store.models.digest(uri)
        assert answered(f"{url}/invocations", b"{")[0] == 400
        assert 'holdall_requests_total{path="/invocations",status="400"} 1.0' in answered(f"{url}/metrics")[1]
        assert answered(f"{url}/version")[1] == version("holdall")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert list((tmp_path / "tmp").iterdir()) == []
        with pytest.raises(OSError, match="refused"):
            urlopen(f"{url}/ping", timeout=5)


def test_mlflows_own_client_is_served(tmp_path: Path, folder: Path) -> None:
    """It waits for the server, sends a table, and reads predictions."""
    client = pytest.importorskip("mlflow.pyfunc.scoring_server.client")
    import pandas as pd

    with server(tmp_path, "model", "serve", "-m", str(folder)) as (process, url):
        asking = client.ScoringServerClient("127.0.0.1", int(url.rpartition(":")[2]))
        asking.wait_server_ready(timeout=60, scoring_server_proc=process)
        said = json.loads(asking.invoke(pd.DataFrame({"a": [1.0], "s": ["x"]})).to_json())
        assert said["predictions"]["data"]["frame"]["s"][1] == ["str 'x'"]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds processes as Linux shows them")
def test_a_worker_that_dies_is_replaced_and_none_outlives_its_server(tmp_path: Path, folder: Path) -> None:
    """What the dead one counted still counts; when the watcher itself is killed, the port is free soon."""
    with server(tmp_path, "model", "serve", "-m", str(folder), "-w", "2") as (process, url):
        first = workers_of(process.pid, 2)
        pings = 0
        while not has_answered(tmp_path, first[0]):  # a worker that dies before it serves ends the server
            assert answered(f"{url}/ping")[0] == 200
            pings += 1
        assert counts(url, pings)  # an answer is counted when it was sent: not before that does its worker die
        os.kill(first[0], signal.SIGKILL)
        second = workers_of(process.pid, 2, but=first[0])
        assert set(first) - set(second) == {first[0]}
        assert answered(f"{url}/ping")[0] == 200
        assert counts(url, pings + 1)
        process.kill()
        assert all(wait_for_end(pid) for pid in second), "a worker outlived its server"


@pytest.mark.parametrize("left", [b"", b"\0\0", b"\xff" * 64])
def test_what_a_killed_process_left_half_made_stops_no_count(tmp_path: Path, left: bytes) -> None:
    """A file of numbers that cannot be read is passed over: for ever none of the others could be."""
    (tmp_path / "counter_1.db").write_bytes(left)
    assert Metrics(IDENTITY, tmp_path).text() == b""


def has_answered(scratch: Path, pid: int) -> bool:
    """Whether a process of a server has counted an answer of its own."""
    return any(b'"/ping"' in file.read_bytes() for file in scratch.glob(f"tmp/*/counter_{pid}.db"))


def counts(url: str, pings: int) -> bool:
    """Whether a server soon says that it has answered so many."""
    for _ in range(600):
        if f'holdall_requests_total{{path="/ping",status="200"}} {pings}.0' in answered(f"{url}/metrics")[1]:
            return True
        time.sleep(0.05)
    return False


def workers_of(pid: int, count: int, but: int = 0) -> list[int]:
    """The processes that a watcher has started for its work, once there are so many."""
    for _ in range(600):
        below = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        found = [each for each in below if each != but and "spawn_main" in _shown(each, "cmdline")]
        if len(found) == count:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{pid} has not {count} workers")


def _shown(pid: int, what: str) -> str:
    try:
        return Path(f"/proc/{pid}/{what}").read_text()
    except OSError:  # it is gone
        return ""


def test_workers_that_cannot_start_end_the_server(tmp_path: Path) -> None:
    """A model that cannot be loaded is told by a line, and is not tried forever."""
    bad = write_model(tmp_path / "bad", "echo")
    text = (bad / "MLmodel").read_text()
    (bad / "MLmodel").write_text(text.replace("tests.support.scored", "no.such.module"))
    for workers in ("1", "2"):
        with server(tmp_path, "model", "serve", "-m", str(bad), "-w", workers) as (process, _):
            assert process.wait(60) != 0
            assert process.stderr
            assert "no.such.module" in process.stderr.read()
