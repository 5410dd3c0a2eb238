"""A page of a listing, of which three things of each key are read.

botocore looks at eight fields of each key, and makes a value of each: 25 us for
a thousandth of an answer, of which key, size and time are used. Here these three are read
from the XML itself, and botocore is given the answer without its keys: all else is its business still, such as
whether there are more, errors, and names that are sent encoded. An answer that looks otherwise than AWS's
goes to botocore as it is.
"""

from __future__ import annotations

from typing import Any, Final
from xml.etree import ElementTree

from holdall.storage.s3_times import parse_time

_FIELDS: Final = ("Key", "LastModified", "Size")
_ROW: Final = "Contents"
_EVENT: Final = "before-parse.s3.ListObjectsV2"


def read_listings_quickly(client: Any) -> None:
    """Have a botocore client, ours alone, read listings so."""
    client.meta.events.register(_EVENT, _take_contents)


def read_listings_whole(client: Any) -> None:
    """Have a client whose listings were read quickly read all of them again: ETags, too."""
    client.meta.events.unregister(_EVENT, _take_contents)


def _take_contents(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object) -> None:
    body = response_dict["body"]
    if response_dict["status_code"] != 200 or not isinstance(body, bytes) or b"<!DOCTYPE" in body[:1000]:
        return
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        return
    space = root.tag.removesuffix("ListBucketResult")
    names = {f"{space}{name}": name for name in _FIELDS}
    rows = [child for child in root if _local(child.tag) == _ROW]
    tags = {row.tag for row in rows} | {field.tag for row in rows for field in row}
    usual = all(tag.startswith(space) for tag in tags if _local(tag) in (_ROW, *_FIELDS))  # botocore takes any space
    if not rows or space == root.tag or not usual:
        return
    found = [_row(row, names) for row in rows]
    for row in rows:
        root.remove(row)
    rest = ElementTree.tostring(root)
    if all(found) and b"\r" not in rest:  # which would not come back as it is from another parsing
        customized_response_dict["Contents"] = found
        response_dict["body"] = rest


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _row(row: Any, names: dict[str, str]) -> dict[str, Any] | None:
    """Return key, time and size; None where one of them is missing, is there twice, or is not as AWS sends it."""
    told = [(names[field.tag], field.text) for field in row if field.tag in names]
    found: dict[str, Any] = dict(told)
    if len(told) != len(_FIELDS) or len(found) != len(_FIELDS) or not all(found.values()):
        return None
    if not found["Size"].isascii() or not found["Size"].isdigit():
        return None
    try:
        return found | {"Size": int(found["Size"]), "LastModified": parse_time(found["LastModified"])}
    except ValueError:
        return None
