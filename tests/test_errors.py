"""The tree of errors: drawn whole, each with its facts, each fit to travel between workers."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
import re
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow.exceptions
import pytest
from mlflow.protos.databricks_pb2 import ErrorCode

import holdall
from holdall import errors
from holdall.errors import HoldallError
from holdall.surfaces.cli.hints import hint_of


def below(kind: type[HoldallError]) -> list[type[HoldallError]]:
    """A class of errors and all that are made from it, in their order."""
    return [kind, *(found for child in kind.__subclasses__() for found in below(child))]


def attributes(kind: type[HoldallError]) -> list[str]:
    """What its constructor takes, which is what it has."""
    own = inspect.isfunction(kind.__init__) and kind.__init__ is not HoldallError.__init__
    return list(inspect.signature(kind).parameters) if own else []


ALL = [kind for kind in below(HoldallError) if kind.__module__ == errors.__name__]


def test_the_drawn_tree_is_the_tree() -> None:
    """Every class stands in the header, below its parent, in the order of the file; and nothing else does."""
    drawn: list[tuple[str, str]] = []
    above = [""]
    for line in str(errors.__doc__).splitlines():
        if found := re.match(r"    ([ │├└─]*)([A-Z]\w+Error)\b", line):
            depth = len(found[1]) // 4
            above[depth + 1 :] = [found[2]]
            drawn.append((above[depth], found[2]))
    assert drawn == [("" if kind is HoldallError else kind.__mro__[1].__name__, kind.__name__) for kind in ALL]
    there = [name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)]
    assert there == [kind.__name__ for kind in ALL]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_an_error_names_its_facts_and_travels(kind: type[HoldallError]) -> None:
    """Its docstring names its attributes; pickled and back, it has them still, and says the same."""
    names = attributes(kind)
    told = " ".join(str(kind.__doc__).partition("Attributes: ")[2].split())
    assert re.findall(r"(?:^|, )(\w+)", re.sub(r" \([^)]*\)", "", told.partition(".")[0].partition(":")[0])) == names
    error = kind(*(f"{name} given" for name in names))
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert vars(again) == vars(error)
    assert vars(error).items() >= {name: f"{name} given" for name in names}.items()
    assert (str(again), again.args, again.hint) == (str(error), error.args, error.hint)


@pytest.mark.parametrize("kind", [kind for kind in ALL if not kind.__subclasses__()], ids=lambda kind: kind.__name__)
def test_an_error_says_something(kind: type[HoldallError]) -> None:
    """A sentence, also without a reason, and how to mend it."""
    assert str(kind(*("x" for _ in attributes(kind))))
    assert kind(*("x" for _ in attributes(kind))).hint or issubclass(kind, errors.StorageError)


def test_an_error_of_storage_without_a_reason_says_what_its_kind_means() -> None:
    """In the first sentence of its docstring, and no more of that."""
    assert str(errors.ObjectNotFoundError("s3://b", "k")) == "s3://b/k: There is no object at this key."
    assert str(errors.TransientStorageError("s3://b", "")) == "s3://b: The request failed in a way that may pass."
    assert str(errors.StorageError("s3://b", "", "no")) == "s3://b: no"


# --- the hint, where it is read -------------------------------------------------


def made(kind: type[HoldallError]) -> HoldallError:
    """An error of a class, about nothing in particular."""
    return kind(*("x" for _ in attributes(kind)))


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_a_traceback_ends_with_the_hint_once(kind: type[HoldallError]) -> None:
    """Raised, pickled and copied too; a note that was added stands below it."""
    for error in (made(kind), pickle.loads(pickle.dumps(made(kind))), copy.copy(made(kind))):
        error.add_note("and so on")
        told = "".join(traceback.format_exception(error))
        assert told.count(f"\nhint: {error.hint}\n") == bool(error.hint)
        assert told.endswith("and so on\n")


def test_a_hint_that_is_set_later_is_the_one_that_is_shown() -> None:
    """Where a case knows more than its kind; what copies notes from one error to another does not double it."""
    error = errors.RunNotFoundError("a", "b")
    error.hint = "look there"
    error.add_note("x")
    assert error.__notes__ == ["hint: look there", "x"]
    error.__notes__ = list(error.__notes__)
    assert pickle.loads(pickle.dumps(error)).__notes__ == ["hint: look there", "x"]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_a_hint_speaks_the_language_of_its_place(kind: type[HoldallError]) -> None:
    """In Python no command of a shell; at a shell a command, where Python's names a call."""
    error = made(kind)
    assert not re.search(r"`holdall |--\w|\s-[a-z]\b", error.hint.replace("--max-memory", "")), error.hint
    assert bool(hint_of(error)) == bool(error.hint)


def test_no_hint_set_for_one_case_is_a_command() -> None:
    """Outside the command line, what a single error is told names Python's calls; `shell_hint` has the command."""
    for file in sorted(Path(errors.__file__).parent.rglob("*.py")):
        if "cli" not in file.parts:
            assert not re.search(r"\.hint = f?.*`holdall ", file.read_text()), file


# --- the face of MLflow's exception ---------------------------------------------


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_an_error_has_what_mlflows_has(kind: type[HoldallError]) -> None:
    """A code that MLflow has, its status there, the message, and both as JSON."""
    error = made(kind)
    theirs: Any = mlflow.exceptions.MlflowException(str(error), error_code=ErrorCode.Value(error.error_code))
    assert (error.error_code, error.message) == (theirs.error_code, theirs.message)
    assert error.get_http_status_code() == theirs.get_http_status_code()
    said = json.loads(theirs.serialize_as_json())
    assert json.loads(error.serialize_as_json()) == {key: said[key] for key in ("error_code", "message")}


def test_a_bad_argument_is_caught_as_mlflows(tmp_path: Path) -> None:
    """Where MLflow raises its exception for arguments that do not fit, `except MlflowException` catches ours."""
    holdall.set_store(str(tmp_path))
    wrong: dict[str, Callable[[], object]] = {
        "experiment": lambda: holdall.set_experiment(),
        "both": lambda: holdall.search_runs(experiment_ids=["a"], experiment_names=["b"]),
        "uri": lambda: holdall.artifacts.download_artifacts(),
        "version": lambda: holdall.Client().set_model_version_tag("m", key="a", value="b"),
        "metric": lambda: holdall.Client().log_metric(holdall.start_run().run_id, "a", "no number"),  # type: ignore[arg-type]
        "status": lambda: holdall.end_run("OVER"),
        "view": lambda: holdall.search_runs(filter_string="nonsense"),
        "name": lambda: holdall.log_param("k" * 1000, 1),
        "address": lambda: holdall.artifacts.download_artifacts("runs:/none"),
    }
    for what, call in wrong.items():
        with pytest.raises(holdall.HoldallError) as caught:
            call()
        assert isinstance(caught.value, ValueError), what
        assert caught.value.error_code == "INVALID_PARAMETER_VALUE", what
    holdall.end_run()


def test_a_script_raises_the_root_as_mlflows_exception() -> None:
    """With a text and a code, which survive pickling; or by the constructor that MLflow's has for bad arguments."""
    made = errors.HoldallError("no rows", error_code="BAD_REQUEST")
    for error in (made, pickle.loads(pickle.dumps(made))):
        assert (str(error), error.error_code, error.get_http_status_code()) == ("no rows", "BAD_REQUEST", 400)
    assert errors.HoldallError.invalid_parameter_value("no rows").error_code == "INVALID_PARAMETER_VALUE"
    assert errors.HoldallError("no rows").error_code == "INTERNAL_ERROR"
