"""Times that servers send mean what botocore says that they mean."""

from __future__ import annotations

from datetime import datetime

import pytest
from botocore.session import Session
from botocore.utils import parse_timestamp
from tests.support.servers import Server

from holdall.storage import s3_times
from holdall.storage.s3_times import parse_time, read_times_quickly

USUAL = [
    "2026-11-27T19:30:00.000Z",
    "2026-11-27T19:30:00.123456Z",
    "2026-11-27T19:30:00.5Z",
    "2026-11-27T19:30:00Z",
    "2000-02-29T00:00:00Z",
    "9999-12-31T23:59:59.999Z",
    "Fri, 27 Nov 2026 19:30:00 GMT",
    "Mon, 27 Nov 2026 19:30:00 GMT",
    "Thu, 01 Jan 1970 00:00:00 GMT",
]
OTHERS = [
    "2026-11-27T19:30:00.123456789Z",
    "2026-11-27T19:30:00+02:00",
    "2026-11-27T19:30:00.000-0330",
    "2026-11-27T19:30:00",
    "2026-11-27 19:30:00Z",
    "20261127T193000Z",
    "20261127",
    "Fri, 27 Nov 2026 19:30:00 +0000",
    "Fri, 27 Nov 2026 19:30:00 UTC",
    "Fri, 7 Nov 2026 19:30:00 GMT",
    "Friday, 27-Nov-26 19:30:00 GMT",
    "Fri Nov 27 19:30:00 2026",
    "Fri, 27 Nov 0026 19:30:00 GMT",
    "1764271800",
    "1764271800.25",
    1764271800,
    1764271800.25,
]
WRONG = [
    "",
    "yesterday",
    "2026-W10",
    "2026-02-30T00:00:00Z",
    "Mon, 30 Feb 2026 00:00:00 GMT",
    "0000-01-01T00:00:00Z",
    None,
]


@pytest.mark.parametrize("text", [*USUAL, *OTHERS])
def test_a_time_means_what_botocore_says(text: object) -> None:
    """The same moment, to the microsecond, and with the same offset."""
    ours, theirs = parse_time(text), parse_timestamp(text)
    assert (ours, ours.utcoffset()) == (theirs, theirs.utcoffset())


@pytest.mark.parametrize("text", WRONG)
def test_what_botocore_refuses_is_refused(text: object) -> None:
    """In the same words."""
    with pytest.raises(ValueError, match="Invalid timestamp") as theirs:
        parse_timestamp(text)
    with pytest.raises(ValueError, match="Invalid timestamp") as ours:
        parse_time(text)
    assert str(ours.value) == str(theirs.value)


@pytest.mark.parametrize("text", USUAL)
def test_the_usual_forms_need_no_search(text: str) -> None:
    """They never come to botocore's parser, which is what makes a listing cheap."""
    assert s3_times._usual(text) == parse_timestamp(text)


def test_other_sessions_keep_their_parser() -> None:
    """Only the session that is given learns it: another of the same program reads as before."""
    ours, theirs = Session(), Session()
    read_times_quickly(ours)
    assert ours.get_component("response_parser_factory").create_parser("rest-xml")._timestamp_parser is parse_time
    assert theirs.get_component("response_parser_factory").create_parser("rest-xml")._timestamp_parser is not parse_time


@pytest.mark.parametrize("lane", ["boto3", "s3fs"])
def test_both_lanes_read_times_so(lane: str, moto: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing through either asks `parse_time` for each key."""
    from holdall.storage.schemes import bucket_at

    seen: list[str] = []
    usual = s3_times._usual

    def noted(text: str) -> datetime | None:
        seen.append(text)
        return usual(text)

    monkeypatch.setattr(s3_times, "_usual", noted)
    bucket = bucket_at(f"{moto.new_bucket()}/store", {**moto.options, "lane": lane})
    for key in ("a", "b"):
        bucket.put(key, b"1")
    seen.clear()
    found = list(bucket.list())
    assert len(seen) == 2
    assert [info.modified for info in found] == [int(parse_timestamp(text).timestamp() * 1000) for text in seen]
