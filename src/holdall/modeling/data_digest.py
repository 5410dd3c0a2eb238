"""The digest of a data set: other data has another one, to the last bit, and the same data the same one.

What goes into SHA-256 can be read back in one way only: every part begins with a letter for what it
is and says how long it is. `1` and `"1"`, `[1]` and `"[1]"`, a zero and a missing value, an
array of 1,001 numbers and one that differs in the middle, all differ.

    frame     for each column its label, its type and its cells, in order; an index, unless it only counts rows
    array     its type, shape and bytes, little-endian, as if it lay in C's order
    cells     numbers as an array; text, and whatever else Python has, cell by cell
    objects   by what they are made of; those of unknown classes as pickle writes them

Not told apart: how data lies in memory, in which order a dict or a set holds what it holds,
which of its many NaNs a number is, and whether text is kept as Python's or Arrow's.
"""

from __future__ import annotations

import datetime
import decimal
import hashlib
import pickle
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pandas as pd

_TOGETHER: Final = 1 << 16  # cells that are digested at once


def frame_digest(df: pd.DataFrame) -> str:
    """Return the digest of a DataFrame, in hex.

    Raises:
        TypeError: A cell that nothing can be said of; give the data set a digest then.
    """
    hasher = hashlib.sha256(b"frame")
    with _bounded():
        _frame(hasher, df)
    return hasher.hexdigest()


def _frame(hasher: Any, df: pd.DataFrame) -> None:
    _say(hasher, "i", *df.shape)
    for at, label in enumerate(df.columns):
        hasher.update(_cell(label))
        _column(hasher, df.iloc[:, at])
    for level in range(0 if _counts_rows(df.index) else df.index.nlevels):
        hasher.update(b"index" + _cell(df.index.names[level]))
        _column(hasher, df.index.get_level_values(level).to_series())


def arrays_digest(parts: Iterable[tuple[str, str, Any]]) -> str:
    """Return the digest of arrays, in hex, each with its role and its name. Raises: as `frame_digest`."""
    hasher = hashlib.sha256(b"arrays")
    with _bounded():
        for role, name, array in parts:
            hasher.update(_cell(role) + _cell(name))
            _array(hasher, array)
    return hasher.hexdigest()


@contextmanager
def _bounded() -> Iterator[None]:
    try:
        yield
    except RecursionError as error:
        raise TypeError("no digest can be made of what is nested without end: give `digest`") from error


def _counts_rows(index: Any) -> bool:
    """Whether an index is nameless whole numbers: where a row stood, which reading a file again changes."""
    return index.nlevels == 1 and index.name is None and getattr(index.dtype, "kind", "") in ("i", "u")


def _column(hasher: Any, column: Any) -> None:
    """A column: what type it has and what it holds."""
    import numpy as np
    import pandas as pd

    kind = column.dtype
    if getattr(kind, "kind", "") == "O" and isinstance(
        kind, np.dtype | pd.StringDtype
    ):  # text is text, in whichever type
        _objects(hasher, column.tolist())
    elif isinstance(kind, np.dtype) and kind.kind not in "Mm":
        _array(hasher, column.to_numpy())
    elif isinstance(kind, pd.CategoricalDtype):
        hasher.update(b"category" + _cell(bool(kind.ordered)))
        _column(hasher, kind.categories.to_series())
        _array(hasher, column.cat.codes.to_numpy())
    elif hasattr(column.array, "asi8"):  # moments, durations and periods are whole numbers of a unit
        hasher.update(_cell(str(kind)))
        _array(hasher, column.array.asi8)
    elif isinstance(getattr(kind, "numpy_dtype", None), np.dtype) and not isinstance(kind, pd.ArrowDtype):
        hasher.update(_cell(str(kind)))
        _array(hasher, column.isna().to_numpy())
        _array(hasher, column.to_numpy(dtype=kind.numpy_dtype, na_value=kind.numpy_dtype.type(0)))
    else:
        hasher.update(_cell(str(kind)))
        _objects(hasher, column.tolist())


def _array(hasher: Any, array: Any) -> None:
    """An array: its type, its shape, its bytes."""
    import numpy as np

    if hasattr(array, "tocsr"):  # scipy's, of whichever kind
        rows = array.tocsr(copy=True)
        rows.sum_duplicates()
        word, places = "sparse", {"to": rows.indptr.astype("<i8"), "at": rows.indices.astype("<i8")}
        parts = {"shape": np.asarray(rows.shape, "<i8"), **places, "data": rows.data}
    elif isinstance(array, np.ma.MaskedArray):
        mask, data = np.ma.getmaskarray(array), np.ma.getdata(array)
        word, parts = "masked", {"mask": mask, "data": np.where(mask, np.zeros((), data.dtype), data)}
    elif np.asarray(array).dtype.names:
        word, parts = "fields", {name: np.asarray(array)[name] for name in array.dtype.names}
    else:
        _plain_array(hasher, np.asarray(array))
        return
    hasher.update(word.encode() + _cell(list(parts)))
    for part in parts.values():
        _array(hasher, part)


