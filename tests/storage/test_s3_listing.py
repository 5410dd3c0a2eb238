"""A page of a listing means what botocore says that it means, whichever of the two reads its keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError
from botocore.session import Session

from holdall.storage.s3_listing import _take_contents, read_listings_quickly

SPACE = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
TIME = "2026-11-27T19:30:00.000Z"
KEYS = ["a", "runs/0/log/f", "ä/ü", "a b+c%41", "<&>\"'", " lead and trail ", "new\nline", "\U0001f30a"]


def key(name: str, time: str = TIME, size: str = "5", more: str = "") -> str:
    return f"<Contents><Key>{name}</Key><LastModified>{time}</LastModified><Size>{size}</Size>{more}</Contents>"


OWNER = "<ETag>&quot;x&quot;</ETag><StorageClass>STANDARD</StorageClass><Owner><ID>Key</ID></Owner>"


def page(*rows: str, space: str = SPACE, root: str = "ListBucketResult", more: str = "") -> bytes:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}{space}><Name>b</Name>{"".join(rows)}{more}</{root}>'
    return text.encode()


PAGES = {
    "as AWS sends it": page(*(key(escape(name), more=OWNER) for name in KEYS if name != "new\nline")),
    "encoded": page(*(key(quote(name)) for name in KEYS), more="<EncodingType>url</EncodingType>"),
    "cut off": page(
        key("a"), more="<IsTruncated>true</IsTruncated><NextContinuationToken>t&amp;1</NextContinuationToken>"
    ),
    "without a namespace": page(key("a"), key("b"), space=""),
    "with a prefix": page(key("a"), space="")
    .replace(b"<", b"<s:")
    .replace(b"<s:/", b"</s:")
    .replace(b"<s:?xml", b"<?xml")
    .replace(b"<s:ListBucketResult>", b'<s:ListBucketResult xmlns:s="http://s3.amazonaws.com/doc/2006-03-01/">'),
    "spread over lines": page("\n  ", key("a").replace("><", ">\n  <"), "\n"),
    "CDATA": page(key("<![CDATA[a<b]]>")),
    "no keys": page(more="<KeyCount>0</KeyCount>"),
    "folders": page(key("a"), more="<CommonPrefixes><Prefix>f/</Prefix></CommonPrefixes>"),
    "another time": page(key("a", time="Fri, 27 Nov 2026 19:30:00 GMT"), key("b", time="1764271800")),
    "no time": page("<Contents><Key>a</Key><Size>5</Size></Contents>"),
    "no size": page("<Contents><Key>a</Key></Contents>"),
    "an empty key": page(key("")),
    "a size with spaces": page(key("a", size=" 7 ")),
    "a key in another namespace": page(key("a"), key("b").replace("<Contents>", '<Contents xmlns="urn:other">')),
    "a key in no namespace": page(key("a"), key("b").replace("<Contents>", '<Contents xmlns="">')),
    "a field in another namespace": page(key("a").replace("<Key>", '<Key xmlns="urn:other">')),
    "a carriage return": page(key("a"), more="<NextContinuationToken>t&#13;1</NextContinuationToken>"),
    "a folder with one": page(key("a"), more="<CommonPrefixes><Prefix>f&#13;/</Prefix></CommonPrefixes>"),
    "a year of two digits": page(key("a", time="Fri, 27 Nov 0026 19:30:00 GMT")),
    "entities": b'<!DOCTYPE x [<!ENTITY e "hello">]>' + page(key("&e;")).partition(b"\n")[2],
    "another root": page(key("a"), root="Something"),
}
WRONG = {
    "a size that is none": page(key("a", size="many")),
    "a time that is none": page(key("a", time="yesterday")),
    "half of it": page(key("a"), key("b"))[:-30],
    "a size in two namespaces": page(key("a").replace("<Size>", '<Size xmlns="urn:other">9</Size><Size>')),
    "a tower of entities": b"<!DOCTYPE x [<!ENTITY e0 '0123456789'>%s]>%s"
    % (
        b"".join(b"<!ENTITY e%d '%s'>" % (n, b"&e%d;" % (n - 1) * 10) for n in range(1, 9)),
        page(key("&e8;")).partition(b"\n")[2],
    ),
    "no XML": b"<html>hello",
}


def listed(body: bytes, status: int = 200, *, quickly: bool) -> dict[str, Any]:
    """What a client makes of an answer."""
    client = Session().create_client(
        "s3",
        config=Config(retries={"max_attempts": 0}),
        region_name="us-east-1",
        aws_access_key_id="k",
        aws_secret_access_key="s",
        endpoint_url="http://127.0.0.1:9",
    )
    client.meta.events.register("before-send.s3", lambda request, **_: AWSResponse(request.url, status, {}, Raw(body)))
    if quickly:
        read_listings_quickly(client)
    found: dict[str, Any] = client.list_objects_v2(Bucket="b")
    found.pop("ResponseMetadata")
    used = ("Key", "LastModified", "Size")
    rows = [{name: row[name] for name in used if name in row} for row in found.get("Contents", [])]
    return found | ({"Contents": rows} if rows else {})


class Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> list[bytes]:
        return [self._body]


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.every(2)
def test_a_page_means_what_botocore_says(name: str) -> None:
    """Keys, times, sizes, and all that is not of a key."""
    assert listed(PAGES[name], quickly=True) == listed(PAGES[name], quickly=False)


@pytest.mark.parametrize("name", WRONG)
def test_a_page_that_botocore_refuses_is_refused(name: str) -> None:
    """In the same words."""
    errors = []
    for quickly in (False, True):
        with pytest.raises((ResponseParserError, ValueError, TypeError, ClientError)) as error:
            listed(WRONG[name], quickly=quickly)
        errors.append((error.type, str(error.value)))
    assert errors[0] == errors[1]


def test_an_error_is_botocores() -> None:
    """What is no listing is not looked at."""
    body = b"<Error><Code>SlowDown</Code><Message>please</Message></Error>"
    with pytest.raises(ClientError, match="SlowDown"):
        listed(body, 403, quickly=True)


def taken(body: bytes) -> bool:
    """Whether the keys of a page are read here."""
    own: dict[str, Any] = {}
    take: Callable[..., None] = _take_contents
    take({"body": body, "status_code": 200}, own)
    return "Contents" in own


def test_usual_pages_are_read_here() -> None:
    """Those that AWS and its likes send; what is unusual goes to botocore whole."""
    ours = {name for name, body in PAGES.items() if taken(body)}
    usual = {"as AWS sends it", "encoded", "cut off", "without a namespace", "with a prefix", "folders"}
    assert ours == usual | {"spread over lines", "CDATA", "another time", "a year of two digits"}
    assert not taken(page(key("a</Key><Key>b")))
