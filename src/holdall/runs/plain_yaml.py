"""YAML that others wrote: plain values, as much as its text and no more.

YAML has names for parts that stand elsewhere, so that few lines can mean more
values than fit into memory, or contain themselves; numbers in base 60, which
take quadratic time; and tags, which a loader may follow into errors of any
kind. So what was read is weighed with every name spelt out, before a value is
made of it. Everything in the package that reads YAML reads it here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from holdall.errors import ContentError
from holdall.libraries import library

_EASY: Final = 100_000  # values that any text may mean,
_EACH: Final = 10  # and for each of its bytes
_DIGITS: Final = 1_000


def load_yaml(data: bytes, path: str) -> Any:
    """Parse YAML that holds plain values only.

    Args:
        data: UTF-8.
        path: Where it stands, for errors.

    Raises:
        ContentError: It is not plain YAML, or means very much more than it says.
        MissingLibraryError: There is no PyYAML.
    """
    yaml = library("yaml", "reading YAML", "pyyaml")
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(data.decode())
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _check(node, _EASY + _EACH * len(data))
            return loader.construct_document(node)
        finally:
            loader.dispose()
    # A tag that does not suit its value is a KeyError, an IndexError or an AttributeError of the loader's.
    except (
        yaml.YAMLError,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        ArithmeticError,
        RecursionError,
    ) as error:
        raise ContentError(path, "plain YAML", str(error).partition("\n")[0] or type(error).__name__) from error


def _check(root: Any, most: int) -> None:
    """Count the nodes below one, each as often as it is named.

    Raises:
        ValueError: They are too many, contain themselves, or one of them is a very long number.
    """
    weights: dict[int, int] = {}
    open_nodes: dict[int, tuple[Any, Iterator[Any]]] = {id(root): (root, _parts(root))}
    while open_nodes:
        node, left = next(reversed(open_nodes.values()))
        part = next((part for part in left if id(part) not in weights), None)
        if part is None:
            weights[id(node)] = 1 + sum(weights[id(part)] for part in _parts(node))
            if weights[id(node)] > most:
                raise ValueError(f"with its aliases spelt out it has more than {most} values")
            del open_nodes[id(node)]
        elif id(part) in open_nodes:
            raise ValueError("a part of it contains itself")
        else:
            open_nodes[id(part)] = part, _parts(part)


def _parts(node: Any) -> Iterator[Any]:
    if isinstance(node.value, str):
        if node.tag.endswith((":int", ":float")) and len(node.value) > _DIGITS:
            raise ValueError(f"a number in it has {len(node.value)} digits")
        return
    for part in node.value:
        yield from part if isinstance(part, tuple) else (part,)
