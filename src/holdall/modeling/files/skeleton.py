"""A pickle without its weights: each tensor in it is a name, and the tensors stand elsewhere.

    the object   --dump-->  bytes, a few kilobytes  +  {name: tensor}
    the bytes    --load(tensors)-->  the object

Weights are nearly all of a model and no code; what is left is small, and can
often be read without running any either: `load` takes a list of what it may
build. Which values are weights, and what they are called, the framework says.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

from holdall.modeling.files.pickling import noting_pickler
from holdall.modeling.files.restricted import Buildable, load_restricted

_PROTOCOL = 4  # of Python 3.4; nothing in it is as large as what 5 is for


def dump_skeleton(value: Any, named: Callable[[Any], tuple[Any, ...] | None]) -> tuple[bytes, set[str]]:
    """Pickle all but the weights, with cloudpickle.

    Args:
        value: The object.
        named: What stands for a part of it, as plain values: its name and how it is used; None: it goes in itself.

    Returns:
        The pickle, and the modules that loading it imports.

    Raises:
        PicklingError, TypeError: It cannot be pickled; and what `named` raises.
    """
    noting, modules = noting_pickler(by_value=True)
    leaving_out = type("LeavingOut", (noting,), {"persistent_id": lambda _, obj: named(obj)})
    stream = io.BytesIO()
    leaving_out(stream, protocol=_PROTOCOL).dump(value)
    return stream.getvalue(), modules


def load_skeleton(data: bytes, restored: Callable[..., Any], *, only: Buildable | None = None) -> Any:
    """Return the object again.

    Args:
        data: What `dump_skeleton` gave.
        restored: What stands for what `named` gave.
        only: What it may be made of: with it nothing else is imported, called or changed. None: everything may be, so
            that loading runs code.

    Raises:
        UnpicklingError, EOFError: It is no such pickle, or holds what `only` refuses.
        ImportError, AttributeError: It needs what is not here.
    """
    if only is not None:
        return load_restricted(data, restored, only)

    class Whole(pickle.Unpickler):
        """Brings the weights back."""

        def persistent_load(self, pid: Any) -> Any:
            return restored(*pid)

    return Whole(io.BytesIO(data)).load()
