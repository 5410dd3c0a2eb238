"""The public names: one stub says them, and what can be had is what it says."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import traceback
from importlib.metadata import version
from pathlib import Path

import pytest

import holdall
from holdall import errors
from holdall.missing_names import INSTEAD, explain

STUB = ast.parse(Path(holdall.__file__).with_suffix(".pyi").read_text())
IMPORTED = {
    alias.asname or alias.name: (node.module, alias.name)
    for node in STUB.body
    if isinstance(node, ast.ImportFrom)
    for alias in node.names
}
LISTED = next(
    ast.literal_eval(node.value)
    for node in STUB.body
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
)


def test_what_the_stub_says_is_what_there_is() -> None:
    """Each import of the stub is an attribute, and nothing else is listed by `dir`."""
    assert {name for name in dir(holdall) if not name.startswith("_")} == set(IMPORTED)
    assert [name for name in IMPORTED if getattr(holdall, name) is None] == []


def test_a_star_takes_all_but_open() -> None:
    """`from holdall import *` leaves the builtin alone; all else of the stub comes."""
    assert IMPORTED.keys() - {"open"} == set(LISTED)
    assert list(holdall.__all__) == sorted(LISTED)
    found: dict[str, object] = {}
    exec("from holdall import *", found)
    assert found.keys() - {"__builtins__"} == set(LISTED)
    assert holdall.open.__module__.startswith("holdall.")


def test_a_definition_stands_where_the_stub_says() -> None:
    """An editor leads from a verb to the code that does it: each is a `def` of the module, no value handed over."""
    for name, (module, _) in IMPORTED.items():
        found = getattr(holdall, name)
        if inspect.isfunction(found):
            assert (found.__module__, found.__qualname__) == (module, name)
            assert f"def {name}(" in inspect.getsource(found)


def test_a_name_is_kept_once_it_was_used() -> None:
    """The second use is an ordinary attribute, which no function looks up."""
    vars(holdall).pop("log_artifact", None)
    assert holdall.log_artifact is vars(holdall)["log_artifact"]


def test_every_error_can_be_caught_from_the_top() -> None:
    """`holdall.ArtifactExistsError`, as each public class of `errors`."""
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and issubclass(kind, errors.HoldallError):
            assert getattr(holdall, name) is kind


def test_the_version_is_the_packages() -> None:
    """As pip tells it."""
    assert holdall.__version__ == version("holdall")


def test_importing_holdall_imports_no_other_module_of_it() -> None:
    """Not even `typing`: a program that imports holdall and does not use it pays a millisecond."""
    code = "import sys; before = set(sys.modules); import holdall; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert {name for name in done.stdout.split() if not name.startswith("importlib")} <= {"holdall", "warnings"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("log_artifct", "module 'holdall' has no attribute 'log_artifct'; did you mean 'log_artifact'?"),
        ("evaluate", f"module 'holdall' has no attribute 'evaluate': {INSTEAD['evaluate']}"),
        ("__wrapped__", "module 'holdall' has no attribute '__wrapped__'"),
    ],
)
def test_a_missing_name_says_what_was_meant(name: str, said: str) -> None:
    """A typing mistake gets the name that is near, a name of MLflow what to do instead, and a tool nothing."""
    with pytest.raises(AttributeError) as caught:
        getattr(holdall, name)
    assert str(caught.value) == said
    shown = traceback.format_exception_only(caught.value)
    assert shown == [f"AttributeError: {said}\n"]  # Python adds no second advice


def test_the_table_of_missing_names_holds_none_that_is_there() -> None:
    """What is there needs no advice; and every advice is a text that ends the sentence."""
    assert [name for name in INSTEAD if name in IMPORTED] == []
    assert all(text and text[-1] not in ".:" for text in INSTEAD.values())
    assert explain("holdall.pyfunc", "log_modl", ["log_model"]).endswith("did you mean 'log_model'?")


STORE = """
    artifacts deployments experiments id log_model maintenance model_card model_info models open registry revise_model
    runs search shares url
"""


def test_a_store_offers_what_is_a_users() -> None:
    """`dir(store)`; and the old name of its maintenance says the new one."""
    store = holdall.open("memory://front-door")
    assert {name for name in dir(store) if not name.startswith("_")} == set(STORE.split())
    with pytest.raises(AttributeError, match="it is called 'maintenance'"):
        getattr(store, "care")  # noqa: B009  # type checkers would find it
