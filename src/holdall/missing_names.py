"""What to say about a name that is not there: where it is instead, or what was perhaps meant.

`INSTEAD` is for the names of MLflow that this package does not have, and for
its own old ones. A key is the full name without the package: `"autolog"`,
`"pyfunc.spark_udf"`. A value completes "module 'holdall' has no attribute
'autolog': ...".
"""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches
from typing import Final

INSTEAD: Final[dict[str, str]] = {
    "autolog": "that is not here yet; `holdall guide mlflow` says what is",
    "evaluate": "that is not here yet; `holdall guide mlflow` says what is",
}


def explain(module: str, name: str, known: Collection[str]) -> str:
    """Return the text of the AttributeError for a name that a module does not have.

    Args:
        module: The module's full name.
        name: What was asked for. Names that begin with an underscore are asked for by tools, and get no advice.
        known: The names that the module has.
    """
    return f"module {module!r} has no attribute {name!r}{_advice(module, name, known)}"


def explain_attribute(kind: str, name: str, known: Collection[str]) -> str:
    """Return the text of the AttributeError for a name that an object of a public class does not have."""
    return f"{kind!r} object has no attribute {name!r}{_advice(f'holdall.{kind}', name, known)}"


def _advice(module: str, name: str, known: Collection[str]) -> str:
    if name.startswith("_"):
        return ""
    place = f"{module}.{name}".removeprefix("holdall.")
    if place in INSTEAD:
        return f": {INSTEAD[place]}"
    near = get_close_matches(name, known, n=1, cutoff=0.5) or sorted(other for other in known if other.startswith(name))
    return f"; did you mean {near[0]!r}?" if near else ""