def _plain_array(hasher: Any, array: Any) -> None:
    kind, flat = array.dtype, array.reshape(-1)
    elsewhere = kind.hasobject or kind.kind == "T"  # objects, and numpy's texts of any length
    _say(hasher, "a" + (kind if elsewhere else kind.newbyteorder("<")).str, *array.shape)
    if elsewhere or kind.char in "gG":  # wide floats have bits between them that mean nothing
        _objects(hasher, list(flat))
        return
    for at in range(0, len(flat), _TOGETHER):
        hasher.update(_plain_bytes(flat[at : at + _TOGETHER]))


def _plain_bytes(array: Any) -> bytes:
    """The bytes of numbers, little-endian; every NaN is the same one."""
    import numpy as np

    if array.dtype.kind in "fc":
        nans = np.isnan(array)
        array = np.where(nans, array.dtype.type(np.nan), array) if nans.any() else array
    return bytes(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())


def _objects(hasher: Any, cells: Sequence[Any]) -> None:
    """Cells of whatever classes. Text alone, as most are, goes together."""
    import numpy as np

    _say(hasher, "o", len(cells))
    for at in range(0, len(cells), _TOGETHER):
        some = cells[at : at + _TOGETHER]
        if all(type(cell) is str for cell in some):
            texts = [cell.encode("utf-8", "surrogatepass") for cell in some]
            hasher.update(b"T" + np.array([len(text) for text in texts], "<u8").tobytes())
            hasher.update(b"".join(texts))
        else:
            hasher.update(b"O")
            for cell in some:
                hasher.update(_cell(cell))


def _cell(value: Any) -> bytes:
    """Return one value, so that no two that differ are written alike."""
    value = _python(value)
    letter, body = "-", type(value).__name__.encode()  # of None and of pandas' missing values that is all
    for kind, its_letter, write in _WRITERS:
        if isinstance(value, kind):
            letter, body = its_letter, write(value)
            break
    else:
        if isinstance(value, datetime.date | datetime.time | datetime.timedelta) and value == value:  # not NaT
            words = (
                type(value).__name__,
                str(value),
                getattr(value, "nanosecond", 0),
                str(getattr(value, "tzinfo", "")),
            )
            letter, body = "t", b"".join(map(_cell, words))
        elif body not in (b"NoneType", b"NAType", b"NaTType"):
            letter, body = _composed(value)
    return f"{letter}{len(body)}:".encode() + body


_WRITERS: Final[tuple[tuple[Any, str, Callable[[Any], bytes]], ...]] = (
    (bool, "b", lambda value: b"1" if value else b"0"),
    (int, "i", lambda value: f"{int(value):x}".encode()),
    (float, "f", lambda value: struct.pack("<d", value) if value == value else b""),
    (complex, "c", lambda value: _cell(value.real) + _cell(value.imag)),
    (str, "s", lambda value: value.encode("utf-8", "surrogatepass")),
    (bytes, "y", bytes),
    (decimal.Decimal, "d", lambda value: str(value).encode()),
)


def _python(value: Any) -> Any:
    """Return one of numpy's numbers as Python's, where that holds it exactly."""
    if getattr(getattr(value, "dtype", None), "kind", "") in ("b", "i", "u", "f", "c") and not getattr(
        value, "ndim", 1
    ):
        plain = value.item()
        return plain if type(plain) in (bool, int, float, complex) else repr(plain)
    return value


def _composed(value: Any) -> tuple[str, bytes]:
    """Return what holds other values, or is of a class that is known to its module alone."""
    if isinstance(value, Mapping):
        return "m", b"".join(sorted(_cell(key) + _cell(below) for key, below in value.items()))
    if isinstance(value, set | frozenset):
        return "S", b"".join(sorted(map(_cell, value)))
    if isinstance(value, list | tuple):
        return "l", _cell(type(value).__name__) + b"".join(map(_cell, value))
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        inner = hashlib.sha256()
        _array(inner, value)
        return "a", inner.digest()
    try:
        return "p", pickle.dumps(value, protocol=4)
    except Exception as error:  # whatever a class does when it is pickled
        raise TypeError(f"no digest can be made of a {type(value).__name__}: give `digest`") from error


def _say(hasher: Any, letter: str, *numbers: int) -> None:
    hasher.update(f"{letter}{list(map(int, numbers))};".encode())
