"""Parquet files of any origin, read as columns of plain values.

A file may ask for extension types, which classes that this process registered build
from bytes of the file: such a class has run commands before (CVE-2023-47248), and which
ones are registered cannot be known. Only those that hold nothing but values are
built; of all others the values are read as they are stored.
"""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Iterator
from typing import Any, Final

from holdall.libraries import library

_SCHEMA: Final = b"ARROW:schema"
_NAME, _HIDDEN = b"ARROW:extension:name", b"hidden:extensionname"  # of the same length
_TEXT: Final = b"\x18"  # in Thrift's compact protocol: the next field, and it is a text
_PLAIN: Final = (
    b"pandas.period", b"pandas.interval", b"arrow.uuid", b"arrow.json", b"arrow.bool8", b"arrow.fixed_shape_tensor",
)  # fmt: skip


def read_parquet(data: bytes) -> Any:
    """Read a Parquet file into a table of pyarrow.

    Raises:
        MissingLibraryError: pyarrow is not installed.
        Others: It is no Parquet; each codec of Arrow's has failures of its own.
    """
    parquet = library("pyarrow.parquet", "reading Parquet", "pyarrow")
    return parquet.read_table(io.BytesIO(without_extensions(data)))


def without_extensions(data: bytes) -> bytes:
    """Return the file, or a copy whose extension types have lost their names. Raises: ValueError."""
    said = _schema_of(data)
    if said is None:
        return data
    try:
        message = base64.b64decode(said, validate=True)
    except binascii.Error as error:
        raise ValueError(f"its {_SCHEMA.decode()} is no base64") from error
    if _NAME not in message:
        return data
    hidden = message.replace(_NAME, _HIDDEN)
    arrow = library("pyarrow.ipc", "reading Parquet", "pyarrow")
    if all(name in _PLAIN for name in _names(arrow.read_schema(io.BytesIO(hidden)))):
        return data
    return data.replace(said, base64.b64encode(hidden))


def _schema_of(data: bytes) -> bytes | None:
    """Return Arrow's schema in base64, cut out of the footer: Arrow's own readers would build the types."""
    footer = data[-8 - int.from_bytes(data[-8:-4], "little") : -8]
    _, found, after = footer.partition(_SCHEMA)
    if not found:
        return None
    size, at = 0, 1
    while 0 < at <= 5 and after[at : at + 1]:  # a number of seven bits a byte, the lowest first
        size |= (after[at] & 0x7F) << 7 * (at - 1)
        at = at + 1 if after[at] & 0x80 else -(at + 1)
    if after[:1] != _TEXT or at > 0 or _SCHEMA in after:
        raise ValueError(f"its footer does not have {_SCHEMA.decode()} once, and as writers have it")
    return after[-at : size - at]


def _names(fields: Any) -> Iterator[bytes]:
    """Yield the extension types that a schema asks for, at any depth."""
    waiting = list(fields)
    while waiting:
        field = waiting.pop()
        if (name := (field.metadata or {}).get(_HIDDEN)) is not None:
            yield name
        waiting += [field.type.field(n) for n in range(field.type.num_fields)]
        if hasattr(field.type, "value_type") and not field.type.num_fields:  # of a dictionary, which has no fields
            waiting += [field.type.value_type.field(n) for n in range(field.type.value_type.num_fields)]
